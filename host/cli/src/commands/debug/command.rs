//! What a person says to the debugger: one command a line, each with its abbreviations.

use palisade_model::neutral;
use palisade_runbook::{Condition, suggestion};
use serde_json::Value;
use std::collections::BTreeMap;

/// Items on a page.
const PAGE: u64 = 10;
/// Most characters of a line that are said again.
const MAX_CHARS: usize = 80;

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Help,
    /// Stops there each time.
    Break(Breakpoint),
    /// All breakpoints.
    Breaks,
    /// Forgets that breakpoint, by its number; none = all.
    Delete(Option<usize>),
    /// Up to the next stop of this run: before a step or after it.
    Step,
    /// As `step`, also in a child run.
    Into,
    /// Up to the next step of this run.
    Next,
    /// Up to what stands behind the items, or the child run, in which it is.
    Out,
    /// Up to a breakpoint.
    Continue,
    /// How the run stands, or what a step is told to do.
    Show(Option<String>),
    /// The artifacts.
    List,
    /// Items of an artifact.
    Print(Print),
    /// The latest events.
    Events(usize),
    /// Sets a value in a config, as `STEP.PATH=VALUE`.
    Set(String),
    /// Gives an input, as `NAME=PATH`.
    Input(String),
    /// One stop back.
    Back,
    /// To the place behind an event.
    Goto(u64),
    /// A new run from here, or from before a step.
    Fork(Option<String>),
    Quit,
}

/// When the debugger stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breakpoint {
    pub(crate) when: When,
    /// Which steps: an id, a way to a step of a child (`child/step`), `label:LABEL`, each with `*` for any characters.
    pub(crate) what: String,
    /// Which item of a map: its number, from 1, or `*`; none = the step.
    pub(crate) item: Option<String>,
}

/// The side of a step on which a breakpoint lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
    Failure,
}

/// A page of an artifact.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Print {
    pub(crate) artifact: String,
    /// The first item that is looked at, from 0.
    pub(crate) from: u64,
    pub(crate) most: u64,
    pub(crate) filter: Filter,
}

/// Which items are shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    All,
    /// Those of which the field, or the place at a dotted path, is this text.
    Field {
        path: String,
        value: String,
    },
    /// Those for which this holds of `item`.
    Condition(Box<Condition>),
}

/// A command: its name, what it is said to take, what it does, its short forms.
struct Known {
    name: &'static str,
    short: &'static [&'static str],
    takes: &'static str,
    does: &'static str,
}

const KNOWN: [Known; 18] = [
    Known {
        name: "break",
        short: &["b"],
        takes: "[before|after|failure] STEP[ITEM]",
        does: "stops there: STEP is an id, `child/step`, `label:LABEL`, or has a `*`; `map[3]` is an item of a map, `map[*]` each",
    },
    Known { name: "breaks", short: &[], takes: "", does: "shows all breakpoints" },
    Known { name: "delete", short: &["d"], takes: "[N]", does: "forgets a breakpoint, or all" },
    Known {
        name: "step",
        short: &["s"],
        takes: "[into]",
        does: "goes to the next stop: before a step or an item of a map, or after it; `step into` also in child runs",
    },
    Known { name: "into", short: &["i"], takes: "", does: "is `step into`" },
    Known { name: "next", short: &["n"], takes: "", does: "goes to the next step of this run, or the next item" },
    Known {
        name: "out",
        short: &["o"],
        takes: "",
        does: "goes behind the items of the map, or the child run, in which it is",
    },
    Known { name: "continue", short: &["c"], takes: "", does: "goes on to a breakpoint, or to the end" },
    Known {
        name: "show",
        short: &["w"],
        takes: "[STEP]",
        does: "shows how the run stands, or what a step is told to do",
    },
    Known { name: "list", short: &["l"], takes: "", does: "lists the artifacts that are there" },
    Known {
        name: "print",
        short: &["p"],
        takes: "ARTIFACT [FROM[+COUNT]] [FIELD=VALUE | where CONDITION]",
        does: "shows items; CONDITION is CEL over `item`",
    },
    Known { name: "events", short: &["e"], takes: "[N]", does: "shows the latest N events" },
    Known {
        name: "set",
        short: &[],
        takes: "STEP.PATH=VALUE",
        does: "sets a value in the config of a step that has not run",
    },
    Known { name: "input", short: &[], takes: "NAME=PATH", does: "gives another input to steps that have not run" },
    Known { name: "back", short: &["u"], takes: "", does: "goes one stop back (in a run that is looked at)" },
    Known { name: "goto", short: &["g"], takes: "N", does: "goes behind event N (in a run that is looked at)" },
    Known {
        name: "fork",
        short: &[],
        takes: "[STEP]",
        does: "makes a new run from here, and debugs it (in a run that is looked at)",
    },
    Known { name: "quit", short: &["q", "exit"], takes: "", does: "ends; a run that goes on can be resumed" },
];

/// Every command, with what it does.
pub(crate) fn help() -> String {
    /// Columns of what is typed.
    const WIDTH: usize = 38;
    let mut lines = vec!["an empty line says the last command again; what is clear can be cut short".to_owned()];
    for Known { name, short, takes, does } in &KNOWN {
        let names = std::iter::once(name).chain(short.iter()).copied().collect::<Vec<_>>().join(", ");
        let usage = format!("{names} {takes}").trim_end().to_owned();
        // What does not fit beside it stands below.
        let gap = if usage.len() > WIDTH { format!("\n  {:WIDTH$}", "") } else { String::new() };
        lines.push(format!("{usage:WIDTH$}{gap}  {does}"));
    }
    lines.join("\n  ")
}

/// Reads a line; none if it is empty.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(line: &str) -> Result<Option<Command>, String> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim()));
    if word.is_empty() {
        return Ok(None);
    }
    if ["help", "h", "?"].contains(&word) {
        return Ok(Some(Command::Help));
    }
    let known = find(word)?;
    let usage =
        || format!("`{}`: it takes {}", known.name, if known.takes.is_empty() { "nothing" } else { known.takes });
    let nothing = |command: Command| if rest.is_empty() { Ok(command) } else { Err(usage()) };
    let optional = || (!rest.is_empty()).then(|| rest.to_owned());
    let wanted = || optional().ok_or_else(usage);
    let command = match known.name {
        "break" => Command::Break(breakpoint(rest).ok_or_else(usage)?),
        "breaks" => nothing(Command::Breaks)?,
        "delete" => Command::Delete(optional().map(|number| number.parse().map_err(|_| usage())).transpose()?),
        "step" if ["into", "i"].contains(&rest) => Command::Into,
        "step" => nothing(Command::Step)?,
        "into" => nothing(Command::Into)?,
        "next" => nothing(Command::Next)?,
        "out" => nothing(Command::Out)?,
        "continue" => nothing(Command::Continue)?,
        "show" => Command::Show(optional()),
        "list" => nothing(Command::List)?,
        "print" => Command::Print(print(rest)?.ok_or_else(usage)?),
        "events" => Command::Events(optional().map_or(Ok(PAGE as usize), |count| count.parse().map_err(|_| usage()))?),
        "set" => Command::Set(wanted()?),
        "input" => Command::Input(wanted()?),
        "back" => nothing(Command::Back)?,
        "goto" => Command::Goto(rest.parse().map_err(|_| usage())?),
        "fork" => Command::Fork(optional()),
        _ => nothing(Command::Quit)?,
    };
    Ok(Some(command))
}

/// The command of that name, of one of its short forms, or the only one that begins so.
fn find(word: &str) -> Result<&'static Known, String> {
    let is = |known: &&Known| known.name == word || known.short.contains(&word);
    if let Some(known) = KNOWN.iter().find(is) {
        return Ok(known);
    }
    let shown = neutral::line(word, MAX_CHARS);
    match KNOWN.iter().filter(|known| known.name.starts_with(word)).collect::<Vec<_>>().as_slice() {
        [known] => Ok(known),
        // Whose name all others begin with is meant where nothing says which.
        [known, others @ ..] if others.iter().all(|other| other.name.starts_with(known.name)) => Ok(known),
        [] => {
            let help = suggestion(word, KNOWN.iter().map(|known| known.name));
            let help = help.filter(|help| help.starts_with("did you")).unwrap_or_else(|| "`help` shows all".to_owned());
            Err(format!("there is no command `{shown}`; {help}"))
        }
        several => {
            let names: Vec<_> = several.iter().map(|known| format!("`{}`", known.name)).collect();
            Err(format!("`{shown}` could be {}", names.join(" or ")))
        }
    }
}

fn breakpoint(rest: &str) -> Option<Breakpoint> {
    let mut words = rest.split_whitespace();
    let first = words.next()?;
    let (when, what) = match (first, words.next()) {
        ("before", Some(what)) => (When::Before, what),
        ("after", Some(what)) => (When::After, what),
        ("failure" | "fail", what) => (When::Failure, what.unwrap_or("*")),
        (what, None) => (When::Before, what),
        _ => return None,
    };
    let (what, item) = match what.strip_suffix(']').and_then(|what| what.split_once('[')) {
        Some((what, item)) => (what, Some(item)),
        None => (what, None),
    };
    let is_item =
        item.is_none_or(|item| item == "*" || item.parse::<u64>().is_ok_and(|number| number.to_string() == item));
    let is_whole = words.next().is_none() && is_item && !what.is_empty() && !what.contains(['[', ']']);
    is_whole.then(|| Breakpoint { when, what: what.to_owned(), item: item.map(str::to_owned) })
}

fn print(rest: &str) -> Result<Option<Print>, String> {
    let (artifact, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if artifact.is_empty() {
        return Ok(None);
    }
    let rest = rest.trim();
    let (first, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (from, most) = first.split_once('+').unwrap_or((first, ""));
    let (page, filter) = match (from.parse(), most) {
        (Ok(from), "") => (Some((from, PAGE)), behind.trim()),
        (Ok(from), most) => match most.parse() {
            Ok(most) => (Some((from, most)), behind.trim()),
            Err(_) => return Ok(None),
        },
        (Err(_), _) => (None, rest),
    };
    let (from, most) = page.unwrap_or((0, PAGE));
    let Some(filter) = filter_of(filter)? else { return Ok(None) };
    Ok(Some(Print { artifact: artifact.to_owned(), from, most, filter }))
}

fn filter_of(text: &str) -> Result<Option<Filter>, String> {
    if text.is_empty() {
        return Ok(Some(Filter::All));
    }
    if let Some(condition) = text.strip_prefix("where ") {
        let condition = Condition::parse(condition.trim()).map_err(|error| error.to_string())?;
        if let Some(other) = condition.names().find(|name| *name != "item") {
            let other = neutral::line(other, MAX_CHARS);
            return Err(format!("the condition speaks of `{other}`; here it can speak of `item` alone"));
        }
        return Ok(Some(Filter::Condition(Box::new(condition))));
    }
    let field = text.split_once('=').filter(|(path, _)| !path.is_empty() && !path.contains(char::is_whitespace));
    Ok(field.map(|(path, value)| Filter::Field { path: path.to_owned(), value: value.to_owned() }))
}

impl Filter {
    /// Whether an item is to be shown.
    ///
    /// # Errors
    /// Why a condition has no answer for it.
    pub(crate) fn takes(&self, item: &Value) -> Result<bool, String> {
        match self {
            Self::All => Ok(true),
            Self::Field { path, value } => {
                let found = item.pointer(&format!("/{}", path.replace('.', "/")));
                Ok(found.is_some_and(|found| match found {
                    Value::String(text) => text == value,
                    other => other.to_string().as_str() == value.as_str(),
                }))
            }
            Self::Condition(condition) => {
                let documents = BTreeMap::from([("item".to_owned(), item.clone())]);
                condition.evaluate(&documents).map_err(|error| error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(line: &str, expected: Result<Option<Command>, &str>) {
        assert_eq!(parse(line), expected.map_err(str::to_owned), "{line}");
    }

    #[test]
    fn a_command_may_be_cut_short_as_long_as_it_is_clear() {
        let of = |when, what: &str, item: Option<&str>| {
            Ok(Some(Command::Break(Breakpoint { when, what: what.to_owned(), item: item.map(str::to_owned) })))
        };
        let at = |when, what| of(when, what, None);
        check("  ", Ok(None));
        check("c", Ok(Some(Command::Continue)));
        check("cont", Ok(Some(Command::Continue)));
        check("step  into", Ok(Some(Command::Into)));
        check("b files", at(When::Before, "files"));
        check("break after child/*", at(When::After, "child/*"));
        check("bre fail", at(When::Failure, "*"));
        check("b each[3]", of(When::Before, "each", Some("3")));
        check("b after child/each[*]", of(When::After, "child/each", Some("*")));
        check("o", Ok(Some(Command::Out)));
        check("d 2", Ok(Some(Command::Delete(Some(2)))));
        check("show", Ok(Some(Command::Show(None))));
        check("exit", Ok(Some(Command::Quit)));
        check("g 7", Ok(Some(Command::Goto(7))));
        check("set a.b=c d", Ok(Some(Command::Set("a.b=c d".to_owned()))));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_right() {
        check("contniue", Err("there is no command `contniue`; did you mean `continue`?"));
        check("\u{1b}[A", Err("there is no command `\\u{1b}[A`; `help` shows all"));
        check("in", Err("`in` could be `into` or `input`"));
        for wrong in ["now files", "each[]", "each[x]", "each[03]", "each[-1]", "each[1", "[1]", "each[1][2]"] {
            check(&format!("break {wrong}"), Err("`break`: it takes [before|after|failure] STEP[ITEM]"));
        }
        check("next 3", Err("`next`: it takes nothing"));
        check("goto there", Err("`goto`: it takes N"));
        check(
            "print found where other.x == 1",
            Err("the condition speaks of `other`; here it can speak of `item` alone"),
        );
        check("print found here", Err("`print`: it takes ARTIFACT [FROM[+COUNT]] [FIELD=VALUE | where CONDITION]"));
    }

    #[test]
    fn items_are_paged_and_filtered() {
        let page = |line: &str| match parse(line) {
            Ok(Some(Command::Print(print))) => (print.from, print.most, print.filter),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(page("p found"), (0, 10, Filter::All));
        assert_eq!(page("p found 20"), (20, 10, Filter::All));
        assert_eq!(page("p found 20+3 category=email").1, 3);
        let item = json!({"category": "email", "at": {"line": 3}, "tags": ["a"]});
        let takes = |text: &str| page(&format!("p found {text}")).2.takes(&item);
        assert_eq!(takes("category=email"), Ok(true));
        assert_eq!(takes("category=phone"), Ok(false));
        assert_eq!(takes("at.line=3"), Ok(true));
        assert_eq!(takes("nothing=3"), Ok(false));
        assert_eq!(takes("where item.at.line > 2 && item.category == 'email'"), Ok(true));
        assert_eq!(takes("where item.at.line > 3"), Ok(false));
        assert!(takes("where item.nothing > 3").is_err());
    }
}
