//! The config of one step: from what the runbook writes to what the component gets, and what is wrong with it.

use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Severity};
use crate::execution_form::is_step_key;
use crate::nearest::{nearest, suggestion};
use crate::runbook::{Call, Form};
use crate::shape::is_truth_word;
use crate::yaml::{Data, Node};
use palisade_model::manifest::{Marked, Power, marked};
use palisade_model::neutral;
use palisade_schema::{ConfigSchema, ConfigViolation, SchemaError};
use serde_json::{Value, json};

/// The config of a component as its manifest describes it: what is made of that once, for all its steps.
#[derive(Debug)]
pub(crate) struct ConfigForm {
    schema: ConfigSchema,
    /// The values on which powers are used.
    marks: Vec<Mark>,
}

/// A value on which a power is used.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) power: Power,
    /// The key of the mark in the schema.
    pub(crate) key: &'static str,
    /// What this build knows it to say.
    pub(crate) known: &'static [&'static str],
    pub(crate) found: Marked,
}

impl ConfigForm {
    pub(crate) fn of(config_schema: &Value) -> Result<Self, SchemaError> {
        let keys = Power::LINKED.iter().filter_map(|power| Some((*power, power.mark()?)));
        let marks = keys.flat_map(|(power, (key, known))| {
            marked(config_schema, key).into_iter().map(move |found| Mark { power, key, known, found })
        });
        Ok(Self { schema: ConfigSchema::new(config_schema)?, marks: marks.collect() })
    }

    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }
}

/// Reads the config of a call: defaults are filled in, then all is validated. In the artifacts form unknown keys are
/// dropped where WCF ignores them, numbers are coerced, marked paths are trimmed.
///
/// Where a value is a reference there is null, which no rule is held against.
pub(crate) fn prepare(described: &ConfigForm, call: &Call, form: Form, source: &str) -> (Value, Vec<Diagnostic>) {
    let schema = &described.schema;
    let nothing = Node { data: Data::Map(Vec::new()), span: call.component.span };
    let written = call.config.as_ref().unwrap_or(&nothing);
    let component = format!("`{}`", call.component.value.name);
    let (mut config, mut diagnostics) = match form {
        Form::Artifacts => as_wcf_reads(described, call, source),
        Form::Execution => (written.to_json(), Vec::new()),
    };
    schema.fill_defaults(&mut config);
    let is_reference = |pointer: &str| {
        let within = |known: &str| pointer == known || pointer.starts_with(&format!("{known}/"));
        call.references.iter().any(|(known, _)| within(known))
    };
    let found = schema.validate(&config);
    let unknown = |key: &str, pointer: &str| {
        found.iter().any(|other| other.pointer == pointer && other.unknown_keys.iter().any(|unknown| unknown == key))
    };
    for found in found.iter().filter(|found| !is_reference(&found.pointer)) {
        // A property that is missing because it is misspelt is told where it stands.
        let misspelt = found.missing_key.as_ref().and_then(|missing| {
            let Data::Map(entries) = &written.nearest(&found.pointer).data else { return None };
            let ignored = |span| diagnostics.iter().any(|told| told.span == span && told.code == Code::IgnoredKey);
            entries.iter().find(|entry| {
                nearest(&entry.key, [missing.as_str()]).is_some()
                    && (unknown(&entry.key, &found.pointer) || ignored(entry.key_span))
            })
        });
        match misspelt {
            Some(entry) => {
                // What would be ignored elsewhere can't be, where something is missing.
                for wrong in diagnostics.iter_mut().filter(|wrong| wrong.span == entry.key_span) {
                    wrong.code = Code::BadConfig;
                    wrong.severity = Severity::Error;
                    wrong.message = format!("{component} has no property `{}`", neutral::line(&entry.key, 60));
                }
            }
            None => {
                let help = found.missing_key.as_ref().filter(|_| call.config.is_none());
                let help = help.map(|key| format!("write `{}: {{{key}: …}}`", form.key_of_config()));
                let elsewhere =
                    |key: &str| if found.pointer.is_empty() { belongs(schema.json(), form, key) } else { None };
                let told = violation(Code::BadConfig, source, written, found, &component, &elsewhere);
                diagnostics.extend(told.into_iter().map(|told| match &help {
                    Some(help) => told.with_help(help),
                    None => told,
                }));
            }
        }
    }
    (config, diagnostics)
}

/// The config as WCF reads it, without defaults; tells the keys that it ignores.
pub(crate) fn as_wcf_reads(described: &ConfigForm, call: &Call, source: &str) -> (Value, Vec<Diagnostic>) {
    let Some(written) = &call.config else { return (json!({}), Vec::new()) };
    let mut config = written.to_json();
    let dropped = described.schema.drop_unknown(&mut config);
    let tell = |dropped: &palisade_schema::Dropped| {
        let place = written.nearest(&dropped.pointer);
        let span = place.entry(&dropped.key).map_or(place.span, |entry| entry.key_span);
        let (component, key) = (&call.component.value.name, neutral::line(&dropped.key, 60));
        let message = format!("`{component}` has no property `{key}`; it is ignored, as in WCF");
        let help = suggestion(&dropped.key, dropped.known_keys.iter().map(String::as_str));
        Diagnostic::new(Code::IgnoredKey, source, span, message).with_help_if(help)
    };
    let told = dropped.iter().map(tell).collect();
    described.schema.coerce(&mut config);
    // WCF trims the paths it is given. The trimmed text is what the component sees and what the plan authorises.
    for mark in described.marks.iter().filter(|mark| mark.power.is_over_paths()) {
        if let Some(Value::String(text)) = config.pointer_mut(&mark.found.pointer) {
            *text = text.trim().to_owned();
        }
    }
    (config, told)
}

/// Where a key of a config belongs that is none of its properties: into one of these, or to the step.
fn belongs(schema: &Value, form: Form, key: &str) -> Option<String> {
    let properties = schema.get("properties").and_then(Value::as_object)?;
    let inner =
        properties.iter().find(|(_, inner)| inner.pointer("/properties").is_some_and(|inner| inner.get(key).is_some()));
    match inner {
        Some((name, _)) => Some(format!("it belongs into `{name}`")),
        None => (form == Form::Execution && is_step_key(key))
            .then(|| "steps have this key: it is indented too far".to_owned()),
    }
}

/// Puts a violation at its place in the YAML. Unknown keys become one diagnostic each; `elsewhere` may know where one belongs.
pub(crate) fn violation(
    code: Code,
    source: &str,
    root: &Node,
    found: &ConfigViolation,
    whose: &str,
    elsewhere: &dyn Fn(&str) -> Option<String>,
) -> Vec<Diagnostic> {
    let place = root.nearest(&found.pointer);
    if !found.unknown_keys.is_empty() {
        let unknown = |key: &String| {
            let span = place.entry(key).map_or(place.span, |entry| entry.key_span);
            let message = format!("{whose} has no property `{}`", neutral::line(key, 60));
            let known = || found.known_keys.iter().map(String::as_str);
            let elsewhere = if nearest(key, known()).is_none() { elsewhere(key) } else { None };
            Diagnostic::new(code, source, span, message).with_help_if(elsewhere.or_else(|| suggestion(key, known())))
        };
        return found.unknown_keys.iter().map(unknown).collect();
    }
    let path = neutral::line(found.pointer.trim_start_matches('/'), 120).replace('/', ".");
    let subject = if path.is_empty() { whose.to_owned() } else { format!("`{path}` of {whose}") };
    let help = match &place.data {
        Data::Text(text) if found.violation.rule == "type" && is_truth_word(text) => {
            Some("write `true` or `false`".to_owned())
        }
        Data::Text(text) if found.violation.rule == "type" && text.parse::<f64>().is_ok() => {
            Some("write it without quotes".to_owned())
        }
        Data::Text(text) => {
            nearest(text, found.allowed.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"))
        }
        Data::Bool(_) | Data::Int(_) | Data::Float(_) if found.violation.message.contains("a text") => {
            Some("put it in quotes".to_owned())
        }
        _ => None,
    };
    vec![Diagnostic::new(code, source, place.span, format!("{subject} {}", found.violation.message)).with_help_if(help)]
}
