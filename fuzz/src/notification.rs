//! NOTIFICATION: read and written again as the same, and fit to be shown.

use bytes::BytesMut;
use thirdleaf::bgp::notification::MAX_DATA;
use thirdleaf::bgp::{Cease, MessageType, Notification, Outgoing, frame};

/// The body of a NOTIFICATION; and, where it is text, the text of one of ours.
pub fn check(data: &[u8]) {
    match Notification::parse(data) {
        Ok(notification) => {
            is_fit_to_be_shown(&notification);
            if data.len() <= MAX_DATA + 2 {
                arrives_again(&notification);
            }
        }
        Err(error) => assert!(data.len() < 2, "{error}"),
    }
    if let Ok(text) = str::from_utf8(data) {
        for cease in Cease::ALL {
            is_told(cease, text);
        }
    }
}

fn is_fit_to_be_shown(notification: &Notification) {
    let shown = notification.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(shown.chars().count() < 400, "{shown}");
    if let Some(text) = notification.text() {
        assert!(matches!((notification.code, notification.subcode), (6, 2 | 4)));
        assert!(!text.is_empty() && text.chars().count() <= 255);
    }
}

fn arrives_again(notification: &Notification) {
    let mut out = BytesMut::new();
    Outgoing::Notification(notification.clone()).encode(&mut out);
    let found = frame(&out, false).unwrap().unwrap();
    assert_eq!((found.kind, found.octets.len()), (MessageType::Notification, out.len()));
    assert_eq!(Notification::parse(found.body).as_ref(), Ok(notification));
}

fn is_told(cease: Cease, text: &str) {
    let notification = Notification::cease_with_text(cease, text);
    assert_eq!(notification.as_cease(), Some(cease));
    is_fit_to_be_shown(&notification);
    arrives_again(&notification);
    let plain = text.chars().all(|char| char == ' ' || char.is_ascii_graphic()) && text.len() <= 255;
    if plain && matches!(cease, Cease::AdministrativeShutdown | Cease::AdministrativeReset) {
        assert_eq!(notification.text().unwrap_or_default(), text.trim());
    }
}
