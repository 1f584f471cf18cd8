//! The nodes of a Mermaid diagram that have a label.

use super::{Candidate, MAX_NAME, Read};
use palisade_planning::plain;

/// Most characters of the line that bears a name out.
const MAX_LINE: usize = 300;

/// The openers of Mermaid's nodes, the longest first, with what closes them and whether they are drawn as stores.
const SHAPES: &[(&str, &str, bool)] = &[
    ("[(", ")]", true),
    ("([", "])", false),
    ("[[", "]]", false),
    ("((", "))", false),
    ("{{", "}}", false),
    ("[", "]", false),
    ("(", ")", false),
    ("{", "}", false),
];

/// The macros of Mermaid's C4 diagrams, with whether they stand for stores.
const C4: &[(&str, bool)] = &[
    ("SystemDb_Ext", true),
    ("SystemDb", true),
    ("SystemQueue_Ext", true),
    ("SystemQueue", true),
    ("ContainerDb_Ext", true),
    ("ContainerDb", true),
    ("ContainerQueue_Ext", true),
    ("ContainerQueue", true),
    ("ComponentDb", true),
    ("System_Ext", false),
    ("System", false),
    ("Container_Ext", false),
    ("Container", false),
    ("Component", false),
];

/// With what the diagrams of Mermaid begin that show systems.
const DIAGRAMS: &[&str] =
    &["graph", "flowchart", "C4Context", "C4Container", "C4Component", "C4Deployment", "architecture-beta"];

/// Those whose nodes are what `SHAPES` says: in others brackets mean something else, as in `CUSTOMER ||--o{ ORDER`.
const FLOWCHARTS: &[&str] = &["graph", "flowchart", "flowchart-elk"];

/// With what lines of a flowchart begin that draw nothing.
const NO_NODES: &[&str] = &["click", "style", "classDef", "linkStyle"];

/// The word that says what kind of diagram it is, behind the front matter and comments.
fn kind(content: &str) -> Option<&str> {
    let mut lines =
        content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("%%")).peekable();
    if lines.next_if_eq(&"---").is_some() {
        lines.find(|line| *line == "---")?;
    }
    lines.next()?.split_whitespace().next()
}

/// Whether a text is a diagram and nothing else.
pub(super) fn is_diagram(content: &str) -> bool {
    kind(content).is_some_and(|kind| DIAGRAMS.contains(&kind))
}

/// The nodes of a diagram; labels of a flowchart that have no end are told.
pub(super) fn read(content: &str, heading: Option<&str>, told: &mut Read) -> Vec<Candidate> {
    let heading = heading.map(|heading| plain(heading, MAX_NAME)).or_else(|| Some("Mermaid diagram".to_owned()));
    let mut found = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    for (number, line) in (1..).zip(content.lines().map(str::trim)).filter(|(_, line)| draws(line)) {
        let shown = plain(line, MAX_LINE);
        let mut add = |label: &str, keeps| {
            let name = plain(&without_markup(label), MAX_NAME);
            if name.chars().any(char::is_alphabetic) {
                found.push(Candidate { names: vec![name], keeps, line: shown.clone(), heading: heading.clone() });
            }
        };
        if let Some((keeps, label)) = c4(line) {
            add(label, keeps);
            continue;
        }
        for node in nodes(line) {
            match node {
                Node::Label(label, keeps) => add(label, keeps),
                Node::Open => open = Some(open.map_or((number, 1), |(first, count)| (first, count + 1))),
            }
        }
    }
    if let Some((first, count)) = open.filter(|_| kind(content).is_some_and(|kind| FLOWCHARTS.contains(&kind))) {
        let (labels, have) = if count == 1 { ("label", "has") } else { ("labels", "have") };
        told.unread(format!(
            "{count} {labels} of its Mermaid diagram {have} no end, first in line {first} of the diagram: not read"
        ));
    }
    found
}

/// Whether a line may have nodes.
fn draws(line: &str) -> bool {
    !line.starts_with("%%") && !line.split_whitespace().next().is_some_and(|word| NO_NODES.contains(&word))
}

/// The label of a C4 macro, and whether it stands for a store.
fn c4(line: &str) -> Option<(bool, &str)> {
    let (keeps, arguments) = C4.iter().find_map(|(macro_name, keeps)| {
        line.strip_prefix(macro_name)?.trim_start().strip_prefix('(').map(|arguments| (*keeps, arguments))
    })?;
    // The alias comes first.
    let (_, label) = arguments.split_once(',')?;
    let label = label.trim_start();
    let label = match label.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => label.split([',', ')']).next()?,
    };
    Some((keeps, label))
}

/// What stands where a node is drawn.
enum Node<'l> {
    /// Its label, and whether it is drawn as a store.
    Label(&'l str, bool),
    /// A label without an end.
    Open,
}

/// The nodes on a line.
fn nodes(line: &str) -> impl Iterator<Item = Node<'_>> {
    let mut rest = line;
    // What closes nothing in the rest of the line, which is then not searched for it again.
    let mut missed: Vec<&str> = Vec::new();
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(['[', '(', '{'])?;
            let (before, opened) = rest.split_at(at);
            let is_node = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let (open, close, keeps) = SHAPES.iter().find(|(open, ..)| opened.starts_with(open))?;
            let inner = &opened[open.len()..];
            let end = if missed.contains(close) { None } else { inner.find(close) };
            if end.is_none() && !missed.contains(close) {
                missed.push(close);
            }
            rest = end.map_or(inner, |end| &inner[end + close.len()..]);
            if is_node {
                return Some(end.map_or(Node::Open, |end| Node::Label(&inner[..end], *keeps)));
            }
        }
    })
}

/// A label without quotes and tags.
fn without_markup(label: &str) -> String {
    let mut out = String::new();
    let mut rest = label;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        out.push(' ');
        rest = tag.find('>').and_then(|end| tag.get(end + 1..)).unwrap_or_default();
    }
    out.push_str(rest);
    out.replace(['"', '`', '|'], " ")
}
