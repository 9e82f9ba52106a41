//! thirdleaf, with its HTTP server and metrics as by default.

use std::fmt::Write;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Held, Place, Receiver};
use crate::http::{self, Http};
use crate::process::{Process, bound};
use crate::workload::{FIRST_AS, LEAF_AS, RACK, Table};

pub(super) struct Thirdleaf {
    process: Process,
    http: Http,
}

/// Where it answers.
fn server() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9179))
}

impl Thirdleaf {
    pub(super) fn start(table: Table, place: &Place) -> io::Result<Self> {
        let config = place.directory.join("thirdleaf.toml");
        fs::write(&config, configuration(table))?;
        let mut command = bound(&place.thirdleaf);
        command.arg("run").arg("-c").arg(&config);
        let mut process = Process::start(command, &place.directory.join("thirdleaf.log"))?;
        let start = Instant::now();
        loop {
            match Http::connect(server()) {
                Ok(http) => return Ok(Self { process, http }),
                Err(_) if start.elapsed() < Duration::from_secs(10) && !process.has_ended() => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => {
                    let log = fs::read_to_string(place.directory.join("thirdleaf.log")).unwrap_or_default();
                    return Err(io::Error::other(format!("thirdleaf does not start: {error}\n{log}")));
                }
            }
        }
    }
}

impl Receiver for Thirdleaf {
    fn processes(&self) -> Vec<u32> {
        vec![self.process.id()]
    }

    fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    fn held(&mut self) -> io::Result<Option<Held>> {
        let path = "/api/v1/summary";
        let summary = match self.http.json(path) {
            // A connection that nothing was asked on for a while is closed.
            Err(error) if http::is_closed(&error) => {
                self.http = Http::connect(server())?;
                self.http.json(path)?
            }
            answer => answer?,
        };
        let routes = |key: &str| {
            let count = summary["routes"][key].as_u64();
            count.ok_or_else(|| io::Error::other(format!("{path} has no routes.{key}: {summary}")))
        };
        let rejected = routes("rejected")? + routes("rejected_not_kept")?;
        Ok(Some(Held { paths: routes("total")?, rejected, stale: routes("stale")? }))
    }

    fn http(&self) -> Option<io::Result<Http>> {
        Some(Http::connect(server()))
    }
}

fn configuration(table: Table) -> String {
    let mut text = "version = 1\n".to_owned();
    let last = FIRST_AS + table.sessions();
    let most = if table.routes() > 8_000 { "\nlimits = { prefixes = 200000 }" } else { "" };
    for (rack, leaf) in (0..).zip(table.leaves()) {
        let _ = writeln!(
            text,
            "[[leaf]]\nname = \"rack{rack}\"\nlocal_as = {LEAF_AS}\nrouter_id = \"{leaf}\"\nlisten = [\"{leaf}:179\"]\n\
             [[neighbors]]\nleaf = \"rack{rack}\"\nrange = \"192.168.{}.0/20\"\npeer_as = [\"{FIRST_AS}-{last}\"]\n\
             max_peers = {RACK}{most}",
            rack * 16,
        );
    }
    if table.is_foreign() {
        text += "[policy]\nmax_as_path = 3\norigin_as = \"any\"\nuniqueness = { pod_block = \"any\" }\n\
                 [[policy.allow]]\nclass = \"pod\"\nprefix = \"16.0.0.0/6\"\nlengths = [26]\n";
    } else {
        text += "[[policy.allow]]\nclass = \"pod\"\nprefix = \"10.0.0.0/10\"\nlengths = [26, 32]\n\
                 [[policy.allow]]\nclass = \"service\"\nprefix = \"10.96.0.0/12\"\nlengths = [12, 32]\n\
                 [[policy.allow]]\nclass = \"node\"\nprefix = \"192.168.0.0/16\"\nlengths = [29]\n";
    }
    text
}
