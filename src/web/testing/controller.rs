//! An EEPG controller that answers what it is told to, and notes what it is asked to do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::model::{Apic, Auth, FabricCaps, Secret, Trust};
use crate::eepg::view::{Because, Change, Counts, Eepg, Held, Member, Plan, Request as Sent};
use crate::eepg::{Answer, Counters, Mo};
use crate::sync::{ApicStatus, Controller, Request, Status};
use crate::time::Timestamp;

pub(crate) const COMPARED: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

pub(crate) fn apic() -> Apic {
    Apic {
        name: "fabric1".into(),
        urls: vec!["https://apic1.example.net".into()],
        auth: Auth::Password { user: "thirdleaf".into(), password: Secret::new("never-told") },
        trust: Trust::System,
        requests_per_second: 10,
        burst: 20,
        full_compare_every: Duration::from_mins(5),
        batch_size: 500,
        caps: FabricCaps::default(),
    }
}

pub(crate) fn eepg(apic: &str, l3out: &str, name: &str, vrf: &str) -> Eepg {
    Eepg {
        apic: apic.into(),
        kind: "eepg".into(),
        dn: format!("uni/tn-k8s/out-{l3out}/instP-{name}"),
        tenant: "k8s".into(),
        l3out: l3out.into(),
        name: name.into(),
        vrf: vrf.into(),
        state: "present".into(),
        desired: 3,
        observed: 2,
        foreign: 1,
        pending: 2,
        held: 1,
        cap: 20_000,
        compared: Some(COMPARED),
        trouble: vec![],
    }
}

pub(crate) fn policy(apic: &str, name: &str) -> Eepg {
    Eepg {
        kind: "redirect".into(),
        dn: format!("uni/tn-k8s/svcCont/svcRedirectPol-{name}"),
        l3out: String::new(),
        ..eepg(apic, "", name, "prod")
    }
}

pub(crate) fn member(prefix: &str) -> Member {
    Member {
        prefix: prefix.parse().unwrap(),
        state: "ours".into(),
        wanted: true,
        nodes: vec!["node1".into()],
        rule: Some("web".into()),
        note: None,
    }
}

pub(crate) fn change(operation: &str, eepg: &str, prefix: &str, held_by: Option<&str>) -> Change {
    Change {
        operation: operation.into(),
        apic: "fabric1".into(),
        dn: format!("uni/tn-k8s/out-calico/instP-{eepg}/extsubnet-[{prefix}]"),
        eepg: eepg.into(),
        prefix: prefix.parse().ok(),
        because: Because {
            peer: "192.168.1.1".parse().ok(),
            node: Some("node1".into()),
            rule: Some(eepg.into()),
        },
        reason: format!("node1 announces {prefix}"),
        held_by: held_by.map(str::to_owned),
        until: held_by.map(|_| COMPARED),
    }
}

/// A plan of these changes in observe mode.
pub(crate) fn plan(id: &str, changes: Vec<Change>) -> Plan {
    let held = changes.iter().filter_map(|change| change.held_by.as_ref());
    let held = held.map(|brake| Held {
        brake: brake.clone(),
        apic: "fabric1".into(),
        scope: "uni/tn-k8s/out-calico".into(),
        until: Some(COMPARED),
        reason: "node1 is silent".into(),
        changes: 1,
    });
    Plan {
        id: id.into(),
        mode: "observe".into(),
        held: held.collect(),
        total: changes.len(),
        changes,
        compared: Some(COMPARED),
        ..Plan::default()
    }
}

/// What a controller answers.
#[derive(Clone, Debug)]
pub(crate) struct Fabric {
    pub(crate) eepgs: Vec<Eepg>,
    /// Of the first EEPG.
    pub(crate) members: Vec<Member>,
    pub(crate) plan: Plan,
    pub(crate) answer: Answer,
}

impl Fabric {
    pub(crate) fn new() -> Self {
        Self {
            eepgs: vec![
                eepg("fabric1", "calico", "web", "prod"),
                eepg("fabric1", "calico", "db", "prod"),
                eepg("fabric2", "calico", "batch", "default"),
                policy("fabric1", "fw"),
            ],
            members: ["10.96.0.1/32", "10.96.0.2/32", "10.96.0.10/32"].map(member).into(),
            plan: plan("", vec![]),
            answer: Ok("done".to_owned()),
        }
    }

    /// Answers from now on; the notes say what was asked for.
    pub(crate) fn serve(self) -> (Controller, Notes) {
        let (sender, mut requests) = mpsc::channel(8);
        let notes = Notes::default();
        let taken = notes.clone();
        tokio::spawn(async move {
            while let Some((_, request)) = requests.recv().await {
                self.answer(request, &taken);
            }
        });
        (Controller::of(sender), notes)
    }

    fn answer(&self, request: Request, notes: &Notes) {
        let note = |text: String| notes.0.lock().unwrap().push(text);
        // Who does not wait for an answer any more needs none.
        match request {
            Request::Eepgs(answer) => drop(answer.send(self.eepgs.clone())),
            Request::Members(dn, after, limit, answer) => {
                let members = self.members.iter().filter(|member| Some(member.prefix) > after);
                let members = (dn == self.eepgs[0].dn).then(|| members.take(limit).cloned().collect());
                drop(answer.send(members));
            }
            Request::Plan(offset, limit, requests, answer) => {
                let all = self.plan.changes.iter().skip(offset).take(limit);
                let sent = |change: &Change| Sent {
                    apic: change.apic.clone(),
                    dn: "uni/tn-k8s/out-calico".into(),
                    body: Mo::new("l3extOut").with("descr", change.eepg.clone()),
                };
                let requests = all.clone().filter(|_| requests).map(sent).collect();
                drop(answer.send(Plan { changes: all.cloned().collect(), requests, ..self.plan.clone() }));
            }
            Request::Holders(asked, answer) => {
                note(format!("holders {}", asked.len()));
                let holder = |vrf: &str| Some(format!("uni/tn-{vrf}/out-calico/instP-web"));
                let holders = asked.iter().map(|(vrf, net)| holder(vrf).filter(|_| net.prefix_len() == 32));
                drop(answer.send(holders.collect()));
            }
            Request::Why(vrf, prefix, answer) => {
                drop(answer.send(format!("rule web takes {prefix} of {vrf}")));
            }
            Request::Status(answer) => drop(answer.send(self.status())),
            Request::Reconfigure(_, answer) => drop(answer.send(())),
            Request::Apply(answer) => {
                note("apply".to_owned());
                drop(answer.send(self.answer.clone()));
            }
            Request::Approve(id, answer) => {
                note(format!("approve {id}"));
                drop(answer.send(self.answer.clone()));
            }
            Request::Pause(pause, answer) => {
                let left =
                    |until: Timestamp| until.since(crate::time::Clock::start().now()).as_secs().div_ceil(60);
                note(match pause {
                    Some(pause) => format!("pause {} min: {}", left(pause.until), pause.reason),
                    None => "resume".to_owned(),
                });
                drop(answer.send(self.answer.clone()));
            }
            Request::Adopt(dn, answer) => {
                note(format!("adopt {dn}"));
                drop(answer.send(self.answer.clone()));
            }
            Request::Release(dn, answer) => {
                note(format!("release {}", dn.as_deref().unwrap_or("all")));
                drop(answer.send(self.answer.clone()));
            }
        }
    }

    fn status(&self) -> Status {
        let drift = vec![(self.eepgs[0].dn.clone(), "missing", 2), (self.eepgs[0].dn.clone(), "extra", 1)];
        let apic = ApicStatus {
            name: "fabric1".into(),
            up: true,
            compared: Some(COMPARED),
            counters: Counters { drift, ..Counters::default() },
            eepgs: self.eepgs.clone(),
            ..ApicStatus::default()
        };
        Status {
            mode: "enforce".into(),
            counts: Counts { total: 4, desired: 12, observed: 8, pending: 8, held: 4 },
            apics: vec![apic],
            ..Status::default()
        }
    }
}

/// What a controller was asked to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}
