//! `thirdleaf reload`: the daemon reads its configuration file again, all of it or nothing.

use std::io::Write;

use super::client::Client;
use super::{Error, Exit};

pub(super) async fn execute(client: &Client, out: &mut impl Write) -> Result<Exit, Error> {
    let done = client.post("/api/v1/reload", &serde_json::json!({})).await?;
    writeln!(out, "{done}")?;
    Ok(Exit::FINE)
}
