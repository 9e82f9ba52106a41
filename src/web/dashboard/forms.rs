//! What can be done from the page. Each form carries its token: the browser is not told to send one by itself, so no
//! other page can have it do anything.

use maud::{Markup, html};

use crate::observer::view::Finding;

/// Longest reason, as the API takes it.
const LONGEST_REASON: &str = "500";

fn token(scope: &str) -> Markup {
    html! {
        label {
            span { "Token of scope " (scope) }
            input type="password" name="token" required autocomplete="off" maxlength="4096" data-token;
        }
    }
}

fn reason() -> Markup {
    html! { label .wide { "Reason" input name="reason" required maxlength=(LONGEST_REASON) autocomplete="off"; } }
}

pub(super) fn acknowledge(finding: &Finding) -> Markup {
    html! {
        form .acknowledge method="post" action="acknowledge" {
            input type="hidden" name="id" value=(finding.id);
            (reason())
            (token("operate"))
            button { "Acknowledge" }
            p .hint { "Nobody is told of it any more, until it is gone and comes again." }
            output role="status" {}
        }
    }
}

pub(super) fn approve(plan: &str) -> Markup {
    html! {
        details .act {
            summary { "Approve what is held" }
            form .approve method="post" action="approve" {
                label .wide {
                    span { "Plan: type " code { (plan) } }
                    input name="plan" required autocomplete="off" spellcheck="false" maxlength="64";
                }
                (token("approve"))
                button { "Approve" }
                p .hint { "Lets through what this very plan holds back, and nothing that joins it later." }
                output role="status" {}
            }
        }
    }
}

pub(super) fn pause() -> Markup {
    html! {
        details .act {
            summary { "Pause" }
            form .pause method="post" action="pause" {
                label { "For" input name="for" required value="1h" maxlength="32" autocomplete="off"; }
                (reason())
                (token("operate"))
                button { "Pause" }
                p .hint { "Nothing at all is written to the APIC meanwhile." }
                output role="status" {}
            }
        }
    }
}

pub(super) fn resume() -> Markup {
    html! {
        details .act {
            summary { "Resume" }
            form .resume method="post" action="resume" {
                (token("operate"))
                button { "Resume" }
                output role="status" {}
            }
        }
    }
}

pub(super) fn reload() -> Markup {
    html! {
        details .act {
            summary { "Reload" }
            form .reload method="post" action="reload" {
                (token("operate"))
                button { "Reload" }
                p .hint { "Reads the file again: all of it is taken over, or nothing." }
                output role="status" {}
            }
        }
    }
}
