//! The targets, one file each, and what several of them look at.

pub(crate) mod artifact;
pub(crate) mod condition;
pub(crate) mod conversion;
pub(crate) mod document;
pub(crate) mod grant;
pub(crate) mod items;
pub(crate) mod manifest;
pub(crate) mod matching;
pub(crate) mod note;
pub(crate) mod ruleset;
pub(crate) mod runbook;
pub(crate) mod server;
pub(crate) mod settings;
/// The components, rulesets and schemas of the runbooks' own tests: what is found here can become a folder of
/// `tests/runbooks` as it is.
#[expect(clippy::unwrap_used, dead_code, reason = "written for tests")]
#[path = "../../../host/runbook/tests/all/support.rs"]
mod support;

use palisade_model::neutral::is_hidden;
use palisade_runbook::{Diagnostic, Source};
use palisade_schema::ArtifactSchema;
use std::sync::{Arc, LazyLock};
use support::World;

/// Most bytes of all that a person is shown for one text.
const MAX_SHOWN_BYTES: usize = 1 << 20;

/// Made once: it takes longer than most inputs.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::new();
    world.variables.insert("KNOWN".to_owned(), "value".to_owned());
    world
});

/// Diagnostics can be shown: their places lie in the text, nothing of them steers a terminal, and there is an end to it.
fn check_diagnostics<'d>(found: impl Iterator<Item = (&'d Source, &'d Diagnostic)>) {
    let mut bytes = 0;
    for (source, diagnostic) in found {
        for span in diagnostic.labels.iter().map(|label| label.span).chain([diagnostic.span]) {
            assert!(span.start <= span.end && span.end <= source.text().len(), "{diagnostic:?}");
            assert!(source.text().is_char_boundary(span.start) && source.text().is_char_boundary(span.end));
        }
        let shown = diagnostic.render(source);
        assert!(!shown.contains(|c| is_hidden(c) && c != '\n'), "{shown:?}");
        bytes += shown.len();
    }
    assert!(bytes <= MAX_SHOWN_BYTES, "{bytes} bytes are shown");
}

/// The text before the first line end, and that behind it.
fn first_line(bytes: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "")))
}

/// The schema that a line names, or is.
fn schema(line: &str) -> Option<Arc<ArtifactSchema>> {
    if !line.starts_with('{') {
        return support::schemas().get(&line.parse().ok()?).cloned();
    }
    let json = palisade_model::strict_json::from_str(line).ok()?;
    ArtifactSchema::new("fuzz.own/1.0.0".parse().ok()?, json).ok().map(Arc::new)
}
