//! Routes and changes over time: small drawings on one axis, each to its own scale, numbers beside them.

use std::fmt::Write as _;
use std::time::Duration;

use maud::{Markup, html};

use super::moments::Moment;
use super::words::{count, moment as when};
use crate::time::Timestamp;

/// Units of the drawing; the page stretches it.
const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 40;

/// Of these moments, the oldest first.
pub(super) fn draw(moments: &[Moment], now: Timestamp) -> Markup {
    let (Some(first), Some(last)) = (moments.first(), moments.last()) else {
        return html! { p .empty { "Nothing was counted yet." } };
    };
    let span = last.at.since(first.at).max(Duration::from_secs(1));
    let x = |at: Timestamp| scaled(at.since(first.at).as_micros(), span.as_micros(), WIDTH);
    let rows = [
        ("Routes accepted", "accepted", (|moment: &Moment| moment.accepted) as fn(&Moment) -> u64),
        ("Routes rejected", "rejected", |moment| moment.rejected),
        ("Changes", "changes", |moment| moment.changes),
        ("Events", "events", |moment| moment.events),
    ];
    html! {
        figure .charts {
            @for (label, name, of) in rows {
                @let most = moments.iter().map(of).max().unwrap_or_default();
                div .chart-row {
                    span .label { (label) }
                    svg .chart data-of=(name) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                        aria-label={ (label) ": " (count(of(last))) " now, at most " (count(most)) } {
                        @if matches!(name, "changes" | "events") { path .bars d=(bars(moments, x, of, most)) {} }
                        @else {
                            path .area d=(area(moments, x, of, most)) {}
                            path .line d=(steps(moments, x, of, most)) {}
                        }
                    }
                    span .number {
                        b { (count(of(last))) } " "
                        small { @if name == "accepted" { "of " (count(last.routes)) " held, " } "at most " (count(most)) }
                    }
                }
            }
            figcaption { p { span { (when(first.at, now)) } span { (when(last.at, now)) " UTC" } } }
        }
    }
}

/// `part` of `whole`, as part of `length`.
fn scaled(part: u128, whole: u128, length: u64) -> u64 {
    u64::try_from(part.saturating_mul(u128::from(length)) / whole.max(1)).unwrap_or(length).min(length)
}

fn y(value: u64, most: u64) -> u64 {
    // The line at the top is not cut.
    HEIGHT - 1 - scaled(u128::from(value), u128::from(most), HEIGHT - 3)
}

/// A number stays what it is until it is another.
fn steps(moments: &[Moment], x: impl Fn(Timestamp) -> u64, of: fn(&Moment) -> u64, most: u64) -> String {
    let mut path = String::new();
    let mut before = None;
    for (at, moment) in moments.iter().enumerate() {
        let y = y(of(moment), most);
        // Writing to a String cannot fail.
        let _ = match before {
            None => write!(path, "M{} {y}", x(moment.at)),
            Some(before) if before == y && at + 1 < moments.len() => Ok(()),
            Some(_) => write!(path, "H{}V{y}", x(moment.at)),
        };
        before = Some(y);
    }
    path
}

fn area(moments: &[Moment], x: impl Fn(Timestamp) -> u64, of: fn(&Moment) -> u64, most: u64) -> String {
    format!("{}V{HEIGHT}H0Z", steps(moments, x, of, most))
}

fn bars(moments: &[Moment], x: impl Fn(Timestamp) -> u64, of: fn(&Moment) -> u64, most: u64) -> String {
    let mut path = String::new();
    for moment in moments.iter().filter(|moment| of(moment) > 0) {
        let _ = write!(path, "M{} {HEIGHT}V{}", x(moment.at), y(of(moment), most));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(accepted: &[u64]) -> Vec<Moment> {
        let at = |second: usize| Timestamp::from_micros(1_763_760_000_000_000 + second as u64 * 5_000_000);
        let moment = |(second, accepted): (usize, &u64)| Moment {
            at: at(second),
            accepted: *accepted,
            ..Moment::default()
        };
        accepted.iter().enumerate().map(moment).collect()
    }

    #[test]
    fn steps_stand_where_the_numbers_changed() {
        let all = moments(&[0, 10, 10, 10, 5]);
        let first = all[0].at;
        let x = |at: Timestamp| scaled(at.since(first).as_micros(), 20_000_000, WIDTH);
        assert_eq!(steps(&all, x, |moment| moment.accepted, 10), "M0 39H250V2H1000V21");
        assert_eq!(bars(&all[..2], x, |moment| moment.accepted, 10), "M250 40V2");
    }

    #[test]
    fn extremes_are_drawn() {
        let now = Timestamp::from_micros(1_763_760_100_000_000);
        assert!(draw(&[], now).into_string().contains("Nothing was counted yet"));
        for accepted in [&[0_u64][..], &[u64::MAX, 0, u64::MAX], &[1; 360]] {
            let drawn = draw(&moments(accepted), now).into_string();
            assert!(drawn.contains("viewBox=\"0 0 1000 40\""), "{drawn}");
            assert!(drawn.len() < 4_000, "a line that does not change is short: {}", drawn.len());
        }
    }
}
