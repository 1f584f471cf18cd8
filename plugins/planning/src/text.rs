//! Foreign text, made fit to stand in a runbook.

/// Text on one line that means nothing to whoever reads it on: no control or format characters, no `${` and no `{{`.
pub fn plain(text: &str, most: usize) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().filter(|c| !c.is_control() && !is_format(*c)).map(|c| match c {
            '{' => '(',
            '}' => ')',
            other => other,
        }));
    }
    match out.char_indices().nth(most) {
        None => out,
        Some((at, _)) => format!("{}…", out[..at].trim_end()),
    }
}

/// Characters that are not seen and change what is.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
