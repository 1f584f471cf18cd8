//! Values of PostgreSQL, all of which cross as the text that the server makes of them.

use crate::error::QueryError;
use fallible_iterator::FallibleIterator as _;
use palisade_model::sql::SqlValue;
use postgres_protocol::message::backend::DataRowBody;

/// What a value becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    Integer,
    Real,
    Bytes,
    /// Text: also of what has no form of its own here, such as numerics, dates, arrays and JSON.
    Other,
}

impl Type {
    /// By the id that the type has in every PostgreSQL.
    pub(super) const fn of(oid: u32) -> Self {
        match oid {
            16 => Self::Boolean,
            17 => Self::Bytes,
            // int8, int2, int4, oid
            20 | 21 | 23 | 26 => Self::Integer,
            // float4, float8
            700 | 701 => Self::Real,
            _ => Self::Other,
        }
    }
}

/// A bound parameter as text; none is NULL. The server takes its type from where it stands.
pub(super) fn parameter(value: &SqlValue) -> Option<String> {
    Some(match value {
        SqlValue::Null => return None,
        SqlValue::Boolean(yes) => yes.to_string(),
        SqlValue::Integer(integer) => integer.to_string(),
        SqlValue::Real(real) if real.is_infinite() => if *real > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        SqlValue::Real(real) => real.to_string(),
        SqlValue::Text(text) => text.clone(),
        SqlValue::Blob(bytes) => {
            use std::fmt::Write as _;
            let mut text = String::from("\\x");
            for byte in bytes {
                // Writing to a String can't fail.
                let _ = write!(text, "{byte:02x}");
            }
            text
        }
    })
}

/// The values of a row, and their bytes.
pub(super) fn row(body: &DataRowBody, types: &[Type]) -> Result<(Vec<SqlValue>, usize), QueryError> {
    let wrong = || QueryError::protocol("a row is not as it was described");
    let mut values = Vec::with_capacity(types.len());
    let mut bytes = 0;
    let mut ranges = body.ranges();
    let mut types = types.iter();
    while let Some(range) = ranges.next().map_err(|_| wrong())? {
        let kind = types.next().ok_or_else(wrong)?;
        let raw = range.map(|range| body.buffer().get(range).ok_or_else(wrong)).transpose()?;
        let read = value(*kind, raw)?;
        bytes += match &read {
            SqlValue::Text(text) => text.len(),
            SqlValue::Blob(blob) => blob.len(),
            _ => size_of::<i64>(),
        };
        values.push(read);
    }
    if types.next().is_some() { Err(wrong()) } else { Ok((values, bytes)) }
}

fn value(kind: Type, raw: Option<&[u8]>) -> Result<SqlValue, QueryError> {
    let Some(raw) = raw else { return Ok(SqlValue::Null) };
    let text = std::str::from_utf8(raw).map_err(|_| QueryError::Invalid("a text is not UTF-8".to_owned()))?;
    let wrong = || QueryError::protocol("a value is not of its type");
    Ok(match kind {
        Type::Boolean => SqlValue::Boolean(match text {
            "t" => true,
            "f" => false,
            _ => return Err(wrong()),
        }),
        Type::Integer => SqlValue::Integer(text.parse().map_err(|_| wrong())?),
        Type::Real => SqlValue::Real(text.parse().map_err(|_| wrong())?),
        Type::Bytes => SqlValue::Blob(unhex(text).ok_or_else(wrong)?),
        Type::Other => SqlValue::Text(text.to_owned()),
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.strip_prefix("\\x")?.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(oid: u32, text: &str, expected: SqlValue) {
        assert_eq!(value(Type::of(oid), Some(text.as_bytes())), Ok(expected), "{text}");
    }

    #[test]
    fn values_keep_their_type_where_it_is_known_and_are_text_where_not() {
        check(16, "t", SqlValue::Boolean(true));
        check(16, "f", SqlValue::Boolean(false));
        check(20, "-9223372036854775808", SqlValue::Integer(i64::MIN));
        check(26, "4294967295", SqlValue::Integer(4_294_967_295));
        check(700, "0.1", SqlValue::Real(0.1));
        check(701, "Infinity", SqlValue::Real(f64::INFINITY));
        check(17, "\\x00ff", SqlValue::Blob(vec![0, 255]));
        check(17, "\\x", SqlValue::Blob(vec![]));
        let others =
            [(1700, "12345678901234567890.10"), (1082, "2026-01-02"), (3802, "{\"a\": 1}"), (1007, "{1,NULL}")];
        for (oid, text) in others {
            check(oid, text, SqlValue::Text(text.to_owned()));
        }
        assert_eq!(value(Type::Integer, None), Ok(SqlValue::Null));
        let Ok(SqlValue::Real(nan)) = value(Type::Real, Some(b"NaN")) else { panic!("it is a number") };
        assert!(nan.is_nan());
    }

    #[test]
    fn what_is_not_of_its_type_is_told() {
        for (kind, raw) in [
            (Type::Boolean, &b"yes"[..]),
            (Type::Integer, b"1.5"),
            (Type::Integer, b"9223372036854775808"),
            (Type::Real, b""),
            (Type::Bytes, b"\\x0"),
            (Type::Bytes, b"00"),
            (Type::Other, b"\xff"),
        ] {
            assert!(value(kind, Some(raw)).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn parameters_are_text() {
        let shown = |value| parameter(&value).unwrap();
        assert_eq!(parameter(&SqlValue::Null), None);
        assert_eq!(shown(SqlValue::Boolean(true)), "true");
        assert_eq!(shown(SqlValue::Integer(-1)), "-1");
        assert_eq!(shown(SqlValue::Real(1.5)), "1.5");
        assert_eq!(shown(SqlValue::Real(f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(shown(SqlValue::Blob(vec![0, 255])), "\\x00ff");
    }
}
