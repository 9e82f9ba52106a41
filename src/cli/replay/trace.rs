//! `thirdleaf replay --trace`: the core again over all that it was told.
//!
//! The verdict is that of the last moment recorded: no time passes after it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::{Part, Verdict};
use crate::cli::{Error, Exit, Options};
use crate::config::Config;
use crate::observer::trace::{self, Player};

pub(super) fn replay(
    path: &Path,
    config: Option<Arc<Config>>,
    only: &[Part],
    options: &Options,
    out: &mut impl Write,
) -> Result<Exit, Error> {
    let cannot = |error| Error::Usage(format!("cannot read {}: {error}", path.display()));
    let mut player = Player::new(config);
    for segment in segments(path).map_err(cannot)? {
        let name = segment.file_name().unwrap_or_default().to_string_lossy();
        match fs::read(&segment) {
            Ok(octets) => player.play(&name, &octets),
            Err(error) => player.miss(&name, &error),
        }
    }
    let mut outcome =
        player.finish().map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
    for line in &outcome.damage {
        eprintln!("thirdleaf: {line}");
    }
    let is_damaged = !outcome.damage.is_empty();
    let end = outcome.offline.now();
    outcome.notes.insert(0, format!("{} inputs from {} until {end}", outcome.inputs, outcome.from));
    let mut verdict = Verdict {
        config: &outcome.config,
        offline: &mut outcome.offline,
        end,
        notes: outcome.notes,
        damage: outcome.damage,
    };
    let open = verdict.print(only, &options.style(), out)?;
    Ok(Exit::negative_if(open || is_damaged))
}

/// The segments of a directory in order, or the one that was named.
fn segments(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    Ok(trace::segments(path)?.into_iter().map(|(_, segment)| segment).collect())
}
