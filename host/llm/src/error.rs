//! Why a call of a model gives no answer.

use crate::provider::ProviderError;
use palisade_model::Failure;
use palisade_net::KeyError;
use palisade_schema::SchemaError;
use palisade_store::{Fault, Measure, ReserveError};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// Models are switched off.
    #[error("models are switched off: the mode is `off`")]
    Off,
    /// The request has not the form of one.
    #[error("{0}")]
    Invalid(String),
    /// No model of that alias is set up.
    #[error("there is no model `{alias}`")]
    UnknownModel {
        /// What was asked for.
        alias: String,
    },
    /// None is named, and there is no default.
    #[error("no model is named, and `default` of [llm] names none")]
    NoModel,
    /// It is not known what it costs, and something bounds that.
    #[error("the model `{alias}` has no price, and what it may cost is bounded")]
    NoPrice {
        /// The model.
        alias: String,
    },
    /// Its key is not there.
    #[error("the model `{alias}` can't be asked")]
    Key {
        /// The model.
        alias: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The schema that the answer is to fit is none.
    #[error("the schema of the answer is none")]
    Schema(#[from] SchemaError),
    /// The attempt has too little left of its own limits.
    #[error("the call could take {}, and its attempt has {} left", measure.of(*wanted), measure.of(*left))]
    Limit {
        /// What is limited.
        measure: Measure,
        /// What is left.
        left: u64,
        /// What is wanted.
        wanted: u64,
    },
    /// A budget has too little left, or is closed.
    #[error(transparent)]
    Budget(ReserveError),
    /// The run may not send that much. Nothing was sent.
    #[error("{}", .0.message)]
    NotSent(Box<Failure>),
    /// Only recorded answers count, and there is none to this request.
    #[error("no answer of `{alias}` to this request is recorded: {difference}")]
    NotRecorded {
        /// The model.
        alias: String,
        /// How the nearest recorded request differs; none of its words.
        difference: String,
    },
    /// The provider gave no answer.
    #[error("the model `{alias}` gave no answer in {attempts} attempt{}", if *attempts == 1 { "" } else { "s" })]
    Provider {
        /// The model.
        alias: String,
        /// How often it was asked.
        attempts: u64,
        /// What the last attempt came to.
        #[source]
        source: ProviderError,
    },
    /// An answer in the form of a schema was wanted, and there is none.
    #[error("the model `{alias}` gave no answer that fits the schema: {why}")]
    Unfit {
        /// The model.
        alias: String,
        /// What is wrong with the last one; none of its words.
        why: String,
    },
    /// There was no time left to ask.
    #[error("the model `{alias}` was not asked: no time was left")]
    Late {
        /// The model.
        alias: String,
    },
    /// The run is being cancelled.
    #[error("the run is being cancelled")]
    Cancelled,
    /// The ledger or the records failed: nothing was asked, or what it cost counts in full.
    #[error("the ledger of calls can't be kept")]
    Store(#[from] Fault),
}

impl From<ReserveError> for LlmError {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::Fault(fault) => Self::Store(fault),
            refused => Self::Budget(refused),
        }
    }
}

impl LlmError {
    /// What a person can do about it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Off => Some("`--llm` of `palisade run`, or `mode` of [llm] in palisade.toml, switches them on"),
            Self::UnknownModel { .. } | Self::NoModel => {
                Some("[[model]] in palisade.toml sets up models, `default` of [llm] names one")
            }
            Self::NoPrice { .. } => {
                Some("set `price` of the [[model]] in palisade.toml, with the day on which it was so")
            }
            Self::Budget(ReserveError::Budget { .. }) => {
                Some("`palisade costs` shows what was spent; [[budget]] in palisade.toml raises it")
            }
            Self::Budget(ReserveError::Overspent { .. }) => {
                Some("`palisade costs` shows the call; `palisade costs accept` opens the level again")
            }
            Self::Key { .. } => Some(
                "`key` of the [[model]] in palisade.toml says where it should be; `palisade doctor` looks at all of them",
            ),
            Self::Provider { source: ProviderError::Unreachable(_), .. } => {
                Some("`base_url` of the [[model]] in palisade.toml says where it is asked")
            }
            Self::Unfit { .. } => Some("an answer that was recorded stays what it is; `--llm live` asks anew"),
            Self::NotRecorded { .. } => Some("the mode `record` asks the model and records its answer"),
            _ => None,
        }
    }
}
