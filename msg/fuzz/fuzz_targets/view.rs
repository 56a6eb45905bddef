#![no_main]
//! Any bytes are read or refused, in whatever order fields are asked for.

use iceway_msg::{Cdr, Offsets, View};
use iceway_msg_fuzz::{encapsulated, schema};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, u8, Vec<u8>, &[u8])| {
    let (choice, order, accesses, body) = data;
    let schema = schema(choice);
    let bytes = encapsulated(order, body);
    let cdr = Cdr::new(&bytes).unwrap();
    let layout = schema.layout();
    let found = Offsets::new(layout);
    for access in accesses.iter().take(32) {
        let field = *access as usize % layout.fields().len();
        let warm = layout.locate(&cdr, Cdr::START, &found, field);
        let cold = layout.locate(&cdr, Cdr::START, &Offsets::new(layout), field);
        assert_eq!(format!("{warm:?}"), format!("{cold:?}"));
    }
    let _ = View::new(schema, &bytes).unwrap().to_value();
});
