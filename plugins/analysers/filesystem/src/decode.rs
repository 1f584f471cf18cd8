//! Bytes to text, by the names that Python has for encodings.

use encoding_rs::{DecoderResult, Encoding};
use serde::Deserialize;

mod code_page;

use code_page::code_page;

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

/// The order of the bytes of a unit. Where none is said, there must be a byte order mark.
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
    /// The encoding of that name. Neither case nor separators matter.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        Some(match name.as_str() {
            "utf8" | "u8" | "utf" | "utf8ucs2" | "utf8ucs4" | "cp65001" => Self::Utf8,
            "utf8sig" => Self::Utf8Sig,
            "utf16" | "u16" => Self::Utf16(None),
            "utf16le" | "unicodelittleunmarked" => Self::Utf16(Some(Order::Little)),
            "utf16be" | "unicodebigunmarked" => Self::Utf16(Some(Order::Big)),
            "utf32" | "u32" => Self::Utf32(None),
            "utf32le" => Self::Utf32(Some(Order::Little)),
            "utf32be" => Self::Utf32(Some(Order::Big)),
            "ascii" | "646" | "ansix341968" | "ansix341986" | "cp367" | "csascii" | "ibm367" | "iso646irv1991"
            | "iso646us" | "isoir6" | "us" | "usascii" => Self::ascii(|_| None),
            "latin1" | "latin" | "l1" | "iso88591" | "iso885911987" | "iso8859" | "8859" | "cp819" | "ibm819"
            | "csisolatin1" | "isoir100" => Self::ascii(|byte| Some(byte.into())),
            name => match code_page(name) {
                Some(characters) => Self::page(characters),
                None => Self::Multi(multi_byte(name)?),
            },
        })
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

    /// ASCII, with `upper` for bytes that are none.
    fn ascii(upper: impl Fn(u8) -> Option<char>) -> Self {
        let character = |byte: u8| if byte.is_ascii() { Some(byte.into()) } else { upper(byte) };
        Self::Bytes(Box::new(std::array::from_fn(|byte| u8::try_from(byte).ok().and_then(character))))
    }

    /// A code page: all its characters, or those beyond ASCII.
    fn page(characters: &str) -> Self {
        let mut table = [None; 256];
        let lower = (0..0x80_u8).map(char::from).take(256 - characters.chars().count());
        for (place, character) in table.iter_mut().zip(lower.chain(characters.chars())) {
            *place = Some(character).filter(|&character| character != REPLACEMENT);
        }
        Self::Bytes(Box::new(table))
    }
}

/// The Web's encoding for one of several bytes. Some names share one, of which theirs is a part.
fn multi_byte(name: &str) -> Option<&'static Encoding> {
    Some(match name {
        "gbk" | "936" | "cp936" | "ms936" | "gb2312" | "chinese" | "csiso58gb231280" | "euccn" | "eucgb2312cn"
        | "gb23121980" | "gb231280" | "isoir58" | "xmacsimpchinese" => encoding_rs::GBK,
        "gb18030" | "gb180302000" => encoding_rs::GB18030,
        "big5" | "big5tw" | "csbig5" | "xmactradchinese" | "big5hkscs" | "hkscs" | "950" | "cp950" | "ms950" => {
            encoding_rs::BIG5
        }
        "shiftjis" | "csshiftjis" | "sjis" | "xmacjapanese" | "932" | "cp932" | "ms932" | "mskanji" => {
            encoding_rs::SHIFT_JIS
        }
        "eucjp" | "ujis" => encoding_rs::EUC_JP,
        "iso2022jp" | "csiso2022jp" => encoding_rs::ISO_2022_JP,
        "euckr" | "korean" | "ksc5601" | "ksc56011987" | "ksx1001" | "xmackorean" | "949" | "cp949" | "ms949"
        | "uhc" => encoding_rs::EUC_KR,
        _ => return None,
    })
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
        // Without a mark a text may be either, whatever is done with ill-formed parts.
        (None, [_, _, ..]) => return Err(Undecodable { offset: 0 }),
        (None, _) => (Order::Little, 0),
    };
    let (units, rest) = bytes.get(start..).unwrap_or_default().as_chunks::<2>();
    let units = units.iter().map(|unit| match order {
        Order::Little => u16::from_le_bytes(*unit),
        Order::Big => u16::from_be_bytes(*unit),
    });
    let mut sink = Sink::new(bytes.len(), errors);
    let mut offset = start;
    let mut units = char::decode_utf16(units).peekable();
    while let Some(decoded) = units.next() {
        let cut_short = !rest.is_empty() && units.peek().is_none();
        if cut_short && decoded.as_ref().is_err_and(|error| error.unpaired_surrogate() < 0xdc00) {
            // The odd byte at the end is the beginning of the pair's other half.
            break;
        }
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
        (None, [_, _, _, _, ..]) => return Err(Undecodable { offset: 0 }),
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
        check("IBM-437", b"a\x81\xff", Errors::Strict, Ok("aü\u{a0}"));
        check("koi8-u", b"\xae\xa4", Errors::Strict, Ok("╝є"));
        check("cp1255", b"a\xca", Errors::Strict, Err(1));
        // Code pages of mainframes are not ASCII in their lower half.
        check("cp037", b"\xc1\x40\xf1", Errors::Strict, Ok("A 1"));
    }

    #[test]
    fn every_code_page_has_all_its_bytes() {
        for (names, characters) in code_page::CODE_PAGES {
            assert!(matches!(characters.chars().count(), 128 | 256), "{names}");
        }
    }

    #[test]
    fn wide_units_have_an_order() {
        check("utf-16", b"\xff\xfea\0", Errors::Strict, Ok("a"));
        check("utf-16", b"\xfe\xff\0a", Errors::Strict, Ok("a"));
        check("utf-16", b"a\0", Errors::Strict, Err(0));
        check("utf-16", b"a\0", Errors::Replace, Err(0));
        check("utf-16", b"", Errors::Strict, Ok(""));
        check("utf-16-le", b"\xff\xfea\0", Errors::Strict, Ok("\u{feff}a"));
        check("utf-16-be", b"\xd8\x3d\xde\0", Errors::Strict, Ok("😀"));
        check("utf-16-be", b"\0a\xd8\x3d\0b", Errors::Strict, Err(2));
        check("utf-16-be", b"\0a\xd8\x3d\0b", Errors::Replace, Ok("a\u{fffd}b"));
        check("utf-16-le", b"a\0b", Errors::Replace, Ok("a\u{fffd}"));
        check("utf-16-le", b"a\0\x3d\xd8b", Errors::Replace, Ok("a\u{fffd}"));
        check("utf-16-le", b"\0\xdcb", Errors::Replace, Ok("\u{fffd}\u{fffd}"));
        check("utf-32", b"a\0\0\0", Errors::Ignore, Err(0));
        check("utf-32", b"\xff\xfe\0\0a\0\0\0\0\xd8\0\0", Errors::Replace, Ok("a\u{fffd}"));
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
        for name in ["", "--", "utf-9", "utf-7", "latin99", "iso-8859-12", "cp1259", "replacement", "x-user-defined"] {
            assert!(Codec::of_name(name).is_none(), "{name}");
        }
    }
}
