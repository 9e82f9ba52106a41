//! What is asked in the files that are shipped for Grafana and Prometheus.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Files of a folder of this project with one of these endings, in order.
pub(crate) fn files(folder: &str, endings: &[&str]) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths
        .retain(|path| path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted)));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

pub(crate) fn dashboards() -> Vec<(PathBuf, Value)> {
    let files = files("deploy/grafana", &["json"]);
    files.into_iter().map(|(path, text)| (path, serde_json::from_str(&text).unwrap())).collect()
}

/// Every object within this one, itself first, that has such a key.
pub(crate) fn holding<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    let inner: Vec<&Value> = match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    let own = value.get(key).map(|_| value);
    own.into_iter().chain(inner.into_iter().flat_map(|inner| holding(inner, key))).collect()
}
