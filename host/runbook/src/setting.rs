//! `STEP.PATH=VALUE`: a value that a person sets in the config of a step, as if the runbook said so.

use crate::diagnostic::Diagnostic;
use crate::nearest::suggestion;
use crate::reference::{Braces, Reference, ReferenceError};
use crate::runbook::{Call, Runbook, Step, Work};
use crate::source::{Source, Span};
use crate::yaml::{self, Budget, Data, Dialect, Entry, Node};
use palisade_model::neutral;
use palisade_schema::split;
use serde_json::Value;

/// Name of the source that diagnostics of settings point into.
const SOURCE: &str = "--set";
/// Most characters of a setting that are shown.
const MAX_CHARS: usize = 200;

/// A value for a place in the config of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The step's id.
    pub step: String,
    /// JSON pointer into its config; never empty.
    pub pointer: String,
    /// The value.
    pub value: Value,
}

/// Why a setting can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// It has another form.
    #[error("it has the form STEP.PATH=VALUE")]
    Form,
    /// What stands before the `=` is no step with a path.
    #[error("before the `=`: {0}")]
    Place(#[from] ReferenceError),
    /// The value is not YAML.
    #[error("its value: {0}")]
    Value(String),
    /// The value is a reference.
    #[error("its value is a reference, which is set in the runbook alone")]
    Reference,
    /// The runbook has no such step.
    #[error("the runbook has no step `{step}`{}", help.as_ref().map_or_else(String::new, |help| format!(" ({help})")))]
    NoStep {
        /// As it was written.
        step: String,
        /// Which one was meant, or which there are.
        help: Option<String>,
    },
    /// The step has no config.
    #[error("step `{step}` runs no component, so it has no config")]
    NoConfig {
        /// The step.
        step: String,
    },
    /// The path does not lead to a place.
    #[error("{0}")]
    Path(String),
}

/// The settings of a call as a source for diagnostics. Their places lie behind those of the runbook.
#[derive(Debug, Clone)]
pub struct Settings {
    source: Source,
    behind: usize,
}

impl Setting {
    /// Reads `STEP.PATH=VALUE`; the value as a runbook in the execution form reads it.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        let (place, value) = text.split_once('=').ok_or(SettingError::Form)?;
        let place = Reference::parse(place)?;
        if place.path.is_empty() {
            return Err(SettingError::Form);
        }
        Ok(Self { step: place.artifact.clone(), pointer: place.pointer(), value: value_of(value)? })
    }

    /// It in one line, for people.
    fn text(&self) -> String {
        let path = self.pointer.replace('/', ".");
        neutral::line(&format!("{}{path}={}", self.step, self.value), MAX_CHARS)
    }
}

impl Settings {
    /// Puts the values into a runbook that was read from `of`.
    ///
    /// # Errors
    /// The first that has no place there, by its number, from 0.
    pub fn apply(runbook: &mut Runbook, of: &Source, settings: &[Setting]) -> Result<Self, (usize, SettingError)> {
        let texts: Vec<String> = settings.iter().map(Setting::text).collect();
        let source = Source::new(SOURCE, texts.join("\n"));
        let behind = of.text().len() + 1;
        let mut start = 0;
        for (number, (setting, text)) in settings.iter().zip(&texts).enumerate() {
            let Span { line, column, .. } = source.span(start, start);
            let span = Span { start: behind + start, end: behind + start + text.len(), line, column };
            start += text.len() + 1;
            put(runbook, setting, span).map_err(|error| (number, error))?;
        }
        Ok(Self { source, behind })
    }

    /// A diagnostic of the runbook, with the source that it points into. What a setting does must have an effect, so no
    /// warning about one stays a warning.
    #[must_use]
    pub fn place(&self, mut told: Diagnostic, of: &Source) -> (Source, Diagnostic) {
        if told.source != of.name() || told.span.start < self.behind {
            return (of.clone(), told);
        }
        told.span.start -= self.behind;
        told.span.end -= self.behind;
        told.source = SOURCE.to_owned();
        told.labels.clear();
        if told.severity == crate::diagnostic::Severity::Warning {
            told.severity = crate::diagnostic::Severity::Error;
        }
        (self.source.clone(), told)
    }
}

fn value_of(text: &str) -> Result<Value, SettingError> {
    match text.trim() {
        "" => return Ok(Value::String(String::new())),
        "null" | "~" => return Ok(Value::Null),
        // Without quotes it would be two mappings.
        text if Reference::find(text) != Braces::None => return Err(SettingError::Reference),
        _ => {}
    }
    let (node, told) = yaml::read(&Source::new(SOURCE, text), Budget::RUNBOOK, Dialect::V12);
    if let Some(wrong) = told.iter().find(|told| told.is_error()) {
        return Err(SettingError::Value(wrong.message.clone()));
    }
    let node = node.ok_or(SettingError::Form)?;
    if has_reference(&node) { Err(SettingError::Reference) } else { Ok(node.to_json()) }
}

fn has_reference(node: &Node) -> bool {
    match &node.data {
        Data::Text(text) => Reference::find(text) != Braces::None,
        Data::List(list) => list.iter().any(has_reference),
        Data::Map(entries) => entries.iter().any(|entry| has_reference(&entry.value)),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => false,
    }
}

fn put(runbook: &mut Runbook, setting: &Setting, span: Span) -> Result<(), SettingError> {
    let wanted = setting.step.to_lowercase();
    let Some(step) = runbook.steps.iter_mut().find(|step| step.id.value.key() == wanted) else {
        let known = || runbook.steps.iter().map(|step| step.id.value.as_str());
        let known: Vec<&str> = known().collect();
        let help = suggestion(&setting.step, known.iter().copied());
        return Err(SettingError::NoStep { step: neutral::line(&setting.step, MAX_CHARS), help });
    };
    let id = step.id.value.to_string();
    let call = call_mut(step).ok_or(SettingError::NoConfig { step: id })?;
    let within = |pointer: &str, place: &str| {
        pointer.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some((above, _)) =
        call.references.iter().find(|(above, _)| *above != setting.pointer && within(&setting.pointer, above))
    {
        let above = above.trim_start_matches('/').replace('/', ".");
        return Err(SettingError::Path(format!(
            "`{}` comes from a document as a whole",
            neutral::line(&above, MAX_CHARS)
        )));
    }
    call.references.retain(|(pointer, _)| !within(pointer, &setting.pointer));
    let config = call.config.get_or_insert_with(|| Node { data: Data::Map(Vec::new()), span });
    *place_mut(config, &setting.pointer, span)? = Node::from_json(&setting.value, span);
    Ok(())
}

fn call_mut(step: &mut Step) -> Option<&mut Call> {
    use crate::runbook::{Agent, Body};
    match &mut step.work {
        Work::Source(call)
        | Work::Process(call)
        | Work::Map { body: Body::Component(call), .. }
        | Work::Loop { body: Body::Component(call), .. }
        | Work::Agent(Agent { call, .. }) => Some(call),
        _ => None,
    }
}

/// The place of a pointer in a config; mappings on the way are made.
fn place_mut<'n>(config: &'n mut Node, pointer: &str, span: Span) -> Result<&'n mut Node, SettingError> {
    let mut node = config;
    let mut way = String::new();
    for segment in split(pointer) {
        let shown = neutral::line(way.trim_start_matches('.'), MAX_CHARS);
        let what = if shown.is_empty() { "the config".to_owned() } else { format!("`{shown}`") };
        way.push('.');
        way.push_str(&segment);
        if node.data == Data::Null {
            node.data = Data::Map(Vec::new());
        }
        node = match &mut node.data {
            Data::Map(entries) => {
                let at = match entries.iter().position(|entry| entry.key == segment) {
                    Some(at) => at,
                    None => {
                        let value = Node { data: Data::Null, span };
                        entries.push(Entry { key: segment.clone(), key_span: span, value });
                        entries.len() - 1
                    }
                };
                let entry = entries.get_mut(at);
                &mut entry.ok_or(SettingError::Form)?.value
            }
            Data::List(list) => {
                let count = list.len();
                let element = segment.parse::<usize>().ok().and_then(|index| list.get_mut(index));
                element.ok_or_else(|| {
                    SettingError::Path(format!("{what} is a list of {count}, so it has no `{segment}`"))
                })?
            }
            other => return Err(SettingError::Path(format!("{what} is {}, and no mapping", other.kind()))),
        };
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    const RUNBOOK: &str = "
name: n
execution:
  - name: Files
    type: source
    connector: filesystem
    config: {path: data, patterns: [a, b], deep: {er: 1}}
  - name: Each
    analyser: test:stepper
    input: files
    config: {append: \"{{ files.name }}\"}
  - name: Ask
    type: approval
    message: m
";

    /// The config of a step of the runbook once a value is set, with the pointers of its references.
    fn check(text: &str, expected: Result<(Value, &[&str]), &str>) {
        let source = Source::new("runbook.yaml", RUNBOOK);
        let (runbook, _) = crate::parse(&source, &BTreeMap::new());
        let mut runbook = runbook.unwrap();
        let set = Setting::parse(text).and_then(|setting| {
            Settings::apply(&mut runbook, &source, std::slice::from_ref(&setting)).map_err(|(_, error)| error)?;
            Ok(setting)
        });
        let found = set.map(|setting| {
            let step = runbook.steps.iter().find(|step| step.id.value.key() == setting.step.to_lowercase());
            let call = step.unwrap().call().unwrap().clone();
            (
                call.config.unwrap().to_json(),
                call.references.into_iter().map(|(pointer, _)| pointer).collect::<Vec<_>>(),
            )
        });
        let expected =
            expected.map(|(value, references)| (value, references.iter().map(ToString::to_string).collect()));
        assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn a_value_is_put_at_its_place() {
        let files =
            |path: Value, patterns: Value, deep: Value| json!({"path": path, "patterns": patterns, "deep": deep});
        let (path, patterns, deep) = (json!("data"), json!(["a", "b"]), json!({"er": 1}));
        check("files.path=x=y", Ok((files(json!("x=y"), patterns.clone(), deep.clone()), &[])));
        check("Files.patterns[1]=5", Ok((files(path.clone(), json!(["a", 5]), deep.clone()), &[])));
        check(
            "files.deep.est=[yes, \"1\"]",
            Ok((files(path.clone(), patterns.clone(), json!({"er": 1, "est": ["yes", "1"]})), &[])),
        );
        check("files.deep={a: {b: true}}", Ok((files(path.clone(), patterns.clone(), json!({"a": {"b": true}})), &[])));
        check("files.deep.er=", Ok((files(path.clone(), patterns.clone(), json!({"er": ""})), &[])));
        check("files.deep.er=null", Ok((files(path, patterns, json!({"er": null})), &[])));
        check("each.enough=3", Ok((json!({"append": null, "enough": 3}), &["/append"])));
        check(
            "each.append=!!!",
            Err("its value: this is not YAML: while parsing a tag, did not find expected tag URI"),
        );
        check("each.append=\"!\"", Ok((json!({"append": "!"}), &[])));
    }

    #[test]
    fn what_has_no_place_is_refused() {
        check("files.path", Err("it has the form STEP.PATH=VALUE"));
        check("files=x", Err("it has the form STEP.PATH=VALUE"));
        check("files.path=[", Err("its value: this is not YAML: a value is missing here"));
        check("files.path={{ a }}", Err("its value is a reference, which is set in the runbook alone"));
        check("fiels.path=x", Err("the runbook has no step `fiels` (did you mean `files`?)"));
        check("ask.message=x", Err("step `ask` runs no component, so it has no config"));
        check("files.path.x=1", Err("`path` is a text, and no mapping"));
        check("files.patterns[2]=1", Err("`patterns` is a list of 2, so it has no `2`"));
        check("each.append.x=1", Err("`append` comes from a document as a whole"));
    }
}
