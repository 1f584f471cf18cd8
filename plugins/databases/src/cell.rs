//! Cells as text, in the forms that Python gives them.

use palisade_matching::is_blank;
use palisade_sdk::sql::Value;

/// The text of a cell; nothing for NULL and for what is blank as text.
pub(crate) fn text(cell: Value) -> Option<String> {
    let text = match cell {
        Value::Null => return None,
        Value::Boolean(value) => (if value { "True" } else { "False" }).to_owned(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => real(value),
        Value::Text(text) => text,
        Value::Blob(bytes) => blob(&bytes),
    };
    (!is_blank(&text)).then_some(text)
}

/// The shortest decimal that reads back as the same number, with an exponent below 1e-4 and from 1e16.
fn real(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "nan"
        } else if value > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let plain = value.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// Bytes as a literal.
fn blob(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut literal = String::with_capacity(bytes.len() + 3);
    literal.push('b');
    literal.push(quote);
    for &byte in bytes {
        match byte {
            b'\t' => literal.push_str("\\t"),
            b'\n' => literal.push_str("\\n"),
            b'\r' => literal.push_str("\\r"),
            b'\\' => literal.push_str("\\\\"),
            _ if char::from(byte) == quote => literal.extend(['\\', quote]),
            b' '..=b'~' => literal.push(char::from(byte)),
            _ => literal.push_str(&format!("\\x{byte:02x}")),
        }
    }
    literal.push(quote);
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_are_as_short_as_they_can_be() {
        for (value, expected) in [
            (61.5, "61.5"),
            (80.0, "80.0"),
            (-0.0, "-0.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (9_007_199_254_740_992.0, "9007199254740992.0"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (1e21, "1e+21"),
            (0.0001, "0.0001"),
            (0.000_099, "9.9e-05"),
            (1e-7, "1e-07"),
            (-1.25e-300, "-1.25e-300"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(text(Value::Real(value)).unwrap(), expected);
        }
    }

    #[test]
    fn bytes_are_literals() {
        for (bytes, expected) in [
            (&b"\x89PNG\x00\xff"[..], r"b'\x89PNG\x00\xff'"),
            (b"it's", "b\"it's\""),
            (b"it's \"", r#"b'it\'s "'"#),
            (b"a\\\t\r\n\x7f", r"b'a\\\t\r\n\x7f'"),
            (b"", "b''"),
        ] {
            assert_eq!(text(Value::Blob(bytes.to_vec())).unwrap(), expected);
        }
    }

    #[test]
    fn null_and_blank_text_are_nothing() {
        assert_eq!(text(Value::Null), None);
        assert_eq!(text(Value::from(" \u{1f}\u{3000}\n")), None);
        assert_eq!(text(Value::from(" a\r\n")).unwrap(), " a\r\n");
        assert_eq!(text(Value::Integer(-7)).unwrap(), "-7");
    }
}
