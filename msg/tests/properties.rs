//! Random types with random values: reading, validating and writing agree with a naive serializer, and no
//! change of the bytes makes the reader panic.

mod support;

use std::mem::MaybeUninit;
use std::sync::Arc;

use iceway_msg::encode::{self, CdrSource, Defaults, FieldWriter, MessageStart, Source, Written};
use iceway_msg::{
    ByteOrder, Cdr, CdrErrorKind, EncodeError, Layout, Located, Offsets, Primitive, Schema,
    StructFieldType, StructLayout, Value, View,
};
use proptest::prelude::*;
use support::{Reference, Rng, random_schema, random_value};

fn case(seed: u64) -> (Schema, Value, Vec<u8>, Vec<u8>) {
    let mut rng = Rng::new(seed);
    let schema = random_schema(&mut rng);
    let value = random_value(&mut rng, schema.layout());
    let little = Reference::write(schema.layout(), &value, ByteOrder::Little);
    let big = Reference::write(schema.layout(), &value, ByteOrder::Big);
    (schema, value, little, big)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn reading_gives_what_was_written(seed: u64) {
        let (schema, value, little, big) = case(seed);
        for bytes in [&little, &big] {
            let view = View::new(&schema, bytes).unwrap();
            prop_assert_eq!(&view.to_value().unwrap(), &value);
            schema.validate(bytes).unwrap();
        }
        let body = little.len() - 4;
        prop_assert!(schema.layout().min_size() <= body);
        prop_assert!(schema.layout().max_size().is_none_or(|max| body <= max));
    }

    #[test]
    fn writing_gives_the_reference_bytes(seed: u64) {
        let (schema, value, little, big) = case(seed);
        let layout = schema.layout();
        prop_assert_eq!(&encode::to_vec(layout, &value).unwrap(), &little);
        for bytes in [&little, &big] {
            let source = CdrSource::<&[u8]>::new(Cdr::new(bytes).unwrap(), Arc::clone(layout));
            prop_assert_eq!(&encode::plan(layout, &source).unwrap().to_vec().unwrap(), &little);
        }
        let default = encode::plan(layout, &Defaults).unwrap();
        let default_bytes = default.to_vec().unwrap();
        prop_assert_eq!(default.size(), default_bytes.len());
        schema.validate(&default_bytes).unwrap();
    }

    /// Arrays handed over as bytes, or reserved and filled in place, in memory that holds garbage.
    #[test]
    fn arrays_in_place(seed: u64) {
        let (schema, _, little, _) = case(seed);
        let layout = schema.layout();
        let cdr = Cdr::new(&little).unwrap();
        for reserve in [false, true] {
            let source = InPlace { cdr, layout: Arc::clone(layout), start: Cdr::START, reserve };
            let plan = encode::plan(layout, &source).unwrap();
            prop_assert_eq!(plan.size(), little.len());
            let mut out = vec![MaybeUninit::new(0xaa_u8); plan.size()];
            plan.write_into(&mut out).unwrap();
            // The buffer was initialised before; nothing takes that away.
            let mut out: Vec<u8> = out.iter().map(|byte| initialised(*byte)).collect();
            for reserved in plan.reserved() {
                let range = reserved.offset..reserved.offset + reserved.bytes;
                out[range.clone()].copy_from_slice(&little[range]);
            }
            prop_assert_eq!(&out, &little);
            if let Some(offset) = plan.largest_array_offset() {
                prop_assert!(offset < little.len());
            }
        }
    }

    /// Whatever is known already, a field is found at the same place.
    #[test]
    fn any_order_of_access(seed: u64) {
        let (schema, _, little, _) = case(seed);
        let layout = schema.layout();
        let cdr = Cdr::new(&little).unwrap();
        let found = Offsets::new(layout);
        let mut rng = Rng::new(seed ^ 0xabc);
        for _ in 0..layout.fields().len() * 2 {
            let field = rng.below(layout.fields().len());
            let warm = layout.locate(&cdr, Cdr::START, &found, field).unwrap();
            let cold = layout.locate(&cdr, Cdr::START, &Offsets::new(layout), field).unwrap();
            prop_assert_eq!(format!("{warm:?}"), format!("{cold:?}"));
        }
    }

    /// The members of structured arrays lie where the element-wise walk finds them.
    #[test]
    fn structures_lie_where_they_are_said_to(seed: u64) {
        let (schema, value, little, _) = case(seed);
        let view = View::new(&schema, &little).unwrap();
        for field in schema.layout().fields() {
            let expected = value.field(&field.name).unwrap();
            match (view.locate(&field.name).unwrap(), expected) {
                (Located::StructSlice { offset, len, stride, element, .. }, Value::Seq(values)) => {
                    prop_assert_eq!(len, values.len());
                    for (i, value) in values.iter().enumerate() {
                        prop_assert_eq!(&read_struct(&little, offset + i * stride, &element), value);
                    }
                }
                (Located::Message { start, layout }, value) => {
                    if let Some((offset, structured)) = layout.struct_at(start) {
                        prop_assert_eq!(&read_struct(&little, offset, structured), value);
                    }
                }
                _ => {}
            }
        }
    }

    #[test]
    fn truncations_are_errors(seed: u64) {
        let (schema, _, little, big) = case(seed);
        for bytes in [&little, &big] {
            // Every length of short messages; of long ones the first, the last and some between.
            let step = 1 + bytes.len() / 100;
            for len in (0..bytes.len()).filter(|len| len % step == 0 || len + 9 > bytes.len()) {
                let error = schema.validate(&bytes[..len]).unwrap_err();
                prop_assert!(error.needed() > error.available(), "{}", error);
                let read = View::new(&schema, &bytes[..len]).and_then(|view| view.to_value());
                // A root without fields has nothing to read.
                prop_assert!(read.is_err() || schema.layout().fields().is_empty());
            }
        }
    }

    #[test]
    fn changed_bytes_never_panic(seed: u64) {
        let (schema, _, little, big) = case(seed);
        let mut rng = Rng::new(seed ^ 0x5eed);
        for mut bytes in [little, big] {
            for _ in 0..60 {
                let at = rng.below(bytes.len());
                let before = bytes[at];
                bytes[at] = match rng.below(3) {
                    0 => 0xff,
                    1 => before ^ (1 << rng.below(8)),
                    _ => rng.next() as u8,
                };
                let read = View::new(&schema, &bytes).and_then(|view| view.to_value());
                if schema.validate(&bytes).is_ok() {
                    // What is valid can be read, but for the text of strings, and written again.
                    match read {
                        Ok(value) => {
                            let _ = encode::to_vec(schema.layout(), &value);
                        }
                        Err(error) => prop_assert_eq!(error.kind(), &CdrErrorKind::NotText),
                    }
                }
                if rng.below(2) == 0 {
                    bytes[at] = before;
                }
            }
        }
    }

    #[test]
    fn any_bytes(seed: u64, mut bytes: Vec<u8>) {
        let schema = random_schema(&mut Rng::new(seed));
        if let [_, _, ..] = &bytes[..] {
            bytes[0] = 0;
            bytes[1] &= 1;
        }
        let _ = schema.validate(&bytes);
        let _ = View::new(&schema, &bytes).and_then(|view| view.to_value());
    }

    #[test]
    fn any_definition(text: String, seed: u64) {
        let name = "p/msg/N".parse().unwrap();
        let _ = Schema::parse(&name, &text);
        let _ = Schema::parse(&name, &format!("module p {{ module msg {{ {text}"));
        // A valid text with a few changed characters.
        let mut rng = Rng::new(seed);
        let mut text = support::random_definition(&mut rng).into_bytes();
        for _ in 0..rng.below(4) {
            let Some(last) = text.len().checked_sub(1) else { break };
            let at = rng.below(last + 1);
            text[at] = b"[]<=# \n0a\"/-T,"[rng.below(14)];
        }
        if let Ok(schema) = Schema::parse(&name, &String::from_utf8_lossy(&text)) {
            let again = Schema::parse(&name, schema.definition()).unwrap();
            prop_assert_eq!(again.type_hash(), schema.type_hash());
            prop_assert_eq!(again.definition(), schema.definition());
        }
    }
}

#[allow(unsafe_code)]
fn initialised(byte: MaybeUninit<u8>) -> u8 {
    // SAFETY: the caller initialised the buffer, and writing into it does not undo that.
    unsafe { byte.assume_init() }
}

/// A message whose arrays of numbers come as bytes or are reserved.
struct InPlace<'a> {
    cdr: Cdr<'a>,
    layout: Arc<Layout>,
    start: usize,
    reserve: bool,
}

impl<'a> Source for InPlace<'a> {
    type Array = &'a [u8];
    type Error = EncodeError;

    fn begin(&self, message: &MessageStart<'_>) -> Result<(), EncodeError> {
        assert!(Layout::same_shape(message.layout(), &self.layout));
        Ok(())
    }

    fn write_field(
        &self,
        index: usize,
        out: FieldWriter<'_, '_, &'a [u8]>,
    ) -> Result<Written, EncodeError> {
        let located = self
            .layout
            .locate(&self.cdr, self.start, &Offsets::new(&self.layout), index)
            .unwrap();
        match located {
            Located::Slice { len, .. } if self.reserve && len % 2 == 0 => out.reserve(len),
            Located::Slice {
                offset,
                len,
                primitive,
            } => out.array(
                primitive,
                len,
                self.cdr.bytes_at(offset, len * primitive.size()).unwrap(),
            ),
            Located::StructSlice { len, .. } if self.reserve && len % 2 == 1 => out.reserve(len),
            Located::StructSlice {
                offset,
                len,
                stride,
                element,
                ..
            } => {
                assert!(out.struct_layout().is_some());
                let bytes = if len == 0 {
                    0
                } else {
                    (len - 1) * stride + element.itemsize()
                };
                out.structs(len, self.cdr.bytes_at(offset, bytes).unwrap())
            }
            Located::Message { start, layout } => {
                let source = InPlace {
                    cdr: self.cdr,
                    layout,
                    start,
                    reserve: self.reserve,
                };
                out.message(&source)
            }
            located => out.located(&self.cdr, &located),
        }
    }
}

fn read_struct(bytes: &[u8], at: usize, layout: &StructLayout) -> Value {
    let field = |field: &iceway_msg::StructField| {
        let one = |i: usize| {
            let at = at + field.offset + i * field.ty.size();
            match &field.ty {
                StructFieldType::Primitive(primitive) => read_number(bytes, at, *primitive),
                StructFieldType::Struct(inner) => read_struct(bytes, at, inner),
            }
        };
        let value = match (field.count, &field.ty) {
            (None, _) => one(0),
            (Some(n), StructFieldType::Primitive(primitive)) => {
                let at = at + field.offset;
                let bytes = bytes[at..at + n * primitive.size()].to_vec();
                Value::Numbers(iceway_msg::NumericArray {
                    primitive: *primitive,
                    bytes,
                })
            }
            (Some(n), _) => Value::Seq((0..n).map(one).collect()),
        };
        (Arc::clone(&field.name), value)
    };
    Value::Struct(layout.fields().iter().map(field).collect())
}

fn read_number(bytes: &[u8], at: usize, primitive: Primitive) -> Value {
    let bytes = bytes[at..at + primitive.size()].to_vec();
    iceway_msg::NumericArray { primitive, bytes }
        .get(0)
        .unwrap()
}
