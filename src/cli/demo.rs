//! `thirdleaf demo`: three racks, eight nodes and thirdleaf on loopback, and a story.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{Error, Exit};
use crate::config::{self, Machine};
use crate::daemon::Daemon;
use crate::lab::demo;
use crate::observer::Settings;

/// Eight nodes settle sooner than a fabric.
const PATIENCE: Settings =
    Settings { route_grace: Duration::from_secs(5), peer_grace: Duration::from_secs(20), strangers: false };

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// End after the story; exit 0 only if thirdleaf found what it should and nothing else
    #[arg(long)]
    once: bool,
}

impl Demo {
    pub(super) fn execute(self, out: &mut impl Write) -> Result<Exit, Error> {
        let config = config::parse(&demo::configuration(), Path::new("demo.toml"), &Machine)
            .map_err(|errors| Error::Config(errors.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let daemon = Daemon::start_with(Arc::new(config), None, PATIENCE, None).await;
            let daemon = daemon.map_err(|error| Error::Daemon(error.to_string()))?;
            let [http, ..] = *daemon.http() else { return Err(Error::Daemon("no HTTP address".to_owned())) };
            let told = demo::play(http, &daemon.bgp(), self.once, out).await;
            daemon.stop("the demo is over").await;
            match told {
                Ok(well) => Ok(Exit::negative_if(!well)),
                Err(demo::Error::Io(error)) => Err(error.into()),
                Err(error) => Err(Error::Daemon(error.to_string())),
            }
        })
    }
}
