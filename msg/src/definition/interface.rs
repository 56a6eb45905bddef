//! Services and actions, expanded to the message types that ROS uses.

use super::ast::{ElementDef, FieldDef, MessageDef};
use super::msg::{self, Line, lines};
use crate::error::DefinitionError;
use crate::layout::ArrayLen;
use crate::name::{InterfaceKind, TypeName};
use crate::primitive::Primitive;

const SEPARATOR: &str = "---";

/// Reads the text of a `.srv` file.
pub(super) fn parse_service(
    name: &TypeName,
    text: &str,
) -> Result<Vec<MessageDef>, DefinitionError> {
    let [request, response] = parts(text).map_err(|found| {
        DefinitionError::new(format!(
            "a service has 2 parts, separated by a line `---`; found {found}"
        ))
    })?;
    let request = msg::parse(&name.with_suffix("_Request"), request.into_iter())?;
    let response = msg::parse(&name.with_suffix("_Response"), response.into_iter())?;
    Ok(service(name, request, response))
}

/// Reads the text of an `.action` file.
pub(super) fn parse_action(
    name: &TypeName,
    text: &str,
) -> Result<Vec<MessageDef>, DefinitionError> {
    let [goal, result, feedback] = parts(text).map_err(|found| {
        DefinitionError::new(format!(
            "an action has 3 parts, separated by lines `---`; found {found}"
        ))
    })?;
    let goal = msg::parse(&name.with_suffix("_Goal"), goal.into_iter())?;
    let result = msg::parse(&name.with_suffix("_Result"), result.into_iter())?;
    let feedback = msg::parse(&name.with_suffix("_Feedback"), feedback.into_iter())?;
    Ok(action(name, goal, result, feedback))
}

/// True if the text has lines that separate parts.
pub(super) fn has_parts(text: &str) -> bool {
    lines(text).any(|(_, line)| line == SEPARATOR)
}

/// The parts between separators; `Err` is their number, if it is another.
fn parts<const N: usize>(text: &str) -> Result<[Vec<Line<'_>>; N], usize> {
    let mut parts = vec![Vec::new()];
    for (number, line) in lines(text) {
        match line {
            SEPARATOR => parts.push(Vec::new()),
            line => parts[..]
                .last_mut()
                .into_iter()
                .for_each(|part| part.push((number, line))),
        }
    }
    let found = parts.len();
    parts.try_into().map_err(|_| found)
}

/// All types of a service. The first, the service itself, never travels: it is what the type hash of the
/// service is computed over.
pub(super) fn service(
    name: &TypeName,
    request: MessageDef,
    response: MessageDef,
) -> Vec<MessageDef> {
    let field = |field: &str, message: &MessageDef| {
        FieldDef::implicit(field, ElementDef::named(message.name.clone()), None)
    };
    let up_to_one = |field: &str, message: &MessageDef| {
        let array = Some(ArrayLen::Bounded(1));
        FieldDef::implicit(field, ElementDef::named(message.name.clone()), array)
    };
    let event = MessageDef::new(
        name.with_suffix("_Event"),
        vec![
            FieldDef::implicit("info", builtin("service_msgs", "ServiceEventInfo"), None),
            up_to_one("request", &request),
            up_to_one("response", &response),
        ],
    );
    let itself = MessageDef::new(
        name.clone(),
        vec![
            field("request_message", &request),
            field("response_message", &response),
            field("event_message", &event),
        ],
    );
    vec![itself, request, response, event]
}

/// All types of an action: its parts, the two services and the message that carry them, and itself.
pub(super) fn action(
    name: &TypeName,
    goal: MessageDef,
    result: MessageDef,
    feedback: MessageDef,
) -> Vec<MessageDef> {
    let single = |field: &str, element| FieldDef::implicit(field, element, None);
    let named = |suffix: &str| ElementDef::named(name.with_suffix(suffix));
    let goal_id = || single("goal_id", builtin("unique_identifier_msgs", "UUID"));
    let message = |suffix: &str, fields| MessageDef::new(name.with_suffix(suffix), fields);

    let send_goal = service(
        &name.with_suffix("_SendGoal"),
        message(
            "_SendGoal_Request",
            vec![goal_id(), single("goal", named("_Goal"))],
        ),
        message(
            "_SendGoal_Response",
            vec![
                single("accepted", ElementDef::Primitive(Primitive::Bool)),
                single("stamp", builtin("builtin_interfaces", "Time")),
            ],
        ),
    );
    let get_result = service(
        &name.with_suffix("_GetResult"),
        message("_GetResult_Request", vec![goal_id()]),
        message(
            "_GetResult_Response",
            vec![
                single("status", ElementDef::Primitive(Primitive::I8)),
                single("result", named("_Result")),
            ],
        ),
    );
    let feedback_message = message(
        "_FeedbackMessage",
        vec![goal_id(), single("feedback", named("_Feedback"))],
    );
    let itself = MessageDef::new(
        name.clone(),
        vec![
            single("goal", named("_Goal")),
            single("result", named("_Result")),
            single("feedback", named("_Feedback")),
            single("send_goal_service", named("_SendGoal")),
            single("get_result_service", named("_GetResult")),
            single("feedback_message", named("_FeedbackMessage")),
        ],
    );
    let mut all = vec![itself, goal, result, feedback, feedback_message];
    all.extend(send_goal);
    all.extend(get_result);
    all
}

fn builtin(pkg: &str, name: &str) -> ElementDef {
    match TypeName::new(pkg, InterfaceKind::Msg, name) {
        Ok(name) => ElementDef::named(name),
        Err(_) => unreachable!("the names above are identifiers"),
    }
}
