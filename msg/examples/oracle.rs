//! The Rust half of the oracle test (`tests/oracle/run.py`): reads and writes messages for a driver that
//! has ROS's own serializer. One JSON request per line on stdin, one answer per line on stdout.
//!
//! - `{"op": "schema", "type": T, "sources": [[name, text], …]}` → `{"hash": …}`
//! - `{"op": "read", "type": T, "cdr": hex}` → `{"value": …}` (after validating, and reading every
//!   truncation of the message)
//! - `{"op": "write", "type": T, "value": …}` → `{"cdr": hex}`
//! - `{"op": "copy", "type": T, "cdr": hex}` → `{"cdr": hex}`: written again from the serialized form
//! - `{"op": "default", "type": T}` → `{"cdr": hex}`
//!
//! Floats travel as the decimal bits of a `float64` in a string, so that nothing is rounded.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::Arc;

use iceway_msg::encode::{self, CdrSource, Defaults};
use iceway_msg::{
    ArrayLen, Cdr, ElementType, FieldType, Layout, NumericArray, Primitive, Schema, TypeName,
    Value, View,
};
use serde_json::{Value as Json, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut schemas = HashMap::new();
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let answer = match answer(&mut schemas, &serde_json::from_str(&line?)?) {
            Ok(answer) => answer,
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(schemas: &mut HashMap<String, Schema>, request: &Json) -> Result<Json> {
    let text = |key: &str| request[key].as_str().ok_or(format!("no {key}"));
    let name = text("type")?;
    if text("op")? == "schema" {
        let sources = request["sources"].as_array().ok_or("no sources")?;
        let sources = sources.iter().map(|source| {
            let part = |i: usize| source[i].as_str().ok_or("a source is [name, text]");
            Ok((part(0)?.parse::<TypeName>()?, part(1)?))
        });
        let sources = sources.collect::<Result<Vec<_>>>()?;
        let schema = Schema::from_sources(&name.parse()?, sources)?;
        let again = Schema::parse(schema.type_name(), schema.definition())?;
        if again.type_hash() != schema.type_hash() {
            return Err("the concatenated definition has another hash".into());
        }
        let hash = schema.type_hash().to_string();
        let fixed = schema.layout().is_fixed();
        let structured = schema.layout().sequence_struct().is_some();
        schemas.insert(name.to_owned(), again);
        return Ok(json!({ "hash": hash, "fixed": fixed, "structured": structured }));
    }
    let schema = schemas.get(name).ok_or("unknown type")?;
    let layout = schema.layout();
    match text("op")? {
        "read" => {
            let bytes = from_hex(text("cdr")?)?;
            let value = View::new(schema, &bytes)?.to_value()?;
            schema.validate(&bytes)?;
            for len in 0..bytes.len().min(4096) {
                // Whether it is an error depends on the padding behind the message.
                let _ = schema.validate(&bytes[..len]);
                let _ = View::new(schema, &bytes[..len]).and_then(|view| view.to_value());
            }
            Ok(json!({ "value": to_json(&value) }))
        }
        "write" => {
            let value = from_json(layout, &request["value"])?;
            Ok(json!({ "cdr": checked(schema, &encode::to_vec(layout, &value)?)? }))
        }
        "copy" => {
            let bytes = from_hex(text("cdr")?)?;
            let source = CdrSource::<&[u8]>::new(Cdr::new(&bytes)?, Arc::clone(layout));
            Ok(json!({ "cdr": checked(schema, &encode::plan(layout, &source)?.to_vec()?)? }))
        }
        "default" => {
            let bytes = encode::plan(layout, &Defaults)?.to_vec()?;
            Ok(json!({ "cdr": checked(schema, &bytes)? }))
        }
        op => Err(format!("unknown op {op}").into()),
    }
}

/// What was written is valid, and within the bounds of the type.
fn checked(schema: &Schema, bytes: &[u8]) -> Result<String> {
    schema.validate(bytes)?;
    let body = bytes.len() - Cdr::START;
    let layout = schema.layout();
    if body < layout.min_size() || layout.max_size().is_some_and(|max| body > max) {
        return Err(format!(
            "{body} bytes, outside {} to {:?}",
            layout.min_size(),
            layout.max_size()
        )
        .into());
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let byte = |i| u8::from_str_radix(&text[i..i + 2], 16);
    Ok((0..text.len())
        .step_by(2)
        .map(byte)
        .collect::<std::result::Result<_, _>>()?)
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::F64(value) => json!(value.to_bits().to_string()),
        Value::Str(text) => json!(&**text),
        Value::Numbers(array) => array.iter().map(|value| to_json(&value)).collect(),
        Value::Seq(values) => values.iter().map(to_json).collect(),
        Value::Struct(fields) => Json::Object(
            fields
                .iter()
                .map(|(name, value)| (name.to_string(), to_json(value)))
                .collect(),
        ),
    }
}

fn from_json(layout: &Layout, json: &Json) -> Result<Value> {
    let fields = json.as_object().ok_or("a message is an object")?;
    let value = |(name, json): (&String, &Json)| {
        let field = layout.field(name).ok_or(format!("no field {name}"))?;
        let value = match &field.ty {
            FieldType::Single(element) => element_from_json(element, json)?,
            FieldType::Array(element, len) => array_from_json(element, *len, json)?,
        };
        Ok((Arc::clone(&field.name), value))
    };
    Ok(Value::Struct(
        fields.iter().map(value).collect::<Result<_>>()?,
    ))
}

fn array_from_json(element: &ElementType, len: ArrayLen, json: &Json) -> Result<Value> {
    let values = json.as_array().ok_or("an array is a list")?;
    let values = values.iter().map(|json| element_from_json(element, json));
    let values = values.collect::<Result<Vec<_>>>()?;
    match element {
        // Fixed-size arrays are written element by element, others from their bytes.
        ElementType::Primitive(primitive) if !matches!(len, ArrayLen::Fixed(_)) => {
            let bytes = values
                .iter()
                .flat_map(|value| le_bytes(*primitive, value))
                .collect();
            Ok(Value::Numbers(NumericArray {
                primitive: *primitive,
                bytes,
            }))
        }
        _ => Ok(Value::Seq(values)),
    }
}

fn le_bytes(primitive: Primitive, value: &Value) -> Vec<u8> {
    let bits = match (value, primitive) {
        (Value::Bool(value), _) => u64::from(*value),
        (Value::I64(value), _) => *value as u64,
        (Value::U64(value), _) => *value,
        (Value::F64(value), Primitive::F32) => u64::from((*value as f32).to_bits()),
        (Value::F64(value), _) => value.to_bits(),
        _ => 0,
    };
    bits.to_le_bytes()[..primitive.size()].to_vec()
}

fn element_from_json(element: &ElementType, json: &Json) -> Result<Value> {
    let value = match element {
        ElementType::Message(layout) => return from_json(layout, json),
        ElementType::String { .. } => json.as_str().map(|text| Value::Str(text.into())),
        ElementType::Primitive(Primitive::Bool) => json.as_bool().map(Value::Bool),
        ElementType::Primitive(Primitive::F32 | Primitive::F64) => json
            .as_str()
            .and_then(|bits| bits.parse().ok())
            .map(|bits| Value::F64(f64::from_bits(bits))),
        ElementType::Primitive(_) => json
            .as_u64()
            .map(Value::U64)
            .or_else(|| json.as_i64().map(Value::I64)),
    };
    value.ok_or_else(|| format!("{json} is no {element}").into())
}
