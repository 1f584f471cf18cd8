//! The one function that decides, and the reasons it gives.
//!
//! People get the exact chain of reasons, a guest gets one text for every refusal: a denial teaches an attacker nothing.

use crate::authority::{Authority, Bound, BoundKind, Rule};
use crate::capability::{ParseCapabilityError, power_and_path};
use crate::grant::allow_line;
use crate::path::{ScopedPath, WorkingFolder};
use crate::scope::{Miss, is_own};
use palisade_model::manifest::Power;
use serde::Serialize;

/// What a guest is told, whatever was refused and why.
pub const GUEST_DENIAL: &str = "not allowed";

/// Something that a component wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// Opening a file or listing a folder.
    FsRead {
        /// The path that was really reached, symbolic links resolved.
        path: ScopedPath,
    },
    /// Reading a SQLite database.
    Sql {
        /// The path of its file, symbolic links resolved.
        database: ScopedPath,
    },
}

/// The answer to a [`Use`]. Only [`authorise`] makes one. The reasons are put into words when they are asked for, so
/// that a use that is allowed costs no text.
#[derive(Debug, Clone)]
#[must_use]
pub struct Decision<'a> {
    allowed: bool,
    authority: &'a Authority,
    asked: &'a Use,
}

/// What one bound said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Whose bound.
    pub by: BoundKind,
    /// Whether it allows the use. All must.
    pub allowed: bool,
    /// The rule that allows it, or the rule that almost did and what was compared; for people, neutralised.
    pub text: String,
}

/// Decides: every bound of the authority must allow the use, nothing may forbid it, and no closed folder may be touched.
pub fn authorise<'a>(authority: &'a Authority, asked: &'a Use) -> Decision<'a> {
    let allowed = closed(authority, asked).is_none()
        && !authority.denies().iter().any(|deny| deny.forbids(asked))
        && !authority.bounds().is_empty()
        && authority.bounds().iter().all(|bound| bound.rule_that_allows(asked).is_some());
    Decision { allowed, authority, asked }
}

impl Use {
    /// The use of a power on a path.
    #[must_use]
    pub const fn of(power: Power, path: ScopedPath) -> Self {
        match power {
            Power::FsRead => Self::FsRead { path },
            Power::Sql => Self::Sql { database: path },
        }
    }

    /// Reads `fs-read=PATH` or `sql=PATH` of a file of the folder `base`.
    ///
    /// # Errors
    /// When the power is unknown or the path can't be used.
    pub fn parse_in(folder: &WorkingFolder, base: &WorkingFolder, text: &[u8]) -> Result<Self, ParseCapabilityError> {
        power_and_path(folder, base, text).map(|(power, path)| Self::of(power, path))
    }

    /// Its stored form, which loses nothing: `fs-read=PATH`, the path in its own stored form.
    #[must_use]
    pub fn record(&self) -> String {
        let (power, path) = self.parts();
        format!("{}={}", power.name(), path.stored())
    }

    /// Reads the stored form; none if it is none.
    #[must_use]
    pub fn of_record(text: &str) -> Option<Self> {
        let (power, path) = text.split_once('=')?;
        Some(Self::of(Power::from_name(power)?, ScopedPath::of_stored(path)?))
    }

    /// The power, and the path on which it is used.
    #[must_use]
    pub const fn parts(&self) -> (Power, &ScopedPath) {
        match self {
            Self::FsRead { path } => (Power::FsRead, path),
            Self::Sql { database } => (Power::Sql, database),
        }
    }
}

impl Decision<'_> {
    /// Whether the use may happen.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.allowed
    }

    /// What each bound said, the operator's first; before them what forbids the use, if something does. Where a folder is
    /// closed to everyone, that alone.
    #[must_use]
    pub fn chain(&self) -> Vec<Reason> {
        if let Some(text) = closed(self.authority, self.asked) {
            return vec![Reason { by: BoundKind::Palisade, allowed: false, text }];
        }
        let forbidding = self.authority.denies().iter().find(|deny| deny.forbids(self.asked));
        let forbidden = forbidding.map(|deny| {
            let (power, path) = self.asked.parts();
            let (denied, at) = (deny.power().name(), deny.path());
            let text = format!(
                "the operator forbids `{}` of `{path}`: a deny of `{denied}` of `{at}` ({}) beats every allow",
                power.name(),
                deny.stated()
            );
            Reason { by: BoundKind::Deny, allowed: false, text }
        });
        forbidden.into_iter().chain(self.authority.bounds().iter().map(|bound| self.ask(bound))).collect()
    }

    /// What said no, in one line for people: the first bound that denied.
    #[must_use]
    pub fn denial(&self) -> Option<String> {
        self.chain().into_iter().find(|reason| !reason.allowed).map(|reason| reason.text)
    }

    /// The `--allow` argument that would allow this use, if no more than the operator's word is missing: a grant, which
    /// also counts as naming the place where a link in a named folder leads.
    #[must_use]
    pub fn allow_line(&self) -> Option<String> {
        let denied: Vec<_> = self.chain().into_iter().filter(|reason| !reason.allowed).collect();
        let by_word = |reason: &Reason| matches!(reason.by, BoundKind::Operator | BoundKind::Config);
        let grant_is_missing = !denied.is_empty() && denied.iter().all(by_word);
        let (power, path) = self.asked.parts();
        let text = || [power.name().as_bytes(), b"=", &path.to_bytes()].concat();
        grant_is_missing.then(|| allow_line(&text()))
    }

    fn ask(&self, bound: &Bound) -> Reason {
        let rule = bound.rule_that_allows(self.asked);
        let text = match rule {
            Some(rule) => self.why_allowed(bound.kind(), rule),
            None => self.why_denied(bound),
        };
        Reason { by: bound.kind(), allowed: rule.is_some(), text }
    }

    fn why_allowed(&self, kind: BoundKind, rule: &Rule) -> String {
        let (power, path) = self.asked.parts();
        let power = power.name();
        match kind {
            BoundKind::Manifest => format!("`{power}` is requested by {}", rule.stated),
            _ => format!("`{power}` of `{path}` is covered by {}", rule.stated),
        }
    }

    fn why_denied(&self, bound: &Bound) -> String {
        let (power, path) = self.asked.parts();
        let power = power.name();
        let denied = match bound.kind() {
            BoundKind::Manifest => return format!("the component's manifest does not request `{power}`"),
            BoundKind::Operator => format!("the operator grants no `{power}` of `{path}`"),
            BoundKind::Runbook => format!("the runbook's `capabilities` hold no `{power}` of `{path}`"),
            BoundKind::Config => format!("the step's config names no `{power}` of `{path}`"),
            BoundKind::Palisade | BoundKind::Deny => format!("`{path}` is closed to everyone"),
        };
        match self.near_miss(bound) {
            Some(near) => format!("{denied}; {near}"),
            None => denied,
        }
    }

    /// The rule that almost allowed the use, and the comparison that failed.
    fn near_miss(&self, bound: &Bound) -> Option<String> {
        let (power, path) = self.asked.parts();
        let nearest = bound
            .rules_for(power)
            .filter_map(|rule| Some((rule, rule.capability.scope().near_miss(path)?)))
            .max_by_key(|(_, (tree, why))| (*why == Miss::KeyFile, path.shared_with(tree)));
        if let Some((rule, (tree, why))) = nearest {
            let stated = &rule.stated;
            return Some(match why {
                Miss::KeyFile => format!(
                    "it looks like a private key, which `{tree}` ({stated}) does not cover: such files must be named"
                ),
                Miss::Elsewhere => format!("it is not below `{tree}` ({stated})"),
            });
        }
        let other = bound.rules().iter().find(|rule| rule.capability.scope().contains(path));
        if let Some(other) = other {
            let stated = &other.stated;
            return Some(format!("`{}` is allowed there ({stated})", other.capability.power().name()));
        }
        let trees = bound.rules_for(power).filter_map(|rule| Some((rule, rule.capability.scope().trees()?)));
        let (rule, tree) = trees.filter_map(|(rule, trees)| Some((rule, trees.first()?))).next()?;
        Some(format!("it is not below `{tree}` ({})", rule.stated))
    }
}

/// Why a path is closed to everyone, if it is.
fn closed(authority: &Authority, asked: &Use) -> Option<String> {
    let (_, path) = asked.parts();
    let own = is_own(path) || authority.closed().iter().any(|folder| path.is_within(folder));
    own.then(|| format!("`{path}` lies in Palisade's own folder, which is closed to every component"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::NamedByConfig;
    use crate::capability::Capability;
    use crate::deny::Deny;
    use crate::grant::Grant;
    use crate::scope::PathScope;
    use proptest::prelude::*;

    fn folder() -> WorkingFolder {
        WorkingFolder::new(b"/home/ann").unwrap()
    }

    fn path(written: &str) -> ScopedPath {
        ScopedPath::parse(&folder(), written.as_bytes()).unwrap()
    }

    fn manifest(powers: &[&str]) -> palisade_model::Manifest {
        let requests: Vec<_> = powers
            .iter()
            .map(|power| serde_json::json!({"power": power, "reason": "to read", "optional": false}))
            .collect();
        serde_json::from_value(serde_json::json!({
            "id": "acme:reader", "version": "1.0.0", "title": "t", "description": "", "kind": "connector",
            "inputs": [], "outputs": [], "config_schema": {}, "schemas": [], "requests": requests, "limits": {},
        }))
        .unwrap()
    }

    fn runbook(capability: &str) -> Rule {
        Rule {
            capability: Capability::parse(&folder(), capability.as_bytes()).unwrap(),
            stated: "book.yaml:3".to_owned(),
        }
    }

    fn named(written: &str) -> Bound {
        let named = NamedByConfig { pointer: "/path".to_owned(), power: Power::FsRead, path: path(written) };
        Bound::of_config([&named], &[])
    }

    /// The authority of a first-party connector's step whose config names `written`.
    fn connector(written: &str) -> Authority {
        Authority::of_operator(Grant::default_set())
            .meet(Bound::of_manifest(&manifest(&["fs-read"])))
            .meet(named(written))
    }

    fn read(written: &str) -> Use {
        Use::FsRead { path: path(written) }
    }

    fn check(authority: &Authority, request: &Use, denial: Option<&str>, allow: Option<&str>) {
        let decision = authorise(authority, request);
        assert_eq!(decision.denial().as_deref(), denial);
        assert_eq!(decision.allowed(), denial.is_none());
        assert_eq!(decision.allow_line().as_deref(), allow);
    }

    #[test]
    fn a_connector_reads_what_its_config_names_below_the_working_folder() {
        check(&connector("data"), &read("data/a.txt"), None, None);
        check(&connector("."), &read("."), None, None);
        check(&connector("data"), &read("/home/ann/data"), None, None);
    }

    #[test]
    fn outside_of_the_working_folder_the_denial_prints_the_line_that_allows_it() {
        let denial = "the operator grants no `fs-read` of `/etc/passwd`; it is not below `.` (what Palisade's own \
                      components may read unless told otherwise)";
        check(&connector("/etc/passwd"), &read("/etc/passwd"), Some(denial), Some("--allow fs-read=/etc/passwd"));
        let allowed = Authority::of_operator([Grant::parse(&folder(), b"fs-read=/etc/passwd").unwrap()])
            .meet(Bound::of_manifest(&manifest(&["fs-read"])))
            .meet(named("/etc/passwd"));
        check(&allowed, &read("/etc/passwd"), None, None);
        assert!(!authorise(&allowed, &read("/etc/passwd2")).allowed());
        assert!(!authorise(&allowed, &read("/etc")).allowed());
    }

    #[test]
    fn a_key_file_must_be_named_by_the_operator_too() {
        let denial = "the operator grants no `fs-read` of `certs/server.pem`; it looks like a private key, which `.` \
                      (what Palisade's own components may read unless told otherwise) does not cover: such files must \
                      be named";
        let line = Some("--allow fs-read=certs/server.pem");
        check(&connector("certs/server.pem"), &read("certs/server.pem"), Some(denial), line);
    }

    #[test]
    fn palisades_own_folder_and_closed_folders_are_denied_without_remedy() {
        let own = "`.palisade/palisade.db` lies in Palisade's own folder, which is closed to every component";
        check(&connector("."), &read(".palisade/palisade.db"), Some(own), None);
        let state = "`state/x` lies in Palisade's own folder, which is closed to every component";
        let authority = connector(".").without(path("state"));
        check(&authority, &read("state/x"), Some(state), None);
        check(&authority, &read("state2"), None, None);
    }

    #[test]
    fn a_deny_beats_every_allow_and_has_no_remedy() {
        let deny = |text: &[u8]| Deny::parse_in(&folder(), &folder(), text, "palisade.toml:7: of the council").unwrap();
        let allowed = [Grant::parse(&folder(), b"fs-read=hr").unwrap()];
        let authority = Authority::of_operator(Grant::default_set().into_iter().chain(allowed.clone()))
            .meet(Bound::of_manifest(&manifest(&["fs-read"])))
            .denying(deny(b"fs-read=hr"));
        let denial = "the operator forbids `fs-read` of `hr/a`: a deny of `fs-read` of `hr` (palisade.toml:7: of the \
                      council) beats every allow";
        check(&authority, &read("hr/a"), Some(denial), None);
        check(&authority, &read("hr2/a"), None, None);
        let request = read("hr/a");
        let said: Vec<_> = authorise(&authority, &request).chain().iter().map(|one| (one.by, one.allowed)).collect();
        assert_eq!(said, [(BoundKind::Deny, false), (BoundKind::Operator, true), (BoundKind::Manifest, true)]);
        let stored = serde_json::to_string(&authority).unwrap();
        assert_eq!(serde_json::from_str::<Authority>(&stored).unwrap(), authority);
        let without = Authority::of_operator(Grant::default_set());
        assert!(!serde_json::to_string(&without).unwrap().contains("denies"), "plans of before stay as they were");
    }

    #[test]
    fn each_bound_can_deny_and_says_so() {
        let operator = || Authority::of_operator(Grant::default_set());
        let without_request = operator().meet(Bound::of_manifest(&manifest(&["sql"])));
        let denial = "the component's manifest does not request `fs-read`";
        check(&without_request, &read("a"), Some(denial), None);

        let bounded = operator().meet(Bound::of_runbook([runbook("fs-read=data")]));
        let denial = "the runbook's `capabilities` hold no `fs-read` of `data2`; it is not below `data` (book.yaml:3)";
        check(&bounded, &read("data2"), Some(denial), None);
        check(&bounded, &read("data/2"), None, None);

        let empty = operator().meet(Bound::of_runbook([]));
        check(&empty, &read("a"), Some("the runbook's `capabilities` hold no `fs-read` of `a`"), None);

        let denial = "the step's config names no `fs-read` of `b`; it is not below `a` (`/path` of the step's config)";
        check(&connector("a"), &read("b"), Some(denial), Some("--allow fs-read=b"));
    }

    #[test]
    fn where_a_link_leads_is_named_by_the_operator() {
        let named = NamedByConfig { pointer: "/path".to_owned(), power: Power::FsRead, path: path("a") };
        let allowed = [Grant::parse(&folder(), b"fs-read=/srv/b").unwrap()];
        let authority = Authority::of_operator(Grant::default_set().into_iter().chain(allowed.clone()))
            .meet(Bound::of_manifest(&manifest(&["fs-read"])))
            .meet(Bound::of_config([&named], &allowed));
        check(&authority, &read("/srv/b"), None, None);
        check(&authority, &read("a/x"), None, None);
        assert!(!authorise(&authority, &read("c")).allowed());
        assert!(!authorise(&authority, &read("/srv/c")).allowed());
    }

    #[test]
    fn powers_do_not_stand_in_for_each_other() {
        let sql = Authority::of_operator([Grant::parse(&folder(), b"sql=a.db").unwrap()]);
        let denial = "the operator grants no `fs-read` of `a.db`; `sql` is allowed there (--allow sql=a.db)";
        check(&sql, &read("a.db"), Some(denial), Some("--allow fs-read=a.db"));
        check(&sql, &Use::Sql { database: path("a.db") }, None, None);
    }

    #[test]
    fn the_chain_says_what_every_bound_said() {
        let authority = connector("/etc").meet(Bound::of_runbook([runbook("fs-read=/etc")]));
        let request = read("/etc/hosts");
        let chain = authorise(&authority, &request).chain();
        let said: Vec<_> = chain.iter().map(|reason| (reason.by, reason.allowed)).collect();
        let expected = [
            (BoundKind::Operator, false),
            (BoundKind::Manifest, true),
            (BoundKind::Config, true),
            (BoundKind::Runbook, true),
        ];
        assert_eq!(said, expected);
        assert_eq!(chain[1].text, "`fs-read` is requested by the manifest of acme:reader@1.0.0");
        assert_eq!(chain[3].text, "`fs-read` of `/etc/hosts` is covered by book.yaml:3");
    }

    #[test]
    fn nothing_comes_from_nothing() {
        assert!(!authorise(&Authority::none(), &read("a")).allowed());
        let read_back: Authority = serde_json::from_str(r#"{"bounds": [], "closed": []}"#).unwrap();
        assert!(!authorise(&read_back, &read("a")).allowed());
        assert!(read_back.reach(Power::FsRead).is_empty());
        assert!(serde_json::from_str::<Authority>(r#"{"bounds": [], "closed": [], "all": true}"#).is_err());
    }

    #[test]
    fn an_authority_survives_the_journal() {
        let authority = connector("a%b").without(path("/var/lib/palisade"));
        let text = serde_json::to_string(&authority).unwrap();
        assert_eq!(serde_json::from_str::<Authority>(&text).unwrap(), authority);
    }

    #[test]
    fn a_use_is_read_back_from_its_record() {
        for asked in [read("a/b=c"), read("/x\n%41"), Use::Sql { database: path("crm.db") }] {
            assert_eq!(Use::of_record(&asked.record()), Some(asked));
        }
        for wrong in ["fs-read", "fs-write=a", "fs-read=../a", "fs-read=%0", ""] {
            assert_eq!(Use::of_record(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_that_deceive_are_neutralised() {
        let request = read("/x\n\u{202e}y");
        let authority = Authority::none();
        let decision = authorise(&authority, &request);
        assert_eq!(decision.denial().as_deref(), Some("the operator grants no `fs-read` of `/x\\u{a}\\u{202e}y`"));
        assert_eq!(decision.allow_line().as_deref(), Some(r"--allow $'fs-read=/x\x0a\xe2\x80\xaey'"));
    }

    fn some_path() -> impl Strategy<Value = ScopedPath> {
        let names = proptest::sample::select(vec!["a", "ab", "k.pem", ".palisade", ".."]);
        proptest::collection::vec(names, 0..4).prop_map(|names| {
            let written = format!("./{}", names.join("/"));
            ScopedPath::parse(&folder(), written.as_bytes()).unwrap_or(ScopedPath::root())
        })
    }

    fn some_scope() -> impl Strategy<Value = PathScope> {
        proptest::collection::vec(some_path(), 0..3).prop_map(PathScope::below)
    }

    fn some_rules() -> impl Strategy<Value = Vec<Rule>> {
        let power = proptest::sample::select(vec![Power::FsRead, Power::Sql]);
        let rule = (power, some_scope())
            .prop_map(|(power, scope)| Rule { capability: Capability::new(power, scope), stated: "s".to_owned() });
        proptest::collection::vec(rule, 0..4)
    }

    fn operator(rules: &[Rule]) -> Authority {
        let grants = rules.iter().map(|rule| Grant { capability: rule.capability.clone(), stated: "s".to_owned() });
        Authority::of_operator(grants)
    }

    proptest! {
        #[test]
        fn a_decision_is_the_meet_of_all_bounds(grants in some_rules(), bound in some_rules(), path in some_path()) {
            let any = |rules: &[Rule]| {
                rules.iter().any(|rule| rule.capability.power() == Power::FsRead && rule.capability.scope().contains(&path))
            };
            let request = Use::FsRead { path: path.clone() };
            let wide = operator(&grants);
            let narrow = wide.clone().meet(Bound::of_runbook(bound.clone()));
            prop_assert_eq!(authorise(&wide, &request).allowed(), any(&grants));
            prop_assert_eq!(authorise(&narrow, &request).allowed(), any(&grants) && any(&bound));
            prop_assert_eq!(narrow.reach(Power::FsRead).contains(&path), any(&grants) && any(&bound));
            prop_assert!(wide.reach(Power::FsRead).covers(&narrow.reach(Power::FsRead)));
            prop_assert!(!authorise(&narrow.without(path.clone()), &request).allowed());
        }

        /// A tree of runs: each is its parent's authority with bounds and denies of its own, as a planner makes it.
        #[test]
        fn no_run_may_do_what_its_parent_may_not(
            grants in some_rules(),
            runs in proptest::collection::vec((0_usize..8, proptest::option::of(some_rules()), some_path(), any::<bool>()), 1..8),
            asked in proptest::collection::vec((some_path(), any::<bool>()), 1..12),
        ) {
            let mut tree = vec![operator(&grants)];
            for (parent, bound, denied, denies) in runs {
                let parent = parent % tree.len();
                let mut child = tree[parent].clone();
                if let Some(rules) = bound {
                    child = child.meet(Bound::of_runbook(rules));
                }
                if denies {
                    let power = [b"fs-read=".as_slice(), &denied.to_bytes()].concat();
                    child = child.denying(Deny::parse_in(&folder(), &folder(), &power, "s").unwrap());
                }
                for (path, sql) in &asked {
                    let asked = Use::of(if *sql { Power::Sql } else { Power::FsRead }, path.clone());
                    let (above, below) = (authorise(&tree[parent], &asked).allowed(), authorise(&child, &asked).allowed());
                    prop_assert!(above || !below, "{asked:?}");
                }
                for power in [Power::FsRead, Power::Sql] {
                    prop_assert!(tree[parent].reach(power).covers(&child.reach(power)));
                }
                tree.push(child);
            }
        }

        #[test]
        fn the_line_that_is_printed_allows(grants in some_rules(), path in some_path()) {
            let request = Use::Sql { database: path };
            let authority = operator(&grants);
            if let Some(line) = authorise(&authority, &request).allow_line() {
                let text = line.strip_prefix("--allow ").unwrap();
                let more = Authority::of_operator([Grant::parse(&folder(), text.as_bytes()).unwrap()]);
                prop_assert!(authorise(&more, &request).allowed());
            }
        }
    }
}
