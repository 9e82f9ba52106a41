//! `thirdleaf run`: the daemon.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::{Error, Exit, logging};
use crate::config::{self, Machine};
use crate::daemon::Daemon;
use crate::observer::{Settings, trace};
use crate::speaker;

/// Threads at most, however many cores there are. One task writes all routes; sessions read and parse faster than
/// it writes, so that two more threads keep it busy, and one is left to HTTP. Others would only wake each other.
const WORKERS: usize = 4;

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Keep all that the daemon is told in a ring of files below the file's `state_dir`: what
    /// `thirdleaf replay --trace` runs again, and what to attach to a bug report. Above 100,000 routes and
    /// findings only until the oldest file goes
    #[arg(long)]
    record: bool,
}

impl Run {
    pub(super) fn execute(self) -> Result<Exit, Error> {
        let config =
            config::load(&self.config, &Machine).map_err(|errors| Error::Config(errors.to_string()))?;
        let trace = self.trace(&config)?;
        let _log = logging::start(&config.global.log);
        match speaker::raise_file_limit() {
            Ok((before, now)) => info!(before, now, "open files"),
            Err(error) => warn!("the limit of open files stays as it is: {error}"),
        }
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(cores.min(WORKERS)).enable_all().build()?;
        let ended = runtime.block_on(self.serve(Arc::new(config), trace));
        // What must be written is written; a name that is still looked up keeps nobody.
        runtime.shutdown_background();
        ended
    }

    /// Where to record.
    fn trace(&self, config: &config::Config) -> Result<Option<PathBuf>, Error> {
        match &config.global.state_dir {
            _ if !self.record => Ok(None),
            Some(directory) => Ok(Some(directory.join(trace::DIRECTORY))),
            None => Err(Error::Usage(format!(
                "--record needs a place to keep the trace: set `state_dir` under [global] in {}, \
                 as in state_dir = \"/var/lib/thirdleaf\"",
                self.config.display()
            ))),
        }
    }

    /// Runs until SIGTERM or SIGINT; SIGHUP is a reload.
    async fn serve(self, config: Arc<config::Config>, trace: Option<PathBuf>) -> Result<Exit, Error> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let daemon = Daemon::start_with(config, Some(self.config), Settings::default(), trace).await;
        let daemon = daemon.map_err(|error| Error::Daemon(error.to_string()))?;
        info!(version = env!("CARGO_PKG_VERSION"), http = ?daemon.http(), bgp = ?daemon.bgp(), "thirdleaf runs");
        loop {
            tokio::select! {
                _ = hangup.recv() => drop(daemon.reload().await),
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        info!("thirdleaf stops");
        daemon.stop("thirdleaf is stopping").await;
        Ok(Exit::FINE)
    }
}
