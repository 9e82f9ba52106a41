//! A simulated APIC: the REST API of a cluster of controllers over one tree of managed objects.
//!
//! [`Tree`] is the APIC without a network: classes with their rules, atomic writes, queries, faults; time is an
//! argument. [`Apic`] puts controllers before it, with logins and signatures, over HTTPS, and with all the
//! trouble that tests order: see its methods, or `GET /_sim` of a running one.
//!
//! What it says of itself follows what is known of the real one; where nothing is known it is a guess: the texts of
//! refusals for roles and read-only properties, `eqptcapacityPrefixEntries5min.totalRouteEntries`, the limit of
//! bodies (4 MiB). Subscriptions and XML are refused.

mod answer;
mod faults;
mod filter;
mod knobs;
mod line;
mod log;
mod post;
mod query;
mod reader;
mod refusal;
mod rules;
mod server;
mod session;
mod signature;
mod target;
#[cfg(test)]
mod tests;
mod tree;
mod trouble;
mod value;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use crate::config::model::Digest;
use crate::eepg::Mo;
use crate::time::Timestamp;
use answer::State;
use server::{Controller, Shared};
use session::Sessions;
use trouble::Troubles;

pub use log::{Counters, Entry};
pub use query::{Page, Query, Scope};
pub use refusal::Refusal;
pub use session::{Roles, User};
pub use tree::{Change, Fabric, Refuse, Tree, What};
pub use trouble::{Dose, Only, Trouble};

/// Octets of a body that a controller takes, unless told otherwise.
const MAX_BODY: usize = 4 << 20;

/// Logins a second that a controller takes, unless told otherwise.
const LOGINS_PER_SECOND: u32 = 2;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the first controller listens; the others on the ports that follow, all anywhere if it is 0.
    pub listen: SocketAddr,
    /// How many controllers.
    pub controllers: u16,
    /// HTTP instead of HTTPS.
    pub insecure: bool,
    /// Who may log in.
    pub users: Vec<User>,
    /// Certificates of users: the user's name, which is also the certificate's, and the certificate as PEM.
    pub certificates: Vec<(String, String)>,
    /// What users may.
    pub roles: Roles,
    /// What is configured at the start: as a POST to `uni`.
    pub tree: Option<Mo>,
    /// The fabric.
    pub fabric: Fabric,
    /// Logins a second that a controller takes; none: all.
    pub logins_per_second: Option<u32>,
}

impl Settings {
    /// One controller on loopback with one user.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            controllers: 1,
            insecure: false,
            users: vec![User { name: user.to_owned(), password: password.to_owned() }],
            certificates: Vec::new(),
            roles: Roles::default(),
            tree: None,
            fabric: Fabric::default(),
            logins_per_second: Some(LOGINS_PER_SECOND),
        }
    }
}

/// Why a simulation does not start.
#[derive(Debug, Error)]
pub enum Error {
    /// No port.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The ports that follow are none.
    #[error("there are no {controllers} ports from {address} on")]
    Ports {
        /// The first.
        address: SocketAddr,
        /// How many.
        controllers: u16,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// What should be configured, the APIC would refuse.
    #[error("the tree is refused: {0}")]
    Tree(Refusal),
    /// What should be a user's certificate is none.
    #[error("the certificate of {user} is no X.509 certificate in PEM")]
    NoCertificate {
        /// Whose.
        user: String,
    },
    /// A user's certificate cannot be kept.
    #[error("the certificate of {user} is refused: {refusal}")]
    UserCertificate {
        /// Whose.
        user: String,
        /// Why.
        refusal: Refusal,
    },
}

/// A running simulation; ends when dropped.
pub struct Apic {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    certificate: Option<Certificate>,
}

struct Certificate {
    pem: String,
    digest: Digest,
}

impl Apic {
    /// Starts all controllers.
    ///
    /// # Errors
    /// A port that is not free; a tree that the APIC would refuse.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let (certificate, tls) = if settings.insecure {
            (None, None)
        } else {
            let (certificate, tls) = certificate(settings.listen.ip()).map_err(Error::Certificate)?;
            (Some(certificate), Some(tls))
        };
        let ports = ports(&settings)?;
        let mut refused = None;
        let shared = Arc::new(Shared::new(
            |now| {
                state(settings, now).unwrap_or_else(|(state, error)| {
                    refused = Some(error);
                    *state
                })
            },
            tls,
        ));
        if let Some(error) = refused {
            return Err(error);
        }
        let mut addresses = Vec::new();
        for (number, address) in (1..).zip(ports) {
            let controller = Controller::start(&shared, number, address).await;
            let controller = controller.map_err(|error| Error::Listen { address, error })?;
            addresses.push(controller.address);
            shared.controllers.lock().await.push(controller);
        }
        Ok(Self { shared, addresses, certificate })
    }

    /// Where the controllers listen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The same as URLs without a path.
    pub fn urls(&self) -> Vec<String> {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        self.addresses.iter().map(|address| format!("{scheme}://{address}")).collect()
    }

    /// The certificate of all controllers, PEM; none without TLS.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_ref().map(|certificate| certificate.pem.as_str())
    }

    /// The SHA-256 of that certificate (DER).
    pub fn digest(&self) -> Option<Digest> {
        self.certificate.as_ref().map(|certificate| certificate.digest)
    }

    /// Works on the tree directly: nothing is counted, nobody is asked for a login. The controllers wait as
    /// long.
    pub fn tree<T>(&self, work: impl FnOnce(&mut Tree, Timestamp) -> T) -> T {
        let now = self.shared.now();
        work(&mut self.shared.state().tree, now)
    }

    /// What was asked since the start or the last reset.
    pub fn counters(&self) -> Counters {
        self.shared.state().counters.clone()
    }

    /// The last requests, at most 1,000.
    pub fn log(&self) -> Vec<Entry> {
        self.shared.state().log.entries()
    }

    /// Sets the counters to 0 and empties the log.
    pub fn reset(&self) {
        let mut state = self.shared.state();
        state.counters = Counters::default();
        state.log.clear();
    }

    /// What the clock of tokens, faults and troubles shows.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// Puts that clock forward.
    pub fn advance(&self, time: Duration) {
        self.shared.advance(time);
    }

    /// Lets every request wait.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.set_latency(latency);
    }

    /// Bounds logins and refreshes of each controller, a second; none: all are taken.
    pub fn set_throttle(&self, logins_per_second: Option<u32>) {
        self.shared.state().throttle = logins_per_second;
    }

    /// Has requests fail.
    pub fn trouble(&self, dose: Dose) {
        let now = self.shared.now();
        self.shared.state().troubles.add(dose, now);
    }

    /// Calls all trouble off.
    pub fn calm(&self) {
        self.shared.state().troubles.calm();
    }

    /// Has all sessions end.
    pub fn drop_tokens(&self) {
        self.shared.state().sessions.iter_mut().for_each(Sessions::drop_all);
    }

    /// Gives users other roles, at once.
    pub fn set_roles(&self, roles: Roles) {
        self.shared.state().roles = roles;
    }

    /// Refuses writes, besides what is wrong.
    pub fn refuse(&self, refuse: Refuse) {
        self.shared.state().tree.refuse(refuse);
    }

    /// Refuses only what is wrong.
    pub fn refuse_nothing(&self) {
        self.shared.state().tree.refuse_nothing();
    }

    /// How many prefixes fit into a leaf: F3544 above.
    pub fn set_capacity(&self, prefixes: usize) {
        self.shared.state().tree.set_capacity(prefixes);
    }

    /// How many octets a body may have: 413 above.
    pub fn set_max_body(&self, octets: usize) {
        self.shared.state().max_body = octets;
    }

    /// The tree as it is now, for [`Self::restore`].
    pub fn backup(&self) -> Tree {
        self.shared.state().tree.clone()
    }

    /// Puts an older tree back.
    pub fn restore(&self, older: Tree) {
        self.shared.state().tree.restore(older);
    }

    /// Ends a controller, from 1: its port closes, its connections end. Its sessions and the tree stay.
    pub async fn kill(&self, controller: usize) -> bool {
        self.shared.kill(controller).await
    }

    /// Starts a controller again, on its port; its sessions are those of before.
    ///
    /// # Errors
    /// Its port was taken.
    pub async fn restart(&self, controller: usize) -> io::Result<bool> {
        self.shared.restart(controller).await
    }

    /// Ends all controllers, and waits for it.
    pub async fn stop(self) {
        for number in 1..=self.addresses.len() {
            self.shared.kill(number).await;
        }
    }
}

/// Ends all controllers, without waiting for it.
impl Drop for Apic {
    fn drop(&mut self) {
        if let Ok(mut controllers) = self.shared.controllers.try_lock() {
            controllers.clear();
        }
    }
}

fn ports(settings: &Settings) -> Result<Vec<SocketAddr>, Error> {
    let Settings { listen, controllers, .. } = *settings;
    (0..controllers)
        .map(|number| {
            let port = match listen.port() {
                0 => 0,
                first => first.checked_add(number).ok_or(Error::Ports { address: listen, controllers })?,
            };
            Ok(SocketAddr::new(listen.ip(), port))
        })
        .collect()
}

/// What controllers share at the start; besides the error, if something is refused.
fn state(settings: Settings, now: Timestamp) -> Result<State, (Box<State>, Error)> {
    let Settings { controllers, users, certificates, roles, tree, mut fabric, logins_per_second, .. } =
        settings;
    fabric.controllers = controllers;
    let mut state = State {
        troubles: Troubles::new(fabric.seed),
        tree: Tree::new(fabric, now),
        saved: None,
        users,
        roles,
        sessions: (0..controllers).map(|_| Sessions::default()).collect(),
        throttle: logins_per_second,
        counters: Counters::default(),
        log: log::Log::default(),
        max_body: MAX_BODY,
    };
    for user in state.users.clone() {
        let user = Mo::new("aaaUser").with("name", user.name);
        if let Err(refusal) = state.tree.post("uni/userext", &user, now) {
            return Err((Box::new(state), Error::Tree(refusal)));
        }
    }
    for (user, pem) in certificates {
        if signature::public_key(&pem).is_none() {
            return Err((Box::new(state), Error::NoCertificate { user }));
        }
        let certificate = Mo::new("aaaUserCert").with("name", user.as_str()).with("data", pem);
        let mo = Mo::new("aaaUser").with("name", user.as_str()).holding(certificate);
        if let Err(refusal) = state.tree.post("uni/userext", &mo, now) {
            return Err((Box::new(state), Error::UserCertificate { user, refusal }));
        }
    }
    if let Some(mo) = tree
        && let Err(refusal) = state.tree.load(&mo, now)
    {
        return Err((Box::new(state), Error::Tree(refusal)));
    }
    Ok(state)
}

/// A certificate for loopback and this address, signed by itself.
fn certificate(address: IpAddr) -> Result<(Certificate, TlsAcceptor), String> {
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), address.to_string()];
    let mut params = CertificateParams::new(names).map_err(|error| wrong(&error))?;
    params.distinguished_name.push(DnType::CommonName, "thirdleaf simulated APIC");
    let key = KeyPair::generate().map_err(|error| wrong(&error))?;
    let own = params.self_signed(&key).map_err(|error| wrong(&error))?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], private)
        .map_err(|error| wrong(&error))?;
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, own.der()).as_ref());
    let certificate = Certificate { pem: own.pem(), digest: Digest(octets) };
    Ok((certificate, TlsAcceptor::from(Arc::new(config))))
}
