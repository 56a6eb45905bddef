#![no_main]
//! Any text is a definition or an error; what is understood is stable when written out again.

use iceway_msg::Schema;
use iceway_msg::encode::{Defaults, plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u8, &str)| {
    let (kind, text) = data;
    let names = [
        "p/msg/Root",
        "p/srv/S",
        "p/srv/S_Request",
        "p/srv/S_Event",
        "p/action/A",
        "p/action/A_SendGoal_Request",
    ];
    let name = names[kind as usize % names.len()].parse().unwrap();
    let Ok(schema) = Schema::parse(&name, text) else {
        return;
    };
    let again = Schema::parse(&name, schema.definition()).expect("its own definition");
    assert_eq!(schema.type_hash(), again.type_hash());
    assert_eq!(schema.definition(), again.definition());
    if schema.layout().min_size() < 1 << 16 {
        let plan = plan(schema.layout(), &Defaults);
        let Ok(plan) = plan else { return }; // a default beyond its bound in bytes
        schema
            .validate(&plan.to_vec().unwrap())
            .expect("defaults are valid");
    }
});
