//! The files of a new plugin, made from its name. Never touches a disk.

use palisade_model::ComponentId;

/// Path below the plugin's folder and content of each file; `@NAME@`, `@ID@` and `@SCHEMA@` are filled in, in both.
const FILES: [(&str, &str); 10] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("README.md", include_str!("template/README.md.in")),
    (".gitignore", include_str!("template/gitignore.in")),
    ("src/lib.rs", include_str!("template/lib.rs.in")),
    ("schemas/@NAME@.json", include_str!("template/schema.json.in")),
    ("cases/counts-long-words/config.json", include_str!("template/config.json.in")),
    ("cases/counts-long-words/input/documents.jsonl", include_str!("template/documents.jsonl.in")),
    ("cases/counts-long-words/expected/counts.jsonl", include_str!("template/counts.jsonl.in")),
    ("cases/refuses-binary/input/documents.jsonl", include_str!("template/binary.jsonl.in")),
    ("cases/refuses-binary/expected-error", include_str!("template/expected-error.in")),
];

/// Makes the files of a plugin: path below its folder, content.
pub(super) fn files(id: &ComponentId) -> Vec<(String, String)> {
    let schema = format!("{}.{}", id.namespace(), id.name()).replace('-', "_");
    let fill =
        |text: &str| text.replace("@NAME@", id.name()).replace("@ID@", &id.to_string()).replace("@SCHEMA@", &schema);
    FILES.iter().map(|(path, content)| (fill(path), fill(content))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled_in() {
        let files = files(&"acme-corp:word-count".parse().unwrap());
        assert!(
            files
                .iter()
                .all(|(path, content)| !path.contains('@') && !content.contains("@N") && !content.contains("@ID"))
        );
        let content =
            |wanted: &str| files.iter().find(|(path, _)| path == wanted).map(|(_, content)| content.clone()).unwrap();
        assert!(content("src/lib.rs").contains(r#""acme_corp.word_count/0.1.0""#));
        assert!(content("src/lib.rs").contains(r#"analyser("acme-corp:word-count""#));
        assert!(content("Cargo.toml").contains("name = \"word-count\""));
        assert!(content("schemas/word-count.json").contains("x-palisade-items"));
    }

    #[test]
    fn the_schema_and_the_cases_keep_their_own_rules() {
        for (path, content) in files(&"acme:x".parse().unwrap()) {
            if path.ends_with(".json") {
                palisade_model::strict_json::from_str(&content).unwrap();
            }
            if path.starts_with("schemas/") {
                let json = palisade_model::strict_json::from_str(&content).unwrap();
                palisade_schema::ArtifactSchema::new("acme.x/0.1.0".parse().unwrap(), json).unwrap();
            }
        }
    }
}
