//! The matching engine that every first-party analyser shares.
//!
//! Owns what a match, a cluster, a snippet and a line are. Knows nothing of components, ports or artifacts:
//! text and rules go in, matches come out.

mod evidence;
mod fold;
mod index;
mod lines;
mod literal;
mod matcher;
mod plain;
mod rule;
mod settings;
mod value_pattern;
mod white_space;
mod word_bits;

pub use evidence::{evidence, snippet};
pub use fold::{fold, is_word};
pub use lines::Lines;
pub use matcher::{BadPattern, LineHits, Matcher, PatternMatches, RuleLines, RuleMatches, Span};
pub use rule::Rule;
pub use settings::{Clusters, ContextSize, PatternMatching, WindowSize};
pub use white_space::{is_blank, is_white_space, strip, strip_end};
