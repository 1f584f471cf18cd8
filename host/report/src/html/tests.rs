use super::*;
use crate::fixture::{Made, component_of, failed_run, finding, run, said, step, wcf_answers};
use palisade_model::record::{InputRecord, NamedOutput, OutputRecord};
use palisade_model::{Digest, FailureKind};
use serde_json::{Value, json};

fn page(run: &RunRecord, documents: &[Made], evidence: Evidence) -> String {
    let documents: Vec<&dyn Document> = documents.iter().map(|document| document as &dyn Document).collect();
    let mut out = Vec::new();
    html(run, &documents, evidence, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A run whose steps made the documents, each a first-party component.
fn run_of(documents: &[Made]) -> RunRecord {
    let mut run = run();
    let made = |document: &Made| {
        let mut step = step(document.name().as_str(), "palisade:x", None, 0);
        step.output.as_mut().unwrap().schema = document.schema().clone();
        step
    };
    run.steps = documents.iter().map(made).collect();
    run
}

/// Every tag is closed by its own, in order; gives the names of all elements.
fn elements(page: &str) -> Vec<String> {
    let (mut open, mut all) = (vec![], vec![]);
    let mut rest = page.strip_prefix("<!doctype html>").unwrap();
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').unwrap();
        rest = after;
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        assert!(!name.is_empty(), "a bare `<` before: {}", &after[..after.len().min(80)]);
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "before: {}", &after[..after.len().min(80)]);
            continue;
        }
        all.push(name.clone());
        if let raw @ ("script" | "style") = name.as_str() {
            rest = rest.split_once(&format!("</{raw}>")).unwrap().1;
        } else if !matches!(name.as_str(), "meta" | "input" | "br" | "wbr") && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0]);
    all
}

fn schema(path: &str) -> FailureKind {
    FailureKind::Schema {
        schema: "a.b/1.0.0".into(),
        port: "out".into(),
        item: None,
        path: path.into(),
        rule: "type".into(),
    }
}

fn hostile() -> (RunRecord, Vec<Made>) {
    const EVIL: &str =
        "</script></style><script>alert(1)</script><img src=x onerror=alert(1)>\"' \u{202e}\u{1b}[2J\u{0}\n--><!--";
    let mut run = failed_run();
    run.runbook.name = EVIL.into();
    run.runbook.description = EVIL.into();
    run.runbook.contact = Some(EVIL.into());
    run.palisade_version = EVIL.into();
    run.started_at = EVIL.into();
    run.ended_at = format!("{EVIL}T{EVIL}Z");
    run.warnings = vec![EVIL.into()];
    run.allowed = vec![EVIL.into()];
    for step in &mut run.steps {
        step.name = Some(EVIL.into());
        step.inputs = vec![EVIL.into()];
        for skip in &mut step.skipped {
            (skip.what, skip.reason, skip.allow) = (EVIL.into(), EVIL.into(), Some(EVIL.into()));
        }
        for line in &mut step.log {
            line.message = EVIL.into();
        }
    }
    run.steps[0].failure = Some(said(FailureKind::Trap { frames: vec![EVIL.into()] }, EVIL).with_help(EVIL));
    run.steps[1].failure = Some(said(FailureKind::Denied { what: EVIL.into(), allow: Some(EVIL.into()) }, EVIL));
    run.steps[2].failure = Some(palisade_model::Failure { at: Some((EVIL.into(), 1)), ..said(schema(EVIL), EVIL) });
    let mut item = finding(EVIL, true, EVIL, EVIL, EVIL);
    item["indicator_type"] = json!(EVIL);
    item["article_references"] = json!([EVIL]);
    item["metadata"]["line_number"] = json!(3);
    let column = format!("x_database_({EVIL})_table_({EVIL})_column_({EVIL})_row_(1)");
    let documents = vec![
        Made::new("gdpr", "gdpr_personal_data/1.0.0", vec![item, finding(EVIL, false, &column, EVIL, EVIL)]),
        Made::new(
            "own",
            "acme.own/1.0.0",
            vec![json!({"metadata": {"source": EVIL}, "evidence": [EVIL]}), json!(EVIL)],
        ),
    ];
    (run, documents)
}

#[test]
fn hostile_texts_stay_text() {
    let (run, documents) = hostile();
    let harmless = vec![finding("a", true, "b", "c", "c"), finding("a", false, "d", "c", "c")];
    let harmless = page(&run, &[Made::new("gdpr", "gdpr_personal_data/1.0.0", harmless)], Evidence::Full);
    for evidence in [Evidence::Full, Evidence::Masked] {
        let page = page(&run, &documents, evidence);
        let found = elements(&page);
        let count = |name: &str| found.iter().filter(|element| *element == name).count();
        assert_eq!((count("script"), count("style"), count("img")), (1, 1, 0));
        assert!(!page.contains(['\u{202e}', '\u{1b}', '\u{0}']));
        // What follows the findings is the same whatever they were: nothing in them swallowed it.
        let foot = |page: &str| page.split_once("<footer>").unwrap().1.to_owned();
        assert_eq!(foot(&page), foot(&harmless));
    }
}

#[test]
fn the_policy_allows_the_style_and_the_script_of_the_page_and_nothing_else() {
    let page = page(&run(), &[], Evidence::Masked);
    let policy = page.split_once("Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0;
    let inline = |element: &str| {
        let text = page.split_once(&format!("<{element}>")).unwrap().1.split_once(&format!("</{element}>")).unwrap().0;
        format!("{element}-src 'sha256-{}'", escape::base64(Digest::of(text.as_bytes()).as_bytes()))
    };
    let expected =
        format!("default-src 'none'; {}; {}; base-uri 'none'; form-action 'none'", inline("style"), inline("script"));
    assert_eq!(policy, expected);
    // Neither is allowed by the policy, so neither may be needed.
    assert!(!page.contains(" style=\"") && !page.contains(" onclick"));
}

#[test]
fn a_masked_page_is_the_same_whatever_the_evidence_hides() {
    for runbook in ["filesystem_three_analysers", "sqlite_three_analysers"] {
        let Some(answers) = wcf_answers(runbook) else { return };
        let blanked: Vec<_> = wcf_answers(runbook).unwrap().into_iter().map(|document| document.map(blank)).collect();
        let run = run_of(&answers);
        let page_of_answers = page(&run, &answers, Evidence::Masked);
        assert!(page_of_answers == page(&run, &blanked, Evidence::Masked), "{runbook}");
        assert!(page_of_answers.contains("<mark>") && !page_of_answers.contains("data in this page"));
        assert!(page(&run, &answers, Evidence::Full) != page(&run, &blanked, Evidence::Full));
        elements(&page_of_answers);
    }
}

/// The finding with every letter and digit of its evidence made a `0`, but those of its matches.
fn blank(mut item: Value) -> Value {
    let patterns: Vec<String> = item["matched_patterns"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|pattern| pattern["pattern"].as_str().unwrap().to_owned())
        .collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    for piece in item["evidence"].as_array_mut().unwrap() {
        *piece = json!(crate::evidence::blank(piece.as_str().unwrap(), &patterns));
    }
    item
}

#[test]
fn a_masked_page_believes_only_the_words_of_rulesets() {
    let item = || vec![finding("contact", false, "a.txt", "jane@doe.org", "mail jane@doe.org")];
    let document = || [Made::new("gdpr", "gdpr_personal_data/1.0.0", item())];
    let mut run = run();
    assert!(page(&run, &document(), Evidence::Masked).contains("<mark>jane@doe.org</mark>"));
    run.steps[1].component = Some(component_of("acme:personal_data"));
    let masked = page(&run, &document(), Evidence::Masked);
    assert!(!masked.contains("jane") && masked.contains("1 piece of evidence masked as a whole."), "{masked}");
    assert!(page(&run, &document(), Evidence::Full).contains("<mark>jane@doe.org</mark>"));
}

#[test]
fn a_masked_page_has_no_message_that_a_component_may_have_filled_with_data() {
    let mut run = failed_run();
    run.steps[0].component = Some(component_of("acme:files"));
    run.steps[0].log[0].message = "secret in a log".into();
    run.steps[0].skipped[1].reason = "secret in a reason".into();
    for (component, kind, shown) in [
        ("acme:x", FailureKind::BadInput, false),
        ("palisade:x", FailureKind::BadInput, true),
        ("palisade:x", FailureKind::Trap { frames: vec![] }, false),
        ("acme:x", FailureKind::Host, true),
        ("acme:x", schema("/secret in a path"), false),
    ] {
        run.steps[1].component = Some(component_of(component));
        run.steps[1].failure = Some(said(kind, "secret in a message"));
        let masked = page(&run, &[], Evidence::Masked);
        assert_eq!(masked.contains("secret in a message"), shown, "{component}");
        assert!(!masked.contains("secret in a log") && !masked.contains("secret in a reason"), "{component}");
        assert!(!masked.contains("secret in a path"), "{component}");
        let full = page(&run, &[], Evidence::Full);
        for secret in ["message", "log", "reason"] {
            assert!(full.contains(&format!("secret in a {secret}")), "{secret}");
        }
    }
}

#[test]
fn a_page_tells_inputs_second_names_and_what_was_not_wanted() {
    let mut run = run();
    let input = OutputRecord { name: "policy".parse().unwrap(), ..run.steps[0].output.clone().unwrap() };
    run.inputs = vec![InputRecord { artifact: input.clone(), is_default: true }];
    run.steps[0].component = None;
    run.steps[1].more_outputs = vec![NamedOutput { output: input, exported: true }];
    run.steps[1].unmet_condition = Some("indicators".parse().unwrap());
    run.steps[2].unmet_condition = Some("indicators".parse().unwrap());
    let page = page(&run, &[], Evidence::Masked);
    elements(&page);
    for expected in [
        "<i>input, by default</i></th><td>–</td><td>–</td><td>policy <small>",
        "<th scope=\"row\">indicators</th><td></td><td></td><td>policy <small>",
        "<th scope=\"row\">files<br><small>Step files</small></th><td><code>–</code></td>",
        "<br><small>its condition does not hold</small>",
        "<br><small>indicators was not wanted</small>",
    ] {
        assert!(page.contains(expected), "no `{expected}` in {page}");
    }
}

#[test]
fn a_page_of_a_failed_run_says_what_failed_and_what_was_left_out() {
    let page = page(&failed_run(), &[], Evidence::Masked);
    elements(&page);
    for expected in [
        "<h2 id=\"failed\">What failed</h2>",
        "<dt>Limit reached</dt><dd><code>memory</code></dd><dt>In force</dt><dd>64 MiB, set by the component's manifest</dd>\
         <dt>Wanted</dt><dd>65 MiB</dd><dt>Ceiling</dt><dd>256 MiB</dd>",
        "<p class=\"help\"><strong>Help:</strong> raise `limits.memory` of the step; it may go up to 256 MiB</p>",
        "<p>At item 14 of <code>input</code>, counted from 0.</p>",
        "<p>Not started because of it: gdpr.</p>",
        "<p>1,204 parts left out, so nothing is known of them.</p>",
        "<tr><th scope=\"row\"><code>/etc/passwd</code></th><td>outside the working folder</td>\
         <td><code>--allow fs-read=/etc/passwd</code></td><td>files</td></tr>",
        "<code>b/\\u{1b}[2Jevil\\u{a}name</code>",
        "1,200 more are counted, but not listed here.",
        "<li><code>files</code> max_files reached</li>",
        "<li><code>--allow fs-read=/srv/extra</code></li>",
        "<time datetime=\"2026-11-23T21:00:00.000Z\">2026-11-23 21:00:00 UTC</time>",
        &Digest::of(b"runbook").to_string(),
        &Digest::of(b"plan").to_string(),
        &Digest::of(b"palisade:filesystem").to_string(),
    ] {
        assert!(page.contains(expected), "no `{expected}`");
    }
    assert!(!page.contains("opened"), "an info line is no warning");
}

#[test]
fn a_finding_stands_under_its_place_and_rule_with_its_match_marked() {
    let findings = vec![finding("health_data", true, "a/notes.txt", "blood", "type: Blood <b>\nA+")];
    let page = page(&run(), &[Made::new("gdpr", "gdpr_personal_data/1.0.0", findings)], Evidence::Full);
    let expected = "<details class=\"place\" open>
<summary><h3 title=\"a/notes.txt\">a/notes.txt</h3> <span class=\"mark\">1 special or sensitive</span> \
<span class=\"count\">1 finding</span></summary>
<section class=\"rule special\" data-artifact=\"gdpr\" data-category=\"health_data\" data-special>
<h4>health_data <span class=\"sub\">basic</span> <span class=\"mark\">special category</span></h4>
<p class=\"about\">1 finding in <span class=\"artifact\">gdpr</span> · matched <code>blood</code></p>
<p class=\"about\">Articles: Article 6</p>
<ul class=\"pieces\">
<li><q>type: <mark>Blood</mark> &lt;b&gt;
A+</q></li>
</ul>
</section>
</details>";
    assert!(page.contains(expected), "{page}");
    let link = "<a href=\"#artifact=gdpr&amp;category=health_data\">health_data</a>";
    assert!(page.contains(link), "{page}");
}

#[test]
fn many_findings_make_a_bounded_page_that_says_what_it_leaves_out() {
    let long = "\"".repeat(960);
    let item = |n: u32| finding("contact", false, &format!("{}.txt", n % 400), "email", &format!("{n} email {long}"));
    let documents = [Made::new("gdpr", "gdpr_personal_data/1.0.0", (0..24_000).map(item).collect())];
    let page = page(&run(), &documents, Evidence::Full);
    assert!(page.len() < 14 << 20, "{}", page.len());
    assert!(page.contains("12,000 findings in 200 further places left out: the page shows the 200 places"), "no note");
    assert!(page.contains(" more pieces of evidence left out: the page has no room for them."), "no note of a rule");
    elements(&page);
}

#[test]
fn data_that_passed_through_is_counted_and_not_shown() {
    let texts = vec![json!({"content": "secret", "metadata": {"source": "a.txt"}}), json!({"content": "secret"})];
    let documents = [Made::new("texts", "standard_input/1.0.0", texts).with_pointer("/data")];
    let page = page(&run(), &documents, Evidence::Full);
    let counted = "Without categories, so only counted: texts <span>2 items, <code>standard_input/1.0.0</code></span>.";
    assert!(page.contains(counted) && !page.contains("<div class=\"tables\">"), "{page}");
    assert!(page.contains("<p>Nothing was found.</p>") && !page.contains("a.txt") && !page.contains("secret"));
}

#[test]
fn nothing_found_and_nothing_made_are_told_apart() {
    let found_nothing = page(&run(), &[Made::new("gdpr", "gdpr_personal_data/1.0.0", Vec::new())], Evidence::Masked);
    let findings = |number: &str| format!("<dt>Findings</dt><dd>{number}</dd>");
    assert!(found_nothing.contains(&findings("0")) && found_nothing.contains("<td>Nothing.</td>"), "{found_nothing}");
    assert!(found_nothing.contains("<p>Nothing was found.</p>") && !found_nothing.contains("only counted"));
    let made_nothing = page(&failed_run(), &[], Evidence::Masked);
    assert!(
        made_nothing.contains(&findings("–")) && made_nothing.contains("made no output artifact"),
        "{made_nothing}"
    );
}

fn gap_report() -> Made {
    let gap = json!({
        "kind": "found_but_denied", "severity": "high", "about": "data_category", "category": "health <data>", "special": true,
        "found_as": ["wellbeing"], "findings": 3, "place_count": 2, "places": ["a.txt"], "explanation": "x",
        "sentence": "We do not collect <health> data, says Jane Doe.",
    });
    let note = json!({"kind": "not_checkable", "severity": "info", "about": "retention", "category": "10 years", "findings": 0});
    Made::new("gaps", "policy_gap_report/1.0.0", vec![gap, note])
        .with_pointer("/gaps")
        .with_metadata(json!({"title": "A policy", "agreed": ["name"]}))
}

#[test]
fn gaps_are_a_table_and_sentences_of_the_policy_are_for_whole_pages() {
    let documents = [gap_report()];
    let run = run_of(&documents);
    let masked = page(&run, &documents, Evidence::Masked);
    for part in [
        "health &lt;data&gt; <span class=\"mark\">special category</span>",
        "denied, yet found",
        "a.txt <small>and 1 more</small>",
        "10 years",
        "agree in: name.",
    ] {
        assert!(masked.contains(part), "{part} is not in the page");
    }
    assert!(!masked.contains("Jane Doe") && masked.contains("A policy"));
    let mut foreign = run_of(&documents);
    foreign.steps[0].component = Some(component_of("acme:own"));
    let foreign = page(&foreign, &documents, Evidence::Masked);
    assert!(!foreign.contains("A policy") && !foreign.contains("agree in"));
    assert!(page(&run, &documents, Evidence::Full).contains("We do not collect &lt;health&gt; data, says Jane Doe."));
    elements(&masked);
}
