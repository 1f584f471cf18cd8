//! The file as a whole.

use crate::approval::Approval;
use crate::ceiling::HostCeilings;
use crate::flow::DeclassifyTable;
use crate::grant::{DenyTable, GrantTable};
use crate::mistake::Mistake;
use crate::namespace::Owner;
use crate::secret::SecretTable;
use crate::table::Reader;
use crate::target::{Names, Target};
use crate::witness::WitnessTable;
use crate::{
    alias, approval, audit, ceiling, connection, environment, flow, generated, grant, http, key_place, llm, namespace,
    retention, ruleset, secret, system, witness,
};
use palisade_authority::{Deny, Flows, WorkingFolder};
use palisade_model::id::ComponentName;
use palisade_model::llm::LlmSettings;
use palisade_model::sql::ConnectionSpec;
use palisade_model::unit::Millis;
use palisade_model::{ComponentId, LimitKind, RunLimits};
use palisade_runbook::{OperatorEntry, Source, Systems};
use std::collections::BTreeMap;
use toml::de::DeTable;

/// What the file says. Whatever it does not say is absent here: the defaults are those of who uses it.
#[derive(Debug, Clone)]
pub struct OperatorFile {
    /// Folders of rulesets, as written: relative to the file.
    pub ruleset_paths: Vec<String>,
    /// The ceilings of attempts.
    pub ceilings: BTreeMap<LimitKind, u64>,
    /// The ceilings of whole runs.
    pub run_ceilings: RunLimits,
    /// The ceilings of all processes that work in the data directory; none = they share nothing.
    pub host_ceilings: Option<HostCeilings>,
    /// The systems that runbooks may read by name, this folder among them unless the file says otherwise.
    pub systems: Systems,
    /// The components that runbooks may use which steps make; none = those that come with Palisade.
    pub generated: Option<Vec<OperatorEntry>>,
    /// Whose yes counts for runbooks that steps make.
    pub approval: Approval,
    /// The files to which checkpoints of the audit log are appended, as written: relative to the file.
    pub witnesses: Vec<String>,
    /// Who signs the states of the audit log elsewhere, in the order of the file.
    pub cosigners: Vec<WitnessTable>,
    /// How long runs are kept.
    pub retention: Option<Millis>,
    /// Short names of components: alias → id, with an optional version.
    pub aliases: BTreeMap<String, ComponentName>,
    /// Names of variables that runbooks may use.
    pub variables: Vec<String>,
    /// What components may use, in the order of the file.
    pub grants: Vec<GrantTable>,
    /// What nobody may use, or no version of a component.
    pub denies: Vec<DenyTable>,
    /// Whose signature the components of a namespace need, in the order of the file.
    pub owners: Vec<Owner>,
    /// Where labelled data may go.
    pub flows: Flows,
    /// Whose results no longer have a label, in the order of the file.
    pub declassified: Vec<DeclassifyTable>,
    /// What servers know components by, in the order of the file.
    pub secrets: Vec<SecretTable>,
    /// Files with authorities that may say who a server is, beside those that the web trusts, as written: relative to the file.
    pub roots: Vec<String>,
    /// Databases of servers, in the order of the file.
    pub connections: Vec<ConnectionSpec>,
    /// Models, and what may be spent on them.
    pub llm: LlmSettings,
    /// What no component may read: the files in which keys of servers are.
    pub kept: Vec<Deny>,
}

impl OperatorFile {
    /// The component that a text means, as the file's own tables name components; or why it means none, and what to do.
    ///
    /// # Errors
    /// When it is neither an id nor a short name.
    pub fn target(&self, place: &Place, text: &str) -> Result<Target, (String, Option<String>)> {
        Names { aliases: &self.aliases, first_party: &place.first_party }.resolve(text)
    }

    /// The owner of a component's namespace, or of one that looks like it.
    #[must_use]
    pub fn owner_of(&self, id: &ComponentId) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.namespace.looks_like(id.namespace()))
    }
}

/// What an empty file says.
impl Default for OperatorFile {
    fn default() -> Self {
        Self {
            ruleset_paths: Vec::new(),
            ceilings: BTreeMap::new(),
            run_ceilings: RunLimits::default(),
            host_ceilings: None,
            systems: system::only_this_folder(),
            generated: None,
            approval: Approval::default(),
            witnesses: Vec::new(),
            cosigners: Vec::new(),
            retention: None,
            aliases: BTreeMap::new(),
            variables: Vec::new(),
            grants: Vec::new(),
            denies: Vec::new(),
            owners: Vec::new(),
            flows: Flows::default(),
            declassified: Vec::new(),
            secrets: Vec::new(),
            roots: Vec::new(),
            connections: Vec::new(),
            llm: LlmSettings::default(),
            kept: Vec::new(),
        }
    }
}

/// Where a file stands, and which short names there are beside those in it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The folder in which Palisade runs.
    pub folder: WorkingFolder,
    /// The file's folder: its paths are relative to it.
    pub base: WorkingFolder,
    /// The names of the components that come with Palisade, without their namespace.
    pub first_party: Vec<String>,
}

/// The tables.
const TABLES: [&str; 21] = [
    "rulesets",
    "ceilings",
    "aliases",
    "environment",
    "system",
    "retention",
    "generated",
    "approval",
    "audit",
    "witness",
    "grant",
    "deny",
    "namespace",
    "flow",
    "declassify",
    "secret",
    "http",
    "connection",
    "llm",
    "model",
    "budget",
];

/// Reads the file's text.
///
/// # Errors
/// All mistakes, in the order of the text, or the first one that makes it no TOML.
pub fn read(source: &Source, place: &Place) -> Result<OperatorFile, Vec<Mistake>> {
    let table = parse(source)?;
    let mut reader = Reader::new(source);
    let r = &mut reader;
    r.check_keys("the file", &table, &TABLES);
    let aliases = alias::read(r, &table);
    let ceilings = ceiling::read(r, &table);
    let generated = generated::read(r, &table, place);
    let names = Names { aliases: &aliases, first_party: &place.first_party };
    let file = OperatorFile {
        ruleset_paths: ruleset::read(r, &table),
        ceilings: ceilings.attempts,
        run_ceilings: ceilings.runs,
        host_ceilings: ceilings.host,
        systems: system::read(r, &table, generated.this_folder),
        generated: generated.components,
        approval: approval::read(r, &table),
        witnesses: audit::read(r, &table),
        cosigners: witness::read(r, &table),
        retention: retention::read(r, &table),
        variables: environment::read(r, &table),
        grants: grant::read_grants(r, &table, place, names),
        denies: grant::read_denies(r, &table, place, names),
        owners: namespace::read(r, &table),
        flows: Flows::new(flow::read_flows(r, &table, place)),
        declassified: flow::read_declassified(r, &table, names),
        secrets: secret::read(r, &table, names),
        roots: http::read(r, &table),
        connections: connection::read(r, &table),
        llm: llm::read(r, &table),
        // Behind all that says where keys are.
        kept: key_place::denies(r, place),
        aliases,
    };
    let mistakes = reader.into_mistakes();
    if mistakes.is_empty() { Ok(file) } else { Err(mistakes) }
}

/// The file's tables, unless it is no TOML.
pub(crate) fn parse(source: &Source) -> Result<DeTable<'_>, Vec<Mistake>> {
    DeTable::parse(source.text()).map(toml::Spanned::into_inner).map_err(|error| {
        let at = error.span().unwrap_or_default();
        let mistake =
            Mistake::new(source.span(at.start, at.end), &format!("this is no TOML: {}", error.message()), None);
        // What stands there is not understood, so no part of it is surely a name.
        let hides_line = key_place::may_hold_a_key(source.line(mistake.span.line));
        vec![Mistake { hides_line, ..mistake }]
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn place() -> Place {
        let folder = |path: &str| WorkingFolder::new(path.as_bytes()).unwrap();
        Place {
            folder: folder("/w/runs"),
            base: folder("/w"),
            first_party: vec!["filesystem".to_owned(), "sqlite".to_owned()],
        }
    }

    pub(crate) fn read_text(text: &str) -> Result<OperatorFile, Vec<String>> {
        let source = Source::new("palisade.toml", text);
        let told = |mistake: Mistake| {
            let help = mistake.help.map_or_else(String::new, |help| format!(" ({help})"));
            format!("{}:{}: {}{help}", mistake.span.line, mistake.span.column, mistake.message)
        };
        read(&source, &place()).map_err(|mistakes| mistakes.into_iter().map(told).collect())
    }

    /// What is told of a text, in lines.
    pub(crate) fn check(text: &str, expected: &[&str]) {
        let told = read_text(text).err().unwrap_or_default();
        assert_eq!(told, expected, "{text}");
    }

    #[test]
    fn the_commented_file_is_valid_and_so_is_each_of_its_lines() {
        let text = crate::commented_file();
        read_text(&text).unwrap();
        let uncommented: String = text
            .lines()
            .map(|line| {
                let setting = |rest: &&str| rest.contains(" = ") || rest.starts_with("[[");
                line.strip_prefix("# ").filter(setting).unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let file = read_text(&uncommented).unwrap();
        for kind in LimitKind::all() {
            assert_eq!(file.ceilings.get(&kind), Some(&kind.default_ceiling()), "{kind}");
        }
        let shared = HostCeilings { runs: Some(4), instances: Some(8), memory: Some(4 << 30) };
        assert_eq!(file.host_ceilings, Some(shared));
        assert_eq!((file.grants.len(), file.denies.len(), file.systems.iter().count()), (1, 1, 2));
        assert_eq!((file.secrets.len(), file.connections.len()), (1, 1));
        assert_eq!((file.llm.models.len(), file.llm.budgets.len(), file.llm.default_model.is_some()), (1, 1, true));
    }

    #[test]
    fn all_mistakes_are_told_at_once_in_their_order() {
        check(
            "[deny]\n[ruleset]\nx = 1\n[environment]\nvariable = []\nvariables = [1]\n",
            &[
                "1:1: `deny` may stand there more than once: write `[[deny]]`",
                "2:2: the file has no `ruleset` (did you mean `rulesets`?)",
                "5:1: [environment] has no `variable` (did you mean `variables`?)",
                "6:14: what stands in `variables` of [environment] is no text",
            ],
        );
        check("[rulesets\n", &["1:10: this is no TOML: unclosed table, expected `]`"]);
        check("rulesets = 3\n", &["1:12: `rulesets` is no table: write `[rulesets]`"]);
        check("", &[]);
    }

    #[test]
    fn a_file_of_nothing_but_mistakes_ends_soon() {
        let text: String = (0..20_000).map(|number| format!("a{number} = 1\n")).collect();
        assert_eq!(read_text(&text).unwrap_err().len(), 20);
        let deep = format!("a = {}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(read_text(&deep).is_err());
    }
}
