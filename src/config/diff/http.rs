//! Who may do what over HTTP, from the moment of a reload.

use super::super::model::{Http, Token};
use super::{Changes, Effect, json, lines};

pub(super) fn http(changes: &mut Changes, old: &Http, new: &Http) {
    for token in &old.tokens {
        match find(new, token) {
            Some(next) => same_name(changes, token, next),
            None => changes.add(Effect::Apply, format!("http: the token of `{}` is removed", token.name)),
        }
    }
    for token in new.tokens.iter().filter(|token| find(old, token).is_none()) {
        let scope = token.scope.name();
        changes.add(Effect::Apply, format!("http: `{}` gets a token: {scope}", token.name));
    }
    match (&old.tls, &new.tls) {
        (None, Some(_)) => changes.add(Effect::Apply, "http: TLS from now on, no plain HTTP"),
        (Some(_), None) => changes.add(Effect::Apply, "http: plain HTTP from now on, no TLS"),
        (old, new) if old != new => {
            changes.add(Effect::Apply, "http.tls: another certificate, key or client CA");
        }
        _ => {}
    }
    changes.add_all(Effect::Apply, "", lines("http.read", &json(&old.read), &json(&new.read)));
    changes.add_all(Effect::Apply, "", lines("http.hosts", &json(&old.hosts), &json(&new.hosts)));
}

fn find<'h>(http: &'h Http, token: &Token) -> Option<&'h Token> {
    http.tokens.iter().find(|other| other.name == token.name)
}

fn same_name(changes: &mut Changes, old: &Token, new: &Token) {
    let name = &new.name;
    if old.secret != new.secret {
        changes.add(Effect::Apply, format!("http: `{name}` has another token"));
    }
    if old.scope != new.scope {
        let (old, new) = (old.scope.name(), new.scope.name());
        changes.add(Effect::Apply, format!("http: scope of `{name}` {old} -> {new}"));
    }
}
