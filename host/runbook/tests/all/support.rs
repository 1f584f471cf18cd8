//! Components and schemas for the tests: the shapes of the real ones, written by hand.

use palisade_authority::{Authority, Flows, Grant, SecretPlace, WorkingFolder};
use palisade_model::llm::{LlmSettings, ModelSpec, ProviderKind, Structured};
use palisade_model::manifest::{Arity, ComponentKind, InputPort, InputSource, OutputPort, Power, Request};
use palisade_model::sql::{ConnectionSpec, ServerAddress, ServerKind, ServerTls};
use palisade_model::{Digest, LimitKind, Manifest, RunLimits};
use palisade_runbook::{
    Caller, ChildLookup, Components, Diagnostic, KnownComponent, NotAccepted, OperatorEntry, Plan, PlanContext,
    RulesetLookup, Source, Systems, parse, parse_artifact, plan, plan_artifact, read_ruleset, wanted_children,
    wanted_rulesets,
};
use palisade_schema::Registry;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// The ruleset that exists in tests, as `local/demo/1.0.0`.
pub(crate) const RULESET: &str =
    "name: demo\nversion: 1.0.0\ncategories: [email]\nrules:\n- {name: Email, category: email, patterns: [email]}\n";

/// A ruleset's type that the built-in schemas know.
pub(crate) const KIND: &str = "personal_data_indicator";

fn port(name: &str, accepts: &[&str], arity: Arity) -> InputPort {
    InputPort {
        name: name.into(),
        source: InputSource::Runbook { accepts: accepts.iter().map(|text| text.parse().unwrap()).collect() },
        arity,
        per_item: arity == Arity::Many,
        description: String::new(),
    }
}

fn ruleset_port(pointer: &str) -> InputPort {
    let source = InputSource::Ruleset { pointer: pointer.into() };
    InputPort { name: "ruleset".into(), source, arity: Arity::One, per_item: false, description: String::new() }
}

fn component(id: &str, inputs: Vec<InputPort>, output: &str, config_schema: Value) -> KnownComponent {
    let power = |power| Request { power, reason: "reads".into(), optional: false };
    let requests = match id {
        "palisade:filesystem" => vec![power(Power::FsRead)],
        "palisade:sqlite" => vec![power(Power::Sql)],
        "palisade:mysql" => vec![power(Power::Database)],
        _ => vec![],
    };
    let manifest = Manifest {
        id: id.parse().unwrap(),
        version: semver::Version::new(0, 1, 0),
        title: id.into(),
        description: String::new(),
        kind: ComponentKind::Analyser,
        inputs,
        outputs: vec![OutputPort { name: "out".into(), schema: output.parse().unwrap(), description: String::new() }],
        config_schema,
        schemas: vec![],
        requests,
        limits: BTreeMap::new(),
    };
    let granted = Authority::of_operator(Grant::default_set());
    KnownComponent {
        manifest,
        digest: Digest::of(id.as_bytes()),
        first_party: true,
        granted,
        not_accepted: None,
        declassifies: BTreeSet::new(),
    }
}

/// The same with a second output, `code`.
fn two_outputs(mut component: KnownComponent) -> KnownComponent {
    let code =
        OutputPort { name: "code".into(), schema: "source_code/1.0.0".parse().unwrap(), description: String::new() };
    component.manifest.outputs.push(code);
    component
}

/// The same, of which the operator says that what it makes is not personal any more.
fn declassifying(mut component: KnownComponent) -> KnownComponent {
    component.declassifies.insert("personal".to_owned());
    component
}

/// The same as an agent, which gets a goal and asks to call tools.
fn agent(mut component: KnownComponent) -> KnownComponent {
    let manifest = &mut component.manifest;
    manifest.kind = ComponentKind::Agent;
    let tracker = json!({"type": "string", "x-palisade-url": "http"});
    let properties =
        json!({"goal": {"type": "string"}, "turns": {"type": "integer", "default": 5}, "tracker": tracker});
    manifest.config_schema = closed(properties, json!(["goal"]));
    let request = Request { power: Power::Call, reason: "to reach its goal".to_owned(), optional: false };
    manifest.requests.push(request);
    let grant = |text: &[u8]| Grant::parse(&WorkingFolder::new(b"/srv/folder").unwrap(), text).unwrap();
    let granted: [&[u8]; 3] = [b"llm=dear", b"call=acme:words", b"http=POST https://api.example.org"];
    component.granted = Authority::of_operator(granted.map(grant));
    component
}

/// The same, asking models: `dear` is granted to it.
fn asks(mut component: KnownComponent) -> KnownComponent {
    component.manifest.requests = vec![Request { power: Power::Llm, reason: "to ask".to_owned(), optional: false }];
    let grant = Grant::parse(&WorkingFolder::new(b"/srv/folder").unwrap(), b"llm=dear").unwrap();
    component.granted = Authority::of_operator([grant]);
    component
}

/// The same, granted the connection `crm`.
fn reads_crm(mut component: KnownComponent) -> KnownComponent {
    let grant = Grant::parse(&WorkingFolder::new(b"/srv/folder").unwrap(), b"database=crm").unwrap();
    component.granted = Authority::of_operator([grant]);
    component
}

/// A connection to a database of a kind, somewhere else.
pub(crate) fn connection(name: &str, kind: ServerKind, host: &str) -> ConnectionSpec {
    ConnectionSpec {
        name: name.to_owned(),
        kind,
        address: ServerAddress::Host { host: host.to_owned(), port: kind.default_port() },
        user: "reader".to_owned(),
        database: "shop".to_owned(),
        password: None,
        tls: ServerTls::On { authority: None },
    }
}

/// The same, asking web servers: two are granted to it, and to send one of them a token.
fn sends(mut component: KnownComponent) -> KnownComponent {
    component.manifest.requests = vec![Request { power: Power::Http, reason: "to send".to_owned(), optional: false }];
    let url = json!({"type": "string", "x-palisade-url": "http"});
    let secret = json!({"type": "string", "x-palisade-secret": "header"});
    component.manifest.config_schema = closed(json!({"url": url, "mirror": url, "token": secret}), json!([]));
    let request = Request { power: Power::Secret, reason: "to say who asks".to_owned(), optional: true };
    component.manifest.requests.push(request);
    let token = SecretPlace::granted("token", "authorization", "https://api.example.org").unwrap();
    let grant = |text: &[u8]| Grant::parse(&WorkingFolder::new(b"/srv/folder").unwrap(), text).unwrap();
    component.granted = Authority::of_operator([
        grant(b"http=GET,POST https://api.example.org"),
        grant(b"http=https://mirror.example.org"),
        Grant::of_secret([token], "palisade.toml:1".to_owned()),
    ]);
    component
}

/// The same, writing below a folder: `out` is granted to it.
fn writes(mut component: KnownComponent) -> KnownComponent {
    component.manifest.requests =
        vec![Request { power: Power::FsWrite, reason: "to keep".to_owned(), optional: false }];
    let folder = json!({"type": "string", "x-palisade-write": "folder"});
    component.manifest.config_schema = closed(json!({"folder": folder}), json!([]));
    let grant = Grant::parse(&WorkingFolder::new(b"/srv/folder").unwrap(), b"fs-write=out").unwrap();
    component.granted = Authority::of_operator([grant]);
    component
}

/// The same, asking for more than the operator accepted.
fn not_accepted(mut component: KnownComponent) -> KnownComponent {
    let why = "`acme:wider@0.1.0` asks for more than was accepted: `sql` is new".to_owned();
    component.not_accepted = Some(NotAccepted { why, help: "`palisade grants accept acme:wider@0.1.0`".to_owned() });
    component
}

/// A model that is not here and of which nobody knows what it costs.
pub(crate) fn model(alias: &str) -> ModelSpec {
    ModelSpec {
        alias: alias.to_owned(),
        provider: ProviderKind::OpenAi,
        model: "some-model".to_owned(),
        base_url: "https://localhost/v1".to_owned(),
        key: None,
        local: false,
        price: None,
        structured: Structured::Native,
        max_concurrent: 1,
    }
}

/// The built-in schemas, read once.
pub(crate) fn schemas() -> &'static Registry {
    static SCHEMAS: OnceLock<Registry> = OnceLock::new();
    SCHEMAS.get_or_init(|| Registry::builtin().unwrap())
}

fn closed(properties: Value, required: Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

/// The components of the tests.
pub(crate) fn components() -> Components {
    let patterns = json!({"type": ["array", "null"], "items": {"type": "string"}, "default": null});
    let filesystem = closed(
        json!({
            "path": {"type": "string", "minLength": 1, "x-palisade-path": "read"},
            "chunk_size": {"type": "integer", "default": 8192, "exclusiveMinimum": 0},
            "encoding": {"type": "string", "default": "utf-8"},
            "errors": {"enum": ["strict", "replace", "ignore"], "default": "strict"},
            "include_patterns": patterns,
            "exclude_patterns": patterns,
            "max_files": {"type": "integer", "default": 1000, "exclusiveMinimum": 0},
        }),
        json!(["path"]),
    );
    let mut sqlite = closed(
        json!({
            "database_path": {"type": "string", "x-palisade-connection": "sqlite"},
            "max_rows_per_table": {"type": "integer", "default": 10, "exclusiveMinimum": 0},
        }),
        json!(["database_path"]),
    );
    sqlite["x-palisade-wcf-lax"] = json!(true);
    let mysql = closed(
        json!({
            "connection": {"type": "string", "x-palisade-database": "mysql"},
            "host": {"type": "string"},
            "port": {"type": "integer", "default": 3306, "minimum": 1, "maximum": 65535},
            "user": {"type": "string"},
            "password": {"type": "string"},
            "database": {"type": "string", "default": ""},
        }),
        json!([]),
    );
    let matching = |ruleset: &str, kind: &str| {
        json!({
            "type": "object", "additionalProperties": false, "x-palisade-wcf-lax": true,
            "default": {"ruleset": ruleset}, "required": ["ruleset"],
            "properties": {
                "ruleset": {"type": "string", "x-palisade-ruleset": kind},
                "evidence_context_size": {"enum": ["small", "medium", "large", "full"], "default": "medium"},
                "maximum_evidence_count": {"type": "integer", "minimum": 1, "maximum": 20, "default": 3},
            },
        })
    };
    let llm = json!({
        "type": "object", "additionalProperties": false, "x-palisade-wcf-lax": true, "default": {},
        "properties": {
            "enable_llm_validation": {"type": "boolean", "default": false},
            "llm_validation_mode": {"enum": ["standard", "conservative", "aggressive"], "default": "standard"},
        },
    });
    let window = json!({"enum": ["small", "medium", "large", "full"], "default": "small"});
    let analyser = |ruleset: &str, kind: &str| {
        closed(
            json!({"pattern_matching": matching(ruleset, kind), "llm_validation": llm, "source_code_context_window": window}),
            json!([]),
        )
    };
    let classifier = |kind: &str| {
        let default = format!("local/{kind}/1.0.0");
        closed(json!({"ruleset": {"type": "string", "default": default, "x-palisade-ruleset": kind}}), json!([]))
    };
    let text = || port("documents", &["standard_input/1", "source_code/1"], Arity::Many);
    let code = || port("documents", &["source_code/1"], Arity::Many);
    let indicators = |schema: &str| vec![port("indicators", &[schema], Arity::Many), ruleset_port("/ruleset")];
    let analysing = |port: InputPort| vec![port, ruleset_port("/pattern_matching/ruleset")];
    let empty = || closed(json!({}), json!([]));
    let all = [
        component("palisade:filesystem", vec![], "standard_input/1.0.0", filesystem),
        component("palisade:sqlite", vec![], "standard_input/1.0.0", sqlite),
        reads_crm(component("palisade:mysql", vec![], "standard_input/1.0.0", mysql)),
        component(
            "palisade:source_code_analyser",
            vec![port("documents", &["standard_input/1"], Arity::Many)],
            "source_code/1.0.0",
            closed(json!({"max_file_size": {"type": "integer", "default": 10_485_760}}), json!([])),
        ),
        component(
            "palisade:personal_data",
            analysing(text()),
            "personal_data_indicator/1.0.0",
            analyser("local/personal_data_indicator/1.0.0", KIND),
        ),
        component(
            "palisade:processing_purpose",
            analysing(text()),
            "processing_purpose_indicator/1.0.0",
            analyser("local/processing_purposes/1.0.0", "processing_purpose"),
        ),
        component(
            "palisade:data_subject",
            analysing(text()),
            "data_subject_indicator/1.0.0",
            analyser("local/data_subject_indicator/1.0.0", "data_subject_indicator"),
        ),
        component(
            "palisade:service_integration",
            analysing(code()),
            "service_integration_indicator/1.0.0",
            analyser("local/service_integrations/1.0.0", "service_integration"),
        ),
        component(
            "palisade:data_collection",
            analysing(code()),
            "data_collection_indicator/1.0.0",
            analyser("local/data_collection/1.0.0", "data_collection"),
        ),
        component(
            "palisade:gdpr_personal_data_classifier",
            indicators("personal_data_indicator/1"),
            "gdpr_personal_data/1.0.0",
            classifier("gdpr_personal_data_classification"),
        ),
        component(
            "palisade:gdpr_data_subject_classifier",
            indicators("data_subject_indicator/1"),
            "gdpr_data_subject/1.0.0",
            classifier("gdpr_data_subject_classification"),
        ),
        component(
            "palisade:gdpr_processing_purpose_classifier",
            indicators("processing_purpose_indicator/1"),
            "gdpr_processing_purpose/1.0.0",
            classifier("gdpr_processing_purpose_classification"),
        ),
        component(
            "palisade:gdpr_service_integration_classifier",
            indicators("service_integration_indicator/1"),
            "gdpr_service_integration/1.0.0",
            classifier("gdpr_service_integration_classification"),
        ),
        component(
            "palisade:gdpr_data_collection_classifier",
            indicators("data_collection_indicator/1"),
            "gdpr_data_collection/1.0.0",
            classifier("gdpr_data_collection_classification"),
        ),
        component(
            "acme:pair",
            vec![
                port("left", &["standard_input/1"], Arity::One),
                port("right", &["source_code/1"], Arity::One),
                port("more", &["personal_data_indicator/1"], Arity::Optional),
            ],
            "standard_input/1.0.0",
            empty(),
        ),
        component(
            "acme:words",
            vec![port("documents", &["standard_input/1"], Arity::Many)],
            "personal_data_indicator/1.0.0",
            closed(
                json!({
                    "words": {"type": "array", "items": {"type": "string"}, "default": []},
                    "threshold": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
                    "most": {"type": "integer", "minimum": 1, "default": 10},
                    "exact": {"type": "boolean", "default": false},
                    "mode": {"enum": ["fast", "thorough"], "default": "fast"},
                }),
                json!([]),
            ),
        ),
        component(
            "acme:refine",
            vec![port("findings", &["personal_data_indicator/1"], Arity::One)],
            "personal_data_indicator/1.0.0",
            empty(),
        ),
        two_outputs(component(
            "acme:split",
            vec![port("documents", &["standard_input/1"], Arity::One)],
            "standard_input/1.0.0",
            empty(),
        )),
        component(
            "acme:planner",
            vec![port("policy", &["privacy_policy_document/1"], Arity::One)],
            "runbook_definition/1.0.0",
            empty(),
        ),
        component(
            "palisade:policy_to_runbook_analyser",
            vec![port("policy", &["privacy_policy_document/1"], Arity::One)],
            "runbook_definition/1.0.0",
            empty(),
        ),
        declassifying(component(
            "acme:anonymiser",
            vec![port("documents", &["standard_input/1"], Arity::One)],
            "standard_input/1.0.0",
            empty(),
        )),
        agent(component(
            "acme:thinker",
            vec![port("documents", &["standard_input/1"], Arity::One)],
            "personal_data_indicator/1.0.0",
            empty(),
        )),
        agent(component(
            "acme:critic",
            vec![port("documents", &["standard_input/1"], Arity::One)],
            "standard_input/1.0.0",
            empty(),
        )),
        agent(asks(component(
            "acme:adviser",
            vec![port("documents", &["standard_input/1"], Arity::One)],
            "standard_input/1.0.0",
            empty(),
        ))),
        asks(component(
            "acme:asker",
            vec![port("documents", &["standard_input/1"], Arity::One)],
            "standard_input/1.0.0",
            empty(),
        )),
        agent(sends(component(
            "acme:caller",
            vec![port("documents", &["standard_input/1"], Arity::One)],
            "standard_input/1.0.0",
            empty(),
        ))),
        sends(component("acme:tracker", vec![], "standard_input/1.0.0", empty())),
        sends(component(
            "acme:reporter",
            vec![port("documents", &["standard_input/1"], Arity::One)],
            "standard_input/1.0.0",
            empty(),
        )),
        component("acme:broken", vec![], "standard_input/1.0.0", json!({"type": "object", "$id": "x"})),
        writes(component(
            "acme:archiver",
            vec![port("in", &["standard_input/1"], Arity::Optional)],
            "standard_input/1.0.0",
            empty(),
        )),
        not_accepted(component("acme:wider", vec![], "standard_input/1.0.0", empty())),
    ];
    let mut components = Components::default();
    for component in all {
        let id = component.manifest.id.clone();
        if id.namespace() == "palisade" {
            components.alias(id.name(), id.clone());
        }
        components.add(component);
    }
    components
}

/// What is found under each wanted ruleset's name: the test's own, else what `find` gives.
pub(crate) fn lookup(
    runbook: &palisade_runbook::Runbook,
    components: &Components,
    find: &dyn Fn(&palisade_runbook::WantedRuleset) -> Option<RulesetLookup>,
) -> BTreeMap<(palisade_runbook::RulesetName, String), RulesetLookup> {
    let mut found = BTreeMap::new();
    for wanted in wanted_rulesets(runbook, components) {
        let lookup = find(&wanted).unwrap_or_else(|| RulesetLookup::Missing {
            names: vec!["demo".into(), "unusable".into()],
            versions: if wanted.name.name == "demo" { vec!["1.0.0".into()] } else { vec![] },
        });
        found.insert((wanted.name, wanted.kind), lookup);
    }
    found
}

/// Finds the rulesets of the tests.
pub(crate) fn demo(wanted: &palisade_runbook::WantedRuleset) -> Option<RulesetLookup> {
    let schemas = schemas();
    match (wanted.name.name.as_str(), wanted.name.version.as_str()) {
        ("unusable", _) => Some(RulesetLookup::Unusable),
        ("demo", "1.0.0") if wanted.kind == KIND => {
            let (ruleset, diagnostics) = read_ruleset(&Source::new("demo.yaml", RULESET), None, &wanted.kind, schemas);
            assert_eq!(diagnostics, []);
            Some(RulesetLookup::Found(Arc::new(ruleset.unwrap())))
        }
        _ => None,
    }
}

/// What a runbook is planned in.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) components: Components,
    pub(crate) systems: Systems,
    pub(crate) connections: Vec<ConnectionSpec>,
    pub(crate) ceilings: BTreeMap<LimitKind, u64>,
    pub(crate) run_ceilings: RunLimits,
    pub(crate) variables: BTreeMap<String, String>,
    /// What runbooks may use that are artifacts.
    pub(crate) generated: Option<Vec<OperatorEntry>>,
    /// What was allowed for this run alone.
    pub(crate) allowed: Vec<Grant>,
    /// Where labelled data may go.
    pub(crate) flows: Flows,
    pub(crate) models: LlmSettings,
}

impl World {
    /// Nothing but the components of the tests.
    pub(crate) fn new() -> Self {
        Self {
            components: components(),
            systems: Systems::default(),
            connections: Vec::new(),
            ceilings: BTreeMap::new(),
            run_ceilings: RunLimits::default(),
            variables: BTreeMap::new(),
            generated: None,
            allowed: Vec::new(),
            flows: Flows::default(),
            models: LlmSettings { default_model: Some("dear".to_owned()), ..LlmSettings::default() },
        }
    }

    /// Parses and plans a runbook, with rulesets and children from elsewhere.
    pub(crate) fn check(
        &self,
        source: &Source,
        find: &dyn Fn(&palisade_runbook::WantedRuleset) -> Option<RulesetLookup>,
        read: &dyn Fn(&str) -> Option<Source>,
    ) -> (Option<Plan>, Vec<(Source, Diagnostic)>) {
        let told = |source: &Source, list: Vec<Diagnostic>| {
            list.into_iter().map(|found| (source.clone(), found)).collect::<Vec<_>>()
        };
        let (runbook, diagnostics) = parse(source, &self.variables);
        let mut all = told(source, diagnostics);
        let Some(runbook) = runbook else { return (None, all) };
        let mut children = BTreeMap::new();
        let mut sources = vec![source.clone()];
        let mut rulesets = lookup(&runbook, &self.components, find);
        let mut open = vec![Arc::new(runbook.clone())];
        while let Some(parent) = open.pop() {
            for wanted in wanted_children(&parent) {
                let folder = parent.source.rsplit_once('/').map_or("", |(folder, _)| folder);
                let key = (parent.source.clone(), wanted.path.clone());
                if children.contains_key(&key) {
                    continue;
                }
                let folders =
                    std::iter::once(folder).chain(parent.template_paths.iter().map(|path| path.value.as_str()));
                let tried: Vec<String> = folders
                    .map(|folder| format!("{folder}/{}", wanted.path).trim_start_matches('/').to_owned())
                    .collect();
                let child = match tried.iter().find_map(|path| read(path)) {
                    None => ChildLookup::Missing { tried },
                    Some(source) => {
                        let (child, diagnostics) = parse(&source, &self.variables);
                        let broken = diagnostics.iter().any(Diagnostic::is_error);
                        all.extend(told(&source, diagnostics));
                        sources.push(source);
                        match child.filter(|_| !broken) {
                            Some(child) => {
                                rulesets.extend(lookup(&child, &self.components, find));
                                let child = Arc::new(child);
                                open.push(Arc::clone(&child));
                                ChildLookup::Found(child)
                            }
                            None => ChildLookup::Unusable,
                        }
                    }
                };
                children.insert(key, child);
            }
        }
        let context = PlanContext {
            components: &self.components,
            schemas: schemas(),
            rulesets: &rulesets,
            children: &children,
            systems: &self.systems,
            connections: &self.connections,
            ceilings: &self.ceilings,
            run_ceilings: &self.run_ceilings,
            folder: &WorkingFolder::new(b"/srv/folder").unwrap(),
            allowed: &self.allowed,
            generated: self.generated.as_deref(),
            flows: &self.flows,
            models: &self.models,
        };
        let (planned, more) = plan(&runbook, &context);
        for found in more {
            let place = sources.iter().find(|source| source.name() == found.source).unwrap_or(source);
            all.push((place.clone(), found));
        }
        let order = |name: &str| sources.iter().position(|source| source.name() == name);
        all.sort_by_key(|(source, found)| (order(source.name()), found.span.start, found.code));
        let broken = all.iter().any(|(_, found)| found.is_error());
        assert_eq!(planned.is_none(), broken, "there is a plan, or an error that says why not");
        (planned, all)
    }
}

impl World {
    /// Parses and plans a runbook that is an artifact, for the only step of `caller` that runs one, or may submit one: then it
    /// gets nothing.
    pub(crate) fn check_artifact(&self, caller: &Source, artifact: &Source) -> (Option<Plan>, Vec<Diagnostic>) {
        let (planned, told) = self.check(caller, &demo, &|_| None);
        let caller_plan = planned.unwrap_or_else(|| panic!("{told:?}"));
        let calls = |step: &&palisade_runbook::PlannedStep| step.runs_or_submits().is_some();
        let step = caller_plan.steps.iter().find(calls).unwrap();
        let (runbook, mut told) = parse_artifact(artifact);
        let Some(runbook) = runbook else { return (None, told) };
        let context = PlanContext {
            components: &self.components,
            schemas: schemas(),
            rulesets: &lookup(&runbook, &self.components, &demo),
            children: &BTreeMap::new(),
            systems: &self.systems,
            connections: &self.connections,
            ceilings: &self.ceilings,
            run_ceilings: &self.run_ceilings,
            folder: &WorkingFolder::new(b"/srv/folder").unwrap(),
            allowed: &self.allowed,
            generated: self.generated.as_deref(),
            flows: &self.flows,
            models: &self.models,
        };
        let above = [(caller_plan.name.clone(), caller_plan.runbook_digest)];
        let gives = if step.child().is_some() { step.gives() } else { BTreeMap::new() };
        let caller =
            Caller { step, child: step.runs_or_submits().unwrap(), gives: &gives, labels: &step.labels, above: &above };
        let (plan, more) = plan_artifact(&runbook, &context, &caller);
        told.extend(more);
        told.sort_by_key(|found| (found.span.start, found.code));
        let broken = told.iter().any(Diagnostic::is_error);
        (plan.filter(|_| !broken), told)
    }
}

/// Parses and plans a runbook with the components of the tests.
pub(crate) fn check(source: &Source) -> (Option<Plan>, Vec<Diagnostic>) {
    check_with(source, &demo)
}

/// As [`check`], with rulesets from elsewhere.
pub(crate) fn check_with(
    source: &Source,
    find: &dyn Fn(&palisade_runbook::WantedRuleset) -> Option<RulesetLookup>,
) -> (Option<Plan>, Vec<Diagnostic>) {
    let (plan, found) = World::new().check(source, find, &|_| None);
    (plan, found.into_iter().map(|(_, found)| found).collect())
}
