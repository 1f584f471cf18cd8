//! What untrusted bytes reach first, one function for each reader. Each takes any bytes and stops at nothing but a
//! broken promise: a panic is a finding, whoever calls it.
//!
//! `cargo xtask fuzz` lets libFuzzer look for such bytes; `tests/seeds.rs` goes through the seeds with every run of the
//! tests. What was found once stays as a seed, or as a test of the crate where the mistake was.

mod targets;

/// A reader of untrusted bytes.
pub type Target = fn(&[u8]);

/// The targets by name; each has its seeds in `seeds/NAME`.
pub const TARGETS: [(&str, Target); 13] = [
    ("artifact", targets::artifact::run),
    ("condition", targets::condition::run),
    ("conversion", targets::conversion::run),
    ("document", targets::document::run),
    ("grant", targets::grant::run),
    ("items", targets::items::run),
    ("manifest", targets::manifest::run),
    ("matching", targets::matching::run),
    ("note", targets::note::run),
    ("ruleset", targets::ruleset::run),
    ("runbook", targets::runbook::run),
    ("server", targets::server::run),
    ("settings", targets::settings::run),
];
