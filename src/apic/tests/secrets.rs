//! No secret leaves by a log, an error or a Debug output.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::stub::{Heard, Reply, Stub};
use super::{PASSWORD, client, config, pass, settings};
use crate::apic::{Client, Query};
use crate::config::model::{Apic, Auth, Secret};
use crate::eepg::Mo;
use crate::time::Clock;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Everything that anybody says, as loud as they can.
fn listen() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn a_far_end_that_echoes_everything_makes_us_say_nothing() {
    let (log, _guard) = listen();
    let mut said = String::new();
    for status in [200, 302, 400, 401, 403, 413, 503] {
        for login in [true, false] {
            let stub = Stub::start(move |heard: &Heard| {
                if heard.is_login() && !login {
                    return Reply::token("very-secret-token");
                }
                let echo = format!("{:?} {:?}", heard.cookies, heard.body);
                Reply::error(status, "1", &echo).header("Location", "/x")
            })
            .await;
            let client = client(&[&stub.url]);
            let query = Query::class("fvCtx").within(Duration::from_millis(100));
            writeln!(said, "{:?}", client.post("uni/tn-T", &Mo::new("fvTenant")).await).unwrap();
            match client.list(&query).await {
                Ok(read) => writeln!(said, "{read:?}").unwrap(),
                Err(error) => writeln!(said, "{error} {error:?}").unwrap(),
            }
            writeln!(said, "{client:?} {:?}", client.stats()).unwrap();
        }
    }
    said += &log.text();
    assert!(said.contains("logged in"), "{said}");
    for secret in [PASSWORD, "horse", "very-secret-token", "secret-token"] {
        assert!(!said.contains(secret), "{said}");
    }
}

/// JSON writes it otherwise than it is.
#[tokio::test]
async fn what_is_echoed_escaped_or_in_a_header_is_not_repeated_either() {
    let password = r#"corr"ect\horse"#;
    for status in [200, 302, 400, 401, 403, 503] {
        let stub = Stub::start(move |heard: &Heard| {
            if !heard.is_login() {
                return Reply::of(302, "").header("Location", &format!("/login?of={}", heard.token()));
            }
            match status {
                302 => Reply::of(302, "").header("Location", &format!("/login?as={password}")),
                200 => Reply::token("very-secret-token"),
                status => Reply::error(status, "1", &format!("who is {password}?")),
            }
        })
        .await;
        let auth = Auth::Password { user: "tl".into(), password: Secret::new(password) };
        let client =
            Client::with(&Apic { auth, ..config(&[&stub.url]) }, Clock::start(), settings()).unwrap();
        let said = format!("{:?}", client.post("uni/tn-T", &Mo::new("fvTenant")).await.unwrap_err());
        assert!(said.contains("********"), "{status}: {said}");
        for secret in ["horse", "secret-token"] {
            assert!(!said.contains(secret), "{status}: {said}");
        }
    }
}

#[tokio::test]
async fn what_lasts_is_told_once_and_that_it_is_over() {
    let (log, _guard) = listen();
    let up = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let answers = up.clone();
    let stub = Stub::behind_login(move |_| {
        if answers.load(std::sync::atomic::Ordering::Relaxed) { Reply::done() } else { Reply::html(503) }
    })
    .await;
    let client = client(&[&stub.url]);
    for _ in 0..10 {
        client.post("uni/tn-T", &Mo::new("fvTenant")).await.unwrap_err();
    }
    assert!(!client.stats().snapshot().up);
    pass(Duration::from_secs(90)).await;
    up.store(true, std::sync::atomic::Ordering::Relaxed);
    for _ in 0..3 {
        client.post("uni/tn-T", &Mo::new("fvTenant")).await.unwrap();
    }
    let text = log.text();
    assert_eq!(text.matches(" WARN ").count(), 2, "that it is insecure, and that it does not answer: {text}");
    assert_eq!(text.matches("503 nginx is busy").count(), 1, "{text}");
    assert_eq!(text.matches("the APIC answers again").count(), 1, "{text}");
    assert!(text.contains("1m 30s"), "{text}");
}
