//! What a plain scalar means. The rules of YAML 1.1 are those of PyYAML's resolver, which reads WCF's files.

use super::Dialect;

/// What a plain scalar is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text,
    /// A date or a time, which PyYAML makes an object of.
    Date,
    /// A number that has no representation here: too large, not finite, or without digits.
    OutOfRange,
}

pub(super) fn resolve(text: &str, dialect: Dialect) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        _ => {}
    }
    match dialect {
        Dialect::V11 => resolve_11(text),
        Dialect::V12 => resolve_12(text),
    }
}

fn resolve_11(text: &str) -> Scalar {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Scalar::Bool(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Scalar::Bool(false),
        _ => {}
    }
    float_11(text).or_else(|| int_11(text)).unwrap_or_else(|| if is_date(text) { Scalar::Date } else { Scalar::Text })
}

fn resolve_12(text: &str) -> Scalar {
    let (negative, digits) = sign(text);
    let all = |digits: &str, allowed: fn(&u8) -> bool| !digits.is_empty() && digits.bytes().all(|byte| allowed(&byte));
    if all(digits, u8::is_ascii_digit) {
        return int(negative, digits, 10);
    }
    if let Some(octal) = text.strip_prefix("0o").filter(|octal| all(octal, |byte| (b'0'..=b'7').contains(byte))) {
        return int(false, octal, 8);
    }
    if let Some(hex) = text.strip_prefix("0x").filter(|hex| all(hex, u8::is_ascii_hexdigit)) {
        return int(false, hex, 16);
    }
    if matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Scalar::OutOfRange;
    }
    // [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
    let (mantissa, exponent) = digits.split_once(['e', 'E']).map_or((digits, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_or_none = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let good = digits_or_none(whole)
        && digits_or_none(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| all(sign(exponent).1, u8::is_ascii_digit));
    if good { float(text) } else { Scalar::Text }
}

/// ```text
/// [-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?  |  \.[0-9][0-9_]*([eE][-+][0-9]+)?
/// [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*    |  [-+]?\.(inf|Inf|INF)  |  \.(nan|NaN|NAN)
/// ```
fn float_11(text: &str) -> Option<Scalar> {
    let (negative, unsigned) = sign(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Scalar::OutOfRange);
    }
    let (whole, rest) = unsigned.split_once('.')?;
    let (fraction, exponent) = rest.split_once(['e', 'E']).map_or((rest, None), |(f, e)| (f, Some(e)));
    if !fraction.bytes().all(digit_or_underscore) {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-'])?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
    }
    if whole.is_empty() {
        let good = unsigned.len() == text.len() && fraction.starts_with(|c: char| c.is_ascii_digit());
        return good.then(|| float(&text.replace('_', "")));
    }
    if !whole.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Some((first, sexagesimal)) = whole.split_once(':') {
        if exponent.is_some() || !first.bytes().all(digit_or_underscore) {
            return None;
        }
        let mut parts: Vec<&str> = sexagesimal.split(':').collect();
        if !parts.iter().all(|part| is_sixtieth(part)) {
            return None;
        }
        let last = format!("{}.{}", parts.pop()?, fraction.replace('_', ""));
        let mut value: f64 = first.replace('_', "").parse().ok()?;
        for part in parts.into_iter().map(str::to_owned).chain([last]) {
            value = value * 60.0 + part.parse::<f64>().ok()?;
        }
        return Some(finite(if negative { -value } else { value }));
    }
    whole.bytes().all(digit_or_underscore).then(|| float(&text.replace('_', "")))
}

/// ```text
/// [-+]?0b[0-1_]+ | [-+]?0[0-7_]+ | [-+]?(0|[1-9][0-9_]*) | [-+]?0x[0-9a-fA-F_]+ | [-+]?[1-9][0-9_]*(:[0-5]?[0-9])+
/// ```
fn int_11(text: &str) -> Option<Scalar> {
    let (negative, digits) = sign(text);
    let of = |digits: &str, radix: u32| {
        let fits = |byte: u8| byte == b'_' || char::from(byte).is_digit(radix);
        (!digits.is_empty() && digits.bytes().all(fits)).then(|| int(negative, &digits.replace('_', ""), radix))
    };
    if digits == "0" {
        return Some(Scalar::Int(0));
    }
    if let Some(binary) = digits.strip_prefix("0b") {
        return of(binary, 2);
    }
    if let Some(hex) = digits.strip_prefix("0x") {
        return of(hex, 16);
    }
    if let Some(octal) = digits.strip_prefix('0') {
        // `0_` is 0 to PyYAML, since it looks at the digits without underscores.
        let only_underscores = !octal.is_empty() && octal.bytes().all(|byte| byte == b'_');
        return if only_underscores { Some(Scalar::Int(0)) } else { of(octal, 8) };
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let Some((first, sexagesimal)) = digits.split_once(':') else { return of(digits, 10) };
    if !first.bytes().all(digit_or_underscore) || !sexagesimal.split(':').all(is_sixtieth) {
        return None;
    }
    let mut value: i64 = first.replace('_', "").parse().ok()?;
    for part in sexagesimal.split(':') {
        let next = part.parse().ok().and_then(|part: i64| value.checked_mul(60)?.checked_add(part));
        match next {
            Some(next) => value = next,
            None => return Some(Scalar::OutOfRange),
        }
    }
    Some(Scalar::Int(if negative { -value } else { value }))
}

/// `[0-5]?[0-9]`
fn is_sixtieth(part: &str) -> bool {
    match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    }
}

fn digit_or_underscore(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    }
}

fn int(negative: bool, digits: &str, radix: u32) -> Scalar {
    let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
    i64::from_str_radix(&signed, radix).map_or(Scalar::OutOfRange, Scalar::Int)
}

fn float(text: &str) -> Scalar {
    text.parse().map_or(Scalar::OutOfRange, finite)
}

fn finite(value: f64) -> Scalar {
    if value.is_finite() { Scalar::Float(value) } else { Scalar::OutOfRange }
}

/// A date `2024-01-31`, or a date with a time.
fn is_date(text: &str) -> bool {
    let digits = |part: &str, counts: std::ops::RangeInclusive<usize>| {
        counts.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let end = text.find(['T', 't', ' ', '\t']);
    let (date, time) = end.map_or((text, None), |end| (text.get(..end).unwrap_or_default(), text.get(end..)));
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let Some(time) = time else { return digits(year, 4..=4) && digits(month, 2..=2) && digits(day, 2..=2) };
    if !(digits(year, 4..=4) && digits(month, 1..=2) && digits(day, 1..=2)) {
        return false;
    }
    let blank = time.starts_with([' ', '\t']);
    let time = if blank { time.trim_start_matches([' ', '\t']) } else { time.get(1..).unwrap_or_default() };
    let zone = time.find(['Z', '+', '-', ' ', '\t']);
    let (clock, zone) =
        zone.map_or((time, ""), |at| (time.get(..at).unwrap_or_default(), time.get(at..).unwrap_or_default()));
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    let zone = zone.trim_start_matches([' ', '\t']);
    let good_zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => {
            let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
            digits(hours, 1..=2) && digits(minutes, 2..=2)
        }
        None => zone.is_empty() || zone == "Z",
    };
    digits(hour, 1..=2)
        && digits(minute, 2..=2)
        && digits(second, 2..=2)
        && digits(fraction, 0..=usize::MAX)
        && good_zone
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What PyYAML 6 makes of each, tried with it.
    #[test]
    fn yaml_1_1_is_read_as_pyyaml_reads_it() {
        let of = |text: &str| resolve(text, Dialect::V11);
        for (text, wanted) in [
            ("yes", Scalar::Bool(true)),
            ("Off", Scalar::Bool(false)),
            ("y", Scalar::Text),
            ("oN", Scalar::Text),
            ("~", Scalar::Null),
            ("nULL", Scalar::Text),
            ("0", Scalar::Int(0)),
            ("-0", Scalar::Int(0)),
            ("010", Scalar::Int(8)),
            ("0o10", Scalar::Text),
            ("08", Scalar::Text),
            ("0_", Scalar::Int(0)),
            ("1_000", Scalar::Int(1000)),
            ("_1", Scalar::Text),
            ("+12", Scalar::Int(12)),
            ("0x1F", Scalar::Int(31)),
            ("-0b1_1", Scalar::Int(-3)),
            ("0b", Scalar::Text),
            ("0x_", Scalar::OutOfRange),
            ("1:30", Scalar::Int(90)),
            ("-1:30:05", Scalar::Int(-5405)),
            ("1:60", Scalar::Text),
            ("0:30", Scalar::Text),
            ("1.5", Scalar::Float(1.5)),
            ("1.", Scalar::Float(1.0)),
            (".5", Scalar::Float(0.5)),
            ("-.5", Scalar::Text),
            ("._5", Scalar::Text),
            ("1e3", Scalar::Text),
            ("1.0e3", Scalar::Text),
            ("1.0e+3", Scalar::Float(1000.0)),
            ("1_0.2_5", Scalar::Float(10.25)),
            ("1:30.5", Scalar::Float(90.5)),
            (".inf", Scalar::OutOfRange),
            ("-.INF", Scalar::OutOfRange),
            (".nan", Scalar::OutOfRange),
            ("-.nan", Scalar::Text),
            ("9223372036854775807", Scalar::Int(i64::MAX)),
            ("-9223372036854775808", Scalar::Int(i64::MIN)),
            ("9223372036854775808", Scalar::OutOfRange),
            ("1.0.0", Scalar::Text),
            ("2024-01-31", Scalar::Date),
            ("2024-1-31", Scalar::Text),
            ("2024-1-3 4:05:06", Scalar::Date),
            ("2024-01-31T10:20:30.5Z", Scalar::Date),
            ("2024-01-31 10:20:30 -5:00", Scalar::Date),
            ("2024-01-31T10:20", Scalar::Text),
            ("=", Scalar::Text),
        ] {
            assert_eq!(of(text), wanted, "{text}");
        }
    }

    #[test]
    fn yaml_1_2_is_the_core_schema() {
        let of = |text: &str| resolve(text, Dialect::V12);
        for (text, wanted) in [
            ("yes", Scalar::Text),
            ("TRUE", Scalar::Bool(true)),
            ("010", Scalar::Int(10)),
            ("0o10", Scalar::Int(8)),
            ("0x1f", Scalar::Int(31)),
            ("-0x1f", Scalar::Text),
            ("1_000", Scalar::Text),
            ("1:30", Scalar::Text),
            ("1e3", Scalar::Float(1000.0)),
            ("-.5", Scalar::Float(-0.5)),
            ("1.", Scalar::Float(1.0)),
            (".", Scalar::Text),
            ("e3", Scalar::Text),
            ("1e", Scalar::Text),
            ("+.inf", Scalar::OutOfRange),
            ("1e999", Scalar::OutOfRange),
            ("2024-01-31", Scalar::Text),
        ] {
            assert_eq!(of(text), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_something(text in "[-+0-9._:eExobTtZ ~a-f]{0,24}|\\PC{0,8}") {
            let _ = resolve(&text, Dialect::V11);
            let _ = resolve(&text, Dialect::V12);
        }
    }
}
