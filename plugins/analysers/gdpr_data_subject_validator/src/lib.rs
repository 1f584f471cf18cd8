//! Has a language model look for what raises or lowers the risk of data subjects, where patterns alone have found it.
//!
//! As in the other framework, what the model sees in one finding of a category holds for all of that category, and where it
//! gives no answer for some of them, all stay as the patterns had them. What it takes back is told, since a finding's own
//! text may have talked it into that; in the conservative mode it takes nothing back.

use std::collections::{BTreeMap, BTreeSet};

use palisade_findings::{
    FINDINGS, LlmValidation, LlmValidationMode, RULES, classifier_config,
    looking::{
        Asking, BATCH, FOREIGN, REVIEW, Reviewed, Verdict, emit_again, judged, kept, shown, validated, validator,
    },
    subjects::SubjectTotals,
};
use palisade_sdk::{Analyser, Context, Description, Input, Metadata, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const SCHEMA: &str = "gdpr_data_subject";
/// What the review is for.
const GOAL: &str = "Whether the risk of data subjects is raised or lowered by what patterns found";

/// The component.
pub struct GdprDataSubjectValidator;

/// What can be set.
#[derive(Deserialize)]
pub struct Config {
    llm_validation: LlmValidation,
    model: Option<String>,
}

/// What it comes to.
#[derive(Serialize, Deserialize)]
pub struct Validated {
    totals: SubjectTotals,
    /// How the classification was done, as its document said it.
    analysis: Value,
    summary: Value,
    verdicts: BTreeMap<Verdict, u64>,
}

/// What can modify a risk, of the metadata of a ruleset.
#[derive(Default, Deserialize)]
struct RulesetMetadata {
    #[serde(default)]
    risk_modifiers: Modifiers,
}

#[derive(Default, Deserialize)]
struct Modifiers {
    #[serde(default)]
    risk_increasing: Vec<Modifier>,
    #[serde(default)]
    risk_decreasing: Vec<Modifier>,
}

#[derive(Deserialize)]
struct Modifier {
    modifier: String,
    #[serde(default)]
    article_references: Vec<String>,
}

/// What a finding says of itself.
#[derive(Deserialize)]
struct Classified {
    data_subject_category: String,
    risk_modifiers: BTreeSet<String>,
    metadata: Origin,
}

#[derive(Deserialize)]
struct Origin {
    source: String,
}

/// A finding that is held, and what a model said of it.
struct Held {
    line: String,
    classified: Classified,
    seen: Option<Seen>,
}

struct Seen {
    modifiers: BTreeSet<String>,
    reason: String,
}

#[derive(Deserialize)]
struct Answer {
    findings: Vec<Judged>,
}

#[derive(Deserialize)]
struct Judged {
    finding: usize,
    risk_modifiers: BTreeSet<String>,
    reason: String,
}

impl Analyser for GdprDataSubjectValidator {
    type Config = Config;
    type Partial = Validated;

    fn describe() -> Description {
        let title = "Has a language model look for what raises or lowers the risk of data subjects";
        validator("gdpr_data_subject_validator", title, SCHEMA, classifier_config("data_subject"))
            .input(Input::new(RULES).ruleset("/ruleset").about("What can raise or lower a risk"))
            .about(
                "Shows a language model all findings and has it say which of the ruleset's modifiers of risk their evidence bears out. \
                 What it sees in one finding of a category holds for the category.",
            )
    }

    fn run(ctx: &Context, config: Config) -> Result<Validated> {
        let known = modifiers(ctx)?;
        let (mut held, mut analysis) = (Vec::new(), Value::Null);
        for reader in ctx.inputs(FINDINGS) {
            analysis = reader.info().metadata::<Value>()?["analysis_metadata"].take();
            reader.for_each(|item| {
                held.push(Held { line: item.line().to_owned(), classified: item.parse()?, seen: None });
                Ok(())
            })?;
        }
        // A ruleset without modifiers leaves nothing to ask.
        if !known.is_empty() {
            let asking =
                Asking { model: config.model.as_deref(), instructions: instructions(&known), schema: schema(&known) };
            held.chunks_mut(BATCH).try_for_each(|batch| ask(ctx, &asking, batch))?;
        }
        let mut verdicts = BTreeMap::new();
        for (item, held) in held.iter().enumerate() {
            let (verdict, reason) = held.verdict();
            *verdicts.entry(verdict).or_default() += 1;
            let source = &held.classified.metadata.source;
            ctx.emit(REVIEW, &Reviewed { of: SCHEMA, item, source, verdict, reason: &reason })?;
        }
        let sees = by_category(&held);
        let summary = match &sees {
            Some(sees) => json!({
                "method_used": "llm",
                "total_findings": held.len(),
                "llm_samples_processed": held.len(),
                "categories_validated": sees.len(),
            }),
            None => json!({"method_used": "regex"}),
        };
        let totals = emit(ctx, held, &sees.unwrap_or_default(), config.llm_validation.llm_validation_mode)?;
        Ok(Validated { totals, analysis, summary, verdicts })
    }

    fn finish(_: &Context, _: Config, parts: Vec<Validated>) -> Result<Vec<Metadata>> {
        let Some(Validated { totals, analysis, summary, verdicts }) = parts.into_iter().next() else {
            return Ok(Vec::new());
        };
        let analysis = validated(&analysis, &summary);
        let document = json!({"summary": SubjectTotals::summary([totals]), "analysis_metadata": analysis});
        let review = json!({"goal": GOAL, "summary": verdicts});
        Ok(vec![Metadata::new(FINDINGS, &document)?, Metadata::new(REVIEW, &review)?])
    }
}

/// What can raise or lower a risk, as the ruleset has it.
fn modifiers(ctx: &Context) -> Result<Vec<Modifier>> {
    let metadata: RulesetMetadata = match ctx.inputs(RULES).next() {
        Some(reader) => reader.info().metadata()?,
        None => RulesetMetadata::default(),
    };
    let Modifiers { mut risk_increasing, mut risk_decreasing } = metadata.risk_modifiers;
    risk_increasing.append(&mut risk_decreasing);
    Ok(risk_increasing)
}

/// Asks a model about findings, and notes what it says of each that it is shown.
fn ask(ctx: &Context, asking: &Asking<'_>, held: &mut [Held]) -> Result<()> {
    let lines: Vec<String> = held.iter().map(|held| shown(&held.line)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let Some(answer) = asking.about::<Answer>(ctx, &lines)? else { return Ok(()) };
    for Judged { finding, risk_modifiers: modifiers, reason } in answer.findings {
        // The first word on each counts.
        if let Some(held) = held.get_mut(finding).filter(|held| held.seen.is_none()) {
            held.seen = Some(Seen { modifiers, reason });
        }
    }
    Ok(())
}

/// What a model sees in the findings of each category; none if it was not told of every finding what it sees.
fn by_category(held: &[Held]) -> Option<BTreeMap<String, BTreeSet<String>>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Held { classified, seen, .. } in held {
        let modifiers = seen.as_ref()?.modifiers.iter().cloned();
        all.entry(classified.data_subject_category.clone()).or_default().extend(modifiers);
    }
    (!all.is_empty()).then_some(all)
}

/// Emits the findings with what the model sees in their categories, and says what it took back.
fn emit(
    ctx: &Context,
    held: Vec<Held>,
    sees: &BTreeMap<String, BTreeSet<String>>,
    mode: LlmValidationMode,
) -> Result<SubjectTotals> {
    let mut totals = SubjectTotals::default();
    let mut taken_back: BTreeMap<(String, String), u64> = BTreeMap::new();
    for Held { line, classified, .. } in held {
        let Classified { data_subject_category: category, risk_modifiers: found, .. } = classified;
        let mut modifiers = sees.get(&category).unwrap_or(&found).clone();
        let not_seen: Vec<_> = found.difference(&modifiers).cloned().collect();
        let marks = mode == LlmValidationMode::Conservative && !not_seen.is_empty();
        if marks {
            modifiers.extend(not_seen);
        } else {
            not_seen.into_iter().for_each(|name| *taken_back.entry((category.clone(), name)).or_default() += 1);
        }
        totals.add(&category, !modifiers.is_empty(), marks);
        emit_again(ctx, &line, |finding| {
            finding.insert("risk_modifiers".to_owned(), json!(modifiers));
            if marks {
                finding.insert("require_review".to_owned(), true.into());
            }
        })?;
    }
    for ((category, modifier), count) in taken_back {
        ctx.skip(
            format!("`{modifier}` of {count} findings of `{category}`"),
            "a language model does not see it there: removed",
        );
    }
    Ok(totals)
}

impl Held {
    /// Whether a model bears out what was found, and why.
    fn verdict(&self) -> (Verdict, String) {
        let Some(Seen { modifiers, reason }) = &self.seen else { return (Verdict::NotReviewed, String::new()) };
        let bears_out = self.classified.risk_modifiers.is_subset(modifiers);
        let verdict = if bears_out { Verdict::Confirmed } else { Verdict::Mistaken };
        let names: Vec<&str> = modifiers.iter().map(String::as_str).collect();
        let sees = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        (verdict, kept(&format!("it sees {sees}: {reason}")))
    }
}

fn instructions(known: &[Modifier]) -> String {
    let named = known.iter().map(|Modifier { modifier, article_references }| match article_references.join(", ") {
        none if none.is_empty() => format!("`{modifier}`"),
        articles => format!("`{modifier}` ({articles})"),
    });
    format!(
        "You look at findings of an automatic analyser about people whose data is processed. Some people need more protection, and \
         patterns that look for signs of that are often mistaken: a minor change is no minor. Say of each finding which of these \
         its evidence bears out for a person: {}. Judge each from its own text alone, name only what you are sure of, and give a \
         reason in one sentence. {FOREIGN}",
        named.collect::<Vec<_>>().join(", ")
    )
}

fn schema(known: &[Modifier]) -> Value {
    let names: BTreeSet<&str> = known.iter().map(|modifier| modifier.modifier.as_str()).collect();
    judged(
        "findings",
        &json!({
            "risk_modifiers": {"type": "array", "items": {"enum": names}},
            "reason": {"type": "string"},
        }),
    )
}

palisade_sdk::export!(GdprDataSubjectValidator);
