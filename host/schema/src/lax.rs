//! Numbers and booleans as WCF reads them, in the form that JSON has. What has no exact reading is none.

use serde_json::Value;

/// A whole number: one, `7.0`, `"7"`, `" 7.0 "`, `"1_000"`, and `true` as 1.
#[must_use]
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Number(number) => {
            // Every integer up to 2^53 is exact as a float.
            let float =
                number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0)?;
            format!("{float:.0}").parse().ok()
        }
        Value::String(text) => {
            let text = text.trim();
            let text = text
                .split_once('.')
                .filter(|(_, zeros)| zeros.bytes().all(|b| b == b'0') && !zeros.is_empty())
                .map_or(text, |(whole, _)| whole);
            without_underscores(text)?.parse().ok()
        }
        _ => None,
    }
}

/// A number from a text or a boolean.
#[must_use]
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::String(text) => without_underscores(text.trim())?.parse().ok().filter(|float: &f64| float.is_finite()),
        _ => None,
    }
}

/// A boolean: one, 0 and 1, and the words that mean it: `yes`, `off`, `t` and the like, without regard to case.
#[must_use]
pub fn boolean(value: &Value) -> Option<bool> {
    let text = match value {
        Value::Bool(truth) => return Some(*truth),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => return Some(false),
            Some(1.0) => return Some(true),
            _ => return None,
        },
        Value::String(text) => text.to_ascii_lowercase(),
        _ => return None,
    };
    match text.as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
        "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Takes single underscores between digits away; none if one stands elsewhere.
fn without_underscores(text: &str) -> Option<String> {
    let wrong = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    (!wrong).then(|| text.replace('_', ""))
}
