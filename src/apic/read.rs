//! Reads: all pages or none.
//!
//! What is written and deleted hangs on what was read, so half a read must never pass for a whole one. A read is
//! complete when all its pages came from one controller, with one `totalCount`, and had as many objects as they
//! should, none twice.
//!
//! That would not show that an object before the end of a page was deleted, and another one made after it: the
//! first of the next page would be missed. So pages overlap, and the next one has to begin with what the one
//! before ended with. As page `n` of size `s` begins at `n * s`, pages overlap if each is one object smaller
//! than the one before: page `n` then repeats `n` objects.
#![expect(clippy::disallowed_methods, reason = "reads wait before they repeat a request, and not forever")]

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use tokio::time::{sleep, timeout};

use super::answer::{Envelope, clean};
use super::client::{Client, FAILURES, May, Request};
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
/// Pages are not made smaller; this size reaches 250,000 objects.
const SMALLEST_PAGE: usize = 1000;
/// After so many attempts each class is read by itself: it may be that the APIC orders the names of one class only.
const PATIENCE: usize = 2;

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
    /// The pages are too small: they get no further.
    Small,
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
        let mut backoff = self.backoff();
        let mut parts = vec![query.clone()];
        let mut restarts = 0;
        loop {
            match self.attempt(&parts, size, empty(), each, last).await {
                Ok(read) => return Ok(read),
                Err(Flaw::Final(error)) => return Err(error),
                Err(Flaw::Large(error)) if size <= SMALLEST_PAGE => return Err(error),
                Err(Flaw::Large(_)) => size = (size / 4).max(SMALLEST_PAGE),
                Err(Flaw::Small) => size *= 2,
                Err(Flaw::Torn(reason)) => {
                    restarts += 1;
                    let error = Error::Nonsense { text: format!("{reason}, {restarts} times in a row") };
                    if restarts > RESTARTS {
                        return Err(error);
                    }
                    *last = Some(error);
                    if restarts == PATIENCE {
                        parts = query.by_class();
                    }
                    sleep(backoff.next_wait()).await;
                }
            }
            self.inner.stats.retried();
        }
    }

    /// All pages of all parts, once.
    async fn attempt<T>(
        &self,
        parts: &[Query],
        size: usize,
        mut found: T,
        each: &mut impl FnMut(&mut T, Mo),
        last: &mut Option<Error>,
    ) -> Result<Read<T>, Flaw> {
        let started = self.inner.clock.now();
        let mut pages = Pages { size, controller: None, read: 0, names: Names::default() };
        for part in parts {
            self.part(part, &mut pages, &mut |mo| each(&mut found, mo), last).await?;
        }
        let took = self.inner.clock.now().since(started);
        Ok(Read { found, objects: pages.names.seen.len(), pages: pages.read, started, took })
    }

    async fn part(
        &self,
        query: &Query,
        pages: &mut Pages,
        each: &mut impl FnMut(Mo),
        last: &mut Option<Error>,
    ) -> Result<(), Flaw> {
        let mut objects = None;
        let mut before: Vec<u64> = Vec::new();
        for page in 0.. {
            // It repeats as many objects as its number says.
            let rows = pages.size.saturating_sub(page);
            if rows <= page {
                return Err(Flaw::Small);
            }
            let (body, at) = self.page(&query.target(page, rows)?, last).await?;
            let repeated = before.split_off(before.len().saturating_sub(page));
            before.clear();
            let mut torn = None;
            let read = Envelope::read(&body, |mo| {
                if let Some(stranger) = query.stranger(&mo) {
                    return Err(stranger);
                }
                let name = pages.names.of(&mo);
                let fits = match repeated.get(before.len()) {
                    Some(known) => *known == name,
                    None => pages.names.seen.insert(name),
                };
                if !fits {
                    torn = Some(clean(mo.dn()));
                    return Err(String::new());
                }
                if before.len() >= repeated.len() {
                    each(mo);
                }
                before.push(name);
                Ok(())
            });
            if let Some(dn) = torn {
                return Err(Flaw::Torn(format!("page {page} has {dn} out of place")));
            }
            let Envelope { total, count } = read.map_err(|text| Flaw::Final(Error::Nonsense { text }))?;
            if total > MOST {
                let text = format!("{total} objects are more than any fabric has");
                return Err(Flaw::Final(Error::Nonsense { text }));
            }
            let expected = *objects.get_or_insert(total);
            if total != expected {
                return Err(Flaw::Torn(format!("there were {expected} objects at first and {total} then")));
            }
            if at != *pages.controller.get_or_insert(at) {
                return Err(Flaw::Torn("the controller changed between two pages".to_owned()));
            }
            let due = rows.min(total.saturating_sub(page * rows));
            if count != due {
                return Err(Flaw::Torn(format!("page {page} has {count} objects of {due}")));
            }
            pages.read += 1;
            if page * rows + count == total {
                return Ok(());
            }
        }
        Err(Flaw::Torn("there is no last page".to_owned()))
    }

    /// One page, and the controller that gave it.
    async fn page(&self, target: &Target, last: &mut Option<Error>) -> Result<(Bytes, usize), Error> {
        let mut backoff = self.backoff();
        let mut strangers = 0;
        for attempt in 1.. {
            let (operation, method) = (Operation::Read, Method::GET);
            let request = Request { operation, method, target, body: Bytes::new(), may: None };
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
        self.post_if(dn, body, &|| true).await
    }

    /// The same, unless it may not be sent any more once its turn has come: that can take minutes while the APIC
    /// asks us to wait, and what it follows from may be over by then.
    ///
    /// # Errors
    /// As [`Client::post`], and [`Error::TakenBack`].
    pub async fn post_if(&self, dn: &str, body: &Mo, may: May<'_>) -> Result<(), Error> {
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
                may: Some(may),
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

/// The pages of one attempt.
struct Pages {
    /// Objects of the first.
    size: usize,
    /// Who gave them.
    controller: Option<usize>,
    /// How many there were.
    read: usize,
    names: Names,
}

/// Which names there were, in eight bytes each. Two names that look the same to it cost another attempt.
#[derive(Default)]
struct Names {
    chance: RandomState,
    seen: HashSet<u64>,
}

impl Names {
    fn of(&self, mo: &Mo) -> u64 {
        self.chance.hash_one(mo.dn())
    }
}
