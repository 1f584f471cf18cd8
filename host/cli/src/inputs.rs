//! What is given to a run with `--input`: which input of the plan each is meant for, and what is missing.

use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::given;
use palisade_engine::{Catalogue, GivenInput, default_artifact};
use palisade_model::manifest::Arity;
use palisade_model::{SchemaReq, neutral};
use palisade_runbook::{Binding, BindingSource, Plan, PlannedInput};
use palisade_schema::Registry;
use palisade_store::{NewArtifact, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is given to a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Typed<'a> {
    /// As typed, `NAME=PATH`.
    pub(crate) texts: &'a [String],
    /// Names, without case, of inputs that are there unless they are typed too.
    pub(crate) known: &'a BTreeSet<String>,
}

/// Reads everything that is given to a run, and takes the defaults of what is neither given nor there.
///
/// # Errors
/// When a name is unknown or not clear, a file does not fit, or a wanted input is missing; nothing was started then.
pub(crate) fn read(
    plan: &Plan,
    typed: Typed<'_>,
    folder: &Path,
    schemas: &Registry,
    catalogue: &Catalogue,
    store: &Store,
) -> Result<Vec<GivenInput>, CliError> {
    let mut files = assign(plan, typed.texts)?;
    check_missing(plan, |name| files.contains_key(name) || typed.known.contains(name), catalogue)?;
    let mut inputs = Vec::new();
    for planned in &plan.inputs {
        let known = schemas.get(&planned.schema);
        let schema = known.ok_or_else(|| CliError::usage(format!("there is no schema `{}`", planned.schema)))?;
        let (file, default) = (files.remove(&planned.name.key()), planned.default.as_ref());
        let is_default = file.is_none();
        let artifact = match (file, default) {
            (Some(file), _) => {
                let (items, metadata) = given::run_input(folder, &file, schema, store)?;
                NewArtifact::new(planned.schema.clone(), metadata, items)
            }
            (None, _) if typed.known.contains(&planned.name.key()) => continue,
            (None, Some(default)) => default_artifact(default, schema, store)
                .map_err(|error| CliError::from_error(ExitCode::Usage, &error))?,
            (None, None) => continue,
        };
        inputs.push(GivenInput { name: planned.name.clone(), artifact, is_default });
    }
    Ok(inputs)
}

/// Which file is meant for which input, by the input's name without case.
fn assign(plan: &Plan, typed: &[String]) -> Result<BTreeMap<String, PathBuf>, CliError> {
    let mut files = BTreeMap::new();
    for text in typed {
        let shown = neutral::line(text, 200);
        let (name, file) =
            text.split_once('=').filter(|(name, file)| !name.is_empty() && !file.is_empty()).ok_or_else(|| {
                CliError::usage(format!("--input {shown}: it has the form NAME=PATH")).help(offer(&plan.inputs))
            })?;
        let input = find(plan, name)
            .map_err(|error| CliError { message: format!("--input {shown}: {}", error.message), ..error })?;
        if files.insert(input.name.key(), PathBuf::from(file)).is_some() {
            return Err(CliError::usage(format!("--input {shown}: the input `{}` is given twice", input.name)));
        }
    }
    Ok(files)
}

/// The input that is called so, else the only one whose schema is.
fn find<'p>(plan: &'p Plan, name: &str) -> Result<&'p PlannedInput, CliError> {
    let key = name.parse().map(|name: palisade_model::ArtifactName| name.key()).unwrap_or_default();
    if let Some(named) = plan.inputs.iter().find(|input| input.name.key() == key) {
        return Ok(named);
    }
    let wanted: Option<SchemaReq> = name.parse().ok();
    let fits = |input: &&PlannedInput| wanted.as_ref().is_some_and(|wanted| wanted.accepts(&input.schema));
    match plan.inputs.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] => {
            let message = format!("the runbook has no input `{}`", neutral::line(name, 80));
            Err(CliError::usage(message).help(offer(&plan.inputs)))
        }
        several => {
            let names: Vec<_> = several.iter().map(|input| format!("`{}`", input.name)).collect();
            let message = format!("the schema `{}` is that of {}", neutral::line(name, 80), names.join(" and "));
            Err(CliError::usage(message).help("say which, by its name"))
        }
    }
}

/// Refuses a run that lacks an input which something needs.
fn check_missing(plan: &Plan, is_there: impl Fn(&str) -> bool, catalogue: &Catalogue) -> Result<(), CliError> {
    let absent: Vec<&PlannedInput> =
        plan.inputs.iter().filter(|input| input.default.is_none() && !is_there(&input.name.key())).collect();
    let wanted: Vec<&PlannedInput> = absent.iter().copied().filter(|input| !input.optional).collect();
    if !wanted.is_empty() {
        let names: Vec<_> = wanted.iter().map(|input| format!("`{}` ({})", input.name, input.schema)).collect();
        let what = if wanted.len() == 1 { "the input" } else { "the inputs" };
        let are = if wanted.len() == 1 { "is" } else { "are" };
        let message = format!("{what} {} {are} not given; nothing was started", names.join(", "));
        return Err(CliError::usage(message).help(format!("give {}", options(&wanted))));
    }
    for input in absent {
        let is_it = |source: &BindingSource| matches!(source, BindingSource::Input { name } if *name == input.name);
        let who = plan.steps.iter().find(|step| {
            let ports = optional_ports(step.call().and_then(|call| catalogue.get(&call.component_digest)));
            let can_do_without = |binding: &Binding| ports.contains(binding.port.as_str());
            let bound = step.inputs.iter().filter(|binding| is_it(&binding.source));
            let needs = step.needs().filter(|source| is_it(source)).count();
            needs > bound.filter(|binding| can_do_without(binding)).count()
        });
        let who = who.map(|step| format!("step `{}` needs", step.id)).or_else(|| {
            let alias = plan.aliases.iter().find(|alias| is_it(&alias.source) && !alias.optional);
            alias.map(|alias| format!("artifact `{}` is", alias.artifact))
        });
        if let Some(who) = who {
            let message =
                format!("{who} the input `{}` ({}), which is not given; nothing was started", input.name, input.schema);
            return Err(CliError::usage(message).help(format!("give {}", options(&[input]))));
        }
    }
    Ok(())
}

/// The ports of a component that it can do without.
fn optional_ports(component: Option<&palisade_engine::Entry>) -> BTreeSet<&str> {
    let ports = component.into_iter().flat_map(|entry| &entry.manifest.inputs);
    ports.filter(|port| port.arity == Arity::Optional).map(|port| port.name.as_str()).collect()
}

fn options(inputs: &[&PlannedInput]) -> String {
    let option = |input: &&PlannedInput| format!("`--input {}=PATH`", input.name);
    inputs.iter().map(option).collect::<Vec<_>>().join(" ")
}

fn offer(inputs: &[PlannedInput]) -> String {
    let known: Vec<_> = inputs.iter().map(|input| format!("`{}` ({})", input.name, input.schema)).collect();
    if known.is_empty() {
        "this runbook takes no inputs".to_owned()
    } else {
        format!("its inputs are {}", known.join(", "))
    }
}
