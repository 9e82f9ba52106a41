//! The summary: what the observer and the EEPG controller have to say in a few numbers.

use axum::Json;
use serde::{Deserialize, Serialize};

use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::eepg::view::Counts;
use crate::observer::view;
use crate::sync::{ApicStatus, Status};
use crate::time::Timestamp;

/// `GET /api/v1/summary`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Peers, routes, findings.
    #[serde(flatten)]
    pub observed: view::Summary,
    /// Members of EEPGs; none: no `[[apic]]` is configured, or the controller does not answer.
    pub eepgs: Option<Counts>,
    /// Every `[[apic]]`.
    #[serde(default)]
    pub apics: Vec<Apic>,
}

/// An `[[apic]]`, in the summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apic {
    /// Its name.
    pub name: String,
    /// The last request was answered; none: nobody knows.
    pub up: Option<bool>,
    /// When it was last compared completely.
    pub compared: Option<Timestamp>,
    /// Objects that were not as they should be when it was last compared.
    pub drift: u64,
}

pub(super) async fn summary(state: State, params: Params) -> Result<Json<Summary>, Problem> {
    params.finish()?;
    let observed = state.ask(state.app.observer.summary()).await?;
    Ok(Json(state.with_members(observed).await))
}

impl Shared {
    /// What the EEPG controller says, beside what the observer says.
    pub(super) async fn with_members(&self, observed: view::Summary) -> Summary {
        let Some(sync) = self.sync() else { return Summary { observed, ..Summary::default() } };
        let Some(status) = self.aside(sync.status()).await else {
            let config = self.config();
            let unknown = |name: &str| Apic { name: name.to_owned(), ..Apic::default() };
            let apics = config.apics.iter().map(|apic| unknown(&apic.name)).collect();
            let observed = view::Summary { mode: config.safety.mode.name().to_owned(), ..observed };
            return Summary { observed, eepgs: None, apics };
        };
        let Status { mode, counts, apics, .. } = status;
        let apics = apics.into_iter().map(Apic::from).collect();
        Summary { observed: view::Summary { mode, ..observed }, eepgs: Some(counts), apics }
    }
}

impl From<ApicStatus> for Apic {
    fn from(ApicStatus { name, up, compared, counters, .. }: ApicStatus) -> Self {
        let drift = counters.drift.iter().map(|(.., count)| count).sum();
        Self { name, up: Some(up), compared, drift }
    }
}
