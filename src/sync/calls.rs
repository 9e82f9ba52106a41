//! What is asked of the controller, answered by all its engines together.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tracing::{info, warn};

use super::audit::Ordered;
use super::fabric::Fabric;
use super::task::{NoObserver, Task};
use super::{Request, Status};
use crate::config::model::Mode;
use crate::eepg::{Answer, Refusal, view};
use crate::observer::Actor;
use crate::time::Timestamp;

/// How long an answer waits for the disk.
const DISK: Duration = Duration::from_secs(5);
/// Between the identifiers of the plans of several APICs.
const JOINT: &str = ".";

/// Something that somebody asked for.
struct Order {
    now: Timestamp,
    event: &'static str,
    about: Option<String>,
    actor: Option<Actor>,
}

impl Task {
    /// Who asked may have gone meanwhile: that is fine.
    pub(super) async fn answer(&mut self, actor: Option<Actor>, request: Request) -> Result<(), NoObserver> {
        let now = self.common.clock.now();
        let order = |event, about| Order { now, event, about, actor };
        match request {
            Request::Eepgs(answer) => drop(answer.send(self.eepgs(now))),
            Request::Members(dn, after, limit, answer) => {
                let members = |fabric: &Fabric| fabric.engine.members(&dn, after, limit, now);
                drop(answer.send(self.fabrics.iter().find_map(members)));
            }
            Request::Plan(offset, limit, requests, answer) => {
                drop(answer.send(self.plan(offset, limit, requests, now)));
            }
            Request::Holders(prefixes, answer) => drop(answer.send(self.holders(&prefixes))),
            Request::Why(vrf, prefix, answer) => drop(answer.send(self.why(&vrf, prefix, now))),
            Request::Status(answer) => drop(answer.send(self.status(now))),
            Request::Apply(answer) => {
                let outcome = self.apply(now);
                drop(answer.send(self.audited(order("apply", None), outcome)));
            }
            Request::Approve(id, answer) => {
                let outcome = self.approve(&id, now);
                drop(answer.send(self.audited(order("approve", Some(id)), outcome)));
            }
            Request::Pause(pause, answer) => {
                let event = if pause.is_some() { "pause" } else { "resume" };
                let about = pause.as_ref().map(|pause| pause.reason.clone());
                let outcome = self.pause(pause, now).await;
                drop(answer.send(self.audited(order(event, about), outcome)));
            }
            Request::Adopt(dn, answer) => {
                let outcome = self.adopt(&dn, now);
                drop(answer.send(self.audited(order("adopt", Some(dn)), outcome)));
            }
            Request::Release(dn, answer) => {
                let outcome = self.release(dn.as_deref(), now);
                drop(answer.send(self.audited(order("release", dn), outcome)));
            }
            Request::Reconfigure(config, answer) => {
                let done = self.reconfigure(config).await;
                let _ = answer.send(());
                return done;
            }
        }
        Ok(())
    }

    /// Has a line written of what was asked for, and what became of it.
    fn audited(&self, order: Order, answer: Answer) -> Answer {
        let Order { now, event, about, actor } = order;
        self.common.audit.note(&Ordered {
            time: now,
            event,
            instance: &self.common.instance,
            by: actor.as_ref().map(|actor| &*actor.name),
            client: actor.as_ref().map(|actor| actor.client),
            about: about.as_deref(),
            outcome: match &answer {
                Ok(_) => "done",
                Err(Refusal::Unknown(_)) => "unknown",
                Err(Refusal::Changed(_)) => "changed",
                Err(Refusal::Held(_)) => "held",
            },
            text: match &answer {
                Ok(text) => text.clone(),
                Err(refusal) => refusal.to_string(),
            },
        });
        answer
    }

    fn eepgs(&self, now: Timestamp) -> Vec<view::Eepg> {
        self.fabrics.iter().flat_map(|fabric| fabric.engine.eepgs(now)).collect()
    }

    fn holders(&self, prefixes: &[(Arc<str>, IpNet)]) -> Vec<Option<String>> {
        let holder = |(vrf, prefix): &(Arc<str>, IpNet)| {
            self.fabrics.iter().find_map(|fabric| fabric.engine.holder(vrf, *prefix))
        };
        prefixes.iter().map(holder).collect()
    }

    fn why(&self, vrf: &str, prefix: IpNet, now: Timestamp) -> String {
        match &self.fabrics[..] {
            [] => "no [[apic]] is configured".to_owned(),
            [one] => one.engine.why(vrf, prefix, now),
            several => {
                let line =
                    |fabric: &Fabric| format!("{}: {}", fabric.name(), fabric.engine.why(vrf, prefix, now));
                several.iter().map(line).collect::<Vec<_>>().join("; ")
            }
        }
    }

    /// The plans of all, one behind the other.
    fn plan(&mut self, offset: usize, limit: usize, requests: bool, now: Timestamp) -> view::Plan {
        let mut whole =
            view::Plan { mode: self.config.safety.mode.name().to_owned(), ..view::Plan::default() };
        let (mut skip, mut room) = (offset, limit);
        let mut ids = Vec::new();
        for (at, fabric) in self.fabrics.iter_mut().enumerate() {
            let plan = fabric.engine.plan(skip, room, requests, now);
            skip = skip.saturating_sub(plan.total);
            room = room.saturating_sub(plan.changes.len());
            whole.total += plan.total;
            whole.paused = whole.paused.or(plan.paused);
            whole.compared = if at == 0 { plan.compared } else { whole.compared.min(plan.compared) };
            whole.held.extend(plan.held);
            whole.changes.extend(plan.changes);
            whole.requests.extend(plan.requests);
            ids.push(plan.id);
        }
        whole.id = ids.join(JOINT);
        whole
    }

    fn status(&self, now: Timestamp) -> Status {
        let mut counts = view::Counts::default();
        for of in self.fabrics.iter().map(|fabric| fabric.engine.counts(now)) {
            counts.total += of.total;
            counts.desired += of.desired;
            counts.observed += of.observed;
            counts.pending += of.pending;
            counts.held += of.held;
        }
        Status {
            mode: self.config.safety.mode.name().to_owned(),
            counts,
            apics: self.fabrics.iter().map(|fabric| fabric.status(now)).collect(),
            convergence: self.convergence.clone(),
            audit_failures: self.common.audit.failures(),
        }
    }

    /// Nothing is written without an APIC, or in observe mode.
    fn writes(&self) -> Result<(), Refusal> {
        if self.fabrics.is_empty() {
            return Err(Refusal::Unknown("no [[apic]] is configured".to_owned()));
        }
        if self.config.safety.mode == Mode::Observe {
            let why =
                "safety.mode is \"observe\": nothing is written, `thirdleaf eepg plan` shows what would be";
            return Err(Refusal::Held(why.to_owned()));
        }
        Ok(())
    }

    fn apply(&mut self, now: Timestamp) -> Answer {
        self.writes()?;
        if let Some(pause) = self.saved.pause.as_ref().filter(|pause| pause.until > now) {
            return Err(Refusal::Held(format!("paused until {}: {}", pause.until, pause.reason)));
        }
        self.fabrics.iter_mut().for_each(|fabric| fabric.engine.compare_now(now));
        Ok("everything is compared now, and what no brake holds is written".to_owned())
    }

    /// All of a plan, or nothing of it.
    fn approve(&mut self, id: &str, now: Timestamp) -> Answer {
        self.writes()?;
        let plans: Vec<_> =
            self.fabrics.iter_mut().map(|fabric| fabric.engine.plan(0, 0, false, now)).collect();
        let whole = plans.iter().map(|plan| plan.id.as_str()).collect::<Vec<_>>().join(JOINT);
        let [fabric] = &mut self.fabrics[..] else {
            if whole != id {
                return Err(Refusal::Changed(whole));
            }
            let held = self.fabrics.iter_mut().zip(&plans).filter(|(_, plan)| !plan.held.is_empty());
            return all(held.map(|(fabric, plan)| fabric.engine.approve(&plan.id, now)));
        };
        // It may know more of its plans than the last.
        fabric.engine.approve(id, now)
    }

    async fn pause(&mut self, pause: Option<view::Pause>, now: Timestamp) -> Answer {
        for fabric in &mut self.fabrics {
            fabric.pause(pause.clone(), now);
        }
        let answer = if let Some(view::Pause { until, reason }) = &pause {
            warn!(%until, reason, "nothing is written to the APIC: paused");
            format!("nothing is written until {until}")
        } else {
            info!("writing to the APIC goes on: the pause is over");
            "writing goes on".to_owned()
        };
        self.saved.pause = pause;
        let (saved, place) = (self.saved.clone(), self.place.clone());
        let kept = tokio::task::spawn_blocking(move || saved.keep(&place));
        let why = match tokio::time::timeout(DISK, kept).await {
            Ok(Ok(Ok(true))) => return Ok(answer),
            Ok(Ok(Ok(false))) => "there is no global.state_dir to keep it in".to_owned(),
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the disk does not answer".to_owned(),
        };
        Ok(format!("{answer}; a restart forgets that: {why}"))
    }

    fn adopt(&mut self, dn: &str, now: Timestamp) -> Answer {
        self.writes()?;
        let mut last = Refusal::Unknown(format!("{dn} is not there"));
        for fabric in &mut self.fabrics {
            match fabric.engine.adopt(dn, now) {
                Err(Refusal::Unknown(why)) => last = Refusal::Unknown(why),
                answer => return answer,
            }
        }
        Err(last)
    }

    fn release(&mut self, dn: Option<&str>, now: Timestamp) -> Answer {
        self.writes()?;
        all(self.fabrics.iter_mut().map(|fabric| fabric.engine.release(dn, now)))
    }
}

/// What several engines answered: fine if one did what was asked; what is unknown to one may be another's.
fn all(answers: impl Iterator<Item = Answer>) -> Answer {
    let (mut done, mut refused) = (Vec::new(), None);
    for answer in answers {
        match answer {
            Ok(text) => done.push(text),
            Err(Refusal::Unknown(_)) if refused.is_some() => {}
            Err(refusal) => refused = Some(refusal),
        }
    }
    match refused {
        Some(refusal) if done.is_empty() || !matches!(refusal, Refusal::Unknown(_)) => Err(refusal),
        _ if done.is_empty() => Err(Refusal::Unknown("there is nothing that could be".to_owned())),
        _ => Ok(done.join("; ")),
    }
}
