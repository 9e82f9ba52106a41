//! Knobs for tests: `POST /_sim/KNOB` with JSON, listed by `GET /_sim`. They ask for no login.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::query::{Query, Scope};
use super::refusal::Refusal;
use super::server::Shared;
use super::session::Roles;
use super::tree::Refuse;
use super::trouble::Dose;
use crate::eepg::Mo;

/// Every knob: its path, its body, what it does.
const KNOBS: [(&str, &str, &str); 17] = [
    ("advance", r#"{"seconds": N}"#, "puts the clock of tokens, faults and troubles forward"),
    ("latency", r#"{"milliseconds": N}"#, "lets every request wait"),
    ("throttle", r#"{"logins_per_second": N or null}"#, "bounds logins and refreshes of each controller"),
    (
        "trouble",
        r#"{"what": {"status": 503} or "drop_before" or "drop_after" or "cut", "times"?, "seconds"?, "probability"?, "only"?: "reads" or "writes" or "logins", "controller"?}"#,
        "has requests fail; 503 may be any status, with a page of HTML",
    ),
    ("calm", "{}", "calls all trouble off"),
    ("tokens/drop", "{}", "has all sessions end"),
    ("roles", r#"{"read": [ROLE], "write": [ROLE]}"#, "gives users other roles than admin"),
    (
        "refuse",
        r#"{"dn": PATTERN, "code": N, "text": TEXT, "status"?, "times"?}"#,
        "refuses writes of objects whose name has the pattern in it",
    ),
    ("refuse/nothing", "{}", "refuses only what is wrong"),
    ("capacity", r#"{"prefixes": N}"#, "sets how many prefixes fit into a leaf (F3544 above)"),
    ("limits", r#"{"body": OCTETS}"#, "bounds the bodies of requests (413 above)"),
    ("save", "{}", "keeps the tree as it is now"),
    ("restore", "{}", "puts back the tree that was kept"),
    ("kill", r#"{"controller": N}"#, "ends a controller, from 1"),
    ("restart", r#"{"controller": N}"#, "starts it again on its port"),
    (
        "post",
        r#"{"dn": DN, "mo": {CLASS: {"attributes": {}, "children": []}}}"#,
        "writes behind everybody's back",
    ),
    ("reset", "{}", "sets the counters to 0 and empties the log"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    milliseconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Throttle {
    logins_per_second: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRoles {
    read: Vec<String>,
    write: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRefuse {
    dn: String,
    #[serde(default = "bad_request")]
    status: u16,
    code: u16,
    text: String,
    #[serde(default)]
    times: Option<u32>,
}

const fn bad_request() -> u16 {
    400
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Capacity {
    prefixes: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    body: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    controller: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    dn: String,
    mo: Mo,
}

/// Why a knob does not turn.
enum Stuck {
    NoSuchKnob,
    Wrong(String),
}

impl From<Refusal> for Stuck {
    fn from(refusal: Refusal) -> Self {
        Self::Wrong(refusal.to_string())
    }
}

/// Answers a request below `/_sim`.
pub(super) async fn turn(shared: &Arc<Shared>, method: &str, target: &str, body: &[u8]) -> Response {
    let knob = target.trim_start_matches("/_sim").trim_matches('/');
    let turned = match (method, knob) {
        ("GET", "") => Ok(list(shared).await),
        ("GET", "log") => Ok(json!(shared.state().log.entries())),
        ("GET", "tree") => tree(shared),
        ("POST", "kill") => match read::<Number>(body) {
            // The answer may have to leave by the controller that ends.
            Ok(number) if number.controller > 0 => {
                let (shared, number) = (Arc::clone(shared), number.controller);
                later(async move { _ = shared.kill(number).await });
                Ok(json!({"result": "it ends"}))
            }
            Ok(_) => Err(Stuck::Wrong("controllers are counted from 1".to_owned())),
            Err(stuck) => Err(stuck),
        },
        ("POST", "restart") => match read::<Number>(body) {
            Ok(number) => match shared.restart(number.controller).await {
                Ok(true) => Ok(json!({"result": "it runs"})),
                Ok(false) => Err(Stuck::Wrong("there is no such controller".to_owned())),
                Err(error) => Err(Stuck::Wrong(error.to_string())),
            },
            Err(stuck) => Err(stuck),
        },
        ("POST", _) => at_once(shared, knob, body).map(|()| json!({"result": "done"})),
        _ => Err(Stuck::NoSuchKnob),
    };
    match turned {
        Ok(value) => respond(StatusCode::OK, &value),
        Err(Stuck::NoSuchKnob) => {
            respond(StatusCode::NOT_FOUND, &json!({"error": "GET /_sim lists the knobs"}))
        }
        Err(Stuck::Wrong(why)) => respond(StatusCode::BAD_REQUEST, &json!({"error": why})),
    }
}

#[expect(clippy::disallowed_methods, reason = "does what cannot be done while its answer leaves")]
fn later(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        work.await;
    });
}

fn at_once(shared: &Shared, knob: &str, body: &[u8]) -> Result<(), Stuck> {
    let now = shared.now();
    match knob {
        "advance" => shared.advance(Duration::from_secs(read::<Advance>(body)?.seconds)),
        "latency" => shared.set_latency(Duration::from_millis(read::<Latency>(body)?.milliseconds)),
        "throttle" => shared.state().throttle = read::<Throttle>(body)?.logins_per_second,
        "trouble" => shared.state().troubles.add(read::<Dose>(body)?, now),
        "calm" => shared.state().troubles.calm(),
        "tokens/drop" => shared.state().sessions.iter_mut().for_each(super::session::Sessions::drop_all),
        "roles" => {
            let NewRoles { read, write } = read(body)?;
            shared.state().roles = Roles { read, write };
        }
        "refuse" => {
            let NewRefuse { dn, status, code, text, times } = read(body)?;
            shared.state().tree.refuse(Refuse { dn, refusal: Refusal { status, code, text }, times });
        }
        "refuse/nothing" => shared.state().tree.refuse_nothing(),
        "capacity" => shared.state().tree.set_capacity(read::<Capacity>(body)?.prefixes),
        "limits" => shared.state().max_body = read::<Limits>(body)?.body,
        "save" => {
            let mut state = shared.state();
            state.saved = Some(state.tree.clone());
        }
        "restore" => {
            let mut state = shared.state();
            let Some(saved) = state.saved.clone() else {
                return Err(Stuck::Wrong("nothing was saved".to_owned()));
            };
            state.tree.restore(saved);
        }
        "post" => {
            let Post { dn, mo } = read(body)?;
            shared.state().tree.post(&dn, &mo, now)?;
        }
        "reset" => {
            let mut state = shared.state();
            state.counters = super::Counters::default();
            state.log.clear();
        }
        _ => return Err(Stuck::NoSuchKnob),
    }
    Ok(())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Stuck> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Stuck::Wrong(error.to_string()))
}

async fn list(shared: &Shared) -> Value {
    let controllers = shared.controllers.lock().await;
    let controllers: Vec<_> = controllers
        .iter()
        .map(|controller| json!({"address": controller.address.to_string(), "alive": controller.is_alive()}))
        .collect();
    let knobs: Vec<_> = KNOBS
        .iter()
        .map(|(knob, body, what)| json!({"post": format!("/_sim/{knob}"), "body": body, "what": what}))
        .collect();
    let state = shared.state();
    json!({
        "controllers": controllers,
        "clock": shared.now(),
        "objects": state.tree.objects().count(),
        "counters": state.counters,
        "also": ["GET /_sim/log", "GET /_sim/tree"],
        "knobs": knobs,
    })
}

/// All configuration, as `--tree` reads it.
fn tree(shared: &Shared) -> Result<Value, Stuck> {
    let mut state = shared.state();
    let query = Query::read([("rsp-subtree", "full"), ("rsp-prop-include", "config-only")])?;
    let scope = Scope::Class { classes: vec!["fvTenant".to_owned()], below: "uni".to_owned() };
    let page = state.tree.query(&scope, &query, shared.now())?;
    Ok(json!(Mo { children: page.objects, ..Mo::new("polUni") }))
}

fn respond(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
