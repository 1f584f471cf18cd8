//! What a description of the systems names: Markdown, a Compose file, or a Mermaid diagram.
//!
//! What the operator set up is told by the operator's name. Of the rest only what keeps data is told: it is not checked.

use crate::facts::{Fact, Kind, of_architecture, system_called, systems_in};
use crate::text::{has_word, sentences};
use palisade_planning::{World, plain};
use saphyr::{LoadableYamlNode as _, Yaml};

/// Most characters of a name.
const MAX_NAME: usize = 80;
/// Most characters of the line that bears a name out.
const MAX_LINE: usize = 300;
/// Most bytes of a Compose file that is read as one.
const MAX_COMPOSE: usize = 1 << 20;

/// What the images of Compose files are called that keep data.
const STORES: &[&str] = &[
    "postgres",
    "postgresql",
    "timescaledb",
    "postgis",
    "mysql",
    "mariadb",
    "percona",
    "mongo",
    "mongodb",
    "redis",
    "valkey",
    "elasticsearch",
    "opensearch",
    "solr",
    "meilisearch",
    "cassandra",
    "scylla",
    "couchdb",
    "couchbase",
    "influxdb",
    "minio",
    "mssql",
    "oracle",
    "clickhouse",
    "neo4j",
    "kafka",
    "rabbitmq",
    "etcd",
    "cockroach",
    "nextcloud",
    "owncloud",
    "wordpress",
    "odoo",
    "matomo",
    "keycloak",
    "gitlab",
    "gitea",
    "mattermost",
    "zammad",
    "openemr",
    "moodle",
    "sftp",
];

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

/// Something that may be a system.
struct Candidate {
    /// What it may be called, the best name first.
    names: Vec<String>,
    /// It keeps data.
    keeps: bool,
    /// What bears it out.
    line: String,
    heading: Option<String>,
}

/// The systems that a section names, in its order; one may come more than once.
pub(crate) fn systems(heading: Option<&str>, content: &str, world: &World) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(candidates) = compose(content) {
        facts.extend(candidates.iter().filter_map(|candidate| told(candidate, world)));
        return facts;
    }
    if is_diagram(content) {
        facts.extend(mermaid(content, heading).iter().filter_map(|candidate| told(candidate, world)));
        return facts;
    }
    let (prose, blocks) = without_blocks(content);
    for sentence in sentences(heading, &prose) {
        facts.extend(systems_in(&sentence, world));
    }
    for block in blocks {
        let candidates = match block.language.as_str() {
            "mermaid" => mermaid(&block.text, heading),
            "yaml" | "yml" | "compose" => compose(&block.text).unwrap_or_default(),
            _ => Vec::new(),
        };
        facts.extend(candidates.iter().filter_map(|candidate| told(candidate, world)));
    }
    facts
}

/// A candidate as a fact: by the operator's name, or by its own if it keeps data.
fn told(candidate: &Candidate, world: &World) -> Option<Fact> {
    // Services have no spaces in their names.
    let spelled = candidate.names.iter().flat_map(|name| {
        let lower = name.to_lowercase();
        [lower.replace(['-', '_'], " "), lower]
    });
    let known = spelled.into_iter().find_map(|name| system_called(world, &name));
    let (value, checked) = match known {
        Some(known) => (known.to_owned(), true),
        None if candidate.keeps => (candidate.names.first()?.clone(), false),
        None => return None,
    };
    Some(of_architecture(Kind::System, value, checked, candidate.line.clone(), candidate.heading.clone()))
}

/// The services of a Compose file; none if it is no such file.
fn compose(content: &str) -> Option<Vec<Candidate>> {
    let has_services = content.lines().any(|line| line.trim_end() == "services:");
    if !has_services || content.len() > MAX_COMPOSE {
        return None;
    }
    let documents = Yaml::load_from_str(content).ok()?;
    let services = documents.first()?.as_mapping_get("services")?.as_mapping()?;
    let candidates = services.iter().filter_map(|(name, service)| {
        let name = plain(name.as_str()?, MAX_NAME);
        let text = |key: &str| service.as_mapping_get(key).and_then(Yaml::as_str).map(|text| plain(text, MAX_NAME));
        let image = text("image");
        // What an image is called, without its registry, its owner and its tag.
        let of_image = image.as_deref().map(|image| {
            let last = image.rsplit('/').next().unwrap_or(image);
            last.split([':', '@']).next().unwrap_or(last).to_lowercase()
        });
        let keeps = of_image.as_deref().is_some_and(|image| STORES.iter().any(|store| has_word(image, store)));
        let shown = of_image.as_ref().map_or_else(|| name.clone(), |image| format!("{name} ({image})"));
        let line = image.map_or_else(|| format!("service {name}"), |image| format!("service {name}, image {image}"));
        let names = [Some(shown), Some(name), text("container_name"), text("hostname")].into_iter().flatten().collect();
        Some(Candidate { names, keeps, line, heading: Some("Compose file".to_owned()) })
    });
    Some(candidates.collect())
}

/// Whether a text is a diagram and nothing else.
fn is_diagram(content: &str) -> bool {
    let first = content.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("%%"));
    first.and_then(|line| line.split_whitespace().next()).is_some_and(|word| DIAGRAMS.contains(&word))
}

/// The nodes of a diagram that have a label.
fn mermaid(content: &str, heading: Option<&str>) -> Vec<Candidate> {
    let heading = heading.map(|heading| plain(heading, MAX_NAME)).or_else(|| Some("Mermaid diagram".to_owned()));
    let mut found = Vec::new();
    for line in content.lines().map(str::trim).filter(|line| !line.starts_with("%%")) {
        let mut add = |label: &str, keeps| {
            let name = plain(&without_markup(label), MAX_NAME);
            if name.chars().any(char::is_alphabetic) {
                found.push(Candidate {
                    names: vec![name],
                    keeps,
                    line: plain(line, MAX_LINE),
                    heading: heading.clone(),
                });
            }
        };
        if let Some((keeps, label)) = c4(line) {
            add(label, keeps);
        } else {
            nodes(line).for_each(|(label, keeps)| add(label, keeps));
        }
    }
    found
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

/// The labels of the nodes on a line, each with whether it is drawn as a store.
fn nodes(line: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(['[', '(', '{'])?;
            let (before, opened) = rest.split_at(at);
            let is_node = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let (open, close, keeps) = SHAPES.iter().find(|(open, ..)| opened.starts_with(open))?;
            let inner = &opened[open.len()..];
            let Some(end) = inner.find(close) else {
                rest = inner;
                continue;
            };
            let label = &inner[..end];
            rest = &inner[end + close.len()..];
            if is_node {
                return Some((label, *keeps));
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

/// A fenced block of Markdown.
struct Block {
    language: String,
    text: String,
}

/// Markdown without its fenced blocks, and these.
fn without_blocks(content: &str) -> (String, Vec<Block>) {
    let (mut prose, mut blocks) = (String::new(), Vec::new());
    let mut open: Option<Block> = None;
    for line in content.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(language)) => {
                open = Some(Block { language: language.trim().to_lowercase(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {
                prose.push_str(line);
                prose.push('\n');
            }
        }
    }
    blocks.extend(open);
    (prose, blocks)
}
