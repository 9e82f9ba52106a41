//! Who is told of findings from now on.

use super::super::model::{Alertmanager, Alerts, Credentials, Webhook};
use super::{Changes, Effect, differences, json, lines};

pub(super) fn alerts(changes: &mut Changes, old: &Alerts, new: &Alerts) {
    let links = |alerts: &Alerts| Alerts { alertmanager: None, webhooks: Vec::new(), ..alerts.clone() };
    changes.add_all(Effect::Apply, "", lines("alerts", &json(&links(old)), &json(&links(new))));
    match (&old.alertmanager, &new.alertmanager) {
        (Some(old), Some(new)) => changes.add_all(Effect::Apply, "alertmanager: ", same(old, new)),
        (None, Some(_)) => changes.add(Effect::Apply, "alerts are pushed to Alertmanagers from now on"),
        (Some(_), None) => {
            changes.add(Effect::Apply, "alerts are no longer pushed: what fires at Alertmanagers runs out");
        }
        (None, None) => {}
    }
    for webhook in &old.webhooks {
        let title = format!("webhook `{}`", webhook.name);
        match new.webhooks.iter().find(|next| next.name == webhook.name) {
            Some(next) => changes.add_all(Effect::Apply, &format!("{title}: "), same_webhook(webhook, next)),
            None => changes.add(Effect::Apply, format!("{title} is removed: what waits for it is lost")),
        }
    }
    for webhook in
        new.webhooks.iter().filter(|webhook| old.webhooks.iter().all(|old| old.name != webhook.name))
    {
        changes.add(Effect::Apply, format!("webhook `{}` is added", webhook.name));
    }
}

fn same(old: &Alertmanager, new: &Alertmanager) -> Vec<String> {
    let mut lines = told(&json(old), &json(new));
    lines.extend(credentials(&old.credentials, &new.credentials));
    lines
}

fn same_webhook(old: &Webhook, new: &Webhook) -> Vec<String> {
    let mut lines = told(&json(old), &json(new));
    lines.extend(credentials(&old.credentials, &new.credentials));
    if old.url != new.url && old.url.to_string() == new.url.to_string() {
        lines.push("another path in its URL".to_owned());
    }
    if old.secret.is_some() && new.secret.is_some() && old.secret != new.secret {
        lines.push("another secret".to_owned());
    }
    lines
}

/// Of long texts it is told that they differ, not how.
fn told(old: &serde_json::Value, new: &serde_json::Value) -> Vec<String> {
    let line = |(key, line)| if key == "ca" { "other authorities (ca)".to_owned() } else { line };
    differences("", old, new).into_iter().map(line).collect()
}

fn credentials(old: &Credentials, new: &Credentials) -> Option<String> {
    match (old, new) {
        (Credentials::Token(one), Credentials::Token(other)) if one != other => {
            Some("another token".to_owned())
        }
        (Credentials::Password { password: one, .. }, Credentials::Password { password: other, .. })
            if one != other =>
        {
            Some("another password".to_owned())
        }
        _ => None,
    }
}
