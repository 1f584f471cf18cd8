//! Text made safe for a page: neutralised, then escaped. Nothing foreign reaches a page on another way.

use palisade_model::neutral;

/// Most characters of a name: a file, a category, a step.
const MAX_NAME_CHARS: usize = 300;
/// Most characters of a message.
const MAX_MESSAGE_CHARS: usize = 2_000;

/// A foreign name, for the text of an element and for an attribute in double quotes.
pub(super) fn name(text: &str) -> String {
    escape(&neutral::line(text, MAX_NAME_CHARS))
}

/// The id of a component or schema, for the text of an element: in a narrow column it breaks between its words.
pub(super) fn id(text: &str) -> String {
    name(text).replace('_', "_<wbr>").replace(':', ":<wbr>").replace('/', "/<wbr>")
}

/// A foreign message, for the same places.
pub(super) fn message(text: &str) -> String {
    escape(&neutral::line(text, MAX_MESSAGE_CHARS))
}

/// Foreign text that keeps its lines, for the text of an element. The caller has cut it.
pub(super) fn lines(text: &str) -> String {
    escape(&neutral::block(text, usize::MAX))
}

/// Writes what has a meaning in HTML as references.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A value of the address' part behind `#`: everything but ASCII letters, digits, `-` and `_` as `%XX`.
pub(super) fn fragment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in neutral::line(text, MAX_NAME_CHARS).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Base64 with padding (RFC 4648), as a content security policy writes hashes.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for position in 0..4 {
            let digit = ALPHABET.get((bits >> (18 - 6 * position) & 63) as usize);
            text.push(if position <= group.len() { digit.map_or('=', |&digit| digit.into()) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_can_become_markup_or_mislead() {
        assert_eq!(name("</script><b a='\"'>&"), "&lt;/script&gt;&lt;b a=&#39;&quot;&#39;&gt;&amp;");
        assert_eq!(name("a\u{202e}b\u{1b}[m\nc"), "a\\u{202e}b\\u{1b}[m\\u{a}c");
        assert_eq!(lines("a\n<\r"), "a\n&lt;\\u{d}");
        assert_eq!(id("acme:a_b/1'"), "acme:<wbr>a_<wbr>b/<wbr>1&#39;");
        assert_eq!(name(&"x".repeat(301)).chars().count(), 301);
        assert!(name(&"x".repeat(301)).ends_with("x…"));
        assert_eq!(fragment("a b&c=#\"é"), "a%20b%26c%3D%23%22%C3%A9");
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
