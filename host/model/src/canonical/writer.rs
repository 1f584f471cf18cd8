//! Writes any value in canonical form without a copy of it as JSON: entries are written as they come, and put in their
//! order when their object is complete. Numbers that are no small integers are left to the library.

use serde::ser::{self, Impossible, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::ops::Range;

/// Integers up to this have one form, with no exponent; beyond it they are rounded, as numbers of JSON are doubles.
const EXACT: u64 = 1 << 53;

/// The value in canonical form.
///
/// # Errors
/// When a key is no text, or a number is not finite.
pub(super) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    // Most values are small, and grow to that in one step instead of eight.
    let mut page = Page { out: Vec::with_capacity(256), ..Page::default() };
    value.serialize(Writer { page: &mut page })?;
    Ok(page.out)
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

/// What is written, and what the objects that are not complete need to know of themselves. One for all of them, since
/// an object within another is complete before it: each has the end of these for itself.
#[derive(Default)]
struct Page {
    out: Vec<u8>,
    entries: Vec<Entry>,
    /// The texts of the keys of `entries`.
    keys: String,
    /// Where an object lies while its entries are put in their order.
    unordered: Vec<u8>,
    /// Where a text is made that is not there as one.
    text: String,
}

/// An entry of an object that is being written.
#[derive(Clone)]
struct Entry {
    /// Where its key is in [`Page::keys`].
    key: Range<usize>,
    /// Where it lies, key and value, from the beginning of its object.
    written: Range<usize>,
}

impl Page {
    fn put(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn string(&mut self, text: &str) -> Result<(), Error> {
        // What is escaped and how is the same in both.
        serde_json::to_writer(&mut self.out, text).map_err(ser::Error::custom)
    }
}

struct Writer<'o> {
    page: &'o mut Page,
}

impl<'o> Writer<'o> {
    fn put(self, text: &[u8]) -> Result<(), Error> {
        self.page.put(text);
        Ok(())
    }

    /// A number that is written the same as in any JSON.
    fn small(self, number: impl Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut self.page.out, &number).map_err(ser::Error::custom)
    }

    fn number(self, number: impl Serialize) -> Result<(), Error> {
        let text = serde_json_canonicalizer::to_vec(&number).map_err(ser::Error::custom)?;
        self.put(&text)
    }

    fn list(self, after: &'static [u8]) -> List<'o> {
        self.page.put(b"[");
        List { page: self.page, first: true, after }
    }

    fn object(self, after: &'static [u8]) -> Object<'o> {
        self.page.put(b"{");
        let (start, first) = (self.page.out.len(), self.page.entries.len());
        Object { start, first, keys: self.page.keys.len(), page: self.page, after }
    }

    /// Begins the object of one entry that an enum's variant is.
    fn variant(self, name: &str) -> Result<Self, Error> {
        self.page.put(b"{");
        self.page.string(name)?;
        self.page.put(b":");
        Ok(self)
    }
}

/// A list that is being written.
struct List<'o> {
    page: &'o mut Page,
    first: bool,
    /// What follows on it.
    after: &'static [u8],
}

impl List<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !std::mem::take(&mut self.first) {
            self.page.put(b",");
        }
        value.serialize(Writer { page: self.page })
    }

    fn close(self) {
        self.page.put(b"]");
        self.page.put(self.after);
    }
}

/// An object that is being written: its entries stand behind `start` as they came, with commas between them.
struct Object<'o> {
    page: &'o mut Page,
    start: usize,
    /// Where its own are in [`Page::entries`]: from there to the end.
    first: usize,
    /// Where the texts of its keys begin.
    keys: usize,
    after: &'static [u8],
}

impl Object<'_> {
    /// Begins an entry. The text of its key is the end of [`Page::keys`], from `key` on.
    fn entry(&mut self, key: usize) -> Result<(), Error> {
        let page = &mut *self.page;
        if page.entries.len() > self.first {
            page.out.push(b',');
        }
        let from = page.out.len() - self.start;
        let key = key..page.keys.len();
        serde_json::to_writer(&mut page.out, page.keys.get(key.clone()).unwrap_or_default())
            .map_err(<Error as ser::Error>::custom)?;
        page.out.push(b':');
        page.entries.push(Entry { key, written: from..from });
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Writer { page: self.page })?;
        if let Some(entry) = self.page.entries.last_mut() {
            entry.written.end = self.page.out.len() - self.start;
        }
        Ok(())
    }

    fn close(self) {
        let Self { page, start, first, keys, after } = self;
        let Page { out, entries, keys: texts, unordered, .. } = page;
        let own = entries.get_mut(first..).unwrap_or_default();
        let text = |entry: &Entry| texts.get(entry.key.clone()).unwrap_or_default();
        if !own.is_sorted_by(|a, b| order(text(a), text(b)).is_le()) {
            own.sort_by(|a, b| order(text(a), text(b)));
            unordered.clear();
            unordered.extend(out.drain(start..));
            for (index, entry) in own.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(unordered.get(entry.written.clone()).unwrap_or_default());
            }
        }
        entries.truncate(first);
        texts.truncate(keys);
        page.put(b"}");
        page.put(after);
    }
}

/// The order of keys: by UTF-16 code units, as the RFC has it.
pub(super) fn order(a: &str, b: &str) -> Ordering {
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
        if value.unsigned_abs() <= EXACT { self.small(value) } else { self.number(value) }
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
        if value <= EXACT { self.small(value) } else { self.number(value) }
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
        self.page.string(value)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        let mut text = std::mem::take(&mut self.page.text);
        text.clear();
        write!(text, "{value}").map_err(ser::Error::custom)?;
        self.page.string(&text)?;
        self.page.text = text;
        Ok(())
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
        value.serialize(Writer { page: &mut *writer.page })?;
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
        let start = self.page.keys.len();
        key.serialize(KeyOf { keys: &mut self.page.keys })?;
        self.entry(start)
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
                let start = self.page.keys.len();
                self.page.keys.push_str(key);
                self.entry(start)?;
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
struct KeyOf<'o> {
    keys: &'o mut String,
}

impl KeyOf<'_> {
    fn put(self, key: &str) -> Result<(), Error> {
        self.keys.push_str(key);
        Ok(())
    }

    fn wrong<T>() -> Result<T, Error> {
        Err(Error("a key is no text".to_owned()))
    }
}

/// What a key can't be.
macro_rules! no_keys {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, _: $type) -> Result<(), Error> {
            Self::wrong()
        })*
    };
}

impl Serializer for KeyOf<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Impossible<Self::Ok, Error>;
    type SerializeTuple = Impossible<Self::Ok, Error>;
    type SerializeTupleStruct = Impossible<Self::Ok, Error>;
    type SerializeTupleVariant = Impossible<Self::Ok, Error>;
    type SerializeMap = Impossible<Self::Ok, Error>;
    type SerializeStruct = Impossible<Self::Ok, Error>;
    type SerializeStructVariant = Impossible<Self::Ok, Error>;

    fn serialize_str(self, value: &str) -> Result<Self::Ok, Error> {
        self.put(value)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Self::Ok, Error> {
        self.put(variant)
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
