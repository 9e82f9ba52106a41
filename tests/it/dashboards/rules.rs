//! Rules of Prometheus, as they are written in files.

/// A rule of Prometheus: an alert, or what is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) record: Option<String>,
    pub(super) alert: Option<String>,
    pub(super) expr: String,
    /// Names of labels that it adds.
    pub(super) labels: Vec<String>,
    /// What is told: templates.
    pub(super) annotations: String,
}

/// The rules of a file, as far as they are written one key a line: anything else panics, for it would go unread.
pub(super) fn rules(text: &str) -> Vec<Rule> {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let mut rules: Vec<Rule> = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let is_first = line.trim_start().starts_with("- ");
        let entry = line.trim_start().trim_start_matches("- ");
        let Some((key, value)) = entry.split_once(':') else { continue };
        if is_first && ["alert", "record", "expr"].contains(&key) {
            rules.push(Rule::default());
        }
        let Some(rule) = rules.last_mut() else { continue };
        let column = line.len() - entry.len();
        let end = lines[at..].iter().position(|line| !line.trim().is_empty() && indent(line) <= column);
        let block = &lines[at..end.map_or(lines.len(), |end| at + end)];
        match key {
            "alert" => rule.alert = Some(scalar(value, &[])),
            "record" => rule.record = Some(scalar(value, &[])),
            "expr" => rule.expr = scalar(value, block),
            "labels" => {
                assert!(value.trim().is_empty(), "one label a line: {line}");
                let names = block.iter().filter_map(|line| line.trim().split_once(':'));
                rule.labels = names.map(|(name, _)| name.to_owned()).collect();
            }
            "annotations" => rule.annotations = block.join("\n"),
            _ => continue,
        }
        at += block.len();
    }
    let count = lines.iter().filter(|line| line.contains("expr:")).count();
    assert!(
        rules.len() == count && rules.iter().all(|rule| !rule.expr.is_empty()),
        "not all is read: {rules:#?}"
    );
    rules
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// A value that begins on the line of its key: plain, quoted, or a block.
fn scalar(value: &str, block: &[&str]) -> String {
    let value = value.trim();
    if value.starts_with(['|', '>']) {
        return block.join("\n");
    }
    let whole = [value].into_iter().chain(block.iter().map(|line| line.trim())).collect::<Vec<_>>().join(" ");
    if let Some(text) = whole.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return text.replace("''", "'");
    }
    if let Some(text) = whole.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return text.replace("\\\"", "\"").replace("\\\\", "\\");
    }
    // As YAML has it, a comment stands behind a space.
    whole.split(" #").next().unwrap_or_default().trim().to_owned()
}
