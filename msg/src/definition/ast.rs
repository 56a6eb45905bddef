//! Parsed but unresolved definitions.

use std::sync::Arc;

use crate::layout::ArrayLen;
use crate::name::TypeName;
use crate::primitive::Primitive;
use crate::value::Value;

/// ROS's hidden member of types without fields.
pub(super) const EMPTY_MEMBER: &str = "structure_needs_at_least_one_member";

/// A message, or a part of a service or action.
#[derive(Clone, Debug)]
pub(super) struct MessageDef {
    pub(super) name: TypeName,
    pub(super) fields: Vec<FieldDef>,
    pub(super) constants: Vec<ConstantDef>,
}

#[derive(Clone, Debug)]
pub(super) struct FieldDef {
    pub(super) name: Arc<str>,
    pub(super) element: ElementDef,
    pub(super) array: Option<ArrayLen>,
    pub(super) default: Option<Value>,
    pub(super) line: usize,
    pub(super) column: usize,
}

#[derive(Clone, Debug)]
pub(super) struct ConstantDef {
    pub(super) name: Arc<str>,
    pub(super) element: ElementDef,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ElementDef {
    Primitive(Primitive),
    String {
        bound: Option<usize>,
        wide: bool,
    },
    /// A message; `or` is looked up if the first name is not defined.
    Named {
        name: TypeName,
        or: Option<TypeName>,
    },
}

impl FieldDef {
    /// A field that ROS adds itself.
    pub(super) fn implicit(name: &str, element: ElementDef, array: Option<ArrayLen>) -> Self {
        Self {
            name: name.into(),
            element,
            array,
            default: None,
            line: 0,
            column: 0,
        }
    }
}

impl ElementDef {
    pub(super) fn named(name: TypeName) -> Self {
        Self::Named { name, or: None }
    }
}

impl MessageDef {
    pub(super) fn new(name: TypeName, fields: Vec<FieldDef>) -> Self {
        Self {
            name,
            fields,
            constants: Vec::new(),
        }
    }

    /// Drops the hidden member that generated `.idl` files spell out.
    pub(super) fn without_hidden_member(mut self) -> Self {
        if let [only] = &self.fields[..]
            && &*only.name == EMPTY_MEMBER
        {
            self.fields.clear();
        }
        self
    }
}
