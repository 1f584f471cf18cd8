//! Writes a tree as YAML that people read and every reader of YAML, 1.1 or 1.2, understands alike.

use crate::yaml::{Data, Entry, Node};
use std::fmt::Write as _;

/// Words that some reader takes for something other than a text.
const NO_TEXTS: [&str; 14] =
    ["null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "<<", "="];

/// Writes a value as one document.
pub(crate) fn write(node: &Node) -> String {
    let mut out = String::new();
    match &node.data {
        Data::Map(entries) if !entries.is_empty() => block(&mut out, node, 0),
        Data::List(list) if !list.is_empty() => block(&mut out, node, 0),
        _ => {
            let _ = writeln!(out, "{}", scalar(node));
        }
    }
    out
}

fn block(out: &mut String, node: &Node, indent: usize) {
    match &node.data {
        Data::Map(entries) => {
            for Entry { key, value, .. } in entries {
                let _ = write!(out, "{:indent$}{}:", "", text(key));
                entry(out, value, indent + 2);
            }
        }
        Data::List(list) => {
            for node in list {
                match &node.data {
                    // The first key stands behind the dash.
                    Data::Map(entries) if !entries.is_empty() => {
                        let mut inner = String::new();
                        block(&mut inner, node, indent + 2);
                        let _ = write!(out, "{:indent$}- {}", "", inner.trim_start_matches(' '));
                    }
                    _ => {
                        let _ = write!(out, "{:indent$}-", "");
                        entry(out, node, indent + 2);
                    }
                }
            }
        }
        _ => {}
    }
}

/// What stands behind `key:` or `-`.
fn entry(out: &mut String, node: &Node, indent: usize) {
    let nested = match &node.data {
        Data::Map(entries) => !entries.is_empty(),
        Data::List(list) => list.iter().any(|node| !is_short(node)),
        _ => false,
    };
    if nested {
        out.push('\n');
        block(out, node, indent);
    } else {
        let _ = writeln!(out, " {}", scalar(node));
    }
}

fn is_short(node: &Node) -> bool {
    match &node.data {
        Data::Text(text) => text.len() <= 40,
        Data::List(list) => list.is_empty(),
        Data::Map(entries) => entries.is_empty(),
        _ => true,
    }
}

/// A value on one line.
fn scalar(node: &Node) -> String {
    match &node.data {
        Data::Text(string) => text(string),
        Data::List(list) => format!("[{}]", list.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        // Numbers, `true`, `null` and `{}` are the same in JSON.
        _ => node.to_json().to_string(),
    }
}

/// A text: plain where nobody can take it for anything else, else as JSON writes it, which is YAML too.
fn text(string: &str) -> String {
    // What starts with a digit is no number if it has a letter that none has.
    let no_number = |c: char| c.is_alphabetic() && !"eExXoObB".contains(c);
    let plain_start = string.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '/' || c == '.')
        || string.starts_with(|c: char| c.is_ascii_digit()) && string.contains(no_number);
    let plain = |c: char| c.is_alphanumeric() || " _-./@()'+$".contains(c);
    let is_text = !NO_TEXTS.iter().any(|word| word.eq_ignore_ascii_case(string)) && string.parse::<f64>().is_err();
    if plain_start && is_text && string.chars().all(plain) && !string.ends_with(' ') && !string.contains(" #") {
        return string.to_owned();
    }
    serde_json::Value::String(string.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Source, Span};
    use crate::yaml::{Budget, Dialect, read};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn written(value: &Value) -> String {
        write(&Node::from_json(value, Span::default()))
    }

    fn reads_back(value: &Value) {
        let written = written(value);
        for dialect in [Dialect::V11, Dialect::V12] {
            let (node, diagnostics) = read(&Source::new("x", written.clone()), Budget::RUNBOOK, dialect);
            assert!(diagnostics.iter().all(|told| !told.is_error()), "{written}\n{diagnostics:?}");
            assert_eq!(node.unwrap().to_json(), *value, "{written}");
        }
    }

    #[test]
    fn it_reads_well() {
        let value = json!({
            "name": "A: b", "on": "yes", "list": ["a", 1, true, null], "empty": {}, "none": [],
            "steps": [{"id": "x", "config": {"path": "./data", "n": 1.5, "date": "2024-01-31"}}, {"id": "y"}],
            "long": ["a text that is longer than what fits on a line with others", "b"],
        });
        assert_eq!(
            written(&value),
            "empty: {}\nlist: [a, 1, true, null]\nlong:\n  - a text that is longer than what fits on a line with others\n  - \
             b\nname: \"A: b\"\nnone: []\n\"on\": \"yes\"\nsteps:\n  - config:\n      date: \"2024-01-31\"\n      \"n\": 1.5\n      \
             path: ./data\n    id: x\n  - id: \"y\"\n"
        );
        reads_back(&value);
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back(texts in proptest::collection::vec("\\PC{0,12}", 1..6), numbers in proptest::collection::vec(any::<i32>(), 0..4)) {
            reads_back(&json!({"texts": texts, "numbers": numbers, "map": {"k": texts}, "list": [{"a": texts}, texts]}));
        }
    }
}
