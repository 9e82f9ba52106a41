//! A real server around a real observer, for tests of this room and of the command line.

pub(crate) mod controller;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use ipnet::IpNet;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::{App, Control, Sessions, Status, Web};
use crate::bgp::announce::Announcer;
use crate::bgp::attribute::Builder;
use crate::bgp::header::frame;
use crate::bgp::{Batch, Families, Family, Negotiated, Update};
use crate::config::model::{Scope, Secret, Token};
use crate::config::{self, Config, Machine};
use crate::journal::Journal;
use crate::metrics::{Refusal, Reload, Signatures};
use crate::observer;
use crate::speaker::stats::SessionState;
use crate::speaker::{Closed, Delivery, Established, Event, Loss, PeerId, PeerStats, ResetReason, SessionId};
use crate::sync::Controller;
use crate::time::Clock;

pub(crate) const TOKEN: &str = "correct-horse";

pub(crate) const CONFIG: &str = r#"
version = 1
[[leaf]]
name = "rack1"
local_as = 65101
router_id = "10.0.0.101"
listen = ["127.0.0.1:1790"]
[[leaf]]
name = "rack2"
local_as = 65201
router_id = "10.0.0.102"
listen = ["127.0.0.2:1790"]
[[neighbors]]
leaf = "rack1"
range = "192.168.1.0/26"
peer_as = ["65102-65199"]
[[neighbors]]
leaf = "rack1"
range = "192.168.1.32/27"
peer_as = ["65102-65199"]
cluster = "blue"
vrf = "prod"
[[nodes]]
name = "node1"
rack = "rack1"
address = "192.168.1.1"
[findings]
open_after = { rogue_route = "0s" }
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26, 32]
"#;

fn config(token: Option<&str>) -> Config {
    let mut config = config::parse(CONFIG, "test.toml".as_ref(), &Machine).unwrap();
    let admin =
        |token| Token { name: Token::ADMIN.into(), scope: Scope::Approve, secret: Secret::new(token) };
    config.http.tokens.extend(token.map(admin));
    config
}

fn negotiated() -> Negotiated {
    Negotiated {
        peer_as: 65102,
        peer_id: Ipv4Addr::new(192, 168, 1, 1),
        local_as: 65101,
        hold_time: Duration::from_secs(3),
        keepalive_time: Duration::from_secs(1),
        families: Families::only(Family::Ipv4),
        four_octet_as: true,
        add_path: Families::NONE,
        extended_next_hop: false,
        extended_message: false,
        route_refresh: true,
        enhanced_route_refresh: false,
        graceful_restart: None,
    }
}

fn established(session: SessionId, address: IpAddr) -> Established {
    let stats = PeerStats::default();
    stats.set_state(SessionState::Established);
    Established {
        session,
        peer: PeerId { leaf: "rack1".into(), address },
        local: Ipv4Addr::new(10, 0, 0, 101).into(),
        at: Clock::start().now(),
        negotiated: Arc::new(negotiated()),
        capabilities: vec!["route refresh".into()],
        neighbors: Arc::new(config(None).neighbors[0].clone()),
        stats: Arc::new(stats),
    }
}

fn batch(address: IpAddr, prefixes: &[&str]) -> Batch {
    let prefixes = prefixes.iter().map(|prefix| (0, prefix.parse::<IpNet>().unwrap()));
    let mut octets = BytesMut::new();
    Builder::new(&[65102], address)
        .with_set(|set| Announcer::default().announce(Family::Ipv4, set, prefixes, &mut octets));
    let (mut batch, mut rest) = (Batch::default(), &octets[..]);
    while let Some(frame) = frame(rest, false).unwrap() {
        batch.push_update(&Update::parse(frame.body, &negotiated()).unwrap());
        rest = &rest[frame.octets.len()..];
    }
    batch
}

/// A speaker that notes what it is asked to do, and has sessions on rack2 alone.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Notes {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Sessions for Notes {
    fn counters(&self) -> Vec<(Arc<str>, Arc<PeerStats>)> {
        vec![]
    }

    fn refusals(&self) -> Vec<Refusal> {
        vec![Refusal { leaf: "rack1".into(), reason: "not_in_range", count: 3 }]
    }

    fn untold_refusals(&self) -> u64 {
        0
    }

    fn signatures(&self) -> Option<Signatures> {
        None
    }

    fn reset(&self, peer: &PeerId) -> bool {
        self.0.lock().unwrap().push(format!("reset {peer}"));
        &*peer.leaf == "rack2"
    }
}

/// A real server on a port of its own, around a real observer.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) http: Client,
    pub(crate) control: mpsc::Receiver<Control>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) events: Option<mpsc::Sender<Delivery>>,
    pub(crate) done: tokio::task::JoinHandle<()>,
    pub(crate) sessions: Arc<Notes>,
    config: watch::Sender<Arc<Config>>,
}

impl Server {
    pub(crate) async fn start(token: Option<&str>) -> Self {
        Self::start_with(token, None).await
    }

    /// With an EEPG controller.
    pub(crate) async fn start_with(token: Option<&str>, sync: Option<Controller>) -> Self {
        Self::start_all(token, sync, None).await
    }

    /// With a journal.
    pub(crate) async fn start_on(journal: Journal) -> Self {
        Self::start_all(None, None, Some(journal)).await
    }

    #[expect(clippy::unused_async, reason = "the server lives in the runtime that it is started in")]
    async fn start_all(token: Option<&str>, sync: Option<Controller>, journal: Option<Journal>) -> Self {
        let web = Web::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let url = format!("http://{}", web.addresses()[0]);
        let mut config = config(token);
        config.apics.extend(sync.iter().map(|_| controller::apic()));
        let config = Arc::new(config);
        let clock = Clock::start();
        let (events, receiver) = mpsc::channel(16);
        let observer =
            observer::spawn(Arc::clone(&config), observer::Settings::default(), clock, receiver, |_| {});
        let sessions = Arc::new(Notes::default());
        let (control, commands) = mpsc::channel(16);
        let (stop, stopped) = watch::channel(false);
        let (config, current) = watch::channel(config);
        let (status, shown) = watch::channel(Status {
            ready: true,
            state: None,
            started: clock.now(),
            config_file: "/etc/thirdleaf.toml".into(),
            reload: Reload { successful: true, succeeded: clock.now() },
            reload_error: None,
        });
        let app = App {
            archive: None,
            observer,
            sync,
            journal,
            alerts: None,
            clock,
            sessions: Arc::clone(&sessions) as _,
            control,
            keep: None,
            config: current,
            status: shown,
            stop: stopped,
        };
        let done = tokio::spawn(web.serve(app));
        let http = Client::builder().no_proxy().build().unwrap();
        Self { url, http, control: commands, status, stop, events: Some(events), done, sessions, config }
    }

    /// Another configuration is in force.
    pub(crate) fn reconfigure(&self, change: impl FnOnce(&mut Config)) {
        self.config.send_modify(|config| change(Arc::make_mut(config)));
    }

    /// The node at `address` comes up on rack1 and announces `prefixes`; all is told when this returns.
    pub(crate) async fn announce(&self, address: &str, prefixes: &[&str]) {
        let events = self.events.as_ref().unwrap();
        let (before, _) = self.held().await;
        let session = SessionId(before + 1);
        let address = address.parse().unwrap();
        events.send(Event::Established(Box::new(established(session, address))).into()).await.unwrap();
        let at = Clock::start().now();
        events.send(Event::Routes { session, at, batch: batch(address, prefixes) }.into()).await.unwrap();
        while self.held().await.0 < before + prefixes.len() as u64 {
            tokio::task::yield_now().await;
        }
    }

    /// A session ends for good; that is told when this returns.
    pub(crate) async fn end(&self, session: u64) {
        let closed = Closed {
            session: SessionId(session),
            at: Clock::start().now(),
            reason: ResetReason::NotificationReceived,
            detail: "the test ended it".to_owned(),
            loss: Loss::Final,
            expiry: None,
        };
        let established = || async { self.get("/api/v1/summary").await.1["peers"]["established"].as_u64() };
        let before = established().await;
        self.events.as_ref().unwrap().send(Event::Closed(closed).into()).await.unwrap();
        while established().await >= before {
            tokio::task::yield_now().await;
        }
    }

    /// Routes held, and findings open.
    pub(crate) async fn held(&self) -> (u64, u64) {
        let (_, summary) = self.get("/api/v1/summary").await;
        (summary["routes"]["total"].as_u64().unwrap(), summary["findings"]["open"].as_u64().unwrap())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer_of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer_of(self.request(Method::POST, path).bearer_auth(TOKEN).json(&body)).await
    }
}

pub(crate) async fn answer_of(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
}
