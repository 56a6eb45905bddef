//! From parsed definitions to a schema.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ast::{ElementDef, FieldDef, MessageDef};
use super::{Definitions, rihs, sections};
use crate::error::DefinitionError;
use crate::layout::{Constant, ElementType, Field, FieldType, Layout, MAX_DEPTH};
use crate::name::{InterfaceKind, TypeName};
use crate::schema::Schema;

pub(super) fn schema(
    definitions: &Definitions,
    root: &TypeName,
) -> Result<Schema, DefinitionError> {
    let mut compiler = Compiler {
        definitions,
        done: HashMap::new(),
        order: Vec::new(),
        open: Vec::new(),
    };
    let Some(message) = definitions.find(root) else {
        return Err(DefinitionError::new(format!(
            "{root} is not among the definitions"
        )));
    };
    let layout = compiler.compile(message)?;
    let needed: BTreeMap<&TypeName, &MessageDef> = compiler
        .order
        .iter()
        .filter(|name| *name != root)
        .filter_map(|name| {
            definitions
                .find(name)
                .map(|message| (&message.name, message))
        })
        .collect();
    let hash = rihs::type_hash(message, &needed, |element| resolve(definitions, element));
    let text = concatenate(definitions, root, &compiler.order);
    Ok(Schema::new(layout, hash, text))
}

/// The name that a reference stands for.
fn resolve(definitions: &Definitions, element: &ElementDef) -> Option<TypeName> {
    match element {
        ElementDef::Named { name, or: Some(or) } if definitions.find(name).is_none() => {
            Some(or.clone())
        }
        ElementDef::Named { name, .. } => Some(name.clone()),
        _ => None,
    }
}

struct Compiler<'a> {
    definitions: &'a Definitions,
    done: HashMap<TypeName, Arc<Layout>>,
    /// Types in the order in which they were first needed.
    order: Vec<TypeName>,
    /// Types that are being compiled, outermost first.
    open: Vec<TypeName>,
}

impl<'a> Compiler<'a> {
    fn compile(&mut self, message: &'a MessageDef) -> Result<Arc<Layout>, DefinitionError> {
        if let Some(layout) = self.done.get(&message.name) {
            return Ok(Arc::clone(layout));
        }
        let error = |text: String| DefinitionError::new(text).in_type(&message.name);
        if self.open.contains(&message.name) {
            return Err(error("the type contains itself".into()));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(error(format!(
                "messages nest deeper than {MAX_DEPTH} levels"
            )));
        }
        self.open.push(message.name.clone());
        self.order.push(message.name.clone());
        let fields = message
            .fields
            .iter()
            .map(|field| self.field(message, field));
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        self.open.pop();
        let constants = message.constants.iter().map(|constant| Constant {
            name: Arc::clone(&constant.name),
            ty: match &constant.element {
                ElementDef::Primitive(primitive) => ElementType::Primitive(*primitive),
                ElementDef::String { bound, wide } => ElementType::String {
                    bound: *bound,
                    wide: *wide,
                },
                ElementDef::Named { .. } => unreachable!("constants are of primitive type"),
            },
            value: constant.value.clone(),
        });
        let layout =
            Layout::new(message.name.clone(), fields, constants.collect()).map_err(error)?;
        let layout = Arc::new(layout);
        self.done.insert(message.name.clone(), Arc::clone(&layout));
        Ok(layout)
    }

    fn field(&mut self, message: &MessageDef, field: &FieldDef) -> Result<Field, DefinitionError> {
        let element = match &field.element {
            ElementDef::Primitive(primitive) => ElementType::Primitive(*primitive),
            ElementDef::String { bound, wide } => ElementType::String {
                bound: *bound,
                wide: *wide,
            },
            ElementDef::Named { name, or } => {
                let definitions = self.definitions;
                let nested = definitions
                    .find(name)
                    .or_else(|| definitions.find(or.as_ref()?));
                let Some(nested) = nested else {
                    let text = format!("{name}, the type of {}, is not defined here", field.name);
                    let error = DefinitionError::at(field.line, field.column, text);
                    return Err(error.in_type(&message.name));
                };
                ElementType::Message(self.compile(nested)?)
            }
        };
        let ty = match field.array {
            None => FieldType::Single(element),
            Some(len) => FieldType::Array(element, len),
        };
        Ok(Field {
            name: Arc::clone(&field.name),
            ty,
            default: field.default.clone(),
        })
    }
}

/// The texts of `order`, the root's first, in the format of recordings.
fn concatenate(definitions: &Definitions, root: &TypeName, order: &[TypeName]) -> String {
    let mut out = String::new();
    let mut written: Vec<&TypeName> = Vec::new();
    for needed in order {
        let Some((name, text)) = definitions.text_of(needed) else {
            continue;
        };
        if written.contains(&name) {
            continue;
        }
        written.push(name);
        let is_root = written.len() == 1;
        if !is_root {
            out.push('\n');
        }
        // The root's header is left out, as recorders do; only what is not its interface's text needs one.
        if !is_root || text.is_idl {
            let keyword = match (text.is_idl, name.kind()) {
                (true, _) => "IDL",
                (_, InterfaceKind::Msg) => "MSG",
                (_, InterfaceKind::Srv) => "SRV",
                (_, InterfaceKind::Action) => "ACTION",
            };
            let short = name.kind() == InterfaceKind::Msg && !text.is_idl;
            let shown = if short {
                format!("{}/{}", name.pkg(), name.name())
            } else {
                name.to_string()
            };
            out.push_str(&format!("{}\n{keyword}: {shown}\n", sections::SEPARATOR));
        }
        out.push_str(&text.text);
        if !text.text.ends_with('\n') {
            out.push('\n');
        }
    }
    debug_assert!(!order.is_empty() && order[0] == *root);
    out
}
