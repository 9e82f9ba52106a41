//! Which cluster and which VRF a verb is about.

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
pub(super) struct Scope {
    /// Of this cluster
    #[arg(long)]
    pub(super) cluster: Option<String>,
    /// Of this VRF
    #[arg(long)]
    pub(super) vrf: Option<String>,
}

impl Scope {
    pub(super) const fn is_all(&self) -> bool {
        self.cluster.is_none() && self.vrf.is_none()
    }
}
