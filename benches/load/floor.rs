//! The floor: what the work costs at least if nothing is judged, found or counted, and nobody is told. It parses,
//! interns attributes, and keeps one hash table, in one thread, untuned; or it reads and drops.

mod table;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, BufRead, Write};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use clap::{Args, ValueEnum};
use foldhash::HashMap;
use serde_json::json;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::wire;
use crate::workload::{LEAF_AS, Table};
use table::Rib;

/// How finely keepalives are spread over a second.
const SLICES: usize = 100;

/// Octets of a read at most.
const READ: usize = 65_536;

#[derive(Debug, Args)]
pub(crate) struct Floor {
    /// Whose leaves to be
    #[arg(long)]
    table: Table,
    /// What to do with what comes
    #[arg(long, value_enum, default_value = "table")]
    keep: Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keep {
    /// Parse it and keep a table
    Table,
    /// Read it
    Nothing,
}

struct Shared {
    keep: Keep,
    rib: RefCell<Rib>,
    /// What sessions read into, one after the other.
    scratch: RefCell<Vec<u8>>,
    /// The numbers of nodes, by their addresses.
    nodes: RefCell<HashMap<IpAddr, u32>>,
    /// The way back to each connection that is up.
    writers: RefCell<Vec<Option<OwnedWriteHalf>>>,
}

impl Floor {
    /// Listens until its input ends; a line there asks for the number of paths.
    pub(crate) fn execute(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.serve())
    }

    async fn serve(self) -> io::Result<()> {
        let shared = Rc::new(Shared {
            keep: self.keep,
            rib: RefCell::default(),
            scratch: RefCell::new(vec![0; READ]),
            nodes: RefCell::default(),
            writers: RefCell::default(),
        });
        for leaf in self.table.leaves() {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::new(leaf.into(), 179))?;
            tokio::task::spawn_local(accept(socket.listen(4_096)?, Rc::clone(&shared)));
        }
        tokio::task::spawn_local(housekeeping(Rc::clone(&shared)));
        let mut lines = lines();
        while lines.recv().await.is_some() {
            let rib = shared.rib.borrow();
            let mut out = io::stdout().lock();
            writeln!(out, "{}", json!({"re": "count", "paths": rib.paths(), "octets": rib.octets}))?;
            out.flush()?;
        }
        Ok(())
    }
}

fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

async fn accept(listener: TcpListener, shared: Rc<Shared>) {
    while let Ok((stream, from)) = listener.accept().await {
        let (reader, writer) = stream.into_split();
        let slot = {
            let mut writers = shared.writers.borrow_mut();
            let slot = writers.iter().position(Option::is_none).unwrap_or(writers.len());
            if slot == writers.len() {
                writers.push(None);
            }
            writers[slot] = Some(writer);
            slot
        };
        tokio::task::spawn_local(Session::new(from.ip(), slot, &shared).run(reader));
    }
}

/// Keepalives, and the sweep of what restarted nodes no longer have.
async fn housekeeping(shared: Rc<Shared>) {
    let keepalive = wire::keepalive();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(SLICES).expect("few"));
    for turn in (0..SLICES).cycle() {
        ticks.tick().await;
        for writer in shared.writers.borrow().iter().skip(turn).step_by(SLICES).flatten() {
            let _ = writer.try_write(&keepalive);
        }
        shared.rib.borrow_mut().sweep();
    }
}

struct Session {
    node: u32,
    number: u32,
    slot: usize,
    shared: Rc<Shared>,
    /// The beginning of a message that has not come whole.
    rest: Vec<u8>,
}

impl Session {
    fn new(from: IpAddr, slot: usize, shared: &Rc<Shared>) -> Self {
        let mut nodes = shared.nodes.borrow_mut();
        let next = u32::try_from(nodes.len()).expect("some thousands");
        let node = *nodes.entry(from).or_insert(next);
        let number = shared.rib.borrow_mut().begin(node);
        Self { node, number, slot, shared: Rc::clone(shared), rest: Vec::new() }
    }

    /// Speaks until the connection ends.
    async fn run(mut self, mut reader: OwnedReadHalf) {
        while self.read(&mut reader).await {}
        self.shared.writers.borrow_mut()[self.slot] = None;
    }

    /// One read; false at the end.
    async fn read(&mut self, reader: &mut OwnedReadHalf) -> bool {
        poll_fn(|context| {
            let shared = Rc::clone(&self.shared);
            let mut scratch = shared.scratch.borrow_mut();
            scratch[..self.rest.len()].copy_from_slice(&self.rest);
            let mut buffer = ReadBuf::new(&mut scratch);
            buffer.set_filled(self.rest.len());
            match Pin::new(&mut *reader).poll_read(context, &mut buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(_)) => Poll::Ready(false),
                Poll::Ready(Ok(())) if buffer.filled().len() == self.rest.len() => Poll::Ready(false),
                Poll::Ready(Ok(())) => Poll::Ready(self.hear(buffer.filled())),
            }
        })
        .await
    }

    fn hear(&mut self, mut input: &[u8]) -> bool {
        while let Some((kind, body, length)) = wire::first(input) {
            match kind {
                wire::OPEN => {
                    let leaf = LEAF_AS;
                    self.say(&wire::open(leaf, [192, 168, 255, 255].into(), false));
                    self.say(&wire::keepalive());
                }
                wire::UPDATE => {
                    let mut rib = self.shared.rib.borrow_mut();
                    rib.octets += length as u64;
                    if self.shared.keep == Keep::Table {
                        rib.update(self.node, self.number, body);
                    }
                }
                wire::NOTIFICATION => return false,
                _ => {}
            }
            input = &input[length..];
        }
        self.rest.clear();
        self.rest.extend_from_slice(input);
        true
    }

    fn say(&self, message: &[u8]) {
        if let Some(writer) = &self.shared.writers.borrow()[self.slot] {
            let _ = writer.try_write(message);
        }
    }
}
