//! `thirdleaf reload`: the daemon reads its configuration file again, all of it or nothing.

use std::io::Write;

use serde::Deserialize;

use super::client::Client;
use super::{Error, Exit};

#[derive(Deserialize)]
struct Answer {
    result: String,
}

pub(super) async fn execute(client: &Client, out: &mut impl Write) -> Result<Exit, Error> {
    let answer: Answer = client.post("/api/v1/reload", &serde_json::json!({})).await?;
    writeln!(out, "{}", answer.result)?;
    Ok(Exit::FINE)
}
