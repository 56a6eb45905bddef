//! Values in `.msg` files: constants and defaults, as rosidl reads them.

use super::ast::ElementDef;
use super::escapes::unescape;
use crate::layout::ArrayLen;
use crate::primitive::Primitive;
use crate::value::{NumericArray, Value};

type Result<T> = std::result::Result<T, String>;

/// The value of a field's default.
pub(super) fn field_default(
    element: &ElementDef,
    array: Option<ArrayLen>,
    text: &str,
) -> Result<Value> {
    let Some(len) = array else {
        return single(element, text);
    };
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .ok_or_else(|| {
            format!("the default of an array starts with `[` and ends with `]`, not {text:?}")
        })?;
    let texts: Vec<String> = match element {
        ElementDef::String { .. } => split_strings(inner)?,
        _ if inner.is_empty() => Vec::new(),
        _ => inner.split(',').map(str::to_owned).collect(),
    };
    check_len(len, texts.len())?;
    let values = texts.iter().map(|text| single(element, text.trim()));
    collect(element, values)
}

pub(super) fn check_len(len: ArrayLen, found: usize) -> Result<()> {
    match len {
        ArrayLen::Fixed(n) if found != n => {
            Err(format!("the default has {found} elements, the array {n}"))
        }
        ArrayLen::Bounded(n) if found > n => Err(format!(
            "the default has {found} elements, the array at most {n}"
        )),
        _ => Ok(()),
    }
}

/// Numbers become one array, anything else a sequence.
pub(super) fn collect(
    element: &ElementDef,
    values: impl Iterator<Item = Result<Value>>,
) -> Result<Value> {
    let ElementDef::Primitive(primitive) = *element else {
        return Ok(Value::Seq(values.collect::<Result<_>>()?));
    };
    let mut bytes = Vec::new();
    for value in values {
        let (number, size) = value?
            .to_le_bytes(primitive)
            .ok_or_else(|| format!("the element is no {primitive}"))?;
        bytes.extend_from_slice(&number[..size]);
    }
    Ok(Value::Numbers(NumericArray { primitive, bytes }))
}

/// The value of a constant, or of a default that is no array.
pub(super) fn single(element: &ElementDef, text: &str) -> Result<Value> {
    match *element {
        ElementDef::Primitive(primitive) => number(primitive, text),
        ElementDef::String { bound, .. } => {
            let text = unescape(&unquote(text)?)?;
            match bound {
                Some(bound) if text.chars().count() > bound => {
                    Err(format!("the string is longer than its bound of {bound}"))
                }
                _ => Ok(Value::Str(text.into())),
            }
        }
        ElementDef::Named { .. } => Err("fields of message type take no default".into()),
    }
}

fn number(primitive: Primitive, text: &str) -> Result<Value> {
    if primitive == Primitive::Bool {
        return match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err(format!("expected true, false, 1 or 0, found {text:?}")),
        };
    }
    let Some(range) = primitive.int_range() else {
        return float(text)
            .ok_or_else(|| format!("expected a number, found {text:?}"))
            .and_then(|value| float_in_range(primitive, value));
    };
    let value = integer(text).ok_or_else(|| format!("expected an integer, found {text:?}"))?;
    integer_in_range(primitive, range, value)
}

pub(super) fn float_in_range(primitive: Primitive, value: f64) -> Result<Value> {
    if primitive == Primitive::F32 && value.is_finite() && (value as f32).is_infinite() {
        return Err(format!("{value} does not fit float32"));
    }
    Ok(Value::F64(value))
}

pub(super) fn integer_in_range(
    primitive: Primitive,
    range: (i128, i128),
    value: i128,
) -> Result<Value> {
    if value < range.0 || value > range.1 {
        return Err(format!(
            "{value} does not fit {primitive} ({} to {})",
            range.0, range.1
        ));
    }
    Ok(match i64::try_from(value) {
        Ok(value) if range.0 < 0 => Value::I64(value),
        _ => Value::U64(value as u64),
    })
}

/// Python's `int(text)`, else `int(text, 0)`: decimal, or with prefix 0x, 0o, 0b; underscores between digits.
pub(super) fn integer(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefixed = |lower: &str, upper: &str| {
        let rest = digits
            .strip_prefix(lower)
            .or_else(|| digits.strip_prefix(upper))?;
        Some(rest.strip_prefix('_').unwrap_or(rest))
    };
    let (digits, radix) = match (
        prefixed("0x", "0X"),
        prefixed("0o", "0O"),
        prefixed("0b", "0B"),
    ) {
        (Some(digits), ..) => (digits, 16),
        (_, Some(digits), _) => (digits, 8),
        (.., Some(digits)) => (digits, 2),
        _ => (digits, 10),
    };
    let digits = without_underscores(digits)?;
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None; // a second sign
    }
    let value = i128::from_str_radix(&digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// Python's `float(text)`.
fn float(text: &str) -> Option<f64> {
    without_underscores(text.trim())?.parse().ok()
}

/// Removes underscores, which may only stand between digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let between = |i: usize| {
        i > 0
            && bytes[i - 1].is_ascii_hexdigit()
            && bytes.get(i + 1).is_some_and(u8::is_ascii_hexdigit)
    };
    let sound = bytes
        .iter()
        .enumerate()
        .all(|(i, byte)| *byte != b'_' || between(i));
    sound.then(|| text.replace('_', ""))
}

/// Removes one pair of outer quotes.
fn unquote(text: &str) -> Result<String> {
    for quote in ['"', '\''] {
        if !(text.starts_with(quote) && text.ends_with(quote)) {
            continue;
        }
        let inner = if text.len() > 1 {
            &text[1..text.len() - 1]
        } else {
            ""
        };
        let mut previous = None;
        for c in inner.chars() {
            if c == quote && previous != Some('\\') {
                return Err(format!("the quotes inside {text} are not escaped"));
            }
            previous = Some(c);
        }
        return Ok(inner.replace(&format!("\\{quote}"), &quote.to_string()));
    }
    Ok(text.to_owned())
}

/// Splits the inside of a string array at its commas; elements may be quoted.
fn split_strings(text: &str) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    let mut rest = text.trim_start_matches(' ');
    while let Some(first) = rest.chars().next() {
        match first {
            ',' => return Err(format!("a string is missing before `,` in [{text}]")),
            '"' | '\'' => {
                let end = closing_quote(rest, first)
                    .ok_or_else(|| format!("a string in [{text}] has no closing quote"))?;
                texts.push(rest[1..end].replace(&format!("\\{first}"), &first.to_string()));
                rest = &rest[end + 1..];
            }
            _ => {
                let end = rest.find(',').unwrap_or(rest.len());
                texts.push(rest[..end].to_owned());
                rest = &rest[end..];
            }
        }
        rest = rest.trim_start_matches(' ');
        rest = rest
            .strip_prefix(',')
            .unwrap_or(rest)
            .trim_start_matches(' ');
    }
    Ok(texts)
}

/// The position of the quote that ends the string that starts at 0.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return Some(i);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> Result<Value> {
        single(
            &ElementDef::String {
                bound: None,
                wide: false,
            },
            source,
        )
    }

    #[test]
    fn integers_are_pythons() {
        for (source, value) in [
            ("5", 5),
            ("-5", -5),
            ("+7", 7),
            ("0x1F", 31),
            ("-0b11", -3),
            ("0o17", 15),
            ("1_000", 1000),
            ("007", 7),
        ] {
            assert_eq!(integer(source), Some(value), "{source}");
        }
        for bad in [
            "",
            "-",
            "--5",
            "0x",
            "5.0",
            "1__0",
            "_1",
            "1_",
            "0x+1",
            "a",
            "99999999999999999999999999999999999999999999",
        ] {
            assert_eq!(integer(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_checked() {
        assert_eq!(number(Primitive::I8, "-128"), Ok(Value::I64(-128)));
        assert!(number(Primitive::I8, "128").is_err());
        assert_eq!(
            number(Primitive::U64, "18446744073709551615"),
            Ok(Value::U64(u64::MAX))
        );
        assert_eq!(number(Primitive::Bool, "TRUE"), Ok(Value::Bool(true)));
        assert!(number(Primitive::Bool, "yes").is_err());
        assert_eq!(
            number(Primitive::F64, "-inf"),
            Ok(Value::F64(f64::NEG_INFINITY))
        );
        assert_eq!(number(Primitive::F64, "1e3"), Ok(Value::F64(1000.0)));
        assert!(number(Primitive::F32, "1e39").is_err());
    }

    #[test]
    fn strings_are_unquoted_and_unescaped() {
        for (source, value) in [
            (r#""Hello world!""#, "Hello world!"),
            (r#"'Hello"world!'"#, "Hello\"world!"),
            (r"'Hello\'world!'", "Hello'world!"),
            (r#""Hello\"world!""#, "Hello\"world!"),
            ("bare words", "bare words"),
            (r#""\x41\t""#, "A\t"),
            ("\"Hellö\"", "Hellö"),
            ("\"", ""),
        ] {
            assert_eq!(text(source), Ok(Value::Str(value.into())), "{source}");
        }
        assert!(text(r#""a"b""#).is_err());
    }

    #[test]
    fn arrays() {
        let strings = ElementDef::String {
            bound: None,
            wide: false,
        };
        let value = field_default(
            &strings,
            Some(ArrayLen::Fixed(3)),
            r#"["", 'max, value', bare]"#,
        );
        let expected = ["", "max, value", "bare"]
            .map(|s| Value::Str(s.into()))
            .to_vec();
        assert_eq!(value, Ok(Value::Seq(expected)));
        let bools = ElementDef::Primitive(Primitive::Bool);
        let value = field_default(&bools, Some(ArrayLen::Bounded(3)), "[false, true]").unwrap();
        assert_eq!(
            value,
            Value::Numbers(NumericArray {
                primitive: Primitive::Bool,
                bytes: vec![0, 1]
            })
        );
        assert!(field_default(&bools, Some(ArrayLen::Fixed(3)), "[true]").is_err());
        assert!(field_default(&bools, Some(ArrayLen::Bounded(1)), "[true, true]").is_err());
        assert!(field_default(&bools, Some(ArrayLen::Unbounded), "true").is_err());
    }
}
