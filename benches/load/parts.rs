//! What each part of the report is, and what it is to show: titles, figures, goals.

use crate::results::{By, Column, Goal, Part};
use crate::run::Name;

/// Fills in all but the runs.
pub(crate) fn describe(name: Name, part: &mut Part) {
    let (order, title, about) = text(name);
    part.order = order;
    title.clone_into(&mut part.title);
    about.clone_into(&mut part.about);
    let columns = columns(name).into_iter();
    part.columns = columns.map(|(key, head)| Column { key: key.to_owned(), head: head.to_owned() }).collect();
    part.goals = goals(name);
}

fn text(name: Name) -> (u32, &'static str, &'static str) {
    match name {
        Name::W1 => (
            10,
            "W1: a rack",
            "400 sessions of 320 routes: a /29, four /26, a shared /12, 255 service hosts (each on three nodes), 59 \
             borrowed hosts. One attribute set a node. 128,000 paths, 59,601 prefixes.",
        ),
        Name::W2 => (
            20,
            "W2: a million prefixes",
            "10 sessions of 100,000 disjoint /26, 2,000 attribute sets a session, 50 prefixes an UPDATE.",
        ),
        Name::W3 => (
            30,
            "W3: a million paths of 50,000 prefixes",
            "20 sessions with the same 50,000 /26, 1,000 attribute sets a session, 50 prefixes an UPDATE.",
        ),
        Name::W4 => (
            40,
            "W4: churn",
            "W1, then 2,000 flaps a second: a host route is withdrawn, and announced again 0.1 s later; two UPDATEs in \
             two writes. CPU is that of a flap times the flaps \
             of a minute, and is said only if the feeder came to 98 % of them. Lag: from the feeder's write until a question to the API shows it.",
        ),
        Name::W5 => (
            50,
            "W5: all nodes restart",
            "W1, then all 400 connections are closed without a NOTIFICATION and opened again at once, with the \
             restart flag; each comes back without its last 16 routes. A connection that fails is tried again after \
             0.1 s. Unanswered: refused, not connected within a second, or without an OPEN within 10.",
        ),
        Name::W6 => (60, "W6: idle", "W1, then keepalives only. CPU is scaled to a minute."),
        Name::Control => (
            70,
            "Control: the same routes from more sessions",
            "128,000 disjoint /26 from 10, 400 and 4,000 sessions that are up already: a change of a route is to cost \
             no other session anything.",
        ),
        Name::Racks => (
            80,
            "4,800 sessions",
            "Twelve racks of 400, a listening address each; 26 routes a session: 124,800 paths, 72,001 prefixes. In \
             this order: idle, learn, idle, 2,000 flaps a second, 20,000 flaps a second, one rack restarts, all \
             restart.",
        ),
    }
}

fn columns(name: Name) -> Vec<(&'static str, &'static str)> {
    match name {
        Name::W1 | Name::W2 | Name::W3 => vec![
            ("cpu_s", "CPU s"),
            ("resident_mb", "resident MB"),
            ("bytes_a_path", "octets a path"),
            ("seconds", "wall s"),
            ("setup_cpu_s", "CPU s until all sessions were up"),
            ("session_kb", "kB a session without routes"),
            ("lost", "sessions lost"),
            ("silence_s", "longest silence, s"),
        ],
        Name::W4 => vec![
            ("cpu_s_min", "CPU s a minute"),
            ("flaps_s", "flaps a second"),
            ("late_s", "the feeder late at most, s"),
            ("lag_median_ms", "lag, median, ms"),
            ("lag_p99_ms", "lag, p99, ms"),
            ("lag_max_ms", "lag, largest, ms"),
            ("unsent_mb", "MB unread at the end"),
            ("right_s", "s until right after the end"),
            ("lost", "sessions lost"),
            ("silence_s", "longest silence, s"),
        ],
        Name::W5 => vec![
            ("up_s", "s until all were up"),
            ("again_s", "s until learned again"),
            ("cpu_s", "CPU s"),
            ("back", "sessions up in the end"),
            ("unanswered", "connections unanswered"),
            ("dropped", "second drops"),
            ("silence_s", "longest silence, s"),
        ],
        Name::W6 => vec![
            ("idle_cpu_s_min", "CPU s a minute"),
            ("idle_lost", "sessions lost"),
            ("idle_silence_s", "longest silence, s"),
        ],
        Name::Control => vec![
            ("cpu_10_s", "CPU s, 10 sessions"),
            ("cpu_400_s", "CPU s, 400 sessions"),
            ("cpu_4000_s", "CPU s, 4,000 sessions"),
            ("ratio_400", "400 against 10"),
            ("ratio_4000", "4,000 against 10"),
        ],
        Name::Racks => racks(),
    }
}

fn racks() -> Vec<(&'static str, &'static str)> {
    vec![
        ("idle_cores", "cores busy before any route"),
        ("session_kb", "kB a session without routes"),
        ("cpu_s", "learn: CPU s"),
        ("seconds", "learn: wall s"),
        ("resident_mb", "resident MB"),
        ("lost", "learn: sessions lost"),
        ("silence_s", "learn: longest silence, s"),
        ("idle_cpu_s_min", "idle: CPU s a minute"),
        ("idle_lost", "idle: sessions lost"),
        ("idle_silence_s", "idle: longest silence, s"),
        ("churn_cpu_s_min", "2,000 flaps a second: CPU s a minute"),
        ("churn_flaps_s", "... flaps a second"),
        ("churn_late_s", "... the feeder late at most, s"),
        ("churn_lag_p99_ms", "... lag, p99, ms"),
        ("churn_lost", "... sessions lost"),
        ("churn_silence_s", "... longest silence, s"),
        ("storm_cpu_s_min", "20,000 flaps a second: CPU s a minute"),
        ("storm_flaps_s", "... flaps a second"),
        ("storm_late_s", "... the feeder late at most, s"),
        ("storm_lag_p99_ms", "... lag, p99, ms"),
        ("storm_unsent_mb", "... MB unread at the end"),
        ("storm_lost", "... sessions lost"),
        ("storm_silence_s", "... longest silence, s"),
        ("rack_again_s", "a rack restarts: s until learned again"),
        ("rack_back", "... sessions up in the end"),
        ("rack_unanswered", "... connections unanswered"),
        ("rack_dropped", "... second drops"),
        ("rack_silence_s", "... longest silence, s"),
        ("rack_others_dropped", "... others dropped"),
        ("rack_others_silence_s", "... longest silence towards others, s"),
        ("all_again_s", "all restart: s until learned again"),
        ("all_back", "... sessions up in the end"),
        ("all_unanswered", "... connections unanswered"),
        ("all_dropped", "... second drops"),
        ("all_silence_s", "... longest silence, s"),
    ]
}

/// Of thirdleaf, by a figure's name.
fn goal(text: &str, key: &str, at_most: f64) -> Goal {
    Goal {
        text: text.to_owned(),
        subject: "thirdleaf".to_owned(),
        key: key.to_owned(),
        at_most,
        ..Goal::default()
    }
}

impl Goal {
    /// So many times what another has.
    fn times(mut self, subject: &str) -> Self {
        self.than = Some((subject.to_owned(), self.key.clone()));
        self
    }

    /// A quarter more is met as well.
    fn cpu(mut self) -> Self {
        self.noisy = true;
        self
    }

    /// Of the worst run.
    fn worst(mut self) -> Self {
        self.by = By::Largest;
        self
    }
}

fn goals(name: Name) -> Vec<Goal> {
    let silence = |key: &str| goal("silence towards any session, s", key, 1.2).worst();
    let none = |text: &str, key: &str| goal(text, key, 0.0).worst();
    let silence_of = |key: &str| goal("... silence towards any session, s", key, 1.2).worst();
    match name {
        Name::W1 => vec![
            goal("CPU against bird2's", "cpu_s", 1.0 / 6.0).times("bird2").cpu(),
            goal("resident against bird2's", "resident_mb", 1.2).times("bird2"),
            none("sessions lost", "lost"),
            silence("silence_s"),
        ],
        Name::W2 => vec![
            goal("CPU against bird2's", "cpu_s", 0.5).times("bird2").cpu(),
            goal("resident against bird2's", "resident_mb", 0.8).times("bird2"),
            goal("octets a path", "bytes_a_path", 80.0),
            none("sessions lost", "lost"),
            silence("silence_s"),
        ],
        Name::W3 => vec![
            goal("CPU against bird2's", "cpu_s", 0.5).times("bird2").cpu(),
            goal("resident against bird2's", "resident_mb", 0.55).times("bird2"),
            goal("octets a path", "bytes_a_path", 35.0),
            none("sessions lost", "lost"),
            silence("silence_s"),
        ],
        Name::W4 => vec![
            goal("CPU against bird2's", "cpu_s_min", 0.4).times("bird2").cpu(),
            goal("lag, p99, ms", "lag_p99_ms", 50.0).worst(),
            goal("sessions lost", "lost", 0.0).worst(),
            silence("silence_s"),
        ],
        Name::W5 => vec![
            goal("s until learned again", "again_s", 1.0),
            goal("CPU s", "cpu_s", 0.3).cpu(),
            goal("connections unanswered", "unanswered", 0.0).worst(),
            goal("second drops", "dropped", 0.0).worst(),
            silence("silence_s"),
        ],
        Name::W6 => vec![
            goal("CPU against openbgpd's", "idle_cpu_s_min", 1.5).times("openbgpd").cpu(),
            goal("sessions lost", "idle_lost", 0.0).worst(),
            silence("idle_silence_s"),
        ],
        Name::Control => vec![
            goal("400 sessions against 10, CPU", "ratio_400", 1.5).cpu(),
            goal("4,000 sessions against 10, CPU", "ratio_4000", 4.0).cpu(),
        ],
        Name::Racks => vec![
            Goal {
                than: Some(("w1:thirdleaf".to_owned(), "session_kb".to_owned())),
                ..goal("memory of a session against our own W1", "session_kb", 1.0).cpu()
            },
            Goal {
                than: Some(("w1:thirdleaf".to_owned(), "cpu_s".to_owned())),
                ..goal("learn: CPU against our own W1", "cpu_s", 2.0).cpu()
            },
            none("... sessions lost", "lost"),
            silence_of("silence_s"),
            goal("idle: CPU against the floor's", "idle_cpu_s_min", 2.0).times("floor").cpu(),
            none("... sessions lost", "idle_lost"),
            silence_of("idle_silence_s"),
            goal("kB a session without routes", "session_kb", 16.0),
            none("2,000 flaps a second: sessions lost", "churn_lost"),
            silence_of("churn_silence_s"),
            goal("20,000 flaps a second: CPU against the floor's", "storm_cpu_s_min", 3.0)
                .times("floor")
                .cpu(),
            goal("... lag, p99, ms", "storm_lag_p99_ms", 50.0).worst(),
            none("... sessions lost", "storm_lost"),
            silence_of("storm_silence_s"),
            goal("a rack restarts: s until learned again", "rack_again_s", 1.0),
            none("... connections unanswered", "rack_unanswered"),
            none("... second drops", "rack_dropped"),
            silence_of("rack_silence_s"),
            none("... others dropped", "rack_others_dropped"),
            goal("... silence towards others, s", "rack_others_silence_s", 1.2).worst(),
            goal("all restart: s until learned again", "all_again_s", 5.0),
            none("... connections unanswered", "all_unanswered"),
            none("... second drops", "all_dropped"),
            silence_of("all_silence_s"),
        ],
    }
}
