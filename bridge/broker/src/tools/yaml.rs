//! Messages as people read them: YAML, like `ros2 topic echo`, with long arrays and strings cut.

use std::fmt::Write;

use iceway_msg::Value;

/// Arrays and strings longer than this are cut, unless all is asked for.
const SHOWN: usize = 16;

/// The message's fields, one a line.
pub(crate) fn message(value: &Value, full: bool) -> String {
    let mut out = String::new();
    fields(&mut out, value, 0, full);
    out
}

fn fields(out: &mut String, value: &Value, indent: usize, full: bool) {
    let Value::Struct(members) = value else {
        return;
    };
    for (name, value) in members {
        let _ = write!(out, "{:indent$}{name}:", "");
        field(out, value, indent, full);
    }
}

/// The value behind `name:` or `-`.
fn field(out: &mut String, value: &Value, indent: usize, full: bool) {
    match value {
        Value::Struct(members) if members.is_empty() => out.push_str(" {}\n"),
        Value::Struct(_) => {
            out.push('\n');
            fields(out, value, indent + 2, full);
        }
        Value::Seq(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Seq(items) if items.iter().all(|i| matches!(i, Value::Struct(_))) => {
            out.push('\n');
            for item in shown(items, full) {
                let _ = write!(out, "{:indent$}-", "");
                field(out, item, indent, full);
            }
            more(out, items.len(), indent, full);
        }
        Value::Seq(items) => {
            let texts: Vec<_> = shown(items, full).iter().map(|i| scalar(i, full)).collect();
            let _ = writeln!(out, " [{}{}]", texts.join(", "), cut(items.len(), full));
        }
        Value::Numbers(array) => {
            let len = array.len();
            let texts: Vec<_> = array
                .iter()
                .take(if full { len } else { SHOWN })
                .map(|i| scalar(&i, full))
                .collect();
            let _ = writeln!(out, " [{}{}]", texts.join(", "), cut(len, full));
        }
        other => {
            let _ = writeln!(out, " {}", scalar(other, full));
        }
    }
}

fn shown<T>(items: &[T], full: bool) -> &[T] {
    if full {
        items
    } else {
        &items[..items.len().min(SHOWN)]
    }
}

fn cut(len: usize, full: bool) -> String {
    if full || len <= SHOWN {
        String::new()
    } else {
        format!(", … {len} in all")
    }
}

fn more(out: &mut String, len: usize, indent: usize, full: bool) {
    if !full && len > SHOWN {
        let _ = writeln!(out, "{:indent$}# … {len} in all", "");
    }
}

fn scalar(value: &Value, full: bool) -> String {
    match value {
        Value::Bool(b) => b.to_string(),
        Value::I64(n) => n.to_string(),
        Value::U64(n) => n.to_string(),
        Value::F64(x) => x.to_string(),
        Value::Str(text) => {
            let kept: String = if full {
                text.to_string()
            } else {
                text.chars().take(256).collect()
            };
            format!(
                "{:?}{}",
                kept,
                if kept.len() < text.len() { " …" } else { "" }
            )
        }
        other => format!("{other:?}"),
    }
}
