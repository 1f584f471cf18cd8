//! `palisade doctor`: what of the set-up works, and what to do about the rest.

mod names;
mod state;

use super::Context;
use crate::args::Format;
use crate::embedded::FIRST_PARTY;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::model;
use crate::render::console;
use crate::settings::read_roots;
use crate::workspace::{cache_dir, code_cache, state_dir};
use palisade_model::causes;
use palisade_model::llm::ModelSpec;
use palisade_model::sql::{ConnectionSpec, ServerTls};
use palisade_net::Secrets;
use palisade_sandbox::{Sandbox, Settings};
use palisade_sql::Connections;
use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    /// `ok`, `missing` (something does not work without it), `optional` (it works without) or `damaged` (it is
    /// not what was written).
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Missing,
    Optional,
    Damaged,
}

/// Looks at everything; `mistake` is what keeps the operator's file from being read.
pub(crate) fn exec(context: &Context, mistake: Option<CliError>) -> Result<ExitCode, CliError> {
    let mut checks = vec![match mistake {
        Some(mistake) => missing("settings", mistake.message, mistake.help),
        None => settings(context),
    }];
    checks.extend(state::checks(&context.settings));
    checks.extend(names::checks(context));
    checks.extend(context.settings.written.llm.models.iter().map(|model| asked(context, model)));
    let secrets = context.settings.secrets();
    checks.extend(secrets.names().map(|name| kept(&secrets, name)));
    checks.extend(roots(context));
    let connections = context.settings.connections();
    checks.extend(connections.iter().map(|connection| readable(&connections, connection)));
    checks.extend([components(), sandbox(), containment(), cache(context), guests()]);
    if context.format == Format::Json {
        console::json(&checks);
    } else {
        for check in &checks {
            let word = match check.state {
                State::Ok => "ok       ",
                State::Missing => "missing  ",
                State::Optional => "optional ",
                State::Damaged => "damaged  ",
            };
            let detail = check.detail.replace('\n', "\n                            ");
            console::out(&format!("{word}{:18} {detail}\n", check.what));
            if let Some(help) = &check.help {
                console::out(&format!(
                    "                            help: {}\n",
                    help.replace('\n', "\n                            ")
                ));
            }
        }
    }
    let code = |check: &Check| match check.state {
        State::Ok | State::Optional => ExitCode::Done,
        State::Missing => ExitCode::Failed,
        State::Damaged => ExitCode::Integrity,
    };
    Ok(checks.iter().map(code).fold(ExitCode::Done, ExitCode::worse))
}

fn check(what: &'static str, state: State, detail: impl Into<String>, help: Option<String>) -> Check {
    Check { what, state, detail: detail.into(), help }
}

fn ok(what: &'static str, detail: impl Into<String>) -> Check {
    check(what, State::Ok, detail, None)
}

fn missing(what: &'static str, detail: impl Into<String>, help: Option<String>) -> Check {
    check(what, State::Missing, detail, help)
}

fn damaged(what: &'static str, detail: impl Into<String>, help: &str) -> Check {
    check(what, State::Damaged, detail, Some(help.to_owned()))
}

fn settings(context: &Context) -> Check {
    let file = context.settings.file.as_ref().map(|file| file.display().to_string());
    ok(
        "settings",
        file.unwrap_or_else(|| "no palisade.toml: the defaults hold (`palisade init` writes one)".to_owned()),
    )
}

/// Whether a model could be asked. It is not.
fn asked(context: &Context, model: &ModelSpec) -> Check {
    let detail = |rest: &str| format!("`{}` ({} {}) {rest}", model.alias, model.provider.word(), model.model);
    let key = match model::key(model, context.settings.base()) {
        Ok(Some(_)) => "its key is there",
        Ok(None) => "it needs no key",
        Err(error) => {
            let help = format!("`key` of the [[model]] `{}` in palisade.toml says where it should be", model.alias);
            return missing("model", detail(&causes(&error)), Some(help));
        }
    };
    match &model.price {
        Some(price) => ok("model", detail(&format!("{key}; its price is that of {}", price.as_of))),
        None if model.local => ok("model", detail(&format!("{key}; it is yours, and costs nothing"))),
        None => check(
            "model",
            State::Missing,
            detail(&format!("{key}; its price is not known, so no step may ask it")),
            Some(format!("set `price` of the [[model]] `{}` in palisade.toml", model.alias)),
        ),
    }
}

/// Whether a secret could be sent. It is not.
fn kept(secrets: &Secrets, name: &str) -> Check {
    match secrets.read(name) {
        Ok(_) => ok("secret", format!("`{name}` is there")),
        Err(error) => {
            let help = format!("`from` of the [[secret]] `{name}` in palisade.toml says where it should be");
            missing("secret", causes(&error), Some(help))
        }
    }
}

/// Whether the operator's authorities can be believed.
fn roots(context: &Context) -> Option<Check> {
    let files = context.settings.root_files();
    if files.is_empty() {
        return None;
    }
    Some(match read_roots(&files) {
        Ok((_, counts)) => {
            let told = files.iter().zip(counts).map(|(file, count)| format!("{count} in {}", file.display()));
            ok("authorities", format!("beside those of the web: {}", told.collect::<Vec<_>>().join(", ")))
        }
        Err(error) => missing("authorities", error.message, error.help),
    })
}

/// Whether a connection could be opened. It is not.
fn readable(connections: &Connections, spec: &ConnectionSpec) -> Check {
    let ConnectionSpec { name, kind, address, user, database, .. } = spec;
    let what = format!("`{name}` ({} database `{database}` at {address} as `{user}`)", kind.word());
    let clear = spec.tls == ServerTls::Off && !spec.address.is_here();
    match connections.check(name) {
        Ok(()) if clear => ok("connection", format!("{what} could be read, in the clear: its `tls` is off")),
        Ok(()) => ok("connection", format!("{what} could be read")),
        Err(error) => {
            let help = format!("the [[connection]] `{name}` in palisade.toml says where it should be");
            missing("connection", causes(&error), Some(help))
        }
    }
}

fn components() -> Check {
    match FIRST_PARTY.len() {
        0 => missing(
            "components",
            "this palisade was built without its components",
            Some("`cargo xtask plugins`, then build palisade again".to_owned()),
        ),
        count => ok("components", format!("{count} come with this palisade")),
    }
}

fn sandbox() -> Check {
    match Sandbox::new(Settings::default()) {
        Ok(sandbox) => match sandbox.warning() {
            None => ok("sandbox", "wasmtime with a pool of instances"),
            Some(warning) => ok("sandbox", warning.to_string()),
        },
        Err(error) => missing("sandbox", CliError::from_error(ExitCode::Bug, &error).message, None),
    }
}

/// The kernel must resolve paths below an opened folder (`openat2`, Linux 5.6) and name open files (`/proc`).
fn containment() -> Check {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let opened = openat2(CWD, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::BENEATH);
    match (opened, std::fs::read_link("/proc/self/fd/0").is_ok() || std::path::Path::new("/proc/self/fd").is_dir()) {
        (Ok(_), true) => ok("files", "the kernel keeps connectors below the folders they were given"),
        (Err(error), _) => {
            missing("files", format!("openat2 does not work: {error}"), Some("Linux 5.6 or newer is needed".to_owned()))
        }
        (_, false) => {
            missing("files", "/proc is not mounted", Some("connectors can't read files without it".to_owned()))
        }
    }
}

fn cache(context: &Context) -> Check {
    let data_dir = &context.settings.data_dir;
    match code_cache(data_dir) {
        Ok(_) => {
            let (code, key) = (cache_dir(data_dir), state_dir(data_dir));
            ok("compiled code", format!("{}, its key in {}", code.display(), key.display()))
        }
        Err(why) => {
            let help = "XDG_CACHE_HOME and XDG_STATE_HOME name other folders".to_owned();
            check(
                "compiled code",
                State::Optional,
                format!("it is not kept, so each run compiles anew: {why}"),
                Some(help),
            )
        }
    }
}

fn guests() -> Check {
    let report = palisade_kit::inspect(&palisade_kit::Environment::of_process());
    match &report.toolchain {
        Some(toolchain) => ok("plugin builds", toolchain.to_string()),
        None => {
            let looked: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
            let detail = format!("no compiler for plugins\n{}", looked.join("\n"));
            check("plugin builds", State::Optional, detail, Some(report.help()))
        }
    }
}
