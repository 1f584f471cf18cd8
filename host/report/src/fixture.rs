//! Runs and documents made for tests.

use crate::Document;
use palisade_model::limits::{Limit, LimitSource};
use palisade_model::record::{
    ComponentRecord, LogLevel, LogRecord, OutputRecord, RunRecord, RunbookRecord, SkipRecord, Status, StepRecord,
};
use palisade_model::{Digest, Failure, FailureKind, LimitKind, OutputName, RunId, SchemaRef, Usage};
use serde_json::{Map, Value, json};
use std::io;
use std::path::PathBuf;

/// A document in memory.
pub(crate) struct Made {
    name: OutputName,
    schema: SchemaRef,
    pointer: String,
    metadata: Map<String, Value>,
    items: Vec<Value>,
    broken: bool,
}

impl Made {
    pub(crate) fn new(name: &str, schema: &str, items: Vec<Value>) -> Self {
        Self {
            name: name.parse().unwrap(),
            schema: schema.parse().unwrap(),
            pointer: "/findings".to_owned(),
            metadata: Map::new(),
            items,
            broken: false,
        }
    }

    pub(crate) fn with_metadata(mut self, metadata: Value) -> Self {
        self.metadata = metadata.as_object().unwrap().clone();
        self
    }

    pub(crate) fn with_pointer(mut self, pointer: &str) -> Self {
        self.pointer = pointer.to_owned();
        self
    }

    pub(crate) fn map(mut self, change: impl FnMut(Value) -> Value) -> Self {
        self.items = self.items.into_iter().map(change).collect();
        self
    }

    /// Its walk fails after the last item.
    pub(crate) fn broken(mut self) -> Self {
        self.broken = true;
        self
    }
}

impl Document for Made {
    fn name(&self) -> &OutputName {
        &self.name
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn items_pointer(&self) -> &str {
        &self.pointer
    }

    fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    fn for_each(&self, visit: &mut dyn FnMut(Value) -> io::Result<()>) -> io::Result<()> {
        self.items.iter().cloned().try_for_each(visit)?;
        if self.broken { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) } else { Ok(()) }
    }
}

/// A run of four steps that all went well, with a document of three findings; nothing in it depends on the machine.
pub(crate) fn run() -> RunRecord {
    RunRecord {
        run_id: RunId::new(1_790_000_000_000, [7; 10]),
        status: Status::Succeeded,
        palisade_version: "0.1.0".into(),
        runbook: RunbookRecord {
            name: "Customer data check".into(),
            description: "Finds and classifies personal data.".into(),
            contact: Some("dpo@example.org".into()),
        },
        runbook_digest: Digest::of(b"runbook"),
        plan_digest: Digest::of(b"plan"),
        started_at: "2026-11-23T21:00:00.000Z".into(),
        ended_at: "2026-11-23T21:00:01.250Z".into(),
        inputs: vec![],
        steps: vec![
            step("files", "palisade:filesystem", None, 12),
            step("indicators", "palisade:personal_data", Some("files"), 5),
            step("gdpr", "palisade:gdpr_personal_data_classifier", Some("indicators"), 5),
        ],
        compensations: vec![],
        children: vec![],
        usage: Usage { wall_ms: 1_250, cpu_ms: 930, memory_peak_bytes: 9 << 20, fuel: 1_234_567, ..Usage::default() },
        sent: [].into(),
        cost_usd: 0.0,
        warnings: vec![],
        allowed: vec![],
        forked_from: None,
        edits: vec![],
    }
}

/// A step that went well; the last is exported.
pub(crate) fn step(id: &str, component: &str, input: Option<&str>, count: u64) -> StepRecord {
    let schema = match component.rsplit(':').next() {
        Some("filesystem") => "standard_input/1.0.0",
        Some("personal_data") => "personal_data_indicator/1.0.0",
        _ => "gdpr_personal_data/1.0.0",
    };
    StepRecord {
        id: id.parse().unwrap(),
        name: Some(format!("Step {id}")),
        description: None,
        contact: None,
        component: Some(component_of(component)),
        compensates: None,
        status: Status::Succeeded,
        attempts: 1,
        child: None,
        cached_from: None,
        iterations: None,
        started_at: Some("2026-11-23T21:00:00.100Z".into()),
        usage: Usage { wall_ms: 400, cpu_ms: 310, memory_peak_bytes: 3 << 20, ..Usage::default() },
        inputs: input.into_iter().map(str::to_owned).collect(),
        output: Some(OutputRecord {
            name: id.parse().unwrap(),
            digest: Digest::of(id.as_bytes()),
            schema: schema.parse().unwrap(),
            count,
            bytes: count * 100,
        }),
        exported: id == "gdpr",
        more_outputs: vec![],
        failure: None,
        skipped_because: None,
        unmet_condition: None,
        skipped_count: 0,
        skipped: vec![],
        log: vec![],
        files: Vec::new(),
    }
}

/// A component of that id.
pub(crate) fn component_of(id: &str) -> ComponentRecord {
    ComponentRecord {
        component: id.parse().unwrap(),
        version: semver::Version::new(0, 1, 0),
        digest: Digest::of(id.as_bytes()),
    }
}

/// The same run, in which the second step reached a limit, the first left files out, and warnings were said.
pub(crate) fn failed_run() -> RunRecord {
    let mut run = run();
    run.status = Status::Failed;
    run.warnings = vec!["unknown key `colour` in `config`; did you mean `contact`?".into()];
    run.allowed = vec!["fs-read=/srv/extra".into()];
    let [files, indicators, gdpr] = &mut run.steps[..] else { panic!("three steps") };
    files.skipped_count = 1_204;
    files.skipped = vec![
        skip("/etc/passwd", "outside the working folder", Some("fs-read=/etc/passwd")),
        skip("a/broken.txt", "not valid UTF-8 at byte 17", None),
        skip("b/broken.txt", "not valid UTF-8 at byte 17", None),
        skip("b/\u{1b}[2Jevil\nname", "not a regular file", None),
    ];
    files.log = vec![
        LogRecord { level: LogLevel::Warn, message: "max_files reached".into() },
        LogRecord { level: LogLevel::Info, message: "opened".into() },
    ];
    indicators.status = Status::Failed;
    indicators.output = None;
    let in_force = Limit { value: 64 << 20, set_by: LimitSource::Manifest, ceiling: 256 << 20 };
    indicators.failure =
        Some(Failure { at: Some(("input".into(), 14)), ..Failure::limit(LimitKind::Memory, in_force, Some(65 << 20)) });
    gdpr.status = Status::Skipped;
    gdpr.output = None;
    gdpr.started_at = None;
    gdpr.attempts = 0;
    gdpr.usage = Usage::default();
    gdpr.skipped_because = Some("indicators".parse().unwrap());
    run
}

/// A failure in a component's own words.
pub(crate) fn said(kind: FailureKind, message: &str) -> Failure {
    Failure::new(kind, message)
}

fn skip(what: &str, reason: &str, allow: Option<&str>) -> SkipRecord {
    SkipRecord { what: what.into(), reason: reason.into(), allow: allow.map(str::to_owned), asked: None }
}

/// A finding as a classifier of personal data makes it.
pub(crate) fn finding(category: &str, special: bool, source: &str, pattern: &str, evidence: &str) -> Value {
    json!({
        "id": "00000000-0000-5000-8000-000000000000",
        "indicator_type": "basic",
        "privacy_category": category,
        "special_category": special,
        "article_references": ["Article 6"],
        "evidence": [{"content": evidence, "collection_timestamp": "2026-11-23T21:00:00Z"}],
        "matched_patterns": [{"pattern": pattern, "match_count": 1}],
        "metadata": {"source": source, "context": {}},
    })
}

/// The findings that WCF itself gave for a runbook, as documents; none where the reference data is absent.
pub(crate) fn wcf_answers(runbook: &str) -> Option<Vec<Made>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/wcf/expected")
        .join(runbook)
        .with_extension("json");
    let Ok(bytes) = std::fs::read(&path) else {
        #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
        {
            eprintln!("SKIPPED: there is no {}", path.display());
        }
        return None;
    };
    let answers: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
    let document = |(name, answer): (String, Value)| {
        let schema = format!("{}/{}", answer["schema"]["name"].as_str()?, answer["schema"]["version"].as_str()?);
        let items = answer["findings"].as_array()?.clone();
        Some(Made::new(&name, &schema, items).with_metadata(json!({"summary": answer["summary"]})))
    };
    Some(answers.into_iter().map(|answer| document(answer).unwrap()).collect())
}
