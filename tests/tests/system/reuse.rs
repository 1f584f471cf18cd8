//! Artifacts of earlier runs, taken as they are.

use palisade_tests::told::{fits, holds, json_of, record};
use palisade_tests::{Dir, palisade, root};
use serde_json::Value;

fn reuses(run: &str, artifact: &str) -> String {
    format!(
        "name: Again\ndescription: Over what an earlier run found\nartifacts:\n  found:\n    reuse: {{from_run: '{run}', artifact: {artifact}}}\n    \
         output_schema: personal_data_indicator/1.0.0\n    output: true\n"
    )
}

#[test]
fn what_an_earlier_run_found_is_taken_as_it_is() {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml"]).exits(0);
    let first = record(&dir, "last");
    let id = first["run_id"].as_str().unwrap().to_owned();
    let of_step = |record: &Value, step: &str| {
        let steps = record["steps"].as_array().unwrap();
        steps.iter().find(|told| told["id"] == step).unwrap().clone()
    };
    let made = of_step(&first, "personal_data")["output"]["digest"].clone();
    assert!(made.is_string());
    for run in [id.as_str(), &id[..30]] {
        dir.write("again.yaml", reuses(run, "Personal_Data"));
        let _ = palisade(dir.path(), ["run", "-q", "again.yaml", "--out", "out"]).exits(0);
        let taken = of_step(&record(&dir, "last"), "found");
        assert_eq!((&taken["output"]["digest"], &taken["cached_from"]["run_id"]), (&made, &Value::from(id.clone())));
        assert!(dir.join("out/found.json").is_file());
        // Where it is from is told, and no more of that run.
        let lineage = json_of(&dir, &["lineage", "found", "--run", "last", "--up"]);
        fits("palisade.lineage", &lineage);
        assert_eq!(
            (&lineage["up"]["steps"][0]["taken_from"], &lineage["runs"]),
            (&Value::from(id.clone()), &Value::Null)
        );
        let shown = palisade(dir.path(), ["lineage", "found", "--run", "last", "--up"]).exits(0).stdout;
        holds(&shown, &format!("step found  reuse  from run {id}\n"));
    }
    let _ = palisade(dir.path(), ["replay", "--all"]).exits(0);
    // It is kept for the run that took it, whatever becomes of the one that made it.
    let _ = palisade(dir.path(), ["runs", "gc", "--keep", "1", "--yes"]).exits(0);
    let _ = palisade(dir.path(), ["doctor"]).exits(0);
    dir.write("again.yaml", reuses(&id, "personal_data"));
    let gone = palisade(dir.path(), ["run", "again.yaml"]).exits(1).stderr;
    assert!(gone.contains(&format!("run {id}")), "{gone}");
}

#[test]
fn what_can_not_be_taken_is_told() {
    let dir = Dir::new();
    dir.copy_into(".", &root().join("examples/demo"));
    for _ in 0..2 {
        let _ = palisade(dir.path(), ["run", "-q", "runbook.yaml"]).exits(0);
    }
    let id = record(&dir, "last")["run_id"].as_str().unwrap().to_owned();
    let cases = [
        ("ffff", "personal_data", "there is no run `ffff`"),
        ("0", "personal_data", "several runs begin with `0`"),
        (id.as_str(), "nothing", "has no artifact `nothing`"),
        (id.as_str(), "files", "has the schema `standard_input/1.0.0`, and `personal_data_indicator/1.0.0` is wanted"),
    ];
    for (run, artifact, expected) in cases {
        dir.write("again.yaml", reuses(run, artifact));
        let told = palisade(dir.path(), ["run", "again.yaml"]).exits(1).stderr;
        assert!(told.contains(expected), "{told}");
    }
}
