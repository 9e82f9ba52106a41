//! EEPGs and redirect policies, their members, and whose they are.

use std::collections::BTreeSet;

use axum::Json;
use ipnet::IpNet;
use serde::Deserialize;

use super::auth::Approver;
use super::changes::{Body, Done, octets, parse};
use super::lists::is;
use super::page::{self, Key};
use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::config;
use crate::eepg::view::{Eepg, Member};
use crate::observer::maintenance::did_you_mean;
use crate::observer::view::Page;
use crate::sync::Controller;

/// `(apic, dn)`.
type EepgKey = (String, String);

impl Key for IpNet {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

pub(super) async fn list(state: State, mut params: Params) -> Result<Json<Page<Eepg>>, Problem> {
    let apic = params.text("apic")?;
    let tenant = params.text("tenant")?;
    let l3out = params.text("l3out")?;
    let name = params.text("name")?;
    let vrf = params.text("vrf")?;
    let limit = params.limit()?;
    let after = page::read::<EepgKey>(params.text("cursor")?)?;
    params.finish()?;
    let all = match state.sync() {
        Some(sync) => state.told(sync.eepgs()).await?,
        None => Vec::new(),
    };
    let wanted = |eepg: &Eepg| {
        is(apic.as_ref(), Some(&eepg.apic))
            && is(tenant.as_ref(), Some(&eepg.tenant))
            && is(l3out.as_ref(), Some(&eepg.l3out))
            && is(name.as_ref(), Some(&eepg.name))
            && is(vrf.as_ref(), Some(&eepg.vrf))
    };
    let key = |eepg: &Eepg| (eepg.apic.clone(), eepg.dn.clone());
    Ok(Json(page::page(all.into_iter().filter(wanted), key, after.as_ref(), limit)))
}

/// Tens of thousands of members may be in one EEPG: the controller gives them piece by piece.
pub(super) async fn members(state: State, params: Params) -> Result<Json<Page<Member>>, Problem> {
    members_page(&state, params).await.map(Json)
}

/// A page of the members of one EEPG or policy.
pub(super) async fn members_page(state: &Shared, mut params: Params) -> Result<Page<Member>, Problem> {
    let dn = params.text("dn")?;
    let limit = params.limit()?;
    let after = page::read::<IpNet>(params.text("cursor")?)?;
    params.finish()?;
    let dn = dn.ok_or_else(|| Problem::bad_request("parameter \"dn\" is missing"))?;
    let members = match state.sync() {
        Some(sync) => state.told(sync.members(dn.clone(), after, limit + 1)).await?,
        None => None,
    };
    let mut items = members.ok_or_else(|| Problem::not_found(format!("there is no EEPG {dn:?}")))?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|member| member.prefix.write());
    Ok(Page { items, next_cursor, total: None })
}

/// Which object of others is to be ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adopted {
    dn: String,
}

/// Which EEPG or policy, by its name or its distinguished name; none: all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Released {
    eepg: Option<String>,
}

pub(super) async fn adopt(
    Approver(actor): Approver,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let Adopted { dn } = parse(&octets(body)?)?;
    let answer = state.told(state.controller()?.by(&actor).adopt(dn)).await?;
    state.outcome(&actor, "eepg_adopted", answer)
}

pub(super) async fn release(
    Approver(actor): Approver,
    state: State,
    params: Params,
    body: Body,
) -> Result<Json<Done>, Problem> {
    params.finish()?;
    let Released { eepg } = parse(&octets(body)?)?;
    let sync = state.controller()?;
    let dn = match eepg {
        Some(name) => Some(state.resolve(sync, &name).await?),
        None => None,
    };
    let answer = state.told(sync.by(&actor).release(dn)).await?;
    state.outcome(&actor, "eepg_released", answer)
}

impl Shared {
    /// The distinguished name of the one EEPG or policy that is called so.
    async fn resolve(&self, sync: &Controller, name: &str) -> Result<String, Problem> {
        let eepgs = self.told(sync.eepgs()).await?;
        let called = eepgs.iter().filter(|eepg| eepg.dn == name || eepg.name == name);
        let dns: BTreeSet<_> = called.map(|eepg| eepg.dn.as_str()).collect();
        match Vec::from_iter(dns)[..] {
            [dn] => Ok(dn.to_owned()),
            [] => {
                let names = eepgs.iter().map(|eepg| eepg.name.as_str());
                let hint = did_you_mean(config::nearest(name, names));
                Err(Problem::not_found(format!("there is no EEPG {name:?}{hint}")))
            }
            ref several => Err(Problem::bad_request(format!(
                "{name:?} is the name of several: say which by its distinguished name, {}",
                several.join(" or ")
            ))),
        }
    }
}

#[cfg(test)]
mod tests;
