//! Changes of the file's text: a grant that is added, grants that are taken away. Whatever else stands in the file stays
//! as it is, byte for byte.
//!
//! Says what the new text is; whether it is to be written is for others to say.

use crate::toml_text::quoted;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Why a text can't be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is no TOML, or its grants are no tables: whoever read the file has said so.
    #[error("the file has no grants that can be read")]
    Unreadable,
    /// Its grants are one value, `grant = [{…}]`, to which no table can be added.
    #[error("its grants are written as one list, `grant = […]`, and not as tables under `[[grant]]`")]
    OneList,
}

/// The text of a `[[grant]]`, which ends with a line break.
#[must_use]
pub fn grant_table(component: &str, allow: &[String], reason: Option<&str>) -> String {
    let list: Vec<String> = allow.iter().map(|capability| quoted(capability)).collect();
    let allow = match list.as_slice() {
        [one] => format!("[{one}]"),
        _ => format!("[\n  {},\n]", list.join(",\n  ")),
    };
    let mut text = format!("[[grant]]\ncomponent = {}\nallow = {allow}\n", quoted(component));
    if let Some(reason) = reason {
        // Writing to a String can't fail.
        let _ = writeln!(text, "reason = {}", quoted(reason));
    }
    text
}

/// The text with one more table, as [`grant_table`] makes it: after the last of its kind, or at the end.
///
/// # Errors
/// When the text's grants are no tables.
pub fn with_grant(text: &str, table: &str) -> Result<String, EditError> {
    let last = tables(text)?.pop();
    let at = last.map_or(text.len(), |last| past_own_comments(text, last.lines.end));
    let (before, after) = text.split_at(at);
    let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut new = before.to_owned();
    if !before.is_empty() && !before.ends_with('\n') {
        new.push_str(line_break);
    }
    if !before.trim_end_matches(['\r', '\n']).is_empty() && !ends_with_blank_line(before) {
        new.push_str(line_break);
    }
    new.push_str(&table.replace('\n', line_break));
    if !after.is_empty() && !after.starts_with(['\r', '\n']) {
        new.push_str(line_break);
    }
    new.push_str(after);
    Ok(new)
}

/// The text without these capabilities, each the number of its table and its own in the table's `allow`. A table that
/// would have none is taken away as a whole.
///
/// # Errors
/// When the text's grants are no tables.
pub fn without_grants(text: &str, gone: &BTreeSet<(usize, usize)>) -> Result<String, EditError> {
    let mut cuts: Vec<Range<usize>> = Vec::new();
    for (number, table) in tables(text)?.into_iter().enumerate() {
        let of_table = |index: &usize| gone.contains(&(number, *index));
        let numbers: Vec<usize> = (0..table.allow.len()).filter(of_table).collect();
        if numbers.is_empty() {
            continue;
        }
        if numbers.len() == table.allow.len() {
            cuts.push(with_one_blank_line(text, table.lines));
        } else {
            let cut = |index: &usize| item_and_comma(text, &table.allow, *index);
            cuts.extend(numbers.iter().filter_map(cut).flat_map(|(item, comma)| [item, comma]));
        }
    }
    let mut new = String::with_capacity(text.len());
    let mut from = 0;
    for cut in cuts {
        new.push_str(text.get(from..cut.start).unwrap_or_default());
        from = from.max(cut.end);
    }
    new.push_str(text.get(from..).unwrap_or_default());
    Ok(new)
}

/// Where a table stands.
struct Found {
    /// Whole lines, from that of its header to that on which its last value ends.
    lines: Range<usize>,
    /// Each capability of its `allow`.
    allow: Vec<Range<usize>>,
}

fn tables(text: &str) -> Result<Vec<Found>, EditError> {
    let file = DeTable::parse(text).map_err(|_| EditError::Unreadable)?.into_inner();
    let Some(value) = file.get("grant") else { return Ok(Vec::new()) };
    let list = value.get_ref().as_array().ok_or(EditError::Unreadable)?;
    let mut found = Vec::new();
    for one in list.iter() {
        let DeValue::Table(table) = one.get_ref() else { return Err(EditError::Unreadable) };
        let at = one.span();
        if !text.get(at.start..).is_some_and(|rest| rest.starts_with("[[")) {
            return Err(EditError::OneList);
        }
        let ends = table.iter().map(|(_, value)| value.span().end);
        let end = ends.max().unwrap_or(at.end).max(at.end);
        let allow = table.get("allow").and_then(|allow| allow.get_ref().as_array());
        let allow = allow.into_iter().flatten().map(toml::Spanned::span).collect();
        found.push(Found { lines: line_start(text, at.start)..line_end(text, end), allow });
    }
    Ok(found)
}

/// Where the line begins in which a place lies.
fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

/// Where the line ends in which a place lies, its break included.
fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |found| at + found + 1)
}

fn ends_with_blank_line(text: &str) -> bool {
    text.strip_suffix('\n').is_some_and(|text| text.trim_end_matches([' ', '\t', '\r']).ends_with('\n'))
}

/// The place after the comments that follow a table at once. They belong to it, unless they stand right above something.
fn past_own_comments(text: &str, table_end: usize) -> usize {
    let mut at = table_end;
    for line in text.get(table_end..).unwrap_or_default().split_inclusive('\n') {
        match line.trim() {
            comment if comment.starts_with('#') => at += line.len(),
            "" => return at,
            _ => return table_end,
        }
    }
    at
}

/// These lines, with one of the blank lines that would stand there together without them.
fn with_one_blank_line(text: &str, lines: Range<usize>) -> Range<usize> {
    let (before, after) = (text.get(..lines.start).unwrap_or_default(), text.get(lines.end..).unwrap_or_default());
    if !before.is_empty() && !ends_with_blank_line(before) {
        return lines;
    }
    match after.split_inclusive('\n').next() {
        Some(next) if next.trim().is_empty() => lines.start..lines.end + next.len(),
        Some(_) => lines,
        None => {
            let blank = before.trim_end_matches(['\r', '\n', ' ', '\t']);
            let start = line_end(text, blank.len()).min(lines.start);
            if blank.is_empty() { 0..lines.end } else { start..lines.end }
        }
    }
}

/// What goes with an item of a list: the comma after it, or, where there is none, the one before; a line that would be
/// left blank; never a comment.
fn item_and_comma(text: &str, items: &[Range<usize>], number: usize) -> Option<(Range<usize>, Range<usize>)> {
    let item = items.get(number)?;
    let and_no_more = |cut: Range<usize>| Some((cut.clone(), cut.end..cut.end));
    let between = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let comma = past_blanks_and_comments(text, item.end);
    if !between(comma, text.len()).starts_with(',') {
        // The comma before it may stay where there is more than blanks around it.
        let before = number.checked_sub(1).and_then(|before| items.get(before));
        let start = before.map(|before| before.end).filter(|end| between(*end, item.start).trim() == ",");
        return and_no_more(start.unwrap_or(item.start)..item.end);
    }
    if !between(item.end, comma).trim().is_empty() {
        return Some((item.clone(), comma..comma + 1));
    }
    let blank = [' ', '\t'];
    let rest = between(comma + 1, text.len());
    let next = text.len() - rest.trim_start_matches(blank).len();
    let start = line_start(text, item.start);
    let alone = between(start, item.start).trim_matches(blank).is_empty();
    let ends = between(next, text.len()).trim_start_matches('\r').starts_with('\n');
    and_no_more(if alone && ends { start..line_end(text, next) } else { item.start..next })
}

fn past_blanks_and_comments(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at = text.len() - rest.trim_start().len();
        if !rest.trim_start().starts_with('#') {
            return at;
        }
        at = line_end(text, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "[[grant]]\ncomponent = \"acme:b\"\nallow = [\"fs-read=b\"]\n";
    const FILE: &str = "\
# Of the shop.
[aliases]
x = \"acme:x\" # short

# For the audit.
[[grant]]   # in May
component = \"acme:a\"
allow = [\"fs-read=a\", 'sql=a.db', \"fs-read=c\"] # three
reason = \"why\"
# until June

[[deny]]
deny = [\"fs-read=hr\"]

[[grant]]
component = \"acme:b\"
allow = [
  \"fs-read=a\", # the first
  \"fs-read=b\",

  # by hand
  \"fs-read=c\"
]
# Last.
[ceilings]
memory = \"1 GiB\"
";

    fn check_added(text: &str, expected: &str) {
        assert_eq!(with_grant(text, TABLE).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn a_table_is_added_after_the_last_of_its_kind_or_at_the_end() {
        check_added("", TABLE);
        check_added("a = 1", &format!("a = 1\n\n{TABLE}"));
        check_added("a = 1\n\n", &format!("a = 1\n\n{TABLE}"));
        check_added("a = 1\r\n", &format!("a = 1\r\n\r\n{}", TABLE.replace('\n', "\r\n")));
        check_added(&format!("{TABLE}# own\n\n[b]\n"), &format!("{TABLE}# own\n\n{TABLE}\n[b]\n"));
        check_added(&format!("{TABLE}# of b\n[b]\n"), &format!("{TABLE}\n{TABLE}\n# of b\n[b]\n"));
        let (before, after) = FILE.split_once("# Last.").unwrap();
        check_added(FILE, &format!("{before}\n{TABLE}\n# Last.{after}"));
        assert_eq!(with_grant("grant = [{component = \"acme:a\"}]", TABLE), Err(EditError::OneList));
        assert_eq!(with_grant("grant = 3", TABLE), Err(EditError::Unreadable));
        assert_eq!(with_grant("[", TABLE), Err(EditError::Unreadable));
    }

    fn check_gone(gone: &[(usize, usize)], from: &str, to: &str) {
        assert!(FILE.contains(from), "{from}");
        let expected = FILE.replacen(from, to, 1);
        assert_eq!(without_grants(FILE, &gone.iter().copied().collect()).as_deref(), Ok(expected.as_str()), "{gone:?}");
    }

    #[test]
    fn what_is_taken_away_leaves_the_rest_as_it_is() {
        check_gone(&[], "[", "[");
        check_gone(&[(0, 0)], "[\"fs-read=a\", 'sql", "['sql");
        check_gone(&[(0, 1)], "'sql=a.db', ", "");
        check_gone(&[(0, 2)], "'sql=a.db', \"fs-read=c\"]", "'sql=a.db']");
        check_gone(&[(0, 0), (0, 1)], "\"fs-read=a\", 'sql=a.db', ", "");
        check_gone(&[(1, 0)], "  \"fs-read=a\", # the first", "  # the first");
        check_gone(&[(1, 1)], "  \"fs-read=b\",\n", "");
        check_gone(&[(1, 2)], "  \"fs-read=c\"\n", "  \n");
        let table = FILE.split_once("[[grant]]   #").unwrap().1.split_once("# until").unwrap().0;
        check_gone(&[(0, 0), (0, 1), (0, 2)], &format!("[[grant]]   #{table}"), "");
        let table = FILE.split_once("\"fs-read=hr\"]\n\n").unwrap().1.split_once("# Last").unwrap().0;
        check_gone(&[(1, 0), (1, 1), (1, 2)], table, "");
    }

    #[test]
    fn one_blank_line_goes_with_a_table() {
        let check = |text: &str, expected: &str| {
            assert_eq!(without_grants(text, &BTreeSet::from([(0, 0)])).as_deref(), Ok(expected), "{text}");
        };
        check(TABLE, "");
        check(&format!("[a]\n\n{TABLE}\n[b]\n"), "[a]\n\n[b]\n");
        check(&format!("[a]\n{TABLE}\n[b]\n"), "[a]\n\n[b]\n");
        check(&format!("[a]\n\n{TABLE}"), "[a]\n");
        check(&format!("\n\n{TABLE}"), "");
        check(&format!("{TABLE}\n[b]\n"), "[b]\n");
    }

    fn some_items() -> impl Strategy<Value = String> {
        let item = proptest::sample::select(vec!["\"fs-read=a\"", "'sql=b, c]'", "\"fs-read=[#\""]);
        let between = proptest::sample::select(vec!["", " ", "\n  ", "\r\n", " # a, \"b\"]\n", "\n\n# x\n"]);
        let items = proptest::collection::vec((between.clone(), item, between.clone()), 1..5);
        (items, any::<bool>(), between).prop_map(|(items, comma, last)| {
            let items: Vec<_> =
                items.into_iter().map(|(before, item, after)| format!("{before}{item}{after}")).collect();
            format!("{}{}{last}", items.join(","), if comma { "," } else { "" })
        })
    }

    fn values(text: &str) -> toml::Table {
        toml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    proptest! {
        /// As data, the text is what it was, with what was added and without what was taken away.
        #[test]
        fn the_data_are_those_that_were_meant(
            lists in proptest::collection::vec((some_items(), proptest::sample::select(vec!["", "\n", "# c\n", "[b]\nx = 1\n\n"])), 0..4),
            gone in proptest::collection::btree_set((0_usize..4, 0_usize..5), 0..8),
        ) {
            prop_assume!(lists.iter().filter(|(_, between)| between.starts_with('[')).count() <= 1);
            let tables = lists.iter().map(|(list, after)| format!("[[grant]]\nallow = [{list}] # of it\n{after}"));
            let text = tables.collect::<String>();
            let allowed = |file: &toml::Table| -> Vec<toml::Value> {
                file.get("grant").and_then(toml::Value::as_array).cloned().unwrap_or_default()
            };
            let old = values(&text);
            let added = values(&with_grant(&text, TABLE).unwrap());
            prop_assert_eq!(old.get("b"), added.get("b"));
            let mut added = allowed(&added);
            prop_assert!(added.pop().is_some());
            prop_assert_eq!(added, allowed(&old));
            let less = values(&without_grants(&text, &gone).unwrap());
            prop_assert_eq!(old.get("b"), less.get("b"));
            let kept = allowed(&old).into_iter().enumerate().filter_map(|(number, mut table)| {
                let list = table.get_mut("allow")?.as_array_mut()?;
                let mut index = 0..;
                list.retain(|_| !gone.contains(&(number, index.next().unwrap_or_default())));
                (!list.is_empty()).then_some(table)
            });
            prop_assert_eq!(allowed(&less), kept.collect::<Vec<_>>());
        }
    }
}
