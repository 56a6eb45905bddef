//! `iceway echo TOPIC`

use std::io::Write;

use iceway_bus::client::{ClientError, SubscribeOptions};
use iceway_msg::{Schema, TypeName, View};

use super::yaml;
use crate::cli::EchoArgs;

/// Queue of the subscription: enough for a burst while the terminal scrolls.
const DEPTH: usize = 64;

pub(crate) fn run(args: &EchoArgs) -> anyhow::Result<()> {
    let (client, interrupted) = super::connect(&args.client)?;
    let mut interrupt = || interrupted.get();
    let options = SubscribeOptions {
        depth: DEPTH,
        ..SubscribeOptions::default()
    };
    let subscriber = client.subscribe(
        &args.topic,
        args.type_name.as_deref(),
        &options,
        &mut interrupt,
    )?;
    let info = subscriber.info();
    let schema = Schema::parse(&info.type_name.parse::<TypeName>()?, &info.definition)?;
    let mut out = std::io::stdout().lock();
    let mut shown = 0;
    while args.count.is_none_or(|count| shown < count) {
        let frame = match subscriber.recv(None, &mut interrupt) {
            Ok(frame) => frame,
            Err(ClientError::Interrupted) => break,
            Err(error) => return Err(error.into()),
        };
        let text = match View::new(&schema, frame.cdr()).and_then(|view| view.to_value()) {
            Ok(value) => yaml::message(&value, args.full),
            Err(error) => format!("# cannot be read: {error}\n"),
        };
        // The reader may have gone away (`iceway echo … | head`).
        if writeln!(out, "{text}---").is_err() {
            break;
        }
        shown += 1;
    }
    let lost = subscriber.stats().overflow;
    if lost > 0 {
        eprintln!("iceway: {lost} messages came faster than they could be shown");
    }
    Ok(())
}
