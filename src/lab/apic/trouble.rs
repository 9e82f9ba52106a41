//! Trouble on order: what overloaded controllers and bad networks do to requests.

use std::time::Duration;

use serde::Deserialize;

use crate::time::Timestamp;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The proxy before the APIC answers with this status and a page of HTML; nothing takes effect.
    Status(u16),
    /// The connection ends before anything takes effect.
    DropBefore,
    /// The connection ends after all has taken effect, without an answer.
    DropAfter,
    /// The connection ends in the middle of the answer.
    Cut,
}

/// Which requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// All.
    #[default]
    All,
    /// GETs of objects.
    Reads,
    /// POSTs and DELETEs of objects.
    Writes,
    /// Logins and refreshes.
    Logins,
}

/// Trouble, and how much of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dose {
    /// What.
    pub what: Trouble,
    /// For so many requests; none: for all.
    #[serde(default)]
    pub times: Option<u32>,
    /// For so long, by the simulator's clock; none: until it is called off.
    #[serde(default, rename = "seconds", deserialize_with = "seconds")]
    pub lasts: Option<Duration>,
    /// The share of requests, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// Which requests.
    #[serde(default)]
    pub only: Only,
    /// Of one controller, from 1; none: of all.
    #[serde(default)]
    pub controller: Option<usize>,
}

const fn always() -> f64 {
    1.0
}

fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Option::<u64>::deserialize(deserializer).map(|seconds| seconds.map(Duration::from_secs))
}

impl Dose {
    /// For all requests until it is called off.
    pub const fn of(what: Trouble) -> Self {
        Self { what, times: None, lasts: None, probability: 1.0, only: Only::All, controller: None }
    }

    /// For so many requests.
    #[must_use]
    pub const fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// For so long.
    #[must_use]
    pub const fn lasting(self, lasts: Duration) -> Self {
        Self { lasts: Some(lasts), ..self }
    }

    /// For these requests only.
    #[must_use]
    pub const fn only(self, only: Only) -> Self {
        Self { only, ..self }
    }

    /// Of this controller only, from 1.
    #[must_use]
    pub const fn at(self, controller: usize) -> Self {
        Self { controller: Some(controller), ..self }
    }

    /// With this probability.
    #[must_use]
    pub const fn with_probability(self, probability: f64) -> Self {
        Self { probability, ..self }
    }
}

/// All trouble that is on.
pub(super) struct Troubles {
    doses: Vec<(Dose, Option<Timestamp>)>,
    random: u64,
}

/// Doses at once.
const MAX_DOSES: usize = 64;

impl Troubles {
    pub(super) const fn new(seed: u64) -> Self {
        Self { doses: Vec::new(), random: seed }
    }

    pub(super) fn add(&mut self, dose: Dose, now: Timestamp) {
        let end = dose.lasts.map(|lasts| now.after(lasts));
        if self.doses.len() < MAX_DOSES {
            self.doses.push((dose, end));
        }
    }

    pub(super) fn calm(&mut self) {
        self.doses.clear();
    }

    /// What happens to a request of this kind at a controller.
    pub(super) fn strike(&mut self, kind: Only, controller: usize, now: Timestamp) -> Option<Trouble> {
        self.doses.retain(|(dose, end)| dose.times != Some(0) && end.is_none_or(|end| now < end));
        for (dose, _) in &mut self.doses {
            let meant = (dose.only == Only::All || dose.only == kind)
                && dose.controller.is_none_or(|only| only == controller);
            if !meant {
                continue;
            }
            if dose.probability < 1.0 && unit(&mut self.random) >= dose.probability {
                continue;
            }
            if let Some(times) = &mut dose.times {
                *times -= 1;
            }
            return Some(dose.what);
        }
        None
    }
}

/// The next number from 0 to 1 (`SplitMix64`).
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn unit(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    #[test]
    fn a_dose_is_for_what_it_names_and_ends() {
        let mut troubles = Troubles::new(0);
        troubles.add(Dose::of(Trouble::Status(503)).times(1).only(Only::Writes).at(2), NOW);
        assert_eq!(troubles.strike(Only::Reads, 2, NOW), None);
        assert_eq!(troubles.strike(Only::Writes, 1, NOW), None);
        assert_eq!(troubles.strike(Only::Writes, 2, NOW), Some(Trouble::Status(503)));
        assert_eq!(troubles.strike(Only::Writes, 2, NOW), None);
        troubles.add(Dose::of(Trouble::Cut).lasting(Duration::from_mins(1)), NOW);
        assert_eq!(troubles.strike(Only::Logins, 1, NOW), Some(Trouble::Cut));
        assert_eq!(troubles.strike(Only::Logins, 1, NOW.after(Duration::from_mins(1))), None);
        troubles.add(Dose::of(Trouble::DropAfter), NOW);
        troubles.calm();
        assert_eq!(troubles.strike(Only::Logins, 1, NOW), None);
    }

    #[test]
    fn a_share_is_a_share_and_the_same_with_the_same_seed() {
        let strikes = |seed| {
            let mut troubles = Troubles::new(seed);
            troubles.add(Dose::of(Trouble::DropBefore).with_probability(0.3), NOW);
            (0..1000).map(|_| troubles.strike(Only::Reads, 1, NOW).is_some()).collect::<Vec<_>>()
        };
        let struck = strikes(7).iter().filter(|struck| **struck).count();
        assert!((250..350).contains(&struck), "{struck}");
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
    }
}
