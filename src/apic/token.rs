//! The token of a session: how long it serves, and when it wants to be renewed.

use std::time::Duration;

use reqwest::header::HeaderValue;

use super::answer::Envelope;
use super::sign::secret_header;
use crate::eepg::Mo;
use crate::time::Timestamp;

/// `refreshTimeoutSeconds`, where nothing else is said.
const REFRESH: u64 = 600;
/// `maximumLifetimeSeconds`, where nothing else is said.
const LIFETIME: u64 = 86_400;
/// What an APIC may say of either; less would keep us busy with nothing else.
const SANE: std::ops::RangeInclusive<u64> = 10..=604_800;
/// Tokens have a few hundred letters.
const LONGEST: usize = 8192;

/// A token, and when it has to be renewed how.
#[derive(Clone)]
pub(super) struct Token {
    /// The `Cookie` header.
    pub(super) cookie: HeaderValue,
    /// Which one it is, of those that this session had.
    pub(super) number: u64,
    pub(super) issued: Timestamp,
    pub(super) expires: Timestamp,
    refresh_at: Timestamp,
    /// No refresh goes beyond the lifetime of a session; the last twentieth of it is kept for a new login.
    login_at: Timestamp,
}

/// What a token wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To be used.
    Nothing,
    /// To be refreshed, though it serves as it is.
    Refresh,
    /// It serves no more.
    Login,
}

impl Token {
    /// From the reply to a login, or to a refresh of `before`; and that reply.
    pub(super) fn read(
        body: &[u8],
        sent: Timestamp,
        number: u64,
        before: Option<&Self>,
    ) -> Result<(Self, Mo), String> {
        let mut first = None;
        Envelope::read(body, |mo| {
            first.get_or_insert(mo);
            Ok(())
        })?;
        let reply = first.ok_or("it has no object")?;
        let token = reply.get("token");
        let cookie = Some(token)
            .filter(|token| {
                !token.is_empty() && token.len() <= LONGEST && !token.contains([';', ' ', ',', '"'])
            })
            .and_then(|token| secret_header(&format!("APIC-cookie={token}")))
            .ok_or("it has no usable token")?;
        let seconds = |attribute: &str, default: u64| {
            let said = reply.get(attribute).parse().unwrap_or(default);
            Duration::from_secs(said.clamp(*SANE.start(), *SANE.end()))
        };
        let refresh = seconds("refreshTimeoutSeconds", REFRESH);
        let lifetime = seconds("maximumLifetimeSeconds", LIFETIME);
        let token = Self {
            cookie,
            number,
            issued: sent,
            expires: sent.after(refresh),
            refresh_at: sent.after(refresh / 2),
            login_at: before.map_or_else(|| sent.after(lifetime * 19 / 20), |before| before.login_at),
        };
        Ok((token, reply))
    }

    /// What it wants now.
    pub(super) fn wish(&self, now: Timestamp) -> Wish {
        if now >= self.expires || now >= self.login_at {
            Wish::Login
        } else if now >= self.refresh_at {
            Wish::Refresh
        } else {
            Wish::Nothing
        }
    }

    /// After a refresh in vain it is not asked for at every request.
    pub(super) fn postpone_refresh(&mut self, now: Timestamp) {
        self.refresh_at = now.after(self.expires.since(now) / 2);
    }

    /// The bare token, to keep it out of texts.
    pub(super) fn bare(&self) -> &str {
        self.cookie.to_str().ok().and_then(|cookie| cookie.split_once('=')).map_or("", |(_, token)| token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn reply(attributes: &str) -> Vec<u8> {
        format!(r#"{{"totalCount":"1","imdata":[{{"aaaLogin":{{"attributes":{{{attributes}}}}}}}]}}"#)
            .into_bytes()
    }

    fn token(attributes: &str, sent: u64, before: Option<&Token>) -> Result<Token, String> {
        Token::read(&reply(attributes), at(sent), 1, before).map(|(token, _)| token)
    }

    #[test]
    fn is_refreshed_at_half_its_life_and_useless_after_it() {
        let text = r#""token":"abc","refreshTimeoutSeconds":"600","maximumLifetimeSeconds":"86400""#;
        let token = token(text, 1000, None).unwrap();
        assert_eq!(token.cookie, "APIC-cookie=abc");
        assert_eq!(token.bare(), "abc");
        for (now, wish) in
            [(1299, Wish::Nothing), (1300, Wish::Refresh), (1599, Wish::Refresh), (1600, Wish::Login)]
        {
            assert_eq!(token.wish(at(now)), wish, "{now}");
        }
    }

    #[test]
    fn no_refresh_prolongs_a_session_beyond_its_lifetime() {
        let text = r#""token":"abc","refreshTimeoutSeconds":"600","maximumLifetimeSeconds":"1000""#;
        let first = token(text, 0, None).unwrap();
        let second = token(text, 900, Some(&first)).unwrap();
        assert_eq!(second.wish(at(949)), Wish::Nothing);
        assert_eq!(second.wish(at(950)), Wish::Login);
    }

    #[test]
    fn a_refresh_in_vain_is_tried_again_halfway_to_the_end() {
        let mut token = token(r#""token":"abc","refreshTimeoutSeconds":"600""#, 0, None).unwrap();
        token.postpone_refresh(at(300));
        assert_eq!(token.wish(at(449)), Wish::Nothing);
        assert_eq!(token.wish(at(450)), Wish::Refresh);
    }

    #[test]
    fn absurd_times_are_bounded_and_missing_ones_are_the_defaults() {
        let none = token(r#""token":"abc""#, 0, None).unwrap();
        assert_eq!(none.expires, at(600));
        let zero =
            token(r#""token":"abc","refreshTimeoutSeconds":"0","maximumLifetimeSeconds":"0""#, 0, None);
        assert_eq!(zero.unwrap().wish(at(4)), Wish::Nothing);
        let endless = token(r#""token":"abc","refreshTimeoutSeconds":"18446744073709551615""#, 0, None);
        assert_eq!(endless.unwrap().expires, at(604_800));
    }

    #[test]
    fn what_is_no_token_is_not_sent() {
        let long = format!(r#""token":"{}""#, "a".repeat(LONGEST + 1));
        for text in [r#""token":"""#, r#""tok":"x""#, r#""token":"a; b=c""#, r#""token":"a\r\nb""#, &long] {
            assert!(token(text, 0, None).is_err(), "{text}");
        }
        assert!(Token::read(br#"{"totalCount":"0","imdata":[]}"#, at(0), 1, None).is_err());
    }
}
