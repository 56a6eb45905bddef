//! Escape sequences in strings.

type Result<T> = std::result::Result<T, String>;

/// Replaces escape sequences, as a string does on its way through rosidl: once when the `.idl` is written
/// and once when that is read.
pub(super) fn unescape(text: &str) -> Result<String> {
    let once = unescape_once(text)?;
    unescape_once(&once.replace('"', "\\\""))
}

/// Replaces the escape sequences of OMG IDL and Python: `\n`, `\x41`, `\101`, `\u0041`, `\\`, `\"`, …
/// Unknown ones stay as they are.
pub(super) fn unescape_once(text: &str) -> Result<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&escape, after)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        let simple = match escape {
            b'n' => b'\n',
            b't' => b'\t',
            b'v' => 0x0b,
            b'b' => 0x08,
            b'r' => b'\r',
            b'f' => 0x0c,
            b'a' => 0x07,
            b'\\' | b'\'' | b'"' => escape,
            b'0'..=b'7' => {
                let (value, used) = digits(rest, 8, 3);
                rest = &rest[used..];
                push_char(&mut out, value)?;
                continue;
            }
            b'x' | b'u' => {
                let (value, used) = digits(after, 16, if escape == b'x' { 2 } else { 4 });
                if used == 0 {
                    out.extend([b'\\', escape]);
                    rest = after;
                } else {
                    rest = &after[used..];
                    push_char(&mut out, value)?;
                }
                continue;
            }
            _ => {
                out.extend([b'\\', escape]);
                rest = after;
                continue;
            }
        };
        out.push(simple);
        rest = after;
    }
    String::from_utf8(out).map_err(|_| format!("the escape sequences of {text:?} do not give text"))
}

fn digits(text: &[u8], radix: u32, most: usize) -> (u32, usize) {
    let digits = text
        .iter()
        .take(most)
        .map_while(|byte| (*byte as char).to_digit(radix));
    digits.fold((0, 0), |(value, used), digit| {
        (value * radix + digit, used + 1)
    })
}

fn push_char(out: &mut Vec<u8>, value: u32) -> Result<()> {
    let c = char::from_u32(value).filter(|c| *c != '\0');
    let c = c.ok_or_else(|| format!("escape sequence of the invalid character {value:#x}"))?;
    out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}
