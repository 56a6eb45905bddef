//! Layouts, checks, and the shapes that trip readers up.

mod support;

use std::sync::Arc;

use iceway_msg::encode::{self, Defaults};
use iceway_msg::{
    ByteOrder, Cdr, EncodeErrorKind, Located, NumericArray, Offsets, Primitive, Schema, Value,
    View, validate,
};
use support::{Reference, Rng, random_value};

fn schema(definition: &str) -> Schema {
    Schema::parse(&"p/msg/Root".parse().unwrap(), definition).unwrap_or_else(|e| panic!("{e}"))
}

fn message(fields: &[(&str, Value)]) -> Value {
    Value::Struct(
        fields
            .iter()
            .map(|(name, value)| (Arc::from(*name), value.clone()))
            .collect(),
    )
}

const NASTY: &str =
    "bool a\nfloat64 b\nbool[3] c\nstring<=5[<=4] d\nwstring[2] e\nfloat64[<=3] f\n";

#[test]
fn nasty_shapes_round_trip() {
    let definitions = [
        NASTY.to_owned(),
        format!("Nasty[] many\nEmpty[] empties\nEmpty one\nuint8 z\n===\nMSG: p/Nasty\n{NASTY}===\nMSG: p/Empty\n"),
        "uint8 x\nTrap[] traps\n===\nMSG: p/Trap\nuint8 a\nfloat64 b\n".to_owned(),
        "uint8 x\nTrap[5] traps\nstring s\n===\nMSG: p/Trap\nfloat64 b\nuint8 a\n".to_owned(),
        "uint8 x\nOuter[] outers\n===\nMSG: p/Outer\nInner[3] inners\nbool flag\n===\nMSG: p/Inner\n\
         uint16 a\nuint8 b\n"
            .to_owned(),
    ];
    for definition in definitions {
        let schema = schema(&definition);
        for seed in 0..300 {
            let value = random_value(&mut Rng::new(seed), schema.layout());
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let bytes = Reference::write(schema.layout(), &value, order);
                validate(&schema, &bytes).unwrap();
                assert_eq!(
                    View::new(&schema, &bytes).unwrap().to_value().unwrap(),
                    value
                );
            }
            let bytes = Reference::write(schema.layout(), &value, ByteOrder::Little);
            assert_eq!(encode::to_vec(schema.layout(), &value).unwrap(), bytes);
        }
    }
}

fn array_of(element: &str) -> Located {
    let schema = schema(&format!("Element[] items\n===\nMSG: p/Element\n{element}"));
    let mut bytes = vec![0, 1, 0, 0, 3, 0, 0, 0];
    bytes.resize(400, 0);
    schema
        .layout()
        .locate(
            &Cdr::new(&bytes).unwrap(),
            Cdr::START,
            &Offsets::default(),
            0,
        )
        .unwrap()
}

/// Which element types make structured arrays, and with which stride and item size.
#[test]
fn structured_arrays() {
    let structured = [
        ("float64 x\nfloat64 y\nfloat64 z\n", 24, 24),
        ("float32 x\nfloat32 y\n", 8, 8),
        ("float64 x\nuint8 y\n", 16, 9), // padding between elements, none behind the last
        ("uint32 x\nuint8 y\n", 8, 5),
        ("uint8 x\nuint32 y\n", 8, 8), // elements behind a length start at multiples of four
        ("uint8 r\nuint8 g\nuint8 b\n", 3, 3),
        ("uint8 x\nuint8 y\nfloat32 z\n", 8, 8),
        ("bool a\nbool[3] b\n", 4, 4),
    ];
    for (element, stride_expected, itemsize) in structured {
        match array_of(element) {
            Located::StructSlice {
                stride,
                element,
                len: 3,
                ..
            } => {
                assert_eq!((stride, element.itemsize()), (stride_expected, itemsize));
            }
            other => panic!("{element:?}: {other:?}"),
        }
    }
    // Where the padding inside depends on the phase, and where there is nothing to see.
    for element in [
        "uint8 x\nfloat64 y\n",
        "float32 x\nfloat64 y\n",
        "uint8 x\nint64[2] y\n",
        "",
    ] {
        match array_of(element) {
            Located::Sequence(sequence) => assert_eq!(sequence.len(), 3),
            other => panic!("{element:?}: {other:?}"),
        }
    }
}

#[test]
fn huge_indexes_cost_nothing() {
    let schema = schema(
        "uint8 x\nTrap[200000] traps\nuint8 y\n===\nMSG: p/Trap\nuint8 a\nfloat64 b\nuint8 c\n",
    );
    let plan = encode::plan(schema.layout(), &Defaults).unwrap();
    let bytes = plan.to_vec().unwrap();
    let view = View::new(&schema, &bytes).unwrap();
    assert_eq!(view.get::<f64>("traps[199999].b").unwrap(), 0.0);
    assert_eq!(view.get::<u8>("y").unwrap(), 0);
    let error = view.get::<f64>("traps[200000].b").unwrap_err();
    assert!(
        error.to_string().contains("index 200000 is out of range"),
        "{error}"
    );
}

#[test]
fn values_are_checked_against_their_fields() {
    let schema = schema(
        "uint8 u\nint16 i\nfloat32 f\nbool b\nstring<=3 s\nwstring<=2 w\nuint8[2] two\nfloat32[<=2] few\n\
         Sub sub\nSub[] subs\n===\nMSG: p/Sub\nint32 x\nstring t\n",
    );
    let kind = |name: &str, value: Value| {
        let error = encode::to_vec(schema.layout(), &message(&[(name, value)])).unwrap_err();
        (error.path().to_owned(), error.kind().clone())
    };
    let numbers = |primitive, bytes: &[u8]| {
        Value::Numbers(NumericArray {
            primitive,
            bytes: bytes.to_vec(),
        })
    };
    let out_of_range = |value: &str, primitive| EncodeErrorKind::OutOfRange {
        value: value.into(),
        primitive,
    };
    assert_eq!(
        kind("u", Value::I64(-1)),
        ("u".into(), out_of_range("-1", Primitive::U8))
    );
    assert_eq!(
        kind("u", Value::U64(256)),
        ("u".into(), out_of_range("256", Primitive::U8))
    );
    assert_eq!(
        kind("i", Value::I64(40000)),
        ("i".into(), out_of_range("40000", Primitive::I16))
    );
    assert!(matches!(
        kind("f", Value::F64(1e39)).1,
        EncodeErrorKind::OutOfRange { .. }
    ));
    assert!(matches!(
        kind("u", Value::F64(1.0)).1,
        EncodeErrorKind::WrongType { .. }
    ));
    assert!(matches!(
        kind("b", Value::U64(1)).1,
        EncodeErrorKind::WrongType { .. }
    ));
    assert!(matches!(
        kind("u", Value::Bool(true)).1,
        EncodeErrorKind::WrongType { .. }
    ));
    assert!(matches!(
        kind("s", Value::Str("äö".into())).1,
        EncodeErrorKind::TooLong {
            len: 4,
            bound: 3,
            bytes: true
        }
    ));
    assert!(matches!(
        kind("w", Value::Str("abc".into())).1,
        EncodeErrorKind::TooLong {
            len: 3,
            bound: 2,
            bytes: false
        }
    ));
    assert_eq!(
        kind("s", Value::Str("a\0".into())).1,
        EncodeErrorKind::InteriorNul
    );
    assert_eq!(
        kind("two", numbers(Primitive::U8, &[1])).1,
        EncodeErrorKind::WrongLength {
            expected: 2,
            found: 1
        }
    );
    assert!(matches!(
        kind("few", numbers(Primitive::F32, &[0; 12])).1,
        EncodeErrorKind::TooLong { .. }
    ));
    assert_eq!(
        kind("few", numbers(Primitive::F64, &[0; 8])).1,
        EncodeErrorKind::WrongDtype {
            expected: Primitive::F32,
            found: Primitive::F64
        }
    );
    let subs = Value::Seq(vec![
        message(&[("x", Value::I64(1))]),
        message(&[("y", Value::I64(1))]),
    ]);
    let (path, error) = kind("subs", subs);
    assert_eq!(path, "subs[1]");
    assert!(
        matches!(&error, EncodeErrorKind::UnknownField { name, .. } if name == "y"),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("its fields are: x, t"),
        "{error}"
    );
    let (path, _) = kind("sub", message(&[("t", Value::U64(1))]));
    assert_eq!(path, "sub.t");
    assert!(matches!(
        kind("sub", Value::U64(1)).1,
        EncodeErrorKind::WrongType { .. }
    ));
}

#[test]
fn validation_is_strict() {
    let check = |definition: &str, body: &[u8]| {
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend(body);
        validate(&schema(definition), &bytes).map_err(|error| error.to_string())
    };
    check("bool b\n", &[1]).unwrap();
    check("bool b\n", &[1, 9, 9, 9]).unwrap(); // bytes behind the message
    assert_eq!(
        check("bool b\n", &[2]).unwrap_err(),
        "b: a bool is 2, not 0 or 1 (at byte 4)"
    );
    assert!(
        check("bool[] b\n", &[2, 0, 0, 0, 1, 3])
            .unwrap_err()
            .contains("a bool is 3, not 0 or 1 (at byte 9)")
    );
    assert!(
        check("P[] p\n===\nMSG: p/P\nbool[2] b\n", &[1, 0, 0, 0, 1, 3])
            .unwrap_err()
            .starts_with("p[0].b: a bool")
    );
    check("string s\n", &[2, 0, 0, 0, b'a', 0]).unwrap();
    assert!(
        check("string s\n", &[0, 0, 0, 0])
            .unwrap_err()
            .contains("NUL")
    );
    assert!(
        check("string s\n", &[1, 0, 0, 0, b'a'])
            .unwrap_err()
            .contains("NUL")
    );
    check("string<=1 s\n", &[2, 0, 0, 0, b'a', 0]).unwrap();
    assert!(
        check("string<=1 s\n", &[3, 0, 0, 0, b'a', b'b', 0])
            .unwrap_err()
            .contains("bound of 1")
    );
    assert!(
        check("uint8[<=1] s\n", &[2, 0, 0, 0, 1, 1])
            .unwrap_err()
            .contains("bound of 1")
    );
    assert_eq!(
        check("float64[] d\n", &[255, 255, 255, 255]).unwrap_err(),
        "d: needs 34359738360 bytes, 0 are left (at byte 12)"
    );
    assert!(check("\n", &[]).is_err());
    assert!(validate(&schema("\n"), &[0, 1, 0]).is_err());
    assert!(
        validate(&schema("\n"), &[0, 3, 0, 0, 0])
            .unwrap_err()
            .to_string()
            .contains("not plain CDR")
    );
}

#[test]
fn lenient_reading_of_strings() {
    let schema = schema("string s\nstring t\n");
    let bytes = [0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, b'a', b'b'];
    let view = View::new(&schema, &bytes).unwrap();
    assert_eq!((view.str("s").unwrap(), view.str("t").unwrap()), ("", "ab"));
}

#[test]
fn many_variable_fields() {
    let text: String = (0..40)
        .map(|i| format!("string s{i}\nuint8 n{i}\n"))
        .collect();
    let schema = schema(&text);
    let value = random_value(&mut Rng::new(3), schema.layout());
    let bytes = Reference::write(schema.layout(), &value, ByteOrder::Big);
    let view = View::new(&schema, &bytes).unwrap();
    for field in schema
        .layout()
        .fields()
        .iter()
        .rev()
        .chain(schema.layout().fields())
    {
        match value.field(&field.name).unwrap() {
            Value::Str(text) => assert_eq!(view.str(&field.name).unwrap(), &**text),
            Value::U64(number) => {
                assert_eq!(u64::from(view.get::<u8>(&field.name).unwrap()), *number);
            }
            _ => unreachable!(),
        }
    }
}

#[test]
fn the_largest_array_is_found() {
    let schema = schema(
        "string s\nInner inner\nfloat64[] few\n===\nMSG: p/Inner\nuint8 a\nuint8[] data\nP[] points\n\
         ===\nMSG: p/P\nfloat32 x\nfloat32 y\n",
    );
    let offset = |data: usize, points: usize, few: usize| {
        let zeros = |primitive, n| {
            Value::Numbers(NumericArray {
                primitive,
                bytes: vec![0; n],
            })
        };
        let inner = message(&[
            ("data", zeros(Primitive::U8, data)),
            ("points", Value::Seq(vec![message(&[]); points])),
        ]);
        let value = message(&[("inner", inner), ("few", zeros(Primitive::F64, few * 8))]);
        let bytes = encode::to_vec(schema.layout(), &value).unwrap();
        iceway_msg::largest_array_offset(&schema, &Cdr::new(&bytes).unwrap())
    };
    assert_eq!(offset(0, 0, 0), None);
    assert_eq!(offset(100, 2, 2), Some(16));
    assert_eq!(offset(4, 9, 2), Some(24));
    assert_eq!(offset(4, 1, 2), Some(36));
}

/// Whatever offsets a caller makes up.
#[test]
fn made_up_offsets_are_errors() {
    let schema = schema("string s\nP p\nfloat64[] x\n===\nMSG: p/P\nfloat64 x\n");
    let bytes = [0, 1, 0, 0, 1, 0, 0, 0, 0];
    let cdr = Cdr::new(&bytes).unwrap();
    for start in [0, 3, 9, 10, usize::MAX - 3, usize::MAX] {
        for field in 0..4 {
            let _ = schema
                .layout()
                .locate(&cdr, start, &Offsets::new(schema.layout()), field);
        }
        let _ = schema.layout().struct_at(start);
        assert!(cdr.value_at(start.max(9), Primitive::F64).is_err());
        assert!(cdr.bytes_at(start, usize::MAX).is_err());
    }
}
