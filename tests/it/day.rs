//! A day in the life of a site, in real time: what happens to it, and what an operator is told.
//!
//! A notification is a finding that opens. The goal is one for one cause: never more, none without one, and none
//! missed; and our own restart in the middle is no news. Findings open after a tenth of their time here;
//! `THIRDLEAF_DAY=full` lets them take all of it (and nodes as long as BIRD does), and `THIRDLEAF_DAY=zero` none,
//! which is printed for comparison and not asserted. The tables go to standard output even where tests are quiet.

mod play;
mod scenarios;
mod site;

use std::time::Duration;

use thirdleaf::lab::node::Timers;

/// The racks of the site, and how many nodes there are in each and in all.
const RACKS: usize = 5;
const PER_RACK: usize = 12;
const NODES: usize = RACKS * PER_RACK;
/// How many more come with a scale-out.
const JOINING: usize = 6;
const CLUSTER: &str = "prod";

/// How the nodes of a site are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ases {
    OnePerNode,
    OnePerCluster,
}

/// Below this, it would be a matter of luck on a busy machine what is seen first of all that comes at once.
const QUICKEST: Duration = Duration::from_secs(2);

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// A tenth, unless that is too short.
    Quick,
    Full,
    /// Findings open at once; what opens is counted, and need not be right.
    Zero,
}

impl Pace {
    fn of_environment() -> Self {
        match std::env::var("THIRDLEAF_DAY").as_deref() {
            Err(_) | Ok("") => Self::Quick,
            Ok("full") => Self::Full,
            Ok("zero") => Self::Zero,
            Ok(other) => panic!("THIRDLEAF_DAY is \"full\", \"zero\" or not set, not {other:?}"),
        }
    }

    /// What becomes of a finding's time.
    fn of(self, time: Duration) -> Duration {
        match self {
            Self::Quick => (time / 10).max(time.min(QUICKEST)),
            Self::Full => time,
            Self::Zero => Duration::ZERO,
        }
    }

    const fn patience(self) -> Duration {
        match self {
            Self::Quick | Self::Zero => Duration::from_mins(1),
            Self::Full => Duration::from_mins(10),
        }
    }

    fn timers(self) -> Timers {
        match self {
            Self::Quick | Self::Zero => Timers::BIRD.faster(10),
            Self::Full => Timers::BIRD,
        }
    }
}

/// Our own restart in the middle of each scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restart {
    Never,
    By(&'static str),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_in_the_life() {
    play::day(Restart::Never).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_on_which_we_are_killed_in_the_middle_of_everything() {
    play::day(Restart::By("KILL")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_on_which_we_are_restarted_in_the_middle_of_everything() {
    play::day(Restart::By("TERM")).await;
}
