//! Values in IDL: constants, and the defaults that annotations carry.

use crate::definition::ast::ElementDef;
use crate::definition::escapes::unescape_once;
use crate::definition::literal;
use crate::layout::ArrayLen;
use crate::value::Value;

/// A constant expression, evaluated.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
}

impl Literal {
    /// As a value of type `element`.
    pub(super) fn single(&self, element: &ElementDef) -> Result<Value, String> {
        let wrong = || Err(format!("the value {self:?} does not fit the type"));
        let primitive = match element {
            ElementDef::Primitive(primitive) => *primitive,
            ElementDef::String { bound, .. } => {
                let Self::Text(text) = self else {
                    return wrong();
                };
                return match bound {
                    Some(bound) if text.chars().count() > *bound => {
                        Err(format!("the string is longer than its bound of {bound}"))
                    }
                    _ if text.contains('\0') => wrong(),
                    _ => Ok(Value::Str(text.as_str().into())),
                };
            }
            ElementDef::Named { .. } => return Err("fields of message type take no default".into()),
        };
        match (self, primitive.int_range()) {
            (Self::Bool(value), None) if !primitive.is_float() => Ok(Value::Bool(*value)),
            (Self::Integer(value @ 0..=1), None) if !primitive.is_float() => {
                Ok(Value::Bool(*value == 1))
            }
            (Self::Integer(value), Some(range)) => {
                literal::integer_in_range(primitive, range, *value)
            }
            (Self::Integer(value), None) if primitive.is_float() => {
                literal::float_in_range(primitive, *value as f64)
            }
            (Self::Float(value), None) if primitive.is_float() => {
                literal::float_in_range(primitive, *value)
            }
            _ => wrong(),
        }
    }

    /// As the default of a field; those of arrays are Python tuples in a string: `"(0, 1, 255)"`.
    pub(super) fn default(
        &self,
        element: &ElementDef,
        array: Option<ArrayLen>,
    ) -> Result<Value, String> {
        let Some(len) = array else {
            return self.single(element);
        };
        let Self::Text(text) = self else {
            return Err("the default of an array is a string that holds a tuple".into());
        };
        let values = tuple(text).ok_or_else(|| format!("{text:?} is no tuple of values"))?;
        literal::check_len(len, values.len())?;
        literal::collect(element, values.iter().map(|value| value.single(element)))
    }
}

/// Reads `(1, 2)`, `[1, 2]`, `('a', 'b')`, `(True,)`.
fn tuple(text: &str) -> Option<Vec<Literal>> {
    let text = text.trim();
    let inner = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'));
    let inner = inner.or_else(|| {
        text.strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
    })?;
    let mut values = Vec::new();
    let mut rest = inner.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' => {
                let mut escaped = false;
                let closing = rest.char_indices().skip(1).find(|(_, c)| {
                    let ends = *c == first && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                let (end, _) = closing?;
                values.push(Literal::Text(unescape_once(&rest[1..end]).ok()?));
                end + 1
            }
            _ => {
                let end = rest.find(',').unwrap_or(rest.len());
                values.push(scalar(rest[..end].trim())?);
                end
            }
        };
        rest = rest[end..].trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(values)
}

fn scalar(text: &str) -> Option<Literal> {
    match text {
        "True" | "TRUE" | "true" => Some(Literal::Bool(true)),
        "False" | "FALSE" | "false" => Some(Literal::Bool(false)),
        _ => match literal::integer(text) {
            Some(value) => Some(Literal::Integer(value)),
            None => text.parse().ok().map(Literal::Float),
        },
    }
}
