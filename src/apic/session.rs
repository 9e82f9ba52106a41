//! Who we are at a controller: a session by password, or a signature of each request.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tracing::{debug, info};

use super::client::{Inner, Request};
use super::error::{Error, Unusable};
use super::roles::Roles;
use super::sign::Signer;
use super::stats::Operation;
use super::target::Target;
use super::token::{Token, Wish};
use crate::config::model::{Apic, Auth, Secret};
use crate::eepg::Mo;
use crate::time::Timestamp;

/// After credentials were refused: many APICs lock a user out after a few attempts in vain.
const FIRST_LOCK_OUT: Duration = Duration::from_mins(1);
/// At last.
const LONGEST_LOCK_OUT: Duration = Duration::from_mins(10);
/// A 403 to a token that is younger, and that is not said to be invalid, is about roles: a new login would
/// change nothing.
const YOUNG: Duration = Duration::from_mins(1);

/// Who we are.
pub(super) struct Account {
    pub(super) user: Arc<str>,
    proof: Proof,
}

enum Proof {
    /// A session at each controller: a token of one is not promised to serve at another.
    Password { password: Secret, sessions: Vec<Mutex<Session>> },
    /// A signature.
    Certificate(Box<Signer>),
}

/// Its lock is held during a login, so that there is one at a time and all who wait get its outcome.
#[derive(Default)]
struct Session {
    token: Option<Token>,
    /// Tokens that there were.
    tokens: u64,
    roles: Option<Roles>,
    /// The last login in vain.
    failed: Option<(Timestamp, Error)>,
}

impl Session {
    /// The number of the next token.
    const fn next(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }
}

/// How long nobody asks because credentials were refused. The controllers share the accounts.
#[derive(Default)]
pub(super) struct LockOut {
    until: Timestamp,
    wait: Duration,
    text: String,
}

impl LockOut {
    fn refused(&mut self, text: String, now: Timestamp) -> Error {
        if now >= self.until {
            self.wait = (self.wait * 2).clamp(FIRST_LOCK_OUT, LONGEST_LOCK_OUT);
            self.until = now.after(self.wait);
        }
        self.text.clone_from(&text);
        Error::BadCredentials { text, again_in: self.until.since(now) }
    }

    fn check(&self, now: Timestamp) -> Result<(), Error> {
        if now >= self.until {
            return Ok(());
        }
        Err(Error::BadCredentials { text: self.text.clone(), again_in: self.until.since(now) })
    }
}

impl Account {
    /// That of the configuration.
    pub(super) fn new(config: &Apic) -> Result<Self, Unusable> {
        let proof = match &config.auth {
            Auth::Password { password, .. } => {
                let sessions = config.urls.iter().map(|_| Mutex::default()).collect();
                Proof::Password { password: password.clone(), sessions }
            }
            Auth::Certificate { user, cert_name, key } => {
                Proof::Certificate(Box::new(Signer::new(&config.name, user, cert_name, key)?))
            }
        };
        Ok(Self { user: config.auth.user().clone(), proof })
    }
}

/// What proves who sends a request.
struct Pass {
    cookie: HeaderValue,
    /// The token in it, if it is one.
    token: Option<Token>,
}

impl Inner {
    /// One request at the current controller, with a new login if the token was not taken; its body, and where
    /// it was answered.
    pub(super) async fn exchange(&self, request: Request<'_>) -> Result<(Bytes, usize), Error> {
        self.turn(request.operation).await;
        request.may_leave()?;
        let at = self.current();
        let outcome = self.authenticated(at, &request).await;
        self.tell(&outcome);
        outcome.map(|body| (body, at))
    }

    async fn authenticated(&self, at: usize, request: &Request<'_>) -> Result<Bytes, Error> {
        let pass = self.pass_of(at, request, None).await.map_err(Error::before_sending)?;
        let refusal = match self.passed(at, request, &pass).await {
            Err(refusal @ (Error::Denied { .. } | Error::BadCredentials { .. })) => refusal,
            other => {
                if other.is_ok() && pass.token.is_none() {
                    self.taken();
                }
                return other;
            }
        };
        let Some(token) = &pass.token else {
            return Err(self.refused_signature(refusal));
        };
        if !self.wants_login(&refusal, token) {
            return Err(refusal);
        }
        let pass = self.pass_of(at, request, Some(token.number)).await.map_err(Error::before_sending)?;
        self.stats.retried();
        self.turn(request.operation).await;
        match self.passed(at, request, &pass).await {
            // The login was taken just now: it is not the credentials.
            Err(Error::BadCredentials { text, .. }) => Err(Error::Denied { text }),
            other => other,
        }
    }

    /// Without a session there is nothing to renew; whoever is not known is not asked for again at once.
    fn refused_signature(&self, refusal: Error) -> Error {
        match refusal {
            Error::BadCredentials { text, .. } => self.locked_out(text),
            other => other,
        }
    }

    fn wants_login(&self, refusal: &Error, token: &Token) -> bool {
        let Error::Denied { text } = refusal else { return true };
        text.to_ascii_lowercase().contains("token") || self.clock.now().since(token.issued) >= YOUNG
    }

    async fn passed(&self, at: usize, request: &Request<'_>, pass: &Pass) -> Result<Bytes, Error> {
        let mut answer = self.send(at, request, Some(pass.cookie.clone())).await?;
        if let Some(token) = &pass.token {
            answer.hide(token.bare());
        }
        answer.classified().map(Bytes::from)
    }

    /// A token that is not the one with number `not`, or a signature.
    async fn pass_of(&self, at: usize, request: &Request<'_>, not: Option<u64>) -> Result<Pass, Error> {
        match &self.account.proof {
            Proof::Certificate(signer) => {
                self.check_lock_out()?;
                let cookie = signer.cookies(&request.method, request.target, &request.body);
                let cookie = cookie.ok_or_else(|| nonsense("our key signs nothing"))?;
                Ok(Pass { cookie, token: None })
            }
            Proof::Password { password, sessions } => {
                let token = self.token(at, sessions, password, not).await?;
                Ok(Pass { cookie: token.cookie.clone(), token: Some(token) })
            }
        }
    }

    async fn token(
        &self,
        at: usize,
        sessions: &[Mutex<Session>],
        password: &Secret,
        not: Option<u64>,
    ) -> Result<Token, Error> {
        let session = sessions.get(at).ok_or_else(|| nonsense("there is no such controller"))?;
        let asked = self.clock.now();
        let mut session = session.lock().await;
        if let Some(token) = session.token.clone().filter(|token| Some(token.number) != not) {
            match token.wish(self.clock.now()) {
                Wish::Nothing => return Ok(token),
                Wish::Refresh => {
                    if let Some(token) = self.refreshed(at, &mut session, token).await {
                        return Ok(token);
                    }
                }
                Wish::Login => {}
            }
        }
        self.check_lock_out()?;
        // Who waited for a login that failed meanwhile does not try the same once more.
        if let Some((when, error)) = &session.failed
            && *when > asked
        {
            return Err(error.clone());
        }
        let outcome = self.log_in(at, &mut session, password).await;
        session.failed = outcome.as_ref().err().map(|error| (self.clock.now(), error.clone()));
        outcome
    }

    /// A younger token, or the old one as long as it serves; none, if that takes a login.
    async fn refreshed(&self, at: usize, session: &mut Session, mut token: Token) -> Option<Token> {
        let target = Target::of("/api/aaaRefresh.json", None);
        let request = Request {
            operation: Operation::Refresh,
            method: Method::GET,
            target: &target,
            body: Bytes::new(),
            may: None,
        };
        self.turn(Operation::Refresh).await;
        let sent = self.clock.now();
        let pass = Pass { cookie: token.cookie.clone(), token: Some(token.clone()) };
        match self.passed(at, &request, &pass).await {
            Ok(body) => {
                let (younger, _) = Token::read(&body, sent, session.next(), Some(&token)).ok()?;
                debug!(apic = %self.name, "token refreshed");
                self.stats.token(younger.issued, younger.expires);
                session.token = Some(younger.clone());
                Some(younger)
            }
            Err(Error::Throttled { .. } | Error::Connection { .. }) => {
                let now = self.clock.now();
                token.postpone_refresh(now);
                session.token = Some(token.clone());
                (token.wish(now) != Wish::Login).then_some(token)
            }
            Err(_) => None,
        }
    }

    async fn log_in(&self, at: usize, session: &mut Session, password: &Secret) -> Result<Token, Error> {
        session.token = None;
        let target = Target::of("/api/aaaLogin.json", None);
        let user = &self.account.user;
        let body = Mo::new("aaaUser").with("name", &**user).with("pwd", password.expose());
        let body = Bytes::from(body.to_string());
        let (operation, method) = (Operation::Login, Method::POST);
        let request = Request { operation, method, target: &target, body, may: None };
        self.turn(Operation::Login).await;
        let sent = self.clock.now();
        let mut answer = self.send(at, &request, None).await?;
        answer.hide(password.expose());
        let body = match answer.classified() {
            Ok(body) => body,
            Err(Error::BadCredentials { text, .. } | Error::Denied { text }) => {
                return Err(self.locked_out(text));
            }
            Err(error) => return Err(error),
        };
        let (token, reply) = Token::read(&body, sent, session.next(), None)
            .map_err(|text| nonsense(&format!("in that to a login, {text}")))?;
        self.taken();
        self.stats.token(token.issued, token.expires);
        info!(apic = %self.name, controller = %self.controller(at), %user, "logged in");
        session.roles = Some(Roles::of(user.clone(), &reply.children));
        session.token = Some(token.clone());
        Ok(token)
    }

    /// What our session at the current controller may write, after a login if there is none; nothing, if we have
    /// none because we sign.
    pub(super) async fn session_roles(&self) -> Result<Option<Roles>, Error> {
        let Proof::Password { password, sessions } = &self.account.proof else { return Ok(None) };
        let at = self.current();
        let outcome = self.token(at, sessions, password, None).await;
        self.tell(&outcome);
        outcome?;
        let Some(session) = sessions.get(at) else { return Ok(None) };
        Ok(session.lock().await.roles.clone())
    }

    fn locked_out(&self, text: String) -> Error {
        self.lock_out.lock().unwrap_or_else(PoisonError::into_inner).refused(text, self.clock.now())
    }

    /// Our credentials are good.
    fn taken(&self) {
        *self.lock_out.lock().unwrap_or_else(PoisonError::into_inner) = LockOut::default();
    }

    fn check_lock_out(&self) -> Result<(), Error> {
        self.lock_out.lock().unwrap_or_else(PoisonError::into_inner).check(self.clock.now())
    }
}

fn nonsense(text: &str) -> Error {
    Error::Nonsense { text: text.to_owned() }
}
