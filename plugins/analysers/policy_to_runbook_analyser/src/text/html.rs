//! HTML as text.

/// Whether a text is HTML rather than Markdown.
pub(super) fn is_html(text: &str) -> bool {
    let lower = text.trim_start().to_lowercase();
    lower.starts_with("<!doctype")
        || lower.starts_with("<html")
        || ["<p>", "<p ", "<h1", "<h2", "<li>", "<br"].iter().any(|tag| lower.contains(tag))
}

/// Tags within a line: what stands around them is one text.
const INLINE: &[&str] = &["b", "i", "em", "strong", "a", "span", "u"];

/// HTML as text: headings as in Markdown, blocks on lines of their own, scripts, styles and comments left away.
pub(super) fn as_text(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    let mut table = Table::default();
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        table.text(before, &mut out);
        if let Some(comment) = tag.strip_prefix("<!--") {
            let Some((_, behind)) = comment.split_once("-->") else { return entities(&out) };
            rest = behind;
            continue;
        }
        let Some(end) = tag.find('>') else { return entities(&out) };
        let name: String =
            tag[1..end].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/' || *c == '!').collect();
        // `<br/>` is `<br>`.
        let name = name.trim_end_matches('/').to_lowercase();
        rest = &tag[end + 1..];
        if ["script", "style", "nav", "footer"].contains(&name.as_str()) {
            let close = format!("</{name}");
            let is_close = |at: &[u8]| at.eq_ignore_ascii_case(close.as_bytes());
            let Some(past) = rest.as_bytes().windows(close.len()).position(is_close) else { return entities(&out) };
            rest = rest.get(past..).unwrap_or_default();
            continue;
        }
        if INLINE.contains(&name.trim_start_matches('/')) || table.tag(&name, &mut out) {
            continue;
        }
        match name.as_str() {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => out.push_str("\n\n# "),
            "li" => out.push_str("\n- "),
            _ => out.push_str("\n\n"),
        }
    }
    table.text(rest, &mut out);
    entities(&out)
}

/// Most bytes of a cell that is part of a table. A longer one is a part of the page, which is laid out as a table.
const MAX_CELL: usize = 600;

/// Where in a table of HTML what is read stands. A row becomes one line, as in Markdown, however it is laid out.
#[derive(Default)]
enum Table {
    /// In none.
    #[default]
    Outside,
    /// Between its rows, where nothing but a caption is shown.
    Between,
    /// In a row.
    Row(Row),
}

/// A row that is being read.
#[derive(Default)]
struct Row {
    /// A cell with something in it is the head of a column or of the row.
    has_head: bool,
    /// One with something in it is none.
    has_data: bool,
    /// The cell that is being read.
    cell: Option<Cell>,
}

/// A cell that is being read.
struct Cell {
    is_head: bool,
    /// Where in the text it begins.
    begin: usize,
    has_paragraph: bool,
}

impl Row {
    fn open_cell(&mut self, is_head: bool, out: &mut String) {
        self.close_cell(out);
        self.cell = Some(Cell { is_head, begin: out.len(), has_paragraph: false });
    }

    fn close_cell(&mut self, out: &mut String) {
        let Some(cell) = self.cell.take() else { return };
        // A corner without text is no head and no data.
        let is_filled = !entities(&out[cell.begin..]).trim().is_empty();
        self.has_head |= is_filled && cell.is_head;
        self.has_data |= is_filled && !cell.is_head;
        out.push_str(" | ");
    }

    /// Whether a tag shows that the cell is a part of the page: it has headings, several paragraphs, or is long.
    fn is_of_page(&mut self, name: &str, out: &str) -> bool {
        let Some(cell) = &mut self.cell else { return matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6") };
        let is_long = out.len() - cell.begin > MAX_CELL;
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => true,
            "p" => is_long || std::mem::replace(&mut cell.has_paragraph, true),
            "br" | "div" | "li" | "ul" | "ol" => is_long,
            _ => false,
        }
    }
}

impl Table {
    fn text(&self, text: &str, out: &mut String) {
        match self {
            Self::Outside => out.push_str(text),
            Self::Between if text.trim().is_empty() => {}
            Self::Between => {
                out.push('\n');
                out.push_str(text);
            }
            Self::Row(_) => out.extend(text.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c })),
        }
    }

    /// Ends the row, if there is one: end tags of cells and rows may be left away.
    fn close_row(&mut self, out: &mut String) {
        let Self::Row(row) = self else { return };
        row.close_cell(out);
        // A row with nothing but heads is told as Markdown tells it.
        out.push_str(if row.has_head && !row.has_data { "\n|-|" } else { "" });
        *self = Self::Between;
    }

    /// Takes a tag that means something within a table; says whether it did.
    fn tag(&mut self, name: &str, out: &mut String) -> bool {
        match (name, &mut *self) {
            ("table", _) => {
                self.close_row(out);
                out.push_str("\n\n");
                *self = Self::Between;
            }
            ("/table", _) => {
                self.close_row(out);
                out.push_str("\n\n");
                *self = Self::Outside;
            }
            ("tr", _) => {
                self.close_row(out);
                out.push_str("\n| ");
                *self = Self::Row(Row::default());
            }
            ("/tr" | "thead" | "/thead" | "tbody" | "/tbody" | "tfoot" | "/tfoot", Self::Row(_)) => self.close_row(out),
            ("td" | "th", Self::Row(row)) => row.open_cell(name == "th", out),
            ("/td" | "/th", Self::Row(row)) => row.close_cell(out),
            ("/tr" | "thead" | "/thead" | "tbody" | "/tbody" | "tfoot" | "/tfoot", Self::Between)
            | ("col" | "colgroup" | "/colgroup" | "caption" | "/caption", Self::Between) => {}
            (_, Self::Row(row)) => {
                if row.is_of_page(name, out) {
                    *self = Self::Outside;
                    return false;
                }
                out.push_str(if name == "li" { "; " } else { " " });
            }
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
        check("<table><tr><th><p>System</p></th><th><p>Where</p></th></tr></table>", &["| System | Where |", "|-|"]);
        check("<table><tr><td>Kiel<br/>Bonn<BR />Ulm</td></tr></table>", &["| Kiel Bonn Ulm |"]);
    }

    #[test]
    fn a_row_is_a_head_only_where_nothing_else_stands_in_it() {
        check("<table><tr><th scope=\"row\">E-mail</th><td>CRM</td></tr></table>", &["| E-mail | CRM |"]);
        check("<table><tr><td>&nbsp;</td><th>CRM</th></tr></table>", &["| | CRM |", "|-|"]);
        check("<table><tr><td></td><th></th></tr></table>", &["| | |"]);
    }

    #[test]
    fn end_tags_may_be_left_away() {
        let rows = ["| System | Where |", "|-|", "| CRM | Kiel |", "| Mail | Bonn |", "Then."];
        check("<table><tr><th>System<th>Where<tr><td>CRM<td>Kiel<tr><td>Mail<td>Bonn</table>Then.", &rows);
        let parts = "<table><thead><tr><th>System<th>Where<tbody><tr><td>CRM<td>Kiel<tr><td>Mail<td>Bonn</table>Then.";
        check(parts, &rows);
    }

    #[test]
    fn tags_that_mean_nothing_here_leave_a_row_and_a_table_whole() {
        let odd = "<font color=red>CRM</font> of<small>Kiel</small><img src=x><o:p></o:p><code>x</code><!-- <td> -->";
        check(&format!("<table><tr><td>{odd}</td><td>b</td></tr></table>"), &["| CRM of Kiel x | b |"]);
        let between = "<caption>Ours</caption><colgroup><col><col/></colgroup>";
        check(
            &format!("<table>{between}<tr><th>System</th></tr><!-- a > b --><col><tr><td>CRM</td></tr></table>"),
            &["Ours", "| System |", "|-|", "| CRM |"],
        );
        assert!(
            !as_text("<table><tr><th>A</th></tr><!-- a --><col><tr><td>b</td></tr></table>").trim().contains("\n\n")
        );
        check("a<!-- never ends", &["a"]);
    }

    #[test]
    fn a_page_that_is_laid_out_as_a_table_stays_a_page() {
        check(
            "<table><tr><td><h1>Privacy</h1><p>One.</p><p>Two.</p></td></tr></table>",
            &["|", "# Privacy", "One.", "Two."],
        );
        check("<table><tr><td><p>One.</p><p>Two.</p></td></tr></table>", &["| One.", "Two."]);
        let long = "x".repeat(super::MAX_CELL + 1);
        for tag in ["<br>", "<br/>", "<div>", "<ul>", "<ol>", "<p>"] {
            check(
                &format!("<table><tr><td>{long}{tag}One.<br>Two.</td></tr></table>"),
                &[&format!("| {long}"), "One.", "Two."],
            );
        }
        check(&format!("<table><tr><td>{long}<li>One.</td></tr></table>"), &[&format!("| {long}"), "- One."]);
    }

    #[test]
    fn tables_that_are_broken_end_somewhere() {
        for (html, expected) in [
            ("<table", &[][..]),
            ("<table>", &[]),
            ("<th>", &[]),
            ("</tr></table>", &[]),
            ("<tr><td>a", &["| a"]),
            ("<td>a</td>", &["a"]),
            ("<table><tr><th>a<tr><td>b", &["| a |", "|-|", "| b"]),
            ("<table>a<tr><td>b</table>c", &["a", "| b |", "c"]),
            ("<table><tr><td>a<table><tr><td>b</table>c", &["| a |", "| b |", "c"]),
        ] {
            check(html, expected);
        }
    }
}
