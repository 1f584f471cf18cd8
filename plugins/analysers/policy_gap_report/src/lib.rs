//! Says where a privacy policy and what was found in the data disagree: what the data hold and the policy does not state,
//! what it states and nobody found, and what of it nothing can check. It reads categories and places of findings, never
//! their evidence, so that its report holds none.

mod facts;
mod found;
mod gaps;
mod vocabulary;

use facts::Facts;
use found::Found;
use gaps::Report;
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Input, Metadata, Property, Result, serde_json::json};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use vocabulary::Vocabulary;

/// The component.
pub struct PolicyGapReport;

/// Nothing but the ruleset can be set, and the host reads that.
#[derive(Deserialize)]
pub struct Config {}

/// What the last call needs of the first.
#[derive(Serialize, Deserialize)]
pub struct Told {
    title: String,
    language: String,
    by_severity: BTreeMap<String, u64>,
    by_kind: BTreeMap<String, u64>,
    stated: u64,
    found: u64,
    agreed: BTreeSet<String>,
}

const FACTS: &str = "facts";
const FINDINGS: &str = "findings";
const SUBJECTS: &str = "subjects";
const SERVICES: &str = "services";
const VOCABULARY: &str = "vocabulary";
const GAPS: &str = "gaps";

impl Analyser for PolicyGapReport {
    type Config = Config;
    type Partial = Told;

    fn describe() -> Description {
        let vocabulary = Property::string().ruleset("policy_vocabulary").default("local/policy_vocabulary/1.0.0");
        let vocabulary = vocabulary.about("What the categories of the findings are called in policies");
        Description::analyser(
            "palisade:policy_gap_report",
            env!("CARGO_PKG_VERSION"),
            "Says where a privacy policy and what was found in the data disagree",
        )
        .about(
            "Compares the facts of a privacy policy with findings: what the data hold and the policy denies or does not \
             state, special categories without a stated ground, what is stated and was not found, systems that were not \
             checked, and what can't be compared. Counts and places only, no evidence.",
        )
        .input(Input::new(FACTS).accepts("policy_facts/1").about("What the policy states"))
        .input(
            Input::new(FINDINGS)
                .accepts("gdpr_personal_data/1")
                .accepts("personal_data_indicator/1")
                .many()
                .about("The personal data that were found"),
        )
        .input(
            Input::new(SUBJECTS)
                .accepts("gdpr_data_subject/1")
                .accepts("data_subject_indicator/1")
                .optional()
                .about("Whose data they are; without it, what the policy says of that is not compared"),
        )
        .input(
            Input::new(SERVICES)
                .accepts("gdpr_service_integration/1")
                .accepts("service_integration_indicator/1")
                .optional()
                .about("The services that were found; without it, what the policy says of recipients is not compared"),
        )
        .input(Input::new(VOCABULARY).ruleset("/vocabulary").about("How the words of findings and policies go together"))
        .output(GAPS, "policy_gap_report/1.0.0")
        .config(ConfigSchema::new().property("vocabulary", vocabulary))
    }

    fn run(ctx: &Context, _: Config) -> Result<Told> {
        let vocabulary = Vocabulary::read(ctx)?;
        let facts = Facts::read(ctx)?;
        let found = Found::read(ctx, &vocabulary, &facts)?;
        let Report { gaps, agreed } = gaps::compare(&facts, &found, &vocabulary);
        let (mut by_severity, mut by_kind) = (BTreeMap::new(), BTreeMap::new());
        for gap in &gaps {
            ctx.emit(GAPS, gap)?;
            *by_severity.entry(gap.severity.name().to_owned()).or_default() += 1;
            *by_kind.entry(gap.kind.name().to_owned()).or_default() += 1;
        }
        Ok(Told {
            title: facts.title,
            language: facts.language,
            by_severity,
            by_kind,
            stated: facts.list.len() as u64,
            found: found.findings,
            agreed,
        })
    }

    fn finish(_: &Context, _: Config, parts: Vec<Told>) -> Result<Vec<Metadata>> {
        let Some(told) = parts.into_iter().next() else { return Ok(Vec::new()) };
        let metadata = json!({
            "title": told.title,
            "language": told.language,
            "summary": {
                "by_severity": told.by_severity,
                "by_kind": told.by_kind,
                "stated": told.stated,
                "found": told.found,
                "agreed": told.agreed.len(),
            },
            "agreed": told.agreed,
        });
        Ok(vec![Metadata::new(GAPS, &metadata)?])
    }
}

palisade_sdk::export!(PolicyGapReport);

#[cfg(test)]
mod tests;
