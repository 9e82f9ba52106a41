//! What every page has around it: its head, the bar, the way to the sections, and the script.

use maud::{DOCTYPE, Markup, html};

use super::assets::Asset;
use super::level::Level;
use super::words::text;
use super::{Section, View};
use crate::web::problem::Problem;

/// A whole document.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    /// What instances are told apart by.
    pub(super) name: &'a str,
    pub(super) level: Level,
    pub(super) glance: Markup,
    pub(super) main: Markup,
    /// The section that this is the page of; none: all are on it.
    pub(super) of: Option<Section>,
}

impl Page<'_> {
    pub(super) fn render(&self) -> Markup {
        let is_whole = self.of.is_none();
        let to = |section: Section| {
            if is_whole { format!("#{}", section.name()) } else { section.name().to_owned() }
        };
        let icon = |level| Asset::Icon(level).address();
        html! {
            (DOCTYPE)
            html lang="en" data-state=(self.level) data-whole[is_whole] {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    link rel="icon" type="image/svg+xml" href=(icon(self.level))
                        data-ok=(icon(Level::Ok)) data-warning=(icon(Level::Warning)) data-critical=(icon(Level::Critical))
                        data-unknown=(Asset::Unknown.address());
                    link rel="stylesheet" href=(Asset::Style.address());
                    script src=(Asset::Script.address()) defer {}
                }
                body {
                    a .skip href="#main" { "Skip to the sections" }
                    div .top { div .frame {
                        div .bar {
                            div .name {
                                a .brand href="./" { (leaf()) span { "thirdleaf" } }
                                h1 .instance { (text(self.name)) }
                            }
                            nav aria-label="Sections" {
                                @for section in Section::ALL {
                                    a href=(to(section)) aria-current=[(self.of == Some(section)).then_some("page")] { (section.title()) }
                                }
                            }
                            p #live data-live="plain" role="status" { "as of now; reload to see what is new" }
                        }
                        (self.glance)
                    } }
                    main #main tabindex="-1" { (self.main) }
                    div #said role="status" aria-live="polite" {}
                    footer {
                        p { "thirdleaf " (env!("CARGO_PKG_VERSION")) ": listens, judges, tells. Advertises nothing, forwards nothing." }
                    }
                }
            }
        }
    }
}

/// A section, or what stands in its place if it cannot be had.
pub(super) fn section(section: Section, address: &str, drawn: Result<Markup, Problem>) -> Markup {
    let name = section.name();
    html! {
        section id=(name) data-src={ "fragment/" (address) } aria-labelledby={ (name) "-title" } {
            h2 id={ (name) "-title" } { a href=(name) { (section.title()) } }
            (or_problem(drawn))
        }
    }
}

/// A detail, as it stands where it is opened.
pub(super) fn piece(view: View, drawn: Result<Markup, Problem>) -> Markup {
    html! { div .piece data-of=(view.name()) { (or_problem(drawn)) } }
}

pub(super) fn or_problem(drawn: Result<Markup, Problem>) -> Markup {
    drawn.unwrap_or_else(|problem| html! { p .problem role="alert" { (text(problem.message())) } })
}

/// Three leaves, the third filled.
fn leaf() -> Markup {
    html! {
        svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" {
            path .outline d="M15 17C5 17 3 9 3 4c7 0 12 4 12 13Z" {}
            path .outline d="M17 17c10 0 12-8 12-13-7 0-12 4-12 13Z" {}
            path .fill d="M16 30c-6-4-6-9 0-14 6 5 6 10 0 14Z" {}
        }
    }
}
