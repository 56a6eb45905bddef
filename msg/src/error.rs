//! What can go wrong, with the numbers that explain it.

use std::fmt;

use crate::name::{ParseTypeNameError, TypeName};
use crate::primitive::Primitive;

/// A definition text that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionError {
    /// The type whose text it is, where known.
    pub type_name: Option<TypeName>,
    /// Line in that type's own text, from 1; 0 if the error is about the whole.
    pub line: usize,
    /// Column, from 1; 0 if the error is about the whole line.
    pub column: usize,
    /// What was found and what was expected.
    pub message: String,
}

impl DefinitionError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            type_name: None,
            line: 0,
            column: 0,
            message: message.into(),
        }
    }

    pub(crate) fn at(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self {
            type_name: None,
            line,
            column,
            message: message.into(),
        }
    }

    pub(crate) fn in_type(mut self, name: &TypeName) -> Self {
        self.type_name.get_or_insert_with(|| name.clone());
        self
    }
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.type_name {
            write!(f, "{name}")?;
            if self.line == 0 {
                f.write_str(": ")?;
            }
        }
        if self.line > 0 {
            let separator = if self.type_name.is_some() { ", " } else { "" };
            write!(f, "{separator}line {}", self.line)?;
            if self.column > 0 {
                write!(f, ", column {}", self.column)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for DefinitionError {}

impl From<ParseTypeNameError> for DefinitionError {
    fn from(error: ParseTypeNameError) -> Self {
        Self::new(error.to_string())
    }
}

/// Serialized bytes that do not hold what the type says, or a question that the type cannot answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdrError(Box<CdrErrorParts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct CdrErrorParts {
    path: String,
    offset: usize,
    kind: CdrErrorKind,
}

/// The sorts of [`CdrError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CdrErrorKind {
    /// Fewer bytes are left than the field needs.
    #[error("needs {needed} bytes, {available} are left")]
    Truncated {
        /// Bytes that the field needs from the offset on.
        needed: usize,
        /// Bytes that are left there.
        available: usize,
    },
    /// The first four bytes do not announce plain CDR.
    #[error(
        "encapsulation {found:#06x} is not plain CDR (0x0000 big-endian, 0x0001 little-endian)"
    )]
    Encapsulation {
        /// The representation identifier found.
        found: u16,
    },
    /// A length above the bound of the type.
    #[error("length {len} exceeds the bound of {bound}")]
    TooLong {
        /// The length found.
        len: usize,
        /// The bound in the definition.
        bound: usize,
    },
    /// A bool that is neither 0 nor 1.
    #[error("a bool is {found}, not 0 or 1")]
    BadBool {
        /// The byte found.
        found: u8,
    },
    /// A string without its terminating NUL byte.
    #[error("the string does not end with a NUL byte")]
    Unterminated,
    /// A string that is not UTF-8 (or a wide string that is not UTF-16).
    #[error("the string is not valid text")]
    NotText,
    /// The message has no field of this name.
    #[error("no such field")]
    NoSuchField,
    /// An index beyond the end of an array.
    #[error("index {index} is out of range for length {len}")]
    Index {
        /// The index asked for.
        index: usize,
        /// The array's length.
        len: usize,
    },
    /// The field has another type than asked for.
    #[error("the field is {found}, not {wanted}")]
    WrongType {
        /// What was asked for.
        wanted: &'static str,
        /// What the field is.
        found: String,
    },
    /// A typed slice of values whose address is not aligned, or whose byte order is not the machine's.
    #[error("the array cannot be borrowed as a slice: {reason}")]
    NotBorrowable {
        /// Why.
        reason: &'static str,
    },
}

impl CdrError {
    #[cold]
    pub(crate) fn new(offset: usize, kind: CdrErrorKind) -> Self {
        Self(Box::new(CdrErrorParts {
            path: String::new(),
            offset,
            kind,
        }))
    }

    #[cold]
    pub(crate) fn truncated(offset: usize, needed: usize, len: usize) -> Self {
        Self::new(
            offset,
            CdrErrorKind::Truncated {
                needed,
                available: len.saturating_sub(offset),
            },
        )
    }

    /// Prepends a field's name to the path.
    #[cold]
    pub(crate) fn in_field(mut self, name: &str) -> Self {
        let path = &mut self.0.path;
        if path.is_empty() || path.starts_with('[') {
            path.insert_str(0, name);
        } else {
            *path = format!("{name}.{path}");
        }
        self
    }

    /// Prepends an index to the path.
    #[cold]
    pub(crate) fn in_index(mut self, index: usize) -> Self {
        let path = &mut self.0.path;
        let dot = if path.is_empty() || path.starts_with('[') {
            ""
        } else {
            "."
        };
        *path = format!("[{index}]{dot}{path}");
        self
    }

    /// The field, from the message's root: `transforms[3].header.frame_id`. Empty for the message itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Where the trouble is, in bytes from the start of the encapsulation header.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// What the trouble is.
    #[must_use]
    pub fn kind(&self) -> &CdrErrorKind {
        &self.0.kind
    }

    /// Bytes that were needed at the offset, for a truncated message.
    #[must_use]
    pub fn needed(&self) -> Option<usize> {
        match self.0.kind {
            CdrErrorKind::Truncated { needed, .. } => Some(needed),
            _ => None,
        }
    }

    /// Bytes that were left at the offset, for a truncated message.
    #[must_use]
    pub fn available(&self) -> Option<usize> {
        match self.0.kind {
            CdrErrorKind::Truncated { available, .. } => Some(available),
            _ => None,
        }
    }
}

impl fmt::Display for CdrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(f, "{}: ", self.0.path)?;
        }
        write!(f, "{} (at byte {})", self.0.kind, self.0.offset)
    }
}

impl std::error::Error for CdrError {}

/// A value that does not fit its field.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeError(Box<EncodeErrorParts>);

#[derive(Clone, Debug, PartialEq)]
struct EncodeErrorParts {
    path: String,
    kind: EncodeErrorKind,
}

/// The sorts of [`EncodeError`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// A value of another type than the field's.
    #[error("expected {expected}, got {found}")]
    WrongType {
        /// The field's type.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An array of numbers of another type than the field's.
    #[error(
        "expected an array of {expected}, got one of {found}: convert it first, so that nothing is lost silently"
    )]
    WrongDtype {
        /// The field's element type.
        expected: Primitive,
        /// The element type given.
        found: Primitive,
    },
    /// A number that the field's type cannot hold.
    #[error("{value} does not fit {primitive}")]
    OutOfRange {
        /// The number given.
        value: String,
        /// The field's type.
        primitive: Primitive,
    },
    /// An array or string longer than its bound.
    #[error("length {len} exceeds the bound of {bound}{}", if *.bytes { " bytes" } else { "" })]
    TooLong {
        /// The length given: bytes of a string, UTF-16 units of a wide string, elements of an array.
        len: usize,
        /// The bound in the definition.
        bound: usize,
        /// True for a string, whose bound counts bytes of UTF-8.
        bytes: bool,
    },
    /// A fixed-size array with another number of elements.
    #[error("the array has exactly {expected} elements, got {found}")]
    WrongLength {
        /// The length in the definition.
        expected: usize,
        /// The length given.
        found: usize,
    },
    /// The message has no field of this name.
    #[error("{type_name} has no field {name:?}{}", suggestion(.fields))]
    UnknownField {
        /// The message's type.
        type_name: TypeName,
        /// The name given.
        name: String,
        /// The fields it has.
        fields: String,
    },
    /// A string that holds a NUL character, behind which ROS would cut it off.
    #[error("the string holds a NUL character; ROS would cut it off there")]
    InteriorNul,
    /// More bytes than a CDR length or offset can say.
    #[error("the message needs {needed} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Bytes needed (a lower bound).
        needed: usize,
        /// The limit.
        limit: usize,
    },
    /// The output buffer does not have the planned size.
    #[error("the buffer has {found} bytes, the message {expected}")]
    BufferSize {
        /// The planned size.
        expected: usize,
        /// The buffer's.
        found: usize,
    },
    /// An array's data gave another number of bytes than announced.
    #[error("the array was announced with {expected} bytes and gave {found}")]
    ShortArray {
        /// Bytes announced.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// A message view that could not be read.
    #[error("cannot copy from the given message: {0}")]
    Unreadable(#[from] CdrError),
    /// What a source reports itself.
    #[error("{0}")]
    Source(String),
}

fn suggestion(fields: &str) -> String {
    if fields.is_empty() {
        " (it has none)".into()
    } else {
        format!("; its fields are: {fields}")
    }
}

impl EncodeError {
    /// An error at a field's path.
    #[cold]
    #[must_use]
    pub fn new(path: impl Into<String>, kind: EncodeErrorKind) -> Self {
        Self(Box::new(EncodeErrorParts {
            path: path.into(),
            kind,
        }))
    }

    /// The field, from the message's root: `boxes[3].label`. Empty for the message itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What the trouble is.
    #[must_use]
    pub fn kind(&self) -> &EncodeErrorKind {
        &self.0.kind
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(f, "{}: ", self.0.path)?;
        }
        self.0.kind.fmt(f)
    }
}

impl std::error::Error for EncodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            EncodeErrorKind::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
