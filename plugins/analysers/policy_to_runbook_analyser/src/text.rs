//! From a policy as text, Markdown or HTML to sentences.

/// A sentence, and the heading it stands under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// The heading; none before the first.
    pub(crate) heading: Option<String>,
    /// It, on one line, without markup.
    pub(crate) text: String,
    /// It in lower case.
    pub(crate) lower: String,
    /// It is a heading itself.
    pub(crate) is_heading: bool,
}

/// Most characters of a sentence; what is longer is cut.
const MAX_SENTENCE: usize = 600;

/// The sentences of a section.
pub(crate) fn sentences(heading: Option<&str>, content: &str) -> Vec<Sentence> {
    let mut heading = heading.map(|heading| plain(heading, MAX_SENTENCE));
    let mut found = Vec::new();
    let text = if looks_like_html(content) { without_tags(content) } else { content.to_owned() };
    let mut paragraph = String::new();
    let close = |paragraph: &mut String, heading: &Option<String>, found: &mut Vec<Sentence>| {
        for text in split(paragraph) {
            found.push(sentence(heading.clone(), &text, false));
        }
        paragraph.clear();
    };
    for line in text.lines() {
        let line = line.trim();
        let marks = line.len() - line.trim_start_matches('#').len();
        let is_item = line.starts_with(['-', '*', '+', '•', '|']) || starts_with_number(line);
        if (1..=6).contains(&marks) {
            close(&mut paragraph, &heading, &mut found);
            let text = plain(&without_marks(line.trim_start_matches('#')), MAX_SENTENCE);
            if !text.is_empty() {
                found.push(sentence(None, &text, true));
                heading = Some(text);
            }
        } else if line.is_empty() || is_item {
            close(&mut paragraph, &heading, &mut found);
            paragraph.push_str(line.trim_start_matches(['-', '*', '+', '•', '|', ' ']));
        } else {
            paragraph.push(' ');
            paragraph.push_str(line);
        }
    }
    close(&mut paragraph, &heading, &mut found);
    found
}

fn sentence(heading: Option<String>, text: &str, is_heading: bool) -> Sentence {
    let text = plain(&without_marks(text), MAX_SENTENCE);
    Sentence { heading, lower: text.to_lowercase(), text, is_heading }
}

/// The first heading, or nothing.
pub(crate) fn title(sentences: &[Sentence]) -> Option<String> {
    sentences.iter().find(|sentence| sentence.is_heading).map(|sentence| sentence.text.clone())
}

/// The language of most of it, as a BCP 47 tag: by how often its small words stand there.
pub(crate) fn language(sentences: &[Sentence]) -> &'static str {
    const WORDS: [(&str, [&str; 8]); 3] = [
        ("en", ["the", "and", "we", "you", "your", "of", "for", "with"]),
        ("de", ["der", "die", "und", "wir", "sie", "ihre", "von", "mit"]),
        ("fr", ["le", "les", "et", "nous", "vous", "vos", "des", "pour"]),
    ];
    let count = |words: &[&str]| {
        let of = |sentence: &Sentence| sentence.lower.split_whitespace().filter(|word| words.contains(word)).count();
        sentences.iter().map(of).sum::<usize>()
    };
    // The first of equals is the last that `max_by_key` gives.
    WORDS.iter().rev().max_by_key(|(_, words)| count(words)).map_or("en", |(language, _)| language)
}

/// Text on one line that means nothing to whoever reads it on: no control or format characters, no `${` and no `{{`.
pub(crate) fn plain(text: &str, most: usize) -> String {
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

fn looks_like_html(text: &str) -> bool {
    let lower = text.trim_start().to_lowercase();
    lower.starts_with("<!doctype")
        || lower.starts_with("<html")
        || ["<p>", "<p ", "<h1", "<h2", "<li>", "<br"].iter().any(|tag| lower.contains(tag))
}

/// HTML as text: headings as in Markdown, blocks on lines of their own, scripts and styles left away.
fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag.find('>') else { return entities(&out) };
        let name: String =
            tag[1..end].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/' || *c == '!').collect();
        let name = name.to_lowercase();
        rest = &tag[end + 1..];
        if name == "script" || name == "style" {
            let close = format!("</{name}");
            let Some(past) = rest.to_lowercase().find(&close) else { return entities(&out) };
            rest = rest.get(past..).unwrap_or_default();
            continue;
        }
        match name.as_str() {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => out.push_str("\n\n# "),
            "li" => out.push_str("\n- "),
            "b" | "/b" | "i" | "/i" | "em" | "/em" | "strong" | "/strong" | "a" | "/a" | "span" | "/span" | "u"
            | "/u" => {}
            _ => out.push_str("\n\n"),
        }
    }
    out.push_str(rest);
    entities(&out)
}

fn entities(text: &str) -> String {
    const KNOWN: [(&str, &str); 16] = [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&rsquo;", "’"),
        ("&auml;", "ä"),
        ("&ouml;", "ö"),
        ("&uuml;", "ü"),
        ("&Auml;", "Ä"),
        ("&Ouml;", "Ö"),
        ("&Uuml;", "Ü"),
        ("&szlig;", "ß"),
        ("&eacute;", "é"),
        ("&egrave;", "è"),
        ("&amp;", "&"),
    ];
    KNOWN.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// Markdown's marks within a line: emphasis, code, and links, of which the words stay.
fn without_marks(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let (before, link) = rest.split_at(at);
        out.push_str(before);
        rest = link.find(')').and_then(|end| link.get(end + 1..)).unwrap_or_default();
    }
    out.push_str(rest);
    out.replace("**", "").replace("__", "").replace(['`', '[', ']', '*', '|'], " ")
}

fn starts_with_number(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < line.len() && rest.starts_with(['.', ')']) && rest[1..].starts_with(' ')
}

/// At what ends a sentence: a mark that a space and a capital letter follow, unless it ends an abbreviation.
fn split(paragraph: &str) -> Vec<String> {
    const ABBREVIATIONS: [&str; 12] = ["e.g", "i.e", "etc", "art", "no", "nr", "z.b", "u.a", "d.h", "bzw", "ex", "inc"];
    let mut found = Vec::new();
    let mut begin = 0;
    let bytes = paragraph.as_bytes();
    for (at, c) in paragraph.char_indices() {
        if !matches!(c, '.' | '!' | '?' | ';') || bytes.get(at + 1) != Some(&b' ') {
            continue;
        }
        let before = paragraph[begin..at].rsplit([' ', '(']).next().unwrap_or_default().to_lowercase();
        let next = paragraph[at + 1..].trim_start().chars().next();
        let ends = c == ';' || next.is_some_and(|next| next.is_uppercase() || !next.is_alphanumeric());
        if ends && !ABBREVIATIONS.contains(&before.as_str()) {
            found.push(paragraph[begin..=at].trim().to_owned());
            begin = at + 1;
        }
    }
    found.push(paragraph[begin..].trim().to_owned());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// Whether a word, or several, stand there as such: what is around them is no letter and no digit.
pub(crate) fn has_word(lower: &str, word: &str) -> bool {
    let border = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    lower
        .match_indices(word)
        .any(|(at, _)| border(lower[..at].chars().next_back()) && border(lower[at + word.len()..].chars().next()))
}

/// Whether a word begins so: for languages that add endings and join words.
pub(crate) fn has_stem(lower: &str, stem: &str) -> bool {
    let border = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    lower.match_indices(stem).any(|(at, _)| border(lower[..at].chars().next_back()))
}
