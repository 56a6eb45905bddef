//! Tokens of IDL.

use crate::definition::escapes::unescape_once;
use crate::error::DefinitionError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Identifier(String),
    Integer(i128),
    Float(f64),
    Text(String),
    /// One of `{ } ( ) [ ] < > ; , = @ :: + - ~ * / % | ^ &`; `::` is `':'`.
    Symbol(char),
}

/// A token and where it stands.
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) line: usize,
    pub(super) column: usize,
}

pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, DefinitionError> {
    let mut lexer = Lexer {
        rest: text,
        line: 1,
        column: 1,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank()?;
        let (line, column) = (lexer.line, lexer.column);
        match lexer.token()? {
            Some(token) => tokens.push(Spanned {
                token,
                line,
                column,
            }),
            None => return Ok(tokens),
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Lexer<'a> {
    fn error(&self, message: impl Into<String>) -> DefinitionError {
        DefinitionError::at(self.line, self.column, message)
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        for c in taken.chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// Skips white space, comments and `#include` lines (dependencies are given beside the text).
    fn skip_blank(&mut self) -> Result<(), DefinitionError> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest.starts_with("//") || self.rest.starts_with('#') {
                self.take_while(|c| c != '\n');
            } else if self.rest.starts_with("/*") {
                match self.rest[2..].find("*/") {
                    Some(end) => self.take(end + 4),
                    None => return Err(self.error("the comment is not closed")),
                };
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Option<Token>, DefinitionError> {
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        let token = if self.rest.starts_with("L\"") {
            self.take(1);
            self.text()?
        } else if first == '"' {
            self.text()?
        } else if first.is_ascii_alphabetic() || first == '_' {
            Token::Identifier(
                self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
                    .to_owned(),
            )
        } else if first.is_ascii_digit() || self.starts_with_fraction() {
            self.number()?
        } else if self.rest.starts_with("::") {
            self.take(2);
            Token::Symbol(':')
        } else if "{}()[]<>;,=@+-~*/%|^&".contains(first) {
            self.take(1);
            Token::Symbol(first)
        } else {
            return Err(self.error(format!("unexpected character {first:?}")));
        };
        Ok(Some(token))
    }

    fn starts_with_fraction(&self) -> bool {
        let mut chars = self.rest.chars();
        chars.next() == Some('.') && chars.next().is_some_and(|c| c.is_ascii_digit())
    }

    fn text(&mut self) -> Result<Token, DefinitionError> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else {
            return Err(self.error("the string is not closed"));
        };
        let text = unescape_once(&self.rest[1..end]).map_err(|e| self.error(e))?;
        self.take(end + 1);
        Ok(Token::Text(text))
    }

    fn number(&mut self) -> Result<Token, DefinitionError> {
        let rest = self.rest;
        let mut previous = ' ';
        let end = rest.find(|c: char| {
            let sign = (c == '+' || c == '-') && matches!(previous, 'e' | 'E') && !is_hex(rest);
            previous = c;
            !(c.is_ascii_alphanumeric() || c == '.' || sign)
        });
        let text = &rest[..end.unwrap_or(rest.len())];
        let error = self.error(format!("{text:?} is no number"));
        let parsed = if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
        {
            i128::from_str_radix(hex, 16).ok().map(Token::Integer)
        } else if text.bytes().all(|b| b.is_ascii_digit()) {
            let octal = text.len() > 1 && text.starts_with('0');
            i128::from_str_radix(text, if octal { 8 } else { 10 })
                .ok()
                .map(Token::Integer)
        } else {
            text.trim_end_matches(['d', 'D', 'f', 'F'])
                .parse()
                .ok()
                .map(Token::Float)
        };
        self.take(text.len());
        parsed.ok_or(error)
    }
}

fn is_hex(text: &str) -> bool {
    text.starts_with("0x") || text.starts_with("0X")
}
