//! Types of fields.

use std::fmt;
use std::sync::Arc;

use super::Layout;
use crate::primitive::Primitive;
use crate::value::Value;

/// A field of a message.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: FieldType,
    /// The default that the definition gives; without one, ROS's default is zero, false or empty.
    pub default: Option<Value>,
}

/// A constant of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: ElementType,
    /// Its value.
    pub value: Value,
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldType {
    /// One value.
    Single(ElementType),
    /// An array of values. ROS has no arrays of arrays.
    Array(ElementType, ArrayLen),
}

/// The type of a single value.
#[derive(Clone, Debug)]
pub enum ElementType {
    /// A value of fixed size.
    Primitive(Primitive),
    /// `string` or `wstring`.
    String {
        /// The largest length: bytes of UTF-8, or UTF-16 units of a wide string.
        bound: Option<usize>,
        /// True for `wstring`.
        wide: bool,
    },
    /// A nested message.
    Message(Arc<Layout>),
}

/// How many elements an array has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayLen {
    /// `T[n]`: always `n`.
    Fixed(usize),
    /// `T[<=n]`: up to `n`.
    Bounded(usize),
    /// `T[]`: any number.
    Unbounded,
}

impl PartialEq for ElementType {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Primitive(a), Self::Primitive(b)) => a == b,
            (Self::String { bound: a, wide: x }, Self::String { bound: b, wide: y }) => {
                a == b && x == y
            }
            (Self::Message(a), Self::Message(b)) => Layout::same_shape(a, b),
            _ => false,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitive(primitive) => primitive.fmt(f),
            Self::String { bound, wide } => {
                f.write_str(if *wide { "wstring" } else { "string" })?;
                bound.map_or(Ok(()), |bound| write!(f, "<={bound}"))
            }
            Self::Message(layout) => layout.name.fmt(f),
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(element) => element.fmt(f),
            Self::Array(element, ArrayLen::Fixed(n)) => write!(f, "{element}[{n}]"),
            Self::Array(element, ArrayLen::Bounded(n)) => write!(f, "{element}[<={n}]"),
            Self::Array(element, ArrayLen::Unbounded) => write!(f, "{element}[]"),
        }
    }
}

impl FieldType {
    /// The type of the value, or of each element.
    #[must_use]
    pub fn element(&self) -> &ElementType {
        match self {
            Self::Single(element) | Self::Array(element, _) => element,
        }
    }
}

impl ElementType {
    /// The fewest bytes that a value takes, without padding.
    pub(crate) fn min_size(&self) -> usize {
        match self {
            Self::Primitive(primitive) => primitive.size(),
            Self::String { .. } => 4,
            Self::Message(layout) => layout.min_size,
        }
    }

    pub(super) fn alignment(&self) -> usize {
        match self {
            Self::Primitive(primitive) => primitive.size(),
            Self::String { .. } => 4,
            Self::Message(layout) => layout.alignment,
        }
    }

    /// The most bytes that a value takes, with the worst padding in front; `None` if there is no bound.
    pub(super) fn max_size(&self) -> Option<usize> {
        match self {
            Self::Primitive(primitive) => primitive.size().checked_mul(2)?.checked_sub(1),
            Self::String { bound, wide } => {
                let units = if *wide {
                    (*bound)?.checked_mul(4)?
                } else {
                    (*bound)?.checked_add(1)?
                };
                units.checked_add(3 + 4)
            }
            Self::Message(layout) => layout.max_size,
        }
    }
}

impl FieldType {
    pub(super) fn min_size(&self) -> usize {
        match self {
            Self::Single(element) => element.min_size(),
            Self::Array(element, ArrayLen::Fixed(n)) => n.saturating_mul(element.min_size()),
            Self::Array(..) => 4,
        }
    }

    pub(super) fn alignment(&self) -> usize {
        match self {
            Self::Single(element) | Self::Array(element, ArrayLen::Fixed(_)) => element.alignment(),
            Self::Array(element, _) => element.alignment().max(4),
        }
    }

    pub(super) fn max_size(&self) -> Option<usize> {
        let elements = |element: &ElementType, n: usize| match element {
            ElementType::Primitive(p) => n.checked_mul(p.size())?.checked_add(p.size() - 1),
            element => element.max_size()?.checked_mul(n),
        };
        match self {
            Self::Single(element) => element.max_size(),
            Self::Array(element, ArrayLen::Fixed(n)) => elements(element, *n),
            Self::Array(element, ArrayLen::Bounded(n)) => elements(element, *n)?.checked_add(3 + 4),
            Self::Array(_, ArrayLen::Unbounded) => None,
        }
    }

    pub(super) fn has_bool(&self) -> bool {
        match self.element() {
            ElementType::Primitive(primitive) => *primitive == Primitive::Bool,
            ElementType::String { .. } => false,
            ElementType::Message(layout) => layout.has_bool,
        }
    }

    pub(super) fn default_is_zero(&self) -> bool {
        match self {
            Self::Array(_, ArrayLen::Bounded(_) | ArrayLen::Unbounded) => false,
            Self::Single(ElementType::Message(layout))
            | Self::Array(ElementType::Message(layout), ArrayLen::Fixed(_)) => {
                layout.default_is_zero
            }
            Self::Single(element) | Self::Array(element, _) => {
                matches!(element, ElementType::Primitive(_))
            }
        }
    }
}
