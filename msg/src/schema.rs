//! A message type with everything it depends on.

use std::fmt;
use std::sync::Arc;

use crate::definition::Definitions;
use crate::error::{CdrError, DefinitionError};
use crate::hash::TypeHash;
use crate::layout::Layout;
use crate::name::TypeName;

/// A type and all its dependencies, ready for reading and writing. Cheap to clone.
#[derive(Clone)]
pub struct Schema {
    inner: Arc<Inner>,
}

struct Inner {
    layout: Arc<Layout>,
    hash: TypeHash,
    definition: String,
}

impl Schema {
    /// Reads a definition: the text of the type itself, followed by the texts of all types that it needs,
    /// each behind a line of `=` and a line `MSG: pkg/Name` (the format of ROS recordings; `IDL:`, `SRV:`
    /// and `ACTION:` are understood as well).
    ///
    /// `type_name` may be a message, a part of a service or action (`pkg/srv/Name_Request`; the text is
    /// that of the `.srv` or `.action` file), or a service or action itself, for its type hash.
    ///
    /// ```
    /// use iceway_msg::Schema;
    /// let schema = Schema::parse(&"demo/msg/Pair".parse()?, "float64 a\nfloat64 b 2.0\n")?;
    /// assert_eq!(schema.layout().fields().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(type_name: &TypeName, definition: &str) -> Result<Self, DefinitionError> {
        Definitions::parse(type_name, definition)?.schema(type_name)
    }

    /// The same from separate texts, one per interface file, in any order.
    pub fn from_sources<'a>(
        root: &TypeName,
        sources: impl IntoIterator<Item = (TypeName, &'a str)>,
    ) -> Result<Self, DefinitionError> {
        let mut definitions = Definitions::default();
        for (name, text) in sources {
            definitions.add(&name, text)?;
        }
        definitions.schema(root)
    }

    pub(crate) fn new(layout: Arc<Layout>, hash: TypeHash, definition: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                layout,
                hash,
                definition,
            }),
        }
    }

    /// The type's name.
    #[must_use]
    pub fn type_name(&self) -> &TypeName {
        self.inner.layout.name()
    }

    /// The type's RIHS01 hash, equal to ROS's.
    #[must_use]
    pub fn type_hash(&self) -> TypeHash {
        self.inner.hash
    }

    /// The texts of the type and of all types that it needs, in the format that [`Schema::parse`] reads.
    #[must_use]
    pub fn definition(&self) -> &str {
        &self.inner.definition
    }

    /// The compiled type.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.inner.layout
    }

    /// See [`validate`](crate::validate).
    pub fn validate(&self, bytes: &[u8]) -> Result<(), CdrError> {
        crate::validate(self, bytes)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("type_name", self.type_name())
            .field("type_hash", &self.inner.hash)
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Schema>();
    shared::<Layout>();
    shared::<crate::Offsets>();
    shared::<crate::Elements>();
    shared::<crate::Located>();
};
