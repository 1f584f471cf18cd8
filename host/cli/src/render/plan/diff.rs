//! The differences between two plans, for people.

use super::{Style, foreign, heading, shown_amount, table};
use palisade_model::RunLimitKind;
use palisade_runbook::{Change, Difference, Measure, Subject, UNBOUNDED};
use serde_json::Value;
use std::fmt::Write as _;

/// The differences as text; each line begins with `+` where there is more, `-` where there is less, `~` else.
pub(crate) fn human(differences: &[Difference]) -> String {
    let mut out = String::new();
    table(&mut out, &differences.iter().map(row).collect::<Vec<_>>());
    let more = differences.iter().filter(|difference| is_more(difference.change)).count();
    let _ = match differences.len() {
        0 => writeln!(out, "no differences"),
        1 => writeln!(out, "1 difference"),
        number => writeln!(out, "{number} differences, {more} of them new or higher"),
    };
    out
}

/// What a runbook reaches and runs that its caller does not.
pub(crate) fn beyond_caller(differences: &[Difference], style: Style<'_>) -> String {
    let mut out = format!("\n{}\n", heading(style, "What its caller does not do itself"));
    if differences.is_empty() {
        out.push_str("  nothing\n");
    }
    table(&mut out, &differences.iter().map(row).collect::<Vec<_>>());
    out
}

fn is_more(change: Change) -> bool {
    matches!(change, Change::New | Change::Higher)
}

fn row(difference: &Difference) -> Vec<String> {
    let Difference { subject, change, what, old, new } = difference;
    let (mark, word) = match change {
        Change::New => ("+", "new"),
        Change::Higher => ("+", "higher"),
        Change::Changed => ("~", "changed"),
        Change::Lower => ("-", "lower"),
        Change::Removed => ("-", "removed"),
    };
    let values = match change {
        Change::New => value(*subject, what, new),
        Change::Removed => value(*subject, what, old),
        _ => format!("{} → {}", value(*subject, what, old), value(*subject, what, new)),
    };
    let what = Measure::from_key(what)
        .filter(|_| *subject == Subject::Bound)
        .map_or_else(|| foreign(what), |measure| super::worst::name(measure).to_owned());
    vec![mark.to_owned(), word.to_owned(), name(*subject), what, values]
}

fn name(subject: Subject) -> String {
    match subject {
        Subject::Power => "power",
        Subject::Scope => "scope",
        Subject::Component => "component",
        Subject::Digest => "code",
        Subject::Whitelist => "may use",
        Subject::Data => "data",
        Subject::Label => "label",
        Subject::Ruleset => "ruleset",
        Subject::Bound => "bound",
        Subject::RunLimit => "limit",
        Subject::Step => "step",
        Subject::Work => "settings",
        Subject::Output => "result",
    }
    .to_owned()
}

fn value(subject: Subject, what: &str, value: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (subject, value) {
        (Subject::Bound, value) => {
            let amount = value.as_u64().unwrap_or(UNBOUNDED);
            Measure::from_key(what).map_or_else(|| amount.to_string(), |measure| shown_amount(measure, amount))
        }
        (Subject::RunLimit, Value::Number(number)) => {
            let amount = number.as_u64().unwrap_or(UNBOUNDED);
            RunLimitKind::from_key(what).map_or_else(|| number.to_string(), |kind| kind.show(amount))
        }
        (_, Value::Null) => String::new(),
        (_, Value::Array(values)) => {
            foreign(&values.iter().map(|value| short(&text(value))).collect::<Vec<_>>().join(", "))
        }
        (_, value) => foreign(&short(&text(value))),
    }
}

/// Digests as people compare them.
fn short(text: &str) -> String {
    let digest = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split(' ').map(|word| if digest(word) { word.get(..12).unwrap_or(word) } else { word });
    words.collect::<Vec<_>>().join(" ")
}
