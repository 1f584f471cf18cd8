//! From YAML to a checked runbook, and from a runbook to a plan. Data in, data out: nothing here reads a file, a clock
//! or the environment, and nothing stops at the first error.

mod artifacts_form;
mod closure;
pub mod codes;
mod components;
mod condition;
mod condition_cost;
mod condition_types;
mod condition_words;
mod config;
mod config_bound;
mod convert;
mod diagnostic;
mod document;
mod documents;
mod estimate;
mod execution_form;
mod flow;
mod form;
mod nearest;
mod parse;
mod plan;
mod plan_diff;
mod planner;
mod reference;
mod ruleset;
mod runbook;
mod setting;
mod shape;
mod source;
mod system;
mod touch;
mod validation;
mod variables;
mod worst_case;
pub mod yaml;
mod yaml_text;

pub use closure::{Closure, Denied, Open, closure, first_denied, named_uses};
pub use codes::Code;
pub use components::{Components, KnownComponent, NotAccepted};
pub use condition::{Condition, ConditionError, EvaluationError};
pub use config_bound::{ConfigBound, ConfigRule, ListedComponent, NO_RULE, OperatorEntry, pointer_of};
pub use convert::convert;
pub use diagnostic::{Diagnostic, Label, Severity, excerpt};
pub use document::{AssumedDocument, PlanDocument, ReadPlanError};
pub use documents::ITEM_COUNT;
pub use estimate::{
    Basis, Compared, Comparison, Estimate, EstimateFrom, FUEL_PER_CPU_MS, MAX_PAST_ATTEMPTS, PastAttempt, PerMeasure,
    Range, StepCompared, StepEstimate, Told, Unknown, compare, estimate, names_data,
};
pub use flow::{LabelRules, Leak, leaks};
pub use nearest::suggestion;
pub use parse::{parse, parse_artifact, parse_as_written};
pub use plan::{
    AllowedComponent, Binding, BindingSource, ChildOutput, NamedConnection, NamedPath, Plan, PlanFormError,
    PlannedAlias, PlannedBody, PlannedCall, PlannedChild, PlannedChildRunbook, PlannedCondition, PlannedInput,
    PlannedOutput, PlannedRetry, PlannedRuleset, PlannedSchema, PlannedStep, PlannedTool, PlannedValue, PlannedWork,
    Submitted, Use,
};
pub use plan_diff::{Change, Difference, Subject, plan_diff};
pub use planner::{
    Caller, ChildLookup, NoModel, PlanContext, WantedChild, artifact_source, no_model, plan, plan_artifact,
    stays_within, unpriced, wanted_children, wanted_rulesets,
};
pub use reference::{Reference, ReferenceError, Segment};
pub use ruleset::{Ruleset, RulesetLookup, RulesetName, RulesetNameError, WantedRuleset, read as read_ruleset};
pub use runbook::{
    Agent, Approval, AutoApprove, Body, Call, Child, ChildRunbook, DeclaredInput, DeclaredOutput, Form, Inputs,
    Outputs, Retry, Runbook, Step, StepLimits, Submitting, Work,
};
pub use setting::{Setting, SettingError, Settings};
pub use source::{Source, Span, Spanned};
pub use system::{System, Systems};
pub use touch::{Reached, Touch, Toucher};
pub use worst_case::{
    Amounts, Assumed, MAX_INPUT_BYTES, Measure, StepShare, UNBOUNDED, WorstCase, agent_runs, worst_case,
};
