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

    fn has_ended(&mut self) -> bool {
        self.servant.has_ended()
    }

    fn held(&mut self) -> io::Result<Option<Held>> {
        if !self.keeps {
            return Ok(None);
        }
        self.servant.tell("count")?;
        let answer = self.servant.answer("count", Duration::from_secs(10))?;
        let paths = answer.and_then(|value| value["paths"].as_u64());
        let paths = paths.ok_or_else(|| io::Error::other("the floor does not count"))?;
        Ok(Some(Held::all(paths)))
    }
}
