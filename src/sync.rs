//! The EEPG controller: carries what routes want to the APIC, and reads back what became of it.
//!
//! One task owns an [`Engine`](crate::eepg::Engine) for each `[[apic]]`. It hears of routes from the observer, which never
//! waits for it; it has at most one write under way for each L3Out and redirect policy; every write is in the
//! audit file before it leaves.

#![expect(
    clippy::disallowed_methods,
    reason = "the controller's tasks and timers, and the thread of its audit file"
)]

mod access;
mod audit;
mod calls;
mod fabric;
mod histogram;
mod records;
mod saved;
mod task;
mod trouble;

use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::eepg::{Answer, Counters, view};
use crate::observer::Actor;
use crate::time::Timestamp;

pub use records::{Place, Records};
pub use task::{End, start};

/// The handle: cheap to clone; every answer is `None` once the controller has ended.
#[derive(Clone, Debug)]
pub struct Controller {
    requests: mpsc::Sender<(Option<Actor>, Request)>,
    /// Who asks, if it is somebody.
    actor: Option<Actor>,
}

/// What is asked of the controller.
#[derive(Debug)]
pub(crate) enum Request {
    Eepgs(oneshot::Sender<Vec<view::Eepg>>),
    Members(String, Option<IpNet>, usize, oneshot::Sender<Option<Vec<view::Member>>>),
    Plan(usize, usize, bool, oneshot::Sender<view::Plan>),
    Holders(Vec<(Arc<str>, IpNet)>, oneshot::Sender<Vec<Option<String>>>),
    Why(Arc<str>, IpNet, oneshot::Sender<String>),
    Status(oneshot::Sender<Status>),
    Apply(oneshot::Sender<Answer>),
    Approve(String, oneshot::Sender<Answer>),
    Pause(Option<view::Pause>, oneshot::Sender<Answer>),
    Adopt(String, oneshot::Sender<Answer>),
    Release(Option<String>, oneshot::Sender<Answer>),
    Reconfigure(Arc<Config>, oneshot::Sender<()>),
}

/// A request that an APIC answered, for who keeps a record: done, or refused.
#[derive(Clone, Debug)]
pub struct Wrote {
    /// When the answer came.
    pub at: Timestamp,
    /// Which.
    pub apic: Arc<str>,
    /// Why not, if it was refused.
    pub refused: Option<String>,
    /// What it was to change.
    pub changes: Vec<view::Change>,
}

/// How it does, for the summary and for metrics.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// `observe` or `enforce`.
    pub mode: String,
    /// Members and changes of all APICs.
    pub counts: view::Counts,
    /// Each APIC.
    pub apics: Vec<ApicStatus>,
    /// Seconds from an UPDATE to the APIC's answer, of requests that delete nothing: counts by [bound](Status::BOUNDS), not cumulative.
    pub convergence: Histogram,
    /// Lines of the audit file that could not be written: no write leaves without its line.
    pub audit_failures: u64,
}

/// An APIC, for metrics.
#[derive(Clone, Debug, Default)]
pub struct ApicStatus {
    /// Its name.
    pub name: String,
    /// The last request was answered.
    pub up: bool,
    /// When it was last compared completely.
    pub compared: Option<Timestamp>,
    /// Requests by operation (`login`, `refresh`, `read`, `write`) and class of answer (`2xx`, ..., `error`).
    pub requests: Vec<(&'static str, &'static str, u64)>,
    /// Seconds that requests took, by operation.
    pub durations: Vec<(&'static str, Histogram)>,
    /// Members, changes, drift, brakes.
    pub counters: Counters,
    /// Its EEPGs and redirect policies.
    pub eepgs: Vec<view::Eepg>,
}

/// A histogram over [`Status::BOUNDS`].
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// What was at most as large as the bound of the same place, not cumulative.
    pub buckets: [u64; Status::BOUNDS.len()],
    /// All of it.
    pub count: u64,
    /// Its sum, in seconds.
    pub sum: f64,
}

impl Status {
    /// Upper bounds in seconds.
    pub const BOUNDS: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
}

impl Controller {
    /// A handle whose requests somebody else answers.
    pub(crate) const fn of(requests: mpsc::Sender<(Option<Actor>, Request)>) -> Self {
        Self { requests, actor: None }
    }

    /// The same, of which the audit says that `actor` wanted what it asks for.
    #[must_use]
    pub fn by(&self, actor: &Actor) -> Self {
        Self { actor: Some(actor.clone()), ..self.clone() }
    }

    /// EEPGs and redirect policies.
    pub async fn eepgs(&self) -> Option<Vec<view::Eepg>> {
        self.ask(Request::Eepgs).await
    }

    /// Members of one of them by its distinguished name, in order, after `after`; `Some(None)`: there is no such.
    pub async fn members(
        &self,
        dn: String,
        after: Option<IpNet>,
        limit: usize,
    ) -> Option<Option<Vec<view::Member>>> {
        self.ask(|answer| Request::Members(dn, after, limit, answer)).await
    }

    /// The plan: at most `limit` changes after `offset` others; with the requests, if `requests`.
    pub async fn plan(&self, offset: usize, limit: usize, requests: bool) -> Option<view::Plan> {
        self.ask(|answer| Request::Plan(offset, limit, requests, answer)).await
    }

    /// The EEPGs that hold prefixes of VRFs, by their distinguished names.
    pub async fn holders(&self, prefixes: Vec<(Arc<str>, IpNet)>) -> Option<Vec<Option<String>>> {
        self.ask(|answer| Request::Holders(prefixes, answer)).await
    }

    /// Which rule takes a prefix, and what becomes of it, in one line.
    pub async fn why(&self, vrf: Arc<str>, prefix: IpNet) -> Option<String> {
        self.ask(|answer| Request::Why(vrf, prefix, answer)).await
    }

    /// How it does.
    pub async fn status(&self) -> Option<Status> {
        self.ask(Request::Status).await
    }

    /// Compares everything now, and writes what no brake holds.
    pub async fn apply(&self) -> Option<Answer> {
        self.ask(Request::Apply).await
    }

    /// Lets through what the plan of this id holds back.
    pub async fn approve(&self, id: String) -> Option<Answer> {
        self.ask(|answer| Request::Approve(id, answer)).await
    }

    /// Stops all writing, or goes on.
    pub async fn pause(&self, pause: Option<view::Pause>) -> Option<Answer> {
        self.ask(|answer| Request::Pause(pause, answer)).await
    }

    /// Marks an object of others as ours.
    pub async fn adopt(&self, dn: String) -> Option<Answer> {
        self.ask(|answer| Request::Adopt(dn, answer)).await
    }

    /// Takes our marks off everything, or off what is in one EEPG or policy.
    pub async fn release(&self, dn: Option<String>) -> Option<Answer> {
        self.ask(|answer| Request::Release(dn, answer)).await
    }

    /// Takes over another configuration.
    pub async fn reconfigure(&self, config: Arc<Config>) -> Option<()> {
        self.ask(|answer| Request::Reconfigure(config, answer)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.requests.send((self.actor.clone(), request(sender))).await.ok()?;
        answer.await.ok()
    }
}
