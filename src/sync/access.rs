//! Who may read the APIC, and who may write it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::audit::{Answered, Asked, Audit, Unwritten};
use crate::apic::{self, Backoff, Client, Filter, Query, Roles, Snapshot, Unusable};
use crate::config::model::{self, Mode};
use crate::eepg::{Batch, Comparison, Mo, Outcome, Reading, Rules, Scope, Target};
use crate::time::{Clock, Timestamp};

/// How many objects are taken in before others have their turn.
const SLICE: usize = 1_000;

/// A write that did not leave by then is decided anew: an APIC may ask us to wait for minutes, and no delete follows
/// from what was true then.
const LATE: Duration = Duration::from_secs(30);

/// By this, writes are taken back that have not left yet.
pub(super) type TakenBack = Arc<AtomicBool>;

/// Reads.
#[derive(Clone, Debug)]
pub(super) struct Reader(Client);

/// Writes; there is none unless `safety.mode` is `enforce`.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    client: Client,
    audit: Audit,
    instance: Arc<str>,
}

/// Why a batch is not written, as far as we know.
#[derive(Clone, Debug)]
pub(super) enum NotWritten {
    /// Its line is not in the audit file, so it did not leave.
    Audit(Unwritten),
    /// By the APIC, or on the way there.
    Apic(apic::Error),
}

/// How a write went.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) batch: Batch,
    pub(super) result: Result<(), NotWritten>,
    /// When the answer came.
    pub(super) at: Timestamp,
}

impl Reader {
    pub(super) fn new(config: &model::Apic, clock: Clock) -> Result<Self, Unusable> {
        Ok(Self(Client::new(config, clock)?))
    }

    pub(super) fn backoff(&self) -> Backoff {
        self.0.backoff()
    }

    pub(super) fn stats(&self) -> Snapshot {
        self.0.stats().snapshot()
    }

    pub(super) async fn login(&self) -> Result<Roles, apic::Error> {
        self.0.login().await
    }

    /// Reads all that is to be compared, page by page.
    pub(super) async fn compare(&self, scope: Scope, rules: Rules) -> Result<Comparison, apic::Error> {
        let mut comparison = Comparison::new(scope);
        loop {
            let readings = comparison.next(&rules);
            if readings.is_empty() {
                return Ok(comparison);
            }
            for reading in readings {
                // A read that begins anew must not mix what it found before.
                let slim = |found: &mut Vec<Mo>, mo: Mo| found.push(mo.only(&Comparison::ATTRIBUTES));
                let read = self.0.read(&query(&reading), Vec::new, slim).await?;
                for (at, mo) in read.found.into_iter().enumerate() {
                    comparison.take(mo);
                    if at % SLICE == SLICE - 1 {
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }
}

fn query(reading: &Reading) -> Query {
    let query = match &reading.target {
        Target::Class(class) => Query::class(class),
        Target::Tree(dn) if reading.classes.is_empty() => Query::of(dn.clone()).whole(),
        Target::Tree(dn) => Query::of(dn.clone()).subtree(reading.classes),
    };
    let query = query.children(reading.children);
    match &reading.filter {
        Some(filter) => query.filter(Filter::text(filter.clone())),
        None => query,
    }
}

impl Writer {
    pub(super) fn new(mode: Mode, reader: &Reader, audit: &Audit, instance: &Arc<str>) -> Option<Self> {
        let writer =
            || Self { client: reader.0.clone(), audit: audit.clone(), instance: Arc::clone(instance) };
        (mode == Mode::Enforce).then(writer)
    }

    /// Has its line written, posts it unless it is taken back, and has written what came of it.
    pub(super) async fn carry_out(self, batch: Batch, taken_back: TakenBack, clock: Clock) -> Written {
        let Self { client, audit, instance } = self;
        let began = clock.now();
        let asked = Asked {
            time: began,
            event: "write",
            instance: &instance,
            apic: client.name(),
            batch: batch.id,
            dn: &batch.dn,
            body: &batch.body,
            changes: &batch.changes,
        };
        if let Err(why) = audit.write(&asked).await {
            return Written { batch, result: Err(NotWritten::Audit(why)), at: clock.now() };
        }
        let may = || !taken_back.load(Relaxed) && clock.now() < began.after(LATE);
        let result = client.post_if(&batch.dn, &batch.body, &may).await;
        let at = clock.now();
        audit.note(&Answered {
            time: at,
            event: "answer",
            instance: &instance,
            apic: client.name(),
            batch: batch.id,
            controller: client.stats().snapshot().controller,
            outcome: result.as_ref().err().map_or("done", apic::Error::kind),
            text: result.as_ref().err().map_or_else(String::new, ToString::to_string),
            seconds: at.since(began).as_secs_f64(),
        });
        Written { batch, result: result.map_err(NotWritten::Apic), at }
    }
}

/// What the engine is to make of how a write went; waits get longer until one succeeds.
pub(super) fn outcome(result: &Result<(), NotWritten>, backoff: &mut Backoff) -> Outcome {
    let error = match result {
        Ok(()) => {
            backoff.reset();
            return Outcome::Done;
        }
        Err(NotWritten::Audit(_)) => return Outcome::Again(backoff.next_wait()),
        Err(NotWritten::Apic(error)) => error,
    };
    match error {
        apic::Error::Refused { code, text, .. } => {
            Outcome::Refused { code: code.clone(), text: text.clone() }
        }
        apic::Error::NotFound { text } => Outcome::Refused { code: "102".to_owned(), text: text.clone() },
        apic::Error::Target { .. } => Outcome::Refused { code: String::new(), text: error.to_string() },
        apic::Error::TooLarge { .. } => Outcome::TooLarge,
        apic::Error::Throttled { retry_after, .. } => {
            Outcome::Again(backoff.next_wait().max(retry_after.unwrap_or(Duration::ZERO)))
        }
        apic::Error::TakenBack => Outcome::Again(Duration::ZERO),
        apic::Error::Denied { .. } | apic::Error::BadCredentials { .. } => Outcome::Denied(error.to_string()),
        apic::Error::Connection { .. } | apic::Error::Certificate { .. } | apic::Error::Nonsense { .. } => {
            Outcome::Again(backoff.next_wait())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eepg::Mo;

    fn becomes(error: apic::Error) -> Outcome {
        outcome(&Err(NotWritten::Apic(error)), &mut Backoff::new(1))
    }

    #[test]
    fn what_would_fail_again_is_refused_and_what_may_not_is_tried_again() {
        let text = || "as it said".to_owned();
        let refused = |code: &str| Outcome::Refused { code: code.to_owned(), text: text() };
        let permanent = apic::Error::Refused { status: 400, code: "801".to_owned(), text: text() };
        assert_eq!(becomes(permanent), refused("801"));
        assert_eq!(becomes(apic::Error::NotFound { text: text() }), refused("102"));
        assert!(matches!(becomes(apic::Error::Target { dn: text() }), Outcome::Refused { .. }));
        assert_eq!(becomes(apic::Error::TooLarge { text: text() }), Outcome::TooLarge);
        assert!(matches!(becomes(apic::Error::Denied { text: text() }), Outcome::Denied(_)));
        let again_in = Duration::from_mins(1);
        assert!(matches!(
            becomes(apic::Error::BadCredentials { text: text(), again_in }),
            Outcome::Denied(_)
        ));
        let controller: Arc<str> = "apic1".into();
        for outcome_unknown in [false, true] {
            let lost =
                apic::Error::Connection { controller: controller.clone(), outcome_unknown, text: text() };
            assert!(matches!(becomes(lost), Outcome::Again(_)));
        }
        let certificate = apic::Error::Certificate { controller, presented: None, text: text() };
        assert!(matches!(becomes(certificate), Outcome::Again(_)));
        assert!(matches!(becomes(apic::Error::Nonsense { text: text() }), Outcome::Again(_)));
    }

    #[test]
    fn who_is_asked_to_wait_waits_as_long() {
        let retry_after = Some(Duration::from_secs(40));
        let throttled = apic::Error::Throttled { status: 503, text: String::new(), retry_after };
        let Outcome::Again(wait) = becomes(throttled) else { panic!() };
        assert!(wait >= Duration::from_secs(40), "{wait:?}");
    }

    #[test]
    fn waits_grow_until_something_is_written() {
        let lost = Err(NotWritten::Apic(apic::Error::Nonsense { text: String::new() }));
        let mut backoff = Backoff::new(1);
        let longest = |backoff: &mut Backoff| {
            let waits = (0..20).map(|_| outcome(&lost, backoff));
            waits.map(|wait| if let Outcome::Again(wait) = wait { wait } else { Duration::ZERO }).max()
        };
        assert!(longest(&mut backoff) > Some(Duration::from_secs(10)));
        assert_eq!(outcome(&Ok(()), &mut backoff), Outcome::Done);
        let Outcome::Again(wait) = outcome(&lost, &mut backoff) else { panic!() };
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
    }

    fn batch() -> Batch {
        let dn = "uni/tn-k8s/out-calico/instP-web".to_owned();
        Batch { id: 1, dn, body: Mo::new("l3extInstP"), changes: Vec::new(), since: None }
    }

    fn apic() -> model::Apic {
        model::Apic {
            name: "fabric1".into(),
            urls: vec!["http://127.0.0.1:1".into()],
            auth: model::Auth::Password { user: "tl".into(), password: model::Secret::new("secret") },
            trust: model::Trust::Insecure,
            requests_per_second: 1,
            burst: 1,
            full_compare_every: Duration::from_mins(5),
            batch_size: 500,
            caps: model::FabricCaps::default(),
        }
    }

    #[tokio::test]
    async fn what_was_taken_back_does_not_leave_and_is_decided_anew() {
        let clock = Clock::start();
        let (audit, _) = Audit::start(&super::super::Place::Nowhere).unwrap();
        let reader = Reader::new(&apic(), clock).unwrap();
        let writer = Writer::new(Mode::Enforce, &reader, &audit, &"0123456789abcdef".into()).unwrap();
        let written = writer.carry_out(batch(), Arc::new(AtomicBool::new(true)), clock).await;
        assert!(matches!(written.result, Err(NotWritten::Apic(apic::Error::TakenBack))), "{written:?}");
        assert!(reader.stats().requests.is_empty(), "not even a login");
        let again = outcome(&written.result, &mut Backoff::new(1));
        assert_eq!(again, Outcome::Again(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waited_for_too_long_does_not_leave() {
        let clock = Clock::start();
        let (audit, _) = Audit::start(&super::super::Place::Nowhere).unwrap();
        let slow = Reader::new(&apic(), clock).unwrap();
        let writer = Writer::new(Mode::Enforce, &slow, &audit, &"0123456789abcdef".into()).unwrap();
        // One request a second, and all before it have their turn first.
        let many = (0..40).map(|_| writer.clone().carry_out(batch(), TakenBack::default(), clock));
        let written = futures_util::future::join_all(many).await;
        let late =
            |written: &Written| matches!(written.result, Err(NotWritten::Apic(apic::Error::TakenBack)));
        assert!(written.iter().any(late));
    }
}
