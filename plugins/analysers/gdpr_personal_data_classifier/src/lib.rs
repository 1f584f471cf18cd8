//! Classifies indicators of personal data under the GDPR: one finding for each indicator.

use palisade_findings::{
    AnalysisMetadata, ClassRule, Classes, ClassifierConfig, UNCLASSIFIED, classifier, classifier_config, classify,
    findings_metadata,
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
struct Classified<'c> {
    indicator_type: String,
    privacy_category: &'c str,
    special_category: bool,
    article_references: &'c [String],
}

/// What a part of the input came to.
#[derive(Default, Serialize, Deserialize)]
pub struct Totals {
    findings: u64,
    special: u64,
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
        let config = classifier_config("personal_data");
        classifier("personal_data", "Classifies personal data under the GDPR", config)
            .about("Says of each indicator of personal data its privacy category, and whether that is a special one.")
    }

    fn run(ctx: &Context, _: ClassifierConfig) -> Result<Totals> {
        let classes = Classes::<Class>::read(ctx)?;
        let mut totals = Totals::default();
        classify(ctx, |indicator: Indicator, _| {
            let class = classes.get(&indicator.category);
            let special_category = class.is_some_and(|class| class.special_category);
            totals.findings += 1;
            totals.special += u64::from(special_category);
            Ok(Classified {
                indicator_type: indicator.category,
                privacy_category: class.map_or(UNCLASSIFIED, |class| &class.privacy_category),
                special_category,
                article_references: class.map_or(&[], |class| &class.article_references),
            })
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
        findings_metadata(&summary, &AnalysisMetadata::new(&config.ruleset))
    }
}

palisade_sdk::export!(GdprPersonalData);
