//! What was measured, as a table and as JSON.

use std::fmt;

/// One parser at one case.
pub struct Measured {
    pub case: &'static str,
    pub parser: &'static str,
    /// How often the case is parsed in a turn.
    pub repeat: u32,
    /// Allocations a message.
    pub allocations: f64,
    /// Nanoseconds a message, by round.
    pub nanoseconds: Vec<f64>,
}

impl Measured {
    fn median(&self) -> f64 {
        let mut sorted = self.nanoseconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

pub struct Report(Vec<Measured>);

impl Report {
    /// Of all, case by case, each with the parsers in the same order.
    pub fn new(measured: Vec<Measured>) -> Self {
        Self(measured)
    }

    fn cases(&self) -> impl Iterator<Item = &[Measured]> {
        self.0.chunk_by(|one, other| one.case == other.case)
    }

    /// `{"cases":[{"case","parsers":[{"parser","ns","allocations","rounds":[ns]}]}]}`: nanoseconds and
    /// allocations a message, the median of all rounds first.
    pub fn json(&self) -> String {
        let parser = |one: &Measured| {
            let rounds: Vec<String> = one.nanoseconds.iter().map(|ns| format!("{ns:.2}")).collect();
            format!(
                "{{\"parser\":\"{}\",\"ns\":{:.2},\"allocations\":{:.3},\"rounds\":[{}]}}",
                one.parser,
                one.median(),
                one.allocations,
                rounds.join(",")
            )
        };
        let case = |case: &[Measured]| {
            let parsers: Vec<String> = case.iter().map(parser).collect();
            format!("{{\"case\":\"{}\",\"parsers\":[\n{}\n]}}", case[0].case, parsers.join(",\n"))
        };
        let cases: Vec<String> = self.cases().map(case).collect();
        format!("{{\"cases\":[\n{}\n]}}\n", cases.join(",\n"))
    }
}

/// Nanoseconds a message by parser and case; allocations a message in the last case.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cases: Vec<&[Measured]> = self.cases().collect();
        let (Some(first), Some(last)) = (cases.first(), cases.last()) else { return Ok(()) };
        write!(f, "| ns a message |")?;
        cases.iter().try_for_each(|case| write!(f, " {} |", case[0].case))?;
        writeln!(f, " allocations ({}) |", last[0].case)?;
        writeln!(f, "|---|{}", "--:|".repeat(cases.len() + 1))?;
        for row in 0..first.len() {
            write!(f, "| {} |", first[row].parser)?;
            cases.iter().try_for_each(|case| write!(f, " {:.1} |", case[row].median()))?;
            writeln!(f, " {:.1} |", last[row].allocations)?;
        }
        Ok(())
    }
}
