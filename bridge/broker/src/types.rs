//! Message types by name: their definition, schema and hash, from ROS or, without ROS, from the clients that bring them.

use std::collections::HashMap;
use std::sync::Arc;

use iceway_bus::control::ErrorCode as Code;
use iceway_msg::{Schema, TypeName};
use parking_lot::Mutex;

use crate::refusal::Refusal;
use crate::ros::{RosSide, RosType};

/// A message type that the broker can bridge.
pub(crate) struct MessageType {
    pub(crate) schema: Schema,
    /// Its type support, where the broker has ROS.
    pub(crate) ros: Option<RosType>,
}

/// The types seen so far. Type support is never unloaded, so neither are they.
#[derive(Default)]
pub(crate) struct Types(Mutex<HashMap<TypeName, Arc<MessageType>>>);

impl Types {
    /// The type of that name. `definition` is what a client brings; ROS's own wins where there is ROS.
    pub(crate) fn get(
        &self,
        name: &TypeName,
        definition: Option<&str>,
        ros: Option<&RosSide>,
    ) -> Result<Arc<MessageType>, Refusal> {
        let mut known = self.0.lock();
        if let Some(found) = known.get(name) {
            return same_definition(found, name, definition).map(|()| Arc::clone(found));
        }
        let found = Arc::new(match (ros, definition) {
            (Some(ros), _) => {
                let (support, sources) = ros.load_type(name)?;
                let schema = Schema::from_sources(
                    name,
                    sources
                        .iter()
                        .map(|(name, text)| (name.clone(), text.as_str())),
                )
                .map_err(|e| {
                    Refusal::new(
                        Code::UnknownType,
                        format!("the definition of {name} that ROS ships cannot be read: {e}"),
                    )
                })?;
                MessageType {
                    schema,
                    ros: Some(support),
                }
            }
            (None, Some(text)) => {
                let schema = Schema::parse(name, text).map_err(|e| {
                    Refusal::new(
                        Code::UnknownType,
                        format!("the definition given for {name} cannot be read: {e}"),
                    )
                })?;
                MessageType { schema, ros: None }
            }
            (None, None) => {
                return Err(Refusal::new(
                    Code::NoRos,
                    format!(
                        "this broker runs without ROS and does not know {name}. Pass its definition (definition=…), \
                         or run a broker that has ROS."
                    ),
                ));
            }
        });
        same_definition(&found, name, definition)?;
        known.insert(name.clone(), Arc::clone(&found));
        Ok(found)
    }
}

/// A client's own definition must be the one in use, or it would misread every byte.
fn same_definition(
    known: &MessageType,
    name: &TypeName,
    definition: Option<&str>,
) -> Result<(), Refusal> {
    let Some(text) = definition else {
        return Ok(());
    };
    let theirs = Schema::parse(name, text).map_err(|e| {
        Refusal::new(
            Code::UnknownType,
            format!("the definition given for {name} cannot be read: {e}"),
        )
    })?;
    if theirs.type_hash() == known.schema.type_hash() {
        return Ok(());
    }
    Err(Refusal::new(
        Code::TypeMismatch,
        format!(
            "the definition given for {name} differs from the one in use: {} against {}",
            theirs.type_hash(),
            known.schema.type_hash()
        ),
    ))
}
