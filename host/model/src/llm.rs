//! What the operator sets up of language models: which there are, what they cost, what may be spent.
//!
//! Names of places where keys are, never a key.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a call may do about models that are asked and answers that are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LlmMode {
    /// Every call is refused.
    Off,
    /// A recorded answer if there is one; else the model is asked, and its answer recorded.
    #[default]
    Record,
    /// Only recorded answers.
    Replay,
    /// The model is asked whatever is recorded, and its answer recorded.
    Live,
}

impl LlmMode {
    /// All modes.
    pub const ALL: [Self; 4] = [Self::Off, Self::Record, Self::Replay, Self::Live];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Record => "record",
            Self::Replay => "replay",
            Self::Live => "live",
        }
    }
}

/// In which form a provider is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// OpenAI itself.
    OpenAi,
    /// Whatever speaks OpenAI's chat completions: needs a `base_url`.
    OpenAiCompatible,
    /// Anthropic's messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
    /// An Ollama server.
    Ollama,
}

impl ProviderKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::OpenAi, Self::OpenAiCompatible, Self::Anthropic, Self::Gemini, Self::Ollama];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiCompatible => "openai-compatible",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }

    /// Where it is reached unless the operator says otherwise; none = that must be said.
    #[must_use]
    pub const fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::OpenAiCompatible => None,
            Self::Anthropic => Some("https://api.anthropic.com/v1"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com/v1beta"),
            Self::Ollama => Some("http://localhost:11434/api"),
        }
    }
}

/// Where a key is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// In an environment variable of that name.
    Env(String),
    /// In a file, as written in the operator's file.
    File(String),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "the file `{path}`"),
        }
    }
}

/// How a model is made to answer in the form of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structured {
    /// By what its provider has for that.
    Native,
    /// By asking for it.
    Words,
}

impl Structured {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Native, Self::Words];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Words => "words",
        }
    }
}

/// What a model costs, in millionths of a US dollar for a million tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// For a million tokens that it reads.
    pub input: u64,
    /// For a million tokens that it writes.
    pub output: u64,
    /// The day on which that was so, `YYYY-MM-DD`.
    pub as_of: String,
}

impl Price {
    /// What so many tokens cost, in millionths of a US dollar, rounded up; all there is if that does not fit.
    #[must_use]
    pub fn cost(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        const MILLION: u128 = 1_000_000;
        // Neither product is above 2^128 - 2^65, and their sum fits since each is below half of it where prices are below 2^63.
        let of = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let sum = of(input_tokens, self.input).saturating_add(of(output_tokens, self.output));
        u64::try_from(sum.div_ceil(MILLION)).unwrap_or(u64::MAX)
    }
}

/// A model that the operator set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    /// What components and runbooks call it.
    pub alias: String,
    /// The form in which it is talked to.
    pub provider: ProviderKind,
    /// What its provider calls it.
    pub model: String,
    /// Where it is reached, without a `/` at its end.
    pub base_url: String,
    /// Where its key is; none = it needs none.
    pub key: Option<KeyPlace>,
    /// What is sent to it stays with the operator.
    pub local: bool,
    /// What it costs; none = that is not known.
    pub price: Option<Price>,
    /// How it is made to answer in the form of a schema.
    pub structured: Structured,
    /// Most calls of it at once, of one process.
    pub max_concurrent: u64,
}

/// A level at which calls of models are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetLevel {
    /// All that the data directory ever paid for.
    Organisation,
    /// All of one user.
    User,
    /// All of one day, in UTC.
    Day,
    /// A run that a person started, with everything below it.
    Run,
    /// A run that a step started, with everything below it.
    Child,
    /// A step of a run.
    Step,
}

impl BudgetLevel {
    /// All levels, from the widest to the narrowest.
    pub const ALL: [Self; 6] = [Self::Organisation, Self::User, Self::Day, Self::Run, Self::Child, Self::Step];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::User => "user",
            Self::Day => "day",
            Self::Run => "run",
            Self::Child => "child",
            Self::Step => "step",
        }
    }
}

impl fmt::Display for BudgetLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The most that may be spent; none = as much as anyone likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bound {
    /// Millionths of a US dollar.
    pub cost: Option<u64>,
    /// Tokens, read and written.
    pub tokens: Option<u64>,
    /// Calls.
    pub calls: Option<u64>,
}

impl Bound {
    /// The smaller of both for each.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        Self {
            cost: least(self.cost, other.cost),
            tokens: least(self.tokens, other.tokens),
            calls: least(self.calls, other.calls),
        }
    }

    /// It bounds nothing.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// All that the operator says of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmSettings {
    /// What calls may do, unless the caller says otherwise.
    pub mode: LlmMode,
    /// The alias of the model that is asked where none is named.
    pub default_model: Option<String>,
    /// How long one call may take, in milliseconds.
    pub timeout_ms: u64,
    /// How often a model is told what does not fit in its answer.
    pub max_corrections: u64,
    /// How often a call is tried.
    pub max_attempts: u64,
    /// The models.
    pub models: Vec<ModelSpec>,
    /// What may be spent at each level; a level that is not there is counted and not bounded.
    pub budgets: Vec<(BudgetLevel, Bound)>,
}

impl Default for LlmSettings {
    fn default() -> Self {
        Self {
            mode: LlmMode::default(),
            default_model: None,
            timeout_ms: 120_000,
            max_corrections: 2,
            max_attempts: 3,
            models: Vec::new(),
            budgets: Vec::new(),
        }
    }
}

impl LlmSettings {
    /// The model of that alias.
    #[must_use]
    pub fn model(&self, alias: &str) -> Option<&ModelSpec> {
        self.models.iter().find(|model| model.alias == alias)
    }

    /// The aliases of the models that are with the operator: what is sent to them stays there.
    pub fn local(&self) -> impl Iterator<Item = &str> {
        self.models.iter().filter(|model| model.local).map(|model| model.alias.as_str())
    }

    /// What bounds a level.
    #[must_use]
    pub fn bound(&self, level: BudgetLevel) -> Bound {
        self.budgets.iter().find(|(of, _)| *of == level).map(|(_, bound)| *bound).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_exact_and_rounded_up() {
        let check = |input, output, tokens: (u64, u64), expected| {
            let price = Price { input, output, as_of: "2026-11-01".to_owned() };
            assert_eq!(price.cost(tokens.0, tokens.1), expected, "{input} {output} {tokens:?}");
        };
        check(0, 0, (5, 5), 0);
        check(1, 0, (1, 0), 1);
        check(1, 0, (1_000_000, 0), 1);
        check(1, 0, (1_000_001, 0), 2);
        // 2.50 and 10 USD for a million: 1,000 read and 500 written are 0.0075 USD.
        check(2_500_000, 10_000_000, (1_000, 500), 7_500);
        // Rounded once, not for each of the two.
        check(500_000, 500_000, (1, 1), 1);
        check(u64::MAX, u64::MAX, (u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn bounds_meet_at_the_smaller() {
        let bound = |cost, tokens| Bound { cost, tokens, calls: None };
        assert_eq!(bound(Some(3), None).meet(bound(Some(2), Some(9))), bound(Some(2), Some(9)));
        assert!(Bound::default().meet(Bound::default()).is_none());
        assert!(!bound(None, Some(0)).is_none());
    }
}
