//! Reads: all pages or none.
//!
//! Members are deleted because a read did not show that they are wanted, so half a read must never pass for a
//! whole one. A read is complete when every page but the last was full, no name came twice, and as many
//! objects came as `totalCount` said on every page, of one controller. Whatever order the APIC has, an object
//! that was missed then stands for one that came twice.
#![expect(clippy::disallowed_methods, reason = "reads wait before they repeat a request, and not forever")]

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use tokio::time::{sleep, timeout};

use super::answer::{Envelope, clean};
use super::client::{Client, FAILURES, Request};
use super::error::Error;
use super::query::{MOST, Query};
use super::roles::Roles;
use super::stats::Operation;
use super::target::Target;
use crate::eepg::Mo;
use crate::time::Timestamp;

/// Pages may change while they are read; if they do so every time, something else is wrong.
const RESTARTS: usize = 5;
/// Attempts at one page.
const ATTEMPTS: usize = 12;
/// Attempts at a request that was not sent: all failures of one controller, and one at the next.
const UNSENT: usize = FAILURES as usize + 1;
/// Pages are not made smaller.
const SMALLEST_PAGE: usize = 100;

/// A complete read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// What was made of the objects.
    pub found: T,
    /// How many there were.
    pub objects: usize,
    /// On so many pages.
    pub pages: usize,
    /// When the first page was asked for: no object is older news.
    pub started: Timestamp,
    /// From then to the end of the last page.
    pub took: Duration,
}

/// Why an attempt came to nothing.
enum Flaw {
    /// What was read does not fit together; another attempt may.
    Torn(String),
    /// The pages are too large.
    Large(Error),
    /// It is over.
    Final(Error),
}

impl From<Error> for Flaw {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLarge { .. } => Self::Large(error),
            other => Self::Final(other),
        }
    }
}

impl Client {
    /// Logs in if there is no session, and says what we may write, as far as the APIC tells.
    ///
    /// With certificates there is no login: our roles are read where the user stands in the tree.
    ///
    /// # Errors
    /// Whatever a request can meet; it is not repeated.
    pub async fn login(&self) -> Result<Roles, Error> {
        if let Some(roles) = self.inner.session_roles().await? {
            return Ok(roles);
        }
        let user = &self.inner.account.user;
        let query = Query::of(format!("uni/userext/user-{user}")).subtree(&["aaaUserRole", "aaaUserDomain"]);
        let read = self.list(&query).await?;
        Ok(Roles::of(user.clone(), &read.found))
    }

    /// Reads all that `query` asks for, a page at a time. Each attempt begins with `empty()` and gives `each` all
    /// objects, so that an attempt that came to nothing leaves nothing behind.
    ///
    /// Repeats what was throttled or did not arrive, with full jitter, and reads anew what changed meanwhile, as
    /// long as the query may take.
    ///
    /// # Errors
    /// The last one met, if it does not pass in time.
    pub async fn read<T>(
        &self,
        query: &Query,
        empty: impl Fn() -> T,
        mut each: impl FnMut(&mut T, Mo),
    ) -> Result<Read<T>, Error> {
        let mut last = None;
        let reading = self.attempts(query, &empty, &mut each, &mut last);
        let outcome = timeout(query.patience(), reading).await;
        outcome.unwrap_or_else(|_| {
            Err(last.unwrap_or_else(|| Error::Connection {
                controller: self.inner.controller(self.inner.current()),
                outcome_unknown: false,
                text: format!("{} was not read within {:?}", clean(query.subject()), query.patience()),
            }))
        })
    }

    /// The same for a few objects.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub async fn list(&self, query: &Query) -> Result<Read<Vec<Mo>>, Error> {
        self.read(query, Vec::new, Vec::push).await
    }

    async fn attempts<T>(
        &self,
        query: &Query,
        empty: &impl Fn() -> T,
        each: &mut impl FnMut(&mut T, Mo),
        last: &mut Option<Error>,
    ) -> Result<Read<T>, Error> {
        let mut size = query.objects_a_page(self.inner.settings.page_size);
        let mut restarts = 0;
        loop {
            match self.attempt(query, size, empty(), each, last).await {
                Ok(read) => return Ok(read),
                Err(Flaw::Final(error)) => return Err(error),
                Err(Flaw::Large(error)) if size <= SMALLEST_PAGE => return Err(error),
                Err(Flaw::Large(_)) => size = (size / 4).max(SMALLEST_PAGE),
                Err(Flaw::Torn(reason)) => {
                    restarts += 1;
                    let text = format!("{reason}, {restarts} times in a row");
                    let error = Error::Nonsense { text };
                    if restarts > RESTARTS {
                        return Err(error);
                    }
                    *last = Some(error);
                }
            }
            self.inner.stats.retried();
        }
    }

    /// All pages once.
    async fn attempt<T>(
        &self,
        query: &Query,
        size: usize,
        mut found: T,
        each: &mut impl FnMut(&mut T, Mo),
        last: &mut Option<Error>,
    ) -> Result<Read<T>, Flaw> {
        let started = self.inner.clock.now();
        let mut names = Names::default();
        let mut seen = 0;
        let mut first: Option<(usize, usize)> = None;
        for page in 0.. {
            let (body, at) = self.page(&query.target(page, size)?, last).await?;
            let mut twice = None;
            let read = Envelope::read(&body, |mo| {
                if let Some(stranger) = query.stranger(&mo) {
                    return Err(stranger);
                }
                if !names.add(mo.dn()) {
                    twice = Some(clean(mo.dn()));
                    return Err(String::new());
                }
                each(&mut found, mo);
                Ok(())
            });
            if let Some(dn) = twice {
                return Err(Flaw::Torn(format!("{dn} came twice")));
            }
            let Envelope { total, count } = read.map_err(|text| Flaw::Final(Error::Nonsense { text }))?;
            if total > MOST {
                let text = format!("{total} objects are more than any fabric has");
                return Err(Flaw::Final(Error::Nonsense { text }));
            }
            let (expected, controller) = *first.get_or_insert((total, at));
            if total != expected {
                return Err(Flaw::Torn(format!("there were {expected} objects at first and {total} then")));
            }
            if at != controller {
                return Err(Flaw::Torn("the controller changed between two pages".to_owned()));
            }
            let due = size.min(total - seen);
            if count != due {
                return Err(Flaw::Torn(format!("page {page} has {count} objects of {due}")));
            }
            seen += count;
            if seen == total {
                let took = self.inner.clock.now().since(started);
                return Ok(Read { found, objects: seen, pages: page + 1, started, took });
            }
        }
        Err(Flaw::Torn("there is no last page".to_owned()))
    }

    /// One page, and the controller that gave it.
    async fn page(&self, target: &Target, last: &mut Option<Error>) -> Result<(Bytes, usize), Error> {
        let mut backoff = self.backoff();
        let mut strangers = 0;
        for attempt in 1.. {
            let request =
                Request { operation: Operation::Read, method: Method::GET, target, body: Bytes::new() };
            let error = match self.inner.exchange(request).await {
                Err(error) => error,
                page => return page,
            };
            strangers += usize::from(matches!(error, Error::Certificate { .. }));
            let passes = match &error {
                Error::Throttled { .. } | Error::Connection { .. } => attempt < ATTEMPTS,
                Error::Certificate { .. } => strangers < self.inner.controllers.len(),
                _ => false,
            };
            if !passes {
                return Err(error);
            }
            let wait = backoff.next_wait();
            let wait = match &error {
                Error::Throttled { retry_after: Some(asked), .. } => wait.max(*asked),
                _ => wait,
            };
            *last = Some(error);
            self.inner.stats.retried();
            sleep(wait).await;
        }
        Err(Error::Nonsense { text: "nothing came".to_owned() })
    }

    /// Sends `body` to the object `dn`, as one request: all of it is carried out, or nothing.
    ///
    /// It is repeated after a new login, and if it was certainly not sent; whatever else is for the caller to
    /// repeat, who knows what it means.
    ///
    /// # Errors
    /// Whatever came back; after [`Error::Connection`] with `outcome_unknown` only a read shows what happened.
    pub async fn post(&self, dn: &str, body: &Mo) -> Result<(), Error> {
        let target = Target::mo(dn);
        let body = Bytes::from(body.to_string());
        let mut backoff = self.backoff();
        let mut unsent = 0;
        loop {
            let request = Request {
                operation: Operation::Write,
                method: Method::POST,
                target: &target,
                body: body.clone(),
            };
            let error = match self.inner.exchange(request).await {
                Ok((answer, _)) => return done(&answer),
                Err(error) => error,
            };
            unsent += 1;
            let again = match error {
                Error::Connection { outcome_unknown: false, .. } => unsent < UNSENT,
                Error::Certificate { .. } => unsent < self.inner.controllers.len(),
                _ => false,
            };
            if !again {
                return Err(error);
            }
            self.inner.stats.retried();
            sleep(backoff.next_wait()).await;
        }
    }
}

/// An answer to a write holds nothing, or what was changed.
fn done(answer: &[u8]) -> Result<(), Error> {
    if answer.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    Envelope::read(answer, |_| Ok(())).map(drop).map_err(|text| Error::Nonsense { text })
}

/// Which names there were, in eight bytes each. Two names that look the same to it cost a second attempt.
#[derive(Default)]
struct Names {
    chance: RandomState,
    seen: HashSet<u64>,
}

impl Names {
    fn add(&mut self, dn: &str) -> bool {
        self.seen.insert(self.chance.hash_one(dn))
    }
}
