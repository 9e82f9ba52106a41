//! Who asks: passwords, tokens and their time, how fast one may log in.

use std::collections::HashMap;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::post::ADMIN;
use super::refusal::Refusal;
use super::tree::VERSION;
use crate::eepg::Mo;
use crate::time::Timestamp;

/// Seconds until a token must have been refreshed.
pub(super) const REFRESH_TIMEOUT: u64 = 600;

/// Seconds until one must log in again.
pub(super) const LIFETIME: u64 = 86_400;

/// Sessions of one controller at once.
const MAX_SESSIONS: usize = 1000;

/// A name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name, without a login domain.
    pub name: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What users may: the names of their roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Read.
    pub read: Vec<String>,
    /// Write.
    pub write: Vec<String>,
}

impl Default for Roles {
    fn default() -> Self {
        Self { read: vec![ADMIN.to_owned()], write: vec![ADMIN.to_owned()] }
    }
}

/// The sessions of one controller.
#[derive(Default)]
pub(super) struct Sessions {
    by_token: HashMap<String, Session>,
    /// The second in which somebody logged in last, and how often then.
    logins: (u64, u32),
}

#[derive(Clone)]
pub(super) struct Session {
    pub(super) user: String,
    opened: Timestamp,
    refreshed: Timestamp,
}

impl Session {
    fn lives(&self, now: Timestamp) -> bool {
        now.since(self.refreshed).as_secs() < REFRESH_TIMEOUT && now.since(self.opened).as_secs() < LIFETIME
    }

    /// As the reply to a login or a refresh shows it.
    pub(super) fn show(&self, token: &str, controller: usize, roles: &Roles) -> Mo {
        let named = |class: &'static str, roles: &[String]| {
            let role = |role: &String| Mo::new("role").with("name", role.as_str());
            Mo { children: roles.iter().map(role).collect(), ..Mo::new(class) }
        };
        let domain = Mo::new("aaaUserDomain")
            .with("name", "all")
            .with("rolesR", roles.read.join(","))
            .with("rolesW", roles.write.join(","))
            .holding(named("aaaReadRoles", &roles.read))
            .holding(named("aaaWriteRoles", &roles.write));
        let seconds = |at: Timestamp| at.as_secs().to_string();
        Mo::new("aaaLogin")
            .with("token", token)
            .with("siteFingerprint", "SimulatedByThird")
            .with("urlToken", "")
            .with("refreshTimeoutSeconds", REFRESH_TIMEOUT.to_string())
            .with("maximumLifetimeSeconds", LIFETIME.to_string())
            .with("guiIdleTimeoutSeconds", "1200")
            .with("restTimeoutSeconds", "90")
            .with("creationTime", seconds(self.refreshed))
            .with("firstLoginTime", seconds(self.opened))
            .with("userName", self.user.as_str())
            .with("remoteUser", "false")
            .with("unixUserId", "15374")
            .with("sessionId", STANDARD.encode(seconds(self.opened)))
            .with("lastName", "")
            .with("firstName", "")
            .with("changePassword", "no")
            .with("version", VERSION)
            .with("buildTime", "Mon Jan 01 00:00:00 UTC 2024")
            .with("node", format!("topology/pod-1/node-{controller}"))
            .holding(domain)
    }
}

impl Sessions {
    /// Whether one more may log in or refresh in this second.
    pub(super) fn admit(&mut self, per_second: Option<u32>, now: Timestamp) -> bool {
        let Some(rate) = per_second else { return true };
        if self.logins.0 != now.as_secs() {
            self.logins = (now.as_secs(), 0);
        }
        self.logins.1 = self.logins.1.saturating_add(1);
        self.logins.1 <= rate
    }

    /// # Errors
    /// A user or a password that there is not.
    pub(super) fn login(
        &mut self,
        users: &[User],
        name: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<(String, Session), Refusal> {
        let name = local(name).ok_or_else(Refusal::password)?;
        let known = users.iter().any(|user| user.name == name && user.password == password);
        if !known {
            return Err(Refusal::password());
        }
        Ok(self.open(Session { user: name.to_owned(), opened: now, refreshed: now }, now))
    }

    /// A new token for who has one; the former keeps its own time.
    pub(super) fn refresh(&mut self, token: &str, now: Timestamp) -> Option<(String, Session)> {
        let session = self.of(token, now)?.clone();
        Some(self.open(Session { refreshed: now, ..session }, now))
    }

    fn open(&mut self, session: Session, now: Timestamp) -> (String, Session) {
        if self.by_token.len() >= MAX_SESSIONS {
            self.by_token.retain(|_, session| session.lives(now));
        }
        if self.by_token.len() >= MAX_SESSIONS {
            self.by_token.clear();
        }
        let mut octets = [0; 120];
        _ = rand::fill(&mut octets);
        let token = STANDARD.encode(octets);
        self.by_token.insert(token.clone(), session.clone());
        (token, session)
    }

    pub(super) fn of(&self, token: &str, now: Timestamp) -> Option<&Session> {
        self.by_token.get(token).filter(|session| session.lives(now))
    }

    pub(super) fn logout(&mut self, token: &str) {
        self.by_token.remove(token);
    }

    /// Forgets all tokens.
    pub(super) fn drop_all(&mut self) {
        self.by_token.clear();
    }
}

/// The name of a user without the login domain, which must be the local one.
fn local(name: &str) -> Option<&str> {
    let Some(rest) = name.strip_prefix("apic").and_then(|rest| rest.strip_prefix(['#', ':'])) else {
        return Some(name);
    };
    let (domain, user) = rest.split_once('\\')?;
    ["local", "fallback"].iter().any(|known| domain.eq_ignore_ascii_case(known)).then_some(user)
}

/// The values of a cookie, however it came: clients send back whole `Set-Cookie` lines, and write the name as
/// they like.
pub(super) fn cookies<'a>(headers: &'a [String], name: &str) -> impl Iterator<Item = &'a str> {
    headers.iter().flat_map(|header| header.split(';')).filter_map(move |cookie| {
        let (key, value) = cookie.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_763_740_000_000_000 + seconds * 1_000_000)
    }

    fn users() -> Vec<User> {
        vec![User { name: "thirdleaf".to_owned(), password: "secret".to_owned() }]
    }

    #[test]
    fn tokens_end_unless_refreshed_and_in_a_day_at_any_rate() {
        let mut sessions = Sessions::default();
        let (first, _) = sessions.login(&users(), "thirdleaf", "secret", at(0)).unwrap();
        assert!(sessions.of(&first, at(599)).is_some());
        assert!(sessions.of(&first, at(600)).is_none());
        let mut token = first;
        for minute in 1..=143 {
            token = sessions.refresh(&token, at(minute * 599)).unwrap().0;
        }
        let (last, _) = sessions.refresh(&token, at(86_200)).unwrap();
        assert!(sessions.of(&last, at(86_399)).is_some());
        assert!(sessions.of(&last, at(86_400)).is_none());
    }

    #[test]
    fn names_may_carry_the_local_domain() {
        let mut sessions = Sessions::default();
        for name in ["thirdleaf", r"apic#LOCAL\thirdleaf", r"apic:local\thirdleaf"] {
            assert!(sessions.login(&users(), name, "secret", at(0)).is_ok(), "{name}");
        }
        for (name, password) in [(r"apic#ldap\thirdleaf", "secret"), ("thirdleaf", "Secret"), ("root", "")] {
            let refusal = sessions.login(&users(), name, password, at(0)).err().unwrap();
            assert_eq!((refusal.status, refusal.code), (401, 401), "{name}");
        }
    }

    #[test]
    fn logins_are_counted_by_the_second() {
        let mut sessions = Sessions::default();
        let admitted: Vec<_> = [0, 0, 0, 1].map(|second| sessions.admit(Some(2), at(second))).into();
        assert_eq!(admitted, [true, true, false, true]);
        assert!((0..100).all(|_| sessions.admit(None, at(9))));
    }

    #[test]
    fn cookies_are_read_as_clients_send_them() {
        let whole =
            vec!["APIC-Cookie=abc=; HttpOnly; Path=/".to_owned(), "other=1; apic-cookie=\"d\"".to_owned()];
        assert_eq!(cookies(&whole, "APIC-cookie").collect::<Vec<_>>(), ["abc=", "d"]);
    }
}
