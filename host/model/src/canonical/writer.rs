//! Writes any value in canonical form without a copy of it as JSON: entries are written as they come, and put in their
//! order when their object is complete. Numbers that are no small integers are left to the library.

use serde::ser::{self, Impossible, Serialize, Serializer};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

/// Integers up to this have one form, with no exponent; beyond it they are rounded, as numbers of JSON are doubles.
const EXACT: u64 = 1 << 53;

/// The value in canonical form.
///
/// # Errors
/// When a key is no text, or a number is not finite.
pub(super) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    value.serialize(Writer { out: &mut out })?;
    Ok(out)
}

/// Why a value has no canonical form.
#[derive(Debug)]
pub(super) struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    fn put(self, text: &[u8]) -> Result<(), Error> {
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn number(self, number: impl Serialize) -> Result<(), Error> {
        let text = serde_json_canonicalizer::to_vec(&number).map_err(ser::Error::custom)?;
        self.put(&text)
    }

    fn list(self, after: &'static [u8]) -> List<'o> {
        self.out.push(b'[');
        List { out: self.out, first: true, after }
    }

    fn object(self, after: &'static [u8]) -> Object<'o> {
        self.out.push(b'{');
        let start = self.out.len();
        Object { out: self.out, start, entries: Vec::new(), after }
    }

    /// Begins the object of one entry that an enum's variant is.
    fn variant(self, name: &str) -> Result<Self, Error> {
        self.out.push(b'{');
        string(self.out, name)?;
        self.out.push(b':');
        Ok(self)
    }
}

fn string(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    // What is escaped and how is the same in both.
    serde_json::to_writer(out, text).map_err(ser::Error::custom)
}

/// A list that is being written.
struct List<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
    /// What follows on it.
    after: &'static [u8],
}

impl List<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        value.serialize(Writer { out: self.out })
    }

    fn close(self) {
        self.out.push(b']');
        self.out.extend_from_slice(self.after);
    }
}

/// An object that is being written: its entries stand behind `start` as they came, with commas between them.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    /// Each with its key, where it begins and where it ends, from `start`.
    entries: Vec<(Cow<'static, str>, Range<usize>)>,
    after: &'static [u8],
}

impl Object<'_> {
    fn key(&mut self, key: Cow<'static, str>) -> Result<(), Error> {
        if !self.entries.is_empty() {
            self.out.push(b',');
        }
        let from = self.out.len() - self.start;
        string(self.out, &key)?;
        self.out.push(b':');
        self.entries.push((key, from..from));
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Writer { out: self.out })?;
        if let Some((_, range)) = self.entries.last_mut() {
            range.end = self.out.len() - self.start;
        }
        Ok(())
    }

    fn close(self) {
        let Self { out, start, mut entries, after } = self;
        if !entries.is_sorted_by(|(a, _), (b, _)| order(a, b).is_le()) {
            entries.sort_by(|(a, _), (b, _)| order(a, b));
            let written = out.split_off(start);
            for (index, (_, range)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(written.get(range).unwrap_or_default());
            }
        }
        out.push(b'}');
        out.extend_from_slice(after);
    }
}

/// The order of keys: by UTF-16 code units, as the RFC has it.
fn order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

impl<'o> Serializer for Writer<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'o>;
    type SerializeTuple = List<'o>;
    type SerializeTupleStruct = List<'o>;
    type SerializeTupleVariant = List<'o>;
    type SerializeMap = Object<'o>;
    type SerializeStruct = Object<'o>;
    type SerializeStructVariant = Object<'o>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.put(if value { b"true" } else { b"false" })
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        if value.unsigned_abs() <= EXACT { self.put(value.to_string().as_bytes()) } else { self.number(value) }
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        if value <= EXACT { self.put(value.to_string().as_bytes()) } else { self.number(value) }
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.number(value)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.number(value)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        string(self.out, value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.put(b"null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let writer = self.variant(variant)?;
        value.serialize(Writer { out: &mut *writer.out })?;
        writer.put(b"}")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'o>, Error> {
        Ok(self.list(b""))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'o>, Error> {
        Ok(self.list(b""))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'o>, Error> {
        Ok(self.list(b""))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'o>, Error> {
        Ok(self.variant(variant)?.list(b"}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'o>, Error> {
        Ok(self.object(b""))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'o>, Error> {
        Ok(self.object(b""))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'o>, Error> {
        Ok(self.variant(variant)?.object(b"}"))
    }
}

/// What `serde` has several names for: a list, whatever it is in Rust.
macro_rules! lists {
    ($($kind:ident: $method:ident),*) => {
        $(impl ser::$kind for List<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })*
    };
}

lists! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let key = key.serialize(KeyOf)?;
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

/// An object whose keys are known.
macro_rules! structs {
    ($($kind:ident),*) => {
        $(impl ser::$kind for Object<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                self.key(Cow::Borrowed(key))?;
                self.value(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })*
    };
}

structs! { SerializeStruct, SerializeStructVariant }

/// Takes the text of a key.
struct KeyOf;

impl KeyOf {
    fn wrong<T>() -> Result<T, Error> {
        Err(Error("a key is no text".to_owned()))
    }
}

/// What a key can't be.
macro_rules! no_keys {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, _: $type) -> Result<Cow<'static, str>, Error> {
            Self::wrong()
        })*
    };
}

impl Serializer for KeyOf {
    type Ok = Cow<'static, str>;
    type Error = Error;
    type SerializeSeq = Impossible<Self::Ok, Error>;
    type SerializeTuple = Impossible<Self::Ok, Error>;
    type SerializeTupleStruct = Impossible<Self::Ok, Error>;
    type SerializeTupleVariant = Impossible<Self::Ok, Error>;
    type SerializeMap = Impossible<Self::Ok, Error>;
    type SerializeStruct = Impossible<Self::Ok, Error>;
    type SerializeStructVariant = Impossible<Self::Ok, Error>;

    fn serialize_str(self, value: &str) -> Result<Self::Ok, Error> {
        Ok(Cow::Owned(value.to_owned()))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Self::Ok, Error> {
        Ok(Cow::Borrowed(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Self::Ok, Error> {
        value.serialize(self)
    }

    no_keys!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32,
        serialize_f64: f64, serialize_char: char, serialize_bytes: &[u8], serialize_unit_struct: &'static str
    );

    fn serialize_none(self) -> Result<Self::Ok, Error> {
        Self::wrong()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Self::Ok, Error> {
        Self::wrong()
    }

    fn serialize_unit(self) -> Result<Self::Ok, Error> {
        Self::wrong()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Self::Ok, Error> {
        Self::wrong()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Self::wrong()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Self::wrong()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Self::wrong()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Self::wrong()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Self::wrong()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        Self::wrong()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Self::wrong()
    }
}
