//! What was typed: the command line, and nothing that it means yet.

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use palisade_model::Digest;
use palisade_model::llm::LlmMode;
use palisade_model::unit::Millis;
use std::path::PathBuf;

/// Runs analysers you don't trust over data you can't leak.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every subcommand takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder for runs, artifacts and added components [default: .palisade beside palisade.toml]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// What is written to standard output
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Colours: auto uses them on a terminal
    #[arg(long, alias = "colour", global = true, value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
    /// Says more on standard error; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The form of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people.
    Human,
    /// One JSON document.
    Json,
    /// A diagram; of `plan` alone.
    Mermaid,
    /// Run events of OpenLineage, one on each line; of `lineage` alone.
    #[value(name = "openlineage")]
    OpenLineage,
    /// A bill of materials, CycloneDX 1.6; of `component list` alone.
    #[value(name = "cyclonedx")]
    CycloneDx,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes a commented palisade.toml into the working folder
    Init(InitArgs),
    /// Says everything that is wrong with runbooks, without running them
    Validate(ValidateArgs),
    /// Shows what a runbook would do, the most it could come to and all it could touch, without running it
    Plan(PlanArgs),
    /// Runs a runbook
    Run(RunArgs),
    /// Runs a runbook and holds it at each step, or walks through a run that has ended
    Debug(DebugArgs),
    /// Goes on with a run that was interrupted or whose process is gone; what was done is not done again
    Resume(ResumeArgs),
    /// Ends a run before its time, with all runs below it
    Cancel(CancelArgs),
    /// Says yes to what a run waits for, and goes on with it
    Approve(AnswerArgs),
    /// Says no to what a run waits for, and goes on with what is left of it
    Reject(AnswerArgs),
    /// Shows what runs wait for
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Runs again what was recorded, from the record alone, and compares everything that comes out bit by bit
    Replay(ReplayArgs),
    /// Lists runs, shows what happened in them, afterwards or while they go on, compares and removes them
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Shows what a finding or an artifact was made from, and what was made from it
    Lineage(LineageArgs),
    /// Shows what was used, approved and denied, and proves that nobody has changed what is said of it
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Packs what an auditor needs to check a run without Palisade: plan, runbook, answers, proofs and a small verifier
    Evidence(EvidenceArgs),
    /// Adds, lists, shows and removes components
    #[command(subcommand)]
    Component(ComponentCommand),
    /// Shows, accepts, explains and checks what components may use
    #[command(subcommand)]
    Grants(GrantsCommand),
    /// Makes, builds, tests and runs a plugin of your own
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Lists and shows the schemas of artifacts
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Lists, shows and validates rulesets
    #[command(subcommand)]
    Ruleset(RulesetCommand),
    /// Rewrites runbooks
    #[command(subcommand)]
    Runbook(RunbookCommand),
    /// Shows what calls of language models cost
    Costs(CostsArgs),
    /// Says what of the set-up works and what does not
    Doctor,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CostsArgs {
    /// What is added up
    #[arg(long, value_enum, default_value_t = CostsBy::Model)]
    pub(crate) by: CostsBy,
    /// Only of one run: its id, the beginning of it, or `last`
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<CostsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CostsCommand {
    /// Opens again the budgets that were closed since a provider billed more than was reserved
    Accept,
}

/// What costs are added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CostsBy {
    /// The component that asked.
    Component,
    /// The model that was asked.
    Model,
    /// Who started the run.
    User,
    /// The day, in UTC.
    Day,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunbookCommand {
    /// Writes a runbook in WCF's `artifacts:` form as a list of steps, to standard output
    Convert {
        /// The runbook (YAML)
        runbook: PathBuf,
        /// Writes it to this file, which must not be there
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Replaces a palisade.toml that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The runbooks (YAML)
    #[arg(required = true)]
    pub(crate) runbooks: Vec<PathBuf>,
    /// Folder of rulesets, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub(crate) rulesets: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct PlanArgs {
    #[command(subcommand)]
    pub(crate) command: Option<PlanCommand>,
    /// The runbook (YAML)
    #[arg(required = true)]
    pub(crate) runbook: Option<PathBuf>,
    /// A document that the run would be given, so that its size counts; may be given more than once
    #[arg(long, value_name = "NAME=PATH")]
    pub(crate) input: Vec<String>,
    /// Which limits are shown: those that somebody set, or all
    #[arg(long, value_enum, default_value_t = LimitsArg::Set)]
    pub(crate) limits: LimitsArg,
    #[command(flatten)]
    pub(crate) options: PlanningOptions,
}

/// What plans depend on beside their runbooks.
#[derive(Debug, Args)]
pub(crate) struct PlanningOptions {
    /// Folder of rulesets, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub(crate) rulesets: Vec<PathBuf>,
    /// Grants a power, as fs-read=PATH, as `run` would be given it; may be given more than once
    #[arg(long, value_name = "POWER=SCOPE")]
    pub(crate) allow: Vec<String>,
    /// Instances that run at once [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Shows what differs between two plans; ends with code 1 if anything does
    Diff {
        /// A runbook (YAML), or what `plan --format json` wrote (.json)
        old: PathBuf,
        /// The other one
        new: PathBuf,
        #[command(flatten)]
        options: PlanningOptions,
    },
}

/// Which limits are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LimitsArg {
    /// Those that somebody set.
    Set,
    /// All that are in force.
    All,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The runbook (YAML)
    pub(crate) runbook: PathBuf,
    /// Gives an input, by its name or schema: a JSON document (.json), or text where the schema takes it; may be given
    /// more than once
    #[arg(long, value_name = "NAME=PATH")]
    pub(crate) input: Vec<String>,
    /// Folder of rulesets, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub(crate) rulesets: Vec<PathBuf>,
    /// Grants a power for this run alone, as fs-read=PATH; may be given more than once
    #[arg(long, value_name = "POWER=SCOPE")]
    pub(crate) allow: Vec<String>,
    /// Names the run for its caller: a second call with the same key, plan and inputs tells of the first run
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    pub(crate) idempotency_key: Option<String>,
    /// Says yes beforehand to the runbooks that steps make and their limits and `components` allow
    #[arg(long)]
    pub(crate) approve: bool,
    /// The file of an approver's key, by which it is known who starts the run: somebody else is to approve then
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Pure steps run again even if their result is known from an earlier run
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Whether language models are asked: not at all, if no answer is recorded, never but by the record, or always
    /// [default: `mode` of [llm] in palisade.toml]
    #[arg(long, value_name = "MODE", value_parser = llm_mode)]
    pub(crate) llm: Option<LlmMode>,
    #[command(flatten)]
    pub(crate) telling: TellingArgs,
}

fn llm_mode(text: &str) -> Result<LlmMode, String> {
    let words = LlmMode::ALL.map(LlmMode::word).join(", ");
    LlmMode::ALL.into_iter().find(|mode| mode.word() == text).ok_or_else(|| format!("known are {words}"))
}

/// A key is short, and can be shown as it is.
fn idempotency_key(text: &str) -> Result<String, String> {
    let good = (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(text.to_owned()) } else { Err("a key has 1 to 200 visible ASCII characters".to_owned()) }
}

#[derive(Debug, Args)]
pub(crate) struct DebugArgs {
    /// A runbook (YAML), or a run that has ended: its id, the beginning of it, or `last`
    #[arg(value_name = "RUNBOOK|RUN")]
    pub(crate) what: String,
    /// Begins behind event N of the run
    #[arg(long, value_name = "N")]
    pub(crate) at: Option<u64>,
    /// Gives an input to the runbook, as NAME=PATH; may be given more than once
    #[arg(long, value_name = "NAME=PATH")]
    pub(crate) input: Vec<String>,
    /// Folder of rulesets, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub(crate) rulesets: Vec<PathBuf>,
    /// Grants a power for what runs here, as fs-read=PATH; may be given more than once
    #[arg(long, value_name = "POWER=SCOPE")]
    pub(crate) allow: Vec<String>,
    /// Says yes beforehand to the runbooks that steps make and their limits and `components` allow
    #[arg(long)]
    pub(crate) approve: bool,
    /// Pure steps run again even if their result is known from an earlier run
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// How much of the items of artifacts is shown
    #[arg(long, value_enum, default_value_t = ItemsArg::Masked)]
    pub(crate) items: ItemsArg,
    #[command(flatten)]
    pub(crate) telling: TellingArgs,
}

/// How much of items is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ItemsArg {
    /// Numbers and names of fields, no text.
    Masked,
    /// As they are in the data.
    Full,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The run: its id, the beginning of it, `last`, or one before another, as `last~1`
    pub(crate) run: String,
    /// Folder of rulesets for runbooks that its steps make, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub(crate) rulesets: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) telling: TellingArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The run, or one above it: its id, the beginning of it, or `last`
    pub(crate) run: String,
    /// The step that waits, if several do; one of a child run as CHILD_STEP/STEP
    pub(crate) step: Option<String>,
    /// What there is to say of the answer; it is kept with it
    #[arg(long, visible_alias = "reason", value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Only if it is about the runbook with this plan, as `approvals` shows it: an agent may have submitted another one since
    #[arg(long, value_name = "DIGEST")]
    pub(crate) plan: Option<Digest>,
    /// The file of the approver's key, which signs the answer
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Folder of rulesets for runbooks that its steps make, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub(crate) rulesets: Vec<PathBuf>,
    /// Only writes the answer down; `palisade resume` goes on
    #[arg(long)]
    pub(crate) no_run: bool,
    #[command(flatten)]
    pub(crate) telling: TellingArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// Shows what a step waits for: the runbook that it is to run, its plan, the most it can come to and could touch
    Show {
        /// The run, or one above it: its id, the beginning of it, or `last`
        run: String,
        /// The step that waits, if several do; one of a child run as CHILD_STEP/STEP
        step: Option<String>,
    },
    /// Lists the steps that wait for a person, the latest run first
    List {
        /// Most runs that are looked at
        #[arg(long, value_name = "N", default_value = "1000")]
        limit: std::num::NonZeroUsize,
    },
    /// Makes a key by which an approver or the maker of components signs, and prints what the operator writes down of it
    Key {
        /// Who it is, without spaces and `+`
        name: String,
        /// The file for the secret key; one that is there already is not touched
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["run", "all"])))]
pub(crate) struct ReplayArgs {
    /// The run: its id, the beginning of it, or `last`
    pub(crate) run: Option<String>,
    /// Replays all runs of the data directory, with --runbook those of a runbook of its name
    #[arg(long)]
    pub(crate) all: bool,
    /// Runs by this runbook (YAML) what was recorded by another, and says which step first makes something else; ends with
    /// code 1 if one does
    #[arg(long, value_name = "FILE")]
    pub(crate) runbook: Option<PathBuf>,
    /// Folder of rulesets, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
    #[arg(long, value_name = "DIR", requires = "runbook")]
    pub(crate) rulesets: Vec<PathBuf>,
    /// Instances that run at once [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}

/// How a run is driven and what becomes of its results.
#[derive(Debug, Clone, Args)]
pub(crate) struct TellingArgs {
    /// Folder for NAME.json of each output and run.json
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Writes a report that a browser shows
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// How much of the evidence the report shows
    #[arg(long, value_enum, default_value_t = EvidenceArg::Masked, requires = "report")]
    pub(crate) evidence: EvidenceArg,
    /// Writes the results in another program's form to standard output, or to the file after `=`
    #[arg(long, value_name = "wcf[=FILE]")]
    pub(crate) export: Option<String>,
    /// Ends with code 1 if any part of the input was skipped
    #[arg(long)]
    pub(crate) fail_on_skip: bool,
    /// Ends with code 1 if a finding is of this class: a category or another value of its fields, or the name of a field
    /// that is true, as special_category; may be given more than once
    #[arg(long, value_name = "CLASS")]
    pub(crate) fail_on: Vec<String>,
    /// Shows no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Instances that run at once [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}

/// How much evidence is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvidenceArg {
    /// The shape of it, no character.
    Masked,
    /// As it is in the data.
    Full,
}

impl From<EvidenceArg> for palisade_report::Evidence {
    fn from(evidence: EvidenceArg) -> Self {
        match evidence {
            EvidenceArg::Masked => Self::Masked,
            EvidenceArg::Full => Self::Full,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Lists runs, the latest first
    List {
        /// Most runs that are listed
        #[arg(long, value_name = "N", default_value = "20")]
        limit: std::num::NonZeroUsize,
        /// Only runs that failed
        #[arg(long)]
        failed: bool,
        /// Runs that other runs started, too
        #[arg(long)]
        children: bool,
    },
    /// Shows a run: what failed and why, what each step took, what was left out and what was made
    Show(RunsShowArgs),
    /// Starts a new run that shares the beginning of another, up to a step, and goes on by an edited config or runbook
    Fork(Box<RunsForkArgs>),
    /// Compares two runs: new, gone and same findings, other artifacts, and what differs in their plans
    Diff(RunsDiffArgs),
    /// Shows which runs and bytes nobody needs any more, and removes them once you say so
    Gc(RunsGcArgs),
    /// Erases the data that a run read and made, once you say so; its journal stays
    Erase(RunsEraseArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunsForkArgs {
    /// The run: its id, the beginning of it, `last`, or one before another, as `last~1`
    pub(crate) run: String,
    /// The step before whose first start the run is left; what had ended by then is taken over
    #[arg(long, value_name = "STEP")]
    pub(crate) at: String,
    /// Sets a value in the config of a step, as YAML; may be given more than once
    #[arg(long, value_name = "STEP.PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Goes on by this runbook (YAML) [default: the text that the run stored]
    #[arg(long, value_name = "FILE")]
    pub(crate) runbook: Option<PathBuf>,
    /// Gives an input in place of the one that the run had; may be given more than once
    #[arg(long, value_name = "NAME=PATH")]
    pub(crate) input: Vec<String>,
    /// Folder of rulesets, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub(crate) rulesets: Vec<PathBuf>,
    /// Grants a power for the new run alone, as fs-read=PATH; what was allowed for the other one does not count
    #[arg(long, value_name = "POWER=SCOPE")]
    pub(crate) allow: Vec<String>,
    /// Says yes beforehand to the runbooks that steps make and their limits and `components` allow
    #[arg(long)]
    pub(crate) approve: bool,
    /// Pure steps run again even if their result is known from an earlier run
    #[arg(long)]
    pub(crate) no_cache: bool,
    #[command(flatten)]
    pub(crate) telling: TellingArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunsDiffArgs {
    /// The older run: its id, the beginning of it, `last`, or one before another, as `last~1`
    pub(crate) old: String,
    /// The newer run
    pub(crate) new: String,
    /// Most findings that are listed of each artifact, new and gone ones each; all are counted
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) limit: usize,
    /// How much of the evidence of listed findings is shown
    #[arg(long, value_enum, default_value_t = EvidenceArg::Masked)]
    pub(crate) evidence: EvidenceArg,
    /// Ends with code 1 if there are new findings, or if it can't be said that there are none; else differences are no
    /// failure
    #[arg(long)]
    pub(crate) fail_on_new: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunsGcArgs {
    /// Only runs that ended so long ago, as 30d or 12h [default: `[retention] keep` of palisade.toml]
    #[arg(long, value_name = "TIME", value_parser = Millis::parse)]
    pub(crate) older_than: Option<Millis>,
    /// Keeps the latest N runs, whatever else is given
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
    /// Only runs that stand so; several with commas between them
    #[arg(long, value_enum, value_name = "STATE", value_delimiter = ',')]
    pub(crate) status: Vec<StateArg>,
    /// Also runs that could still be resumed: interrupted, abandoned, or waiting for a person
    #[arg(long)]
    pub(crate) include_interrupted: bool,
    /// Removes what is shown, without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunsEraseArgs {
    /// The run: its id, the beginning of it, `last`, or one before another, as `last~1`
    pub(crate) run: String,
    /// Also what other runs name, unless one could still be resumed: the data are gone for them too
    #[arg(long)]
    pub(crate) everywhere: bool,
    /// Erases what is shown, without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

/// How a run stands that may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateArg {
    /// Everything wanted was done.
    Succeeded,
    /// A wanted step failed.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// It was interrupted.
    Interrupted,
    /// It waits for a person.
    Waiting,
    /// It has not ended, and its process is gone.
    Abandoned,
}

impl StateArg {
    /// The word for it everywhere else.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Waiting => "waiting",
            Self::Abandoned => "abandoned",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct LineageArgs {
    /// A finding's id or the beginning of it, an artifact's name, or the beginning of its digest
    pub(crate) what: String,
    /// The run: its id, the beginning of it, `last`, or one before another, as `last~1` [default: the latest that has it]
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Shows only what it was made from
    #[arg(long, conflicts_with = "down")]
    pub(crate) up: bool,
    /// Shows only what was made from it
    #[arg(long)]
    pub(crate) down: bool,
    /// How much of a finding's evidence is shown
    #[arg(long, value_enum, default_value_t = EvidenceArg::Masked)]
    pub(crate) evidence: EvidenceArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Lists the entries of the audit log, the oldest first
    Log(AuditLogArgs),
    /// Checks the whole log and all that it commits to; ends with code 7 if anything does not hold
    Verify(AuditVerifyArgs),
    /// Writes what shows to others that an entry is in the log, as JSON
    Prove {
        /// The entry's number
        entry: u64,
        /// Adds the key that opens what the entry says of its run's data, and what others say of the same run
        #[arg(long)]
        open: bool,
    },
    /// Writes what shows that the log at one checkpoint is the beginning of the log at another, as JSON
    Consistency {
        /// A file with checkpoints, of which the last counts, or a number of entries
        old: String,
        /// The same for the longer one [default: the log as it is now]
        new: Option<String>,
    },
    /// Writes all entries, each on a line as it was hashed
    Export,
    /// Signs the log as it is now and writes the checkpoint
    Checkpoint {
        /// Also appends it to this file, beside those that palisade.toml names; may be given more than once
        #[arg(long, value_name = "FILE")]
        witness: Vec<PathBuf>,
    },
    /// Makes another key that signs from now on; the one before hands over to it
    RotateKey,
}

#[derive(Debug, Args)]
pub(crate) struct EvidenceArgs {
    /// The run: its id, the beginning of it, `last`, or one before another, as `last~1`
    pub(crate) run: String,
    /// The folder to make; it must not be there
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AuditLogArgs {
    /// Only entries of this run: its id, the beginning of it, or `last`
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Only entries of this kind, as run_ended; several with commas between them
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(palisade_audit::What::KINDS))]
    pub(crate) kind: Vec<String>,
    /// Only what was denied or refused
    #[arg(long)]
    pub(crate) denied: bool,
    /// Only what happened so long ago at most, as 30d or 12h
    #[arg(long, value_name = "TIME", value_parser = Millis::parse)]
    pub(crate) since: Option<Millis>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArgs {
    /// Also says which run wrote this file; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// A file with checkpoints that was kept elsewhere, beside those that palisade.toml names; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunsShowArgs {
    /// The run: its id, the beginning of it, `last`, or one before another, as `last~1`
    pub(crate) run: String,
    /// Shows each step with its attempts below it
    #[arg(long, group = "form")]
    pub(crate) tree: bool,
    /// Says of each step whether its result was known from before, and if not, why
    #[arg(long, group = "form")]
    pub(crate) why: bool,
    /// Shows each event on a line; with --format json each is a JSON document on a line
    #[arg(long, group = "form")]
    pub(crate) events: bool,
    /// Shows how the run stood after event N
    #[arg(long, value_name = "N", group = "form")]
    pub(crate) at: Option<u64>,
    /// Shows each event, and those that come, until the run ends
    #[arg(long, group = "form")]
    pub(crate) follow: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ComponentCommand {
    /// Checks a component and adds it to the registry
    Add {
        /// The component (.wasm)
        file: PathBuf,
        /// Its symbol file, so that a panic names functions and lines [default: FILE.symbols.wasm if it is there]
        #[arg(long, value_name = "FILE")]
        symbols: Option<PathBuf>,
        /// The signature of its maker [default: FILE.sig if it is there]
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
    },
    /// Signs a component, for those who wrote your key down as the owner of your namespace
    Sign {
        /// The component (.wasm)
        file: PathBuf,
        /// The file of your secret key, as `palisade approvals key NAME --out KEY` makes it
        #[arg(long, value_name = "KEY")]
        key: PathBuf,
        /// The file for the signature; one that is there already is replaced [default: FILE.sig]
        #[arg(long, value_name = "SIGNATURE")]
        out: Option<PathBuf>,
    },
    /// Lists all components, those that come with Palisade included
    List,
    /// Shows what a component is, imports, asks for and may do
    Show {
        /// Its id or alias, with an optional @version
        name: String,
    },
    /// Removes an added component
    Remove {
        /// Its id and version, as acme:pii@1.0.0
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrantsCommand {
    /// Shows which component may use what, who said so, and what counts
    Show {
        /// Only this component: its id or alias, with an optional @version
        component: Option<String>,
    },
    /// Accepts the bytes of a component: what palisade.toml grants it counts then, and names without a version mean it
    Accept {
        /// Its id or alias, with an optional @version; without one, the highest
        component: String,
        /// The digest that is accepted, where nobody is at a terminal to be asked: sha256:HEX
        #[arg(long, value_name = "DIGEST")]
        digest: Option<String>,
    },
    /// Says in words what was decided for a step of a run: by which rules, and what almost allowed what was denied
    Explain {
        /// The run: its id, the beginning of it, or `last`
        run: String,
        /// The step
        step: String,
    },
    /// Prints the smallest grants that would have sufficed for what was denied, to be pasted into palisade.toml
    Propose {
        /// The run: its id, the beginning of it, or `last`; or a runbook (YAML)
        what: String,
        /// Folder of rulesets, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
        #[arg(long, value_name = "DIR")]
        rulesets: Vec<PathBuf>,
    },
    /// Writes a grant into palisade.toml, after it has shown the difference and asked; all else in the file stays as it is
    Add {
        /// The component: its id or alias, with an optional @version
        component: String,
        /// What it may use, as fs-read=PATH; a path is relative to this folder
        #[arg(required = true, value_name = "POWER=SCOPE")]
        capabilities: Vec<String>,
        /// Who decided this, and why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Writes it without asking
        #[arg(long)]
        yes: bool,
    },
    /// Takes grants out of palisade.toml, after it has shown the difference, and who used them, and asked
    Revoke {
        /// The component: its id or alias, with an optional @version
        component: String,
        /// What it may no longer use, as palisade.toml grants it; without any, all of it
        #[arg(value_name = "POWER=SCOPE")]
        capabilities: Vec<String>,
        /// Writes it without asking
        #[arg(long)]
        yes: bool,
    },
    /// Checks what is granted and denied against a file of expectations (TOML); ends with code 1 if one is not met
    Test {
        /// The file
        file: PathBuf,
    },
    /// Lists grants that no stored run has used
    Unused,
    /// Says what is granted more or less, between two files of palisade.toml, or two of palisade.lock, each as it lies there
    /// or in a commit
    Diff {
        /// The older file
        old: PathBuf,
        /// The newer file
        new: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Makes a folder with a plugin that works
    New {
        /// Its name, as acme:word_count; without a namespace it is `example`
        name: String,
        /// Where to make it [default: a folder of its name here]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Builds the plugin of a folder into a component
    Build {
        #[command(flatten)]
        at: PluginAt,
        /// Lets rustup add the wasm target if no toolchain for guests is found
        #[arg(long)]
        install_target: bool,
    },
    /// Runs the case folders of a plugin and shows what differs
    Test {
        #[command(flatten)]
        at: PluginAt,
        /// Writes what came out as what is expected; read it first
        #[arg(long)]
        accept: bool,
        /// Only cases whose name contains this
        #[arg(long, value_name = "TEXT")]
        case: Option<String>,
    },
    /// Runs a plugin over files of items and writes what it emits
    Run {
        #[command(flatten)]
        at: PluginAt,
        /// An input: PORT=FILE, items as JSON Lines or a document as JSON; may be given more than once
        #[arg(long, value_name = "PORT=FILE")]
        input: Vec<String>,
        /// Its config: JSON, or @FILE
        #[arg(long, value_name = "JSON")]
        config: Option<String>,
        /// Grants a power for this run alone, as fs-read=PATH
        #[arg(long, value_name = "POWER=SCOPE")]
        allow: Vec<String>,
    },
}

/// Where a plugin is.
#[derive(Debug, Args)]
pub(crate) struct PluginAt {
    /// The plugin's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Lists the schemas, with those that added components brought
    List,
    /// Writes a schema
    Show {
        /// Its name, with an optional /VERSION
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RulesetPaths {
    /// Folder of rulesets, as DIR/NAME/VERSION/NAME.yaml; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub(crate) rulesets: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesetCommand {
    /// Lists the rulesets that are found
    List {
        #[command(flatten)]
        paths: RulesetPaths,
    },
    /// Shows what is in a ruleset
    Show {
        /// As local/NAME/VERSION
        name: String,
        #[command(flatten)]
        paths: RulesetPaths,
    },
    /// Checks ruleset files and says everything that is wrong with them
    Validate {
        /// The files (YAML)
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The type they should have [default: found from what is in them]
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}
