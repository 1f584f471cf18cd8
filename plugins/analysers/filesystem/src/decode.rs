//! Bytes to text, by the names that Python has for encodings.

use encoding_rs::{DecoderResult, Encoding};
use serde::Deserialize;

/// What stands for bytes that are no text.
const REPLACEMENT: char = '\u{fffd}';

/// What is done with bytes that are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Errors {
    /// The whole text is given up.
    Strict,
    /// One U+FFFD stands for each ill-formed part.
    Replace,
    /// They are left out.
    Ignore,
}

/// An encoding.
#[derive(Debug)]
pub(crate) enum Codec {
    Utf8,
    /// UTF-8 without its byte order mark.
    Utf8Sig,
    Utf16(Option<Order>),
    Utf32(Option<Order>),
    /// One byte for each character; bytes without a character are ill-formed.
    Bytes(Box<[Option<char>; 256]>),
    /// Several bytes for some characters.
    Multi(&'static Encoding),
}

/// The order of the bytes of a unit. Where none is said, the byte order mark tells, else the lowest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

/// Bytes that are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undecodable {
    /// Where the first of them is.
    pub(crate) offset: usize,
}

/// Collects text and does with ill-formed parts as wanted.
struct Sink {
    text: String,
    errors: Errors,
}

impl Sink {
    fn new(bytes: usize, errors: Errors) -> Self {
        Self { text: String::with_capacity(bytes), errors }
    }

    fn bad(&mut self, offset: usize) -> Result<(), Undecodable> {
        match self.errors {
            Errors::Strict => return Err(Undecodable { offset }),
            Errors::Replace => self.text.push(REPLACEMENT),
            Errors::Ignore => {}
        }
        Ok(())
    }

    fn push(&mut self, character: Option<char>, offset: usize) -> Result<(), Undecodable> {
        match character {
            Some(character) => {
                self.text.push(character);
                Ok(())
            }
            None => self.bad(offset),
        }
    }
}

impl Codec {
    /// The encoding of that name, in any of its spellings.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name: String = name.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        let codec = match name.as_str() {
            "utf-8" | "utf8" | "u8" | "utf" | "cp65001" => Self::Utf8,
            "utf-8-sig" => Self::Utf8Sig,
            "utf-16" | "utf16" | "u16" => Self::Utf16(None),
            "utf-16-le" | "utf-16le" => Self::Utf16(Some(Order::Little)),
            "utf-16-be" | "utf-16be" => Self::Utf16(Some(Order::Big)),
            "utf-32" | "utf32" | "u32" => Self::Utf32(None),
            "utf-32-le" | "utf-32le" => Self::Utf32(Some(Order::Little)),
            "utf-32-be" | "utf-32be" => Self::Utf32(Some(Order::Big)),
            "ascii" | "us-ascii" | "646" | "iso646-us" | "us" => {
                Self::bytes(|byte| byte.is_ascii().then_some(byte.into()))
            }
            "latin-1" | "latin1" | "latin" | "l1" | "iso-8859-1" | "iso8859-1" | "iso8859" | "8859" | "cp819" => {
                Self::bytes(|byte| Some(byte.into()))
            }
            "gbk" | "cp936" | "936" | "gb2312" | "big5" | "gb18030" | "shift-jis" | "sjis" | "s-jis" | "cp932"
            | "euc-jp" | "eucjp" | "iso-2022-jp" | "euc-kr" | "euckr" | "cp949" => Self::Multi(multi_byte(&name)?),
            _ => Self::single_byte(&name)?,
        };
        Some(codec)
    }

    /// The least bytes that a character takes.
    pub(crate) fn unit(&self) -> u64 {
        match self {
            Self::Utf16(_) => 2,
            Self::Utf32(_) => 4,
            _ => 1,
        }
    }

    /// Decodes a whole text.
    pub(crate) fn decode(&self, bytes: Vec<u8>, errors: Errors) -> Result<String, Undecodable> {
        match self {
            Self::Utf8 => utf8(bytes, errors),
            Self::Utf8Sig => match bytes.strip_prefix(b"\xef\xbb\xbf") {
                Some(rest) => utf8(rest.to_vec(), errors).map_err(|error| Undecodable { offset: error.offset + 3 }),
                None => utf8(bytes, errors),
            },
            Self::Utf16(order) => utf16(&bytes, *order, errors),
            Self::Utf32(order) => utf32(&bytes, *order, errors),
            Self::Bytes(table) => {
                let mut sink = Sink::new(bytes.len(), errors);
                for (offset, &byte) in bytes.iter().enumerate() {
                    sink.push(table[usize::from(byte)], offset)?;
                }
                Ok(sink.text)
            }
            Self::Multi(encoding) => multi(&bytes, encoding, errors),
        }
    }

    fn bytes(character: impl Fn(u8) -> Option<char>) -> Self {
        Self::Bytes(Box::new(std::array::from_fn(|byte| u8::try_from(byte).ok().and_then(&character))))
    }

    /// One of the families with a number, or a name of its own.
    fn single_byte(name: &str) -> Option<Self> {
        if let Some(number) = iso_8859(name) {
            // The Web has replaced two of them by supersets, which differ from them below 0xA0 alone.
            let label = match number {
                "9" => "windows-1254".to_owned(),
                "11" => "windows-874".to_owned(),
                number => format!("iso-8859-{number}"),
            };
            let table = table_of(Encoding::for_label(label.as_bytes())?);
            return Some(Self::bytes(|byte| if byte < 0xa0 { Some(byte.into()) } else { table(byte) }));
        }
        if let Some(number) = ["cp", "windows-", ""].iter().find_map(|prefix| name.strip_prefix(prefix)) {
            let label = match number {
                "1250" | "1251" | "1252" | "1253" | "1254" | "1255" | "1256" | "1257" | "1258" => {
                    format!("windows-{number}")
                }
                "874" => "windows-874".to_owned(),
                "866" => "ibm866".to_owned(),
                _ => named(name)?.to_owned(),
            };
            let table = table_of(Encoding::for_label(label.as_bytes())?);
            // Where a code page has a hole, the Web has a control character.
            let hole = |byte: u8, c: char| (0x80..0xa0).contains(&byte) && c == char::from(byte);
            return Some(Self::bytes(|byte| table(byte).filter(|&c| !hole(byte, c))));
        }
        None
    }
}

/// The number of a part of ISO 8859.
fn iso_8859(name: &str) -> Option<&str> {
    let number = match name {
        "latin2" | "l2" => "2",
        "latin3" | "l3" => "3",
        "latin4" | "l4" => "4",
        "cyrillic" => "5",
        "arabic" => "6",
        "greek" | "greek8" => "7",
        "hebrew" => "8",
        "latin5" | "l5" => "9",
        "latin6" | "l6" => "10",
        "thai" => "11",
        "latin7" | "l7" => "13",
        "latin8" | "l8" => "14",
        "latin9" | "l9" => "15",
        "latin10" | "l10" => "16",
        _ => name.strip_prefix("iso-8859-").or_else(|| name.strip_prefix("iso8859-"))?,
    };
    matches!(number, "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "10" | "11" | "13" | "14" | "15" | "16")
        .then_some(number)
}

/// The Web's name of a code page that has no number.
fn named(name: &str) -> Option<&'static str> {
    Some(match name {
        "koi8-r" => "koi8-r",
        "koi8-u" => "koi8-u",
        "mac-roman" | "macroman" | "macintosh" => "macintosh",
        "mac-cyrillic" | "maccyrillic" => "x-mac-cyrillic",
        "ibm866" => "ibm866",
        _ => return None,
    })
}

/// The Web's encoding for one of several bytes.
fn multi_byte(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label(match name {
        "cp936" | "936" | "gb2312" => b"gbk",
        "s-jis" | "cp932" => b"shift_jis",
        "shift-jis" => b"shift_jis",
        "eucjp" => b"euc-jp",
        "euckr" | "cp949" => b"euc-kr",
        other => other.as_bytes(),
    })
}

/// What each byte of an encoding of one byte stands for.
fn table_of(encoding: &'static Encoding) -> impl Fn(u8) -> Option<char> {
    move |byte| encoding.decode_without_bom_handling_and_without_replacement(&[byte])?.chars().next()
}

fn utf8(bytes: Vec<u8>, errors: Errors) -> Result<String, Undecodable> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error.into_bytes(),
    };
    let mut sink = Sink::new(bytes.len(), errors);
    let mut offset = 0;
    for chunk in bytes.utf8_chunks() {
        sink.text.push_str(chunk.valid());
        offset += chunk.valid().len();
        if !chunk.invalid().is_empty() {
            sink.bad(offset)?;
            offset += chunk.invalid().len();
        }
    }
    Ok(sink.text)
}

fn utf16(bytes: &[u8], order: Option<Order>, errors: Errors) -> Result<String, Undecodable> {
    let (order, start) = match (order, bytes) {
        (Some(order), _) => (order, 0),
        (None, [0xff, 0xfe, ..]) => (Order::Little, 2),
        (None, [0xfe, 0xff, ..]) => (Order::Big, 2),
        (None, _) => (Order::Little, 0),
    };
    let (units, rest) = bytes.get(start..).unwrap_or_default().as_chunks::<2>();
    let units = units.iter().map(|unit| match order {
        Order::Little => u16::from_le_bytes(*unit),
        Order::Big => u16::from_be_bytes(*unit),
    });
    let mut sink = Sink::new(bytes.len(), errors);
    let mut offset = start;
    for decoded in char::decode_utf16(units) {
        let character = decoded.ok();
        sink.push(character, offset)?;
        offset += 2 * character.map_or(1, char::len_utf16);
    }
    if !rest.is_empty() {
        sink.bad(offset)?;
    }
    Ok(sink.text)
}

fn utf32(bytes: &[u8], order: Option<Order>, errors: Errors) -> Result<String, Undecodable> {
    let (order, start) = match (order, bytes) {
        (Some(order), _) => (order, 0),
        (None, [0xff, 0xfe, 0, 0, ..]) => (Order::Little, 4),
        (None, [0, 0, 0xfe, 0xff, ..]) => (Order::Big, 4),
        (None, _) => (Order::Little, 0),
    };
    let (units, rest) = bytes.get(start..).unwrap_or_default().as_chunks::<4>();
    let mut sink = Sink::new(bytes.len(), errors);
    let mut offset = start;
    for unit in units {
        let code = match order {
            Order::Little => u32::from_le_bytes(*unit),
            Order::Big => u32::from_be_bytes(*unit),
        };
        sink.push(char::from_u32(code), offset)?;
        offset += 4;
    }
    if !rest.is_empty() {
        sink.bad(offset)?;
    }
    Ok(sink.text)
}

fn multi(bytes: &[u8], encoding: &'static Encoding, errors: Errors) -> Result<String, Undecodable> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut sink = Sink::new(bytes.len(), errors);
    let mut read = 0;
    loop {
        let rest = bytes.get(read..).unwrap_or_default();
        let (result, more) = decoder.decode_to_string_without_replacement(rest, &mut sink.text, true);
        read += more;
        match result {
            DecoderResult::InputEmpty => return Ok(sink.text),
            // It wants room for what the rest may become in the worst case.
            DecoderResult::OutputFull => sink.text.reserve(rest.len() - more + 16),
            DecoderResult::Malformed(bad, after) => {
                sink.bad(read.saturating_sub(usize::from(bad) + usize::from(after)))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codec: &str, bytes: &[u8], errors: Errors, expected: Result<&str, usize>) {
        let found = Codec::of_name(codec).unwrap().decode(bytes.to_vec(), errors).map_err(|error| error.offset);
        assert_eq!(found.as_deref(), expected.as_deref(), "{codec} {errors:?} {bytes:?}");
    }

    #[test]
    fn ill_formed_utf8_is_replaced_part_by_part() {
        for (bytes, replaced) in [
            (&b"a\xf0\x9f\x98b"[..], "a\u{fffd}b"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xc0\xaf", "\u{fffd}\u{fffd}"),
            (b"\xff", "\u{fffd}"),
        ] {
            check("utf-8", bytes, Errors::Replace, Ok(replaced));
            check("UTF8", bytes, Errors::Ignore, Ok(&replaced.replace('\u{fffd}', "")));
        }
        check("utf_8", b"ab\xf0\x9f", Errors::Strict, Err(2));
        check("utf-8", "\u{feff}é".as_bytes(), Errors::Strict, Ok("\u{feff}é"));
        check("utf-8-sig", "\u{feff}é".as_bytes(), Errors::Strict, Ok("é"));
        check("utf-8-sig", b"\xef\xbb\xbfa\xff", Errors::Strict, Err(4));
    }

    #[test]
    fn one_byte_is_one_character() {
        check("latin-1", b"\x80\xe9\xff", Errors::Strict, Ok("\u{80}éÿ"));
        check("ISO-8859-1", b"\x93", Errors::Strict, Ok("\u{93}"));
        check("cp1252", b"\x80\x93", Errors::Strict, Ok("€“"));
        check("windows-1252", b"a\x81", Errors::Strict, Err(1));
        check("cp1252", b"a\x81b", Errors::Replace, Ok("a\u{fffd}b"));
        check("iso8859-15", b"\xa4\x85", Errors::Strict, Ok("€\u{85}"));
        check("latin5", b"\xdd\x80", Errors::Strict, Ok("İ\u{80}"));
        check("koi8_r", b"\xc1", Errors::Strict, Ok("а"));
        check("ascii", b"a\x80", Errors::Strict, Err(1));
        check("ascii", b"a\x80b", Errors::Ignore, Ok("ab"));
    }

    #[test]
    fn wide_units_have_an_order() {
        check("utf-16", b"\xff\xfea\0", Errors::Strict, Ok("a"));
        check("utf-16", b"\xfe\xff\0a", Errors::Strict, Ok("a"));
        check("utf-16", b"a\0", Errors::Strict, Ok("a"));
        check("utf-16-le", b"\xff\xfea\0", Errors::Strict, Ok("\u{feff}a"));
        check("utf-16-be", b"\xd8\x3d\xde\0", Errors::Strict, Ok("😀"));
        check("utf-16-be", b"\0a\xd8\x3d\0b", Errors::Strict, Err(2));
        check("utf-16-be", b"\0a\xd8\x3d\0b", Errors::Replace, Ok("a\u{fffd}b"));
        check("utf-16-le", b"a\0b", Errors::Replace, Ok("a\u{fffd}"));
        check("utf-32", b"a\0\0\0\0\xd8\0\0", Errors::Replace, Ok("a\u{fffd}"));
        check("utf-32-be", b"\0\0\0ab", Errors::Strict, Err(4));
    }

    #[test]
    fn characters_of_several_bytes() {
        check("shift_jis", b"\x83\x65a", Errors::Strict, Ok("テa"));
        check("gbk", b"a\xc4\xe3", Errors::Strict, Ok("a你"));
        check("euc-kr", b"a\xb0", Errors::Strict, Err(1));
        check("euc-kr", b"a\xb0", Errors::Replace, Ok("a\u{fffd}"));
    }

    #[test]
    fn unknown_names_are_unknown() {
        for name in ["", "utf-9", "latin99", "iso-8859-12", "cp1259", "replacement", "x-user-defined"] {
            assert!(Codec::of_name(name).is_none(), "{name}");
        }
    }
}
