//! The properties of a JSON object as text, found without reading what they hold.
//!
//! For JSON that is known to be well-formed, as every stored item is. Of anything else it may find any part; it never
//! says that something is well-formed.

use palisade_model::json_text::text_end;
use std::borrow::Cow;

/// Iterates over the properties of an object: key, and value as JSON.
pub(crate) struct Fields<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Fields<'t> {
    /// Those of a JSON text; none if it is no object.
    pub(crate) fn of(text: &'t str) -> Self {
        let mut fields = Self { text, at: 0 };
        if !fields.pass(b'{') {
            fields.at = text.len();
        }
        fields
    }

    /// Passes white space, then the byte if it is there.
    fn pass(&mut self, wanted: u8) -> bool {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        let found = bytes.get(self.at) == Some(&wanted);
        self.at += usize::from(found);
        found
    }

    fn next_field(&mut self) -> Option<(Cow<'t, str>, &'t str)> {
        self.pass(b',');
        if !self.pass(b'"') {
            return None;
        }
        let start = self.at;
        let end = text_end(self.text.as_bytes(), start)?;
        self.at = end.behind;
        let key = if end.plain {
            Cow::Borrowed(self.text.get(start..self.at - 1)?)
        } else {
            serde_json::from_str(self.text.get(start - 1..self.at)?).ok().map(Cow::Owned)?
        };
        if !self.pass(b':') {
            return None;
        }
        let start = self.at;
        self.at = end_of_value(self.text.as_bytes(), start)?;
        Some((key, self.text.get(start..self.at)?))
    }
}

impl<'t> Iterator for Fields<'t> {
    type Item = (Cow<'t, str>, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_field()
    }
}

/// The place behind the value that starts at `at`: where a comma or an end follows that is not inside of it.
fn end_of_value(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match bytes.get(at)? {
            b'"' => at = text_end(bytes, at + 1)?.behind,
            b',' | b'}' | b']' if depth == 0 => return Some(at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found: Vec<_> = Fields::of(text).collect();
        let expected: Vec<_> = expected.iter().map(|&(key, value)| (Cow::Borrowed(key), value)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn properties_are_found_whatever_they_hold() {
        check(
            r#"{"a":"x, \"} \\","b":{"c":[1,{"d":"]"}],"e":{}},"f":-1.5e3,"g":[],"\ud83d\ude00":"\uD83D\uDE00","h":null}"#,
            &[
                ("a", r#""x, \"} \\""#),
                ("b", r#"{"c":[1,{"d":"]"}],"e":{}}"#),
                ("f", "-1.5e3"),
                ("g", "[]"),
                ("😀", r#""\uD83D\uDE00""#),
                ("h", "null"),
            ],
        );
        check(" { \"a\" : 1 , \"\\u0062\" : [ 2 ] } ", &[("a", " 1 "), ("b", " [ 2 ] ")]);
        check("{}", &[]);
    }

    #[test]
    fn what_is_no_object_has_none_and_what_breaks_off_has_no_more() {
        for text in ["", "7", "[{\"a\":1}]", "\"{\"", "{", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":\"\\"] {
            check(text, &[]);
        }
        check("{\"a\":1,\"b\":[", &[("a", "1")]);
    }
}
