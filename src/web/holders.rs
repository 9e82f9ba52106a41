//! Which EEPG holds the prefix of a route: what the EEPG controller says beside what the observer says.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Shared;
use crate::observer::view::{Route, Why};

const ACCEPTED: &str = "accepted";

impl Shared {
    /// Fills in the EEPGs of accepted routes, with one request for all of them. A controller that does not answer
    /// soon leaves them out: routes are shown all the same.
    pub(super) async fn name_holders<'a>(&self, routes: impl IntoIterator<Item = &'a mut Route>) {
        let Some(sync) = self.sync() else { return };
        let (routes, asked): (Vec<_>, Vec<_>) = routes
            .into_iter()
            .filter(|route| route.state == ACCEPTED)
            .map(|route| {
                let prefix = (Arc::clone(&route.vrf), route.prefix);
                (route, prefix)
            })
            .unzip();
        if asked.is_empty() {
            return;
        }
        let holders = self.aside(sync.holders(asked)).await.unwrap_or_default();
        for (route, holder) in routes.into_iter().zip(holders) {
            route.eepg = holder;
        }
    }

    /// Says of each route of a prefix which rule took it, or why none did.
    pub(super) async fn explain_members(&self, judged: &mut [Why]) {
        let Some(sync) = self.sync() else { return };
        let mut said: BTreeMap<Arc<str>, String> = BTreeMap::new();
        for Why { route, eepg, .. } in &mut *judged {
            if route.state != ACCEPTED {
                *eepg = format!("a route that is {} is no member of any", route.state);
                continue;
            }
            if !said.contains_key(&route.vrf) {
                let line = self.aside(sync.why(Arc::clone(&route.vrf), route.prefix)).await;
                let line = line.unwrap_or_else(|| "the EEPG controller does not answer".to_owned());
                said.insert(Arc::clone(&route.vrf), line);
            }
            if let Some(line) = said.get(&route.vrf) {
                eepg.clone_from(line);
            }
        }
        self.name_holders(judged.iter_mut().map(|judged| &mut judged.route)).await;
    }
}
