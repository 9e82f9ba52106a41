//! `[safety]`: whether anything is written, and the brakes.

use std::time::Duration;

use super::super::error::Error;
use super::super::model::{MassWithdraw, Mode, Safety};
use super::super::table::{Section, Value};
use super::apic::Fabrics;
use super::{DAY, share, within};

const SECOND: Duration = Duration::from_secs(1);
const MONTH: Duration = Duration::from_hours(30 * 24);

/// What it says.
pub(super) fn safety(mut section: Section<'_, '_>, fabrics: &Fabrics) -> Safety {
    let default = Safety::default();
    let mode = section.take("mode").and_then(|value| mode(&value, fabrics)).unwrap_or(default.mode);
    let startup_grace = section.read("startup_grace", |value| {
        within(value, Duration::ZERO..=DAY, "it is for the peers to come back; nothing is deleted meanwhile")
    });
    let delete_after = section.read("delete_after", |value| {
        within(value, SECOND..=MONTH, "a service that moves is withdrawn and announced again within seconds")
    });
    let delete_after = delete_after.unwrap_or(default.delete_after);
    let hold_down = hold_down(&mut section, delete_after).unwrap_or(default.hold_down);
    let mass_withdraw = mass_withdraw(section.section("mass_withdraw"));
    let max_deletes_per_minute = section.read("max_deletes_per_minute", |value| value.number(1..=100_000));
    let max_delete_fraction = section.read("max_delete_fraction", |value| {
        share(value, "it is a share of an L3Out's members: 0.2 deletes at most 20 % within ten minutes")
    });
    let eepg_delete_after = section.read("eepg_delete_after", |value| {
        within(value, SECOND..=MONTH, "an EEPG that is made anew has lost what others added to it")
    });
    let repair_limit = section.read("repair_limit", |value| value.number(1..=1_000));
    Safety {
        mode,
        startup_grace: startup_grace.unwrap_or(default.startup_grace),
        delete_after,
        hold_down,
        mass_withdraw,
        max_deletes_per_minute: max_deletes_per_minute.unwrap_or(default.max_deletes_per_minute),
        max_delete_fraction: max_delete_fraction.unwrap_or(default.max_delete_fraction),
        eepg_delete_after: eepg_delete_after.unwrap_or(default.eepg_delete_after),
        repair_limit: repair_limit.unwrap_or(default.repair_limit),
    }
}

fn mode(value: &Value<'_, '_>, fabrics: &Fabrics) -> Option<Mode> {
    let mode = value.choice(&[Mode::Observe, Mode::Enforce].map(|mode| (mode.name(), mode)))?;
    if mode == Mode::Enforce && fabrics.is_empty() {
        value.fail_with(
            "there is no [[apic]] that anything could be written to",
            "add one, or leave this out",
        );
    }
    Some(mode)
}

/// Silence is not withdrawal: it must not delete sooner.
fn hold_down(section: &mut Section<'_, '_>, delete_after: Duration) -> Option<Duration> {
    let default = Safety::default().hold_down;
    let stated = section.take("hold_down");
    let hold_down = match &stated {
        Some(value) => {
            let why = "members of peers that are gone are not kept for ever, nor dropped at a blink";
            within(value, SECOND..=MONTH, why)?
        }
        None => default,
    };
    if hold_down < delete_after {
        let place = stated.map_or_else(|| section.place().clone(), |value| value.place);
        let message = format!(
            "`hold_down` ({}) is shorter than `delete_after` ({})",
            humantime::format_duration(hold_down),
            humantime::format_duration(delete_after)
        );
        let help = "a peer that fell silent withdrew nothing, so its members stay at least as long";
        section.reporter().report(Error::at(&place, message).help(help));
    }
    Some(hold_down)
}

fn mass_withdraw(mut section: Section<'_, '_>) -> MassWithdraw {
    let default = MassWithdraw::default();
    let fraction = section.read("fraction", |value| {
        share(value, "it is a share of an L3Out's members: 0.1 holds deletes above 10 %")
    });
    let window = section.read("window", |value| {
        within(value, SECOND..=Duration::from_hours(1), "what goes within it counts as one event")
    });
    MassWithdraw {
        fraction: fraction.unwrap_or(default.fraction),
        count: section.read("count", |value| value.number(1..=1_000_000)).unwrap_or(default.count),
        window: window.unwrap_or(default.window),
    }
}
