//! What a description of the systems names: Markdown, a Compose file, or a Mermaid diagram.
//!
//! What the operator set up is told by the operator's name. Of the rest only what keeps data is told: it is not checked.

mod compose;
mod mermaid;

use crate::facts::{Fact, Kind, of_architecture, system_called, systems_in};
use crate::text::sentences;
use palisade_planning::World;

/// Most characters of a name.
const MAX_NAME: usize = 80;

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

/// What is read of a description.
#[derive(Default)]
pub(crate) struct Read {
    /// The systems that it names, in its order; one may come more than once.
    pub(crate) systems: Vec<Fact>,
    /// What of it is not read, and why.
    pub(crate) unread: Vec<String>,
}

impl Read {
    fn unread(&mut self, why: String) {
        self.unread.push(why);
    }

    fn candidates(&mut self, candidates: &[Candidate], world: &World) {
        self.systems.extend(candidates.iter().filter_map(|candidate| told(candidate, world)));
    }
}

/// Reads a section.
pub(crate) fn read(heading: Option<&str>, content: &str, world: &World) -> Read {
    let mut read = Read::default();
    // What has fenced blocks is Markdown, and so are Compose files in it.
    if !content.lines().any(|line| line.starts_with("```")) {
        match compose::read(content) {
            Ok(Some(services)) => {
                read.candidates(&services, world);
                return read;
            }
            Ok(None) => {}
            Err(why) => {
                read.unread(format!("what looks like a Compose file is none ({why}), so that it is read as text"))
            }
        }
    }
    if mermaid::is_diagram(content) {
        let nodes = mermaid::read(content, heading, &mut read);
        read.candidates(&nodes, world);
        return read;
    }
    let (prose, blocks) = without_blocks(content);
    for sentence in sentences(heading, &prose) {
        read.systems.extend(systems_in(&sentence, world));
    }
    for block in blocks {
        let candidates = match block.language.as_str() {
            "mermaid" => mermaid::read(&block.text, heading, &mut read),
            "yaml" | "yml" | "compose" => match compose::read(&block.text) {
                Ok(services) => services.unwrap_or_default(),
                Err(why) => {
                    read.unread(format!(
                        "a fenced block that looks like a Compose file is none ({why}): it is not read"
                    ));
                    Vec::new()
                }
            },
            _ => Vec::new(),
        };
        read.candidates(&candidates, world);
    }
    read
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
