//! `thirdleaf demo`: three racks, eight nodes, an APIC and thirdleaf on loopback, and a story.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser};

use super::{Cli, Error, Exit};
use crate::config::{self, Machine};
use crate::daemon::Daemon;
use crate::lab::demo::{self, Aci};
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
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let aci = Arc::new(Aci::start().await?);
            let config = config::parse(&aci.configuration(), Path::new("demo.toml"), &Machine)
                .map_err(|errors| Error::Config(errors.to_string()))?;
            let daemon = Daemon::start_with(Arc::new(config), None, PATIENCE, None).await;
            let daemon = daemon.map_err(|error| Error::Daemon(error.to_string()))?;
            let [http, ..] = *daemon.http() else { return Err(Error::Daemon("no HTTP address".to_owned())) };
            let observer = daemon.observer().clone();
            let told =
                demo::play(Arc::clone(&aci), http, &daemon.bgp(), typed, observer, self.once, out).await;
            daemon.stop("the demo is over").await;
            Ok(Exit::negative_if(!told?))
        })
    }
}

/// What a verb prints, or why it failed.
fn typed(words: Vec<String>) -> Result<String, String> {
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let mut printed = Vec::new();
    cli.verb.execute(&cli.options, &mut printed).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

impl From<demo::Error> for Error {
    fn from(error: demo::Error) -> Self {
        match error {
            demo::Error::Io(error) => error.into(),
            error => Self::Daemon(error.to_string()),
        }
    }
}
