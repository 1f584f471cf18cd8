//! What holds for this call: the command line, the environment and `palisade.toml` put together.

use crate::args::{Colour, Global};
use crate::audit_log::outside_of;
use crate::failure::CliError;
use palisade_audit::VerifyingKey;
use palisade_engine::Approving;
use palisade_model::id::ComponentName;
use palisade_model::unit::Millis;
use palisade_model::{LimitKind, RunLimitKind, RunLimits};
use palisade_runbook::{System, Systems};
use palisade_store::Amounts;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The operator's file.
pub(crate) const FILE_NAME: &str = "palisade.toml";
/// The folder for state, beside the operator's file.
pub(crate) const DATA_DIR_NAME: &str = ".palisade";
/// The system that everybody has.
pub(crate) const THIS_FOLDER: &str = "this folder";
/// Most bytes of `palisade.toml` that are read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What holds for this call.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The folder in which Palisade runs: paths in runbooks are relative to it.
    pub(crate) working_dir: PathBuf,
    /// Where state is kept.
    pub(crate) data_dir: PathBuf,
    /// The `palisade.toml` that was found.
    pub(crate) file: Option<PathBuf>,
    /// Folders of rulesets named in the file, absolute.
    pub(crate) ruleset_paths: Vec<PathBuf>,
    /// The operator's ceilings of attempts.
    pub(crate) ceilings: BTreeMap<LimitKind, u64>,
    /// The operator's ceilings of whole runs.
    pub(crate) run_ceilings: RunLimits,
    /// The operator's ceilings of all processes that work in the data directory; none = they share nothing.
    pub(crate) host_ceilings: Option<Amounts>,
    /// The systems that runbooks may read by name.
    pub(crate) systems: Systems,
    /// The components that runbooks may use which steps make; none = those that come with Palisade.
    pub(crate) generated: Option<Vec<ComponentName>>,
    /// What the operator says of approvals.
    pub(crate) approving: Approving,
    /// How long runs are kept where `runs gc` is not told otherwise.
    pub(crate) retention: Option<Millis>,
    /// The files outside of the data directory to which checkpoints of the audit log are appended.
    pub(crate) witnesses: Vec<PathBuf>,
    /// Short names of components: alias → id.
    pub(crate) aliases: BTreeMap<String, String>,
    /// The variables that runbooks may use, with their values.
    pub(crate) variables: BTreeMap<String, String>,
    /// Colours on standard output.
    pub(crate) colour_stdout: bool,
    /// Colours on standard error.
    pub(crate) colour_stderr: bool,
    /// Standard error is a terminal on which what was written can be written over.
    pub(crate) bars: bool,
}

/// `palisade.toml` as written. Unknown keys are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct File {
    #[serde(default)]
    rulesets: Rulesets,
    #[serde(default)]
    ceilings: BTreeMap<String, toml::Value>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    system: Vec<SystemTable>,
    #[serde(default)]
    retention: RetentionTable,
    #[serde(default)]
    generated: GeneratedTable,
    #[serde(default)]
    approval: ApprovalTable,
    #[serde(default)]
    audit: AuditTable,
}

/// `[approval]`: whose yes counts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct ApprovalTable {
    /// Which runbooks that steps make wait for a person; those beyond what their steps approve beforehand unless it is said.
    runbooks: Option<ApprovedRunbooks>,
    /// Who started a run does not approve anything of it.
    #[serde(default)]
    four_eyes: bool,
    /// How long such a runbook waits.
    expires: Option<toml::Value>,
    /// Whose answers count, by their keys; none = those of whoever can write the data directory.
    #[serde(default)]
    approvers: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ApprovedRunbooks {
    Always,
    BeyondBound,
}

/// `[audit]`: where the state of the audit log is kept beside the log.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct AuditTable {
    #[serde(default)]
    witness: Vec<PathBuf>,
}

/// `[generated]`: what runbooks may use that are artifacts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct GeneratedTable {
    components: Option<Vec<String>>,
    /// The folder in which Palisade runs is a system that they may read; true unless it is said.
    this_folder: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct RetentionTable {
    keep: Option<toml::Value>,
}

/// A `[[system]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct SystemTable {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    connector: String,
    #[serde(default)]
    config: BTreeMap<String, toml::Value>,
    #[serde(default)]
    labels: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct Rulesets {
    #[serde(default)]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct Environment {
    /// Names of variables that `${NAME}` in a runbook may stand for.
    #[serde(default)]
    variables: Vec<String>,
}

impl Settings {
    /// Reads the operator's file and the environment.
    ///
    /// # Errors
    /// When the working folder or the file can't be read, or the file has a mistake.
    pub(crate) fn resolve(global: &Global) -> Result<Self, CliError> {
        Self::resolve_with(global, read)
    }

    /// As [`Settings::resolve`], but with defaults in place of what the operator's file says.
    ///
    /// # Errors
    /// When the working folder can't be found.
    pub(crate) fn without_file(global: &Global) -> Result<Self, CliError> {
        Self::resolve_with(global, |_| Ok(File::default()))
    }

    fn resolve_with(global: &Global, read: impl FnOnce(&Path) -> Result<File, CliError>) -> Result<Self, CliError> {
        let working_dir = std::env::current_dir()
            .map_err(|error| CliError::usage(format!("the working folder can't be found: {error}")))?;
        let file = working_dir.ancestors().map(|dir| dir.join(FILE_NAME)).find(|path| path.is_file());
        let base = file.as_deref().and_then(Path::parent).unwrap_or(&working_dir);
        let data_dir = global.data_dir.as_ref().map_or_else(|| base.join(DATA_DIR_NAME), |dir| working_dir.join(dir));
        let written = file.as_deref().map(read).transpose()?.unwrap_or_default();
        let place = file.as_deref().unwrap_or(Path::new(FILE_NAME)).display().to_string();
        let ceilings = ceilings(&written.ceilings, &place)?;
        let run_ceilings = run_ceilings(&written.ceilings, &place)?;
        let host_ceilings = host_ceilings(&written.ceilings, &place)?;
        let mut systems = systems(&written.system, &place)?;
        if written.generated.this_folder.unwrap_or(true) {
            // One that the operator calls so takes its place.
            systems.add(this_folder());
        }
        let generated = generated(written.generated.components.as_deref(), &place)?;
        let approving = approving(&written.approval, &place)?;
        let retention = retention(&written.retention, &place)?;
        let witnesses: Vec<_> = written.audit.witness.iter().map(|path| base.join(path)).collect();
        for witness in &witnesses {
            outside_of(&data_dir, witness).map_err(|error| CliError {
                message: format!("{place}: [audit] witness: {}", error.message),
                ..error
            })?;
        }
        for (alias, id) in &written.aliases {
            let good = alias.parse::<palisade_model::id::ComponentName>().is_ok_and(|name| name.version.is_none())
                && !alias.contains(':')
                && id.parse::<palisade_model::id::ComponentName>().is_ok_and(|name| name.name.contains(':'));
            if !good {
                return Err(CliError::usage(format!(
                    "{place}: [aliases] `{alias}` = `{id}` is not `name` = `namespace:name`"
                )));
            }
        }
        Ok(Self {
            ruleset_paths: written.rulesets.paths.iter().map(|path| base.join(path)).collect(),
            ceilings,
            run_ceilings,
            host_ceilings,
            systems,
            generated,
            approving,
            retention,
            witnesses,
            aliases: written.aliases,
            variables: variables(&written.environment.variables),
            colour_stdout: colour(global.color, &std::io::stdout()),
            colour_stderr: colour(global.color, &std::io::stderr()),
            bars: can_move(&std::io::stderr()),
            working_dir,
            data_dir,
            file,
        })
    }
}

/// Says whether a stream gets colours.
pub(crate) fn colour(wanted: Colour, stream: &impl IsTerminal) -> bool {
    match wanted {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => can_move(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// Says whether a stream is a terminal that knows more than lines.
fn can_move(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl Settings {
    /// Paths as people know them: relative to the working folder where they are below it.
    pub(crate) fn shown(&self, paths: &[PathBuf]) -> Vec<String> {
        let shown = |path: &PathBuf| path.strip_prefix(&self.working_dir).unwrap_or(path).display().to_string();
        paths.iter().map(shown).collect()
    }
}

fn read(path: &Path) -> Result<File, CliError> {
    let place = path.display();
    let unreadable = |error| CliError::usage(format!("{place} can't be read: {error}"));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if !is_trusted(&file.metadata().map_err(unreadable)?, rustix::process::geteuid().as_raw()) {
        return Err(CliError::usage(format!("{place} belongs to another user, or everybody may change it"))
            .help("what it grants is not used: take it over, or run Palisade elsewhere"));
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(CliError::usage(format!("{place} is larger than 1 MiB")));
    }
    toml::from_str(&text).map_err(|error| {
        CliError::usage(format!(
            "{place} has a mistake:\n{}",
            palisade_model::neutral::block(error.to_string().trim_end(), 4_096)
        ))
    })
}

/// Says whether a file speaks for this user: it is their own or root's, and not everybody may write to it. The file is
/// looked for upwards, so it could otherwise be one that somebody left in a shared folder.
fn is_trusted(file: &std::fs::Metadata, user: u32) -> bool {
    const ANYBODY_WRITES: u32 = 0o002;
    (file.uid() == user || file.uid() == 0) && file.mode() & ANYBODY_WRITES == 0
}

/// The key in `[ceilings]` under which those of whole runs stand.
const OF_RUNS: &str = "run";
/// The key under which those of all processes stand.
const OF_HOST: &str = "host";

fn ceilings(written: &BTreeMap<String, toml::Value>, place: &str) -> Result<BTreeMap<LimitKind, u64>, CliError> {
    let mut ceilings = BTreeMap::new();
    for (key, value) in written.iter().filter(|(key, _)| ![OF_RUNS, OF_HOST].contains(&key.as_str())) {
        let known = || LimitKind::all().map(LimitKind::key).collect::<Vec<_>>().join(", ");
        let kind = LimitKind::from_key(key).ok_or_else(|| {
            CliError::usage(format!("{place}: [ceilings] has no `{key}`")).help(format!("known are {}", known()))
        })?;
        ceilings.insert(kind, amount(value, &format!("{place}: [ceilings] {key}"), |text| kind.parse(text))?);
    }
    Ok(ceilings)
}

fn run_ceilings(written: &BTreeMap<String, toml::Value>, place: &str) -> Result<RunLimits, CliError> {
    let Some(table) = written.get(OF_RUNS) else { return Ok(RunLimits::default()) };
    let table =
        table.as_table().ok_or_else(|| CliError::usage(format!("{place}: [ceilings] {OF_RUNS} is no table")))?;
    let read = |(key, value): (&String, &toml::Value)| {
        let known = || RunLimitKind::all().map(RunLimitKind::key).collect::<Vec<_>>().join(", ");
        let kind = RunLimitKind::from_key(key).ok_or_else(|| {
            CliError::usage(format!("{place}: [ceilings.run] has no `{key}`")).help(format!("known are {}", known()))
        })?;
        let amount = amount(value, &format!("{place}: [ceilings.run] {key}"), |text| kind.parse(text))?;
        Ok((kind, amount))
    };
    table.iter().map(read).collect()
}

fn host_ceilings(written: &BTreeMap<String, toml::Value>, place: &str) -> Result<Option<Amounts>, CliError> {
    let Some(table) = written.get(OF_HOST) else { return Ok(None) };
    let table =
        table.as_table().ok_or_else(|| CliError::usage(format!("{place}: [ceilings] {OF_HOST} is no table")))?;
    let mut most = Amounts::UNBOUNDED;
    for (key, value) in table {
        let of = format!("{place}: [ceilings.host] {key}");
        let count = |text: &str| RunLimitKind::MaxRuns.parse(text);
        match key.as_str() {
            "runs" => most.runs = amount(value, &of, count)?,
            "instances" => most.instances = amount(value, &of, count)?,
            "memory" => most.memory = amount(value, &of, |text| LimitKind::Memory.parse(text))?,
            _ => {
                return Err(CliError::usage(format!("{place}: [ceilings.host] has no `{key}`"))
                    .help("known are runs, instances, memory"));
            }
        }
    }
    if most.runs == 0 || most.instances == 0 {
        return Err(CliError::usage(format!("{place}: [ceilings.host] lets nothing run"))
            .help("`runs` and `instances` are at least 1"));
    }
    Ok(Some(most))
}

fn approving(written: &ApprovalTable, place: &str) -> Result<Approving, CliError> {
    let expires = written.expires.as_ref();
    let expires_ms =
        expires.map(|value| amount(value, &format!("{place}: [approval] expires"), |text| Ok(Millis::parse(text)?.0)));
    let mut approvers: Vec<VerifyingKey> = Vec::new();
    for text in &written.approvers {
        let key: VerifyingKey = text.parse().map_err(|error| {
            let shown = palisade_model::neutral::line(text, 80);
            CliError::usage(format!("{place}: [approval] approvers: `{shown}`: {error}"))
                .help("`palisade approvals key NAME --out FILE` makes one")
        })?;
        if approvers.iter().any(|known| known.name() == key.name()) {
            let name = palisade_model::neutral::line(key.name(), 80);
            return Err(CliError::usage(format!("{place}: [approval] approvers lists `{name}` twice")));
        }
        approvers.push(key);
    }
    if written.four_eyes && approvers.len() < 2 {
        return Err(CliError::usage(format!("{place}: [approval] four_eyes needs the keys of two approvers or more"))
            .help(
                "what users of this system are called proves nothing: whoever writes the data directory is one of them",
            ));
    }
    Ok(Approving {
        approvers,
        always: written.runbooks == Some(ApprovedRunbooks::Always),
        four_eyes: written.four_eyes,
        expires_ms: expires_ms.transpose()?,
    })
}

fn retention(written: &RetentionTable, place: &str) -> Result<Option<Millis>, CliError> {
    let Some(keep) = &written.keep else { return Ok(None) };
    amount(keep, &format!("{place}: [retention] keep"), |text| Ok(Millis::parse(text)?.0)).map(|ms| Some(Millis(ms)))
}

fn amount(
    value: &toml::Value,
    place: &str,
    parse: impl FnOnce(&str) -> Result<u64, palisade_model::unit::ParseAmountError>,
) -> Result<u64, CliError> {
    let text = match value {
        toml::Value::Integer(amount) => amount.to_string(),
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(amount) => amount.to_string(),
        _ => return Err(CliError::usage(format!("{place} is neither a number nor a text"))),
    };
    parse(&text).map_err(|error| CliError::usage(format!("{place}: {error}")))
}

fn systems(written: &[SystemTable], place: &str) -> Result<Systems, CliError> {
    let mut systems = Systems::default();
    for table in written {
        let of = format!("{place}: [[system]] `{}`", palisade_model::neutral::line(&table.name, 60));
        let names = std::iter::once(&table.name).chain(&table.aliases);
        if names.into_iter().any(|name| name.trim().is_empty()) {
            return Err(CliError::usage(format!("{of} has an empty name")));
        }
        let connector =
            table.connector.parse().map_err(|error| CliError::usage(format!("{of}: `connector`: {error}")))?;
        let config = serde_json::to_value(&table.config)
            .map_err(|error| CliError::usage(format!("{of}: `config` can't be used: {error}")))?;
        let system = System {
            name: table.name.clone(),
            aliases: table.aliases.clone(),
            connector,
            config,
            labels: table.labels.iter().cloned().collect(),
        };
        if let Some(taken) = systems.add(system) {
            return Err(CliError::usage(format!("{of}: the name `{taken}` is taken by another system")));
        }
    }
    Ok(systems)
}

/// The folder in which Palisade runs, as a system: what a runbook reads that knows of no other.
fn this_folder() -> System {
    System {
        name: THIS_FOLDER.to_owned(),
        aliases: Vec::new(),
        connector: ComponentName { name: "filesystem".to_owned(), version: None },
        config: serde_json::json!({"path": "."}),
        labels: std::collections::BTreeSet::new(),
    }
}

fn generated(written: Option<&[String]>, place: &str) -> Result<Option<Vec<ComponentName>>, CliError> {
    let read = |text: &String| {
        let of = format!("{place}: [generated] components: `{}`", palisade_model::neutral::line(text, 60));
        text.parse().map_err(|error| CliError::usage(format!("{of}: {error}")))
    };
    written.map(|written| written.iter().map(read).collect()).transpose()
}

fn variables(names: &[String]) -> BTreeMap<String, String> {
    names.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?))).collect()
}

/// What `palisade init` writes: every setting, as a comment.
#[must_use]
pub(crate) fn commented_file() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "# Palisade: what the operator of this folder allows and sets.\n\
         # Nothing is set as long as every line is a comment. Ceilings are shown at their defaults, the rest as examples;\n\
         # paths are relative to this file.\n\n\
         [rulesets]\n\
         # Folders in which `local/NAME/VERSION` is looked up, as FOLDER/NAME/VERSION/NAME.yaml.\n\
         # paths = [\"rulesets\"]\n\n\
         [aliases]\n\
         # Short names for components in runbooks.\n\
         # pii = \"acme:pii_finder\"\n\n\
         [environment]\n\
         # Variables that `${NAME}` in a runbook may stand for; all others are errors.\n\
         # variables = [\"DATA_FOLDER\"]\n\n\
         [ceilings]\n\
         # The most that any step may have of each limit, whatever it asks for.\n",
    );
    for kind in LimitKind::all() {
        let shown = kind.show(kind.default_ceiling());
        let value = match kind.unit() {
            palisade_model::limits::LimitUnit::Count => kind.default_ceiling().to_string(),
            _ => format!("\"{shown}\""),
        };
        // Writing to a String can't fail.
        let _ = writeln!(text, "# {} = {value}", kind.key());
    }
    text.push_str(
        "\n[ceilings.run]\n\
         # The most that any run may have with all its children. Nothing is bounded here unless you say so.\n\
         # max_depth = 3\n\
         # max_duration = \"1 h\"\n\
         # max_llm_cost = \"5 USD\"\n\
         # max_concurrency = 10\n\
         # max_runs = 10000\n\n\
         [ceilings.host]\n\
         # The most that all processes together may have that work with this data directory: runs that go on, instances\n\
         # that compute, and the memory that attempts may take. What exceeds it waits. Nothing is shared unless you say so.\n\
         # runs = 4\n\
         # instances = 8\n\
         # memory = \"4 GiB\"\n\n\
         [retention]\n\
         # How long ago a run must have ended for `palisade runs gc` to remove it, unless it is told otherwise.\n\
         # keep = \"90d\"\n\n\
         [audit]\n\
         # Files to which the signed state of the audit log is appended at the end of each run. Who has one of them can tell\n\
         # that the log was changed, even by somebody who has its key: keep them where nobody can write who writes here.\n\
         # witness = [\"/mnt/elsewhere/palisade.checkpoints\"]\n\n\
         [generated]\n\
         # The components that runbooks may use which a step makes; unless you say so, all that come with Palisade.\n\
         # components = [\"personal_data\", \"acme:pii_finder\"]\n\
         # Whether they may read the folder in which Palisade runs, as the system `this folder`.\n\
         # this_folder = true\n\n\
         [approval]\n\
         # Which runbooks that a step makes wait for a person: those \"beyond-bound\", which is what their step approves\n\
         # beforehand, or \"always\" all.\n\
         # runbooks = \"beyond-bound\"\n\
         # Whose answers count, by the keys that sign them (`palisade approvals key NAME --out FILE`); none = those of\n\
         # whoever can write the data directory.\n\
         # approvers = []\n\
         # Whether somebody else than who started the run is to approve what it waits for; then nothing is approved beforehand.\n\
         # four_eyes = false\n\
         # How long such a runbook waits before the answer is no; it waits for ever unless you say so.\n\
         # expires = \"7d\"\n\n\
         # Systems are data that runbooks read by name: `{type: source, system: shop}`.\n\
         # [[system]]\n\
         # name = \"shop\"\n\
         # aliases = [\"web shop\"]\n\
         # connector = \"sqlite\"\n\
         # config = { database_path = \"shop.db\" }\n\
         # labels = [\"personal\"]\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_file_is_valid_and_so_is_each_of_its_lines() {
        let text = commented_file();
        toml::from_str::<File>(&text).unwrap();
        let uncommented: String = text
            .lines()
            .map(|line| {
                let setting = |rest: &&str| rest.contains(" = ") || *rest == "[[system]]";
                line.strip_prefix("# ").filter(setting).unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let file: File = toml::from_str(&uncommented).unwrap();
        let shared = Amounts { runs: 4, instances: 8, memory: 4 << 30 };
        assert_eq!(host_ceilings(&file.ceilings, "test").unwrap(), Some(shared));
        let ceilings = ceilings(&file.ceilings, "test").unwrap();
        for kind in LimitKind::all() {
            assert_eq!(ceilings.get(&kind), Some(&kind.default_ceiling()), "{kind}");
        }
    }

    #[test]
    fn a_file_of_somebody_else_or_for_everybody_does_not_count() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        let (own, metadata) = (file.as_file().metadata().unwrap().uid(), || file.as_file().metadata().unwrap());
        assert!(is_trusted(&metadata(), own));
        assert_eq!(is_trusted(&metadata(), own + 1), own == 0);
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(!is_trusted(&metadata(), own));
    }

    #[test]
    fn unknown_keys_and_wrong_amounts_are_errors() {
        assert!(toml::from_str::<File>("[ruleset]\n").is_err());
        let file: File = toml::from_str("[ceilings]\nmemry = 1\n").unwrap();
        assert!(ceilings(&file.ceilings, "test").is_err());
        let file: File = toml::from_str("[ceilings]\nmemory = \"1 parsec\"\n").unwrap();
        assert!(ceilings(&file.ceilings, "test").is_err());
        for wrong in ["[ceilings]\nhost = 3\n", "[ceilings.host]\ncpus = 3\n", "[ceilings.host]\nruns = 0\n"] {
            let file: File = toml::from_str(wrong).unwrap();
            assert!(host_ceilings(&file.ceilings, "test").is_err(), "{wrong}");
        }
        let file: File = toml::from_str("[ceilings]\nwall = 2\nmemory = \"1 GiB\"\n").unwrap();
        let read = ceilings(&file.ceilings, "test").unwrap();
        assert_eq!((read[&LimitKind::Wall], read[&LimitKind::Memory]), (2_000, 1 << 30));
    }
}
