//! The grammars of definitions, and what is made of them.

use iceway_msg::encode::{self, Defaults};
use iceway_msg::{
    ArrayLen, ElementType, FieldType, NumericArray, Primitive, Schema, TypeName, Value, View,
};

fn schema(definition: &str) -> Schema {
    Schema::parse(&"p/msg/Root".parse().unwrap(), definition).unwrap_or_else(|e| panic!("{e}"))
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
