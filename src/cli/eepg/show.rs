//! `thirdleaf eepg show`: one EEPG or redirect policy, and its members.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::super::client::Client;
use super::super::output::{self, Row, Style};
use super::super::table::{Cell, Column, Paint, age, printable};
use super::super::{Error, Exit};
use super::paint_if;
use crate::eepg::view::{Eepg, Member};
use crate::time::Timestamp;

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its name or its distinguished name
    eepg: String,
}

/// For machines.
#[derive(Serialize)]
struct Shown<'a> {
    eepg: &'a Eepg,
    members: Vec<Member>,
}

impl Show {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let all = super::all(client).await?;
        let eepg = one(&all, &self.eepg)?;
        let query = [("dn", Some(eepg.dn.clone()))];
        let mut pages = client.pages::<Member>("/api/v1/eepgs/members", &query, None);
        if style.is_json() {
            let mut members = Vec::new();
            while let Some(page) = pages.next().await? {
                members.extend(page);
            }
            output::value(&Shown { eepg, members }, style, out)?;
        } else {
            heading(eepg, style.now, out)?;
            output::list(pages, style, out).await?;
        }
        Ok(Exit::FINE)
    }
}

/// The one that is called so.
fn one<'a>(all: &'a [Eepg], name: &str) -> Result<&'a Eepg, Error> {
    let named: Vec<_> = all.iter().filter(|eepg| eepg.dn == name || eepg.name == name).collect();
    match named[..] {
        [eepg] => Ok(eepg),
        [] => Err(Error::Usage(format!(
            "there is no EEPG or redirect policy {name:?}; `thirdleaf eepg list` shows what there is"
        ))),
        ref several => {
            let dns: Vec<_> = several.iter().map(|eepg| format!("{} on {}", eepg.dn, eepg.apic)).collect();
            Err(Error::Usage(format!("{name:?} is the name of several, {}: say which", dns.join(", "))))
        }
    }
}

fn heading(eepg: &Eepg, now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let Eepg { name, kind, apic, dn, vrf, state, desired, observed, foreign, pending, held, cap, .. } = eepg;
    let what = if kind == "redirect" { "Redirect policy" } else { "EEPG" };
    let [name, apic, dn, vrf, state] = [name, apic, dn, vrf, state].map(|text| printable(text));
    writeln!(out, "{what} {name} on {apic}, VRF {vrf}, {state}: {dn}")?;
    let compared = match eepg.compared {
        Some(at) => format!("compared {} ago", age(now, at)),
        None => "not compared yet".to_owned(),
    };
    writeln!(
        out,
        "{desired} members desired, {observed} observed, {foreign} of others, at most {cap}; {pending} changes to come, \
         {held} held back; {compared}"
    )?;
    for trouble in &eepg.trouble {
        writeln!(out, "! {}", printable(trouble))?;
    }
    writeln!(out)
}

impl Row for Member {
    const COLUMNS: &'static [Column] = &[
        Column::left("PREFIX"),
        Column::left("STATE"),
        Column::left("WANTED"),
        Column::left("NODES"),
        Column::left("RULE"),
        Column::left("NOTE"),
    ];

    fn cells(&self, _: Timestamp) -> Vec<Cell> {
        let paint = match (self.state.as_str(), self.wanted) {
            ("ours", true) => Paint::Good,
            ("ours", false) => Paint::Warning,
            _ => paint_if(self.state == "missing", Paint::Bad),
        };
        vec![
            Cell::new(self.prefix),
            Cell::new(&self.state).paint(paint),
            Cell::new(if self.wanted { "yes" } else { "no" }),
            Cell::all(&self.nodes),
            Cell::maybe(self.rule.as_ref()),
            Cell::maybe(self.note.as_ref()),
        ]
    }
}
