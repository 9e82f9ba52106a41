//! One APIC: its engine, the way to it, and what is under way there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::access::{NotWritten, Reader, TakenBack, Writer, Written, outcome};
use super::audit::Audit;
use super::trouble::Trouble;
use super::{ApicStatus, Histogram, Wrote};
use crate::apic::{self, Backoff, Roles};
use crate::config::Config;
use crate::config::model;
use crate::eepg::{Batch, Comparison, Engine, Identity, Next, Outcome, Scope, view};
use crate::observer::Reported;
use crate::time::{Clock, Timestamp};

/// How often roles are looked at again while some are missing.
const ROLES_AGAIN: Duration = Duration::from_mins(1);
/// How often in a row something may turn out not to be due after all.
const LOOKS: usize = 3;
/// Not before something else happens.
const NEVER: Timestamp = Timestamp::from_micros(u64::MAX);

/// What is to be done for a fabric, in a task of its own.
#[derive(Debug)]
pub(super) enum Errand {
    /// Log in, and see what we may do.
    Login(Reader),
    /// Read all of this.
    Compare(Reader, Scope),
    /// Write this, unless it is taken back.
    Write(Writer, Batch, TakenBack),
}

/// What is under way.
#[derive(Debug)]
pub(super) enum UnderWay {
    Login,
    Compare(Scope),
    /// A batch, by its number.
    Write(u64),
}

impl Errand {
    pub(super) fn under_way(&self) -> UnderWay {
        match self {
            Self::Login(_) => UnderWay::Login,
            Self::Compare(_, scope) => UnderWay::Compare(scope.clone()),
            Self::Write(_, batch, _) => UnderWay::Write(batch.id),
        }
    }
}

/// What a fabric is kept in step by.
#[derive(Debug)]
pub(super) struct Fabric {
    pub(super) engine: Engine,
    /// Told apart from others that had, or will have, the same name.
    pub(super) serial: u64,
    config: model::Apic,
    access: Option<(Reader, Option<Writer>)>,
    /// Of the writes that are under way.
    taken_back: TakenBack,
    backoff: Backoff,
    trouble: Trouble,
    /// When to look at our roles.
    login: Option<Timestamp>,
    /// When that was done last.
    looked: Timestamp,
    /// The classes that rules have us write.
    classes: BTreeSet<&'static str>,
}

/// What all fabrics share.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) clock: Clock,
    pub(super) audit: Audit,
    pub(super) instance: Arc<str>,
    /// Who keeps a record of what was written.
    pub(super) told: Option<mpsc::Sender<Wrote>>,
}

impl Common {
    /// Tells what an APIC did or refused; nobody waits for who is told.
    pub(super) fn tell(&self, apic: &Arc<str>, written: &Written) {
        let refused = match &written.result {
            Ok(()) => None,
            Err(NotWritten::Apic(error @ (apic::Error::Refused { .. } | apic::Error::NotFound { .. }))) => {
                Some(error.to_string())
            }
            // What comes again by itself is told when it is over.
            Err(_) => return,
        };
        if let Some(told) = &self.told {
            let changes = written.batch.changes.clone();
            // It may have gone, or be slow: the audit file has all of it.
            let _ = told.try_send(Wrote { at: written.at, apic: Arc::clone(apic), refused, changes });
        }
    }
}

impl Fabric {
    /// One for an `[[apic]]` of `config`.
    pub(super) fn new(apic: &model::Apic, config: &Config, common: &Common, serial: u64) -> Self {
        let now = common.clock.now();
        let name: Arc<str> = config.global.name.as_deref().unwrap_or_default().into();
        let identity = Identity { name, instance: Arc::clone(&common.instance) };
        let mut fabric = Self {
            engine: Engine::new(&apic.name, config, identity, now),
            serial,
            config: apic.clone(),
            access: None,
            taken_back: TakenBack::default(),
            backoff: Backoff::new(serial),
            trouble: Trouble::new(Arc::clone(&apic.name)),
            login: None,
            looked: now,
            classes: BTreeSet::new(),
        };
        fabric.classes = classes(&apic.name, config);
        fabric.connect(config, common);
        fabric
    }

    /// Takes over another configuration of it. No comparison may be under way.
    pub(super) fn reconfigure(&mut self, apic: &model::Apic, config: &Config, common: &Common) {
        self.take_back();
        self.engine.reconfigure(config, common.clock.now());
        let same = self.config == *apic && self.access.is_some();
        self.config = apic.clone();
        self.classes = classes(&apic.name, config);
        if same && let Some((reader, writer)) = &mut self.access {
            *writer = Writer::new(config.safety.mode, reader, &common.audit, &common.instance);
            self.login = Some(common.clock.now());
        } else {
            self.connect(config, common);
        }
    }

    fn connect(&mut self, config: &Config, common: &Common) {
        let reader = Reader::new(&self.config, common.clock);
        self.trouble.usable(reader.as_ref().err().map(ToString::to_string));
        self.access = reader.ok().map(|reader| {
            self.backoff = reader.backoff();
            let writer = Writer::new(config.safety.mode, &reader, &common.audit, &common.instance);
            (reader, writer)
        });
        self.login = Some(common.clock.now());
    }

    /// Writes that have not left yet do not leave any more: what they follow from is over.
    pub(super) fn take_back(&mut self) {
        std::mem::take(&mut self.taken_back).store(true, Relaxed);
    }

    /// Stops all writing, or goes on.
    pub(super) fn pause(&mut self, pause: Option<view::Pause>, now: Timestamp) {
        self.take_back();
        self.engine.pause(pause, now);
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.config.name
    }

    /// What is to be done now; else when to ask again.
    pub(super) fn next(&mut self, now: Timestamp) -> Result<Errand, Timestamp> {
        let Some((reader, writer)) = &self.access else { return Err(NEVER) };
        if self.login.is_some_and(|at| at <= now) {
            (self.login, self.looked) = (None, now);
            return Ok(Errand::Login(reader.clone()));
        }
        let mut wake = NEVER;
        for _ in 0..LOOKS {
            match self.engine.next(now) {
                Next::Compare(scope) => return Ok(Errand::Compare(reader.clone(), scope)),
                Next::Write => {
                    if let (Some(writer), Some(batch)) = (writer, self.engine.batch(now)) {
                        return Ok(Errand::Write(writer.clone(), batch, Arc::clone(&self.taken_back)));
                    }
                    // There was nothing after all, and now it is known when there will be.
                }
                Next::Wait(until) => {
                    wake = until;
                    break;
                }
            }
        }
        Err(wake.min(self.login.unwrap_or(wake)))
    }

    /// Answers whether it was written.
    pub(super) fn written(&mut self, written: &Written, now: Timestamp) -> bool {
        let Written { batch, result, .. } = written;
        let outcome = outcome(result, &mut self.backoff);
        match result {
            Err(NotWritten::Audit(why)) => self.trouble.audit(Some(why.to_string())),
            Ok(()) => {
                self.trouble.audit(None);
                self.trouble.answered(None, now);
            }
            Err(NotWritten::Apic(apic::Error::TakenBack)) => self.trouble.audit(None),
            Err(NotWritten::Apic(error)) => {
                self.trouble.audit(None);
                if let apic::Error::Denied { .. } = error {
                    // A role that was taken away is found out by looking.
                    self.login.get_or_insert(self.looked.after(ROLES_AGAIN));
                    self.trouble.answered(None, now);
                } else {
                    self.trouble.answered(Some(error), now);
                }
            }
        }
        self.say(written, &outcome);
        self.engine.answered(batch.id, outcome, now);
        result.is_ok()
    }

    fn say(&self, written: &Written, outcome: &Outcome) {
        let Written { batch, result, at } = written;
        let count =
            |operation: &str| batch.changes.iter().filter(|change| change.operation == operation).count();
        let (created, modified, deleted) = (count("create"), count("modify"), count("delete"));
        let (apic, dn) = (&*self.config.name, &*batch.dn);
        match (result, outcome) {
            (Ok(()), _) => {
                info!(apic, dn, created, modified, deleted, "written");
                if let Some(heard) = batch.since {
                    let seconds = at.since(heard).as_secs_f64();
                    debug!(apic, dn, batch = batch.id, seconds, "since the first route of it was heard");
                }
            }
            // What comes again by itself is told once it lasts.
            (Err(_), Outcome::Again(_)) => {
                debug!(
                    apic,
                    dn,
                    created,
                    modified,
                    deleted,
                    "not written, to be tried again: {}",
                    why(result)
                );
            }
            (Err(_), Outcome::TooLarge) => {
                debug!(apic, dn, "too large, to be sent in parts: {}", why(result));
            }
            (Err(_), _) => warn!(apic, dn, created, modified, deleted, "not written: {}", why(result)),
        }
    }

    /// A comparison that was begun at `begun` ended.
    pub(super) fn compared(
        &mut self,
        scope: &Scope,
        result: Result<Box<Comparison>, apic::Error>,
        begun: Timestamp,
        now: Timestamp,
    ) {
        self.trouble.answered(result.as_ref().err(), now);
        self.trouble.compared(scope, result.as_ref().err());
        match result {
            Ok(comparison) => {
                let (members, odd) = (comparison.found.members.len(), comparison.odd);
                let took = now.since(begun).as_secs_f64();
                debug!(apic = &**self.name(), ?scope, members, odd, took, "compared");
                self.engine.compared(*comparison, begun, now);
            }
            Err(error) => {
                debug!(apic = &**self.name(), ?scope, "not compared: {error}");
                self.engine.not_compared(scope, error.to_string(), now);
            }
        }
    }

    pub(super) fn logged_in(&mut self, result: &Result<Roles, apic::Error>, now: Timestamp) {
        self.trouble.answered(result.as_ref().err(), now);
        if let Ok(roles) = result {
            let missing = roles.missing(self.classes.iter().copied());
            self.trouble.roles(missing.iter().map(ToString::to_string).collect());
        }
        if result.is_err() || self.trouble.misses_roles() {
            self.login = Some(now.after(ROLES_AGAIN));
        }
    }

    /// The task of an errand ended without an answer.
    pub(super) fn broke_off(&mut self, what: &UnderWay, now: Timestamp) {
        match what {
            UnderWay::Login => self.login = Some(now.after(ROLES_AGAIN)),
            UnderWay::Compare(scope) => {
                self.engine.not_compared(scope, "the comparison broke off".to_owned(), now);
            }
            UnderWay::Write(batch) => {
                let wait = self.backoff.next_wait();
                self.engine.answered(*batch, Outcome::Again(wait), now);
            }
        }
    }

    /// Says what lasts; answers what is wrong now.
    pub(super) fn findings(&mut self, now: Timestamp) -> Vec<Reported> {
        self.trouble.silent(self.access.as_ref().and_then(|(reader, _)| {
            let seen = reader.stats();
            (!seen.up && !seen.requests.is_empty()).then_some(seen.controller)
        }));
        self.trouble.tell(now);
        let mut found = self.engine.findings(now);
        found.extend(self.trouble.findings());
        found
    }

    /// For metrics.
    pub(super) fn status(&self, now: Timestamp) -> ApicStatus {
        let eepgs = self.engine.eepgs(now);
        let mut status = ApicStatus {
            name: self.name().to_string(),
            compared: self.engine.last_compared(),
            counters: self.engine.counters(now),
            eepgs,
            ..ApicStatus::default()
        };
        if let Some((reader, _)) = &self.access {
            let seen = reader.stats();
            status.up = seen.up;
            let code = |code: &'static str| if code == "none" { "error" } else { code };
            let requests = seen.requests.iter();
            status.requests = requests.map(|(of, class, count)| (of.name(), code(class), *count)).collect();
            let latencies = seen.latencies.iter();
            status.durations = latencies.map(|of| (of.operation.name(), Histogram::of(of))).collect();
        }
        status
    }
}

/// The classes that the rules of an APIC have us write.
fn classes(apic: &str, config: &Config) -> BTreeSet<&'static str> {
    let mut classes = BTreeSet::new();
    for rule in config.eepgs.iter().filter(|rule| *rule.apic == *apic && rule.manage) {
        classes.extend(["l3extSubnet", "tagAnnotation"]);
        if rule.create {
            classes.insert("l3extInstP");
            classes.extend((!rule.contracts.provide.is_empty()).then_some("fvRsProv"));
            classes.extend((!rule.contracts.consume.is_empty()).then_some("fvRsCons"));
        }
    }
    for rule in config.redirects.iter().filter(|rule| *rule.apic == *apic) {
        classes.extend(["vnsRedirectDest", "tagAnnotation"]);
        classes.extend(rule.create.then_some("vnsSvcRedirectPol"));
        classes.extend(rule.health_group.is_some().then_some("vnsRsRedirectHealthGroup"));
        classes.extend(rule.ip_sla.is_some().then_some("vnsRsIPSLAMonitoringPol"));
    }
    classes
}

fn why(result: &Result<(), NotWritten>) -> String {
    match result {
        Ok(()) => String::new(),
        Err(NotWritten::Audit(why)) => format!("its line cannot be written to the audit file: {why}"),
        Err(NotWritten::Apic(error)) => error.to_string(),
    }
}
