//! Routes as a file for spreadsheets (RFC 4180), a page of them at a time: it is never in memory whole.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::query::Query;
use super::routes::read;
use crate::observer::RouteQuery;
use crate::observer::view::Route;
use crate::web::params::Params;
use crate::web::problem::Problem;
use crate::web::{Shared, State};

/// Routes that are asked for at once.
const PIECE: usize = 1_000;

const HEAD: &str = "prefix,state,stale,reasons,class,cluster,vrf,node,leaf,peer,peer_as,path_id,as_path,next_hop,\
communities,med,origin,since,eepg\r\n";

pub(super) async fn routes(state: State, params: Params) -> Result<Response, Problem> {
    let asked = RouteQuery { limit: PIECE, ..read(&Query::new(params))? };
    let body = stream::try_unfold(Some((Arc::clone(&state), asked, HEAD.to_owned())), |next| async {
        let Some((shared, asked, before)) = next else { return Ok::<_, Broken>(None) };
        let (lines, next) =
            piece(&shared, asked, before).await.map_err(|problem| Broken(problem.message().to_owned()))?;
        Ok(Some((Bytes::from(lines), next.map(|asked| (shared, asked, String::new())))))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"routes.csv\""),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The file cannot be finished: the client sees that it broke off.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(String);

/// Lines after `lines`, and what is to be asked next.
async fn piece(
    shared: &Shared,
    asked: RouteQuery,
    mut lines: String,
) -> Result<(String, Option<RouteQuery>), Problem> {
    let page = shared.routes(asked.clone()).await?;
    for route in &page.items {
        line(route, &mut lines);
    }
    let cursor = page.next_cursor.and_then(|cursor| cursor.parse().ok());
    Ok((lines, cursor.map(|cursor| RouteQuery { cursor: Some(cursor), ..asked })))
}

fn line(route: &Route, lines: &mut String) {
    let joined = |all: &mut dyn Iterator<Item = &str>| all.collect::<Vec<_>>().join(" ");
    let fields = [
        route.prefix.to_string(),
        route.state.to_string(),
        route.stale.to_string(),
        joined(&mut route.reasons.iter().map(|reason| reason.name())),
        route.class.to_string(),
        route.cluster.to_string(),
        route.vrf.to_string(),
        route.node.as_deref().unwrap_or_default().to_owned(),
        route.leaf.to_string(),
        route.peer.to_string(),
        route.peer_as.to_string(),
        route.path_id.to_string(),
        route.as_path.clone(),
        route.next_hop.map(|hop| hop.to_string()).unwrap_or_default(),
        joined(&mut route.communities.iter().map(String::as_str)),
        route.med.map(|med| med.to_string()).unwrap_or_default(),
        route.origin.as_deref().unwrap_or_default().to_owned(),
        route.since.to_string(),
        route.eepg.clone().unwrap_or_default(),
    ];
    for (at, value) in fields.iter().enumerate() {
        lines.push_str(if at == 0 { "" } else { "," });
        field(value, lines);
    }
    lines.push_str("\r\n");
}

/// A field: in quotes where it must be, and never what a spreadsheet takes for a formula.
fn field(value: &str, lines: &mut String) {
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !is_formula && !value.contains([',', '"', '\n', '\r']) {
        lines.push_str(value);
        return;
    }
    // Writing to a String cannot fail.
    let _ = write!(lines, "\"{}{}\"", if is_formula { "'" } else { "" }, value.replace('"', "\"\""));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stay_in_their_place_and_are_no_formulas() {
        for (given, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("a,b", "\"a,b\""),
            ("a\"b\r\nc", "\"a\"\"b\r\nc\""),
            ("=cmd|'/c calc'!A1", "\"'=cmd|'/c calc'!A1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("", ""),
        ] {
            let mut line = String::new();
            field(given, &mut line);
            assert_eq!(line, expected);
        }
    }
}
