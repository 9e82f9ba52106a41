//! Findings -> Alertmanager, webhooks.
//!
//! Who is told here is told of each finding that opens, at once, and when it is over. One task looks at the findings
//! whenever something became of one and says what there is to tell; each receiver has a task of its own that carries
//! it there, so that one that is dead, slow or lying holds up nobody.
//!
//! # Alertmanager
//!
//! An alert is its labels: those that identify the finding, and nothing that changes while it lasts. What changes, and
//! whatever peers say, is in annotations. At most [200](MOST) are pushed, the worst and then the oldest; one more alert
//! says how many others there are. Each says that it ends after four times `resend` and is sent again every `resend`;
//! what is over is sent for five more minutes. So nothing that is over stays at an Alertmanager for longer than that,
//! should we be restarted, cut off or gone meanwhile; and what is still open after a restart is the same alert.
//!
//! # Webhooks
//!
//! A finding that opens is a notification, and so is its end: a `POST` of JSON, delivered at least
//! once and in order. What cannot be delivered is tried again with growing waits; what is refused (4xx but 408 and
//! 429) is not. After a restart what is still open is told again with the `id` of before, by which receivers know it.
//! Where nothing survives a restart (no `global.state_dir`), what was over by then is not told.

#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod alertmanager;
mod board;
mod book;
mod health;
mod ledger;
mod message;
mod name;
mod notice;
mod queue;
mod receiver;
mod sign;
mod task;
#[cfg(test)]
mod tests;
pub mod view;
mod webhook;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::config::Config;

pub use board::MOST;
pub use task::{End, start};

/// The handle: cheap to clone; every answer is `None` once the task has ended.
#[derive(Clone, Debug)]
pub struct Alerts {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
enum Request {
    Overview(oneshot::Sender<view::Overview>),
    Counts(oneshot::Sender<Counts>),
    Test(Option<String>, oneshot::Sender<Tested>),
    Reconfigure(Arc<Config>, oneshot::Sender<()>),
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tested {
    /// What each receiver made of it.
    Outcomes(Vec<view::Outcome>),
    /// There is no receiver of this name, or none at all; these there are.
    Nobody(Vec<String>),
    /// Too many tests are under way.
    Busy,
}

/// What is counted, for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alerts that are pushed now, by name and severity.
    pub alerts: Vec<(String, String, u64)>,
    /// Each receiver.
    pub receivers: Vec<view::Receiver>,
}

impl Alerts {
    /// What is pushed now, and how receivers do.
    pub async fn overview(&self) -> Option<view::Overview> {
        self.ask(Request::Overview).await
    }

    /// What is counted.
    pub async fn counts(&self) -> Option<Counts> {
        self.ask(Request::Counts).await
    }

    /// Sends one test alert the way that all go, to the receiver of this name or to all, and waits for what becomes of
    /// it: ten seconds at most.
    pub async fn test(&self, receiver: Option<String>) -> Option<Tested> {
        self.ask(|answer| Request::Test(receiver, answer)).await
    }

    /// Takes over another configuration: receivers that stay as they are keep what waits for them.
    pub async fn reconfigure(&self, config: Arc<Config>) -> Option<()> {
        self.ask(|answer| Request::Reconfigure(config, answer)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.requests.send(request(sender)).await.ok()?;
        answer.await.ok()
    }
}
