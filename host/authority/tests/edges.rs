//! The edges of what decides, from outside: each of these fails when one comparison, one kind of place or one bound is left
//! away.

use palisade_authority::{
    Anchor, Authority, Bound, Capability, Deny, Flow, FlowRule, Flows, Grant, Labels, Method, NamedByConfig, Origin,
    PathError, PathScope, Place, Rule, ScopedPath, SecretPlace, SecretPlaceError, Sink, Use, WorkingFolder, authorise,
    is_outward,
};
use palisade_model::manifest::Power;

const MAX_PATH: usize = 4_096;

fn folder() -> WorkingFolder {
    WorkingFolder::new(b"/srv/w").expect("an absolute path")
}

fn path(text: &str) -> ScopedPath {
    ScopedPath::parse(&folder(), text.as_bytes()).expect("a path")
}

fn grant(text: &str) -> Grant {
    Grant::parse(&folder(), text.as_bytes()).expect("a grant")
}

fn capability(text: &str) -> Capability {
    Capability::parse(&folder(), text.as_bytes()).expect("a capability")
}

/// The one place of a capability.
fn place(text: &str) -> Place {
    capability(text).places().expect("places").pop().expect("a place")
}

fn origin(text: &str) -> Origin {
    Origin::parse(text).expect("an origin")
}

#[test]
fn a_place_holds_what_is_of_its_power_and_within_it() {
    let holds = |outer: &str, inner: &str| place(outer).holds(&place(inner));
    for (outer, inner) in [
        ("fs-read=data", "fs-read=data/a"),
        ("sql=data", "sql=data/a.db"),
        ("fs-write=out", "fs-write=out/a"),
        ("database=crm", "database=crm"),
        ("http=GET,POST https://*.a.example", "http=GET https://b.a.example"),
        ("http=GET https://a.example private", "http=GET https://a.example"),
        ("llm=big", "llm=big"),
        ("call=acme:x", "call=acme:x"),
        ("secret=token", "secret=token authorization https://a.example"),
    ] {
        assert!(holds(outer, inner), "{outer} holds {inner}");
        assert!(outer == inner || !holds(inner, outer), "{inner} does not hold {outer}");
    }
    for (one, other) in [
        ("fs-read=data", "sql=data"),
        ("fs-read=data", "fs-write=data"),
        ("database=crm", "database=shop"),
        ("fs-read=data", "fs-read=dat"),
        ("sql=data", "sql=other"),
        ("http=GET https://a.example", "http=GET https://b.example"),
        ("http=GET https://a.example", "http=POST https://a.example"),
        ("llm=big", "llm=small"),
        ("call=acme:x", "call=acme:y"),
        ("secret=token", "secret=other authorization https://a.example"),
    ] {
        assert!(!holds(one, other) && !holds(other, one), "{one} and {other}");
    }
}

#[test]
fn two_capabilities_meet_in_what_both_allow() {
    for text in [
        "fs-read=data",
        "fs-write=out",
        "database=crm",
        "sql=a.db",
        "http=GET https://a.example",
        "llm=big",
        "call=acme:x",
        "secret=token authorization https://a.example",
    ] {
        let one = capability(text);
        assert_eq!(one.meet(&one), Some(one.clone()), "{text}");
        assert_eq!(one.meet(&Capability::any(one.power())), Some(one.clone()), "{text}");
        for power in Power::ALL.into_iter().filter(|power| *power != one.power()) {
            assert_eq!(one.meet(&Capability::any(power)), None, "{text}");
            assert!(!Capability::any(power).covers(&one), "{text}");
        }
    }
}

#[test]
fn only_what_is_no_path_can_be_meant_everywhere() {
    let parse = |text: &str| Capability::parse_destination_in(&folder(), &folder(), text.as_bytes());
    for power in [Power::Http, Power::Llm, Power::Call] {
        assert_eq!(parse(&format!("{}=*", power.name())), Ok(Capability::any(power)));
        let deny =
            Deny::parse_in(&folder(), &folder(), format!("{}=*", power.name()).as_bytes(), "all").expect("a deny");
        assert_eq!(deny.iter().map(Deny::place).collect::<Vec<_>>(), ["*"]);
        assert_eq!(deny[0].place_for(power), None);
    }
    // A path may be called so.
    assert_eq!(parse("fs-read=*"), Ok(Capability::at(Power::FsRead, [Place::FsRead(path("*"))])));
    assert_eq!(parse("llm=big"), Ok(Capability::at(Power::Llm, [Place::Llm("big".to_owned())])));
    let deny = Deny::parse_in(&folder(), &folder(), b"fs-read=*", "a path").expect("a deny");
    assert_eq!(deny[0].path(), Some(&path("*")));
    assert_eq!(deny[0].place_for(Power::FsRead), Some(Place::FsRead(path("*"))));
    // What may not be read may not be opened as a database.
    assert_eq!(deny[0].place_for(Power::Sql), Some(Place::Sql(path("*"))));
}

#[test]
fn paths_have_a_length() {
    let long = |length: usize| "a".repeat(length);
    let parse = |text: &str| ScopedPath::parse(&folder(), text.as_bytes());
    // As it is written.
    assert_eq!(parse(&long(MAX_PATH + 1)), Err(PathError::TooLong));
    assert_eq!(parse(&format!("./{}", long(MAX_PATH - 1))), Err(PathError::TooLong));
    assert_eq!(parse(&format!("{}a", "./".repeat(MAX_PATH / 2))), Err(PathError::TooLong));
    assert!(parse(&format!("{}aa", "./".repeat(MAX_PATH / 2 - 1))).is_ok());
    // With the slash that each of its names has.
    let spelled = format!("{}/{}", long(MAX_PATH / 2 - 1), long(MAX_PATH / 2 - 1 - "/srv/w".len()));
    assert!(parse(&spelled).is_ok());
    assert_eq!(parse(&format!("{spelled}b")), Err(PathError::TooLong));
    // In a folder, one name at a time.
    let above = ScopedPath::root().join(long(MAX_PATH / 2).as_bytes()).expect("a path");
    let left = MAX_PATH - MAX_PATH / 2 - 1;
    assert!(above.join(long(left).as_bytes()).is_ok());
    assert_eq!(above.join(long(left + 1).as_bytes()), Err(PathError::TooLong));
    assert_eq!(path("data/a.txt").to_path_buf(), std::path::Path::new("data/a.txt"));
    assert_eq!(format!("{:?}", path("data/a.txt")), "ScopedPath(data/a.txt)");
    assert_eq!(path("/etc/a").anchor(), Anchor::System);
}

#[test]
fn a_scope_without_paths_is_empty() {
    let none = Capability::none(Power::FsRead);
    assert!(none.paths().is_some_and(PathScope::is_empty));
    for text in ["fs-read=data", "fs-read=."] {
        assert!(!capability(text).paths().is_some_and(PathScope::is_empty));
    }
    assert!(!Capability::any(Power::FsRead).paths().is_some_and(PathScope::is_empty));
}

#[test]
fn hosts_and_headers_have_a_length() {
    let label = "a".repeat(63);
    let name = |last: usize| format!("https://{label}.{label}.{label}.{}", "b".repeat(last));
    assert!(Origin::parse(&name(61)).is_ok(), "253 bytes");
    assert!(Origin::parse(&name(62)).is_err());
    let sent = |header: &str| SecretPlace::sent("token", header, origin("https://a.example"));
    let longest = (1..1_000).take_while(|length| sent(&"h".repeat(*length)).is_ok()).last().expect("a length");
    assert_eq!(longest, 64);
    for header in ["", "Capital", "two words", "line\n", "ümlaut"] {
        assert!(matches!(sent(header), Err(SecretPlaceError::Header { .. })), "{header:?}");
    }
    let place = sent("authorization").expect("a place");
    assert!(place.is_one() && place.name() == "token");
    let Place::Secret(anywhere) = self::place("secret=token") else { panic!("a secret") };
    assert!(!anywhere.is_one());
}

#[test]
fn what_leaves_for_good_is_said_of_each_power() {
    let outward: Vec<&str> = Power::ALL.into_iter().filter(|power| is_outward(*power)).map(Power::name).collect();
    for power in ["http", "llm", "database", "fs-write"] {
        assert!(outward.contains(&power), "{power}");
    }
    for power in ["fs-read", "sql", "call", "secret"] {
        assert!(!outward.contains(&power), "{power}");
    }
}

#[test]
fn a_flow_speaks_of_its_own_place() {
    let rule =
        |to: Sink, never: bool| FlowRule { labels: Labels::All, sinks: vec![to], never, stated: "a rule".to_owned() };
    let to = |sink: Sink, never| Flows::new(vec![rule(sink, never)]);
    let flows = to(Sink::Approval, false);
    assert_eq!(flows.rules().len(), 1);
    assert!(matches!(flows.decide("hr", &Sink::Approval), Flow::Allowed));
    assert!(matches!(to(Sink::Output, true).decide("hr", &Sink::Output), Flow::Kept(_)));
    let big = || Sink::Power(capability("llm=big"));
    assert!(matches!(to(Sink::Output, false).decide("hr", &big()), Flow::Unsaid));
    assert!(matches!(to(big(), false).decide("hr", &big()), Flow::Allowed));
    assert!(matches!(to(Sink::Approval, true).decide("hr", &big()), Flow::Unsaid));
}

#[test]
fn people_are_told_what_stands_nearest() {
    let why = |bound: Bound, asked: &Use| {
        let granted = ["fs-read=.", "fs-read=data/keys/id_ed25519", "llm=big", "call=acme:x"].map(grant);
        let all = Authority::of_operator(granted);
        authorise(&all.meet(bound), asked).denial().expect("a denial")
    };
    let named = |pointer: &str, place: Place| NamedByConfig { pointer: pointer.to_owned(), place };
    let of_config = |places: &[NamedByConfig]| Bound::of_config(places, &[]);
    let tool = [named("/tools", place("call=acme:y"))];
    let asked = Use::Call { component: "acme:x".parse().expect("an id") };
    let told = why(of_config(&tool), &asked);
    assert!(told.contains("it is not `acme:y` (`tools` of the step)"), "{told}");
    let model = [named("", place("llm=small"))];
    let told = why(of_config(&model), &Use::Llm { model: "big".to_owned() });
    assert!(told.contains("it is not `small` (what its component was granted)"), "{told}");
    let paths = [named("/path", place("fs-read=data/a")), named("/more", place("fs-read=other"))];
    let told = why(of_config(&paths), &Use::FsRead { path: path("data/b") });
    assert!(told.contains("it is not below `data/a` (`/path` of the step's config)"), "{told}");
    // A key in a folder that is allowed stands nearer than another folder.
    let rules = ["fs-read=data", "fs-read=data/keys/elsewhere"];
    let rules = rules.map(|text| Rule { capability: capability(text), stated: text.to_owned() });
    let told = why(Bound::of_runbook(rules), &Use::FsRead { path: path("data/keys/id_ed25519") });
    assert!(told.contains("it looks like a private key, which `data` (fs-read=data) does not cover"), "{told}");
    let one = [Rule {
        capability: Capability::at(Power::FsRead, [place("fs-read=data"), place("fs-read=data/keys/id_rsa")]),
        stated: "one".to_owned(),
    }];
    let told = why(Bound::of_runbook(one), &Use::FsRead { path: path("data/keys/id_ed25519") });
    assert!(told.contains("it looks like a private key, which `data` (one) does not cover"), "{told}");
    assert!(
        authorise(
            &Authority::of_operator([grant("http=GET https://a.example")]),
            &Use::Http { method: Method::Get, origin: origin("https://a.example"), private: None }
        )
        .allowed()
    );
}
