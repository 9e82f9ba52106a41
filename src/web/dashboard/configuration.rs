//! The configuration in force, secrets masked, and how the last reload went.

use maud::{Markup, html};

use super::Stage;
use super::forms;
use super::level::Level;
use super::query::Query;
use super::words::{ago, escaped, moment, text};
use crate::config;
use crate::metrics::REVISION;
use crate::time::Timestamp;
use crate::web::Status;
use crate::web::problem::Problem;

pub(super) fn draw(stage: &Stage<'_>) -> Markup {
    let status = stage.shared.app.status.borrow().clone();
    about(&status, stage.now)
}

fn about(status: &Status, now: Timestamp) -> Markup {
    let file = status.config_file.display().to_string();
    html! {
        dl .fields {
            dt { "version" } dd { (env!("CARGO_PKG_VERSION")) " " code { (REVISION) } }
            dt { "started" } dd { (moment(status.started, now)) " UTC (" (ago(status.started, now)) ")" }
            dt { "file" } dd { @if file.is_empty() { "none" } @else { code { (text(&file)) } } }
            dt { "reload" }
            dd #reload-result data-state=(if status.reload.successful { Level::Ok } else { Level::Warning }) {
                @if status.reload.successful {
                    (Level::Ok.mark()) " in force since " (moment(status.reload.succeeded, now)) " UTC (" (ago(status.reload.succeeded, now)) ")"
                } @else {
                    (Level::Warning.mark()) " failed; what was in force since " (moment(status.reload.succeeded, now)) " UTC stays"
                    @if let Some(error) = &status.reload_error { pre { @for line in error.lines() { (text(line)) "\n" } } }
                }
            }
        }
        details .file {
            summary { "The file in force, secrets masked" }
            div data-src="fragment/file" { a href="file" { "Show it" } }
        }
        div .acts { (forms::reload()) }
        p .links {
            "Elsewhere: "
            @for (path, name) in [
                ("api/v1/summary", "summary"),
                ("api/v1/config", "config"),
                ("api/v1/version", "version"),
                ("api/v1/maintenance", "maintenance"),
                ("metrics", "metrics"),
                ("healthz", "healthz"),
                ("readyz", "readyz"),
            ] { a href=(path) { (name) } " " }
        }
    }
}

/// The file itself.
pub(super) fn file(stage: &Stage<'_>, query: &Query) -> Result<Markup, Problem> {
    query.params().finish()?;
    let file = config::masked(&stage.shared.config());
    let file = file.map_err(|error| Problem::unavailable(error.to_string()))?;
    Ok(html! { pre .toml tabindex="0" { @for line in file.lines() { bdi { (escaped(line)) } "\n" } } })
}
