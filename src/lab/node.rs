//! A simulated Calico node.
//!
//! What it imitates was measured on Calico's own build of BIRD 1.6: the OPEN octet by octet, one daemon a
//! family with one BGP identifier for both, routes grouped by attributes and fed in rounds, End-of-RIB to
//! everybody, the wait of a restarted daemon, the withdrawals of what was never announced that answer a
//! ROUTE-REFRESH, and who says what when a session ends.
#![expect(clippy::disallowed_methods, reason = "this room does IO")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use tokio::sync::{mpsc, watch};

use crate::bgp::notification::Cease;
use crate::bgp::{Family, Notification};
use recovery::Recovery;
use session::{Cable, Command, Errors, Power, Session};
use table::Table;

mod conversation;
mod recovery;
mod session;
mod table;
mod timers;
mod wire;

pub use table::{Attributes, Route, Source};
pub use timers::Timers;

/// The restart time that Calico's BIRD asks for unless told otherwise.
pub const RESTART_TIME: Duration = Duration::from_mins(2);

/// How many commands may wait for a session.
const COMMANDS: usize = 64;

/// What a node is and does from the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// Its AS.
    pub asn: u32,
    /// The BGP identifier of both its daemons.
    pub identifier: Ipv4Addr,
    /// Whom it peers with. Those with an IPv6 source are its `bird6`'s.
    pub peerings: Vec<Peering>,
    /// What it announces.
    pub routes: Vec<Route>,
    /// What its export filter holds back, and what it therefore withdraws when asked for a refresh.
    pub hidden: Vec<IpNet>,
    /// How long it asks leaves to keep its routes over a restart: Calico's `maxRestartTime`.
    pub restart_time: Duration,
    /// Its timers.
    pub timers: Timers,
}

/// One configured peer of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peering {
    /// The address that the node dials from.
    pub source: IpAddr,
    /// Where the leaf listens.
    pub leaf: SocketAddr,
    /// The AS that the leaf must have; none: any.
    pub leaf_as: Option<u32>,
}

/// What became of a peering so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether it is Established.
    pub established: bool,
    /// How often it became so.
    pub sessions: u64,
    /// How many times the leaf sent End-of-RIB.
    pub ends_of_rib: u64,
    /// The last NOTIFICATION that the leaf sent.
    pub told: Option<Notification>,
    /// Why the last dial failed, if it did.
    pub failure: Option<String>,
}

/// A running node. Dropping it ends it, as a crash would.
#[derive(Debug)]
pub struct Node {
    settings: Arc<Settings>,
    sessions: Vec<Handle>,
}

#[derive(Debug)]
struct Handle {
    peering: Peering,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
}

impl Node {
    /// Starts a node: its daemons come up as after a boot. Needs a runtime.
    pub fn start(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let recoveries = Recoveries::start(&settings);
        let sessions = settings
            .peerings
            .iter()
            .map(|peering| {
                let (commands, receiver) = mpsc::channel(COMMANDS);
                let (sender, status) = watch::channel(Status::default());
                let session = Session {
                    settings: Arc::clone(&settings),
                    peering: *peering,
                    table: Table::of(&settings.routes, family(peering)),
                    commands: receiver,
                    status: sender,
                    recovery: Some(recoveries.of(peering)),
                    power: Power::On,
                    cable: Cable::default(),
                    errors: Errors::default(),
                };
                tokio::spawn(session.run());
                Handle { peering: *peering, commands, status }
            })
            .collect();
        Self { settings, sessions }
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What became of each peering, in the order of [`Settings::peerings`].
    pub fn status(&self) -> Vec<Status> {
        self.sessions.iter().map(|session| session.status.borrow().clone()).collect()
    }

    /// Returns when every peering is Established.
    pub async fn established(&self) {
        for session in &self.sessions {
            let _ = session.status.clone().wait_for(|status| status.established).await;
        }
    }

    /// Announces routes; those with equal attributes share an UPDATE.
    pub async fn announce(&self, routes: impl IntoIterator<Item = Route>) {
        let routes: Vec<Route> = routes.into_iter().collect();
        for session in &self.sessions {
            let family = family(&session.peering);
            let routes = routes.iter().filter(|route| Family::of(&route.prefix) == family).cloned().collect();
            session.ask(Command::Announce(routes)).await;
        }
    }

    /// Withdraws prefixes in one UPDATE, as a change of configuration does. Pods that end one by one are
    /// withdrawn one by one: call it for each.
    pub async fn withdraw(&self, prefixes: impl IntoIterator<Item = IpNet>) {
        let prefixes: Vec<IpNet> = prefixes.into_iter().collect();
        for session in &self.sessions {
            let family = family(&session.peering);
            let prefixes = prefixes.iter().filter(|prefix| Family::of(prefix) == family).copied().collect();
            session.ask(Command::Withdraw(prefixes)).await;
        }
    }

    /// A block of addresses becomes affine to the node.
    pub async fn add_block(&self, block: IpNet) {
        self.announce([Route::fixed(block)]).await;
    }

    /// The block is given back.
    pub async fn remove_block(&self, block: IpNet) {
        self.withdraw([block]).await;
    }

    /// A pod starts here whose address is of another node's block.
    pub async fn borrow(&self, pod: IpAddr) {
        self.announce([Route::kernel(pod.into())]).await;
    }

    /// That pod ends.
    pub async fn release(&self, pod: IpAddr) {
        self.withdraw([pod.into()]).await;
    }

    /// A pod of a service with `externalTrafficPolicy: Local` becomes ready here.
    pub async fn serve(&self, service: IpAddr) {
        self.announce([Route::fixed(service.into())]).await;
    }

    /// Sends octets as they are on every Established session: what no BIRD would say.
    pub async fn say_raw(&self, octets: Bytes) {
        self.ask(&Command::Raw(octets)).await;
    }

    /// Drains the node: its pods leave, and with the last ready one of each local service its address. The
    /// service range stays, until the node is excluded from load balancers by its label.
    pub async fn drain(&self, services: impl IntoIterator<Item = IpAddr>) {
        for service in services {
            self.withdraw([service.into()]).await;
        }
    }

    /// The daemons are stopped (SIGTERM): Cease/2, and silence until [`Node::boot`].
    pub async fn stop(&self) {
        self.ask(&Command::Stop(Cease::AdministrativeShutdown)).await;
    }

    /// The daemons die (kill -9): the connections close without a word, and silence until [`Node::boot`].
    pub async fn crash(&self) {
        self.ask(&Command::Crash).await;
    }

    /// The machine loses power: nothing more is sent, and nothing closed, until [`Node::boot`].
    pub async fn lose_power(&self) {
        self.ask(&Command::LosePower).await;
    }

    /// The cable is pulled. The daemons live on, give up their sessions when these have been silent for too long,
    /// and dial in vain until [`Node::mend`]; of all that nothing reaches the leaf.
    pub async fn cut(&self) {
        self.ask(&Command::Cut(true)).await;
    }

    /// The end of [`Node::cut`].
    pub async fn mend(&self) {
        self.ask(&Command::Cut(false)).await;
    }

    /// The daemons start again, with the restart bits set, and announce all that the node has.
    pub async fn boot(&self) {
        let recoveries = Recoveries::start(&self.settings);
        for session in &self.sessions {
            session.ask(Command::Start(recoveries.of(&session.peering))).await;
        }
    }

    /// A graceful restart: the daemons die and are started again at once.
    pub async fn restart(&self) {
        self.crash().await;
        self.boot().await;
    }

    /// The peerings are restarted (`birdc restart`, Cease/4), the daemons are not.
    pub async fn reset(&self) {
        self.ask(&Command::Reset).await;
    }

    /// The daemons neither read nor write (SIGSTOP) until [`Node::resume`]; the connections stay.
    pub async fn hang(&self) {
        self.ask(&Command::Hang(true)).await;
    }

    /// The end of [`Node::hang`].
    pub async fn resume(&self) {
        self.ask(&Command::Hang(false)).await;
    }

    /// What it would announce besides if it peered with `others` as well and passed on what these were started
    /// with: their ASes behind its own, or its own alone where they have the same (a mesh by iBGP).
    pub fn learned_from<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Vec<Route> {
        // Of several ways to one prefix BIRD passes on the best, and its own is better than any.
        let own = self.settings.routes.iter().map(|route| route.prefix);
        let mut known: BTreeSet<IpNet> = own.collect();
        let learned = others.into_iter().flat_map(|other| {
            let first = Some(other.settings.asn).filter(|asn| *asn != self.settings.asn);
            other.settings.routes.iter().map(move |route| (first, route))
        });
        let foreign = learned.filter(|(_, route)| known.insert(route.prefix));
        let path = |first: Option<u32>, route: &Route| {
            first.into_iter().chain(route.attributes.path.iter().copied()).collect::<Vec<u32>>()
        };
        foreign.map(|(first, route)| Route::learned(route.prefix, &path(first, route))).collect()
    }

    /// [`Node::stop`], and returns when the last word is said.
    pub async fn finish(self) {
        self.end(Cease::AdministrativeShutdown).await;
    }

    /// Its peerings are deleted (Cease/3), as Calico does when a `BGPPeer` goes; returns when that is said.
    pub async fn remove(self) {
        self.end(Cease::PeerDeconfigured).await;
    }

    async fn end(self, cease: Cease) {
        self.ask(&Command::Stop(cease)).await;
        for Handle { commands, mut status, .. } in self.sessions {
            drop(commands);
            // The session drops its end when it is over.
            while status.changed().await.is_ok() {}
        }
    }

    async fn ask(&self, command: &Command) {
        for session in &self.sessions {
            session.ask(command.clone()).await;
        }
    }
}

impl Handle {
    async fn ask(&self, command: Command) {
        // A session ends only with its node, or by a panic that its own test shows.
        let _ = self.commands.send(command).await;
    }
}

/// The two daemons of a node recover each on its own.
struct Recoveries([Recovery; 2]);

impl Recoveries {
    fn start(settings: &Settings) -> Self {
        Self(Family::ALL.map(|of| {
            let peers = settings.peerings.iter().filter(|peering| family(peering) == of);
            Recovery::start(peers.map(|peering| peering.leaf), settings.timers)
        }))
    }

    fn of(&self, peering: &Peering) -> Recovery {
        let [ipv4, ipv6] = &self.0;
        match family(peering) {
            Family::Ipv4 => ipv4.clone(),
            Family::Ipv6 => ipv6.clone(),
        }
    }
}

/// The family of a peering's daemon.
fn family(peering: &Peering) -> Family {
    wire::family_of(peering.source)
}

#[cfg(test)]
mod tests;
