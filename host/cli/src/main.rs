//! The `palisade` command: reads what was typed, does it, ends with a code that says how it went.
//!
//! This crate is the only one that prints, reads the environment or ends the process.

mod approver;
mod args;
mod artifact_runbooks;
mod audit_log;
mod awaited;
mod children;
mod commands;
mod component_check;
mod data_sizes;
mod documents;
mod embedded;
mod estimates;
mod exit_code;
mod failure;
mod given;
mod input;
mod input_sizes;
mod inputs;
mod interrupt;
mod lock;
mod model;
mod named;
mod output;
mod person;
mod planning;
mod planning_context;
mod policy;
mod prepared;
mod render;
mod rulesets;
mod settings;
mod signature;
mod telling;
mod witness_command;
mod witnesses;
mod workspace;

use args::{Cli, Command, ComponentCommand, Format};
use clap::Parser as _;
use exit_code::ExitCode;
use failure::CliError;
use settings::Settings;

fn main() -> std::process::ExitCode {
    // Before anything else: a compile worker runs under a small address space and needs nothing of the rest.
    if std::env::args_os().nth(1).is_some_and(|first| first == commands::COMPILE_WORKER) {
        return commands::compile_worker();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return render::usage(&error).into(),
    };
    start_tracing(cli.global.verbose);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&cli)));
    let code = match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            render::error(&cli.global, &error);
            error.code
        }
        // The panic's own text is on standard error already.
        Err(_) => {
            render::bug(&cli.global);
            ExitCode::Bug
        }
    };
    if render::console::lost() { code.worse(ExitCode::Failed).into() } else { code.into() }
}

fn run(cli: &Cli) -> Result<ExitCode, CliError> {
    if cli.global.format == Format::Mermaid && !matches!(cli.command, Command::Plan(_)) {
        return Err(CliError::usage("--format mermaid is a diagram of a plan; only `palisade plan` has one"));
    }
    if cli.global.format == Format::OpenLineage && !matches!(cli.command, Command::Lineage(_)) {
        return Err(CliError::usage("--format openlineage is a form of lineage; only `palisade lineage` has it"));
    }
    if cli.global.format == Format::CycloneDx && !matches!(cli.command, Command::Component(ComponentCommand::List)) {
        return Err(CliError::usage(
            "--format cyclonedx is a list of components; only `palisade component list` has it",
        ));
    }
    let resolved = Settings::resolve(&cli.global);
    // These two are there for those whose file has a mistake too.
    let (settings, mistake) = match (resolved, &cli.command) {
        (Err(mistake), Command::Init(_) | Command::Doctor) => (Settings::without_file(&cli.global)?, Some(mistake)),
        (resolved, _) => (resolved?, None),
    };
    let context = commands::Context { settings, format: cli.global.format };
    match &cli.command {
        Command::Init(args) => commands::init::exec(&context, args),
        Command::Validate(args) => commands::validate::exec(&context, args),
        Command::Plan(args) => commands::plan::exec(&context, args),
        Command::Run(args) => commands::run::exec(&context, args),
        Command::Debug(args) => commands::debug::exec(&context, args),
        Command::Resume(args) => commands::resume::exec(&context, args),
        Command::Cancel(args) => commands::cancel::exec(&context, args),
        Command::Approve(args) => commands::answer::exec(&context, args, true),
        Command::Reject(args) => commands::answer::exec(&context, args, false),
        Command::Approvals(command) => commands::approvals::exec(&context, command),
        Command::Replay(args) => commands::replay::exec(&context, args),
        Command::Runs(command) => commands::runs::exec(&context, command),
        Command::Lineage(args) => commands::lineage::exec(&context, args),
        Command::Audit(command) => commands::audit::exec(&context, command),
        Command::Evidence(args) => commands::evidence::exec(&context, args),
        Command::Component(command) => commands::component::exec(&context, command),
        Command::Grants(command) => commands::grants::exec(&context, command),
        Command::Plugin(command) => commands::plugin::exec(&context, command),
        Command::Schema(command) => commands::schema::exec(&context, command),
        Command::Ruleset(command) => commands::ruleset::exec(&context, command),
        Command::Runbook(command) => commands::runbook::exec(&context, command),
        Command::Costs(args) => commands::costs::exec(&context, args),
        Command::Doctor => commands::doctor::exec(&context, mistake),
    }
}

/// Spans and events go to standard error: warnings by default, `-v` for steps, `-vv` for each host call; `PALISADE_LOG`
/// takes the filters of `tracing`.
fn start_tracing(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let default = match verbose {
        0 => "off",
        1 => "palisade_engine=info,palisade_sandbox=info,palisade_store=info",
        _ => "palisade_engine=trace,palisade_sandbox=trace,palisade_store=trace",
    };
    let wanted = std::env::var("PALISADE_LOG").unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
        render::console::err(&format!("note: PALISADE_LOG is no filter: {error}\n"));
        EnvFilter::new(default)
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| render::console::Stderr)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .init();
}
