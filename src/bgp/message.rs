//! Any message.

use super::{Error, Frame, MessageType, Negotiated, Notification, Open, RouteRefresh, Update};

/// A message as received in an Established session.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// OPEN.
    Open(Open<'a>),
    /// UPDATE.
    Update(Update<'a>),
    /// NOTIFICATION.
    Notification(Notification),
    /// KEEPALIVE.
    Keepalive,
    /// ROUTE-REFRESH.
    RouteRefresh(RouteRefresh),
}

impl<'a> Message<'a> {
    /// Reads what is in a frame.
    ///
    /// # Errors
    /// What the parser of its type says.
    #[inline]
    pub fn parse(frame: &Frame<'a>, negotiated: &Negotiated) -> Result<Self, Error> {
        Ok(match frame.kind {
            MessageType::Keepalive => Self::Keepalive,
            MessageType::Update => Self::Update(Update::parse(frame.body, negotiated)?),
            MessageType::Open => Self::Open(Open::parse(frame.body)?),
            MessageType::Notification => Self::Notification(Notification::parse(frame.body)?),
            MessageType::RouteRefresh => {
                Self::RouteRefresh(RouteRefresh::parse(frame.body, negotiated.enhanced_route_refresh)?)
            }
        })
    }
}
