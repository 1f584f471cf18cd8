//! The services of a Compose file.

use super::{Candidate, MAX_NAME};
use crate::text::has_word;
use palisade_planning::plain;
use saphyr::{LoadableYamlNode as _, Yaml};

/// Most bytes of a Compose file that is read as one.
const MAX_COMPOSE: usize = 1 << 20;

/// What the images of Compose files are called that keep data.
const STORES: &[&str] = &[
    "postgres",
    "postgresql",
    "timescaledb",
    "postgis",
    "mysql",
    "mariadb",
    "percona",
    "mongo",
    "mongodb",
    "redis",
    "valkey",
    "elasticsearch",
    "opensearch",
    "solr",
    "meilisearch",
    "cassandra",
    "scylla",
    "couchdb",
    "couchbase",
    "influxdb",
    "minio",
    "mssql",
    "oracle",
    "clickhouse",
    "neo4j",
    "kafka",
    "rabbitmq",
    "etcd",
    "cockroach",
    "nextcloud",
    "owncloud",
    "wordpress",
    "odoo",
    "matomo",
    "keycloak",
    "gitlab",
    "gitea",
    "mattermost",
    "zammad",
    "openemr",
    "moodle",
    "sftp",
];

/// The services of a Compose file; none if it is no such file. An error says why what looks like one is none.
pub(super) fn read(content: &str) -> Result<Option<Vec<Candidate>>, String> {
    let mut lines = content.lines().skip_while(|line| line.trim_end() != "services:");
    if lines.next().is_none() {
        return Ok(None);
    }
    let is_said = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let is_indented = lines.find(is_said).is_some_and(|line| line.starts_with([' ', '\t']));
    match services(content) {
        Ok(services) => Ok(Some(services)),
        Err(why) if is_indented => Err(why),
        Err(_) => Ok(None),
    }
}

/// The services, or why there are none.
fn services(content: &str) -> Result<Vec<Candidate>, String> {
    if content.len() > MAX_COMPOSE {
        return Err(format!("it has more than {MAX_COMPOSE} bytes"));
    }
    let documents = Yaml::load_from_str(content)
        .map_err(|error| format!("line {} is no YAML: {}", error.marker().line(), error.info()))?;
    let services =
        documents.first().and_then(|document| document.as_mapping_get("services")).and_then(Yaml::as_mapping);
    let services = services.ok_or("its `services` are no mapping")?;
    let candidates = services.iter().filter_map(|(name, service)| {
        let name = plain(name.as_str()?, MAX_NAME);
        let text = |key: &str| service.as_mapping_get(key).and_then(Yaml::as_str).map(|text| plain(text, MAX_NAME));
        let image = text("image");
        // What an image is called, without its registry, its owner and its tag.
        let of_image = image.as_deref().map(|image| {
            let last = image.rsplit('/').next().unwrap_or(image);
            last.split([':', '@']).next().unwrap_or(last).to_lowercase()
        });
        let keeps = of_image.as_deref().is_some_and(|image| STORES.iter().any(|store| has_word(image, store)));
        let shown = of_image.as_ref().map_or_else(|| name.clone(), |image| format!("{name} ({image})"));
        let line = image.map_or_else(|| format!("service {name}"), |image| format!("service {name}, image {image}"));
        let names = [Some(shown), Some(name), text("container_name"), text("hostname")].into_iter().flatten().collect();
        Some(Candidate { names, keeps, line, heading: Some("Compose file".to_owned()) })
    });
    Ok(candidates.collect())
}
