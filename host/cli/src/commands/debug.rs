//! `palisade debug`: a run held from step to step, or one that has ended looked at from place to place.
//!
//! It is the engine's own run with a gate: nothing is done here that `palisade run` would not do, with no more authority.

mod command;
mod core;
mod live;
mod terminal;
mod view;
mod walk;

use self::core::Core;
use self::live::{Edits, LeftLive, Live, refuse, say};
use self::terminal::Terminal;
use self::view::Style;
use self::walk::Walk;
use super::Context;
use super::resume::same_folder;
use super::runs::{Told, can_be_left, find, not_told, point};
use crate::args::{DebugArgs, Format, ItemsArg};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::planning::PlanningArgs;
use crate::prepared::{Changes, Driving, Prepared, planned};
use crate::render::console;
use crate::telling::{self, Outputs};
use crate::workspace::Workspace;
use crate::{inputs, interrupt, person, rulesets};
use palisade_engine::{
    Cancel, Engine, ForkPoint, ForkPointError, Gate, History, Observed, Observer, Ran, shown_folder,
};
use palisade_model::{RunId, neutral};
use palisade_runbook::Setting;
use std::collections::BTreeSet;
use std::path::Path;

pub(crate) fn exec(context: &Context, args: &DebugArgs) -> Result<ExitCode, CliError> {
    if context.format == Format::Json {
        return Err(CliError::usage("--format json is no form of `debug`: what it says is for people")
            .help("`palisade runs show RUN --format json` has all that happened in a run"));
    }
    let workspace = Workspace::open(&context.settings)?;
    let cancel = Cancel::new();
    interrupt::cancels(&cancel)?;
    let style = Style { colour: context.settings.colour_stdout, full: args.items == ItemsArg::Full };
    let mut debugger = Debugger {
        context,
        args,
        workspace: &workspace,
        style,
        core: Core::new(),
        terminal: Terminal::new(cancel.clone()),
        cancel,
    };
    let runbook = Path::new(&args.what);
    if context.settings.working_dir.join(runbook).is_file() {
        debugger.runbook(runbook)
    } else {
        debugger.run(&args.what)
    }
}

struct Debugger<'a> {
    context: &'a Context,
    args: &'a DebugArgs,
    workspace: &'a Workspace,
    style: Style,
    core: Core,
    terminal: Terminal,
    cancel: Cancel,
}

impl Debugger<'_> {
    /// Runs a runbook.
    fn runbook(&mut self, file: &Path) -> Result<ExitCode, CliError> {
        let Self { context, args, workspace, .. } = *self;
        if args.at.is_some() {
            return Err(CliError::usage("--at is a place in a run that has ended; a runbook begins at the beginning"));
        }
        let export = telling::export(context, &args.telling)?;
        let source = rulesets::source(file)?;
        let planning = PlanningArgs { rulesets: &args.rulesets, allow: &args.allow, ..PlanningArgs::default() };
        let (plan, reading) = planned(context, workspace, planning, &source)?;
        let outputs = Outputs::probe(&args.telling, export, Some(file), &plan)?;
        let engine = workspace.engine(args.telling.threads)?;
        let typed = inputs::Typed { texts: &args.input, known: &BTreeSet::new() };
        let folder = &context.settings.working_dir;
        let given = inputs::read(&plan, typed, folder, &workspace.schemas, engine.catalogue(), engine.store())?;
        let prepared = Prepared::fresh(context, &engine, (plan, reading), source, given, planning)?;
        self.live(&engine, prepared, &outputs)
    }

    /// Walks through a run that has ended, and runs what is forked from it.
    fn run(&mut self, name: &str) -> Result<ExitCode, CliError> {
        let Self { context, args, workspace, .. } = *self;
        // No name of a run has one of these.
        if name.contains(['.', '/']) {
            return Err(CliError::usage(format!("there is no file `{}`", neutral::line(name, 200)))
                .help("what is debugged is a runbook, or a run: `palisade runs list` shows the ids of runs"));
        }
        let (store, run) = find(context, workspace.stored(), name)?;
        let told = Told::read(store, run)?;
        if told.goes_on() {
            return Err(CliError::usage(format!("run {run} goes on, in another process"))
                .help(format!("`palisade runs show {run} --follow` shows what happens")));
        }
        let engine = workspace.engine(args.telling.threads)?;
        let Some(prepared) = self.walk(&engine, &told.history, args.at)? else { return Ok(ExitCode::Done) };
        let export = telling::export(context, &args.telling)?;
        let outputs = Outputs::probe(&args.telling, export, None, &prepared.plan)?;
        self.live(&engine, prepared, &outputs)
    }

    /// Drives a run, those that are forked from it, and looks at the last when it has ended.
    fn live(&mut self, engine: &Engine, mut prepared: Prepared, outputs: &Outputs) -> Result<ExitCode, CliError> {
        loop {
            console::out(&prepared.said());
            let (ran, left) = self.drive(engine, &mut prepared)?;
            let run = ran.record.run_id;
            if let LeftLive::Edited { edits, step } = left {
                let history = History::read(engine.store(), run).map_err(|error| not_told(&error))?;
                let point = ForkPoint::here(engine.store(), run, &step).map_err(|error| match error {
                    ForkPointError::History(error) => not_told(&error),
                    error @ ForkPointError::NeverStarted { .. } => CliError::from_error(ExitCode::Bug, &error),
                })?;
                prepared =
                    Prepared::fork(self.context, (self.workspace, engine), &history, point, self.changes(&edits))?;
                continue;
            }
            if matches!(left, LeftLive::Ended) && !ran.record.status.can_go_on() && !self.cancel.is_cancelled() {
                let history = History::read(engine.store(), run).map_err(|error| not_told(&error))?;
                let end = history.events().len() as u64;
                if let Some(forked) = self.walk(engine, &history, Some(end))? {
                    prepared = forked;
                    continue;
                }
            }
            return telling::tell(self.context, &self.args.telling, ran, engine, &self.workspace.schemas, outputs);
        }
    }

    /// Drives a run until it has ended or is left for an edited one.
    fn drive(&mut self, engine: &Engine, prepared: &mut Prepared) -> Result<(Ran, LeftLive), CliError> {
        let Self { context, args, workspace, style, .. } = *self;
        let basis = prepared.basis();
        let check = |set: &[Setting], input: &[String]| {
            let changes = Changes { runbook: None, set, input, rulesets: &args.rulesets, allow: &args.allow };
            basis.check(context, workspace, engine, changes)
        };
        let live = Live::new(engine.store(), style, &check, &mut self.core, &mut self.terminal);
        let approved_by = person::approves_beforehand(context, args.approve)?;
        let gate: Option<&dyn Gate> = Some(&live);
        let driving =
            Driving { context, workspace, reuse: !args.no_cache, by: person::name(), approved_by, gate, llm: None };
        let ran = prepared.run(engine, driving, None, (&Compiling, &self.cancel));
        let ran = ran.map_err(|error| telling::not_driven(&error))?;
        Ok((ran, live.left()))
    }

    /// Looks at a run from place to place; gives what a person wants to be run from one of them.
    fn walk(&mut self, engine: &Engine, history: &History, at: Option<u64>) -> Result<Option<Prepared>, CliError> {
        let store = engine.store();
        let run = history.start().map_err(|error| not_told(&error))?.run;
        let plan = history.plan(store).map_err(|error| not_told(&error))?;
        let count = history.events().len();
        let begin = at.map_or(Some(0), |at| usize::try_from(at).ok().filter(|at| *at <= count));
        let at = begin.ok_or_else(|| {
            CliError::usage(format!("the run has {count} events, so there is no event {}", at.unwrap_or(0)))
        })?;
        let inputs = history.past(count).map_err(|error| not_told(&error))?.inputs();
        let mut walk = Walk { store, history, plan: &plan, inputs: &inputs, style: self.style, at, stop: None };
        let mut edits = Edits::default();
        // A mistake is no reason to leave the place.
        let refused = |error: CliError| {
            let is_mistake = matches!(error.code, ExitCode::Usage | ExitCode::Denied);
            is_mistake.then(|| refuse(&error)).ok_or(error)
        };
        loop {
            let Some(step) = walk.walk(&mut self.core, &mut self.terminal, &mut edits) else { return Ok(None) };
            let (told, point) = match self.left_at(engine, run, step.as_str()) {
                Ok(left) => left,
                Err(error) => {
                    refused(error)?;
                    continue;
                }
            };
            let (of, changes) = ((self.workspace, engine), self.changes(&edits));
            match Prepared::fork(self.context, of, &told.history, point, changes) {
                Ok(prepared) => {
                    self.core.mode = core::Mode::Step { depth: 1 };
                    return Ok(Some(prepared));
                }
                Err(error) => refused(error)?,
            }
            if !edits.is_empty() {
                say("what was set and given is forgotten");
                edits = Edits::default();
            }
        }
    }

    /// The place before a step at which a run that has ended is left for another.
    fn left_at(&self, engine: &Engine, run: RunId, step: &str) -> Result<(Told, ForkPoint), CliError> {
        let store = engine.store();
        let told = Told::read(store, run)?;
        can_be_left(store, run, &told)?;
        same_folder(&told.history, &shown_folder(&self.context.settings.working_dir))?;
        let point = point(store, run, &told.plan(store)?, &told.history, step)?;
        Ok((told, point))
    }

    fn changes<'e>(&'e self, edits: &'e Edits) -> Changes<'e> {
        let (rulesets, allow) = (&self.args.rulesets, &self.args.allow);
        Changes { runbook: None, set: &edits.set, input: &edits.input, rulesets, allow }
    }
}

/// Says what takes long before anything is seen of it. All else is seen where the run is held.
struct Compiling;

impl Observer for Compiling {
    fn observe(&self, event: &Observed<'_>) {
        if let Observed::Compiling { component } = event {
            console::err(&format!("compiling {component} (once)\n"));
        }
    }
}
