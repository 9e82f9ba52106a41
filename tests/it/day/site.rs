//! A site of simulated nodes with the program that watches it, and what can be done to both.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::path::PathBuf;

use ipnet::IpNet;
use thirdleaf::lab::node::{Node, Peering, RESTART_TIME, Route, Settings};
use thirdleaf::observer::findings::Kind;
use thirdleaf::observer::view::{Event, Finding, Page, Summary};

use super::{Ases, CLUSTER, NODES, PER_RACK, Pace, RACKS};
use crate::run::{Daemon, Place};

/// The first leaf's host number; it serves HTTP as well.
const FIRST_LEAF: usize = 4;
/// The first node's, and how far apart racks are.
const FIRST_NODE: usize = 32;
const RACK: usize = 32;
/// The AS of all nodes, where they have one, and the one before the first node's, where each has its own.
const CLUSTER_AS: u32 = 65100;
/// One node in so many runs a pod with a borrowed address; one in so many a service of its own.
const BORROWS: usize = 10;
const SERVES: usize = 15;
const TOKEN: &str = "open-sesame";

/// What nodes may announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Blocks alone: the operator did not think of services, nor of borrowed addresses.
    Incomplete,
    /// All that they announce.
    Complete,
    /// The second pool as well.
    TwoPools,
}

impl List {
    fn entries(self) -> &'static [(&'static str, &'static str, &'static str)] {
        const POD: (&str, &str, &str) = ("pod", "10.244.0.0/16", "26, 32");
        const SERVICE: (&str, &str, &str) = ("service", "10.96.0.0/12", "12, 32");
        match self {
            Self::Incomplete => &[("pod", "10.244.0.0/16", "26")],
            Self::Complete => &[POD, SERVICE],
            Self::TwoPools => &[POD, SERVICE, ("pod", "10.245.0.0/16", "26, 32")],
        }
    }
}

/// The site.
pub(super) struct Site {
    place: Place,
    ases: Ases,
    pace: Pace,
    list: List,
    daemon: Option<Daemon>,
    nodes: Vec<Option<Node>>,
    /// Up to which event of the daemon's all that opened is counted.
    counted: u64,
    /// Whatever opened, by kind: somebody was told.
    notified: Vec<String>,
}

/// The program.
impl Site {
    pub(super) fn new(ases: Ases, pace: Pace) -> Self {
        let here = Place::new();
        let (daemon, nodes) = (None, Vec::new());
        let (counted, notified) = (0, Vec::new());
        Self { place: here, ases, pace, list: List::Complete, daemon, nodes, counted, notified }
    }

    /// Writes another list into the file; a daemon that runs reads it again.
    pub(super) fn allow(&mut self, list: List) {
        self.list = list;
        self.write_config();
        if let Some(daemon) = &self.daemon {
            daemon.signal("HUP");
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    pub(super) fn start(&mut self) {
        let config = self.write_config();
        self.counted = 0;
        self.daemon = Some(Daemon::start(&self.place, &config));
    }

    /// It ends by this signal, and comes back with what it kept.
    pub(super) fn restart(&mut self, signal: &str) {
        self.count();
        let Some(daemon) = self.daemon.take() else { return };
        daemon.signal(signal);
        daemon.wait();
        self.start();
    }

    /// Whether a finding is kept beyond the life of the process.
    pub(super) fn has_kept(&self, id: &str) -> bool {
        let files = std::fs::read_dir(self.state_dir()).unwrap().flatten();
        files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).any(|text| text.contains(id))
    }

    fn state_dir(&self) -> PathBuf {
        self.place.write("token", TOKEN).with_file_name("state")
    }

    pub(super) fn summary(&self) -> Summary {
        serde_json::from_value(self.running().get("/api/v1/summary")).unwrap()
    }

    /// Pending and open.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let page: Page<Finding> =
            serde_json::from_value(self.running().get("/api/v1/findings?limit=1000")).unwrap();
        page.items
    }

    /// The kinds of all that opened since the last [`Site::forget_notified`]: an operator was told of each.
    pub(super) fn notified(&mut self) -> &[String] {
        self.count();
        &self.notified
    }

    pub(super) fn forget_notified(&mut self) {
        if self.is_running() {
            self.count();
        }
        self.notified.clear();
    }

    fn count(&mut self) {
        loop {
            let path =
                format!("/api/v1/events?source=memory&kind=finding_open&limit=1000&after={}", self.counted);
            let page: Page<Event> = serde_json::from_value(self.running().get(&path)).unwrap();
            let Some(last) = page.items.last() else { return };
            self.counted = last.id;
            for event in &page.items {
                // "critical rack_down (f17): ...".
                self.notified.push(event.text.split(' ').nth(1).unwrap().to_owned());
            }
        }
    }

    pub(super) fn start_maintenance(&self, reason: &str) -> Result<(), String> {
        let body = format!(r#"{{"scope":{{"cluster":"{CLUSTER}"}},"for":"1h","reason":"{reason}"}}"#);
        self.post("/api/v1/maintenance", &body)
    }

    pub(super) fn forget(&self, node: usize) -> Result<(), String> {
        let (rack, _) = Self::seat(node);
        self.post(
            "/api/v1/peers/forget",
            &format!(r#"{{"leaf":"rack{rack}","peer":"{}"}}"#, self.address(node)),
        )
    }

    fn post(&self, path: &str, body: &str) -> Result<(), String> {
        let leaf = self.place.host(u8::try_from(FIRST_LEAF).unwrap());
        let mut stream = TcpStream::connect((leaf, 9179)).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {leaf}\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let done = answer.starts_with("HTTP/1.1 200 ");
        let problem = || answer.rsplit("\r\n\r\n").next().unwrap_or_default();
        done.then_some(()).ok_or_else(|| format!("POST {path} {body}: {}", problem()))
    }

    fn running(&self) -> &Daemon {
        self.daemon.as_ref().expect("the daemon runs")
    }

    fn write_config(&self) -> PathBuf {
        let token = self.place.write("token", TOKEN);
        let state = self.state_dir();
        std::fs::create_dir_all(&state).unwrap();
        let http = self.place.host(u8::try_from(FIRST_LEAF).unwrap());
        // Writing to a String cannot fail.
        let mut text = format!(
            "version = 1\n[global]\nstate_dir = \"{}\"\nlog = {{ level = \"error\" }}\n\
             [http]\nlisten = [\"{http}:9179\"]\ntoken_file = \"{}\"\n",
            state.display(),
            token.display()
        );
        for rack in 0..RACKS {
            let (leaf, range) = (Self::host(&self.place, FIRST_LEAF + rack), FIRST_NODE + rack * RACK);
            let range = Self::host(&self.place, range);
            let _ = write!(
                text,
                "[[leaf]]\nname = \"rack{rack}\"\nlocal_as = {}\nrouter_id = \"{leaf}\"\n\
                 listen = [\"{leaf}:1790\"]\ncluster = \"{CLUSTER}\"\nvrf = \"{CLUSTER}\"\n\
                 [[neighbors]]\nleaf = \"rack{rack}\"\nrange = \"{range}/27\"\npeer_as = [\"65100-65299\"]\n",
                leaf_as(rack)
            );
        }
        for (class, prefix, lengths) in self.list.entries() {
            let _ = write!(
                text,
                "[[policy.allow]]\nclass = \"{class}\"\nprefix = \"{prefix}\"\nlengths = [{lengths}]\n"
            );
        }
        text += "[findings.open_after]\n";
        for kind in Kind::ALL {
            let _ = writeln!(text, "{kind} = \"{}ms\"", self.pace.of(kind.open_after()).as_millis());
        }
        self.place.write("thirdleaf.toml", &text)
    }
}

/// The nodes.
impl Site {
    pub(super) fn join(&mut self, nodes: Range<usize>) {
        for node in nodes {
            let settings = self.settings(node);
            self.nodes.resize_with(self.nodes.len().max(node + 1), || None);
            self.nodes[node] = Some(Node::start(settings));
        }
    }

    /// Their peerings are deleted, and they are gone.
    pub(super) async fn leave(&mut self, nodes: Range<usize>) {
        for node in self.nodes[nodes].iter_mut().filter_map(Option::take) {
            node.remove().await;
        }
    }

    /// Lets each of these do something.
    pub(super) async fn each(&self, nodes: &Range<usize>, deed: impl AsyncFn(usize, &Node)) {
        for (number, node) in self.nodes(nodes.clone()) {
            deed(number, node).await;
        }
    }

    /// Those of these that are there.
    pub(super) fn nodes(&self, nodes: Range<usize>) -> impl Iterator<Item = (usize, &Node)> {
        let present = nodes.clone().zip(&self.nodes[nodes]);
        present.filter_map(|(number, node)| Some((number, node.as_ref()?)))
    }

    /// Every node passes on what the others have.
    pub(super) async fn mesh(&self, on: bool) {
        let learned = self.nodes(0..NODES).map(|(number, node)| {
            let others = self.nodes(0..NODES).filter(|(other, _)| *other != number);
            (node, node.learned_from(others.map(|(_, other)| other)))
        });
        for (node, learned) in learned.collect::<Vec<_>>() {
            if on {
                node.announce(learned).await;
            } else {
                node.withdraw(learned.into_iter().map(|route| route.prefix)).await;
            }
        }
    }

    /// How many routes all nodes have.
    pub(super) fn routes(&self) -> u64 {
        self.nodes(0..NODES).map(|(_, node)| node.settings().routes.len() as u64).sum()
    }

    fn settings(&self, node: usize) -> Settings {
        let (rack, _) = Self::seat(node);
        let own = self.address(node);
        let leaf = SocketAddr::from((Self::host(&self.place, FIRST_LEAF + rack), 1790));
        let mut routes = vec![Route::fixed(block(244, node)), Route::fixed("10.96.0.0/12".parse().unwrap())];
        if node.is_multiple_of(BORROWS) && node < NODES {
            let IpNet::V4(lender) = block(244, node + 1) else { unreachable!() };
            routes.push(Route::kernel(IpNet::from(std::net::IpAddr::V4(lender.hosts().nth(6).unwrap()))));
        }
        if node.is_multiple_of(SERVES) && node < NODES {
            routes.push(Route::fixed("10.96.10.20/32".parse().unwrap()));
        }
        Settings {
            name: format!("node-{node}"),
            asn: match self.ases {
                Ases::OnePerNode => CLUSTER_AS + 1 + u32::try_from(node).unwrap(),
                Ases::OnePerCluster => CLUSTER_AS,
            },
            identifier: own,
            peerings: vec![Peering { source: own.into(), leaf, leaf_as: Some(leaf_as(rack)) }],
            routes,
            hidden: vec!["0.0.0.0/0".parse().unwrap()],
            restart_time: RESTART_TIME,
            timers: self.pace.timers(),
        }
    }

    fn address(&self, node: usize) -> Ipv4Addr {
        let (rack, slot) = Self::seat(node);
        Self::host(&self.place, FIRST_NODE + rack * RACK + 1 + slot)
    }

    /// Its rack and its place there; those that join later all stand in the first rack.
    fn seat(node: usize) -> (usize, usize) {
        if node < NODES { (node / PER_RACK, node % PER_RACK) } else { (0, PER_RACK + node - NODES) }
    }

    fn host(place: &Place, number: usize) -> Ipv4Addr {
        place.host(u8::try_from(number).unwrap())
    }
}

fn leaf_as(rack: usize) -> u32 {
    64501 + u32::try_from(rack).unwrap()
}

/// The block of node `node` in pool 10.`second`.0.0/16.
pub(super) fn block(second: u8, node: usize) -> IpNet {
    let address = Ipv4Addr::new(10, second, u8::try_from(node + 1).unwrap(), 0);
    IpNet::new(address.into(), 26).unwrap()
}
