use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use clap::Parser;
use tokio::runtime::Runtime;

use crate::cli::tests::{ask, run};
use crate::cli::{Cli, Verb};
use crate::journal::Journal;
use crate::journal::testing::Book;
use crate::observer::view::Event;
use crate::time::{Clock, Timestamp};
use crate::web::testing::Server;

fn event(book: &Book, at: Timestamp, kind: &str, text: &str) -> u64 {
    book.event(&Event { at, kind: kind.to_owned(), text: text.to_owned(), ..Event::default() })
}

/// The numbers that a table shows.
fn numbers(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn the_newest_or_all_since_a_time() {
    let (book, now) = (Book::new(), Clock::start().now());
    book.at_once(|| {
        for n in 1..=2_500 {
            let ago = std::time::Duration::from_secs(3 * (2_500 - n));
            event(&book, now.before(ago), if n % 2 == 0 { "reload" } else { "peer_up" }, "x");
        }
    });
    let (runtime, file) = (Runtime::new().unwrap(), book.path.to_str().unwrap().to_owned());
    let server = runtime.block_on(Server::start_on(Journal::new(book.path.clone())));
    for (arguments, expected) in [
        (&["events"][..], 1_501..=2_500),
        (&["events", "--limit", "3"], 2_498..=2_500),
        (&["events", "--since", "1h"], 1_301..=2_500),
        (&["events", "--since", "1h", "--limit", "3"], 2_498..=2_500),
        (&["events", "--after", "10", "--limit", "3"], 11..=13),
        (&["events", "--until", "2h"], 1..=100),
    ] {
        for (code, text) in [ask(&server.url, arguments), run(&[arguments, &["--journal", &file]].concat())] {
            let (shown, expected) = (numbers(&text), expected.clone().collect::<Vec<u64>>());
            // Between the question and the test's own look at the clock a moment passes.
            let is_near = shown.len().abs_diff(expected.len()) <= 20
                && shown.iter().rev().zip(expected.iter().rev()).all(|(a, b)| a.abs_diff(*b) <= 20);
            assert!(code == 0 && is_near && shown.is_sorted(), "{arguments:?}: {shown:?}");
            if arguments.len() < 3 || arguments.contains(&"--after") {
                assert_eq!(shown, expected, "{arguments:?}");
            }
        }
    }
    let (_, text) = ask(&server.url, &["events", "--kind", "reload", "--limit", "2"]);
    assert_eq!(numbers(&text), [2_498, 2_500]);
    let (code, text) = run(&["events", "--kind", "Reload", "--journal", &file]);
    assert!(code == 2 && text.starts_with("--kind: "), "{text}");
    drop((server, runtime));
}

#[test]
fn what_a_peer_said_cannot_write_to_the_terminal() {
    let book = Book::new();
    event(&book, Timestamp::from_micros(5), "peer_down", "\u{1b}[2Jgone\n17 forged");
    let (code, text) = run(&["events", "--journal", book.path.to_str().unwrap()]);
    assert_eq!((code, text.lines().count()), (0, 2));
    assert!(text.contains("\\u{1b}[2Jgone\\n17 forged"), "{text}");
}

/// What was printed so far; nobody reads any more once it holds a word.
#[derive(Clone)]
struct Until(Arc<Mutex<Vec<u8>>>, &'static str);

impl Until {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Until {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.text().contains(self.1) { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

/// How long a line may take to be printed.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

fn wait_for(out: &Until, word: &str) {
    let clock = Clock::start();
    let start = clock.now();
    while !out.text().contains(word) {
        assert!(clock.now().since(start) < PATIENCE, "{word} is not in {}", out.text());
        std::thread::yield_now();
    }
}

#[test]
fn a_follower_misses_nothing_over_a_restart_and_a_new_journal() {
    let (book, now) = (Book::new(), Clock::start().now());
    event(&book, now, "reload", "one");
    event(&book, now, "peer_up", "unwanted");
    let runtime = Runtime::new().unwrap();
    let start = || runtime.block_on(Server::start_on(Journal::new(book.path.clone())));
    let server = start();
    let out = Until(Arc::default(), "the end");
    let arguments =
        ["thirdleaf", "--server", &server.url, "events", "--follow", "--kind", "reload", "--no-headers"];
    let cli = Cli::try_parse_from(arguments).unwrap();
    assert!(matches!(cli.verb, Verb::Events(_)));
    std::thread::scope(|threads| {
        let mut printed = out.clone();
        let follower = threads.spawn(move || cli.verb.execute(&cli.options, &mut printed).unwrap_err());
        wait_for(&out, "one");
        // Many at once: more than a page.
        book.at_once(|| {
            for n in 0..2_200 {
                event(&book, now, "reload", &format!("more {n}."));
            }
        });
        wait_for(&out, "more 2199.");
        // What happens while nobody answers is told after.
        std::fs::rename(&book.path, book.path.with_extension("away")).unwrap();
        event(&book, now, "reload", "meanwhile");
        std::fs::rename(book.path.with_extension("away"), &book.path).unwrap();
        wait_for(&out, "meanwhile");
        // Whoever moves a journal away gets a new one, whose numbers begin anew.
        book.connection.execute_batch("DELETE FROM event; DELETE FROM sqlite_sequence").unwrap();
        event(&book, now, "reload", "anew");
        wait_for(&out, "anew");
        event(&book, now, "reload", "the end");
        assert_eq!(follower.join().unwrap().exit(), 0);
    });
    let text = out.text();
    assert_eq!(text.lines().count(), 1 + 2_200 + 3, "{text}");
    assert!(!text.contains("unwanted"));
    drop((server, runtime));
}
