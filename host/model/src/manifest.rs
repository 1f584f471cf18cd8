//! What a component says of itself, as the registry stores it.
//!
//! The form is that of `describe` in `wit/palisade.wit`, checked: names are ids, versions are versions. The rules a
//! manifest must keep are in [`Manifest::check`].

use crate::id::ComponentId;
use crate::limits::LimitKind;
use crate::schema_ref::{SchemaRef, SchemaReq};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most ports of one direction, schemas, requests or schemas of one port.
const MAX_LIST: usize = 32;
/// Most characters of a title, description or reason.
const MAX_TEXT_CHARS: usize = 4_096;

/// What a component says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Which component.
    pub id: ComponentId,
    /// In which version.
    pub version: semver::Version,
    /// A short name for people.
    pub title: String,
    /// What it does, for people.
    pub description: String,
    /// What kind of work it does.
    pub kind: ComponentKind,
    /// What it reads.
    pub inputs: Vec<InputPort>,
    /// What it emits.
    pub outputs: Vec<OutputPort>,
    /// JSON Schema of its config.
    pub config_schema: serde_json::Value,
    /// Schemas that travel with it.
    pub schemas: Vec<OwnSchema>,
    /// Powers it asks for.
    pub requests: Vec<Request>,
    /// Limits it asks for.
    pub limits: BTreeMap<LimitKind, u64>,
}

/// What kind of work a component does; for people and planners, it gives no power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentKind {
    /// Brings data in.
    Connector,
    /// Changes the form of data.
    Processor,
    /// Finds something in data.
    Analyser,
    /// Says what a finding means.
    Classifier,
    /// Works towards a goal, with tools.
    Agent,
}

impl ComponentKind {
    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "connector" => Some(Self::Connector),
            "processor" => Some(Self::Processor),
            "analyser" => Some(Self::Analyser),
            "classifier" => Some(Self::Classifier),
            "agent" => Some(Self::Agent),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connector => "connector",
            Self::Processor => "processor",
            Self::Analyser => "analyser",
            Self::Classifier => "classifier",
            Self::Agent => "agent",
        }
    }
}

/// How many artifacts an input port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arity {
    /// Exactly one.
    One,
    /// None or one.
    Optional,
    /// One or more.
    Many,
}

/// Where an input port gets its artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum InputSource {
    /// From the steps that the runbook names.
    Runbook {
        /// The schemas it accepts, most wanted first.
        accepts: Vec<SchemaReq>,
    },
    /// The ruleset that the config names at a JSON pointer.
    Ruleset {
        /// The pointer into the config.
        pointer: String,
    },
}

/// Something a component reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputPort {
    /// Its name.
    pub name: String,
    /// Where its artifacts come from.
    pub source: InputSource,
    /// How many there may be.
    pub arity: Arity,
    /// The items may be split over several instances.
    pub per_item: bool,
    /// What it is for.
    pub description: String,
}

/// Something a component emits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPort {
    /// Its name.
    pub name: String,
    /// Its schema.
    pub schema: SchemaRef,
    /// What it is.
    pub description: String,
}

/// A schema that travels with a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnSchema {
    /// Its name, which begins with the component's namespace and a dot, and its version.
    pub schema: SchemaRef,
    /// The JSON Schema.
    pub json: serde_json::Value,
}

/// A kind of authority that a component may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// Reading files: `wasi:filesystem`.
    FsRead,
    /// Writing files: `wasi:filesystem`, into an empty folder that is put in place when the step has succeeded.
    FsWrite,
    /// Reading databases: `palisade:plugin/sql`.
    Sql,
    /// Reading the databases of servers that the operator set up: `palisade:plugin/sql` too.
    Database,
    /// Asking web servers: `wasi:http`.
    Http,
    /// Asking models: `palisade:plugin/llm`.
    Llm,
    /// Calling other components: `palisade:plugin/tools`.
    Call,
    /// Sending secrets that the host fills in: in requests of `wasi:http`, without an interface of its own.
    Secret,
}

impl Power {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] =
        [Self::FsRead, Self::FsWrite, Self::Sql, Self::Database, Self::Http, Self::Llm, Self::Call, Self::Secret];
    /// Those whose interfaces this build links. No other can be requested, granted or denied: there would be nothing
    /// behind it.
    pub const LINKED: &[Self] = &Self::ALL;

    /// The power of that name, whether this build links it or not.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|power| power.name() == name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FsRead => "fs-read",
            Self::FsWrite => "fs-write",
            Self::Sql => "sql",
            Self::Database => "database",
            Self::Http => "http",
            Self::Llm => "llm",
            Self::Call => "call",
            Self::Secret => "secret",
        }
    }

    /// Whether this build links its interfaces.
    #[must_use]
    pub fn is_linked(self) -> bool {
        Self::LINKED.contains(&self)
    }

    /// Whether it is used on paths.
    #[must_use]
    pub const fn is_over_paths(self) -> bool {
        matches!(self, Self::FsRead | Self::FsWrite | Self::Sql)
    }

    /// The powers that this build links, for people: `` `fs-read` and `sql` ``.
    #[must_use]
    pub fn linked_in_words() -> String {
        let names: Vec<String> = Self::LINKED.iter().map(|power| format!("`{}`", power.name())).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => names.concat(),
        }
    }

    /// The mark in a config schema of the values that name what the power is used on, and what the mark may say; none
    /// if the step itself names it, or the grant.
    #[must_use]
    pub const fn mark(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Self::FsRead => Some(("x-palisade-path", &["read"])),
            Self::FsWrite => Some(("x-palisade-write", &["folder"])),
            Self::Sql => Some(("x-palisade-connection", &["sqlite"])),
            Self::Database => Some(("x-palisade-database", &["mysql", "postgres"])),
            Self::Http => Some(("x-palisade-url", &["http"])),
            Self::Secret => Some(("x-palisade-secret", &["header"])),
            Self::Llm | Self::Call => None,
        }
    }
}

/// A power that a component asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Which.
    pub power: Power,
    /// Why, for the person who grants it.
    pub reason: String,
    /// It works without.
    pub optional: bool,
}

/// A rule that a manifest breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A list has too many entries.
    #[error("`{list}` has {count} entries, at most {MAX_LIST} are allowed")]
    TooMany {
        /// Which list.
        list: &'static str,
        /// How many it has.
        count: usize,
    },
    /// A text is too long.
    #[error("`{field}` has more than {MAX_TEXT_CHARS} characters")]
    TextTooLong {
        /// Which text.
        field: &'static str,
    },
    /// The title is blank.
    #[error("`title` is blank")]
    NoTitle,
    /// A port's name is not made of lower-case letters, digits, `-` and `_`.
    #[error("port `{name}`: a port's name is 1 to 64 lower-case ASCII letters, digits, `-` and `_`")]
    PortName {
        /// The name.
        name: String,
    },
    /// Two ports of one direction have one name.
    #[error("two {direction} ports are called `{name}`")]
    DuplicatePort {
        /// `input` or `output`.
        direction: &'static str,
        /// The name.
        name: String,
    },
    /// An input port accepts nothing.
    #[error("input port `{port}` accepts no schema")]
    AcceptsNothing {
        /// The port.
        port: String,
    },
    /// There is no output port.
    #[error("there is no output port")]
    NoOutput,
    /// A ruleset port names a place in the config that is not marked as a ruleset.
    #[error(
        "input port `{port}` takes a ruleset from `{pointer}`, but the config schema has no `x-palisade-ruleset` there"
    )]
    RulesetPointer {
        /// The port.
        port: String,
        /// The JSON pointer.
        pointer: String,
    },
    /// A ruleset port is per item or takes many.
    #[error("input port `{port}` takes a ruleset: it can be neither per-item nor `many`")]
    RulesetShape {
        /// The port.
        port: String,
    },
    /// The config schema is no schema of an object.
    #[error("the config schema must be an object with `\"type\": \"object\"`")]
    ConfigSchema,
    /// A schema of its own is outside of its namespace.
    #[error("schema `{schema}` is not below the component's namespace: its name must begin with `{namespace}.`")]
    ForeignSchema {
        /// The schema.
        schema: SchemaRef,
        /// The component's namespace.
        namespace: String,
    },
    /// Two schemas of its own have one name and version.
    #[error("schema `{schema}` is defined twice")]
    DuplicateSchema {
        /// The schema.
        schema: SchemaRef,
    },
    /// A power is requested twice.
    #[error("power `{power}` is requested twice")]
    DuplicateRequest {
        /// The power.
        power: &'static str,
    },
    /// A request gives no reason.
    #[error("the request of power `{power}` gives no reason")]
    NoReason {
        /// The power.
        power: &'static str,
    },
    /// A power is requested that no value of the config could scope.
    #[error("power `{power}` is requested, but the config schema marks no value with `{mark}`")]
    NothingMarked {
        /// The power.
        power: &'static str,
        /// The mark that is missing.
        mark: &'static str,
    },
    /// Secrets are requested, and nothing that could send them.
    #[error("power `secret` is requested without `http`, by which secrets are sent")]
    NothingSends,
    /// A power is requested that this build has nothing behind.
    #[error("power `{power}` is requested, which this build does not have; it has {}", Power::linked_in_words())]
    PowerNotLinked {
        /// The power.
        power: &'static str,
    },
    /// A limit is zero, which nothing could run with.
    #[error("limit `{limit}` is 0")]
    ZeroLimit {
        /// The limit.
        limit: &'static str,
    },
}

impl Manifest {
    /// `namespace:name@version`.
    #[must_use]
    pub fn versioned_id(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }

    /// The request of that power, if it is made.
    #[must_use]
    pub fn request(&self, power: Power) -> Option<&Request> {
        self.requests.iter().find(|request| request.power == power)
    }

    /// The output port of that name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&OutputPort> {
        self.outputs.iter().find(|port| port.name == name)
    }

    /// Checks the rules that a manifest must keep; gives every rule it breaks.
    ///
    /// # Errors
    /// All broken rules, never an empty list.
    pub fn check(&self) -> Result<(), Vec<ManifestError>> {
        let mut errors = Vec::new();
        self.check_sizes(&mut errors);
        self.check_ports(&mut errors);
        self.check_schemas(&mut errors);
        self.check_requests(&mut errors);
        let zero = self.limits.iter().filter(|&(&kind, &value)| value == 0 && !may_be_zero(kind));
        errors.extend(zero.map(|(kind, _)| ManifestError::ZeroLimit { limit: kind.name() }));
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn check_sizes(&self, errors: &mut Vec<ManifestError>) {
        for (list, count) in [
            ("inputs", self.inputs.len()),
            ("outputs", self.outputs.len()),
            ("schemas", self.schemas.len()),
            ("requests", self.requests.len()),
        ] {
            if count > MAX_LIST {
                errors.push(ManifestError::TooMany { list, count });
            }
        }
        for (field, text) in [("title", &self.title), ("description", &self.description)] {
            if text.chars().nth(MAX_TEXT_CHARS).is_some() {
                errors.push(ManifestError::TextTooLong { field });
            }
        }
        if self.title.trim().is_empty() {
            errors.push(ManifestError::NoTitle);
        }
    }

    fn check_ports(&self, errors: &mut Vec<ManifestError>) {
        if self.outputs.is_empty() {
            errors.push(ManifestError::NoOutput);
        }
        let inputs = self.inputs.iter().map(|port| ("input", &port.name));
        let outputs = self.outputs.iter().map(|port| ("output", &port.name));
        let mut seen = BTreeSet::new();
        for (direction, name) in inputs.chain(outputs) {
            let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
            if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
                errors.push(ManifestError::PortName { name: name.clone() });
            }
            if !seen.insert((direction, name)) {
                errors.push(ManifestError::DuplicatePort { direction, name: name.clone() });
            }
        }
        for port in &self.inputs {
            match &port.source {
                InputSource::Runbook { accepts } if accepts.is_empty() || accepts.len() > MAX_LIST => {
                    errors.push(ManifestError::AcceptsNothing { port: port.name.clone() });
                }
                InputSource::Runbook { .. } => {}
                InputSource::Ruleset { pointer } => {
                    if ruleset_type(&self.config_schema, pointer).is_none() {
                        errors
                            .push(ManifestError::RulesetPointer { port: port.name.clone(), pointer: pointer.clone() });
                    }
                    if port.per_item || port.arity == Arity::Many {
                        errors.push(ManifestError::RulesetShape { port: port.name.clone() });
                    }
                }
            }
        }
    }

    fn check_schemas(&self, errors: &mut Vec<ManifestError>) {
        if self.config_schema.get("type").and_then(serde_json::Value::as_str) != Some("object") {
            errors.push(ManifestError::ConfigSchema);
        }
        let mut seen = BTreeSet::new();
        let prefix = format!("{}.", self.id.namespace().replace('-', "_"));
        for own in &self.schemas {
            if !own.schema.name().starts_with(&prefix) {
                let namespace = self.id.namespace().replace('-', "_");
                errors.push(ManifestError::ForeignSchema { schema: own.schema.clone(), namespace });
            }
            if !seen.insert(&own.schema) {
                errors.push(ManifestError::DuplicateSchema { schema: own.schema.clone() });
            }
        }
    }

    fn check_requests(&self, errors: &mut Vec<ManifestError>) {
        let mut seen = BTreeSet::new();
        for request in &self.requests {
            let power = request.power.name();
            if !seen.insert(request.power) {
                errors.push(ManifestError::DuplicateRequest { power });
            }
            if request.reason.trim().is_empty() {
                errors.push(ManifestError::NoReason { power });
            }
            if request.reason.chars().nth(MAX_TEXT_CHARS).is_some() {
                errors.push(ManifestError::TextTooLong { field: "reason" });
            }
            if !request.power.is_linked() {
                errors.push(ManifestError::PowerNotLinked { power });
            }
            if let Some((mark, _)) = request.power.mark()
                && marked(&self.config_schema, mark).is_empty()
            {
                errors.push(ManifestError::NothingMarked { power, mark });
            }
        }
        if seen.contains(&Power::Secret) && !seen.contains(&Power::Http) {
            errors.push(ManifestError::NothingSends);
        }
    }
}

fn may_be_zero(kind: LimitKind) -> bool {
    matches!(
        kind,
        LimitKind::FuelPerInputByte
            | LimitKind::OutputBytesPerInputByte
            | LimitKind::LogBytes
            | LimitKind::FilesRead
            | LimitKind::FileBytesRead
            | LimitKind::Rows
            | LimitKind::HttpRequests
            | LimitKind::HttpBytes
            | LimitKind::TableElements
    )
}

/// The value of a mark in a config schema and where the marked value stands in the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// JSON pointer into the config.
    pub pointer: String,
    /// What the mark says.
    pub says: String,
}

/// Finds all values of a config schema that carry `mark` (`x-palisade-path` and its like), in the order of their
/// pointers. Only nested `properties` are walked: a mark below `$ref`, `items` or a combinator is not found, so that
/// what a component may reach can be read from the schema at a glance.
#[must_use]
pub fn marked(config_schema: &serde_json::Value, mark: &str) -> Vec<Marked> {
    let mut found = Vec::new();
    walk(config_schema, mark, &mut String::new(), 0, &mut found);
    found
}

fn walk(schema: &serde_json::Value, mark: &str, pointer: &mut String, depth: usize, found: &mut Vec<Marked>) {
    const MAX_DEPTH: usize = 16;
    if let Some(says) = schema.get(mark).and_then(serde_json::Value::as_str) {
        found.push(Marked { pointer: pointer.clone(), says: says.to_owned() });
    }
    let Some(properties) = schema.get("properties").and_then(serde_json::Value::as_object) else { return };
    if depth == MAX_DEPTH {
        return;
    }
    for (name, property) in properties {
        let before = pointer.len();
        pointer.push('/');
        for char in name.chars() {
            match char {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                char => pointer.push(char),
            }
        }
        walk(property, mark, pointer, depth + 1, found);
        pointer.truncate(before);
    }
}

/// The type of ruleset that the config schema wants at a JSON pointer into the config.
#[must_use]
pub fn ruleset_type(config_schema: &serde_json::Value, pointer: &str) -> Option<String> {
    marked(config_schema, "x-palisade-ruleset").into_iter().find(|mark| mark.pointer == pointer).map(|mark| mark.says)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest() -> Manifest {
        Manifest {
            id: "acme:pii".parse().unwrap(),
            version: semver::Version::new(1, 0, 0),
            title: "PII".into(),
            description: String::new(),
            kind: ComponentKind::Analyser,
            inputs: vec![InputPort {
                name: "documents".into(),
                source: InputSource::Runbook { accepts: vec!["standard_input/1".parse().unwrap()] },
                arity: Arity::Many,
                per_item: true,
                description: String::new(),
            }],
            outputs: vec![OutputPort {
                name: "findings".into(),
                schema: "acme.pii/1.0.0".parse().unwrap(),
                description: String::new(),
            }],
            config_schema: json!({"type": "object", "properties": {
                "a/b": {"type": "object", "properties": {"ruleset": {"x-palisade-ruleset": "pii"}}},
                "path": {"type": "string", "x-palisade-path": "read"},
            }}),
            schemas: vec![OwnSchema { schema: "acme.pii/1.0.0".parse().unwrap(), json: json!({"type": "object"}) }],
            requests: vec![Request { power: Power::FsRead, reason: "reads the files".into(), optional: false }],
            limits: BTreeMap::new(),
        }
    }

    fn broken(change: impl FnOnce(&mut Manifest)) -> Vec<String> {
        let mut manifest = manifest();
        change(&mut manifest);
        manifest.check().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_manifest_passes_and_survives_storage() {
        assert_eq!(broken(|_| {}), [""; 0]);
        let text = serde_json::to_string(&manifest()).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest());
    }

    #[test]
    fn each_rule_bites() {
        let check = |change: fn(&mut Manifest), wanted: &str| {
            let errors = broken(change);
            assert!(errors.len() == 1 && errors[0].contains(wanted), "{wanted}: {errors:?}");
        };
        check(|m| m.title = " ".into(), "`title` is blank");
        check(|m| m.description = "x".repeat(4_097), "more than 4096 characters");
        check(|m| m.outputs.clear(), "no output port");
        check(|m| m.outputs = vec![m.outputs[0].clone(), m.outputs[0].clone()], "two output ports");
        check(|m| m.outputs[0].name = "Ä".into(), "a port's name is");
        check(|m| m.inputs[0].source = InputSource::Runbook { accepts: vec![] }, "accepts no schema");
        check(
            |m| {
                m.inputs[0].source = InputSource::Ruleset { pointer: "/nowhere".into() };
                m.inputs[0].arity = Arity::One;
                m.inputs[0].per_item = false;
            },
            "no `x-palisade-ruleset` there",
        );
        check(|m| m.inputs[0].source = InputSource::Ruleset { pointer: "/a~1b/ruleset".into() }, "neither per-item");
        check(|m| m.config_schema["type"] = json!("array"), "\"type\": \"object\"");
        check(|m| m.schemas[0].schema = "other.pii/1.0.0".parse().unwrap(), "must begin with `acme.`");
        check(|m| m.schemas = vec![m.schemas[0].clone(), m.schemas[0].clone()], "defined twice");
        check(|m| m.requests = vec![m.requests[0].clone(), m.requests[0].clone()], "requested twice");
        check(|m| m.requests[0].reason = String::new(), "gives no reason");
        check(|m| m.requests[0].power = Power::Sql, "marks no value with `x-palisade-connection`");
        check(
            |m| {
                m.config_schema["properties"]["token"] = json!({"type": "string", "x-palisade-secret": "header"});
                m.requests[0].power = Power::Secret;
            },
            "without `http`, by which secrets are sent",
        );
        check(|m| m.limits = BTreeMap::from([(LimitKind::Fuel, 0)]), "limit `fuel` is 0");
        for power in Power::ALL.into_iter().filter(|power| !power.is_linked()) {
            let errors = broken(|m| m.requests[0].power = power);
            assert!(errors[0].contains("which this build does not have; it has `fs-read`"), "{errors:?}");
        }
        assert!(broken(|m| m.inputs = vec![m.inputs[0].clone(); 33])[0].contains("33 entries"));
    }

    #[test]
    fn a_power_is_known_by_the_name_that_is_stored() {
        for power in Power::ALL {
            assert_eq!(Power::from_name(power.name()), Some(power));
            assert_eq!(serde_json::to_value(power).unwrap(), power.name());
        }
        assert_eq!(Power::from_name("fs-erase"), None);
    }

    #[test]
    fn marks_are_found_with_escaped_pointers() {
        let found = marked(&manifest().config_schema, "x-palisade-ruleset");
        assert_eq!(found, [Marked { pointer: "/a~1b/ruleset".into(), says: "pii".into() }]);
        assert_eq!(ruleset_type(&manifest().config_schema, "/a~1b/ruleset").as_deref(), Some("pii"));
    }
}
