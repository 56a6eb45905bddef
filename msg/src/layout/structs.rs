//! Layouts of structured values, as NumPy's structured dtypes describe them.

use std::sync::Arc;

use crate::primitive::Primitive;

/// How the members of a fixed-size message lie in memory, from its first member on.
#[derive(Clone, Debug)]
pub struct StructLayout {
    fields: Box<[StructField]>,
    itemsize: usize,
    has_padding: bool,
    has_bool: bool,
}

/// A member of a [`StructLayout`].
#[derive(Clone, Debug)]
pub struct StructField {
    /// Its name.
    pub name: Arc<str>,
    /// Bytes from the structure's first byte.
    pub offset: usize,
    /// Its type, or the type of its elements.
    pub ty: StructFieldType,
    /// Number of elements, for a fixed-size array; they lie one behind the other.
    pub count: Option<usize>,
}

/// The type of a [`StructField`].
#[derive(Clone, Debug)]
pub enum StructFieldType {
    /// A number or bool.
    Primitive(Primitive),
    /// A nested structure.
    Struct(Arc<StructLayout>),
}

impl StructFieldType {
    /// Bytes of one value.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Primitive(primitive) => primitive.size(),
            Self::Struct(layout) => layout.itemsize,
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Primitive(a), Self::Primitive(b)) => a == b,
            (Self::Struct(a), Self::Struct(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl StructLayout {
    pub(super) fn new(fields: Vec<StructField>, itemsize: usize) -> Self {
        let mut has_padding = false;
        let mut has_bool = false;
        let mut end = 0;
        for field in &fields {
            has_padding |= field.offset != end;
            match &field.ty {
                StructFieldType::Primitive(primitive) => has_bool |= *primitive == Primitive::Bool,
                StructFieldType::Struct(inner) => {
                    has_padding |= inner.has_padding;
                    has_bool |= inner.has_bool;
                }
            }
            end = field.offset + field.ty.size() * field.count.unwrap_or(1);
        }
        Self {
            fields: fields.into(),
            itemsize,
            has_padding,
            has_bool,
        }
    }

    /// The members, in order.
    #[must_use]
    pub fn fields(&self) -> &[StructField] {
        &self.fields
    }

    /// Bytes from the first member's first byte to the last member's last: no padding at the end.
    #[must_use]
    pub fn itemsize(&self) -> usize {
        self.itemsize
    }

    /// True if members (or bytes inside nested ones) are separated by padding.
    #[must_use]
    pub fn has_padding(&self) -> bool {
        self.has_padding
    }

    /// True if some member, however deep, is a bool.
    #[must_use]
    pub fn has_bool(&self) -> bool {
        self.has_bool
    }

    /// True if both describe the same bytes. Nested layouts are compared by address: those of one type
    /// exist once.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.itemsize == other.itemsize
            && self.fields.len() == other.fields.len()
            && self.fields.iter().zip(&other.fields).all(|(a, b)| {
                a.name == b.name && a.offset == b.offset && a.count == b.count && a.ty.same(&b.ty)
            })
    }
}
