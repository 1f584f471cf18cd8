//! HTML as text.

/// Whether a text is HTML rather than Markdown.
pub(super) fn is_html(text: &str) -> bool {
    let lower = text.trim_start().to_lowercase();
    lower.starts_with("<!doctype")
        || lower.starts_with("<html")
        || ["<p>", "<p ", "<h1", "<h2", "<li>", "<br"].iter().any(|tag| lower.contains(tag))
}

/// HTML as text: headings as in Markdown, blocks on lines of their own, scripts and styles left away.
pub(super) fn as_text(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    let mut table = Table::default();
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        table.text(before, &mut out);
        let Some(end) = tag.find('>') else { return entities(&out) };
        let name: String =
            tag[1..end].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/' || *c == '!').collect();
        let name = name.to_lowercase();
        rest = &tag[end + 1..];
        if ["script", "style", "nav", "footer"].contains(&name.as_str()) {
            let close = format!("</{name}");
            let is_close = |at: &[u8]| at.eq_ignore_ascii_case(close.as_bytes());
            let Some(past) = rest.as_bytes().windows(close.len()).position(is_close) else { return entities(&out) };
            rest = rest.get(past..).unwrap_or_default();
            continue;
        }
        if table.tag(&name, &mut out) {
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

/// Where in a table of HTML what is read stands. A row becomes one line, as in Markdown, however it is laid out.
#[derive(Default, PartialEq, Eq)]
enum Table {
    /// In none.
    #[default]
    Outside,
    /// Between its rows, where nothing is shown.
    Between,
    /// In a row, with whether it has heads of columns, and how many paragraphs its cell has.
    Row { has_head: bool, paragraphs: usize },
}

impl Table {
    fn text(&self, text: &str, out: &mut String) {
        match self {
            Self::Outside => out.push_str(text),
            Self::Between if text.trim().is_empty() => {}
            Self::Between => out.push_str(text),
            Self::Row { .. } => out.extend(text.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c })),
        }
    }

    /// Takes a tag that means something within a table; says whether it did.
    fn tag(&mut self, name: &str, out: &mut String) -> bool {
        match (name, &mut *self) {
            ("table", _) => {
                out.push_str("\n\n");
                *self = Self::Between;
            }
            ("/table", _) => {
                out.push_str("\n\n");
                *self = Self::Outside;
            }
            ("thead" | "/thead" | "tbody" | "/tbody" | "tfoot" | "/tfoot", Self::Between) => {}
            ("tr", _) => {
                out.push_str("\n| ");
                *self = Self::Row { has_head: false, paragraphs: 0 };
            }
            ("/tr", Self::Row { has_head, .. }) => {
                // A row with heads of columns is told as Markdown tells it.
                out.push_str(if *has_head { "\n|-|" } else { "" });
                *self = Self::Between;
            }
            ("td", Self::Row { paragraphs, .. }) => *paragraphs = 0,
            ("th", Self::Row { has_head, .. }) => *has_head = true,
            ("/td" | "/th", Self::Row { .. }) => out.push_str(" | "),
            ("p", Self::Row { paragraphs: paragraphs @ 0, .. }) => *paragraphs = 1,
            // A cell with several paragraphs or with headings is a part of the page, not of a table.
            ("p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6", Self::Row { .. }) => {
                *self = Self::Outside;
                return false;
            }
            ("li", Self::Row { .. }) => out.push_str("; "),
            ("br" | "/p" | "div" | "/div" | "ul" | "/ul" | "ol" | "/ol" | "/li", Self::Row { .. }) => out.push(' '),
            _ => return false,
        }
        true
    }
}

/// Most bytes of an entity.
const MAX_ENTITY: usize = 10;

/// Entities by their names, those of the languages that are read.
const ENTITIES: &[(&str, char)] = &[
    ("nbsp", '\u{a0}'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("rsquo", '’'),
    ("lsquo", '‘'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("sbquo", '‚'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("hellip", '…'),
    ("sect", '§'),
    ("euro", '€'),
    ("middot", '·'),
    ("bull", '•'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("ecirc", 'ê'),
    ("euml", 'ë'),
    ("agrave", 'à'),
    ("acirc", 'â'),
    ("ccedil", 'ç'),
    ("icirc", 'î'),
    ("iuml", 'ï'),
    ("ocirc", 'ô'),
    ("ugrave", 'ù'),
    ("ucirc", 'û'),
    ("oelig", 'œ'),
    ("Eacute", 'É'),
    ("Egrave", 'È'),
    ("Agrave", 'À'),
    ("Ccedil", 'Ç'),
    ("Ecirc", 'Ê'),
    ("amp", '&'),
];

/// The characters that entities stand for; what is none stays.
fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at(at);
        out.push_str(before);
        let end = entity.bytes().take(MAX_ENTITY).position(|byte| byte == b';');
        let character = end.and_then(|end| Some((character(entity.get(1..end)?)?, end)));
        match character {
            Some((character, end)) => {
                out.push(character);
                rest = &entity[end + 1..];
            }
            None => {
                out.push('&');
                rest = &entity[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The character of an entity, by its number or by its name.
fn character(entity: &str) -> Option<char> {
    if let Some(number) = entity.strip_prefix('#') {
        let hexadecimal = number.strip_prefix(['x', 'X']).map(|number| u32::from_str_radix(number, 16));
        return char::from_u32(hexadecimal.unwrap_or_else(|| number.parse()).ok()?);
    }
    ENTITIES.iter().find(|(name, _)| *name == entity).map(|(_, character)| *character)
}

#[cfg(test)]
mod tests {
    use super::as_text;

    /// The lines that have something on them, with single spaces.
    fn check(html: &str, expected: &[&str]) {
        let text = as_text(html);
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, expected, "{html}");
    }

    #[test]
    fn a_row_of_a_table_is_a_line_however_it_is_laid_out() {
        let rows = ["| System | Where |", "|-|", "| CRM | Kiel |", "| Mail | Bonn |", "Then."];
        let row = "<tr><td>CRM</td><td>Kiel</td></tr><tr><td>Mail</td><td>Bonn</td></tr></table>Then.";
        check(&format!("<table><tr><th>System</th><th>Where</th></tr>{row}"), &rows);
        let head = "<table>\n <thead>\n  <tr>\n   <th>System</th>\n   <th>Where</th>\n  </tr>\n </thead>\n <tbody>\n";
        check(&format!("{head}{}", row.replace("<t", "\n <t").replace("</t", "\n</t")), &rows);
        check("<table><tr><td><p>CRM</p></td><td>Kiel<br>Bonn</td></tr></table>", &["| CRM | Kiel Bonn |"]);
    }

    #[test]
    fn a_page_that_is_laid_out_as_a_table_stays_a_page() {
        check(
            "<table><tr><td><h1>Privacy</h1><p>One.</p><p>Two.</p></td></tr></table>",
            &["|", "# Privacy", "One.", "Two."],
        );
        check("<table><tr><td><p>One.</p><p>Two.</p></td></tr></table>", &["| One.", "Two."]);
    }

    #[test]
    fn tables_that_are_broken_end_somewhere() {
        for html in
            ["<table", "<table>", "<tr><td>a", "</tr></table>", "<td>a</td>", "<table><tr><th>a<tr><td>b", "<th>"]
        {
            let _ = as_text(html);
        }
        check("<table>a<tr><td>b</table>c", &["a", "| b", "c"]);
    }
}
