//! Interface definitions: `.msg`, `.srv`, `.action` and `.idl` text.
//!
//! The grammars are those of rosidl (`rosidl_adapter` for the first three, `rosidl_parser` for `.idl`); what
//! it refuses is refused here, except that types may also be named `pkg/msg/Name`, lines may be indented,
//! and `Header` stands for `std_msgs/Header` where the package has no `Header` of its own.

mod ast;
mod compile;
mod escapes;
mod idl;
mod interface;
mod literal;
mod msg;
mod rihs;
mod sections;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::error::DefinitionError;
use crate::name::{InterfaceKind, TypeName};
use crate::schema::Schema;
use ast::MessageDef;

/// A set of definition texts, parsed, from which [schemas](Definitions::schema) are compiled.
///
/// The few types that ROS puts into every service and action (`service_msgs/msg/ServiceEventInfo`,
/// `unique_identifier_msgs/msg/UUID`, `builtin_interfaces/msg/Time` and `Duration`) need not be given.
#[derive(Debug, Default)]
pub struct Definitions {
    messages: BTreeMap<TypeName, MessageDef>,
    texts: BTreeMap<TypeName, Text>,
}

#[derive(Debug)]
struct Text {
    text: String,
    is_idl: bool,
}

impl Definitions {
    /// Reads concatenated text; see [`Schema::parse`].
    pub fn parse(root: &TypeName, text: &str) -> Result<Self, DefinitionError> {
        let mut definitions = Self::default();
        for section in sections::split(root, text)? {
            definitions.add(&section.name, &section.text)?;
        }
        Ok(definitions)
    }

    /// Adds the text of one interface file. `name` is the interface's name; for a service or action also
    /// that of one of its parts, and then the text may be that of the part alone.
    pub fn add(&mut self, name: &TypeName, text: &str) -> Result<(), DefinitionError> {
        let is_idl = idl::is_idl(text);
        let interface = name.interface();
        let is_part = interface != *name && !is_idl && !interface::has_parts(text);
        let name = if is_part { name.clone() } else { interface };
        if let Some(known) = self.texts.get(&name) {
            return match known.text == text {
                true => Ok(()),
                false => Err(DefinitionError::new("two different texts are given").in_type(&name)),
            };
        }
        let messages = match (is_idl, name.kind()) {
            (true, _) => idl::parse(&name, text),
            (_, InterfaceKind::Srv) if !is_part => interface::parse_service(&name, text),
            (_, InterfaceKind::Action) if !is_part => interface::parse_action(&name, text),
            _ => msg::parse(&name, msg::lines(text)).map(|message| vec![message]),
        };
        for message in messages.map_err(|e| e.in_type(&name))? {
            self.messages.entry(message.name.clone()).or_insert(message);
        }
        self.texts.insert(
            name,
            Text {
                text: text.to_owned(),
                is_idl,
            },
        );
        Ok(())
    }

    /// The names of all types read: messages, and the parts of services and actions.
    pub fn type_names(&self) -> impl Iterator<Item = &TypeName> {
        self.messages.keys()
    }

    /// Compiles a type with everything that it needs.
    pub fn schema(&self, root: &TypeName) -> Result<Schema, DefinitionError> {
        compile::schema(self, root)
    }

    /// The definition of a type: one that was added, else a built-in one.
    fn find(&self, name: &TypeName) -> Option<&MessageDef> {
        self.messages
            .get(name)
            .or_else(|| built_in().messages.get(name))
    }

    /// The text that defines a type, and the name that it goes by.
    fn text_of(&self, name: &TypeName) -> Option<(&TypeName, &Text)> {
        let own = |name: &TypeName| self.texts.get_key_value(name);
        own(name)
            .or_else(|| own(&name.interface()))
            .or_else(|| built_in().texts.get_key_value(name))
    }
}

/// The types that services and actions need without naming them.
fn built_in() -> &'static Definitions {
    static BUILT_IN: OnceLock<Definitions> = OnceLock::new();
    BUILT_IN.get_or_init(|| {
        let texts = [
            ("builtin_interfaces/msg/Time", "int32 sec\nuint32 nanosec\n"),
            (
                "builtin_interfaces/msg/Duration",
                "int32 sec\nuint32 nanosec\n",
            ),
            ("unique_identifier_msgs/msg/UUID", "uint8[16] uuid\n"),
            (
                "service_msgs/msg/ServiceEventInfo",
                "uint8 REQUEST_SENT=0\nuint8 REQUEST_RECEIVED=1\nuint8 RESPONSE_SENT=2\n\
                 uint8 RESPONSE_RECEIVED=3\nuint8 event_type\nbuiltin_interfaces/Time stamp\n\
                 char[16] client_gid\nint64 sequence_number\n",
            ),
        ];
        let mut definitions = Definitions::default();
        for (name, text) in texts {
            if let Ok(name) = name.parse() {
                let added = definitions.add(&name, text);
                debug_assert!(added.is_ok());
            }
        }
        definitions
    })
}
