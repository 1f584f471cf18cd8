//! The classifications whose classes are categories of purposes: one for each kind of indicator that says of data what
//! it is for.

use std::collections::BTreeMap;

use palisade_sdk::{Context, Metadata, Result};
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::analysis::{AnalysisMetadata, findings_metadata};
use crate::classify::{ClassRule, Classes, ClassifierConfig, UNCLASSIFIED, classify};
use crate::tally::Tally;

/// The purpose category that a person has to look at.
const CONTEXT_DEPENDENT: &str = "context_dependent";
/// The recommendation of an impact assessment that counts in the summary.
const REQUIRED: &str = "required";
/// The recommendation where no rule says anything.
const NOT_REQUIRED: &str = "not_required";

/// An indicator that is classified by its purpose. What is written of it, its finding repeats.
pub trait Purpose: Serialize + DeserializeOwned {
    /// What the category of a purpose is called in a finding.
    const CATEGORY: &'static str = "gdpr_purpose_category";
    /// What the counts by category are called in the summary.
    const CATEGORIES: &'static str = "gdpr_purpose_categories";

    /// The value that a rule names.
    fn value(&self) -> &str;
}

/// What a part of the input came to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PurposeTotals {
    categories: Tally,
    sensitive: u64,
    required: u64,
    review: u64,
}

/// A rule: the values of one kind of indicator that are of a category, and what the law says of that.
#[derive(Deserialize)]
struct Class {
    #[serde(
        alias = "indicator_purposes",
        alias = "indicator_service_categories",
        alias = "indicator_collection_types"
    )]
    values: Vec<String>,
    purpose_category: String,
    article_references: Vec<String>,
    typical_lawful_bases: Vec<String>,
    sensitive_purpose: bool,
    dpia_recommendation: String,
}

impl ClassRule for Class {
    fn values(&self) -> &[String] {
        &self.values
    }
}

/// What a finding says beside its evidence.
#[derive(Serialize)]
struct Classified<'c, P> {
    #[serde(flatten)]
    purpose: P,
    #[serde(flatten)]
    category: Member<&'c str>,
    article_references: &'c [String],
    typical_lawful_bases: &'c [String],
    sensitive_purpose: bool,
    dpia_recommendation: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_review: Option<bool>,
}

/// One member of an object, under a name of its own.
struct Member<V>(&'static str, V);

impl<V: Serialize> Serialize for Member<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(self.0, &self.1)?;
        object.end()
    }
}

/// Classifies the indicators of the step: one finding for each.
pub fn classify_purposes<P: Purpose>(ctx: &Context) -> Result<PurposeTotals> {
    let classes = Classes::<Class>::read(ctx)?;
    let mut totals = PurposeTotals::default();
    classify(ctx, |purpose: P, _| {
        let class = classes.get(purpose.value());
        let category = class.map_or(UNCLASSIFIED, |class| &class.purpose_category);
        let classified = Classified {
            purpose,
            category: Member(P::CATEGORY, category),
            article_references: class.map_or(&[], |class| &class.article_references),
            typical_lawful_bases: class.map_or(&[], |class| &class.typical_lawful_bases),
            sensitive_purpose: class.is_some_and(|class| class.sensitive_purpose),
            dpia_recommendation: class.map_or(NOT_REQUIRED, |class| &class.dpia_recommendation),
            require_review: (category == CONTEXT_DEPENDENT).then_some(true),
        };
        totals.categories.add(category);
        totals.sensitive += u64::from(classified.sensitive_purpose);
        totals.required += u64::from(classified.dpia_recommendation == REQUIRED);
        totals.review += u64::from(classified.require_review.is_some());
        Ok(classified)
    })?;
    Ok(totals)
}

/// The metadata of the findings of all parts.
pub fn purposes_metadata<P: Purpose>(config: &ClassifierConfig, parts: &[PurposeTotals]) -> Result<Vec<Metadata>> {
    #[derive(Serialize)]
    struct Summary<C> {
        total_findings: u64,
        sensitive_purposes_count: u64,
        dpia_required_count: u64,
        requires_review_count: u64,
        #[serde(flatten)]
        categories: C,
    }
    let categories = Tally::sum(parts.iter().map(|part| &part.categories));
    let summary = Summary {
        total_findings: categories.total(),
        sensitive_purposes_count: parts.iter().map(|part| part.sensitive).sum(),
        dpia_required_count: parts.iter().map(|part| part.required).sum(),
        requires_review_count: parts.iter().map(|part| part.review).sum(),
        categories: Member(P::CATEGORIES, categories.by_name().into_iter().collect::<BTreeMap<_, _>>()),
    };
    findings_metadata(&summary, &AnalysisMetadata::new(&config.ruleset))
}
