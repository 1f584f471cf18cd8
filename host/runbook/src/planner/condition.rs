//! Conditions: what they speak of, and whether they can have an answer over such documents.

use super::Planner;
use crate::codes::Code;
use crate::condition::Condition;
use crate::condition_types::{Known, Problem, check};
use crate::diagnostic::Diagnostic;
use crate::plan::{BindingSource, PlannedCondition};
use crate::source::Spanned;
use palisade_model::{ArtifactName, SchemaRef};
use std::collections::{BTreeMap, BTreeSet};

/// What a loop makes, which its condition may speak of before it is an artifact.
pub(super) struct Latest<'n> {
    pub(super) name: &'n ArtifactName,
    pub(super) schema: SchemaRef,
    pub(super) source: BindingSource,
}

impl Planner<'_> {
    /// Plans a condition. None if something is wrong, which is told.
    pub(super) fn condition(
        &mut self,
        condition: &Spanned<Condition>,
        latest: Option<&Latest<'_>>,
        labels: &mut BTreeSet<String>,
    ) -> Option<PlannedCondition> {
        let mut names = Vec::new();
        let mut schemas = BTreeMap::new();
        let mut good = true;
        for name in condition.value.names() {
            let own = latest.filter(|latest| latest.name.key() == name.to_lowercase());
            let (source, schema) = if let Some(own) = own {
                (own.source.clone(), Some(own.schema.clone()))
            } else {
                let Some(made) = self.reads(name) else {
                    good = false;
                    continue;
                };
                labels.extend(made.labels.iter().cloned());
                let place = condition.value.place(name, condition.span);
                let schema = self.known_schema(&Spanned::new(name.to_owned(), place), &made);
                good &= schema.is_some();
                (made.source, schema)
            };
            names.push((name.to_owned(), source));
            schemas.extend(schema.map(|schema| (name.to_owned(), schema)));
        }
        let context = self.context;
        let known: BTreeMap<&str, Known<'_>> = schemas
            .iter()
            .filter_map(|(name, schema)| Some((name.as_str(), Known::document(context.schemas.get(schema)?.json()))))
            .collect();
        for problem in check(&condition.value.expression, &known) {
            good = false;
            match problem {
                Problem::Nothing { name, path, segment, known } => {
                    if let Some(schema) = schemas.get(&name) {
                        let within = (condition.value.text(), condition.span);
                        self.not_in_document(&name, schema, &path, segment, &known, within);
                    }
                }
                Problem::Types(message) => {
                    let wrong = Diagnostic::new(Code::ConditionType, &self.runbook.source, condition.span, message);
                    self.diagnostics.push(wrong);
                }
            }
        }
        good.then(|| PlannedCondition { text: condition.value.text().to_owned(), names })
    }
}
