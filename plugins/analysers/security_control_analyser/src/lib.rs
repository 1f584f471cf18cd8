//! Finds security controls and their gaps: one piece of evidence for each text and rule.

use palisade_findings::{
    AnalysisMetadata, Breakdown, Evidence, FINDINGS, Rules, Settings, Tally, analyser, findings_metadata,
    for_each_document, settings,
};
use palisade_matching::evidence;
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct SecurityControl;

/// What a rule says that its finding repeats.
#[derive(Serialize, Deserialize)]
struct Control {
    security_domain: String,
    polarity: String,
}

/// A finding. It has no list of patterns, unlike those of the other analysers.
#[derive(Serialize)]
struct SecurityEvidence<'a> {
    evidence_type: &'static str,
    #[serde(flatten)]
    control: &'a Control,
    confidence: f64,
    description: String,
    evidence: Vec<Evidence<'a>>,
    metadata: Place<'a>,
}

/// Where it was found.
#[derive(Serialize)]
struct Place<'a> {
    source: &'a str,
}

impl Analyser for SecurityControl {
    type Config = Settings;
    /// Findings by domain.
    type Partial = Tally;

    fn describe() -> Description {
        let config = settings("security_control_indicator", "security_control_indicator");
        let (title, documents) = ("Finds security controls", &["standard_input", "source_code"]);
        analyser("security_control_analyser", title, documents, "security_evidence", config)
            .about("Looks for security controls and for their gaps, as evidence for an assessment.")
    }

    fn run(ctx: &Context, settings: Settings) -> Result<Tally> {
        let mut rules = Rules::<Control>::read(ctx)?;
        let mut domains = Tally::default();
        for_each_document(ctx, |item| {
            let document = item.into_document();
            for found in rules.search(&document.content, &settings.pattern_matching, |_, _| false) {
                let control = &found.first.fields;
                let matches: u64 = found.patterns.iter().map(|pattern| pattern.count).sum();
                let pieces = evidence(&document.content, &found.patterns, &settings.pattern_matching);
                domains.add(&control.security_domain);
                let finding = SecurityEvidence {
                    evidence_type: "CODE",
                    control,
                    confidence: 1.0,
                    description: format!("{matches} match(es) of '{}' security control detected", found.first.name),
                    evidence: pieces.into_iter().map(Evidence::from).collect(),
                    metadata: Place { source: &document.origin.source },
                };
                ctx.emit(FINDINGS, &finding)?;
            }
            Ok(())
        })?;
        Ok(domains)
    }

    fn finish(_: &Context, settings: Settings, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let domains = Tally::sum(&parts);
        let summary = Breakdown::new("domains", "security_domain", domains.by_count());
        findings_metadata(&summary, &AnalysisMetadata::new(&settings.pattern_matching.ruleset))
    }
}

palisade_sdk::export!(SecurityControl);
