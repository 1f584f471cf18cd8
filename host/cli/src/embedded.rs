//! What the binary carries: the first-party components with their manifests, the plugin SDK and the interface.

/// A component that comes with Palisade.
pub(crate) struct FirstParty {
    /// Its name, without the namespace.
    pub(crate) name: &'static str,
    /// The component's bytes.
    pub(crate) wasm: &'static [u8],
    /// What `describe` answered when Palisade was built, as JSON.
    pub(crate) manifest: &'static str,
}

/// The components that come with Palisade; empty if no guest was built before the binary was.
pub(crate) const FIRST_PARTY: &[FirstParty] = include!(concat!(env!("OUT_DIR"), "/first_party.rs"));

/// The files of the plugin SDK and the interface: path below the SDK's folder, content.
pub(crate) const SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
