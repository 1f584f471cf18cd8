//! Values of a config that are references: where they lead, and whether what stands there fits.

use super::Planner;
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::diagnostic::Diagnostic;
use crate::documents::{Place, follow, in_words, types};
use crate::nearest::suggestion;
use crate::plan::PlannedValue;
use crate::reference::{Reference, Segment};
use crate::runbook::Call;
use crate::source::{Span, Spanned};
use palisade_model::SchemaRef;
use palisade_model::manifest::marked;
use palisade_schema::split;
use std::collections::BTreeSet;

/// Marks of config values that the plan must know: they decide what a step may reach.
const MUST_BE_WRITTEN: [(&str, &str); 8] = [
    ("x-palisade-path", "a path"),
    ("x-palisade-connection", "a database"),
    ("x-palisade-database", "a connection"),
    ("x-palisade-url", "a server"),
    ("x-palisade-model", "a model"),
    ("x-palisade-ruleset", "a ruleset"),
    ("x-palisade-secret", "a secret"),
    ("x-palisade-write", "a folder"),
];

impl Planner<'_> {
    /// Checks the references of a config against the documents they lead into and the config schema.
    pub(super) fn values(
        &mut self,
        call: &Call,
        component: &KnownComponent,
        labels: &mut BTreeSet<String>,
    ) -> Option<Vec<PlannedValue>> {
        let mut values = Vec::new();
        let mut good = true;
        for (pointer, reference) in &call.references {
            let wanted = self.wanted_types(component, pointer, reference);
            match self.value(reference, pointer, wanted, labels) {
                Some(value) => values.push(value),
                None => good = false,
            }
        }
        good.then_some(values)
    }

    /// The types that the config wants at a pointer; an inner none if nothing may be filled in there.
    fn wanted_types(
        &mut self,
        component: &KnownComponent,
        pointer: &str,
        reference: &Spanned<Reference>,
    ) -> Option<crate::documents::Types> {
        let schema = &component.manifest.config_schema;
        for (mark, what) in MUST_BE_WRITTEN {
            let at = |found: &str| found == pointer || found.starts_with(&format!("{pointer}/"));
            if marked(schema, mark).iter().any(|found| at(&found.pointer)) {
                let message =
                    format!("{what} must be written out: the plan says what a step can reach before anything runs");
                self.say(Code::MustBeWritten, reference.span, message);
                return None;
            }
        }
        let path: Vec<Segment> = split(pointer)
            .map(|segment| segment.parse().map_or_else(|_| Segment::Key(segment.clone()), Segment::Index))
            .collect();
        Some(match follow(schema, &path) {
            Place::Schema(found) => types(found),
            // Unknown properties are told by the validation of the config.
            Place::ItemCount | Place::Open | Place::Nothing { .. } => None,
        })
    }

    fn value(
        &mut self,
        reference: &Spanned<Reference>,
        pointer: &str,
        wanted: Option<crate::documents::Types>,
        labels: &mut BTreeSet<String>,
    ) -> Option<PlannedValue> {
        let made = self.reads(&reference.value.artifact)?;
        labels.extend(made.labels.iter().cloned());
        let name = Spanned::new(reference.value.artifact.clone(), reference.span);
        let schema = self.known_schema(&name, &made)?;
        let found = self.types_at(&schema, &reference.value, reference.span)?;
        if let (Some(wanted), Some(found)) = (wanted?, found)
            && wanted.is_disjoint(&found)
        {
            let message =
                format!("`{}` is {}, but {} is wanted here", reference.value, in_words(&found), in_words(&wanted));
            self.say(Code::ReferenceType, reference.span, message);
            return None;
        }
        Some(PlannedValue { pointer: pointer.to_owned(), source: made.source, path: reference.value.pointer() })
    }

    /// The types at the end of a path into a document; an outer none if nothing can be there, which is told.
    fn types_at(&mut self, schema: &SchemaRef, reference: &Reference, span: Span) -> Option<crate::documents::Types> {
        let context = self.context;
        let Some(known) = context.schemas.get(schema) else { return Some(None) };
        match follow(known.json(), &reference.path) {
            Place::Schema(found) => Some(types(found)),
            Place::ItemCount => Some(Some(BTreeSet::from(["number"]))),
            Place::Open => Some(None),
            Place::Nothing { segment, known } => {
                let written = reference.to_string();
                self.not_in_document(&reference.artifact, schema, &reference.path, segment, &known, (&written, span));
                None
            }
        }
    }

    /// Tells that a path leads to nothing. `within` is the text that the path stands in, and its place.
    pub(super) fn not_in_document(
        &mut self,
        artifact: &str,
        schema: &SchemaRef,
        path: &[Segment],
        wrong: usize,
        known: &[String],
        within: (&str, Span),
    ) {
        let (text, span) = within;
        let upto = Reference { artifact: artifact.to_owned(), path: path.iter().take(wrong).cloned().collect() };
        let (message, help) = match path.get(wrong) {
            Some(Segment::Key(key)) => (
                format!("`{upto}` has no property `{key}` (the schema of `{artifact}` is `{schema}`)"),
                suggestion(key, known.iter().map(String::as_str)),
            ),
            _ => (format!("`{upto}` is no list (the schema of `{artifact}` is `{schema}`)"), None),
        };
        let segment = path.get(wrong).map(ToString::to_string).unwrap_or_default();
        let at = text.find(&format!("{upto}{segment}")).map(|at| at + upto.to_string().len());
        let dot = usize::from(segment.starts_with('.'));
        let span = at.map_or(span, |at| span.part(text, at + dot..at + segment.len()));
        let wrong = Diagnostic::new(Code::NotInDocument, &self.runbook.source, span, message).with_help_if(help);
        self.diagnostics.push(wrong);
    }
}
