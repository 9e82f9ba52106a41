//! `[[redirect]]`: which addresses are destinations of which redirect policy.

use std::sync::Arc;

use super::super::model::Redirect;
use super::super::table::{Place, Section, Value};
use super::matching::{self, Ground, Members};
use super::names::of_apic;

/// All redirect policies.
pub(super) fn redirects(root: &mut Section<'_, '_>, ground: &Ground<'_>) -> Vec<Redirect> {
    let sections = root.sections("redirect");
    matching::has_apic(&sections, ground);
    let mut read: Vec<(Redirect, Place)> = Vec::new();
    for mut section in sections {
        let Some((redirect, value)) = redirect(&mut section, ground) else { continue };
        let same = |other: &Redirect| {
            (&other.apic, &other.tenant, &other.policy)
                == (&redirect.apic, &redirect.tenant, &redirect.policy)
        };
        if let Some((_, first)) = read.iter().find(|(other, _)| same(other)) {
            let line = section.reporter().line(first, &value.place);
            value.fail_with(
                format!("the destinations of `{}` are said already, on {line}", redirect.policy),
                "one entry may match several prefixes, nodes or communities",
            );
        }
        read.push((redirect, value.place));
    }
    read.into_iter().map(|(redirect, _)| redirect).collect()
}

/// Reads every key, whatever is wrong with the others; and the value of its name.
fn redirect<'r, 't>(section: &mut Section<'r, 't>, ground: &Ground<'_>) -> Option<(Redirect, Value<'r, 't>)> {
    let policy = section.require("policy").and_then(|value| Some((of_apic(&value)?, value)));
    let apic = matching::apic(section, ground);
    let tenant = section.need("tenant", of_apic);
    let vrf = matching::vrf(section, ground);
    let (matches, _) = matching::matches(section, ground, vrf.as_deref(), Members::Hosts);
    let create = section.read("create", Value::bool).unwrap_or(false);
    let mac = section.read("mac", mac);
    let health_group = section.read("health_group", of_apic);
    let ip_sla = section.read("ip_sla", of_apic);
    let min_destinations = section.read("min_destinations", |value| value.number(0..=1_000)).unwrap_or(1);
    let ((policy, value), apic, tenant, vrf) = (policy?, apic?, tenant?, vrf?);
    let redirect =
        Redirect { apic, tenant, policy, vrf, matches, create, mac, health_group, ip_sla, min_destinations };
    Some((redirect, value))
}

/// As the APIC writes it; zeros stand for none there.
fn mac(value: &Value<'_, '_>) -> Option<Arc<str>> {
    let text = value.text()?;
    let octets: Vec<&str> = text.split([':', '-']).collect();
    let octet = |digits: &&str| {
        let hex = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
    };
    let read: Option<Vec<u8>> = octets.iter().map(octet).collect();
    match read.as_deref() {
        Some([0, 0, 0, 0, 0, 0]) => None,
        Some([first, _, _, _, _, _]) if first & 1 == 1 => {
            value.fail("this is the MAC address of a group, not of a destination");
            None
        }
        Some(octets @ [_, _, _, _, _, _]) => {
            let digits: Vec<String> = octets.iter().map(|octet| format!("{octet:02X}")).collect();
            Some(digits.join(":").into())
        }
        _ => {
            let message = format!("`{}` is not a MAC address", text.escape_debug());
            value.fail_with(message, "write it as \"00:50:56:AB:CD:EF\"");
            None
        }
    }
}
