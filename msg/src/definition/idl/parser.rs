//! The grammar.

use std::collections::HashMap;
use std::sync::Arc;

use super::annotations::Literal;
use super::lexer::{Spanned, Token, tokens};
use crate::definition::ast::{ConstantDef, ElementDef, FieldDef, MessageDef};
use crate::error::DefinitionError;
use crate::layout::ArrayLen;
use crate::name::{InterfaceKind, TypeName};
use crate::primitive::Primitive;

type Result<T> = std::result::Result<T, DefinitionError>;
/// A type: its element, and its length if it is an array.
type Typed = (ElementDef, Option<ArrayLen>);

/// Modules may nest this deep; ROS uses three levels.
const MAX_MODULES: usize = 16;

const CONSTANTS_SUFFIX: &str = "_Constants";

/// All structures of a text.
pub(super) fn parse(text: &str) -> Result<Vec<MessageDef>> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        ..Parser::default()
    };
    while parser.peek().is_some() {
        parser.definition()?;
    }
    let mut constants = parser.constants;
    for message in &mut parser.messages {
        let module = format!("{}{CONSTANTS_SUFFIX}", message.name.name());
        message.constants = constants.remove(&module).unwrap_or_default();
    }
    let hidden = MessageDef::without_hidden_member;
    Ok(parser.messages.into_iter().map(hidden).collect())
}

#[derive(Default)]
struct Parser {
    tokens: Vec<Spanned>,
    next: usize,
    modules: Vec<String>,
    typedefs: HashMap<String, Typed>,
    /// By the name of the innermost module.
    constants: HashMap<String, Vec<ConstantDef>>,
    values: HashMap<String, Literal>,
    messages: Vec<MessageDef>,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|spanned| &spanned.token)
    }

    fn error(&self, message: impl Into<String>) -> DefinitionError {
        let at = self.tokens.get(self.next).or(self.tokens.last());
        let (line, column) = at.map_or((1, 1), |spanned| (spanned.line, spanned.column));
        DefinitionError::at(line, column, message)
    }

    fn expected(&self, what: &str) -> DefinitionError {
        match self.peek() {
            Some(token) => self.error(format!("expected {what}, found {token:?}")),
            None => self.error(format!("expected {what}, found the end")),
        }
    }

    fn accept(&mut self, symbol: char) -> bool {
        let found = self.peek() == Some(&Token::Symbol(symbol));
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        match self.accept(symbol) {
            true => Ok(()),
            false => Err(self.expected(&format!("`{symbol}`"))),
        }
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Identifier(name)) if name == word);
        self.next += usize::from(found);
        found
    }

    fn identifier(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::Identifier(name)) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.expected("a name")),
        }
    }

    fn definition(&mut self) -> Result<()> {
        self.annotations()?;
        if self.accept_word("module") {
            let name = self.identifier()?;
            if self.modules.len() >= MAX_MODULES {
                return Err(self.error(format!("modules nest deeper than {MAX_MODULES} levels")));
            }
            self.modules.push(name);
            self.expect('{')?;
            while !self.accept('}') {
                self.definition()?;
            }
            self.modules.pop();
        } else if self.accept_word("struct") {
            self.structure()?;
        } else if self.accept_word("const") {
            self.constant()?;
        } else if self.accept_word("typedef") {
            let typed = self.type_spec()?;
            let (name, typed) = self.declarator(typed)?;
            self.typedefs.insert(name, typed);
        } else {
            return Err(self.expected("module, struct, const or typedef"));
        }
        self.expect(';')
    }

    fn structure(&mut self) -> Result<()> {
        let name = self.identifier()?;
        let error = self.error(format!(
            "a structure lies in modules `pkg::msg`, not {:?}",
            self.modules
        ));
        let [pkg, kind] = &self.modules[..] else {
            return Err(error);
        };
        let kind = kind_of(kind).ok_or(error)?;
        let name = TypeName::new(pkg, kind, &name)?;
        let mut message = MessageDef::new(name, Vec::new());
        self.expect('{')?;
        while !self.accept('}') {
            self.member(&mut message.fields)?;
        }
        self.messages.push(message);
        Ok(())
    }

    fn member(&mut self, fields: &mut Vec<FieldDef>) -> Result<()> {
        let default = self.annotations()?;
        let (line, column) = self
            .tokens
            .get(self.next)
            .map_or((0, 0), |spanned| (spanned.line, spanned.column));
        let typed = self.type_spec()?;
        loop {
            let (name, (element, array)) = self.declarator(typed.clone())?;
            if fields.iter().any(|field| *field.name == *name) {
                return Err(self.error(format!("the field {name} is defined twice")));
            }
            let default = default
                .as_ref()
                .map(|value| value.default(&element, array))
                .transpose();
            let default = default.map_err(|e| DefinitionError::at(line, column, e))?;
            let name = Arc::from(name);
            fields.push(FieldDef {
                name,
                element,
                array,
                default,
                line,
                column,
            });
            if !self.accept(',') {
                return self.expect(';');
            }
        }
    }

    fn constant(&mut self) -> Result<()> {
        let (element, array) = self.type_spec()?;
        let name = self.identifier()?;
        self.expect('=')?;
        let value = self.expression()?;
        if array.is_some() || matches!(element, ElementDef::Named { .. }) {
            return Err(self.error("constants are of primitive type"));
        }
        self.values.insert(name.clone(), value.clone());
        let module = self.modules.last().cloned().unwrap_or_default();
        let value = value.single(&element).map_err(|e| self.error(e))?;
        let constant = ConstantDef {
            name: name.into(),
            element,
            value,
        };
        self.constants.entry(module).or_default().push(constant);
        Ok(())
    }

    /// Skips annotations; returns the value of `@default`, if it is among them.
    fn annotations(&mut self) -> Result<Option<Literal>> {
        let mut default = None;
        while self.accept('@') {
            let mut name = self.identifier()?;
            while self.accept(':') {
                name = self.identifier()?;
            }
            if !self.accept('(') {
                continue;
            }
            loop {
                let named = matches!(self.tokens.get(self.next + 1), Some(s) if s.token == Token::Symbol('='));
                let parameter = if named {
                    self.identifier()?
                } else {
                    "value".to_owned()
                };
                if named {
                    self.expect('=')?;
                }
                let value = self.expression()?;
                if name == "default" && parameter == "value" {
                    default = Some(value);
                }
                if !self.accept(',') {
                    break;
                }
            }
            self.expect(')')?;
        }
        Ok(default)
    }

    /// A literal, perhaps with signs, or the name of a constant. (rosidl evaluates no more either.)
    fn expression(&mut self) -> Result<Literal> {
        let mut negative = false;
        loop {
            if self.accept('-') {
                negative = !negative;
            } else if !self.accept('+') {
                break;
            }
        }
        let value = match self.peek() {
            Some(Token::Integer(value)) => Literal::Integer(if negative { -value } else { *value }),
            Some(Token::Float(value)) => Literal::Float(if negative { -value } else { *value }),
            Some(Token::Text(text)) if !negative => {
                let mut text = text.clone();
                // Adjacent strings are one.
                while let Some(Token::Text(more)) = self.tokens.get(self.next + 1).map(|s| &s.token)
                {
                    text.push_str(more);
                    self.next += 1;
                }
                Literal::Text(text)
            }
            Some(Token::Identifier(name)) if !negative => match name.as_str() {
                "TRUE" => Literal::Bool(true),
                "FALSE" => Literal::Bool(false),
                name => match self.values.get(name) {
                    Some(value) => value.clone(),
                    None => Literal::Text(name.to_owned()), // as of an enumeration
                },
            },
            _ => return Err(self.expected("a value")),
        };
        self.next += 1;
        Ok(value)
    }

    fn size(&mut self) -> Result<usize> {
        match self.expression()? {
            Literal::Integer(n @ 1..=0xffff_ffff) => Ok(n as usize),
            _ => Err(self.error("expected a size of 1 or more (and less than 2^32)")),
        }
    }

    fn type_spec(&mut self) -> Result<Typed> {
        if self.accept_word("sequence") {
            self.expect('<')?;
            let nested = "ROS has no sequences of arrays";
            if matches!(self.peek(), Some(Token::Identifier(word)) if word == "sequence") {
                return Err(self.error(nested)); // before it recurses
            }
            let (element, array) = self.type_spec()?;
            if array.is_some() {
                return Err(self.error(nested));
            }
            let len = match self.accept(',') {
                true => ArrayLen::Bounded(self.size()?),
                false => ArrayLen::Unbounded,
            };
            self.expect('>')?;
            return Ok((element, Some(len)));
        }
        for (word, wide) in [("string", false), ("wstring", true)] {
            if self.accept_word(word) {
                let bound = match self.accept('<') {
                    true => {
                        let bound = self.size()?;
                        self.expect('>')?;
                        Some(bound)
                    }
                    false => None,
                };
                return Ok((ElementDef::String { bound, wide }, None));
            }
        }
        let word = self.identifier()?;
        if let Some(primitive) = self.primitive(&word)? {
            return Ok((ElementDef::Primitive(primitive), None));
        }
        let mut path = vec![word];
        while self.accept(':') {
            path.push(self.identifier()?);
        }
        match &path[..] {
            [name] => match self.typedefs.get(name) {
                Some(typed) => Ok(typed.clone()),
                None => self.same_module(name),
            },
            [pkg, kind, name] => {
                let kind = kind_of(kind).ok_or_else(|| self.error("expected pkg::msg::Name"))?;
                Ok((ElementDef::named(TypeName::new(pkg, kind, name)?), None))
            }
            _ => Err(self.error(format!(
                "{} is no type: expected pkg::msg::Name",
                path.join("::")
            ))),
        }
    }

    fn same_module(&self, name: &str) -> Result<Typed> {
        match &self.modules[..] {
            [pkg, kind] => match kind_of(kind) {
                Some(kind) => Ok((ElementDef::named(TypeName::new(pkg, kind, name)?), None)),
                None => Err(self.error(format!("{name} is no type"))),
            },
            _ => Err(self.error(format!("{name} is no type"))),
        }
    }

    fn primitive(&mut self, word: &str) -> Result<Option<Primitive>> {
        Ok(Some(match word {
            "boolean" => Primitive::Bool,
            "octet" => Primitive::Byte,
            "char" => Primitive::Char,
            "int8" => Primitive::I8,
            "uint8" => Primitive::U8,
            "int16" | "short" => Primitive::I16,
            "uint16" => Primitive::U16,
            "int32" => Primitive::I32,
            "uint32" => Primitive::U32,
            "int64" => Primitive::I64,
            "uint64" => Primitive::U64,
            "float" => Primitive::F32,
            "double" => Primitive::F64,
            "long" if self.accept_word("long") => Primitive::I64,
            "long" if self.accept_word("double") => {
                return Err(self.error("long double has no NumPy type and no ROS 2 mapping"));
            }
            "long" => Primitive::I32,
            "unsigned" if self.accept_word("short") => Primitive::U16,
            "unsigned" if self.accept_word("long") => match self.accept_word("long") {
                true => Primitive::U64,
                false => Primitive::U32,
            },
            "wchar" | "fixed" | "enum" | "union" | "map" | "any" => {
                return Err(self.error(format!("the type {word} is not supported")));
            }
            _ => return Ok(None),
        }))
    }

    fn declarator(&mut self, (element, array): Typed) -> Result<(String, Typed)> {
        let name = self.identifier()?;
        if !self.accept('[') {
            return Ok((name, (element, array)));
        }
        let n = self.size()?;
        self.expect(']')?;
        if array.is_some() || self.peek() == Some(&Token::Symbol('[')) {
            return Err(self.error("ROS has no arrays of arrays"));
        }
        Ok((name, (element, Some(ArrayLen::Fixed(n)))))
    }
}

fn kind_of(word: &str) -> Option<InterfaceKind> {
    match word {
        "msg" => Some(InterfaceKind::Msg),
        "srv" => Some(InterfaceKind::Srv),
        "action" => Some(InterfaceKind::Action),
        _ => None,
    }
}
