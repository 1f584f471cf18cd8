//! Finds security controls and their gaps: one piece of evidence for each text and rule.

use palisade_findings::{
    AnalysisMetadata, Evidence, FINDINGS, Found, Rules, Tally, for_each_document, pattern_matching, text_analyser,
};
use palisade_matching::{PatternMatching, evidence};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct SecurityControl;

/// The properties of the step.
#[derive(Deserialize)]
pub struct Config {
    pattern_matching: PatternMatching,
}

/// What a rule says that its finding repeats.
#[derive(Serialize, Deserialize)]
struct Fields {
    security_domain: String,
    polarity: String,
}

/// A finding. It has no list of patterns, unlike those of the other analysers.
#[derive(Serialize)]
struct SecurityEvidence<'a> {
    evidence_type: &'static str,
    #[serde(flatten)]
    fields: &'a Fields,
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

/// The metadata of the findings.
#[derive(Serialize)]
struct Analysis<'a> {
    summary: Summary<'a>,
    analysis_metadata: AnalysisMetadata<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    total_findings: u64,
    domains_identified: usize,
    domains: Vec<DomainCount<'a>>,
}

#[derive(Serialize)]
struct DomainCount<'a> {
    security_domain: &'a str,
    findings_count: u64,
}

/// Says how often a control was found, over all patterns of its rule.
fn description(found: &Found<'_, Fields>) -> String {
    let matches: u64 = found.patterns.iter().map(|pattern| pattern.count).sum();
    format!("{matches} match(es) of '{}' security control detected", found.rule.name)
}

impl Analyser for SecurityControl {
    type Config = Config;
    /// Findings by domain.
    type Partial = Tally;

    fn describe() -> Description {
        let rule_type = "security_control_indicator";
        let config = ConfigSchema::new()
            .property("pattern_matching", pattern_matching(rule_type, "local/security_control_indicator/1.0.0"));
        text_analyser("security_control_analyser", "Finds security controls", "security_evidence", config)
            .about("Looks for security controls and for their gaps, as evidence for an assessment.")
    }

    fn run(ctx: &Context, config: Config) -> Result<Tally> {
        let mut rules = Rules::<Fields>::read(ctx)?;
        let mut domains = Tally::default();
        for_each_document(ctx, |item| {
            let document = item.into_document();
            for found in rules.search(&document.content, &config.pattern_matching) {
                let pieces = evidence(&document.content, &found.patterns, &config.pattern_matching);
                domains.add(&found.rule.fields.security_domain);
                let finding = SecurityEvidence {
                    evidence_type: "CODE",
                    fields: &found.rule.fields,
                    confidence: 1.0,
                    description: description(&found),
                    evidence: pieces.into_iter().map(Evidence::from).collect(),
                    metadata: Place { source: &document.origin.source },
                };
                ctx.emit(FINDINGS, &finding)?;
            }
            Ok(())
        })?;
        Ok(domains)
    }

    fn finish(_: &Context, config: Config, parts: Vec<Tally>) -> Result<Vec<Metadata>> {
        let domains = Tally::sum(parts);
        let count = |(security_domain, findings_count)| DomainCount { security_domain, findings_count };
        let summary = Summary {
            total_findings: domains.total(),
            domains_identified: domains.names(),
            domains: domains.by_count().into_iter().map(count).collect(),
        };
        let analysis_metadata = AnalysisMetadata::new(&config.pattern_matching.ruleset);
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(SecurityControl);
