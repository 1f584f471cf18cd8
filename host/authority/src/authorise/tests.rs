//! What is decided, and the reasons that are given.

use super::*;
use crate::authority::{Bound, NamedByConfig, Rule};
use crate::capability::Capability;
use crate::deny::Deny;
use crate::grant::Grant;
use crate::http::Method;
use crate::origin::Origin;
use crate::path::{ScopedPath, WorkingFolder};
use crate::place::Place;
use crate::secret::SecretPlace;
use palisade_model::manifest::Power;
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
    Rule { capability: Capability::parse(&folder(), capability.as_bytes()).unwrap(), stated: "book.yaml:3".to_owned() }
}

fn named(written: &str) -> Bound {
    let named = NamedByConfig { pointer: "/path".to_owned(), place: Place::FsRead(path(written)) };
    Bound::of_config([&named], &[])
}

/// The authority of a first-party connector's step whose config names `written`.
fn connector(written: &str) -> Authority {
    Authority::of_operator(Grant::default_set()).meet(Bound::of_manifest(&manifest(&["fs-read"]))).meet(named(written))
}

fn read(written: &str) -> Use {
    Use::FsRead { path: path(written) }
}

/// The request that a text names.
fn request(text: &str, private: Option<&str>) -> Use {
    let (method, origin) = text.split_once(' ').unwrap();
    Use::Http {
        method: Method::from_name(method).unwrap(),
        origin: Origin::parse(origin).unwrap(),
        private: private.map(|address| address.parse().unwrap()),
    }
}

/// A secret as its record names it.
fn secret(on: &str) -> Use {
    Use::of_record(&format!("secret={on}")).unwrap()
}

/// An authority that is bounded by these places alone, as if a runbook named them.
fn bounded(power: Power, places: &[&str]) -> Authority {
    let rule = |place: &&str| Rule {
        capability: Capability::at(power, [Place::of_stored(power, place).unwrap()]),
        stated: "book.yaml:3".to_owned(),
    };
    let everything = Grant { capability: Capability::any(power), stated: "s".to_owned() };
    Authority::of_operator([everything]).meet(Bound::of_runbook(places.iter().map(rule)))
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
    let named = NamedByConfig { pointer: "/path".to_owned(), place: Place::FsRead(path("a")) };
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
fn a_request_is_bounded_by_origin_method_and_where_its_host_leads() {
    let authority =
        bounded(Power::Http, &["GET https://api.example.org", "GET,PUT https://*.files.example.org private"]);
    let denied = |text: &str, private, near: &str| {
        let on = match private {
            Some(address) => format!("{text} at {address}"),
            None => text.to_owned(),
        };
        let denial = format!("the runbook's `capabilities` hold no `http` of `{on}`; {near}");
        check(&authority, &request(text, private), Some(&denial), None);
    };
    check(&authority, &request("GET https://api.example.org", None), None, None);
    check(&authority, &request("PUT https://a.files.example.org", Some("10.0.0.1")), None, None);
    let api = "`GET https://api.example.org` (book.yaml:3) is for";
    denied("POST https://api.example.org", None, &format!("{api} GET, not POST"));
    denied("GET http://api.example.org", None, &format!("{api} `https`, not `http`"));
    denied("GET https://api.example.org:444", None, &format!("{api} port 443, not 444"));
    denied("GET https://evil.example", None, &format!("{api} the host `api.example.org`, not `evil.example`"));
    let public =
        "public addresses: `GET https://api.example.org private` would be for others, where its host leads to one";
    denied("GET https://api.example.org", Some("169.254.169.254"), &format!("{api} {public}"));
    let below = "`GET,PUT https://*.files.example.org private` (book.yaml:3) is for";
    denied("DELETE https://a.files.example.org", None, &format!("{below} GET,PUT, not DELETE"));
}

#[test]
fn a_request_that_nobody_granted_prints_the_line_that_allows_it() {
    let line = |private| authorise(&Authority::none(), &request("PUT https://a.b:8443", private)).allow_line();
    assert_eq!(line(None).as_deref(), Some("--allow 'http=PUT https://a.b:8443'"));
    assert_eq!(line(Some("10.0.0.1")).as_deref(), Some("--allow 'http=PUT https://a.b:8443 private'"));
}

#[test]
fn names_are_bounded_whole() {
    let authority = bounded(Power::Llm, &["small"]);
    check(&authority, &Use::Llm { model: "small".to_owned() }, None, None);
    let denial = "the runbook's `capabilities` hold no `llm` of `smaller`; it is not `small` (book.yaml:3)";
    check(&authority, &Use::Llm { model: "smaller".to_owned() }, Some(denial), None);
    let authority = bounded(Power::Call, &["acme:x"]);
    check(&authority, &Use::Call { component: "acme:x".parse().unwrap() }, None, None);
    assert!(!authorise(&authority, &Use::Call { component: "acme:y".parse().unwrap() }).allowed());
    assert!(!authorise(&authority, &Use::Llm { model: "acme:x".to_owned() }).allowed());
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
fn a_secret_goes_where_its_table_and_the_runbook_say_and_never_in_the_clear() {
    let sent = |text: &str| SecretPlace::parse(text).unwrap();
    let table = ["token authorization https://a.example", "local authorization http://localhost:1"];
    let granted = Grant::of_secret(table.map(sent), "palisade.toml:3".to_owned());
    let authority = Authority::of_operator([granted]).meet(Bound::of_manifest(&manifest(&["secret"])));
    check(&authority, &secret("token authorization https://a.example"), None, None);
    check(&authority, &secret("local authorization http://localhost:1"), None, None);
    for other in [
        "token x-key https://a.example",
        "token authorization https://b.example",
        "token authorization https://a.example:8443",
        "local authorization https://a.example",
        "other authorization https://a.example",
        // Wherever it goes is more than where it may.
        "token",
    ] {
        let near = "it is not `local authorization http://localhost:1` or `token authorization https://a.example` \
                    (palisade.toml:3)";
        check(&authority, &secret(other), Some(&format!("the operator grants no `secret` of `{other}`; {near}")), None);
    }
    let everything = Grant { capability: Capability::any(Power::Secret), stated: "s".to_owned() };
    let clear = "`token authorization http://a.example` would go in the clear: secrets go over `https://` or stay on \
                 this machine";
    check(&Authority::of_operator([everything]), &secret("token authorization http://a.example"), Some(clear), None);
    let unsaid = authority.clone().meet(Bound::of_runbook([]));
    let asked = secret("token authorization https://a.example");
    let no = format!("the runbook's `capabilities` hold no `secret` of `{}`", asked.on());
    check(&unsaid, &asked, Some(&no), None);
    check(&authority.meet(Bound::of_runbook([runbook("secret=token")])), &asked, None, None);
}

#[test]
fn a_connection_is_decided_about_by_its_whole_name() {
    let grant = |text: &[u8]| Grant::parse(&folder(), text).unwrap();
    let authority = Authority::of_operator([grant(b"database=crm"), grant(b"sql=crm")]);
    let of = |name: &str| Use::Database { connection: name.to_owned() };
    check(&authority, &of("crm"), None, None);
    let no = |on: &str| format!("the operator grants no `database` of `{on}`; it is not `crm` (--allow database=crm)");
    check(&authority, &of("crm2"), Some(&no("crm2")), Some("--allow database=crm2"));
    // A file of that name is another place, and so is a connection for who may read files.
    let files = Authority::of_operator([grant(b"sql=crm")]);
    let neither = "the operator grants no `database` of `crm`";
    check(&files, &of("crm"), Some(neither), Some("--allow database=crm"));
    let denied = authority.denying(Deny::parse_in(&folder(), &folder(), b"database=*", "palisade.toml:9").unwrap());
    let why =
        "the operator forbids `database` of `crm`: a deny of `database` of `*` (palisade.toml:9) beats every allow";
    check(&denied, &of("crm"), Some(why), None);
}

#[test]
fn nothing_comes_from_nothing() {
    assert!(!authorise(&Authority::none(), &read("a")).allowed());
    let read_back: Authority = serde_json::from_str(r#"{"bounds": [], "closed": []}"#).unwrap();
    assert!(!authorise(&read_back, &read("a")).allowed());
    for power in Power::ALL {
        assert_eq!(read_back.reach(power), Capability::none(power));
    }
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
    let (post, private) = (request("POST https://a.b:8443", None), request("GET https://a.b", Some("fd00::1")));
    let (model, called) = (Use::Llm { model: "small".to_owned() }, Use::Call { component: "acme:x".parse().unwrap() });
    let secrets = ["token", "token x-key https://a.b:8443", "token x-key http://a.b"].map(secret);
    let database = Use::Database { connection: "crm".to_owned() };
    let others = [read("a/b=c"), read("/x\n%41"), Use::Sql { database: path("crm.db") }, database];
    for asked in others.into_iter().chain([post, private, model, called]).chain(secrets) {
        assert_eq!(Use::of_record(&asked.record()), Some(asked));
    }
    let http = ["http=https://a.b", "http=get https://a.b", "http=GET https://a.b at", "http=GET https://a.b at x"];
    let others =
        ["fs-read", "fs-erase=a", "fs-read=../a", "fs-read=%0", "", "llm=A", "database=A", "secret=A", "secret=a b"];
    for wrong in others.into_iter().chain(http) {
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

/// Places of all powers, as they are stored beside the power.
fn some_place() -> impl Strategy<Value = Place> {
    let origins =
        ["GET https://a.b.org", "* https://*.b.org private", "GET,PUT https://*.b.org", "GET http://10.0.0.1"];
    let http = proptest::sample::select(origins.to_vec()).prop_map(|text| Place::of_stored(Power::Http, text).unwrap());
    let name = proptest::sample::select(vec![
        (Power::Database, "crm"),
        (Power::Llm, "small"),
        (Power::Llm, "large"),
        (Power::Call, "acme:x"),
        (Power::Secret, "token"),
        (Power::Secret, "token x-key https://a.b.org"),
    ]);
    prop_oneof![
        4 => some_path().prop_map(Place::FsRead),
        2 => some_path().prop_map(Place::Sql),
        2 => http,
        1 => name.prop_map(|(power, name)| Place::of_stored(power, name).unwrap()),
    ]
}

pub(crate) fn some_rules() -> impl Strategy<Value = Vec<Rule>> {
    let places = (some_place(), proptest::collection::vec(some_place(), 0..2));
    let rule = (places, any::<bool>()).prop_map(|((place, more), everywhere)| {
        let power = place.power();
        let capability = match everywhere && !power.is_over_paths() {
            true => Capability::any(power),
            false => Capability::at(power, more.into_iter().chain([place])),
        };
        Rule { capability, stated: "s".to_owned() }
    });
    proptest::collection::vec(rule, 0..4)
}

pub(crate) fn some_denies() -> impl Strategy<Value = Vec<Deny>> {
    // Read from the stored form: not every power is linked.
    let deny = (some_place(), 0..6).prop_map(|(place, everywhere)| {
        let key = if place.power().is_over_paths() { "path" } else { "place" };
        let at = if everywhere == 0 && key == "place" { "*".to_owned() } else { place.stored() };
        serde_json::from_value(serde_json::json!({"power": place.power(), key: at, "stated": "s"})).unwrap()
    });
    proptest::collection::vec(deny, 1..6)
}

pub(crate) fn some_use() -> impl Strategy<Value = Use> {
    let origins = ["GET https://a.b.org", "PUT https://c.b.org", "GET https://b.org", "GET http://10.0.0.1"];
    let origins = proptest::sample::select(origins.to_vec());
    let http = (origins, any::<bool>()).prop_map(|(text, at)| request(text, at.then_some("10.0.0.2")));
    let names = proptest::sample::select(vec![
        "database=crm",
        "database=x",
        "llm=small",
        "llm=x",
        "call=acme:x",
        "call=acme:y",
        "secret=token x-key https://a.b.org",
        "secret=token x-key https://c.b.org",
    ]);
    prop_oneof![
        4 => some_path().prop_map(|path| Use::FsRead { path }),
        2 => some_path().prop_map(|database| Use::Sql { database }),
        2 => http,
        1 => names.prop_map(|record| Use::of_record(record).unwrap()),
    ]
}

fn operator(rules: &[Rule]) -> Authority {
    let grants = rules.iter().map(|rule| Grant { capability: rule.capability.clone(), stated: "s".to_owned() });
    Authority::of_operator(grants)
}

proptest! {
    #[test]
    fn a_decision_is_the_meet_of_all_bounds(grants in some_rules(), bound in some_rules(), asked in some_use()) {
        let any = |rules: &[Rule]| rules.iter().any(|rule| rule.capability.allows(&asked));
        let wide = operator(&grants);
        let narrow = wide.clone().meet(Bound::of_runbook(bound.clone()));
        let open = asked.path().is_none_or(|path| !is_own(path));
        prop_assert_eq!(authorise(&wide, &asked).allowed(), open && any(&grants));
        prop_assert_eq!(authorise(&narrow, &asked).allowed(), open && any(&grants) && any(&bound));
        let power = asked.power();
        prop_assert_eq!(narrow.reach(power).allows(&asked), any(&grants) && any(&bound));
        prop_assert!(wide.reach(power).covers(&narrow.reach(power)));
        if let Some(path) = asked.path() {
            prop_assert!(!authorise(&narrow.without(path.clone()), &asked).allowed());
        }
    }

    /// A tree of runs: each is its parent's authority with bounds and denies of its own, as a planner makes it.
    #[test]
    fn no_run_may_do_what_its_parent_may_not(
        grants in some_rules(),
        runs in proptest::collection::vec((0_usize..8, proptest::option::of(some_rules()), some_path(), any::<bool>()), 1..8),
        asked in proptest::collection::vec(some_use(), 1..12),
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
            for asked in &asked {
                let (above, below) = (authorise(&tree[parent], asked).allowed(), authorise(&child, asked).allowed());
                prop_assert!(above || !below, "{asked:?}");
            }
            for power in Power::ALL {
                prop_assert!(tree[parent].reach(power).covers(&child.reach(power)));
            }
            tree.push(child);
        }
    }

    /// Where the power is linked and there is a line: it is what `--allow` reads.
    #[test]
    fn the_line_that_is_printed_allows(grants in some_rules(), asked in some_use()) {
        let authority = operator(&grants);
        let line = authorise(&authority, &asked).allow_line().filter(|_| asked.power().is_linked());
        if let Some(line) = line {
            let text = line.strip_prefix("--allow ").unwrap().trim_matches('\'');
            let more = Authority::of_operator([Grant::parse(&folder(), text.as_bytes()).unwrap()]);
            prop_assert!(authorise(&more, &asked).allowed());
        }
    }
}
