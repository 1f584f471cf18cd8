//! Values of MySQL in their binary form.

use super::read::Read;
use crate::error::QueryError;
use crate::session::Row;
use palisade_model::sql::SqlValue;

/// The character set of what is no text.
const BINARY: u16 = 63;
const UNSIGNED: u16 = 0x20;

/// A column as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    kind: u8,
    charset: u16,
    flags: u16,
}

impl Described {
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        let mut read = Read(packet);
        for _catalogue_schema_table_and_its_own_name in 0..4 {
            read.bytes()?;
        }
        let name = read.text()?.to_owned();
        read.bytes()?;
        read.length()?;
        let charset = read.u16()?;
        read.u32()?;
        Some(Self { name, kind: read.u8()?, charset, flags: read.u16()? })
    }
}

/// The values of a row, and their bytes.
pub(super) fn row(packet: &[u8], columns: &[Described]) -> Result<Row, QueryError> {
    let wrong = || QueryError::protocol("a row is not as it was described");
    let mut read = Read(packet);
    read.u8().filter(|first| *first == 0).ok_or_else(wrong)?;
    // The first two bits mean nothing.
    let nulls = read.take((columns.len() + 2).div_ceil(8)).ok_or_else(wrong)?;
    let mut values = Vec::with_capacity(columns.len());
    let mut bytes = 0;
    for (place, column) in (2_usize..).zip(columns) {
        let is_null = nulls.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1);
        let value = if is_null { SqlValue::Null } else { value(&mut read, column)? };
        bytes += match &value {
            SqlValue::Text(text) => text.len(),
            SqlValue::Blob(blob) => blob.len(),
            _ => size_of::<i64>(),
        };
        values.push(value);
    }
    if read.0.is_empty() { Ok((values, bytes)) } else { Err(wrong()) }
}

fn value(read: &mut Read<'_>, column: &Described) -> Result<SqlValue, QueryError> {
    let wrong = || QueryError::protocol("a value is not of its type");
    let is_signed = column.flags & UNSIGNED == 0;
    let integer = |signed: i64, unsigned: u64| match (is_signed, i64::try_from(unsigned)) {
        (true, _) => SqlValue::Integer(signed),
        (false, Ok(fits)) => SqlValue::Integer(fits),
        // What no integer holds is exact as text.
        (false, Err(_)) => SqlValue::Text(unsigned.to_string()),
    };
    Ok(match column.kind {
        // TINY
        1 => {
            let bytes = read.array().ok_or_else(wrong)?;
            integer(i8::from_le_bytes(bytes).into(), u8::from_le_bytes(bytes).into())
        }
        // SHORT, YEAR
        2 | 13 => {
            let bytes = read.array().ok_or_else(wrong)?;
            integer(i16::from_le_bytes(bytes).into(), u16::from_le_bytes(bytes).into())
        }
        // LONG, INT24
        3 | 9 => {
            let bytes = read.array().ok_or_else(wrong)?;
            integer(i32::from_le_bytes(bytes).into(), u32::from_le_bytes(bytes).into())
        }
        // LONGLONG
        8 => {
            let bytes = read.array().ok_or_else(wrong)?;
            integer(i64::from_le_bytes(bytes), u64::from_le_bytes(bytes))
        }
        // FLOAT: the number that its digits mean, as the server shows it.
        4 => {
            let single = f32::from_le_bytes(read.array().ok_or_else(wrong)?);
            SqlValue::Real(single.to_string().parse().map_err(|_| wrong())?)
        }
        // DOUBLE
        5 => SqlValue::Real(f64::from_le_bytes(read.array().ok_or_else(wrong)?)),
        // NULL
        6 => SqlValue::Null,
        // TIMESTAMP, DATE, DATETIME
        7 | 10 | 12 => SqlValue::Text(date(read, column.kind == 10).ok_or_else(wrong)?),
        // TIME
        11 => SqlValue::Text(time(read).ok_or_else(wrong)?),
        // DECIMAL, NEWDECIMAL, JSON: text whatever its character set.
        0 | 245 | 246 => text(read.bytes().ok_or_else(wrong)?)?,
        // BIT, GEOMETRY
        16 | 255 => SqlValue::Blob(read.bytes().ok_or_else(wrong)?.to_vec()),
        // VARCHAR, ENUM, SET, the BLOBs and TEXTs, VAR_STRING, STRING
        15 | 247..=254 => {
            let bytes = read.bytes().ok_or_else(wrong)?;
            if column.charset == BINARY { SqlValue::Blob(bytes.to_vec()) } else { text(bytes)? }
        }
        _ => return Err(QueryError::protocol("a value has a type that is not known")),
    })
}

fn text(bytes: &[u8]) -> Result<SqlValue, QueryError> {
    let text = std::str::from_utf8(bytes).map_err(|_| QueryError::Invalid("a text is not UTF-8".to_owned()))?;
    Ok(SqlValue::Text(text.to_owned()))
}

/// A date, with its time unless it has none by its type.
fn date(read: &mut Read<'_>, alone: bool) -> Option<String> {
    let length = read.u8()?;
    let mut read = Read(read.take(length.into())?);
    let mut date = "0000-00-00".to_owned();
    if length > 0 {
        date = format!("{:04}-{:02}-{:02}", read.u16()?, read.u8()?, read.u8()?);
    }
    if alone {
        return Some(date);
    }
    let (hours, minutes, seconds) = if length > 4 { (read.u8()?, read.u8()?, read.u8()?) } else { (0, 0, 0) };
    let fraction = if length > 7 { fraction(read.u32()?) } else { String::new() };
    Some(format!("{date} {hours:02}:{minutes:02}:{seconds:02}{fraction}"))
}

/// A time, which may be of many days and below nothing.
fn time(read: &mut Read<'_>) -> Option<String> {
    let length = read.u8()?;
    let mut read = Read(read.take(length.into())?);
    if length == 0 {
        return Some("00:00:00".to_owned());
    }
    let sign = if read.u8()? == 0 { "" } else { "-" };
    let hours = u64::from(read.u32()?) * 24 + u64::from(read.u8()?);
    let (minutes, seconds) = (read.u8()?, read.u8()?);
    let fraction = if length > 8 { fraction(read.u32()?) } else { String::new() };
    Some(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}"))
}

fn fraction(microseconds: u32) -> String {
    if microseconds == 0 { String::new() } else { format!(".{microseconds:06}") }
}

/// Writes bound parameters.
pub(super) fn parameters(values: &[SqlValue], request: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let mut nulls = vec![0_u8; values.len().div_ceil(8)];
    let (mut types, mut bytes) = (Vec::new(), Vec::new());
    for (place, value) in values.iter().enumerate() {
        let kind: u8 = match value {
            SqlValue::Null => {
                if let Some(byte) = nulls.get_mut(place / 8) {
                    *byte |= 1 << (place % 8);
                }
                6
            }
            SqlValue::Boolean(yes) => {
                bytes.push(u8::from(*yes));
                1
            }
            SqlValue::Integer(integer) => {
                bytes.extend(integer.to_le_bytes());
                8
            }
            SqlValue::Real(real) => {
                bytes.extend(real.to_le_bytes());
                5
            }
            SqlValue::Text(text) => {
                sized(text.as_bytes(), &mut bytes);
                253
            }
            SqlValue::Blob(blob) => {
                sized(blob, &mut bytes);
                252
            }
        };
        types.extend([kind, 0]);
    }
    request.extend(nulls);
    request.push(1);
    request.extend(types);
    request.extend(bytes);
}

/// Bytes behind their length.
fn sized(value: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(254);
    bytes.extend((value.len() as u64).to_le_bytes());
    bytes.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(kind: u8, charset: u16, flags: u16) -> Described {
        Described { name: "c".to_owned(), kind, charset, flags }
    }

    fn check(kind: u8, charset: u16, flags: u16, bytes: &[u8], expected: SqlValue) {
        let packet = [&[0, 0], bytes].concat();
        let (values, _) = row(&packet, &[described(kind, charset, flags)]).unwrap();
        assert_eq!(values, [expected], "{kind} {bytes:?}");
        for end in 0..packet.len() {
            let cut = row(&packet[..end], &[described(kind, charset, flags)]);
            assert!(cut.is_err(), "{kind} {bytes:?} up to {end}");
        }
    }

    fn shown(text: &str) -> SqlValue {
        SqlValue::Text(text.to_owned())
    }

    #[test]
    fn numbers_keep_their_value() {
        check(1, 63, 0, &[0xff], SqlValue::Integer(-1));
        check(1, 63, UNSIGNED, &[0xff], SqlValue::Integer(255));
        check(2, 63, UNSIGNED, &[0xff, 0xff], SqlValue::Integer(65_535));
        check(13, 63, UNSIGNED, &[0xea, 0x07], SqlValue::Integer(2026));
        check(3, 63, 0, &[0, 0, 0, 0x80], SqlValue::Integer(i64::from(i32::MIN)));
        check(8, 63, 0, &[0xff; 8], SqlValue::Integer(-1));
        check(8, 63, UNSIGNED, &[0xff; 8], shown("18446744073709551615"));
        check(4, 63, 0, &0.1_f32.to_le_bytes(), SqlValue::Real(0.1));
        check(5, 63, 0, &0.1_f64.to_le_bytes(), SqlValue::Real(0.1));
        check(246, 63, 0, b"\x0412.5", shown("12.5"));
    }

    #[test]
    fn dates_and_times_are_text() {
        check(10, 63, 0, &[4, 0xea, 0x07, 1, 2], shown("2026-01-02"));
        check(10, 63, 0, &[0], shown("0000-00-00"));
        check(12, 63, 0, &[4, 0xea, 0x07, 1, 2], shown("2026-01-02 00:00:00"));
        check(12, 63, 0, &[7, 0xea, 0x07, 1, 2, 3, 4, 5], shown("2026-01-02 03:04:05"));
        check(7, 63, 0, &[11, 0xea, 0x07, 1, 2, 3, 4, 5, 0x20, 0xa1, 7, 0], shown("2026-01-02 03:04:05.500000"));
        check(11, 63, 0, &[0], shown("00:00:00"));
        check(11, 63, 0, &[8, 1, 1, 0, 0, 0, 2, 3, 4], shown("-26:03:04"));
    }

    #[test]
    fn texts_and_bytes_are_told_apart_by_their_character_set() {
        check(253, 45, 0, b"\x02\xc3\xbc", shown("ü"));
        check(252, 63, 0, b"\x02\xc3\xbc", SqlValue::Blob(vec![0xc3, 0xbc]));
        check(245, 63, 0, b"\x02{}", shown("{}"));
        check(16, 63, UNSIGNED, &[1, 5], SqlValue::Blob(vec![5]));
        let wrong = row(&[0, 0, 1, 0xff], &[described(253, 45, 0)]);
        assert_eq!(wrong, Err(QueryError::Invalid("a text is not UTF-8".to_owned())));
    }

    #[test]
    fn nulls_stand_in_front() {
        let columns = vec![described(1, 63, 0); 7];
        let (values, _) = row(&[0, 0b1111_1000, 0b1, 5], &columns).unwrap();
        assert_eq!(values[0], SqlValue::Integer(5));
        assert!(values[1..].iter().all(|value| *value == SqlValue::Null));
    }

    #[test]
    fn parameters_are_written_as_they_are_read() {
        let mut request = Vec::new();
        parameters(&[], &mut request);
        assert!(request.is_empty());
        parameters(&[SqlValue::Null, SqlValue::Boolean(true), SqlValue::Text("a".to_owned())], &mut request);
        assert_eq!(request, [1, 1, 6, 0, 1, 0, 253, 0, 1, 254, 1, 0, 0, 0, 0, 0, 0, 0, b'a']);
    }
}
