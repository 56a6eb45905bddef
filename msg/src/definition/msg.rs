//! The `.msg` grammar, as `rosidl_adapter` defines it.

use std::collections::HashSet;
use std::sync::Arc;

use super::ast::{ConstantDef, ElementDef, FieldDef, MessageDef};
use super::literal;
use crate::error::DefinitionError;
use crate::layout::ArrayLen;
use crate::name::{InterfaceKind, TypeName};
use crate::primitive::Primitive;

/// A line of a definition, with its number from 1.
pub(super) type Line<'a> = (usize, &'a str);

/// The lines of a text.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    (1..).zip(
        text.split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line)),
    )
}

/// Reads the lines of one message.
pub(super) fn parse<'a>(
    name: &TypeName,
    lines: impl Iterator<Item = Line<'a>>,
) -> Result<MessageDef, DefinitionError> {
    let mut message = MessageDef::new(name.clone(), Vec::new());
    let mut names = HashSet::new();
    for (number, line) in lines {
        // A `#` starts a comment wherever it stands, in strings too: so it is in ROS.
        let content = line
            .split('#')
            .next()
            .unwrap_or_default()
            .replace('\t', " ");
        let content = content.trim_end();
        let indent = content.len() - content.trim_start().len();
        let content = &content[indent..];
        if content.is_empty() {
            continue;
        }
        let column = |part: &str| indent + 1 + (part.as_ptr() as usize - content.as_ptr() as usize);
        let (type_text, rest) = content.split_once(' ').unwrap_or((content, ""));
        let rest = rest.trim_start();
        if rest.is_empty() {
            let message = format!("expected `type name`, found only {type_text:?}");
            return Err(DefinitionError::at(number, indent + 1, message));
        }
        let error =
            |part: &str, message: String| DefinitionError::at(number, column(part), message);
        if let Some((name, value)) = rest.split_once('=') {
            let name = name.trim_end();
            let constant =
                constant(type_text, name, value.trim_start()).map_err(|e| error(rest, e))?;
            if !names.insert(name.to_owned()) {
                return Err(error(rest, format!("the constant {name} is defined twice")));
            }
            message.constants.push(constant);
        } else {
            let (field_name, default) = rest.split_once(' ').unwrap_or((rest, ""));
            let (element, array) = parse_type(name, type_text).map_err(|e| error(content, e))?;
            if !is_field_name(field_name) {
                let message = format!(
                    "{field_name:?} is no field name: lower-case letters, digits and single underscores, \
                     starting with a letter"
                );
                return Err(error(rest, message));
            }
            if !names.insert(field_name.to_owned()) {
                return Err(error(
                    rest,
                    format!("the field {field_name} is defined twice"),
                ));
            }
            let default_text = default.trim_start();
            let default = match default_text {
                "" => None,
                text => Some(
                    literal::field_default(&element, array, text)
                        .map_err(|e| error(default_text, e))?,
                ),
            };
            message.fields.push(FieldDef {
                name: Arc::from(field_name),
                element,
                array,
                default,
                line: number,
                column: indent + 1,
            });
        }
    }
    Ok(message.without_hidden_member())
}

fn constant(type_text: &str, name: &str, value: &str) -> Result<ConstantDef, String> {
    let Some(element) = primitive(type_text)? else {
        return Err(format!("constants are of primitive type, not {type_text}"));
    };
    if !is_constant_name(name) {
        return Err(format!(
            "{name:?} is no constant name: upper-case letters, digits and single underscores, starting \
             with a letter"
        ));
    }
    let value = literal::single(&element, value)?;
    Ok(ConstantDef {
        name: name.into(),
        element,
        value,
    })
}

fn primitive(text: &str) -> Result<Option<ElementDef>, String> {
    let primitive = match text {
        "bool" => Primitive::Bool,
        "byte" => Primitive::Byte,
        // ROS maps char to uint8 when it translates to IDL.
        "char" | "uint8" => Primitive::U8,
        "int8" => Primitive::I8,
        "int16" => Primitive::I16,
        "uint16" => Primitive::U16,
        "int32" => Primitive::I32,
        "uint32" => Primitive::U32,
        "int64" => Primitive::I64,
        "uint64" => Primitive::U64,
        "float32" => Primitive::F32,
        "float64" => Primitive::F64,
        "string" => {
            return Ok(Some(ElementDef::String {
                bound: None,
                wide: false,
            }));
        }
        "wstring" => {
            return Ok(Some(ElementDef::String {
                bound: None,
                wide: true,
            }));
        }
        "time" => return Err("time is of ROS 1: use builtin_interfaces/Time".into()),
        "duration" => return Err("duration is of ROS 1: use builtin_interfaces/Duration".into()),
        _ => return Ok(None),
    };
    Ok(Some(ElementDef::Primitive(primitive)))
}

fn parse_type(context: &TypeName, text: &str) -> Result<(ElementDef, Option<ArrayLen>), String> {
    let Some(inner) = text.strip_suffix(']') else {
        return Ok((parse_element(context, text)?, None));
    };
    let (element, len) = inner
        .rsplit_once('[')
        .ok_or("the type ends with `]` but has no `[`")?;
    let array = match (len, len.strip_prefix("<=")) {
        ("", _) => ArrayLen::Unbounded,
        (_, Some(bound)) => ArrayLen::Bounded(size(bound)?),
        (len, None) => ArrayLen::Fixed(size(len)?),
    };
    Ok((parse_element(context, element)?, Some(array)))
}

/// The size in an array's or string's type: positive, and no more than a length field can say.
pub(super) fn size(text: &str) -> Result<usize, String> {
    match literal::integer(text) {
        Some(n @ 1..=0xffff_ffff) => Ok(n as usize),
        _ => Err(format!(
            "expected a size of 1 or more (and less than 2^32), found {text:?}"
        )),
    }
}

fn parse_element(context: &TypeName, text: &str) -> Result<ElementDef, String> {
    if let Some(element) = primitive(text)? {
        return Ok(element);
    }
    for (prefix, wide) in [("string<=", false), ("wstring<=", true)] {
        if let Some(bound) = text.strip_prefix(prefix) {
            return Ok(ElementDef::String {
                bound: Some(size(bound)?),
                wide,
            });
        }
    }
    let parts: Vec<&str> = text.splitn(4, '/').collect();
    let (pkg, name) = match parts[..] {
        [name] => (context.pkg(), name),
        [pkg, name] | [pkg, "msg", name] => (pkg, name),
        _ => {
            return Err(format!(
                "{text:?} is no type: expected a primitive, Name, pkg/Name or pkg/msg/Name"
            ));
        }
    };
    if !is_package_name(pkg) {
        return Err(format!("{pkg:?} is no package name"));
    }
    if !is_message_name(name) {
        return Err(format!(
            "{text:?} is no type: neither a primitive nor a message name"
        ));
    }
    let named = |pkg| TypeName::new(pkg, InterfaceKind::Msg, name).map_err(|e| e.to_string());
    // ROS 1 text says Header for std_msgs/Header.
    let or = (parts.len() == 1 && name == "Header")
        .then(|| named("std_msgs"))
        .transpose()?;
    Ok(ElementDef::Named {
        name: named(pkg)?,
        or,
    })
}

/// Lower-case words joined by single underscores.
fn is_field_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.contains("__")
        && !name.ends_with('_')
}

fn is_package_name(name: &str) -> bool {
    is_field_name(name)
}

fn is_message_name(name: &str) -> bool {
    let name = name.strip_prefix("Sample_").unwrap_or(name);
    let suffixes = ["_Request", "_Response", "_Goal", "_Result", "_Feedback"];
    let name = suffixes.iter().fold(name, |name, suffix| {
        name.strip_suffix(suffix).unwrap_or(name)
    });
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_constant_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && !name.contains("__")
        && !name.ends_with('_')
}
