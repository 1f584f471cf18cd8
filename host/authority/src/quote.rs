//! Writing an argument so that a person can paste it into a shell and get the same bytes.

use palisade_model::neutral;

/// Quotes `argument` for a POSIX shell; only what needs it. Bytes that are no UTF-8 and characters that a terminal would
/// not show as they are become `$'\xHH'`, which bash, zsh and ksh read.
pub(crate) fn shell_argument(argument: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./,:+@%".contains(&byte);
    match std::str::from_utf8(argument) {
        Ok(text) if !text.is_empty() && text.bytes().all(plain) => text.to_owned(),
        Ok(text) if !text.chars().any(neutral::is_hidden) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let escaped: String = argument
                .iter()
                .map(|&byte| match byte {
                    b'\'' | b'\\' => format!("\\{}", char::from(byte)),
                    b' '..=b'~' => char::from(byte).to_string(),
                    _ => format!("\\x{byte:02x}"),
                })
                .collect();
            format!("$'{escaped}'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_quotes_gets_them() {
        assert_eq!(shell_argument(b"fs-read=data/x.csv"), "fs-read=data/x.csv");
        assert_eq!(shell_argument("fs-read=Größe 1".as_bytes()), "'fs-read=Größe 1'");
        assert_eq!(shell_argument(b"it's"), r"'it'\''s'");
        assert_eq!(shell_argument(b"$(rm)"), "'$(rm)'");
        assert_eq!(shell_argument(b""), "''");
    }

    #[test]
    fn what_could_deceive_is_written_as_bytes() {
        assert_eq!(shell_argument(b"a\n\xffb'\\"), r"$'a\x0a\xffb\'\\'");
        assert_eq!(shell_argument("a\u{202e}".as_bytes()), r"$'a\xe2\x80\xae'");
    }
}
