//! Rulesets: their names, and their YAML made into an artifact: rules as items, the rest as metadata.

use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::nearest::suggestion;
use crate::source::{Source, Span};
use crate::yaml::{self, Budget, Data, Dialect, Node};
use palisade_model::{Digest, SchemaRef, canonical, neutral};
use palisade_schema::{ArtifactSchema, ConfigViolation, Registry};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Most violations that are told of one ruleset.
const MAX_VIOLATIONS: usize = 50;

/// The name under which a runbook asks for a ruleset: `local/NAME/VERSION`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RulesetName {
    /// The name: letters, digits, `_` and `-`.
    pub name: String,
    /// The version, `major.minor.patch`.
    pub version: String,
}

/// Why a text is not the name of a ruleset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesetNameError {
    /// It has not three parts.
    #[error("a ruleset is named `local/NAME/VERSION`")]
    Parts,
    /// The provider is not `local`.
    #[error("the provider `{provider}` is not known; the only one is `local`")]
    Provider {
        /// The provider, neutralised.
        provider: String,
    },
    /// The name has characters that names of rulesets don't have.
    #[error("`{name}` can't be the name of a ruleset: letters, digits, `_` and `-`")]
    Name {
        /// The name, neutralised.
        name: String,
    },
    /// The version is none.
    #[error("`{version}` can't be the version of a ruleset: `1.0.0` is one")]
    Version {
        /// The version, neutralised.
        version: String,
    },
}

impl FromStr for RulesetName {
    type Err = RulesetNameError;

    fn from_str(text: &str) -> Result<Self, RulesetNameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let [provider, name, version] = parts.as_slice() else { return Err(RulesetNameError::Parts) };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(RulesetNameError::Parts);
        }
        if *provider != "local" {
            return Err(RulesetNameError::Provider { provider: neutral::line(provider, 60) });
        }
        // The parts become names of folders, so nothing may stand in them that means something to a file system.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.len() > 128 || !name.chars().all(plain) {
            return Err(RulesetNameError::Name { name: neutral::line(name, 60) });
        }
        if semver::Version::parse(version).is_err() {
            return Err(RulesetNameError::Version { version: neutral::line(version, 60) });
        }
        Ok(Self { name: (*name).to_owned(), version: (*version).to_owned() })
    }
}

impl fmt::Display for RulesetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "local/{}/{}", self.name, self.version)
    }
}

/// A ruleset that a plan needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRuleset {
    /// Its name.
    pub name: RulesetName,
    /// The type that the component wants, as the mark `x-palisade-ruleset` says.
    pub kind: String,
    /// Where the runbook names it, or the component that wants it by default.
    pub span: Span,
}

/// A ruleset as an artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruleset {
    /// Its own name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// Its schema.
    pub schema: SchemaRef,
    /// The rules, one JSON object per line, each line ended by `\n`.
    pub items: Vec<u8>,
    /// How many rules there are.
    pub count: u64,
    /// What the document holds beside the rules.
    pub metadata: Value,
    /// The artifact's digest.
    pub digest: Digest,
}

/// What was found under a ruleset's name.
#[derive(Debug, Clone)]
pub enum RulesetLookup {
    /// The ruleset, read and checked.
    Found(Arc<Ruleset>),
    /// Nothing.
    Missing {
        /// Names that are known.
        names: Vec<String>,
        /// Versions that are known of that name.
        versions: Vec<String>,
    },
    /// A file with errors; they have been told.
    Unusable,
}

/// The schema of a type of rulesets: `ruleset.TYPE`, or the schema of that very name for a type of a component's own.
pub(crate) fn schema_of<'r>(kind: &str, schemas: &'r Registry) -> Option<&'r Arc<ArtifactSchema>> {
    let find = |name: String| name.parse().ok().and_then(|wanted| schemas.resolve(&wanted));
    find(format!("ruleset.{kind}/1")).or_else(|| kind.contains('.').then(|| find(kind.to_owned())).flatten())
}

/// Reads a ruleset of the type `kind`; `name` is that under which it was found.
///
/// Gives the ruleset only if nothing is wrong with it, and all diagnostics.
#[must_use]
pub fn read(
    source: &Source,
    name: Option<&RulesetName>,
    kind: &str,
    schemas: &Registry,
) -> (Option<Ruleset>, Vec<Diagnostic>) {
    let (node, read) = yaml::read(source, Budget::RULESET, Dialect::V11);
    let mut diagnostics = Diagnostics::default();
    diagnostics.extend(read);
    let ruleset =
        node.and_then(|node| RulesetReader { source, schemas, diagnostics: &mut diagnostics }.read(&node, name, kind));
    let usable = !diagnostics.has_error();
    (ruleset.filter(|_| usable), diagnostics.into_sorted())
}

struct RulesetReader<'s> {
    source: &'s Source,
    schemas: &'s Registry,
    diagnostics: &'s mut Diagnostics,
}

impl RulesetReader<'_> {
    fn read(&mut self, node: &Node, name: Option<&RulesetName>, kind: &str) -> Option<Ruleset> {
        let start = self.source.span(0, 0);
        let Some(schema) = schema_of(kind, self.schemas) else {
            let known = self.kinds();
            let message = format!("there is no schema for rulesets of type `{}`", neutral::line(kind, 60));
            let help = suggestion(kind, known.iter().map(String::as_str));
            self.push(Diagnostic::new(Code::RulesetSchema, self.source.name(), start, message).with_help_if(help));
            return None;
        };
        let mut document = node.to_json();
        palisade_schema::coerce(schema.json(), &mut document);
        let validator = match schema.document() {
            Ok(validator) => validator,
            Err(error) => {
                self.push(Diagnostic::new(Code::RulesetSchema, self.source.name(), start, error.to_string()));
                return None;
            }
        };
        let violations = validator.violations(&document, MAX_VIOLATIONS);
        if !violations.is_empty() {
            self.explain(node, kind, &document, &violations);
            return None;
        }
        self.check_identity(node, name);
        Members {
            root: schema.json(),
            document: node,
            source: self.source,
            lists: BTreeMap::new(),
            found: self.diagnostics,
        }
        .walk(schema.json(), node, 0);
        artifact(schema, document)
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Types of rulesets that have a schema.
    fn kinds(&self) -> Vec<String> {
        let kinds = self.schemas.names().filter_map(|schema| schema.name().strip_prefix("ruleset."));
        kinds.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Says what is wrong: the type as a whole if it fits another one, else each violation at its place.
    fn explain(&mut self, node: &Node, kind: &str, document: &Value, violations: &[ConfigViolation]) {
        let fits = |kind: &&String| {
            let schema = schema_of(kind, self.schemas);
            schema.and_then(|schema| schema.document().ok()).is_some_and(|validator| validator.fits(document))
        };
        let others: Vec<String> = self.kinds().iter().filter(fits).map(|kind| format!("`{kind}`")).collect();
        if !others.is_empty() {
            let message = format!("this is a ruleset of type {}; one of type `{kind}` is wanted", others.join(" or "));
            self.push(Diagnostic::new(Code::RulesetType, self.source.name(), self.source.span(0, 0), message));
            return;
        }
        for violation in violations {
            let found = crate::config::violation(
                Code::RulesetContent,
                self.source.name(),
                node,
                violation,
                "the ruleset",
                &|_| None,
            );
            self.diagnostics.extend(found);
        }
    }

    fn check_identity(&mut self, node: &Node, name: Option<&RulesetName>) {
        let Some(name) = name else { return };
        for (key, wanted) in [("name", &name.name), ("version", &name.version)] {
            let Some(own) = node.get(key) else { continue };
            if own.data != Data::Text(wanted.clone()) {
                let message = format!("the ruleset was found as `{name}`, but its `{key}` is another");
                let diagnostic = Diagnostic::new(Code::RulesetIdentity, self.source.name(), own.span, message)
                    .with_help(format!("say `{key}: {wanted}`, or move the file"));
                self.push(diagnostic);
            }
        }
    }
}

/// Checks values against the lists of the same document that the schema names with `x-palisade-members`.
struct Members<'a> {
    root: &'a Value,
    document: &'a Node,
    source: &'a Source,
    lists: BTreeMap<String, Vec<String>>,
    found: &'a mut Diagnostics,
}

impl Members<'_> {
    fn walk(&mut self, schema: &Value, node: &Node, depth: usize) {
        // References of a registered schema never lead back; the bound is the schema's own.
        if depth > 64 || self.found.is_full() {
            return;
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'))
            && let Some(target) = self.root.pointer(target)
        {
            self.walk(target, node, depth + 1);
        }
        match &node.data {
            Data::Text(text) => {
                if let Some(list) = schema.get("x-palisade-members").and_then(Value::as_str) {
                    self.check(list, text, node.span);
                }
            }
            Data::List(elements) => {
                if let Some(items) = schema.get("items") {
                    elements.iter().for_each(|element| self.walk(items, element, depth + 1));
                }
            }
            Data::Map(entries) => {
                for entry in entries {
                    if let Some(property) = schema.get("properties").and_then(|map| map.get(&entry.key)) {
                        self.walk(property, &entry.value, depth + 1);
                    }
                }
            }
            _ => {}
        }
    }

    fn check(&mut self, list: &str, text: &str, span: Span) {
        let document = self.document;
        let members = self.lists.entry(list.to_owned()).or_insert_with(|| match document.nearest(list).to_json() {
            Value::Array(members) => members.iter().filter_map(|member| member.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        });
        if !members.iter().any(|member| member == text) {
            let shown = neutral::line(text, 60);
            let message = format!("`{shown}` is missing from the ruleset's list `{}`", list.trim_start_matches('/'));
            let help = suggestion(text, members.iter().map(String::as_str)).map_or_else(
                || "add it to the list, or name one that is there".to_owned(),
                |near| format!("{near} else add it to the list"),
            );
            let listed = document.nearest(list).span;
            let listed = self.source.span(listed.start, listed.start + 1);
            let diagnostic = Diagnostic::new(Code::NotAMember, self.source.name(), span, message)
                .with_label(listed, "the list")
                .with_help(help);
            self.found.push(diagnostic);
        }
    }
}

/// Splits a document that fits its schema into rules and metadata.
fn artifact(schema: &ArtifactSchema, mut document: Value) -> Option<Ruleset> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, version) = (text("name"), text("version"));
    let pointer = schema.items_pointer();
    let rules = document.pointer_mut(pointer).map(Value::take)?;
    let (parent, key) = pointer.rsplit_once('/')?;
    let key = palisade_schema::split(&format!("/{key}")).next()?;
    document.pointer_mut(parent)?.as_object_mut()?.remove(&key);
    let rules = rules.as_array().cloned().unwrap_or_default();
    let items: String = rules.iter().map(|rule| format!("{rule}\n")).collect();
    let digest = canonical::artifact_digest(schema.name(), Digest::of(items.as_bytes()), &document);
    Some(Ruleset {
        name,
        version,
        schema: schema.name().clone(),
        items: items.into_bytes(),
        count: rules.len() as u64,
        metadata: document,
        digest,
    })
}
