//! An agent that looks at findings as a careful colleague would: which of them hold, which are doubtful, which are mistaken,
//! and why. It changes no finding: what it says stands beside them, for a person.
//!
//! A model judges, so what it says may be wrong, or what a finding's own text talked it into. No verdict is taken for a
//! finding that was not shown, and one without a verdict is told as not reviewed.

use palisade_sdk::{
    Analyser, ConfigSchema, Context, Description, Input, Item, Metadata, Output, Property, Request, Result,
    agent::{self, Agent, Setup, Work},
    serde_json::{Value, json},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most characters of a finding that a model is shown.
const MAX_SHOWN: usize = 1_500;
/// Most characters of a reason that is kept.
const MAX_REASON: usize = 500;
/// Most turns over one batch.
const MAX_TURNS: u32 = 12;
/// How often an answer is sent back that leaves findings out.
const MAX_CORRECTIONS: u32 = 2;
/// Tokens for each verdict of an answer, and beside them.
const TOKENS: (u32, u32) = (120, 200);

const FINDINGS: &str = "findings";
const DOCUMENTS: &str = "documents";
const REVIEW: &str = "review";
const CONVERSATION: &str = "conversation";

/// Whatever finds.
const SCHEMAS: [&str; 11] = [
    "personal_data_indicator/1",
    "processing_purpose_indicator/1",
    "data_subject_indicator/1",
    "service_integration_indicator/1",
    "data_collection_indicator/1",
    "crypto_quality_indicator/1",
    "gdpr_personal_data/1",
    "gdpr_processing_purpose/1",
    "gdpr_data_subject/1",
    "gdpr_service_integration/1",
    "gdpr_data_collection/1",
];

/// The component.
pub struct FindingReviewer;

/// What can be set.
#[derive(Deserialize)]
pub struct Config {
    goal: String,
    model: Option<String>,
    batch: u32,
    max_findings: u64,
}

/// What the last call needs of the first.
#[derive(Serialize, Deserialize)]
pub struct Told {
    goal: String,
    counts: BTreeMap<Verdict, u64>,
}

/// What a finding is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Confirmed,
    /// It may or may not hold: a person has to look.
    Doubtful,
    /// It is none.
    Mistaken,
    /// Nobody said.
    NotReviewed,
}

/// A finding as far as it matters here.
struct Finding {
    schema: String,
    item: u64,
    source: String,
    /// What the model is shown.
    text: String,
}

/// An item of the review.
#[derive(Serialize)]
struct Reviewed<'f> {
    of: &'f str,
    item: u64,
    source: &'f str,
    verdict: Verdict,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'f str,
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

/// Reviews the findings of one batch, which it shows by their numbers in it.
struct Reviewer<'f> {
    batch: &'f [Finding],
}

impl Agent for Reviewer<'_> {
    fn plan(&mut self, work: &mut Work<'_>) -> Result<()> {
        work.brief();
        let shown: Vec<Value> = self
            .batch
            .iter()
            .enumerate()
            .map(|(number, finding)| json!({"finding": number, "of": finding.schema, "is": finding.text}))
            .collect();
        work.instruct(json!({"data": {"findings": shown}}).to_string());
        Ok(())
    }

    fn reflect(&mut self, _: &mut Work<'_>, answer: &Value) -> Result<Option<String>> {
        let judged = judged(answer, self.batch.len());
        let missing: Vec<String> = (0..self.batch.len())
            .filter(|number| !judged.contains_key(number))
            .map(|number| number.to_string())
            .collect();
        Ok((!missing.is_empty()).then(|| format!("It has no verdict for the findings {}.", missing.join(", "))))
    }
}

/// The verdicts of an answer on findings that there are, the first on each.
fn judged(answer: &Value, findings: usize) -> BTreeMap<usize, Judged> {
    let mut judged = BTreeMap::new();
    if let Ok(Answer { verdicts }) = Answer::deserialize(answer) {
        for one in verdicts.into_iter().filter(|one| one.finding < findings && one.verdict != Verdict::NotReviewed) {
            judged.entry(one.finding).or_insert(one);
        }
    }
    judged
}

impl Finding {
    fn new(schema: &str, item: &Item<'_>) -> Result<Self> {
        let value: Value = item.parse()?;
        let source = value["metadata"]["source"].as_str().unwrap_or_default().to_owned();
        let text = item.line().chars().take(MAX_SHOWN).collect();
        Ok(Self { schema: schema.to_owned(), item: item.number(), source, text })
    }
}

impl FindingReviewer {
    fn review(ctx: &Context, config: &Config, batch: &[Finding], told: &mut Told) -> Result<()> {
        let per_verdict = TOKENS.0.saturating_mul(config.batch);
        let setup = Setup {
            goal: config.goal.clone(),
            instructions: "You review findings of automatic analysers, which match words and patterns and so are often mistaken. \
                           Judge each from its own text alone: `confirmed` if the text bears it out, `mistaken` if it plainly means \
                           something else, `doubtful` if a person has to look. Give each a reason in one sentence."
                .to_owned(),
            model: config.model.clone(),
            answer: schema(),
            max_turns: MAX_TURNS,
            max_corrections: MAX_CORRECTIONS,
            max_output_tokens: per_verdict.saturating_add(TOKENS.1),
        };
        let work = agent::work(ctx, &mut Reviewer { batch }, setup, ctx.inputs(DOCUMENTS))?;
        work.keep(CONVERSATION)?;
        let judged = work.answer().map(|answer| judged(answer, batch.len())).unwrap_or_default();
        for (number, finding) in batch.iter().enumerate() {
            let (verdict, reason) = match judged.get(&number) {
                Some(judged) => (judged.verdict, judged.reason.chars().take(MAX_REASON).collect()),
                None => (Verdict::NotReviewed, String::new()),
            };
            *told.counts.entry(verdict).or_default() += 1;
            let Finding { schema, item, source, .. } = finding;
            ctx.emit(REVIEW, &Reviewed { of: schema, item: *item, source, verdict, reason: &reason })?;
        }
        Ok(())
    }
}

impl Analyser for FindingReviewer {
    type Config = Config;
    type Partial = Told;

    fn describe() -> Description {
        let model = Property::string().nullable().default(Value::Null);
        let batch = Property::integer().default(20).min(1).max(50).about("How many findings are shown at once");
        let most = Property::integer().default(500).min(1).about("Most findings that are reviewed; the rest is told");
        let findings = SCHEMAS.into_iter().fold(Input::new(FINDINGS), Input::accepts);
        Description::agent("palisade:finding_reviewer", env!("CARGO_PKG_VERSION"), "Criticises findings with a language model")
            .about(
                "Shows findings to a model, a batch at a time, and writes down for each whether it holds, is doubtful or mistaken, and \
                 why. The findings stay as they are. It may look at documents again with the tools that its step lists.",
            )
            .input(findings.many().about("What to review"))
            .input(Input::new(DOCUMENTS).accepts("standard_input/1").many().optional().about("What its tools may look at again"))
            .output(REVIEW, "finding_review/1.0.0")
            .output_port(Output::new(CONVERSATION, "agent_conversation/1.0.0").about("What it did, turn by turn"))
            .request(Request::llm("to judge findings"))
            .request(Request::call("to look at documents again with the tools of its step").optional())
            .config(
                ConfigSchema::new()
                    .required("goal", Property::string().about("What the review is for"))
                    .property("model", model.about("The model that judges, by its alias; absent: the default model"))
                    .property("batch", batch)
                    .property("max_findings", most),
            )
    }

    fn run(ctx: &Context, config: Config) -> Result<Told> {
        let mut told = Told { goal: config.goal.clone(), counts: BTreeMap::new() };
        let (mut batch, mut seen) = (Vec::new(), 0_u64);
        for reader in ctx.inputs(FINDINGS) {
            let info = reader.info();
            reader.for_each(|item| {
                seen += 1;
                if seen > config.max_findings {
                    return Ok(());
                }
                batch.push(Finding::new(&info.schema, &item)?);
                if batch.len() >= config.batch as usize {
                    Self::review(ctx, &config, &std::mem::take(&mut batch), &mut told)?;
                    ctx.progress(seen, None, "findings reviewed");
                }
                Ok(())
            })?;
        }
        if !batch.is_empty() {
            Self::review(ctx, &config, &batch, &mut told)?;
        }
        if seen > config.max_findings {
            let left = seen - config.max_findings;
            ctx.skip(format!("{left} findings"), "more than `max_findings`: not reviewed");
            *told.counts.entry(Verdict::NotReviewed).or_default() += left;
        }
        Ok(told)
    }

    fn finish(_: &Context, _: Config, parts: Vec<Told>) -> Result<Vec<Metadata>> {
        let Some(Told { goal, counts }) = parts.into_iter().next() else { return Ok(Vec::new()) };
        let agent = json!({"agent": "palisade:finding_reviewer", "goal": goal});
        Ok(vec![
            Metadata::new(REVIEW, &json!({"goal": goal, "summary": counts}))?,
            Metadata::new(CONVERSATION, &agent)?,
        ])
    }
}

fn schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["verdicts"],
        "properties": {"verdicts": {"type": "array", "items": {
            "type": "object", "additionalProperties": false, "required": ["finding", "verdict", "reason"],
            "properties": {
                "finding": {"type": "integer", "description": "Its number"},
                "verdict": {"enum": ["confirmed", "doubtful", "mistaken"]},
                "reason": {"type": "string"},
            },
        }}},
    })
}

palisade_sdk::export!(FindingReviewer);

#[cfg(test)]
mod tests;
