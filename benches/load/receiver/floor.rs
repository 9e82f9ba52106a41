//! The floor: this program itself, as a process of its own.

use std::io;
use std::time::Duration;

use clap::ValueEnum;

use super::{Held, Receiver};
use crate::process::{Servant, bound};
use crate::workload::Table;

pub(super) struct Floor {
    servant: Servant,
    /// Whether it keeps anything that could be counted.
    keeps: bool,
}

impl Floor {
    pub(super) fn start(table: Table, keep: &str) -> io::Result<Self> {
        let mut command = bound(std::env::current_exe()?);
        let name = table.to_possible_value().expect("all have names");
        command.args(["floor", "--table", name.get_name(), "--keep", keep]);
        Ok(Self { servant: Servant::start(command)?, keeps: keep == "table" })
    }
}

impl Receiver for Floor {
    fn processes(&self) -> Vec<u32> {
        vec![self.servant.id()]
    }

    fn held(&mut self) -> Option<Held> {
        if !self.keeps {
            return None;
        }
        self.servant.tell("count").ok()?;
        let answer = self.servant.answer("count", Duration::from_secs(10)).ok()??;
        Some(Held::all(answer["paths"].as_u64()?))
    }
}
