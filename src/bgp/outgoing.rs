//! All that we ever send. No variant can carry a route: reading only is a type, not a setting.

use bytes::{BufMut, BytesMut};

use super::header::{HEADER, MessageType};
use super::{Family, Notification, Open};

/// A message of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// OPEN.
    Open(Open<'static>),
    /// KEEPALIVE.
    Keepalive,
    /// NOTIFICATION.
    Notification(Notification),
    /// ROUTE-REFRESH: send your routes of this family again (RFC 2918).
    RouteRefresh(Family),
    /// End-of-RIB: we have announced all we have, nothing (RFC 4724, 2).
    EndOfRib(Family),
}

impl Outgoing {
    /// The type of the message.
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::Open(_) => MessageType::Open,
            Self::Keepalive => MessageType::Keepalive,
            Self::Notification(_) => MessageType::Notification,
            Self::RouteRefresh(_) => MessageType::RouteRefresh,
            Self::EndOfRib(_) => MessageType::Update,
        }
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut BytesMut) {
        message(self.kind(), out, |out| match self {
            Self::Open(open) => open.encode(out),
            Self::Keepalive => {}
            Self::Notification(notification) => {
                let data = &notification.data;
                out.put_slice(&[notification.code, notification.subcode]);
                out.put_slice(data.get(..super::notification::MAX_DATA).unwrap_or(data));
            }
            Self::RouteRefresh(family) => {
                out.put_u16(family.afi());
                out.put_slice(&[0, 1]);
            }
            Self::EndOfRib(Family::Ipv4) => out.put_u32(0),
            Self::EndOfRib(Family::Ipv6) => {
                out.put_slice(&[0, 0, 0, 6, 0x80, 15, 3]);
                out.put_u16(Family::Ipv6.afi());
                out.put_u8(1);
            }
        });
    }
}

/// Appends a message with the body that `body` writes.
pub(super) fn message(kind: MessageType, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_bytes(0xff, 16);
    out.put_u16(0);
    out.put_u8(kind.code());
    body(out);
    let length = out.len().saturating_sub(start).max(HEADER);
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(field) = out.get_mut(start..).and_then(|message| message.get_mut(16..18)) {
        field.copy_from_slice(&length);
    }
}
