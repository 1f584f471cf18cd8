//! From YAML to a checked runbook, and from a runbook to a plan. Data in, data out: nothing here reads a file, a clock
//! or the environment, and nothing stops at the first error.

mod artifacts_form;
pub mod codes;
mod components;
mod config;
mod diagnostic;
mod nearest;
mod plan;
mod planner;
mod ruleset;
mod runbook;
mod shape;
mod source;
mod variables;
pub mod yaml;

pub use artifacts_form::parse;
pub use codes::Code;
pub use components::{Components, KnownComponent};
pub use diagnostic::{Diagnostic, Label, Severity};
pub use plan::{
    Binding, BindingSource, NamedConnection, NamedPath, Plan, PlannedAlias, PlannedOutput, PlannedRuleset,
    PlannedSchema, PlannedStep, RunLimits,
};
pub use planner::{PlanContext, plan, wanted_rulesets};
pub use ruleset::{Ruleset, RulesetLookup, RulesetName, RulesetNameError, WantedRuleset, read as read_ruleset};
pub use runbook::{Call, DeclaredInput, DeclaredOutput, Runbook, Settings, Step, Work};
pub use source::{Source, Span, Spanned};
