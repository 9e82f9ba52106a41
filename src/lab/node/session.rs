//! One peering of a node: a task that dials, talks, and dials again.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this room does IO")]

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::WriteHalf;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::conversation::{Conversation, Heard, Terms};
use super::recovery::Recovery;
use super::table::{self, Table};
use super::{Peering, Route, Settings, Status, Timers};
use crate::bgp::Notification;
use crate::bgp::notification::Cease;

/// How long the last words may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long BIRD waits for the peer's OPEN (RFC 4271, 8.2.2 suggests 4 minutes; BIRD agrees).
const OPEN_WAIT: Duration = Duration::from_mins(4);

/// What the node's handle asks of each session.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// Announce these from now on.
    Announce(Arc<[Route]>),
    /// Announce these no more; those of one command go in one UPDATE.
    Withdraw(Arc<[IpNet]>),
    /// Say this, whatever it means.
    Raw(Bytes),
    /// The daemon starts.
    Start(Recovery),
    /// The daemon dies without a word.
    Crash,
    /// The whole machine does: not even its connections are closed.
    LosePower,
    /// The cable is pulled, or plugged in again.
    Cut(bool),
    /// The daemon is stopped, or told to drop the peering; this is its last word.
    Stop(Cease),
    /// This peering is restarted, the daemon is not.
    Reset,
    /// The daemon neither reads nor writes; or does so again.
    Hang(bool),
}

/// One peering.
pub(super) struct Session {
    pub(super) settings: Arc<Settings>,
    pub(super) peering: Peering,
    pub(super) table: Table,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) status: watch::Sender<Status>,
    /// While the daemon recovers from its start.
    pub(super) recovery: Option<Recovery>,
    pub(super) power: Power,
    pub(super) cable: Cable,
    pub(super) errors: Errors,
}

/// What is between node and leaf.
#[derive(Debug, Default)]
pub(super) struct Cable {
    cut: bool,
    /// A connection that the node has forgotten: nothing of that reached the leaf.
    abandoned: Option<TcpStream>,
}

impl Cable {
    /// What is forgotten is answered as such once there is a way.
    fn plug(&mut self, cut: bool) {
        self.cut = cut;
        if !cut {
            self.abandoned = None;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    Off,
    On,
    Hung,
}

/// Errors in a row.
#[derive(Debug, Default)]
pub(super) struct Errors {
    count: u32,
    last: Option<Instant>,
}

impl Errors {
    /// How long to wait after one more.
    fn wait(&mut self, timers: &Timers) -> Duration {
        let now = Instant::now();
        let row = self.last.is_some_and(|last| now.duration_since(last) < timers.error_forget);
        self.count = if row { self.count.saturating_add(1) } else { 1 };
        self.last = Some(now);
        timers.after_errors(self.count)
    }
}

/// How a connection ended.
enum End {
    /// Closed by either side; BIRD dials again soon.
    Closed,
    /// Something was wrong; BIRD waits longer and longer.
    Error,
    /// The machine is gone, and has closed nothing.
    Silent,
    /// The node's handle is gone.
    Abandoned,
}

impl Session {
    pub(super) async fn run(mut self) {
        let timers = self.settings.timers;
        let mut dial = Instant::now() + timers.connect_delay;
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => {
                    let Some(command) = command else { return };
                    let was_able = self.is_able_to_dial();
                    self.obey(command, None);
                    if !was_able && self.is_able_to_dial() {
                        dial = Instant::now() + timers.connect_delay;
                    }
                }
                () = sleep_until(dial), if self.is_able_to_dial() => {
                    let dialled = timeout(timers.connect_retry, self.peering.dial()).await;
                    let dialled = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                    self.status.send_modify(|status| {
                        status.failure = dialled.as_ref().err().map(ToString::to_string);
                    });
                    let end = match dialled {
                        Ok(stream) => self.talk(stream).await,
                        Err(_) => End::Closed,
                    };
                    self.status.send_modify(|status| status.established = false);
                    dial = Instant::now() + match end {
                        End::Abandoned => return,
                        End::Closed | End::Silent => timers.connect_delay,
                        End::Error => self.errors.wait(&timers),
                    };
                }
            }
        }
    }

    fn is_able_to_dial(&self) -> bool {
        self.power == Power::On && !self.cable.cut
    }

    async fn talk(&mut self, mut stream: TcpStream) -> End {
        let end = self.converse(&mut stream).await;
        if self.cable.cut || matches!(end, End::Silent) {
            self.cable.abandoned = Some(stream);
        }
        end
    }

    async fn converse(&mut self, stream: &mut TcpStream) -> End {
        let (mut reader, mut writer) = stream.split();
        // A recovery that ended while nobody answered is over for this peer too.
        self.recovery = self.recovery.take().filter(|recovery| !recovery.is_over());
        let mut recovered = pin!(over(self.recovery.clone()));
        let mut link = Link::new(&self.settings, &self.peering, self.recovery.is_some());
        loop {
            link.conversation.go_on(&self.table);
            let hung = self.power == Power::Hung;
            let awake = !hung && !self.cable.cut;
            let end = tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command, Some(&mut link.conversation)),
                    None => return End::Abandoned,
                },
                read = reader.read_buf(&mut link.inbox), if awake => match read {
                    Ok(1..) => self.hear(&mut link),
                    Ok(0) | Err(_) => return End::Closed,
                },
                written = writer.write_buf(&mut link.conversation.outbox), if awake && link.has_words() => {
                    written.err().map(|_| End::Closed)
                }
                () = &mut recovered, if link.conversation.waits() => {
                    self.recovery = None;
                    link.conversation.announce_all();
                    None
                }
                () = until(link.keepalive), if awake => {
                    link.keep_alive();
                    None
                }
                () = until(link.hold), if !hung => {
                    link.conversation.say(&Notification::hold_timer_expired());
                    Some(End::Error)
                }
            };
            if let Some(end) = end {
                if !self.cable.cut && !matches!(end, End::Silent) {
                    farewell(&mut writer, &mut link.conversation.outbox).await;
                }
                return end;
            }
        }
    }

    /// Hears all whole messages that have come; the end of the connection, if one of them is it.
    fn hear(&mut self, link: &mut Link) -> Option<End> {
        while let Some(heard) = link.conversation.hear(&mut link.inbox, &self.settings) {
            link.rearm();
            let end = self.note(heard, &mut link.conversation);
            if end.is_some() {
                return end;
            }
        }
        None
    }

    /// Does what the handle asks; the end of the connection, if that is what it asks.
    fn obey(&mut self, command: Command, conversation: Option<&mut Conversation>) -> Option<End> {
        match (command, conversation) {
            (Command::Announce(routes), conversation) => {
                routes.iter().for_each(|route| self.table.insert(route.clone()));
                if let Some(conversation) = conversation {
                    conversation.announce(&table::group(routes.iter().cloned()));
                }
            }
            (Command::Withdraw(prefixes), conversation) => {
                let gone: Vec<_> = prefixes
                    .iter()
                    .filter_map(|prefix| Some((self.table.remove(prefix)?, *prefix)))
                    .collect();
                if let Some(conversation) = conversation {
                    conversation.withdraw(&gone);
                }
            }
            (Command::Raw(octets), conversation) => {
                if let Some(conversation) = conversation.filter(|conversation| conversation.is_established())
                {
                    conversation.outbox.extend_from_slice(&octets);
                }
            }
            (Command::Hang(hangs), _) => {
                if self.power != Power::Off {
                    self.power = if hangs { Power::Hung } else { Power::On };
                }
            }
            (Command::Start(recovery), _) => {
                if self.power == Power::Off {
                    (self.power, self.recovery, self.errors) = (Power::On, Some(recovery), Errors::default());
                    self.cable.plug(self.cable.cut);
                }
            }
            (Command::Cut(cut), _) => {
                self.cable.plug(cut);
            }
            (Command::LosePower, conversation) => {
                (self.power, self.recovery) = (Power::Off, None);
                conversation?;
                return Some(End::Silent);
            }
            (Command::Crash, conversation) => {
                (self.power, self.recovery) = (Power::Off, None);
                conversation?.outbox.clear();
                return Some(End::Closed);
            }
            (Command::Stop(cease), conversation) => {
                (self.power, self.recovery) = (Power::Off, None);
                conversation?.say(&Notification::cease(cease));
                return Some(End::Closed);
            }
            (Command::Reset, conversation) => {
                self.recovery = None;
                conversation?.say(&Notification::cease(Cease::AdministrativeReset));
                return Some(End::Closed);
            }
        }
        None
    }

    /// Draws the consequences of a message; the end of the connection, if it is one.
    fn note(&mut self, heard: Heard, conversation: &mut Conversation) -> Option<End> {
        match heard {
            Heard::Sound => None,
            Heard::Established => {
                self.status.send_modify(|status| {
                    status.established = true;
                    status.sessions += 1;
                });
                if !conversation.terms().is_some_and(|terms| terms.promises_end_of_rib) {
                    self.release();
                }
                None
            }
            Heard::EndOfRib => {
                self.status.send_modify(|status| status.ends_of_rib += 1);
                self.release();
                None
            }
            Heard::Notification(notification) => {
                self.status.send_modify(|status| status.told = Some(notification));
                Some(End::Error)
            }
            Heard::Wrong(notification) => {
                conversation.say(&notification);
                Some(End::Error)
            }
        }
    }

    /// The daemon need not wait for this peer any longer.
    fn release(&self) {
        if let Some(recovery) = &self.recovery {
            recovery.release(self.peering.leaf);
        }
    }
}

impl Peering {
    async fn dial(&self) -> io::Result<TcpStream> {
        let socket = if self.source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(self.source, 0))?;
        let stream = socket.connect(self.leaf).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// One connection, its timers included.
struct Link {
    conversation: Conversation,
    inbox: BytesMut,
    hold: Option<Instant>,
    keepalive: Option<Instant>,
}

impl Link {
    fn new(settings: &Settings, peering: &Peering, restarted: bool) -> Self {
        Self {
            conversation: Conversation::start(settings, peering.source, peering.leaf_as, restarted),
            inbox: BytesMut::new(),
            hold: Some(Instant::now() + OPEN_WAIT),
            keepalive: None,
        }
    }

    fn has_words(&self) -> bool {
        !self.conversation.outbox.is_empty()
    }

    /// The peer lives.
    fn rearm(&mut self) {
        let hold_time = self.conversation.terms().map(Terms::hold_time);
        if let Some(time) = hold_time {
            let now = Instant::now();
            self.hold = time.map(|time| now + time);
            self.keepalive = time.map(|time| self.keepalive.unwrap_or(now + time / 3));
        }
    }

    fn keep_alive(&mut self) {
        let hold_time = self.conversation.terms().and_then(Terms::hold_time);
        self.keepalive = hold_time.map(|time| Instant::now() + time / 3);
        self.conversation.keepalive();
    }
}

/// Writes what is queued and closes our direction; in vain, if the peer does not read.
async fn farewell(writer: &mut WriteHalf<'_>, words: &mut BytesMut) {
    let last_words = async {
        writer.write_all_buf(words).await?;
        writer.shutdown().await
    };
    let _ = timeout(FAREWELL, last_words).await;
}

/// Returns when a daemon that recovers, if it does, has recovered.
async fn over(recovery: Option<Recovery>) {
    if let Some(recovery) = recovery {
        recovery.over().await;
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
