//! Definitions, layouts and the shapes that trip readers up.

mod support;

use std::sync::Arc;

use iceway_msg::encode::{self, Defaults};
use iceway_msg::{
    ArrayLen, ByteOrder, Cdr, ElementType, EncodeErrorKind, FieldType, Located, NumericArray,
    Offsets, Primitive, Schema, TypeName, Value, View, validate,
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
fn the_type_grammar() {
    let schema = schema(
        "# comment\n\
         int32 X=5 # five\n\
         string NAME= \"a b\"\n\
         float64 PI=3.25\n\
         bool FLAG = True\n\
         byte B=0x1f\n\
         \n\
         string<=5[<=4] strings [\"a\", 'b']\n\
         wstring w \"ö\"\n\
         uint8[3] fixed [1, 2, 3]\n\
         \x20 int8\tindented -3\r\n\
         Other same\n\
         p/Other pkg\n\
         p/msg/Other full\n\
         q/Other[2] far\n\
         ===\nMSG: p/Other\nfloat32 v 0.5\n\
         ===\nMSG: q/Other\nchar c\n",
    );
    let layout = schema.layout();
    assert_eq!(layout.constants().len(), 5);
    assert_eq!(layout.constants()[1].value, Value::Str("a b".into()));
    assert_eq!(layout.constants()[4].value, Value::U64(31));
    let types: Vec<String> = layout
        .fields()
        .iter()
        .map(|field| field.ty.to_string())
        .collect();
    let expected = [
        "string<=5[<=4]",
        "wstring",
        "uint8[3]",
        "int8",
        "p/msg/Other",
        "p/msg/Other",
        "p/msg/Other",
        "q/msg/Other[2]",
    ];
    assert_eq!(types, expected);
    assert_eq!(
        layout.field("indented").unwrap().default,
        Some(Value::I64(-3))
    );
    let numbers = NumericArray {
        primitive: Primitive::U8,
        bytes: vec![1, 2, 3],
    };
    assert_eq!(
        layout.field("fixed").unwrap().default,
        Some(Value::Numbers(numbers))
    );
    let bytes = encode::plan(layout, &Defaults).unwrap().to_vec().unwrap();
    let view = View::new(&schema, &bytes).unwrap();
    assert_eq!(
        view.strings("strings")
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(view.wstr("w").unwrap(), "ö");
    assert_eq!(view.get::<f32>("full.v").unwrap(), 0.5);
    assert_eq!(view.get::<u8>("far[1].c").unwrap(), 0);
    assert_eq!(view.to_vec::<u8>("fixed").unwrap(), [1, 2, 3]);
}

#[test]
fn bad_definitions_say_where() {
    for (text, line, column, part) in [
        ("int32", 1, 1, "expected `type name`"),
        ("int32 a\nint32 A", 2, 7, "no field name"),
        ("int32 a__b", 1, 7, "no field name"),
        ("int32 a_", 1, 7, "no field name"),
        ("int32 a\nint32 a", 2, 7, "defined twice"),
        ("int32[0] a", 1, 1, "size of 1 or more"),
        ("int32[<=x] a", 1, 1, "size of 1 or more"),
        ("string<=0 a", 1, 1, "size of 1 or more"),
        ("int33 a", 1, 1, "no type"),
        ("time a", 1, 1, "builtin_interfaces/Time"),
        ("int8 a 128", 1, 8, "does not fit int8"),
        ("int8[2] a [1]", 1, 11, "1 elements, the array 2"),
        ("int8 x=1", 1, 6, "no constant name"),
        ("int8 X__Y=1", 1, 6, "no constant name"),
        ("Other X=1", 1, 7, "primitive type"),
        ("bool B=2", 1, 6, "expected true"),
        (
            "Missing a",
            1,
            1,
            "p/msg/Missing, the type of a, is not defined",
        ),
        ("a/b/c/D x", 1, 1, "is no type"),
    ] {
        let error = Schema::parse(&"p/msg/Root".parse().unwrap(), text).unwrap_err();
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text:?}: {error}"
        );
        assert!(error.to_string().contains(part), "{text:?}: {error}");
        assert!(
            error.to_string().starts_with("p/msg/Root, line "),
            "{error}"
        );
    }
    let parse = |name: &str, text: &str| Schema::parse(&name.parse().unwrap(), text);
    let message = |name, text| parse(name, text).unwrap_err().to_string();
    assert!(message("p/msg/A", "B b\n===\nMSG: p/B\nA a\n").contains("contains itself"));
    assert!(message("p/srv/A", "int32 x\n").contains("2 parts"));
    assert!(message("p/action/A", "---\n").contains("3 parts"));
    assert!(message("p/msg/A", "int32 x\n===\noops\n").contains("MSG: pkg/Name"));
    assert!(message("p/msg/A", "uint8[268435457] x").contains("would need more than"));
    let deep: String = (0..100)
        .map(|i| format!("===\nMSG: p/T{i}\nT{} x\n", i + 1))
        .collect();
    assert!(message("p/msg/A", &format!("T0 x\n{deep}")).contains("nest deeper"));
}

/// A type whose fields double at each level has 2^60 leaves: no walk over it may be recursive.
#[test]
fn exponential_types_are_cheap() {
    let levels: String = (0..60)
        .map(|i| format!("===\nMSG: p/T{i}\nT{}[] a\nT{}[] b\n", i + 1, i + 1))
        .collect();
    let schema = schema(&format!("T0[] x\n{levels}===\nMSG: p/T60\nuint8 x\n"));
    let again = self::schema(schema.definition());
    assert!(iceway_msg::Layout::same_shape(
        schema.layout(),
        again.layout()
    ));
    let levels: String = (0..60)
        .map(|i| format!("===\nMSG: p/T{i}\nT{} a\nT{} b\n", i + 1, i + 1))
        .collect();
    let text = format!("T0 x\n{levels}===\nMSG: p/T60\nuint8 x\n");
    let error = Schema::parse(&"p/msg/Root".parse().unwrap(), &text).unwrap_err();
    assert!(
        error.to_string().contains("would need more than"),
        "{error}"
    );
}

#[test]
fn services_and_actions_expand() {
    let service = "int32 a\n---\nstring b\n";
    let parts = |name: &str, text: &str| {
        let schema = Schema::parse(&name.parse().unwrap(), text).unwrap();
        assert_eq!(schema.type_name().as_str(), name);
        let again = Schema::parse(schema.type_name(), schema.definition()).unwrap();
        assert_eq!(again.type_hash(), schema.type_hash());
        let field = |field: &iceway_msg::Field| format!("{} {}", field.ty, field.name);
        schema
            .layout()
            .fields()
            .iter()
            .map(field)
            .collect::<Vec<_>>()
    };
    assert_eq!(parts("p/srv/S_Request", service), ["int32 a"]);
    assert_eq!(parts("p/srv/S_Response", service), ["string b"]);
    assert_eq!(
        parts("p/srv/S_Event", service),
        [
            "service_msgs/msg/ServiceEventInfo info",
            "p/srv/S_Request[<=1] request",
            "p/srv/S_Response[<=1] response"
        ]
    );
    assert_eq!(
        parts("p/srv/S_Request", "int32 only_the_part\n"),
        ["int32 only_the_part"]
    );
    let action = "int32 goal\n---\nint32 result\n---\nint32 feedback\n";
    assert_eq!(
        parts("p/action/A_SendGoal_Request", action),
        [
            "unique_identifier_msgs/msg/UUID goal_id",
            "p/action/A_Goal goal"
        ]
    );
    assert_eq!(
        parts("p/action/A_SendGoal_Response", action),
        ["bool accepted", "builtin_interfaces/msg/Time stamp"]
    );
    assert_eq!(
        parts("p/action/A_GetResult_Response", action),
        ["int8 status", "p/action/A_Result result"]
    );
    assert_eq!(
        parts("p/action/A_FeedbackMessage", action),
        [
            "unique_identifier_msgs/msg/UUID goal_id",
            "p/action/A_Feedback feedback"
        ]
    );
    assert_eq!(parts("p/action/A_GetResult_Event", action).len(), 3);
}

#[test]
fn idl() {
    let text = r#"
        #include "q/msg/Other.idl"
        /* a comment */
        module p { module msg {
          typedef double double__9[9];
          typedef q::msg::Other q__msg__Other;
          typedef q__msg__Other q__msg__Other__2[2];
          module Root_Constants { const int32 X = -5; const string S = "a" "b"; };
          @verbatim (language="comment", text="a ; b" "\n")
          struct Root {
            @default (value=TRUE) boolean flag;
            @unit (value="m") double__9 nine;
            q__msg__Other__2 others;
            sequence<string<5>, 4> strings;
            @key octet a, b[3];
            @default (value="(1, 2)") sequence<unsigned short> numbers;
            @default (value="('x', \"y\")") string texts[2];
            wstring<3> w; long long ll; char c;
          };
        }; };
        ==========
        IDL: q/msg/Other
        module q { module msg { struct Other { uint8 structure_needs_at_least_one_member; }; }; };
    "#
    .replace("        =", "=")
    .replace("        IDL", "IDL");
    let schema = schema(&text);
    let layout = schema.layout();
    let fields: Vec<String> = layout
        .fields()
        .iter()
        .map(|f| format!("{} {}", f.ty, f.name))
        .collect();
    assert_eq!(
        fields,
        [
            "bool flag",
            "float64[9] nine",
            "q/msg/Other[2] others",
            "string<=5[<=4] strings",
            "byte a",
            "byte[3] b",
            "uint16[] numbers",
            "string[2] texts",
            "wstring<=3 w",
            "int64 ll",
            "char c",
        ]
    );
    assert_eq!(layout.constants()[0].value, Value::I64(-5));
    assert_eq!(layout.constants()[1].value, Value::Str("ab".into()));
    assert_eq!(
        layout.field("flag").unwrap().default,
        Some(Value::Bool(true))
    );
    let texts = layout.field("texts").unwrap().default.clone();
    assert_eq!(
        texts,
        Some(Value::Seq(vec![
            Value::Str("x".into()),
            Value::Str("y".into())
        ]))
    );
    let FieldType::Array(ElementType::Message(other), ArrayLen::Fixed(2)) = &layout.fields()[2].ty
    else {
        panic!()
    };
    assert!(other.fields().is_empty() && other.is_fixed());
    let again = Schema::parse(schema.type_name(), schema.definition()).unwrap();
    assert_eq!(again.type_hash(), schema.type_hash());
    for bad in [
        "module p { module msg { struct R { sequence<sequence<sequence<long>>> x; }; }; };",
        "module p {",
        "module p { union U; };",
    ] {
        assert!(Schema::parse(&"p/msg/R".parse().unwrap(), bad).is_err());
    }
}

#[test]
fn header_is_std_msgs_header_where_there_is_no_other() {
    let text = "Header header\n===\nMSG: std_msgs/Header\nstring frame_id\n";
    let schema = schema(text);
    assert_eq!(
        schema.layout().fields()[0].ty.to_string(),
        "std_msgs/msg/Header"
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
    assert!(error.to_string().contains("its fields are x, t"), "{error}");
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
fn type_names_of_the_schema() {
    let name: TypeName = "p/msg/Root".parse().unwrap();
    assert_eq!(schema("int32 x\n").type_name(), &name);
    assert!(Schema::parse(&"p/srv/S_Nothing".parse().unwrap(), "---\n").is_err());
}

/// Found by fuzzing: a blank last line is part of the text.
#[test]
fn concatenated_text_is_stable() {
    for text in [
        "int32 x\n\n",
        "\u{b}\n\n",
        "",
        "\n",
        "A a\n\n\n===\nMSG: p/A\n\n===\nMSG: p/B\n\n\n",
    ] {
        let schema = schema(text);
        assert_eq!(
            self::schema(schema.definition()).definition(),
            schema.definition(),
            "{text:?}"
        );
    }
}
