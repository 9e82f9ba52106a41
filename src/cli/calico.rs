//! `thirdleaf calico`: the objects that make Calico's nodes peer with these leaves, as YAML.

mod objects;
mod yaml;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Error, Exit, Options, check};
use objects::{Fabric, Names};

#[derive(Debug, Args)]
pub(super) struct Calico {
    /// Configuration file [default: what the daemon runs by]
    file: Option<PathBuf>,
    /// The label of the nodes that names their rack
    #[arg(long, value_name = "KEY", default_value = "rack", value_parser = label)]
    label: String,
    /// The objects of this cluster alone
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The Secret that holds the passwords, where sessions have one: a key a leaf, by its name
    #[arg(long, value_name = "NAME", default_value = "thirdleaf")]
    secret: String,
}

/// A label's key, as Kubernetes has them: `rack` or `example.com/rack`.
fn label(text: &str) -> Result<String, &'static str> {
    let is_name = |part: &str| {
        let ends = |end: Option<char>| end.is_some_and(|letter| letter.is_ascii_alphanumeric());
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        ends(part.chars().next()) && ends(part.chars().next_back()) && part.chars().all(fits)
    };
    let is_label = match text.split_once('/') {
        Some((prefix, name)) => is_name(prefix) && prefix.len() <= 253 && is_name(name) && name.len() <= 63,
        None => is_name(text) && text.len() <= 63,
    };
    if is_label { Ok(text.to_owned()) } else { Err("no key of a label, like rack or example.com/rack") }
}

impl Calico {
    pub(super) fn execute(self, options: &Options, out: &mut impl Write) -> Result<Exit, Error> {
        if options.style().is_json() {
            return Err(Error::Usage("calico prints YAML alone: leave --output out".to_owned()));
        }
        // Either way it is what the API shows: secrets are there, but not what they are.
        let config = match &self.file {
            Some(file) => serde_json::to_value(check::load(file)?),
            None => Ok(options.ask(async |client, _| client.get("/api/v1/config", &[]).await)?),
        };
        let fabric: Fabric = config
            .and_then(serde_json::from_value)
            .map_err(|error| Error::Answer(format!("its configuration: {error}")))?;
        let names = Names { label: &self.label, secret: &self.secret };
        let mut clusters = fabric.clusters();
        if let Some(wanted) = &self.cluster {
            clusters.retain(|name| name == wanted);
            if clusters.is_empty() {
                return Err(Error::Usage(format!("there is no cluster {wanted:?}")));
            }
        }
        for (at, cluster) in clusters.iter().enumerate() {
            if at > 0 {
                // Ends what is for one cluster. Readers of YAML 1.1, kubectl among them, take no document after the
                // end of another that does not begin with dashes.
                writeln!(out, "...\n---")?;
            }
            fabric.write(cluster, &names, out)?;
        }
        Ok(Exit::FINE)
    }
}

#[cfg(test)]
mod tests;
