//! Who changed what, and who was refused: each an event and a line of the log.

#![expect(clippy::disallowed_methods, reason = "tells later what it only counted")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::sleep;

use super::auth::{Ends, same_site};
use super::problem::{Problem, Told};
use super::{Shared, State};
use crate::observer::Actor;
use crate::observer::view::Event;
use crate::time::Timestamp;

/// Refusals that are told one by one within a [`SPELL`]; the rest is told as a number: who knocks all day fills neither
/// the log nor the journal.
const EACH: u32 = 10;
const SPELL: Duration = Duration::from_mins(1);

/// How many refusals were told lately: of those that have a token, whatever its scope, and of anybody. Who has none
/// cannot have it that the others go untold.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    known: Mutex<Spell>,
    anybody: Mutex<Spell>,
}

#[derive(Debug, Default)]
struct Spell {
    began: Timestamp,
    told: u32,
    untold: u64,
    /// Since the start.
    all: u64,
}

/// What becomes of a refusal.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Told,
    /// The first that is only counted: what is counted is told when the spell is over.
    CountedFirst,
    Counted,
}

impl Refusals {
    fn meet(&self, known: bool, now: Timestamp) -> Fate {
        let mut spell = self.spell(known);
        if now.since(spell.began) >= SPELL && spell.untold == 0 {
            *spell = Spell { began: now, all: spell.all, ..Spell::default() };
        }
        spell.all += 1;
        if spell.told < EACH {
            spell.told += 1;
            return Fate::Told;
        }
        spell.untold += 1;
        if spell.untold == 1 { Fate::CountedFirst } else { Fate::Counted }
    }

    /// How many there were since the start.
    pub(super) fn count(&self) -> u64 {
        self.spell(true).all + self.spell(false).all
    }

    fn take(&self, known: bool) -> u64 {
        std::mem::take(&mut self.spell(known).untold)
    }

    fn spell(&self, known: bool) -> MutexGuard<'_, Spell> {
        let spell = if known { &self.known } else { &self.anybody };
        spell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a request through that may change something. Who does not wait for the answer has it done all the same: it is
/// followed to its end, so that it is told.
pub(super) async fn follow(state: State, ends: Ends, request: Request, next: Next) -> Response {
    let broken = |_| {
        let message = "what was asked for broke off";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).into_response()
    };
    tokio::spawn(through(state, ends, request, next)).await.unwrap_or_else(broken)
}

/// Lets it through, and tells if it was refused.
async fn through(state: State, ends: Ends, request: Request, next: Next) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    let response = match same_site(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let why = response.extensions().get::<Told>().map_or_else(|| status.to_string(), ToString::to_string);
        state.refused(&ends, status, &format!("{what} refused: {why}"));
    }
    response
}

impl Shared {
    /// Tells what somebody did; `about` says whom it concerns.
    pub(super) fn did(&self, actor: &Actor, kind: &str, text: &str, about: impl FnOnce(&mut Event)) {
        let mut event = actor.event(self.app.clock.now(), kind, text);
        about(&mut event);
        self.app.observer.events().append([event]);
    }

    /// Tells of a change that was not made.
    fn refused(self: &Arc<Self>, ends: &Ends, status: StatusCode, text: &str) {
        let now = self.app.clock.now();
        let access = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        let kind = if access { "access_refused" } else { "change_refused" };
        let (client, actor) = (ends.client, ends.who());
        match self.refusals.meet(actor.is_some(), now) {
            Fate::Told => {
                tracing::warn!(%client, actor, "{text}");
                let event = match ends.actor() {
                    Some(actor) => actor.event(now, kind, text),
                    None => Event {
                        at: now,
                        kind: kind.to_owned(),
                        text: format!("{text} (from {client})"),
                        ..Event::default()
                    },
                };
                self.app.observer.events().append([event]);
            }
            Fate::CountedFirst => drop(tokio::spawn(Arc::clone(self).tell_rest(actor.is_some()))),
            Fate::Counted => {}
        }
    }

    /// Tells how many were refused beside those that were told.
    async fn tell_rest(self: Arc<Self>, known: bool) {
        let mut stop = self.app.stop.clone();
        tokio::select! {
            () = sleep(SPELL) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        let whose = if known { " of those who have a token" } else { "" };
        let text = format!("{} more changes{whose} were refused within a minute", self.refusals.take(known));
        tracing::warn!("{text}");
        let at = self.app.clock.now();
        let event = Event { at, kind: "access_refused".to_owned(), text, ..Event::default() };
        self.app.observer.events().append([event]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted() {
        let refusals = Refusals::default();
        let at = |second| Timestamp::from_micros(1_700_000_000_000_000).after(Duration::from_secs(second));
        for _ in 0..EACH {
            assert_eq!(refusals.meet(false, at(0)), Fate::Told);
        }
        assert_eq!(refusals.meet(false, at(1)), Fate::CountedFirst);
        assert_eq!(refusals.meet(false, at(2)), Fate::Counted);
        // Others are told of all the same.
        assert_eq!(refusals.meet(true, at(2)), Fate::Told);
        // What is counted is told before anything else is.
        assert_eq!(refusals.meet(false, at(90)), Fate::Counted);
        assert_eq!(refusals.take(false), 3);
        assert_eq!(refusals.meet(false, at(91)), Fate::Told);
        assert_eq!(refusals.count(), u64::from(EACH) + 5);
    }
}
