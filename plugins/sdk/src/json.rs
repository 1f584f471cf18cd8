//! Owns writing items as JSON: byte for byte as `serde_json` does, but looking at many bytes of a text at a time. Texts
//! are most of what analysers emit, and looking at each byte took a quarter of their time.
//!
//! Never decides how a number or a value of `serde_json`'s own looks: those are handed to it.

use serde::ser::{self, Error as _, Serialize};

type Result<T = (), E = serde_json::Error> = std::result::Result<T, E>;

/// What the names of types begin with that mean something to `serde_json` alone, such as raw values.
const FOREIGN: &str = "$serde_json::private::";

/// Appends a value. Fails if it has a map whose keys are no texts; `out` may have a part of it then.
pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result {
    value.serialize(Writer { out })
}

/// Appends a text in quotes. Blocks of sixteen bytes are one comparison and one move where vectors are to be had; where
/// one has something to escape, eight bytes are moved and those taken back that are behind it.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    loop {
        if let Some((block, behind)) = rest.split_first_chunk::<16>()
            && !block.iter().fold(false, |any, &byte| any | is_special(byte))
        {
            out.extend_from_slice(block);
            rest = behind;
            continue;
        }
        let Some((eight, behind)) = rest.split_first_chunk::<8>() else { break };
        out.extend_from_slice(eight);
        let plain = (specials(u64::from_le_bytes(*eight)).trailing_zeros() / 8) as usize;
        let Some(&special) = eight.get(plain) else {
            rest = behind;
            continue;
        };
        out.truncate(out.len() - (eight.len() - plain));
        write_escape(out, special);
        rest = rest.get(plain + 1..).unwrap_or_default();
    }
    rest.iter().for_each(|&byte| write_byte(out, byte));
    out.push(b'"');
}

/// The highest bit of each byte that needs an escape.
const fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // No carry goes from a byte to the next, so each is right whatever the others are.
    const fn zero(word: u64) -> u64 {
        !(((word & !HIGHS) + !HIGHS) | word) & HIGHS
    }
    zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64)) | zero(word & (ONES * 0xe0))
}

fn write_byte(out: &mut Vec<u8>, byte: u8) {
    if is_special(byte) { write_escape(out, byte) } else { out.push(byte) }
}

/// Needs an escape: a quote, a backslash or a control character.
fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Writes one value.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

/// Writes the parts of a value.
struct Parts<'o> {
    out: &'o mut Vec<u8>,
    /// Nothing was written yet.
    first: bool,
    /// The brackets that end it.
    end: &'static str,
    /// The name of a type of `serde_json`'s own.
    foreign: Option<&'static str>,
}

/// Writes scalars as `serde_json` does.
macro_rules! scalars {
    ($($method:ident($type:ty)),*) => {
        $(fn $method(self, value: $type) -> Result {
            serde_json::to_writer(self.out, &value)
        })*
    };
}

impl<'o> Writer<'o> {
    fn begin(self, start: &str, end: &'static str) -> Parts<'o> {
        self.out.extend_from_slice(start.as_bytes());
        Parts { out: self.out, first: true, end, foreign: None }
    }

    /// Begins the one property of a variant.
    fn variant(&mut self, variant: &str) {
        self.out.push(b'{');
        write_text(self.out, variant);
        self.out.push(b':');
    }
}

impl<'o> ser::Serializer for Writer<'o> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Parts<'o>;
    type SerializeTuple = Parts<'o>;
    type SerializeTupleStruct = Parts<'o>;
    type SerializeTupleVariant = Parts<'o>;
    type SerializeMap = Parts<'o>;
    type SerializeStruct = Parts<'o>;
    type SerializeStructVariant = Parts<'o>;

    scalars! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_i128(i128), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_u128(u128), serialize_f32(f32), serialize_f64(f64)
    }

    fn serialize_char(self, value: char) -> Result {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        write_text(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.variant(variant);
        write(self.out, value)?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'o>> {
        Ok(self.begin("[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'o>> {
        Ok(self.begin("[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'o>> {
        Ok(self.begin("[", "]"))
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'o>> {
        self.variant(variant);
        Ok(self.begin("[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'o>> {
        Ok(self.begin("{", "}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'o>> {
        if name.starts_with(FOREIGN) {
            return Ok(Parts { foreign: Some(name), ..self.begin("", "") });
        }
        Ok(self.begin("{", "}"))
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'o>> {
        self.variant(variant);
        Ok(self.begin("{", "}}"))
    }
}

impl Parts<'_> {
    fn separate(&mut self) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.separate();
        write(self.out, value)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result {
        if let Some(of) = self.foreign {
            return serde_json::to_writer(&mut *self.out, &Foreign { of, name, value });
        }
        self.separate();
        write_text(self.out, name);
        self.out.push(b':');
        write(self.out, value)
    }

    fn finish(self) -> Result {
        self.out.extend_from_slice(self.end.as_bytes());
        Ok(())
    }
}

/// A value of a type of `serde_json`'s own, as that type describes itself.
struct Foreign<'v, T: ?Sized> {
    of: &'static str,
    name: &'static str,
    value: &'v T,
}

impl<T: Serialize + ?Sized> Serialize for Foreign<'_, T> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_struct(self.of, 1)?;
        ser::SerializeStruct::serialize_field(&mut parts, self.name, self.value)?;
        ser::SerializeStruct::end(parts)
    }
}

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.separate();
        let start = self.out.len();
        write(self.out, key)?;
        match self.out.get(start) {
            Some(b'"') => {}
            // A number or a truth value is put in quotes.
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => {
                self.out.insert(start, b'"');
                self.out.push(b'"');
            }
            _ => return Err(serde_json::Error::custom("key must be a string")),
        }
        self.out.push(b':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        write(self.out, value)
    }

    fn end(self) -> Result {
        self.finish()
    }
}

/// Implements the traits of lists and of objects, which differ by name alone.
macro_rules! parts {
    ($($name:ident: $method:ident($($key:ident)?) by $by:ident),*) => {
        $(impl ser::$name for Parts<'_> {
            type Ok = ();
            type Error = serde_json::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result {
                self.$by($($key,)? value)
            }

            fn end(self) -> Result {
                self.finish()
            }
        })*
    };
}

parts! {
    SerializeSeq: serialize_element() by element,
    SerializeTuple: serialize_element() by element,
    SerializeTupleStruct: serialize_field() by element,
    SerializeTupleVariant: serialize_field() by element,
    SerializeStruct: serialize_field(key) by field,
    SerializeStructVariant: serialize_field(key) by field
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    #[track_caller]
    fn check(value: &(impl Serialize + ?Sized)) {
        let mut written = Vec::new();
        let result = write(&mut written, value);
        match serde_json::to_string(value) {
            Ok(expected) => assert_eq!(String::from_utf8_lossy(&written), expected),
            Err(error) => assert_eq!(result.map_err(|error| error.to_string()), Err(error.to_string())),
        }
    }

    #[test]
    fn texts_are_escaped_as_serde_json_does() {
        for code in 0..0x300 {
            let Some(character) = char::from_u32(code) else { continue };
            for before in 0..9 {
                check(&format!("{}{character}{}", "-".repeat(before), "é".repeat(7 - before / 2)));
            }
        }
        check("");
        check("\u{1f600}\u{7f}\u{80}\u{ff}\\\"\u{0}\u{1f}");
    }

    #[derive(Serialize)]
    enum Kind {
        Unit,
        Newtype(u8),
        Tuple(u8, &'static str),
        Struct { a: Option<u8>, b: f32 },
    }

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Pair(i8, char);

    #[derive(Serialize)]
    struct All<'a> {
        kinds: [Kind; 4],
        unit: Unit,
        nothing: (),
        pair: Pair,
        numbers: (u64, i64, f64, f64, u128, i128),
        odd: f64,
        bytes: &'a [u8],
        empty: Vec<u8>,
        raw: &'a RawValue,
        maybe: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u8>,
        #[serde(flatten)]
        more: BTreeMap<&'a str, bool>,
        value: serde_json::Value,
    }

    #[test]
    fn every_kind_of_value_is_written_as_serde_json_does() {
        let raw = RawValue::from_string(r#"{ "as" : [ "it", "\u0069s" ] }"#.to_owned()).unwrap();
        check(&All {
            kinds: [Kind::Unit, Kind::Newtype(1), Kind::Tuple(2, "t"), Kind::Struct { a: None, b: 0.1 }],
            unit: Unit,
            nothing: (),
            pair: Pair(-1, '"'),
            numbers: (u64::MAX, i64::MIN, 1e300, -0.0, u128::MAX, i128::MIN),
            odd: f64::NAN,
            bytes: b"\x00\xff",
            empty: Vec::new(),
            raw: &raw,
            maybe: Some("x"),
            absent: None,
            more: BTreeMap::from([("one", true), ("t\"wo", false)]),
            value: serde_json::json!({"a": [1, {"b": null}], "c": 1.5}),
        });
    }

    #[test]
    fn keys_are_texts_or_become_texts() {
        check(&BTreeMap::from([(-1, "a"), (20, "b")]));
        check(&BTreeMap::from([(true, "a")]));
        check(&BTreeMap::from([('"', "a")]));
        check(&BTreeMap::from([(Some("x"), ())]));
        check(&BTreeMap::from([((1, 2), "a")]));
        check(&BTreeMap::from([((), "a")]));
        check(&BTreeMap::from([(vec![1], "a")]));
    }
}
