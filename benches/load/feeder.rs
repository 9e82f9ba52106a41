//! The feeder: all nodes of a workload in one process of one thread, told what to do by lines on its standard
//! input. What it sends is encoded before it is asked to send; what it hears is counted and dropped.
//!
//! | line | what it does | answer |
//! |---|---|---|
//! | `connect` | opens all sessions | `up` when all are established |
//! | `send` | sends all tables | `sent` when the sockets have taken all |
//! | `restart FIRST COUNT` | closes these and opens them again, their tables less by 16 | `up`, `sent` |
//! | `churn RATE SECONDS` | withdraws and announces hosts | `churned` |
//! | `probe on`, `probe off` | announces or withdraws one more host | `probe`, with the time of writing |
//! | `stats FIRST COUNT` | | what these sessions and the others have seen since the last time |

mod churn;
mod session;

use std::cell::{Cell, RefCell};
use std::io::{BufRead, Write};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::wire;
use crate::workload::{self, Table};
use session::Session;

/// How finely keepalives are spread over a second.
const SLICES: usize = 100;

/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(1);

#[derive(Debug, Args)]
pub(crate) struct Feed {
    /// What to announce
    #[arg(long)]
    table: Table,
}

/// What a group of sessions has seen.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) sessions: u32,
    pub(crate) established: u32,
    /// Connections that were refused.
    pub(crate) refused: u32,
    /// Connections, or OPENs, that nobody answered.
    pub(crate) unanswered: u32,
    /// Established sessions that ended without having been told to.
    pub(crate) lost: u32,
    pub(crate) notifications: u32,
    /// The longest silence towards any session, in milliseconds.
    pub(crate) silence_ms: u64,
}

/// What the sessions share.
struct Shared {
    sessions: RefCell<Vec<Rc<Session>>>,
    /// Octets that sockets have not taken yet.
    unsent: Cell<usize>,
    established: Cell<usize>,
    /// How late the feeder itself was at most.
    late: Cell<Duration>,
}

impl Feed {
    /// Obeys until its input ends.
    pub(crate) fn execute(self) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().event_interval(8).enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.serve());
        Ok(())
    }

    async fn serve(self) {
        let shared = Rc::new(Shared {
            sessions: RefCell::default(),
            unsent: Cell::new(0),
            established: Cell::new(0),
            late: Cell::new(Duration::ZERO),
        });
        *shared.sessions.borrow_mut() = self
            .table
            .nodes()
            .zip(workload::encode(self.table))
            .map(|(node, announced)| Rc::new(Session::new(node, announced, &shared)))
            .collect();
        let mut lines = lines();
        tokio::task::spawn_local(keepalives(Rc::clone(&shared)));
        say(&json!({"re": "ready"}));
        while let Some(line) = lines.recv().await {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
            match words.first().copied() {
                Some("connect") => shared.connect(),
                Some("send") => shared.send(),
                Some("restart") => shared.restart(number(1), number(2)),
                Some("churn") => {
                    let seconds = Duration::from_secs(number(2) as u64);
                    tokio::task::spawn_local(churn::churn(Rc::clone(&shared), number(1), seconds));
                }
                Some("probe") => shared.probe(words.get(1) == Some(&"on")),
                Some("stats") => shared.stats(number(1), number(2)),
                _ => eprintln!("the feeder knows no {line:?}"),
            }
        }
    }
}

impl Shared {
    fn connect(self: &Rc<Self>) {
        for session in self.sessions.borrow().iter() {
            tokio::task::spawn_local(Rc::clone(session).run());
        }
        self.tell("up", Self::all_up);
    }

    fn send(self: &Rc<Self>) {
        for session in self.sessions.borrow().iter() {
            session.announce();
        }
        self.tell("sent", |shared| shared.unsent.get() == 0);
    }

    fn restart(self: &Rc<Self>, first: usize, count: usize) {
        for session in self.sessions.borrow().iter().skip(first).take(count) {
            session.restart();
        }
        self.tell("up", Self::all_up);
        self.tell("sent", |shared| shared.all_up() && shared.unsent.get() == 0);
    }

    fn all_up(&self) -> bool {
        self.established.get() == self.sessions.borrow().len()
    }

    /// Says `what` once `when` holds, and how long that took.
    fn tell(self: &Rc<Self>, what: &'static str, when: fn(&Self) -> bool) {
        let (shared, start) = (Rc::clone(self), Instant::now());
        tokio::task::spawn_local(async move {
            while !when(&shared) {
                tokio::time::sleep(LOOK).await;
            }
            say(&json!({"re": what, "seconds": start.elapsed().as_secs_f64()}));
        });
    }

    /// One more route of the first node comes or goes.
    fn probe(&self, on: bool) {
        let mut out = BytesMut::new();
        let session = Rc::clone(&self.sessions.borrow()[0]);
        if on {
            wire::announce(&session.node.attributes(), &[workload::probe()], &mut out);
        } else {
            wire::withdraw(workload::probe(), &mut out);
        }
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        session.push(out.freeze());
        say(&json!({"re": "probe", "at": at.as_secs_f64()}));
    }

    fn stats(&self, first: usize, count: usize) {
        let (mut these, mut others) = (Seen::default(), Seen::default());
        for (turn, session) in self.sessions.borrow().iter().enumerate() {
            let group = if (first..first + count).contains(&turn) { &mut these } else { &mut others };
            session.report(group);
        }
        say(
            &json!({"re": "stats", "these": these, "others": others, "late": self.late.take().as_secs_f64()}),
        );
    }
}

/// Sends each session a KEEPALIVE a second, and ends those that have heard nothing for the hold time.
async fn keepalives(shared: Rc<Shared>) {
    let slice = Duration::from_secs(1) / u32::try_from(SLICES).expect("few");
    let mut ticks = tokio::time::interval(slice);
    for turn in (0..SLICES).cycle() {
        let due = ticks.tick().await;
        let now = Instant::now();
        shared.late.set(shared.late.get().max(now.duration_since(due.into_std())));
        for session in shared.sessions.borrow().iter().skip(turn).step_by(SLICES) {
            session.tick(now);
        }
    }
}

/// The lines of the standard input.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn say(value: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    // Nobody listens when the run is over; then the input ends as well.
    let _ = writeln!(out, "{value}").and_then(|()| out.flush());
}
