//! Compiled message types: what the walking engine and the writer work on.
//!
//! CDR (XCDR1) aligns every number to its own size, counted from the body's first byte; a message as such
//! has no alignment. So where the fields of a nested message lie depends on where it starts, modulo the
//! size of its largest number: its **phase**. Messages without strings and sequences ([`Layout::is_fixed`])
//! have one table of offsets per phase.

mod fixed;
mod reach;
mod structs;
mod types;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use structs::{StructField, StructFieldType, StructLayout};
pub use types::{ArrayLen, Constant, ElementType, Field, FieldType};

pub(crate) use fixed::{FixedLayout, align};
pub(crate) use reach::Reach;

use crate::frame::ENCAPSULATION_LEN;
use crate::name::TypeName;

/// How deep messages may nest. Deeper definitions are refused.
pub const MAX_DEPTH: usize = 64;

/// The most bytes that an *empty* message of a type may need (fixed-size arrays). Types that need more are
/// refused: no middleware carries them.
pub const MAX_MIN_SIZE: usize = 1 << 28;

/// Types with more fields have an index by name.
const SEARCHED_FIELDS: usize = 16;

/// A message type, compiled.
pub struct Layout {
    name: TypeName,
    fields: Box<[Field]>,
    constants: Box<[Constant]>,
    /// Empty for types with few fields, where looking is faster than hashing.
    index: HashMap<Arc<str>, usize>,
    alignment: usize,
    min_size: usize,
    max_size: Option<usize>,
    depth: usize,
    has_bool: bool,
    fixed: Option<FixedLayout>,
    reach: Reach,
    default_is_zero: bool,
    shape: [u8; 32],
}

impl Layout {
    /// Compiles a message. `Err` says why the type is refused.
    pub(crate) fn new(
        name: TypeName,
        fields: Vec<Field>,
        constants: Vec<Constant>,
    ) -> Result<Self, String> {
        let named = fields
            .iter()
            .enumerate()
            .map(|(i, field)| (Arc::clone(&field.name), i));
        let index = if fields.len() > SEARCHED_FIELDS {
            named.collect()
        } else {
            HashMap::new()
        };
        let nested = |field: &Field| match field.ty.element() {
            ElementType::Message(layout) => layout.depth,
            _ => 0,
        };
        let depth = 1 + fields.iter().map(nested).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(format!("messages nest deeper than {MAX_DEPTH} levels"));
        }
        let min_size = match fields.len() {
            0 => 1, // structure_needs_at_least_one_member
            _ => fields.iter().fold(0, |sum: usize, field| {
                sum.saturating_add(field.ty.min_size())
            }),
        };
        if min_size > MAX_MIN_SIZE {
            return Err(format!(
                "a message would need more than {MAX_MIN_SIZE} bytes"
            ));
        }
        let max_size = match fields.len() {
            0 => Some(1),
            _ => fields
                .iter()
                .try_fold(0, |sum: usize, field| sum.checked_add(field.ty.max_size()?)),
        };
        let mut layout = Self {
            index,
            alignment: fields
                .iter()
                .map(|field| field.ty.alignment())
                .max()
                .unwrap_or(1),
            min_size,
            max_size,
            depth,
            has_bool: fields.iter().any(|field| field.ty.has_bool()),
            default_is_zero: fields
                .iter()
                .all(|f| f.default.is_none() && f.ty.default_is_zero()),
            constants: constants.into(),
            fixed: None,
            reach: Reach::of(&fields),
            shape: [0; 32],
            fields: fields.into(),
            name,
        };
        layout.shape = layout.compute_shape();
        layout.fixed = FixedLayout::of(&layout);
        Ok(layout)
    }

    /// The type's name.
    #[must_use]
    pub fn name(&self) -> &TypeName {
        &self.name
    }

    /// The fields in order. A type without fields has none here, though it takes one byte on the wire
    /// (ROS adds a hidden member to empty types).
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The constants in order.
    #[must_use]
    pub fn constants(&self) -> &[Constant] {
        &self.constants
    }

    /// The position of a field in [`Layout::fields`].
    #[must_use]
    pub fn field_index(&self, name: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.fields.iter().position(|field| *field.name == *name);
        }
        self.index.get(name).copied()
    }

    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        Some(&self.fields[self.field_index(name)?])
    }

    /// The size of the largest number (or length) in the type: 1, 2, 4 or 8. The body of a frame needs no
    /// more alignment than this.
    #[must_use]
    pub fn alignment(&self) -> usize {
        self.alignment
    }

    /// The fewest bytes that a body takes (padding not counted).
    #[must_use]
    pub fn min_size(&self) -> usize {
        self.min_size
    }

    /// An upper bound of the body's bytes, padding included; `None` if the type has unbounded fields.
    #[must_use]
    pub fn max_size(&self) -> Option<usize> {
        self.max_size
    }

    /// True if the type has neither strings nor sequences, so that all offsets are known beforehand.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// A message of this type that starts at `start` (an offset into the CDR bytes, encapsulation included,
    /// as in [`Located::Message`]) as one structured value: where its first member lies, and the layout
    /// from there on. `None` if the type is of variable size, or no structured type can describe it (it has
    /// an empty message inside, or a fixed array of messages whose elements differ in their padding).
    ///
    /// [`Located::Message`]: crate::Located::Message
    #[must_use]
    pub fn struct_at(&self, start: usize) -> Option<(usize, &Arc<StructLayout>)> {
        let phase = self
            .fixed
            .as_ref()?
            .phase(start.wrapping_sub(ENCAPSULATION_LEN));
        let (lead, layout) = phase.structured.as_ref()?;
        Some((start.saturating_add(*lead), layout))
    }

    /// The element layout and stride with which a sequence (`T[]`, `T[<=n]`) of this type is one structured
    /// array, wherever it starts; `None` if its elements may differ in their padding. It depends on the type
    /// alone, so a field is a structured array in every message or in none.
    #[must_use]
    pub fn sequence_struct(&self) -> Option<(&Arc<StructLayout>, usize)> {
        let (layout, stride) = self.fixed.as_ref()?.sequence.as_ref()?;
        Some((layout, *stride))
    }

    /// The same for fixed-size arrays (`T[n]`), which may start at any phase.
    #[must_use]
    pub fn array_struct(&self) -> Option<(&Arc<StructLayout>, usize)> {
        let (layout, stride) = self.fixed.as_ref()?.array.as_ref()?;
        Some((layout, *stride))
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The number of fields whose size is not known beforehand.
    pub(crate) fn variable_fields(&self) -> usize {
        self.reach.variable().len()
    }

    pub(crate) fn fixed(&self) -> Option<&FixedLayout> {
        self.fixed.as_ref()
    }

    pub(crate) fn has_bool(&self) -> bool {
        self.has_bool
    }

    pub(crate) fn default_is_zero(&self) -> bool {
        self.default_is_zero
    }

    /// True if bytes of one type can be read as the other: same name, same fields, all the way down.
    #[must_use]
    pub fn same_shape(a: &Self, b: &Self) -> bool {
        a.shape == b.shape
    }

    /// A digest of names and types. Nested messages count by theirs, so the cost is linear in the fields.
    fn compute_shape(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut put = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        };
        put(self.name.as_str().as_bytes());
        for field in &self.fields {
            put(field.name.as_bytes());
            put(field.ty.to_string().as_bytes());
            if let ElementType::Message(nested) = field.ty.element() {
                put(&nested.shape);
            }
        }
        digest.finalize().into()
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout")
            .field("name", &self.name)
            .field("fields", &self.fields.len())
            .field("fixed", &self.is_fixed())
            .finish_non_exhaustive()
    }
}
