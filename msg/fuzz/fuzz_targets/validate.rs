#![no_main]
//! What is valid can be read, but for the text of strings.

use iceway_msg::{CdrErrorKind, View, validate};
use iceway_msg_fuzz::{encapsulated, schema};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (choice, order, body) = data;
    let schema = schema(choice);
    let bytes = encapsulated(order, body);
    if validate(schema, &bytes).is_ok()
        && let Err(error) = View::new(schema, &bytes).unwrap().to_value()
    {
        assert_eq!(error.kind(), &CdrErrorKind::NotText);
    }
});
