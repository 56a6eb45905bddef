#![no_main]
//! A message that can be read and written reads the same again.

use std::sync::Arc;

use iceway_msg::encode::{CdrSource, plan, to_vec};
use iceway_msg::{Cdr, View, validate};
use iceway_msg_fuzz::{encapsulated, schema};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (choice, order, body) = data;
    let schema = schema(choice);
    let layout = schema.layout();
    let bytes = encapsulated(order, body);
    let Ok(value) = View::new(schema, &bytes).unwrap().to_value() else {
        return;
    };
    // Bounds, bools and NULs are the writer's business.
    let Ok(written) = to_vec(layout, &value) else {
        return;
    };
    validate(schema, &written).expect("what is written is valid");
    let again = View::new(schema, &written)
        .unwrap()
        .to_value()
        .expect("what is written is readable");
    // By bytes: NaN is not equal to itself.
    assert_eq!(to_vec(layout, &again).unwrap(), written);
    let source = CdrSource::<&[u8]>::new(Cdr::new(&bytes).unwrap(), Arc::clone(layout));
    let copied = plan(layout, &source).unwrap().to_vec().unwrap();
    assert_eq!(copied, written);
});
