//! `thirdleaf check`: is this file a configuration?

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Error, Exit};
use crate::config::{self, Config, Machine};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Configuration file
    file: PathBuf,
}

impl Check {
    pub(super) fn execute(self, out: &mut impl Write) -> Result<Exit, Error> {
        let config = load(&self.file)?;
        write!(
            out,
            "{} is fine: {}, {}, {}, {}",
            self.file.display(),
            count(config.leaves.len(), "leaf", "leaves"),
            count(config.neighbors.len(), "range of neighbors", "ranges of neighbors"),
            count(config.nodes.len(), "pinned node", "pinned nodes"),
            count(config.policy.allow.len(), "allowed prefix", "allowed prefixes"),
        )?;
        if !config.apics.is_empty() {
            write!(
                out,
                ", {}, {}, {}, mode {}",
                count(config.apics.len(), "fabric", "fabrics"),
                count(config.eepgs.len(), "EEPG rule", "EEPG rules"),
                count(config.redirects.len(), "redirect policy", "redirect policies"),
                config.safety.mode.name(),
            )?;
        }
        writeln!(out)?;
        Ok(Exit::FINE)
    }
}

/// The configuration in `file`, or all that is wrong with it.
pub(super) fn load(file: &Path) -> Result<Config, Error> {
    config::load(file, &Machine).map_err(|errors| Error::Config(errors.to_string()))
}

fn count(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
