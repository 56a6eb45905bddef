//! What a view costs: first access to fields, validation, and parsing of definitions.
//!
//! `cargo bench -p iceway-msg`; the definitions of the ROS types are in `benches/definitions/`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use iceway_msg::encode::{self, Defaults, FieldWriter, Source, Written};
use iceway_msg::{
    Cdr, EncodeError, Located, NumericArray, Offsets, Primitive, Schema, Value, View, validate,
};

fn schema(name: &str, definition: &str) -> Schema {
    Schema::parse(&name.parse().unwrap(), definition).unwrap_or_else(|e| panic!("{e}"))
}

fn message(fields: Vec<(&str, Value)>) -> Value {
    Value::Struct(
        fields
            .into_iter()
            .map(|(name, value)| (Arc::from(name), value))
            .collect(),
    )
}

fn text(text: &str) -> Value {
    Value::Str(text.into())
}

fn numbers(primitive: Primitive, bytes: Vec<u8>) -> Value {
    Value::Numbers(NumericArray { primitive, bytes })
}

fn header() -> (&'static str, Value) {
    (
        "header",
        message(vec![("frame_id", text("camera_optical_frame"))]),
    )
}

struct Samples {
    image: (Schema, Vec<u8>),
    cloud: (Schema, Vec<u8>),
    joints: (Schema, Vec<u8>),
    transforms: (Schema, Vec<u8>),
}

fn samples() -> Samples {
    let encoded = |schema: Schema, fields| {
        let bytes = encode::to_vec(schema.layout(), &message(fields)).unwrap();
        (schema, bytes)
    };
    let image = encoded(
        schema(
            "sensor_msgs/msg/Image",
            include_str!("definitions/Image.txt"),
        ),
        vec![
            header(),
            ("height", Value::U64(1080)),
            ("width", Value::U64(1920)),
            ("encoding", text("rgb8")),
            ("step", Value::U64(1920 * 3)),
            ("data", numbers(Primitive::U8, vec![7; 1920 * 1080 * 3])),
        ],
    );
    let point_field = |name: &str, offset| {
        message(vec![
            ("name", text(name)),
            ("offset", Value::U64(offset)),
            ("datatype", Value::U64(7)),
            ("count", Value::U64(1)),
        ])
    };
    let point_fields = ["x", "y", "z", "intensity"].iter().zip([0, 4, 8, 16]);
    let cloud = encoded(
        schema(
            "sensor_msgs/msg/PointCloud2",
            include_str!("definitions/PointCloud2.txt"),
        ),
        vec![
            header(),
            ("height", Value::U64(64)),
            ("width", Value::U64(1024)),
            (
                "fields",
                Value::Seq(
                    point_fields
                        .map(|(name, offset)| point_field(name, offset))
                        .collect(),
                ),
            ),
            ("point_step", Value::U64(32)),
            ("data", numbers(Primitive::U8, vec![7; 64 * 1024 * 32])),
            ("is_dense", Value::Bool(true)),
        ],
    );
    let names = (0..40)
        .map(|i| text(&format!("joint_{i}_position")))
        .collect();
    let joints = encoded(
        schema(
            "sensor_msgs/msg/JointState",
            include_str!("definitions/JointState.txt"),
        ),
        vec![
            header(),
            ("name", Value::Seq(names)),
            ("position", numbers(Primitive::F64, vec![1; 320])),
            ("velocity", numbers(Primitive::F64, vec![2; 320])),
            ("effort", numbers(Primitive::F64, vec![3; 320])),
        ],
    );
    let transform = |i: usize| {
        message(vec![
            header(),
            ("child_frame_id", text(&format!("link_{i}"))),
        ])
    };
    let transforms = encoded(
        schema(
            "tf2_msgs/msg/TFMessage",
            include_str!("definitions/TFMessage.txt"),
        ),
        vec![("transforms", Value::Seq((0..50).map(transform).collect()))],
    );
    Samples {
        image,
        cloud,
        joints,
        transforms,
    }
}

/// Finds fields of a message that nothing is known of, as a new message object does.
fn first_access(
    c: &mut Criterion,
    name: &str,
    (schema, bytes): &(Schema, Vec<u8>),
    fields: &[&str],
) {
    let layout = schema.layout();
    let fields: Vec<usize> = fields
        .iter()
        .map(|field| layout.field_index(field).unwrap())
        .collect();
    c.bench_function(name, |b| {
        b.iter(|| {
            let cdr = Cdr::new(black_box(bytes)).unwrap();
            let found = Offsets::new(layout);
            for &field in &fields {
                black_box(layout.locate(&cdr, Cdr::START, &found, field).unwrap());
            }
        });
    });
}

fn reading(c: &mut Criterion) {
    let samples = samples();
    first_access(c, "first access: Image.data", &samples.image, &["data"]);
    first_access(
        c,
        "first access: PointCloud2.data",
        &samples.cloud,
        &["data"],
    );
    first_access(
        c,
        "first access: PointCloud2, all fields",
        &samples.cloud,
        &[
            "header",
            "height",
            "width",
            "fields",
            "is_bigendian",
            "point_step",
            "row_step",
            "data",
            "is_dense",
        ],
    );
    first_access(
        c,
        "first access: JointState, three arrays of 40",
        &samples.joints,
        &["position", "velocity", "effort"],
    );
    let (schema, bytes) = &samples.image;
    let view = View::new(schema, bytes).unwrap();
    view.bytes("data").unwrap();
    c.bench_function("next access: Image.data through View", |b| {
        b.iter(|| view.bytes(black_box("data")).unwrap());
    });
    let (schema, bytes) = &samples.transforms;
    c.bench_function("TFMessage: x of 50 transforms", |b| {
        b.iter(|| {
            let view = View::new(schema, black_box(bytes)).unwrap();
            let x = |message: Result<View<'_>, _>| {
                message
                    .unwrap()
                    .get::<f64>("transform.translation.x")
                    .unwrap()
            };
            view.messages("transforms").unwrap().map(x).sum::<f64>()
        });
    });
}

fn validating(c: &mut Criterion) {
    let samples = samples();
    for (name, (schema, bytes)) in [
        ("validate: Image, 6.2 MB", &samples.image),
        ("validate: PointCloud2, 2.1 MB", &samples.cloud),
        ("validate: JointState, 40 joints", &samples.joints),
        ("validate: TFMessage, 50 transforms", &samples.transforms),
    ] {
        c.bench_function(name, |b| {
            b.iter(|| validate(schema, black_box(bytes)).unwrap());
        });
    }
}

/// An image whose data is reserved, to be filled in place.
struct ReservedImage<'a>(&'a View<'a>);

impl Source for ReservedImage<'_> {
    type Array = &'static [u8];
    type Error = EncodeError;

    fn write_field(
        &self,
        _index: usize,
        out: FieldWriter<'_, '_, Self::Array>,
    ) -> Result<Written, EncodeError> {
        match self.0.locate(out.name()) {
            Ok(Located::Slice { len, .. }) => out.reserve(len),
            Ok(located) => out.located(&self.0.cdr(), &located),
            Err(_) => out.default_value(),
        }
    }
}

fn writing(c: &mut Criterion) {
    let samples = samples();
    let (schema, bytes) = &samples.image;
    let view = View::new(schema, bytes).unwrap();
    c.bench_function("plan: Image with reserved data", |b| {
        b.iter(|| encode::plan(schema.layout(), &ReservedImage(black_box(&view))).unwrap());
    });
    let (schema, _) = &samples.joints;
    c.bench_function("plan: JointState of defaults", |b| {
        b.iter(|| encode::plan(black_box(schema.layout()), &Defaults).unwrap());
    });
}

fn parsing(c: &mut Criterion) {
    let marker = include_str!("definitions/InteractiveMarkerUpdate.txt");
    let name = "visualization_msgs/msg/InteractiveMarkerUpdate"
        .parse()
        .unwrap();
    c.bench_function(
        "parse: InteractiveMarkerUpdate (the largest definition)",
        |b| {
            b.iter(|| Schema::parse(&name, black_box(marker)).unwrap());
        },
    );
}

criterion_group!(benches, reading, validating, writing, parsing);
criterion_main!(benches);
