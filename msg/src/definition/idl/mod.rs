//! The part of OMG IDL 4.2 that ROS uses, as `rosidl_parser` reads it: modules, structures, constants,
//! typedefs and annotations.

mod annotations;
mod lexer;
mod parser;

use super::ast::MessageDef;
use super::interface;
use crate::error::DefinitionError;
use crate::name::{InterfaceKind, TypeName};

/// True if the text is IDL rather than `.msg`, `.srv` or `.action`: it opens a module.
pub(super) fn is_idl(text: &str) -> bool {
    text.lines().any(|line| {
        let rest = line.trim_start().strip_prefix("module");
        rest.is_some_and(|rest| rest.starts_with(char::is_whitespace))
    })
}

/// Reads the text of one `.idl` file: all types that it defines.
pub(super) fn parse(name: &TypeName, text: &str) -> Result<Vec<MessageDef>, DefinitionError> {
    let messages = parser::parse(text)?;
    let kind = messages
        .first()
        .map_or(InterfaceKind::Msg, |message| message.name.kind());
    let base = |message: &MessageDef, suffix: &str| {
        let found = message
            .name
            .as_str()
            .strip_suffix(suffix)
            .map(str::to_owned);
        let error = || {
            let text = format!("{} is expected to end with {suffix}", message.name);
            DefinitionError::new(text).in_type(name)
        };
        found
            .ok_or_else(error)?
            .parse::<TypeName>()
            .map_err(DefinitionError::from)
    };
    match (kind, <[MessageDef; 2]>::try_from(messages)) {
        (InterfaceKind::Srv, Ok([request, response])) => {
            let service = base(&request, "_Request")?;
            if base(&response, "_Response")? != service {
                return Err(DefinitionError::new(
                    "request and response have different names",
                ));
            }
            Ok(interface::service(&service, request, response))
        }
        (InterfaceKind::Action, Err(messages)) if messages.len() == 3 => {
            let mut parts = messages.into_iter();
            let (Some(goal), Some(result), Some(feedback)) =
                (parts.next(), parts.next(), parts.next())
            else {
                unreachable!("there are three");
            };
            let action = base(&goal, "_Goal")?;
            if base(&result, "_Result")? != action || base(&feedback, "_Feedback")? != action {
                return Err(DefinitionError::new(
                    "goal, result and feedback have different names",
                ));
            }
            Ok(interface::action(&action, goal, result, feedback))
        }
        (_, Ok(two)) => Ok(two.into()),
        (_, Err(messages)) => Ok(messages),
    }
}
