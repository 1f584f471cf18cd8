//! What the components are that have a language model look at findings: a manifest, and one engine.
//!
//! A model looks at a sample of each category. What it takes for a mistake is removed or marked, as the mode says; where
//! it takes the whole sample of a category for mistakes, the rest of it is removed too, as the other framework does. Each
//! verdict stands in the review with its reason, and what is removed is told as a skip: a finding's own text may have
//! talked the model into it. Without an answer a finding stays.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Metadata, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::FINDINGS;
use crate::looking::{
    Asking, BATCH, FOREIGN, REVIEW, Reviewed, Verdict, emit_again, judged, kept, shown, validated, validator,
};
use crate::settings::{LlmValidation, LlmValidationMode};
use crate::tally::Tally;

/// What the review is for.
const GOAL: &str = "Whether findings are what they were taken for";

/// One kind of findings.
pub trait Kind {
    /// The component's name, without its namespace.
    const NAME: &'static str;
    /// What it does, in a line.
    const TITLE: &'static str;
    /// The schema of the findings.
    const SCHEMA: &'static str;
    /// The member of a finding by which samples are taken.
    const CATEGORY: &'static str;
    /// What the findings are taken for, for the model.
    const MEANS: &'static str;

    /// What the document of those that are left says in sum, counted by category.
    fn summary(findings: &Tally) -> impl Serialize;
}

/// The component that has findings of one kind looked at.
pub struct Validator<K>(PhantomData<K>);

/// What can be set.
#[derive(Deserialize)]
pub struct ValidationConfig {
    llm_validation: LlmValidation,
    model: Option<String>,
}

/// What a component of this sort comes to.
#[derive(Serialize, Deserialize)]
pub struct Validated {
    /// The findings that are left.
    findings: Tally,
    /// How the analysis was done, as its document said it.
    analysis: Value,
    asked: u64,
    answered: u64,
    verdicts: BTreeMap<Verdict, u64>,
}

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Marked,
    Removed,
}

/// A finding that a model looks at.
struct Sample {
    item: usize,
    category: String,
    source: String,
    shown: String,
    verdict: Verdict,
    reason: String,
}

#[derive(Deserialize)]
struct Answer {
    verdicts: Vec<Judged>,
}

#[derive(Deserialize)]
struct Judged {
    finding: usize,
    verdict: Verdict,
    reason: String,
}

impl Fate {
    fn of(verdict: Verdict, mode: LlmValidationMode) -> Self {
        match (verdict, mode) {
            (Verdict::Confirmed | Verdict::NotReviewed, _) => Self::Kept,
            (Verdict::Mistaken, LlmValidationMode::Conservative) | (Verdict::Doubtful, _)
                if mode != LlmValidationMode::Aggressive =>
            {
                Self::Marked
            }
            (Verdict::Mistaken | Verdict::Doubtful, _) => Self::Removed,
        }
    }
}

impl<K: Kind> Analyser for Validator<K> {
    type Config = ValidationConfig;
    type Partial = Validated;

    fn describe() -> Description {
        validator(K::NAME, K::TITLE, K::SCHEMA, ConfigSchema::new()).about(
            "Shows a language model a sample of the findings of each category and removes or marks what it takes for mistakes. Each \
             verdict stands in the review with its reason.",
        )
    }

    fn run(ctx: &Context, config: ValidationConfig) -> Result<Validated> {
        validate::<K>(ctx, &config)
    }

    fn finish(_: &Context, config: ValidationConfig, parts: Vec<Validated>) -> Result<Vec<Metadata>> {
        parts.first().map_or_else(|| Ok(Vec::new()), |told| metadata::<K>(told, &config))
    }
}

/// Has findings looked at, and emits those that are left.
fn validate<K: Kind>(ctx: &Context, config: &ValidationConfig) -> Result<Validated> {
    let settings = config.llm_validation;
    let (mut findings, mut samples) = (Vec::new(), Vec::new());
    let mut analysis = Value::Null;
    let mut sampled: BTreeMap<String, u64> = BTreeMap::new();
    for reader in ctx.inputs(FINDINGS) {
        analysis = reader.info().metadata::<Value>()?["analysis_metadata"].take();
        reader.for_each(|item| {
            let finding: Value = item.parse()?;
            let category = finding[K::CATEGORY].as_str().unwrap_or_default().to_owned();
            let taken = sampled.entry(category.clone()).or_default();
            if *taken < settings.sampling_size {
                *taken += 1;
                samples.push(Sample::new(&finding, item.line(), findings.len(), category.clone()));
            }
            findings.push((category, item.line().to_owned()));
            Ok(())
        })?;
    }
    for batch in samples.chunks_mut(BATCH) {
        ask::<K>(ctx, config, batch)?;
    }
    let mut told = Validated {
        findings: Tally::default(),
        analysis,
        asked: samples.len() as u64,
        answered: 0,
        verdicts: BTreeMap::new(),
    };
    for sample in &samples {
        let Sample { item, source, verdict, reason, .. } = sample;
        *told.verdicts.entry(*verdict).or_default() += 1;
        told.answered += u64::from(*verdict != Verdict::NotReviewed);
        ctx.emit(REVIEW, &Reviewed { of: K::SCHEMA, item: *item, source, verdict: *verdict, reason })?;
    }
    let fates = Fates::of(&samples, settings.llm_validation_mode);
    let mut removed = Tally::default();
    for (number, (category, line)) in findings.into_iter().enumerate() {
        let fate = fates.of_finding(number, &category);
        if fate == Fate::Removed {
            removed.add(&category);
            continue;
        }
        emit_again(ctx, &line, |finding| {
            if fate == Fate::Marked {
                finding.insert("require_review".to_owned(), true.into());
            }
        })?;
        told.findings.add(&category);
    }
    for (category, count) in removed.iter() {
        ctx.skip(format!("{count} findings of `{category}`"), "a language model takes them for mistakes: removed");
    }
    Ok(told)
}

/// The metadata of the findings that are left, and of the review.
fn metadata<K: Kind>(told: &Validated, config: &ValidationConfig) -> Result<Vec<Metadata>> {
    let summary = json!({
        "strategy": "orchestrated",
        "samples_validated": told.answered,
        "all_succeeded": told.answered == told.asked,
        "skipped_count": told.asked - told.answered,
        "removed_findings_artifact_id": null,
    });
    let mut analysis = validated(&told.analysis, &summary);
    if let Some(analysis) = analysis.as_object_mut() {
        analysis.insert("llm_validation_mode".to_owned(), json!(config.llm_validation.llm_validation_mode));
    }
    let document = json!({"summary": K::summary(&told.findings), "analysis_metadata": analysis});
    let review = json!({"goal": GOAL, "summary": told.verdicts});
    Ok(vec![Metadata::new(FINDINGS, &document)?, Metadata::new(REVIEW, &review)?])
}

/// What becomes of the findings, by what a model said of the samples.
struct Fates {
    of_samples: BTreeMap<usize, Fate>,
    /// Whether all samples of a category are removed.
    of_rest: BTreeMap<String, bool>,
}

impl Fates {
    fn of(samples: &[Sample], mode: LlmValidationMode) -> Self {
        let (mut of_samples, mut of_rest) = (BTreeMap::new(), BTreeMap::new());
        for sample in samples {
            let fate = Fate::of(sample.verdict, mode);
            of_samples.insert(sample.item, fate);
            *of_rest.entry(sample.category.clone()).or_insert(true) &= fate == Fate::Removed;
        }
        Self { of_samples, of_rest }
    }

    fn of_finding(&self, number: usize, category: &str) -> Fate {
        match self.of_samples.get(&number) {
            Some(fate) => *fate,
            None if self.of_rest.get(category) == Some(&true) => Fate::Removed,
            None => Fate::Kept,
        }
    }
}

impl Sample {
    fn new(finding: &Value, line: &str, item: usize, category: String) -> Self {
        let source = finding["metadata"]["source"].as_str().unwrap_or_default().to_owned();
        Self { item, category, source, shown: shown(line), verdict: Verdict::NotReviewed, reason: String::new() }
    }
}

/// Asks a model about samples. Where it gives no answer, they are not reviewed, which is told.
fn ask<K: Kind>(ctx: &Context, config: &ValidationConfig, samples: &mut [Sample]) -> Result<()> {
    let shown: Vec<&str> = samples.iter().map(|sample| sample.shown.as_str()).collect();
    let asking = Asking { model: config.model.as_deref(), instructions: instructions::<K>(), schema: schema() };
    let Some(answer) = asking.about::<Answer>(ctx, &shown)? else { return Ok(()) };
    for Judged { finding, verdict, reason } in answer.verdicts {
        // The first verdict on each counts.
        if let Some(sample) = samples.get_mut(finding).filter(|sample| sample.verdict == Verdict::NotReviewed) {
            sample.verdict = verdict;
            sample.reason = kept(&reason);
        }
    }
    Ok(())
}

fn instructions<K: Kind>() -> String {
    format!(
        "You look at findings of an automatic analyser, which matches words and patterns and so is often mistaken. Each was taken \
         for {} of the category in its `{}`. Judge each from its own text alone: `confirmed` if the text bears it out, `mistaken` \
         if it plainly means something else, `doubtful` if a person has to look. Give each a reason in one sentence. \
         {FOREIGN}",
        K::MEANS,
        K::CATEGORY,
    )
}

fn schema() -> Value {
    judged(
        "verdicts",
        &json!({
            "verdict": {"enum": ["confirmed", "doubtful", "mistaken"]},
            "reason": {"type": "string"},
        }),
    )
}
