//! What is wrong between us and an APIC: as findings while it lasts, and as a line when it begins to last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::apic::Error;
use crate::eepg::Scope;
use crate::observer::Reported;
use crate::observer::findings::Kind;
use crate::time::Timestamp;

/// What is over sooner is not worth a line.
const LASTING: Duration = Duration::from_secs(10);

/// Lines of proof.
const PROOFS: usize = 8;

/// The trouble with one APIC.
#[derive(Debug)]
pub(super) struct Trouble {
    apic: Arc<str>,
    /// Why the last request failed, and since when none has succeeded.
    last: Option<(Error, Timestamp)>,
    /// It was said in the log.
    said: bool,
    /// The controller whose last answer was none, or no good one: a read that is repeated fails late.
    silent: Option<Arc<str>>,
    /// Why there is no client at all.
    unusable: Option<String>,
    /// What our user may not write.
    missing: Vec<String>,
    /// The audit file took no line, so that nothing left.
    audit: Option<String>,
    /// What the APIC refuses to tell of itself, by what was to be compared.
    uncompared: BTreeMap<Scope, String>,
}

impl Trouble {
    pub(super) const fn new(apic: Arc<str>) -> Self {
        Self {
            apic,
            last: None,
            said: false,
            silent: None,
            unusable: None,
            missing: Vec::new(),
            audit: None,
            uncompared: BTreeMap::new(),
        }
    }

    /// There is no client: of another reason, or there is one again.
    pub(super) fn usable(&mut self, why: Option<String>) {
        if let Some(why) = &why
            && self.unusable.as_ref() != Some(why)
        {
            warn!("{why}; nothing is read or written there");
        }
        self.unusable = why;
    }

    /// A request was answered, be it with a refusal, or not.
    pub(super) fn answered(&mut self, error: Option<&Error>, now: Timestamp) {
        match error.filter(|error| !error.is_permanent() && !matches!(error, Error::TooLarge { .. })) {
            None => {
                if std::mem::take(&mut self.said) {
                    info!(apic = &*self.apic, "the APIC answers again");
                }
                self.last = None;
            }
            Some(error) => {
                let since = self.last.as_ref().map_or(now, |(_, since)| *since);
                self.last = Some((error.clone(), since));
            }
        }
    }

    /// The last answer of a controller was none, or no good one.
    pub(super) fn silent(&mut self, controller: Option<Arc<str>>) {
        self.silent = controller;
    }

    /// What our user may not write, of what it has to.
    pub(super) fn roles(&mut self, missing: Vec<String>) {
        for line in missing.iter().filter(|line| !self.missing.contains(line)) {
            warn!(apic = &*self.apic, "{line}");
        }
        self.missing = missing;
    }

    pub(super) const fn misses_roles(&self) -> bool {
        !self.missing.is_empty()
    }

    /// The audit file took a line, or did not.
    pub(super) fn audit(&mut self, why: Option<String>) {
        self.audit = why;
    }

    /// It was compared, or not: what it refuses to tell it will refuse again, though it answers.
    pub(super) fn compared(&mut self, scope: &Scope, error: Option<&Error>) {
        match error.filter(|error| error.is_permanent() || matches!(error, Error::TooLarge { .. })) {
            Some(error) => {
                let why = error.to_string();
                if self.uncompared.insert(scope.clone(), why.clone()).is_none_or(|before| before != why) {
                    warn!(apic = &*self.apic, ?scope, "cannot be compared: {why}");
                }
            }
            None if error.is_some() => {}
            None if *scope == Scope::All => self.uncompared.clear(),
            None => drop(self.uncompared.remove(scope)),
        }
    }

    /// Says in the log what has begun to last.
    pub(super) fn tell(&mut self, now: Timestamp) {
        if let Some((error, since)) = &self.last
            && !self.said
            && now.since(*since) >= LASTING
        {
            warn!(apic = &*self.apic, "for {} s: {error}", now.since(*since).as_secs());
            self.said = true;
        }
    }

    /// What is wrong now.
    pub(super) fn findings(&self) -> Vec<Reported> {
        let mut all = Vec::new();
        if let Some(why) = &self.unusable {
            all.push(self.one(
                Kind::AciConfig,
                "",
                why.clone(),
                "correct the entry of the configuration and reload",
            ));
        }
        if let Some((error, _)) = &self.last {
            all.push(self.of(error));
        } else if let Some(controller) = &self.silent {
            let mut found = self.one(Kind::ApicDown, "", self.down(), "");
            found.evidence.push(format!("the last request to {controller} was not answered as it should"));
            all.push(found);
        }
        if !self.missing.is_empty() {
            let summary = format!("our user of apic {} may not write all that rules ask for", self.apic);
            let mut found = self.one(Kind::AciConfig, "roles", summary, "grant the roles named below");
            found.evidence.clone_from(&self.missing);
            all.push(found);
        }
        if !self.uncompared.is_empty() {
            let summary = format!(
                "apic {} refuses to tell what it has: members stay as they are where that cannot be compared",
                self.apic
            );
            let advice = "look at what it says below: a filter or a class that its release does not know, or more objects \
                          than it gives in one answer";
            let mut found = self.one(Kind::AciConfig, "comparison", summary, advice);
            found.evidence.extend(self.uncompared.values().take(PROOFS).cloned());
            all.push(found);
        }
        if let Some(why) = &self.audit {
            let summary =
                format!("nothing is written to apic {}: the audit file does not take its lines", self.apic);
            let advice = "make room on the disk of global.state_dir, or make the file writable: no write leaves \
                          without its line";
            let mut found = self.one(Kind::EepgWriteFailing, "audit", summary, advice);
            found.evidence.push(why.clone());
            all.push(found);
        }
        all
    }

    fn of(&self, error: &Error) -> Reported {
        let apic = &self.apic;
        let (kind, aspect, summary, advice) = match error {
            Error::Certificate { .. } => (
                Kind::AciConfig,
                "certificate",
                format!("no controller of apic {apic} proves who it is: members stay as they are"),
                "compare ca_file or pin_sha256 of its [[apic]] with the certificate that the controllers present",
            ),
            Error::BadCredentials { .. } => (
                Kind::AciConfig,
                "credentials",
                format!("apic {apic} does not take our credentials: members stay as they are"),
                "correct `auth` of its [[apic]] and reload; see whether the user is locked",
            ),
            Error::Denied { .. } => (
                Kind::AciConfig,
                "roles",
                format!("apic {apic} does not let our user do what rules ask for"),
                "look at the roles and security domains of the user, and with a certificate at its name and key",
            ),
            _ => (Kind::ApicDown, "", self.down(), ""),
        };
        let mut found = self.one(kind, aspect, summary, advice);
        found.evidence.push(error.to_string());
        found
    }

    fn down(&self) -> String {
        format!("no controller of apic {} answers as it should: members stay as they are", self.apic)
    }

    /// `aspect` tells apart what may be wrong with one APIC at one time.
    fn one(&self, kind: Kind, aspect: &str, summary: String, advice: &str) -> Reported {
        let object =
            if aspect.is_empty() { Arc::clone(&self.apic) } else { format!("{} {aspect}", self.apic).into() };
        Reported {
            kind,
            object,
            vrf: "".into(),
            prefix: None,
            severity: None,
            summary,
            advice: advice.to_owned(),
            evidence: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_763_740_000_000_000);

    fn trouble() -> Trouble {
        Trouble::new("fabric1".into())
    }

    fn kinds(trouble: &Trouble) -> Vec<(Kind, String)> {
        trouble.findings().iter().map(|found| (found.kind, found.object.to_string())).collect()
    }

    #[test]
    fn each_trouble_is_a_finding_of_its_own_kind_until_a_request_succeeds() {
        let (text, controller) = (String::new, || Arc::from("https://apic1"));
        let (down, certificate) = (Kind::ApicDown, Kind::AciConfig);
        let cases = [
            (
                Error::Connection { controller: controller(), outcome_unknown: true, text: text() },
                down,
                "fabric1",
            ),
            (Error::Throttled { status: 503, text: text(), retry_after: None }, down, "fabric1"),
            (Error::Nonsense { text: text() }, down, "fabric1"),
            (
                Error::Certificate { controller: controller(), presented: None, text: text() },
                certificate,
                "fabric1 certificate",
            ),
            (
                Error::BadCredentials { text: text(), again_in: Duration::ZERO },
                Kind::AciConfig,
                "fabric1 credentials",
            ),
            (Error::Denied { text: text() }, Kind::AciConfig, "fabric1 roles"),
        ];
        let mut trouble = trouble();
        for (error, kind, object) in cases {
            trouble.answered(Some(&error), NOW);
            assert_eq!(kinds(&trouble), [(kind, object.to_owned())], "{error}");
        }
        let refused = Error::Refused { status: 400, code: "1".to_owned(), text: text() };
        trouble.answered(Some(&refused), NOW);
        assert!(kinds(&trouble).is_empty(), "who refuses is there");
    }

    #[test]
    fn what_it_refuses_to_tell_is_trouble_until_it_is_compared() {
        let mut trouble = trouble();
        let refused =
            Error::Refused { status: 400, code: "122".to_owned(), text: "unknown class".to_owned() };
        let l3out = Scope::L3out(crate::eepg::L3out { tenant: "k8s".into(), name: "calico".into() });
        for scope in [&Scope::All, &l3out] {
            trouble.compared(scope, Some(&refused));
        }
        assert_eq!(kinds(&trouble), [(Kind::AciConfig, "fabric1 comparison".to_owned())]);
        assert!(trouble.findings()[0].evidence[0].contains("unknown class"));
        trouble.compared(&l3out, None);
        let gone = Error::Nonsense { text: String::new() };
        trouble.compared(&Scope::All, Some(&gone));
        assert_eq!(kinds(&trouble).len(), 1, "the rest is not compared yet");
        trouble.compared(&l3out, Some(&Error::TooLarge { text: String::new() }));
        trouble.compared(&Scope::All, None);
        assert!(kinds(&trouble).is_empty());
    }

    #[test]
    fn a_read_that_is_still_repeated_is_trouble_already() {
        let mut trouble = trouble();
        trouble.silent(Some("https://apic1".into()));
        assert_eq!(kinds(&trouble), [(Kind::ApicDown, "fabric1".to_owned())]);
        let error = Error::Nonsense { text: String::new() };
        trouble.answered(Some(&error), NOW);
        assert_eq!(kinds(&trouble).len(), 1, "one finding of one cause");
        trouble.answered(None, NOW);
        trouble.silent(None);
        assert!(kinds(&trouble).is_empty());
    }

    #[test]
    fn all_that_is_wrong_at_once_is_told() {
        let mut trouble = trouble();
        trouble.usable(Some("the key is no key".to_owned()));
        trouble.roles(vec!["user tl may not write l3extSubnet".to_owned()]);
        trouble.audit(Some("no space left on device".to_owned()));
        assert!(trouble.misses_roles());
        let objects: Vec<_> = kinds(&trouble).into_iter().map(|(_, object)| object).collect();
        assert_eq!(objects, ["fabric1", "fabric1 roles", "fabric1 audit"]);
        let evidence: Vec<_> = trouble.findings().into_iter().flat_map(|found| found.evidence).collect();
        assert_eq!(evidence, ["user tl may not write l3extSubnet", "no space left on device"]);
        trouble.usable(None);
        trouble.roles(Vec::new());
        trouble.audit(None);
        assert!(trouble.findings().is_empty());
    }
}
