//! Owns the trait that an author implements, and the calls of it that every host makes alike.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Bytes, Context, Description, Failure, Result};

/// Most bytes of a partial state, and of the metadata of one output. The host refuses more.
const MAX_STATE_BYTES: usize = 1 << 20;

/// A component's work. Implement it on an empty struct and hand that to [`export!`](crate::export).
pub trait Analyser {
    /// The config, already checked against the schema, defaults filled in. [`NoConfig`] for none.
    type Config: DeserializeOwned;

    /// What `run` hands to `finish`, at most 1 MiB as JSON. `()` for nothing.
    type Partial: Serialize + DeserializeOwned;

    /// Says what the component is. Called when it is added, never at run time; must be the same on every call.
    fn describe() -> Description;

    /// Does the work. Called once per instance: with a per-item input there is one instance for each part of it, each
    /// sees its part only, and the outputs are joined in the order of the parts.
    ///
    /// Outputs count only if this returns `Ok`.
    fn run(ctx: &Context, config: Self::Config) -> Result<Self::Partial>;

    /// Called once after all parts, in an instance of its own, with what they returned, in their order. Makes what needs
    /// all items: the metadata of the outputs. It may emit more items, which come after those of the parts.
    fn finish(ctx: &Context, config: Self::Config, partials: Vec<Self::Partial>) -> Result<Vec<Metadata>> {
        let _ = (ctx, config, partials);
        Ok(Vec::new())
    }
}

/// The config of an analyser that takes none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// What the document of an output holds beside its items, such as a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub(crate) port: String,
    pub(crate) json: String,
}

impl Metadata {
    /// Makes the metadata of an output port. Fails if `value` is not an object that serde can write, or has more than
    /// 1 MiB as JSON.
    pub fn new<T: Serialize + ?Sized>(port: impl Into<String>, value: &T) -> Result<Self> {
        let port = port.into();
        let json = serde_json::to_string(value)
            .map_err(|error| Failure::failed(format!("metadata of output `{port}`: {error}")))?;
        if !json.starts_with('{') {
            return Err(Failure::failed(format!("metadata of output `{port}` is not an object")));
        }
        if json.len() > MAX_STATE_BYTES {
            let bytes = Bytes(json.len() as u64);
            return Err(Failure::failed(format!("metadata of output `{port}` has {bytes}; at most 1 MiB is allowed")));
        }
        Ok(Self { port, json })
    }
}

/// Runs one part and hands over what is still buffered. Returns the partial state as JSON.
pub(crate) fn run<A: Analyser>(ctx: &Context, config: &str) -> Result<Vec<u8>> {
    let partial = A::run(ctx, parse_config::<A>(config)?)?;
    ctx.flush()?;
    let state = serde_json::to_vec(&partial).map_err(|error| Failure::failed(format!("partial state: {error}")))?;
    if state.len() > MAX_STATE_BYTES {
        let bytes = Bytes(state.len() as u64);
        return Err(Failure::failed(format!("the partial state has {bytes}; at most 1 MiB is allowed")));
    }
    Ok(state)
}

/// Finishes the step and hands over what is still buffered.
pub(crate) fn finish<A: Analyser>(ctx: &Context, config: &str, partials: &[Vec<u8>]) -> Result<Vec<Metadata>> {
    let partials = partials
        .iter()
        .map(|state| serde_json::from_slice(state).map_err(|error| Failure::failed(format!("partial state: {error}"))))
        .collect::<Result<_>>()?;
    let metadata = A::finish(ctx, parse_config::<A>(config)?, partials)?;
    ctx.flush()?;
    Ok(metadata)
}

/// Reads the config. An error says what serde knows: an unknown key, a wrong type.
fn parse_config<A: Analyser>(config: &str) -> Result<A::Config> {
    serde_json::from_str(config).map_err(|error| Failure::bad_config(format!("config: {error}")))
}
