//! One clock for the whole house.
//!
//! Pure rooms take the time as an argument and never ask for it. A [`Timestamp`] is both: it can be
//! printed as the wall time at which something happened, and two of them can be subtracted, because
//! the [`Clock`] reads the wall once, at start, and the monotonic clock ever after.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Microseconds since the Unix epoch, as a [`Clock`] counts them: never backwards.
///
/// Prints, and serialises for people, as RFC 3339 in UTC with milliseconds; what lies beyond the year 9999, as
/// in a file that is damaged, as its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The end of the year 9999, beyond which RFC 3339 knows no time.
const LAST: u64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The given number of microseconds after the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Seconds since the Unix epoch, as Prometheus writes times.
    #[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The time that passed from `earlier` to this one; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This time and `duration` more.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// This time less `duration`; the epoch, if that is longer.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(self.0.min(LAST));
        humantime::format_rfc3339_millis(at).fmt(f)
    }
}

/// How long ago `then` was, as the summary of a leaf writes it: `00:12:03`, and `3d04h` from a day on.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d{:02}h", hours % 24)
    } else {
        format!("{hours:02}:{:02}:{:02}", minutes % 60, seconds % 60)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let at = humantime::parse_rfc3339(&text).map_err(de::Error::custom)?;
        let elapsed = at.duration_since(SystemTime::UNIX_EPOCH).map_err(de::Error::custom)?;
        Ok(Self::from_micros(0).after(elapsed))
    }
}

/// A time as people give it: RFC 3339 (`2026-11-21T03:12:00Z`, in UTC), a duration back from now (`1h`, `-1h`,
/// `1h ago`), or `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This very moment.
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
}

/// The text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time: like 2026-11-21T03:12:00Z, or how long ago, like 1h")]
pub struct NoTime;

impl When {
    /// The moment that is meant, if it is `now`.
    pub fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.before(ago),
        }
    }
}

impl FromStr for When {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let text = text.trim();
        if text == "now" {
            return Ok(Self::Ago(Duration::ZERO));
        }
        let ago = text.strip_suffix("ago").unwrap_or(text).trim_end();
        if let Ok(ago) = humantime::parse_duration(ago.strip_prefix('-').unwrap_or(ago)) {
            return Ok(Self::Ago(ago));
        }
        let at = humantime::parse_rfc3339_weak(text).map_err(|_| NoTime)?;
        let elapsed = at.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| NoTime)?;
        Ok(Self::At(Timestamp(0).after(elapsed)))
    }
}

/// As it is read again.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => {
                let at = SystemTime::UNIX_EPOCH + Duration::from_micros(at.0.min(LAST));
                humantime::format_rfc3339_micros(at).fmt(f)
            }
            Self::Ago(ago) => humantime::format_duration(*ago).fmt(f),
        }
    }
}

/// Reads the time for the rooms that do IO.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Timestamp,
    monotonic: Instant,
}

impl Clock {
    /// A clock set by the machine's wall clock, this once.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { wall: Timestamp(0).after(wall), monotonic: tokio::time::Instant::now().into_std() }
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    pub fn now(&self) -> Timestamp {
        self.wall.after(tokio::time::Instant::now().into_std().saturating_duration_since(self.monotonic))
    }

    /// `at` as the machine's wall clock has it by now, for others that go by it: it may have been set after the start,
    /// or stood still in a machine that slept. It differs by whole seconds or not at all.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    pub fn on_wall(&self, at: Timestamp) -> Timestamp {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (wall, now) = (Timestamp(0).after(wall), self.now());
        let half = Duration::from_millis(500);
        let whole = |difference: Duration| Duration::from_secs(difference.saturating_add(half).as_secs());
        at.after(whole(wall.since(now))).before(whole(now.since(wall)))
    }

    /// The instant at which this clock will show `at`, for the runtime's timers.
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.monotonic + at.since(self.wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_rfc_3339_in_utc() {
        let at = Timestamp::from_micros(1_763_760_000_123_456);
        assert_eq!(at.to_string(), "2025-11-21T21:20:00.123Z");
        let read: Timestamp = serde_json::from_str("\"2025-11-21T21:20:00.123Z\"").unwrap();
        assert_eq!(read.as_micros(), 1_763_760_000_123_000);
        for late in [LAST, LAST + 1, u64::MAX] {
            assert_eq!(Timestamp::from_micros(late).to_string(), "9999-12-31T23:59:59.999Z");
        }
    }

    #[test]
    fn people_say_when_in_their_ways() {
        let now = Timestamp::from_micros(1_763_760_000_123_456);
        let hour_ago = now.before(Duration::from_hours(1));
        for text in ["1h", "-1h", "1h ago", "60min", " 59m 60s ", "2025-11-21T20:20:00.123456Z"] {
            let when: When = text.parse().unwrap();
            assert_eq!(when.from(now), hour_ago, "{text}");
            assert_eq!(when.to_string().parse(), Ok(when), "{text}");
        }
        assert_eq!("now".parse::<When>().unwrap().from(now), now);
        assert_eq!("2025-11-21 20:20:00".parse::<When>().unwrap().from(now).as_secs(), hour_ago.as_secs());
        for text in ["", "17", "yesterday", "1969-01-01T00:00:00Z", "ago", "-"] {
            assert_eq!(text.parse::<When>(), Err(NoTime), "{text}");
        }
    }

    #[test]
    fn others_are_told_by_the_wall_as_it_is_set_now() {
        let clock = Clock::start();
        let hour = Duration::from_hours(1);
        assert_eq!(clock.on_wall(clock.wall), clock.wall);
        // As if the wall had been set since.
        let late = Clock { wall: clock.wall.before(hour), ..clock };
        let early = Clock { wall: clock.wall.after(hour), ..clock };
        assert_eq!([late.on_wall(late.wall), early.on_wall(early.wall)], [clock.wall; 2]);
    }

    #[test]
    fn never_runs_backwards() {
        let (early, late) = (Timestamp::from_micros(5), Timestamp::from_micros(9));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early), Duration::from_micros(4));
        assert_eq!(late.after(Duration::MAX).as_micros(), u64::MAX);
    }
}
