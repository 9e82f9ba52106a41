//! What an answer means.

use std::time::Duration;

use crate::apic::Error;
use crate::apic::answer::{Answer, clean, retry_after};

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, retry_after: None, location: None, body: body.into(), secrets: Vec::new() }
}

fn error(status: u16, body: &str) -> Error {
    answer(status, body).classified().unwrap_err()
}

fn fault(status: u16, code: &str, text: &str) -> Error {
    let fault = serde_json::json!({"error": {"attributes": {"code": code, "text": text}}});
    error(status, &serde_json::json!({"totalCount": "1", "imdata": [fault]}).to_string())
}

#[test]
fn codes_of_the_apic_are_kept() {
    for (status, code) in [
        (400, "1"),
        (400, "103"),
        (400, "104"),
        (400, "105"),
        (400, "107"),
        (400, "120"),
        (400, "122"),
        (400, "801"),
        (400, "400"),
        (400, ""),
        (200, "1"),
    ] {
        let expected = Error::Refused { status, code: code.into(), text: "why".into() };
        assert_eq!(fault(status, code, "why"), expected);
        assert!(expected.is_permanent());
    }
    assert_eq!(fault(400, "102", "not found"), Error::NotFound { text: "not found".into() });
}

#[test]
fn what_passes_by_itself_is_throttled() {
    for status in [405, 429, 500, 501, 502, 503, 504] {
        for body in ["", "<html><title>busy</title>", "busy", r#"{"imdata":[]}"#] {
            assert!(matches!(error(status, body), Error::Throttled { .. }), "{status} {body}");
        }
        assert!(matches!(fault(status, "1", "restarting"), Error::Throttled { .. }), "{status}");
    }
    for status in [200, 400, 418] {
        let page = " \n<!DOCTYPE html><html><head><title>Starting</title></head></html>";
        assert_eq!(
            error(status, page),
            Error::Throttled { status, text: "Starting".into(), retry_after: None }
        );
    }
}

#[test]
fn other_answers_say_what_they_are() {
    assert!(matches!(error(413, "<html>"), Error::TooLarge { .. }));
    assert!(matches!(error(414, ""), Error::TooLarge { .. }));
    assert!(matches!(fault(400, "1", "result dataset is too big"), Error::TooLarge { .. }));
    assert_eq!(
        fault(401, "401", "who"),
        Error::BadCredentials { text: "who".into(), again_in: Duration::ZERO }
    );
    assert_eq!(fault(403, "403", "no"), Error::Denied { text: "no".into() });
    assert!(matches!(error(403, "<html>"), Error::Denied { .. }));
    assert!(matches!(error(404, "<html>"), Error::Refused { status: 404, .. }));
    assert!(matches!(error(418, "teapot"), Error::Refused { status: 418, .. }));
    let mut moved = answer(302, "");
    moved.location = Some("https://elsewhere/".into());
    assert!(moved.classified().unwrap_err().to_string().contains("elsewhere"));
    for status in [200, 201, 202] {
        let body = r#"{"totalCount":"0","imdata":[]}"#;
        assert_eq!(answer(status, body).classified(), Ok(body.as_bytes().to_vec()));
    }
}

#[test]
fn texts_are_short_and_printable() {
    let text = format!("a\u{1b}[31mb\r\n\0\u{202e}c{}", "d".repeat(10_000));
    let Error::Refused { text, code, .. } = fault(400, &text, &text) else { panic!() };
    for cleaned in [text, code] {
        assert!(cleaned.starts_with("a [31mb    c"), "{cleaned:?}");
        assert!(cleaned.len() <= 403 && cleaned.ends_with("d..."), "{}", cleaned.len());
    }
    assert_eq!(clean(" x\u{feff} "), "x");
    assert_eq!(clean(&"\u{fc}".repeat(400)).chars().count(), 400);
}

#[test]
fn nobody_makes_us_wait_for_hours() {
    assert_eq!(retry_after("5"), Some(Duration::from_secs(5)));
    assert_eq!(retry_after("86400"), Some(Duration::from_mins(1)));
    for value in ["-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
        assert_eq!(retry_after(value), None, "{value}");
    }
}

#[test]
fn secrets_that_are_echoed_are_hidden() {
    let mut echo = answer(400, "your password is correct horse, your token is abc");
    echo.hide("correct horse");
    echo.hide("abc");
    let text = echo.classified().unwrap_err().to_string();
    assert!(
        text.contains("your token is ****") && !text.contains("horse") && !text.contains("abc"),
        "{text}"
    );
}
