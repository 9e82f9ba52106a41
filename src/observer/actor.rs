//! Who did something.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::view::Event;
use crate::time::Timestamp;

/// Who did something, or wanted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The name of the token.
    pub name: Arc<str>,
    /// Where the request came from.
    pub client: IpAddr,
}

impl Actor {
    /// What happened by this actor's doing.
    pub fn event(&self, at: Timestamp, kind: &str, text: &str) -> Event {
        let mut event = Event { at, kind: kind.to_owned(), text: text.to_owned(), ..Event::default() };
        self.sign(&mut event);
        event
    }

    /// Says in `event` who did it.
    pub(super) fn sign(&self, event: &mut Event) {
        event.actor = Some(self.name.to_string());
        event.text = format!("{} (by {self})", event.text);
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.name, self.client)
    }
}
