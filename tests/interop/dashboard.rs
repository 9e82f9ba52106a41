//! The dashboard in a real browser, Chromium without a screen, in front of the real program.
//!
//! Pictures of what it looks like are kept in `target/screenshots`.

mod approve;
mod crowd;
mod demo;
mod driver;
mod hostile;
mod keyboard;
mod live;
mod look;
mod looks;
mod page;
mod plain;
mod search;
mod site;
mod speaker;
mod webdriver;
