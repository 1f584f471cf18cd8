//! What the justfile and the README call: set-up, guest builds, demo, tests, checks, benchmarks.
//!
//! Runs other programs and shows what it runs; never part of what is shipped.
#![expect(clippy::print_stderr, reason = "a task runner talks")]

mod bench;
mod demo;
mod foreign;
mod fuzz;
mod lint;
mod mutants;
mod plugins;
mod project;
mod servers;
mod setup;
mod shell;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{project::Project, setup::Install};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, shows and checks Palisade")]
struct Args {
    #[command(subcommand)]
    task: Task,
    /// Install a missing guest compiler without asking
    #[arg(long, global = true, conflicts_with = "no_install")]
    install: bool,
    /// Never install anything
    #[arg(long, global = true)]
    no_install: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Find the compiler for guests; offer to install it
    Setup,
    /// Build the first-party components into target/plugins
    Plugins,
    /// Build the guests that tests run into target/hostile and target/hello
    Guests,
    /// Build components of other toolchains into target/foreign, as far as their tools are there or may be fetched
    Foreign,
    /// Set up, build everything and run a runbook over sample data
    Demo,
    /// Set up, build everything and run every test
    Test,
    /// Check formatting and lints of host and guests
    Lint,
    /// Format host and guests
    Fmt,
    /// Build everything and print the benchmark table
    Bench,
    /// Let a fuzzer look for bytes that a reader can't cope with; needs a C++ compiler
    Fuzz {
        /// A folder of tests/fuzz/seeds; all of them, one after the other, if none is named
        target: Option<String>,
        /// How long each is fuzzed
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Change the code that decides in small ways and see that a test notices each; needs `cargo install cargo-mutants`
    Mutants {
        /// One crate of those that decide; all of them, one after the other, if none is named
        package: Option<String>,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let project = Project::find()?;
    let install = match (args.install, args.no_install) {
        (true, _) => Install::Yes,
        (_, true) => Install::No,
        _ => Install::Ask,
    };
    match &args.task {
        Task::Setup => setup::run(&project, install).map(drop),
        Task::Plugins => plugins::first_party(&project, &setup::run(&project, install)?),
        Task::Guests => plugins::of_tests(&project, &setup::run(&project, install)?),
        Task::Foreign => foreign::build(&project, install),
        Task::Demo => demo::run(&project, install),
        Task::Test => test::run(&project, install),
        Task::Lint => lint::check(&project),
        Task::Fmt => lint::format(&project),
        Task::Bench => bench::run(&project, install),
        Task::Fuzz { target, seconds } => fuzz::run(&project, target.as_deref(), *seconds),
        Task::Mutants { package } => mutants::run(&project, package.as_deref()),
    }
}
