//! Classifies indicators of personal data under the GDPR: one finding for each indicator.

use palisade_findings::{
    AnalysisMetadata, ClassRule, Classes, ClassifierConfig, FINDINGS, UNCLASSIFIED, classifier, classifier_config,
    classify,
};
use palisade_sdk::{Analyser, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};

/// The component.
pub struct GdprPersonalData;

/// A rule of the classification.
#[derive(Deserialize)]
struct Class {
    indicator_categories: Vec<String>,
    privacy_category: String,
    special_category: bool,
    article_references: Vec<String>,
}

impl ClassRule for Class {
    fn values(&self) -> &[String] {
        &self.indicator_categories
    }
}

/// What an indicator says.
#[derive(Deserialize)]
struct Indicator {
    category: String,
}

/// What a finding says.
#[derive(Serialize)]
struct Fields {
    indicator_type: String,
    privacy_category: String,
    special_category: bool,
    article_references: Vec<String>,
}

/// What a part of the input came to.
#[derive(Default, Serialize, Deserialize)]
pub struct Totals {
    findings: u64,
    special: u64,
}

/// The metadata of the findings.
#[derive(Serialize)]
struct Analysis<'a> {
    summary: Summary,
    analysis_metadata: AnalysisMetadata<'a>,
}

#[derive(Serialize)]
struct Summary {
    total_findings: u64,
    special_category_count: u64,
    requires_review_count: u64,
}

impl Analyser for GdprPersonalData {
    type Config = ClassifierConfig;
    type Partial = Totals;

    fn describe() -> Description {
        classifier(
            "gdpr_personal_data_classifier",
            "Classifies personal data under the GDPR",
            "personal_data_indicator",
            "gdpr_personal_data",
            classifier_config("gdpr_personal_data_classification"),
        )
        .about("Says of each indicator of personal data its privacy category, and whether that is a special one.")
    }

    fn run(ctx: &Context, _: ClassifierConfig) -> Result<Totals> {
        let classes = Classes::<Class>::read(ctx)?;
        let mut totals = Totals::default();
        classify(ctx, |indicator: &Indicator, _| {
            let class = classes.get(&indicator.category);
            let special_category = class.is_some_and(|class| class.special_category);
            totals.findings += 1;
            totals.special += u64::from(special_category);
            Fields {
                indicator_type: indicator.category.clone(),
                privacy_category: class.map_or(UNCLASSIFIED, |class| &class.privacy_category).to_owned(),
                special_category,
                article_references: class.map(|class| class.article_references.clone()).unwrap_or_default(),
            }
        })?;
        Ok(totals)
    }

    fn finish(_: &Context, config: ClassifierConfig, parts: Vec<Totals>) -> Result<Vec<Metadata>> {
        let summary = Summary {
            total_findings: parts.iter().map(|part| part.findings).sum(),
            special_category_count: parts.iter().map(|part| part.special).sum(),
            // Nothing that is known of personal data makes a review necessary.
            requires_review_count: 0,
        };
        let analysis_metadata = AnalysisMetadata::new(&config.ruleset);
        Ok(vec![Metadata::new(FINDINGS, &Analysis { summary, analysis_metadata })?])
    }
}

palisade_sdk::export!(GdprPersonalData);
