//! `thirdleaf sim apic`: a simulated APIC.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::{Error, Exit};
use crate::eepg::Mo;
use crate::lab::apic::{self, Settings};

#[derive(Debug, Args)]
pub(super) struct Apic {
    /// Where the first controller listens; port 0: wherever there is room
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Who may log in
    #[arg(long, value_name = "NAME")]
    user: String,
    /// File that holds the password
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// What is configured at the start: JSON as a POST to /api/mo/uni.json carries it
    #[arg(long, value_name = "FILE")]
    tree: Option<PathBuf>,
    /// How many controllers; they listen on ports that follow each other
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=16))]
    controllers: u16,
    /// A user's certificate (PEM), for signed requests; the certificate is called as the user is
    #[arg(long, value_name = "NAME=FILE")]
    user_cert: Vec<String>,
    /// Write the controllers' certificate to this file, as PEM
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cert_out: Option<PathBuf>,
    /// HTTP instead of HTTPS
    #[arg(long)]
    insecure: bool,
}

impl Apic {
    pub(super) fn execute(self, out: &mut impl Write) -> Result<Exit, Error> {
        let (settings, cert_out) = (self.settings()?, self.cert_out);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let running =
                apic::Apic::start(settings).await.map_err(|error| Error::Usage(error.to_string()))?;
            if let (Some(file), Some(pem)) = (&cert_out, running.certificate()) {
                fs::write(file, pem).map_err(|error| unusable(file, &error))?;
            }
            for (number, url) in (1..).zip(running.urls()) {
                writeln!(out, "controller {number} listens on {url}")?;
            }
            if let Some(digest) = running.digest() {
                writeln!(out, "certificate sha256 {digest}")?;
            }
            out.flush()?;
            tokio::signal::ctrl_c().await?;
            running.stop().await;
            Ok(Exit::FINE)
        })
    }

    fn settings(&self) -> Result<Settings, Error> {
        let password = read(&self.password_file)?;
        let mut settings = Settings::new(&self.user, password.trim_end_matches(['\r', '\n']));
        settings.listen = self.listen;
        settings.controllers = self.controllers;
        settings.insecure = self.insecure;
        if let Some(file) = &self.tree {
            let tree: Mo = serde_json::from_str(&read(file)?).map_err(|error| unusable(file, &error))?;
            settings.tree = Some(tree);
        }
        for certificate in &self.user_cert {
            let (name, file) = certificate
                .split_once('=')
                .ok_or_else(|| Error::Usage(format!("--user-cert {certificate}: NAME=FILE is expected")))?;
            settings.certificates.push((name.to_owned(), read(Path::new(file))?));
        }
        Ok(settings)
    }
}

fn read(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|error: io::Error| unusable(file, &error))
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Usage(format!("{}: {error}", file.display()))
}
