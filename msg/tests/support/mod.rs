//! What the tests share: random types, random values, and a second, naive serializer to compare with.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::Write;
use std::sync::Arc;

use iceway_msg::{
    ArrayLen, ByteOrder, ElementType, FieldType, Layout, NumericArray, Primitive, Schema, Value,
};

/// A small deterministic generator (xorshift64*).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const PRIMITIVES: [&str; 13] = [
    "bool", "byte", "char", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
    "uint64", "float32", "float64",
];

/// A random type with random dependencies, as concatenated definition text.
pub(crate) fn random_definition(rng: &mut Rng) -> String {
    let count = 1 + rng.below(5);
    let mut texts: Vec<String> = Vec::new();
    for index in 0..count {
        let mut text = String::new();
        let fields = rng.below(if index + 1 == count { 9 } else { 5 });
        for field in 0..fields {
            let element = match rng.below(10) {
                0 => rng
                    .pick(&["string", "wstring", "string<=5", "wstring<=3"])
                    .to_owned(),
                1..=3 if index > 0 => format!("T{}", rng.below(index)),
                _ => rng.pick(&PRIMITIVES).to_owned(),
            };
            let array = match rng.below(8) {
                0 => format!("[{}]", 1 + rng.below(4)),
                1 => format!("[<={}]", 1 + rng.below(5)),
                2 | 3 => "[]".to_owned(),
                _ => String::new(),
            };
            let default = match (element.as_str(), array.as_str()) {
                ("bool", "") if rng.below(2) == 0 => " true",
                ("float32" | "int8" | "uint64", "") if rng.below(2) == 0 => " 7",
                ("uint16", "[]") => " [1, 2, 3]",
                ("string", "") => " \"ab c\"",
                _ => "",
            };
            writeln!(text, "{element}{array} f{field}{default}").unwrap();
        }
        texts.push(text);
    }
    let mut definition = texts.pop().unwrap();
    for (index, text) in texts.iter().enumerate() {
        write!(definition, "================\nMSG: t/T{index}\n{text}").unwrap();
    }
    definition
}

pub(crate) fn random_schema(rng: &mut Rng) -> Schema {
    let definition = random_definition(rng);
    Schema::parse(&"t/msg/Root".parse().unwrap(), &definition)
        .unwrap_or_else(|e| panic!("{e}\n{definition}"))
}

pub(crate) fn random_value(rng: &mut Rng, layout: &Layout) -> Value {
    let fields = layout.fields().iter().map(|field| {
        let value = match &field.ty {
            FieldType::Single(element) => random_element(rng, element),
            FieldType::Array(element, len) => {
                let n = match *len {
                    ArrayLen::Fixed(n) => n,
                    ArrayLen::Bounded(n) => rng.below(n + 1),
                    ArrayLen::Unbounded if rng.below(12) == 0 => rng.below(400),
                    ArrayLen::Unbounded => rng.below(5),
                };
                match element {
                    ElementType::Primitive(primitive) => random_numbers(rng, *primitive, n),
                    element => Value::Seq((0..n).map(|_| random_element(rng, element)).collect()),
                }
            }
        };
        (Arc::clone(&field.name), value)
    });
    Value::Struct(fields.collect())
}

fn random_bits(rng: &mut Rng, primitive: Primitive) -> u64 {
    match primitive {
        Primitive::Bool => rng.next() & 1,
        Primitive::F32 => u64::from((rng.below(2000) as f32 - 1000.5).to_bits()),
        Primitive::F64 => (rng.below(2_000_000) as f64 / 7.0).to_bits(),
        _ => rng.next(),
    }
}

fn random_numbers(rng: &mut Rng, primitive: Primitive, n: usize) -> Value {
    let size = primitive.size();
    let bytes = (0..n)
        .flat_map(|_| random_bits(rng, primitive).to_le_bytes()[..size].to_vec())
        .collect();
    Value::Numbers(NumericArray { primitive, bytes })
}

fn random_element(rng: &mut Rng, element: &ElementType) -> Value {
    match element {
        ElementType::Primitive(primitive) => match random_numbers(rng, *primitive, 1) {
            Value::Numbers(array) => array.get(0).unwrap(),
            _ => unreachable!(),
        },
        ElementType::String { bound, wide } => {
            let most = bound.unwrap_or(9);
            let mut text = String::new();
            for _ in 0..rng.below(most + 1) {
                text.push_str(rng.pick(&["a", "B", "ö", " ", "中", "😀"]));
            }
            let len = |text: &str| {
                if *wide {
                    text.encode_utf16().count()
                } else {
                    text.len()
                }
            };
            while len(&text) > most {
                text.pop();
            }
            Value::Str(text.into())
        }
        ElementType::Message(layout) => random_value(rng, layout),
    }
}

/// A naive serializer: byte by byte, without any of the crate's tables.
pub(crate) struct Reference {
    pub(crate) bytes: Vec<u8>,
    order: ByteOrder,
}

impl Reference {
    pub(crate) fn write(layout: &Layout, value: &Value, order: ByteOrder) -> Vec<u8> {
        let first = if order == ByteOrder::Little {
            [0, 1, 0, 0]
        } else {
            [0, 0, 0, 0]
        };
        let mut out = Self {
            bytes: first.to_vec(),
            order,
        };
        out.message(layout, value);
        out.bytes
    }

    fn number(&mut self, le_bytes: &[u8]) {
        while !(self.bytes.len() - 4).is_multiple_of(le_bytes.len()) {
            self.bytes.push(0);
        }
        match self.order {
            ByteOrder::Little => self.bytes.extend(le_bytes),
            ByteOrder::Big => self.bytes.extend(le_bytes.iter().rev()),
        }
    }

    fn length(&mut self, n: usize) {
        self.number(&u32::try_from(n).unwrap().to_le_bytes());
    }

    fn message(&mut self, layout: &Layout, value: &Value) {
        for field in layout.fields() {
            let value = value.field(&field.name).unwrap();
            match &field.ty {
                FieldType::Single(element) => self.element(element, value),
                FieldType::Array(element, len) => {
                    let values: Vec<Value> = match value {
                        Value::Numbers(array) => array.iter().collect(),
                        Value::Seq(values) => values.clone(),
                        _ => unreachable!(),
                    };
                    if !matches!(len, ArrayLen::Fixed(_)) {
                        self.length(values.len());
                    }
                    values.iter().for_each(|value| self.element(element, value));
                }
            }
        }
        if layout.fields().is_empty() {
            self.bytes.push(0);
        }
    }

    fn element(&mut self, element: &ElementType, value: &Value) {
        match (element, value) {
            (ElementType::Message(layout), value) => self.message(layout, value),
            (ElementType::String { wide: false, .. }, Value::Str(text)) => {
                self.length(text.len() + 1);
                self.bytes.extend(text.bytes());
                self.bytes.push(0);
            }
            (ElementType::String { wide: true, .. }, Value::Str(text)) => {
                self.length(text.encode_utf16().count());
                for unit in text.encode_utf16() {
                    self.number(&u32::from(unit).to_le_bytes());
                }
            }
            (ElementType::Primitive(primitive), value) => {
                let size = primitive.size();
                let bits = match (primitive, value) {
                    (Primitive::F32, Value::F64(value)) => u64::from((*value as f32).to_bits()),
                    (_, Value::F64(value)) => value.to_bits(),
                    (_, Value::Bool(value)) => u64::from(*value),
                    (_, Value::I64(value)) => *value as u64,
                    (_, Value::U64(value)) => *value,
                    _ => unreachable!(),
                };
                self.number(&bits.to_le_bytes()[..size]);
            }
            _ => unreachable!(),
        }
    }
}
