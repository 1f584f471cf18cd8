//! From a policy as text, Markdown or HTML to sentences.

mod html;

use palisade_planning::plain;

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
    /// What it stands under, in lower case: the heading, and the head of its table.
    pub(crate) context: String,
    /// Of an item of a list, what introduces the list, in lower case.
    pub(crate) intro: String,
    /// Of a row of a table, its columns' heads in lower case.
    columns: Vec<String>,
    /// Its cells.
    cells: Vec<String>,
}

impl Sentence {
    /// All cells of a row, in lower case.
    pub(crate) fn row(&self) -> impl Iterator<Item = String> {
        self.cells.iter().map(|cell| cell.to_lowercase())
    }

    /// The cells of a row that can be a name, each with the head of its column.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.columns.iter().zip(&self.cells).map(|(column, cell)| (column.as_str(), cell.as_str()));
        pairs.filter(|(_, cell)| cell.chars().any(char::is_alphabetic) && cell.chars().nth(MAX_NAME).is_none())
    }
}

/// Most characters of a sentence; what is longer is cut.
const MAX_SENTENCE: usize = 600;

/// Most characters of a cell that is taken for a name.
const MAX_NAME: usize = 80;
/// Most columns of a table that are told apart; what stands in more is taken for the last one's.
const MAX_COLUMNS: usize = 20;

/// The sentences of a section. A row of a table is one.
pub(crate) fn sentences(heading: Option<&str>, content: &str) -> Vec<Sentence> {
    let mut reader = Reader { heading: heading.map(|heading| plain(heading, MAX_SENTENCE)), ..Reader::default() };
    let text = if html::is_html(content) { html::as_text(content) } else { content.to_owned() };
    for line in text.lines() {
        reader.line(line.trim());
    }
    reader.close();
    reader.found
}

/// Puts lines together.
#[derive(Default)]
struct Reader {
    heading: Option<String>,
    paragraph: String,
    /// What is read is an item of a list.
    in_list: bool,
    /// What ended with a colon before the list.
    intro: String,
    /// Lines of the paragraph.
    lines: usize,
    /// Nothing stands right above what is read.
    after_blank: bool,
    /// The heads of the columns of the table that is being read.
    columns: Vec<String>,
    /// The latest row: what follows tells whether it is a head.
    row: Option<Vec<String>>,
    found: Vec<Sentence>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let marks = line.len() - line.trim_start_matches('#').len();
        if line.starts_with('|') {
            self.table_row(line);
        } else if (1..=6).contains(&marks) {
            self.close();
            let text = plain(&without_marks(line.trim_start_matches('#')), MAX_SENTENCE);
            if !text.is_empty() {
                self.heading = None;
                self.add(&text, true, Vec::new());
                self.heading = Some(text);
            }
        } else if line.is_empty() {
            // A number and a few words that stand alone: `3. SYSTEMS`.
            if self.in_list && self.after_blank && starts_with_number(&self.paragraph) && is_title(&self.paragraph) {
                (self.lines, self.in_list) = (1, false);
            }
            self.close();
            self.after_blank = true;
        } else if is_item(line) || starts_with_number(line) {
            let after_blank = std::mem::take(&mut self.after_blank) && self.paragraph.is_empty();
            self.close();
            self.after_blank = after_blank;
            self.in_list = true;
            self.paragraph.push_str(line.trim_start_matches(['-', '*', '+', '•', ' ']));
        } else {
            self.lines += 1;
            self.paragraph.push(' ');
            self.paragraph.push_str(line);
        }
    }

    fn table_row(&mut self, line: &str) {
        let line = line.strip_prefix('|').unwrap_or(line);
        let cells = line.strip_suffix('|').unwrap_or(line).splitn(MAX_COLUMNS, '|');
        let cells: Vec<String> = cells.map(|cell| plain(&without_marks(cell), usize::MAX)).collect();
        let is_rule = cells.iter().all(|cell| cell.contains('-') && cell.chars().all(|c| matches!(c, '-' | ':' | ' ')));
        if is_rule && self.row.is_some() {
            let heads = self.row.take().into_iter().flatten();
            self.columns = heads.map(|cell| plain(&cell, MAX_NAME).to_lowercase()).collect();
            return;
        }
        let columns = self.columns.clone();
        self.close();
        self.columns = columns;
        self.row = Some(cells);
    }

    /// Ends what was begun, a paragraph or a row. A table ends with it.
    fn close(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        let (lines, in_list) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.in_list));
        if lines == 1 && is_title(&paragraph) && !self.found.is_empty() {
            self.heading = None;
            self.add(&paragraph, true, Vec::new());
            self.heading = self.found.last().map(|title| title.text.clone());
        } else {
            if !in_list && !paragraph.trim().is_empty() {
                self.intro.clear();
            }
            for text in split(&paragraph) {
                self.add(&text, false, Vec::new());
                if !in_list && text.ends_with(':') {
                    self.intro = plain(&text, MAX_SENTENCE).to_lowercase().replace('’', "'");
                }
            }
        }
        if let Some(cells) = self.row.take() {
            self.close_row(cells);
        }
        self.columns.clear();
    }

    /// Adds a row: as one, or if it is too long for that, the sentences of its cells, each as a row of its column.
    fn close_row(&mut self, cells: Vec<String>) {
        let text = cells.join(" | ");
        if text.chars().nth(MAX_SENTENCE).is_none() {
            if cells.iter().any(|cell| !cell.is_empty()) {
                self.add(&text, false, cells);
            }
            return;
        }
        let mut columns = std::mem::take(&mut self.columns).into_iter();
        for cell in cells {
            self.columns = columns.next().into_iter().collect();
            for sentence in split(&cell) {
                for text in parts(&sentence) {
                    self.add(text, false, vec![text.to_owned()]);
                }
            }
        }
    }

    fn add(&mut self, text: &str, is_heading: bool, cells: Vec<String>) {
        let text = plain(&without_marks(text), MAX_SENTENCE);
        let columns = if cells.is_empty() { Vec::new() } else { self.columns.clone() };
        let context = self.heading.iter().map(|heading| heading.to_lowercase()).chain(columns.iter().cloned());
        let context = context.collect::<Vec<_>>().join(" ");
        let heading = self.heading.clone();
        let intro = if is_heading { String::new() } else { self.intro.clone() };
        if is_heading {
            self.intro.clear();
        }
        let lower = lower(&text);
        self.found.push(Sentence { heading, lower, text, is_heading, context, intro, columns, cells });
    }
}

/// A sentence as it is looked at: in lower case, with one kind of apostrophe, and without quotation marks.
pub(crate) fn lower(text: &str) -> String {
    text.to_lowercase().replace('’', "'").replace(['«', '»', '“', '”', '„', '"'], "")
}

/// Most characters and words of a line of plain text that is a heading.
const MAX_HEADING: (usize, usize) = (70, 9);

/// Whether a line that stands alone is a heading of plain text.
fn is_title(line: &str) -> bool {
    let line = line.trim().trim_matches(['*', '_']);
    let begins = line.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit());
    begins
        && line.chars().nth(MAX_HEADING.0).is_none()
        && line.split_whitespace().nth(MAX_HEADING.1).is_none()
        && !line.ends_with(['.', ':', ';', '!', ','])
        && !line.contains(['@', '|', '<'])
}

/// Most characters of a line that can be a title.
const MAX_TITLE: usize = 120;

/// The first heading; without any, the first line if it is short and ends as no sentence does.
pub(crate) fn title(sentences: &[Sentence]) -> Option<String> {
    let first = sentences.first().filter(|first| {
        first.text.chars().nth(MAX_TITLE).is_none() && !first.text.ends_with(['.', ':', ';', '!', '?', ','])
    });
    let heading = sentences.iter().find(|sentence| sentence.is_heading);
    heading.or(first).map(|sentence| sentence.text.clone())
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

/// Whether an item of a list begins with it. Two stars begin what is bold.
fn is_item(line: &str) -> bool {
    line.starts_with(['-', '+', '•']) || line.starts_with('*') && !line.starts_with("**")
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

/// A text in parts that are no longer than a sentence, cut between words where there are any.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest
            .char_indices()
            .nth(MAX_SENTENCE)
            .map_or(rest.len(), |(most, _)| rest[..most].rfind(' ').filter(|space| *space > 0).unwrap_or(most));
        let (part, behind) = rest.split_at(end);
        rest = behind.trim_start();
        (!part.is_empty()).then_some(part)
    })
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
