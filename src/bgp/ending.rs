//! Why a session ends, what the peer is told of it, and what becomes of its routes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Notification;
use super::negotiated::GracefulRestart;
use super::notification::Cease;

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer sent no OPEN in time.
    OpenTimeout,
    /// The peer was silent for the hold time.
    HoldExpired,
    /// The peer did not read for too long (RFC 9687).
    SendHoldExpired,
    /// The peer sent NOTIFICATION.
    Notified(Notification),
    /// The peer sent what it must not send.
    Failed {
        /// What it is told.
        notification: Notification,
        /// The same for people.
        cause: String,
    },
    /// The connection is gone, with the error if there was one.
    Lost(Option<String>),
    /// We ended it.
    Stopped(Stop),
}

/// Why we end a session with which nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The peer is told, with a text where there is something to say (RFC 9003).
    Cease(Cease, String),
    /// A connection of the same speaker took over: in silence (RFC 4724, 5).
    Replaced,
}

/// What becomes of the routes of a session that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// Stale for the restart time (RFC 4724, 4.2; RFC 8538, 3.1).
    Graceful,
    /// Gone at once.
    Final,
    /// Gone at once, and a dynamic peer is no longer known: it said that we were removed (Cease/3).
    Deconfigured,
}

impl Ending {
    /// What the peer is told; nothing if it told us, or is gone.
    pub fn notification(&self) -> Option<Notification> {
        match self {
            Self::OpenTimeout | Self::HoldExpired => Some(Notification::hold_timer_expired()),
            Self::SendHoldExpired => Some(Notification::send_hold_timer_expired()),
            Self::Failed { notification, .. } => Some(notification.clone()),
            Self::Stopped(Stop::Cease(cease, text)) => Some(Notification::cease_with_text(*cease, text)),
            Self::Stopped(Stop::Replaced) | Self::Notified(_) | Self::Lost(_) => None,
        }
    }

    /// What becomes of the routes, given what the peer of the Established session said of restarts.
    ///
    /// Losing the connection is graceful (RFC 4724, 4.2); NOTIFICATION and hold expiry are if both
    /// sides set the N bit (RFC 8538, 4), which we always do.
    pub(crate) fn loss(&self, restart: Option<&GracefulRestart>) -> Loss {
        let graceful = match self {
            // With the N bit, nothing but a hard reset is final, and it says what for (RFC 8538, 3.1).
            Self::Notified(notification) => match (notification.as_hard_reset(), notification.as_cease()) {
                (Some(Some(Cease::PeerDeconfigured)), _) => return Loss::Deconfigured,
                (Some(_), _) => false,
                _ if restart.is_some_and(|restart| restart.notification) => true,
                (_, Some(Cease::PeerDeconfigured)) => return Loss::Deconfigured,
                _ => false,
            },
            Self::OpenTimeout | Self::HoldExpired | Self::SendHoldExpired | Self::Failed { .. } => {
                restart.is_some_and(|restart| restart.notification)
            }
            // The peer comes back at once after these; after the others it is not wanted for a while.
            Self::Stopped(Stop::Cease(Cease::AdministrativeReset | Cease::ConfigurationChange, _)) => {
                restart.is_some_and(|restart| restart.notification)
            }
            Self::Stopped(Stop::Cease(..)) => false,
            Self::Stopped(Stop::Replaced) | Self::Lost(_) => restart.is_some(),
        };
        if graceful { Loss::Graceful } else { Loss::Final }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenTimeout => f.write_str("no OPEN in time"),
            Self::HoldExpired => f.write_str("hold timer expired"),
            Self::SendHoldExpired => f.write_str("send hold timer expired: the peer does not read"),
            Self::Notified(notification) => write!(f, "received NOTIFICATION {notification}"),
            Self::Failed { notification, cause } => write!(f, "{cause}; sent NOTIFICATION {notification}"),
            Self::Lost(None) => f.write_str("the peer closed the connection"),
            Self::Lost(Some(error)) => write!(f, "connection lost: {error}"),
            Self::Stopped(Stop::Replaced) => {
                f.write_str("replaced by a newer connection of the same speaker")
            }
            Self::Stopped(Stop::Cease(cease, text)) if text.is_empty() => {
                write!(f, "ended by us: {}", cease.name())
            }
            Self::Stopped(Stop::Cease(cease, text)) => write!(f, "ended by us: {} ({text})", cease.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bgp::Families;

    const fn restart(notification: bool) -> GracefulRestart {
        GracefulRestart {
            restarting: false,
            notification,
            restart_time: Duration::from_mins(2),
            families: Families::ALL,
            forwarding: Families::NONE,
        }
    }

    #[test]
    fn routes_outlive_the_session_only_as_the_rfcs_say() {
        let cease = |cease| Ending::Notified(Notification::cease(cease));
        let hard = |data: &[u8]| {
            let data = bytes::Bytes::copy_from_slice(data);
            Ending::Notified(Notification { data, ..Notification::cease(Cease::HardReset) })
        };
        let ours = |cease| Ending::Stopped(Stop::Cease(cease, String::new()));
        let failed = Ending::Failed { notification: Notification::new(3, 1), cause: String::new() };
        // Without restart capability, with it, with the N bit too.
        let cases = [
            (Ending::Lost(None), [Loss::Final, Loss::Graceful, Loss::Graceful]),
            (Ending::Lost(Some("reset".into())), [Loss::Final, Loss::Graceful, Loss::Graceful]),
            (Ending::Stopped(Stop::Replaced), [Loss::Final, Loss::Graceful, Loss::Graceful]),
            (Ending::HoldExpired, [Loss::Final, Loss::Final, Loss::Graceful]),
            (Ending::SendHoldExpired, [Loss::Final, Loss::Final, Loss::Graceful]),
            (failed, [Loss::Final, Loss::Final, Loss::Graceful]),
            (cease(Cease::AdministrativeShutdown), [Loss::Final, Loss::Final, Loss::Graceful]),
            (cease(Cease::HardReset), [Loss::Final; 3]),
            (hard(&[6, 2]), [Loss::Final; 3]),
            (hard(&[6, 3, 1, b'x']), [Loss::Deconfigured; 3]),
            (cease(Cease::PeerDeconfigured), [Loss::Deconfigured, Loss::Deconfigured, Loss::Graceful]),
            (Ending::Notified(Notification::new(99, 99)), [Loss::Final, Loss::Final, Loss::Graceful]),
            (ours(Cease::AdministrativeReset), [Loss::Final, Loss::Final, Loss::Graceful]),
            (ours(Cease::ConfigurationChange), [Loss::Final, Loss::Final, Loss::Graceful]),
            (ours(Cease::MaximumPrefixes), [Loss::Final; 3]),
            (ours(Cease::PeerDeconfigured), [Loss::Final; 3]),
            (ours(Cease::AdministrativeShutdown), [Loss::Final; 3]),
        ];
        for (ending, losses) in cases {
            let restarts = [None, Some(restart(false)), Some(restart(true))];
            assert_eq!(restarts.map(|restart| ending.loss(restart.as_ref())), losses, "{ending}");
        }
    }
}
