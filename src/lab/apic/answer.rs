//! From a request to an answer, without a socket.

use serde::Serialize;

use super::log::{Counters, Entry, Log, MAX_BODY};
use super::query::{Query, Scope};
use super::reader;
use super::refusal::Refusal;
use super::session::{Roles, Sessions, User, cookies};
use super::signature::Signed;
use super::target::{Place, options};
use super::tree::{Change, Props, Tree};
use super::trouble::{Only, Trouble, Troubles};
use crate::eepg::Mo;
use crate::time::Timestamp;

/// All that the controllers share, and what each knows of its own.
pub(super) struct State {
    pub(super) tree: Tree,
    pub(super) saved: Option<Tree>,
    pub(super) users: Vec<User>,
    pub(super) roles: Roles,
    pub(super) sessions: Vec<Sessions>,
    /// Logins a second that a controller takes; none: all.
    pub(super) throttle: Option<u32>,
    pub(super) troubles: Troubles,
    pub(super) counters: Counters,
    pub(super) log: Log,
    pub(super) max_body: usize,
}

/// A request, read to its end.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Path and query as they came.
    pub(super) target: &'a str,
    /// The `Cookie` headers.
    pub(super) cookies: &'a [String],
    pub(super) body: &'a [u8],
    /// Who is asked, from 1.
    pub(super) controller: usize,
    pub(super) now: Timestamp,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) html: bool,
    pub(super) cookie: Option<String>,
}

/// How far an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// Half of its body.
    Cut,
    Nothing,
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "totalCount")]
    total: String,
    imdata: &'a [Mo],
}

impl Answer {
    fn objects(total: usize, objects: &[Mo]) -> Self {
        let envelope = Envelope { total: total.to_string(), imdata: objects };
        let body = serde_json::to_string(&envelope).unwrap_or_default();
        Self { status: 200, body, html: false, cookie: None }
    }

    fn refusal(refusal: &Refusal) -> Self {
        let error =
            Mo::new("error").with("code", refusal.code.to_string()).with("text", refusal.text.as_str());
        Self { status: refusal.status, ..Self::objects(1, &[error]) }
    }

    /// A page of the proxy before the APIC.
    pub(super) fn html(status: u16) -> Self {
        let reason = match status {
            404 => "Not Found",
            405 => "Not Allowed",
            413 => "Request Entity Too Large",
            429 => "Too Many Requests",
            500 => "Internal Server Error",
            502 => "Bad Gateway",
            503 => "Service Temporarily Unavailable",
            504 => "Gateway Time-out",
            _ => "Error",
        };
        let body = format!(
            "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self { status, body, html: true, cookie: None }
    }
}

impl State {
    /// Answers a request, and notes it.
    pub(super) fn serve(&mut self, request: &Request<'_>) -> (Answer, Delivery) {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        let place = Place::of(path);
        let kind = match place {
            Place::Login | Place::Refresh => Only::Logins,
            Place::Objects(_) if request.method == "GET" => Only::Reads,
            Place::Objects(_) => Only::Writes,
            _ => Only::All,
        };
        self.counters.requests += 1;
        let trouble = self.troubles.strike(kind, request.controller, request.now);
        self.counters.troubled += u64::from(trouble.is_some());
        let (answer, delivery) = match trouble {
            Some(Trouble::Status(status)) => (Answer::html(status), Delivery::Whole),
            Some(Trouble::DropBefore) => (Answer::html(503), Delivery::Nothing),
            Some(Trouble::DropAfter) => (self.answer(request, &place, query), Delivery::Nothing),
            Some(Trouble::Cut) => (self.answer(request, &place, query), Delivery::Cut),
            None => (self.answer(request, &place, query), Delivery::Whole),
        };
        let status = (delivery != Delivery::Nothing).then_some(answer.status);
        self.note(request, &place, status);
        (answer, delivery)
    }

    /// Notes a request, without the passwords in it.
    pub(super) fn note(&mut self, request: &Request<'_>, place: &Place, status: Option<u16>) {
        if let Some(status) = status {
            *self.counters.statuses.entry(status).or_default() += 1;
        }
        let body = match place {
            Place::Objects(_) => request.body.get(..MAX_BODY).unwrap_or(request.body),
            _ => &[],
        };
        self.log.add(Entry {
            at: request.now,
            controller: request.controller,
            method: request.method.to_owned(),
            target: request.target.to_owned(),
            body: String::from_utf8_lossy(body).into_owned(),
            status,
        });
    }

    fn answer(&mut self, request: &Request<'_>, place: &Place, query: &str) -> Answer {
        let answered = match place {
            Place::Login if request.method == "POST" => self.login(request),
            Place::Refresh if ["GET", "POST"].contains(&request.method) => self.refresh(request),
            Place::Logout if request.method == "POST" => self.logout(request),
            Place::Subscription => Err(Refusal::request("Subscriptions are not simulated")),
            Place::OtherFormat => Err(Refusal::request("Only JSON is simulated: let the path end in .json")),
            Place::Objects(scope) => self.who(request).and_then(|_| self.objects(request, scope, query)),
            Place::Nowhere => return Answer::html(404),
            _ => return Answer::html(405),
        };
        answered.unwrap_or_else(|refusal| Answer::refusal(&refusal))
    }

    fn sessions(&mut self, controller: usize) -> Option<&mut Sessions> {
        self.sessions.get_mut(controller.checked_sub(1)?)
    }

    fn throttled(&mut self, request: &Request<'_>) -> bool {
        let (rate, now) = (self.throttle, request.now);
        self.sessions(request.controller).is_some_and(|sessions| !sessions.admit(rate, now))
    }

    fn login(&mut self, request: &Request<'_>) -> Result<Answer, Refusal> {
        if self.throttled(request) {
            return Ok(Answer::html(503));
        }
        let mo = reader::read(request.body)?;
        if mo.class != "aaaUser" {
            return Err(Refusal::class(&mo.class));
        }
        let users = self.users.clone();
        let sessions = self.sessions(request.controller).ok_or_else(Refusal::password)?;
        let (token, session) = sessions.login(&users, mo.get("name"), mo.get("pwd"), request.now)?;
        self.counters.logins += 1;
        Ok(self.opened(&token, &session, request))
    }

    fn refresh(&mut self, request: &Request<'_>) -> Result<Answer, Refusal> {
        if self.throttled(request) {
            return Ok(Answer::html(503));
        }
        let tokens: Vec<_> = cookies(request.cookies, TOKEN).map(str::to_owned).collect();
        let sessions = self.sessions(request.controller).ok_or_else(Refusal::token)?;
        let refreshed = tokens.iter().find_map(|token| sessions.refresh(token, request.now));
        let (token, session) = refreshed.ok_or_else(Refusal::token)?;
        self.counters.refreshes += 1;
        Ok(self.opened(&token, &session, request))
    }

    fn opened(&self, token: &str, session: &super::session::Session, request: &Request<'_>) -> Answer {
        let reply = session.show(token, request.controller, &self.roles);
        let cookie = format!("APIC-cookie={token}; path=/; HttpOnly; Secure");
        Answer { cookie: Some(cookie), ..Answer::objects(1, &[reply]) }
    }

    fn logout(&mut self, request: &Request<'_>) -> Result<Answer, Refusal> {
        self.who(request)?;
        let tokens: Vec<_> = cookies(request.cookies, TOKEN).map(str::to_owned).collect();
        if let Some(sessions) = self.sessions(request.controller) {
            for token in &tokens {
                sessions.logout(token);
            }
        }
        Ok(Answer::objects(0, &[]))
    }

    /// The user who asks, by token or by signature.
    fn who(&mut self, request: &Request<'_>) -> Result<String, Refusal> {
        let Request { method, target, body, cookies: headers, .. } = *request;
        let signed = Signed { method, target, body, cookies: headers };
        if signed.is_signed() {
            return signed.user(&self.tree);
        }
        let now = request.now;
        let Some(sessions) = self.sessions(request.controller) else { return Err(Refusal::token()) };
        let session = cookies(headers, TOKEN).find_map(|token| sessions.of(token, now));
        session.map(|session| session.user.clone()).ok_or_else(Refusal::token)
    }

    fn objects(&mut self, request: &Request<'_>, scope: &Scope, query: &str) -> Result<Answer, Refusal> {
        match (request.method, scope) {
            ("GET", _) => self.get(request, scope, query),
            ("POST", Scope::Object(dn)) => self.post(request, dn, query),
            ("DELETE", Scope::Object(dn)) => {
                let class = self.tree.class_at(dn).map_or("?", |class| class.name);
                self.counters.write("DELETE", class);
                let changes = self.tree.delete_as(dn, &self.roles.write, request.now)?;
                self.counters.change(&changes);
                Ok(Answer::objects(0, &[]))
            }
            _ => Ok(Answer::html(405)),
        }
    }

    fn get(&mut self, request: &Request<'_>, scope: &Scope, query: &str) -> Result<Answer, Refusal> {
        let class = match scope {
            Scope::Object(dn) => self.tree.class_at(dn).map_or("?", |class| class.name).to_owned(),
            Scope::Class { classes, .. } => classes.join(","),
        };
        self.counters.read(&class);
        if self.roles.read.is_empty() {
            return Err(Refusal::role(&class, ""));
        }
        let options = options(query)?;
        let query = Query::read(options.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
        let page = self.tree.query(scope, &query, request.now)?;
        Ok(Answer::objects(page.total, &page.objects))
    }

    fn post(&mut self, request: &Request<'_>, dn: &str, query: &str) -> Result<Answer, Refusal> {
        let mo = reader::read(request.body).inspect_err(|_| self.counters.write("POST", "?"))?;
        self.counters.write("POST", &mo.class);
        let options = options(query)?;
        let answer = options.iter().find(|(name, _)| name == "rsp-subtree").map(|(_, value)| value.as_str());
        let (whole, _) = self.tree.locate(dn, &mo)?;
        let changes = self.tree.post_as(dn, &mo, &self.roles.write, request.now)?;
        self.counters.change(&changes);
        let objects = match answer {
            Some("modified") => self.modified(&changes),
            Some("full") => self.tree.whole(&whole).into_iter().collect(),
            _ => Vec::new(),
        };
        Ok(Answer::objects(objects.len(), &objects))
    }

    /// What changed, what stands below within what it stands in.
    fn modified(&self, changes: &[Change]) -> Vec<Mo> {
        let mut roots: Vec<Mo> = Vec::new();
        for change in changes {
            let object = self.tree.objects.get(&change.dn);
            let mut mo = match object {
                Some(object) => self.tree.show(&change.dn, object, Props::All, false),
                None => Mo::new(change.class).with("dn", change.dn.as_ref()),
            };
            mo = mo.with("status", change.what.name());
            put(&mut roots, mo);
        }
        roots
    }
}

/// Puts an object below the last one that it stands in.
fn put(siblings: &mut Vec<Mo>, mo: Mo) {
    let within = |above: &&mut Mo| mo.dn().strip_prefix(above.dn()).is_some_and(|rest| rest.starts_with('/'));
    match siblings.last_mut().filter(within) {
        Some(above) => put(&mut above.children, mo),
        None => siblings.push(mo),
    }
}

/// The cookie that carries the token.
const TOKEN: &str = "APIC-cookie";
