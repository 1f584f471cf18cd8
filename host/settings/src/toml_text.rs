//! Writing texts into TOML so that they are read back as they were, and can't pass for anything else.

use palisade_model::neutral;
use std::fmt::Write as _;

/// A basic string of TOML. What a terminal would not show as it is, is written as its code.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            // Writing to a String can't fail.
            hidden if neutral::is_hidden(hidden) || hidden.is_control() => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(hidden));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_stays_in_its_quotes() {
        for text in ["a b", "\"]\nallow = [\"fs-read=/", "C:\\x", "\u{202e}evil", "tab\tnul\0del\u{7f}", "Grüße", ""]
        {
            let written = format!("x = {}", quoted(text));
            let table: toml::Table = toml::from_str(&written).unwrap();
            assert_eq!(table["x"].as_str(), Some(text), "{written}");
            assert_eq!(written.lines().count(), 1, "{written}");
        }
    }
}
