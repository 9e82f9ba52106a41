//! Over real sockets, with an APIC that answers as it is told.

mod answers;
mod controllers;
mod reads;
mod secrets;
mod sessions;
mod signatures;
mod stub;
mod trust;
mod writes;

use std::time::Duration;

use super::{Client, Settings};
use crate::config::model::{Apic, Auth, FabricCaps, Secret, Trust};
use crate::time::Clock;

pub(super) const PASSWORD: &str = "correct horse";

/// The controllers at `urls`, with a rate that no test but its own meets.
fn config(urls: &[&str]) -> Apic {
    Apic {
        name: "fabric1".into(),
        urls: urls.iter().map(|url| (*url).into()).collect(),
        auth: Auth::Password { user: "tl".into(), password: Secret::new(PASSWORD) },
        trust: Trust::Insecure,
        requests_per_second: 10_000,
        burst: 10_000,
        full_compare_every: Duration::from_mins(5),
        batch_size: 500,
        caps: FabricCaps::default(),
    }
}

/// No wait that a test would notice.
fn settings() -> Settings {
    Settings {
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(5),
        ..Settings::default()
    }
}

fn client(urls: &[&str]) -> Client {
    Client::with(&config(urls), Clock::start(), settings()).unwrap()
}

/// Lets time pass, for everything that asks the runtime for it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
