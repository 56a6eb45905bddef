//! The description over which ROS computes type hashes (REP 2011, version RIHS01).

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::ast::{EMPTY_MEMBER, ElementDef, FieldDef, MessageDef};
use crate::hash::TypeHash;
use crate::layout::ArrayLen;
use crate::name::TypeName;
use crate::primitive::Primitive;

/// The hash of `root`. `needed` holds every other type that it needs, directly or not; `resolve` gives the
/// name that a reference stands for.
pub(super) fn type_hash(
    root: &MessageDef,
    needed: &BTreeMap<&TypeName, &MessageDef>,
    resolve: impl Fn(&ElementDef) -> Option<TypeName>,
) -> TypeHash {
    let mut json = String::from("{\"type_description\": ");
    describe(&mut json, root, &resolve);
    json.push_str(", \"referenced_type_descriptions\": [");
    for (i, message) in needed.values().enumerate() {
        if i > 0 {
            json.push_str(", ");
        }
        describe(&mut json, message, &resolve);
    }
    json.push_str("]}");
    TypeHash(Sha256::digest(json.as_bytes()).into())
}

/// Names are identifiers, so nothing needs escaping.
fn describe(
    json: &mut String,
    message: &MessageDef,
    resolve: &impl Fn(&ElementDef) -> Option<TypeName>,
) {
    let hidden = [FieldDef::implicit(
        EMPTY_MEMBER,
        ElementDef::Primitive(Primitive::U8),
        None,
    )];
    let fields = if message.fields.is_empty() {
        &hidden[..]
    } else {
        &message.fields
    };
    // Writing to a String cannot fail.
    let _ = write!(json, "{{\"type_name\": \"{}\", \"fields\": [", message.name);
    for (i, field) in fields.iter().enumerate() {
        let separator = if i > 0 { ", " } else { "" };
        let nested = resolve(&field.element);
        let _ = write!(
            json,
            "{separator}{{\"name\": \"{}\", \"type\": {{\"type_id\": {}, \"capacity\": {}, \
             \"string_capacity\": {}, \"nested_type_name\": \"{}\"}}}}",
            field.name,
            type_id(field),
            capacity(field),
            string_capacity(field),
            nested.as_ref().map_or("", TypeName::as_str),
        );
    }
    json.push_str("]}");
}

/// The numbers of `type_description_interfaces/msg/FieldType`.
fn type_id(field: &FieldDef) -> u8 {
    let element = match field.element {
        ElementDef::Named { .. } => 1,
        ElementDef::Primitive(Primitive::I8) => 2,
        ElementDef::Primitive(Primitive::U8) => 3,
        ElementDef::Primitive(Primitive::I16) => 4,
        ElementDef::Primitive(Primitive::U16) => 5,
        ElementDef::Primitive(Primitive::I32) => 6,
        ElementDef::Primitive(Primitive::U32) => 7,
        ElementDef::Primitive(Primitive::I64) => 8,
        ElementDef::Primitive(Primitive::U64) => 9,
        ElementDef::Primitive(Primitive::F32) => 10,
        ElementDef::Primitive(Primitive::F64) => 11,
        ElementDef::Primitive(Primitive::Char) => 13,
        ElementDef::Primitive(Primitive::Bool) => 15,
        ElementDef::Primitive(Primitive::Byte) => 16,
        ElementDef::String {
            bound: None,
            wide: false,
        } => 17,
        ElementDef::String {
            bound: None,
            wide: true,
        } => 18,
        ElementDef::String {
            bound: Some(_),
            wide: false,
        } => 21,
        ElementDef::String {
            bound: Some(_),
            wide: true,
        } => 22,
    };
    element
        + match field.array {
            None => 0,
            Some(ArrayLen::Fixed(_)) => 48,
            Some(ArrayLen::Bounded(_)) => 96,
            Some(ArrayLen::Unbounded) => 144,
        }
}

fn capacity(field: &FieldDef) -> usize {
    match field.array {
        Some(ArrayLen::Fixed(n) | ArrayLen::Bounded(n)) => n,
        None | Some(ArrayLen::Unbounded) => 0,
    }
}

fn string_capacity(field: &FieldDef) -> usize {
    match field.element {
        ElementDef::String {
            bound: Some(bound), ..
        } => bound,
        _ => 0,
    }
}
