//! What was measured, for people and for a table.

use std::path::Path;

use serde::Serialize;

/// Everything measured so far.
#[derive(Default)]
pub(crate) struct Results(Vec<Measured>);

/// One figure.
#[derive(Serialize)]
struct Measured {
    /// `routes`, `scrape` or `replay`.
    group: &'static str,
    /// What was measured.
    name: String,
    value: f64,
    unit: &'static str,
    /// What it should be, if anything is wanted of it.
    goal: Option<f64>,
    /// `most` or `least`: which side of the goal is the good one.
    at: Option<&'static str>,
    met: Option<bool>,
}

impl Results {
    /// A figure that nothing is wanted of.
    pub(crate) fn note(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) {
        self.push(Measured { group, name: name.into(), value, unit, goal: None, at: None, met: None });
    }

    /// A figure that must not be above `goal`.
    pub(crate) fn at_most(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        (value, unit): (f64, &'static str),
        goal: f64,
    ) {
        let (at, met) = (Some("most"), Some(value <= goal));
        self.push(Measured { group, name: name.into(), value, unit, goal: Some(goal), at, met });
    }

    /// A figure that must not be below `goal`.
    pub(crate) fn at_least(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        (value, unit): (f64, &'static str),
        goal: f64,
    ) {
        let (at, met) = (Some("least"), Some(value >= goal));
        self.push(Measured { group, name: name.into(), value, unit, goal: Some(goal), at, met });
    }

    fn push(&mut self, measured: Measured) {
        let Measured { group, name, value, unit, .. } = &measured;
        let goal = match (measured.at, measured.goal, measured.met) {
            (Some(at), Some(goal), Some(met)) => {
                format!("  (at {at} {goal}: {})", if met { "met" } else { "MISSED" })
            }
            _ => String::new(),
        };
        println!("{group}: {name}: {value:.3} {unit}{goal}");
        self.0.push(measured);
    }

    pub(crate) fn write(&self) {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target directory");
        let directory = target.join("bench");
        std::fs::create_dir_all(&directory).expect("a directory for results");
        let text = serde_json::to_string_pretty(&self.0).expect("plain values");
        std::fs::write(directory.join("queries.json"), text).expect("results are written");
    }
}

/// The value below which this share of them is.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place"
    )]
    let place = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}
