//! How bad it is: a word, a sign and a colour, never a colour alone.

use maud::{Markup, Render, html};

use crate::observer::view::Finding;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    #[default]
    Ok,
    Warning,
    Critical,
}

impl Level {
    pub(super) const ALL: [Self; 3] = [Self::Ok, Self::Warning, Self::Critical];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Warning => "!",
            Self::Critical => "✕",
        }
    }

    /// How bad a finding is of which somebody is told.
    pub(super) fn of(finding: &Finding) -> Self {
        match finding.severity.as_str() {
            "critical" => Self::Critical,
            "warning" => Self::Warning,
            _ => Self::Ok,
        }
    }

    /// Its sign, for eyes alone: the word stands beside it.
    pub(super) fn mark(self) -> Markup {
        html! { span.sign data-state=(self) aria-hidden="true" { (self.sign()) } }
    }
}

impl Render for Level {
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str(self.name());
    }
}
