//! What the fuzz targets share: a few schemas with every sort of field.

use std::sync::OnceLock;

use iceway_msg::Schema;

const DEFINITIONS: [(&str, &str); 5] = [
    (
        "sensor_msgs/msg/Image",
        include_str!("../../benches/definitions/Image.txt"),
    ),
    (
        "sensor_msgs/msg/PointCloud2",
        include_str!("../../benches/definitions/PointCloud2.txt"),
    ),
    (
        "visualization_msgs/msg/InteractiveMarkerUpdate",
        include_str!("../../benches/definitions/InteractiveMarkerUpdate.txt"),
    ),
    (
        "p/msg/Root",
        "bool a\nfloat64 b\nbool[3] c\nstring<=5[<=4] d\nwstring[2] e\nfloat64[<=3] f\nwstring<=3[] g\n",
    ),
    (
        "p/msg/Root",
        "Trap[] traps\nuint8 s\nTail[] tails\nEmpty[] empties\nDeep[] deep\nTrap[3] fixed\nEmpty one\nFloats[2] floats\n\
     ===\nMSG: p/Trap\nuint8 a\nfloat64 b\n===\nMSG: p/Tail\nfloat64 a\nbool b\n===\nMSG: p/Empty\n\
     ===\nMSG: p/Floats\nfloat32 a\nfloat64 b\n===\nMSG: p/Deep\nDeeper[<=3] x\nbyte[] y\n===\nMSG: p/Deeper\n\
     string[] s\nTail[2] t\n",
    ),
];

/// One of the schemas.
pub fn schema(choice: u8) -> &'static Schema {
    static SCHEMAS: OnceLock<Vec<Schema>> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| {
        DEFINITIONS
            .iter()
            .map(|(name, text)| Schema::parse(&name.parse().unwrap(), text).unwrap())
            .collect()
    });
    &schemas[choice as usize % schemas.len()]
}

/// The bytes with an encapsulation header in front: mostly plain CDR of either byte order.
pub fn encapsulated(order: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, order & 1, 0, 0];
    bytes.extend(body);
    bytes
}
