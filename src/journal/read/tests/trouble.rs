use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::journal::Journal;
use crate::journal::query::EventQuery;
use crate::observer::view::Event;

#[test]
fn a_file_that_is_none_is_named() {
    let book = Book::new();
    let missing = book.path.with_file_name("nothing.db");
    let error = Reader::open(&missing).unwrap_err();
    assert_eq!(error.to_string(), format!("there is no journal at {}", missing.display()));
    let text = book.path.with_file_name("text.db");
    std::fs::write(&text, "no database at all, but longer than the header of one would be").unwrap();
    assert!(matches!(Reader::open(&text), Err(Trouble::Unusable { .. })));
    assert!(matches!(Reader::open(book.path.parent().unwrap()), Err(Trouble::Unusable { .. })));
}

#[test]
fn a_damaged_file_is_an_error_and_no_more() {
    let book = Book::new();
    book.run(0, 900, None);
    let one = route("10.244.0.0/26", "192.168.1.1");
    book.announce(&one, 100);
    let ask = || {
        let reader = Reader::open(&book.path)?;
        reader.compare(at(50), at(500), &RouteQuery::default(), None)?;
        reader.routes(at(500), &RouteQuery::default(), None)
    };
    assert!(ask().is_ok());
    for spoil in [
        "UPDATE route SET prefix = x'0400'",
        "UPDATE peer SET address = 'nobody'",
        "DELETE FROM attributes",
        "UPDATE announcer SET id = 77",
    ] {
        book.connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; BEGIN; {spoil}; COMMIT")).unwrap();
        assert!(matches!(ask(), Err(Trouble::Damaged(_))), "{spoil}: {:?}", ask());
        book.connection.execute_batch("DELETE FROM route; DELETE FROM announcer; DELETE FROM peer").unwrap();
        book.announce(&one, 100);
    }
    // Numbers that no thirdleaf wrote.
    book.connection
        .execute_batch("UPDATE route SET path_id = -5, since = -9; UPDATE attributes SET med = -1")
        .unwrap();
    let page = ask().unwrap();
    assert_eq!((page.items[0].path_id, page.items[0].med, page.items[0].since), (0, None, at(0)));

    // Pages of the file itself.
    for n in 0..2_000 {
        book.announce(&route(&format!("10.{}.{}.0/26", n / 200, n % 200), "192.168.1.1"), 200);
    }
    book.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    let mut octets = std::fs::read(&book.path).unwrap();
    let length = octets.len();
    for octet in &mut octets[length / 3..] {
        *octet ^= 0x5a;
    }
    let torn = book.path.with_file_name("torn.db");
    std::fs::write(&torn, &octets).unwrap();
    let torn = Reader::open(&torn).and_then(|reader| {
        reader.events(&EventQuery::default())?;
        reader.compare(at(50), at(500), &RouteQuery::default(), None)?;
        all(&reader, 500, &RouteQuery::default());
        Ok(())
    });
    assert!(
        matches!(torn, Err(Trouble::Damaged(_) | Trouble::Unusable { .. } | Trouble::Failed(_))),
        "{torn:?}"
    );
}

#[test]
fn a_copy_on_a_medium_that_cannot_be_written_is_read() {
    let book = Book::new();
    book.run(0, 900, None);
    book.announce(&route("10.244.0.0/26", "192.168.1.1"), 100);
    book.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    let directory = book.path.with_file_name("medium");
    std::fs::create_dir(&directory).unwrap();
    let copy = directory.join("journal.db");
    std::fs::copy(&book.path, &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o400)).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o500)).unwrap();
    let page = Reader::open(&copy).unwrap().routes(at(500), &RouteQuery::default(), None).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(page.items.len(), 1);
}

#[test]
fn a_question_that_takes_too_long_ends() {
    let mut book = Book::new();
    Limit::on(&mut book.connection, std::time::Duration::ZERO).unwrap();
    let endless = "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n";
    let error = book.connection.query_row(endless, [], |_| Ok(())).unwrap_err();
    let error = Trouble::from(error);
    assert_eq!(
        error.to_string(),
        "there is no answer after 8 s: ask for less, by a prefix, a peer or a shorter time"
    );
}

#[test]
fn a_writer_is_no_reason_to_wait_and_who_locks_all_of_it_is() {
    let book = Book::new();
    book.run(0, 900, None);
    let asks = || Reader::open(&book.path)?.events(&EventQuery::default());
    book.connection.execute_batch("BEGIN IMMEDIATE; DELETE FROM run").unwrap();
    assert!(asks().is_ok());
    book.connection.execute_batch("ROLLBACK; PRAGMA locking_mode = EXCLUSIVE; DELETE FROM run").unwrap();
    assert!(matches!(asks(), Err(Trouble::Locked)), "{:?}", asks());
}

#[tokio::test]
async fn few_questions_are_answered_at_once_and_the_rest_waits_its_turn() {
    let book = Book::new();
    book.run(0, 900, None);
    book.event(&Event { kind: "reload".into(), ..Event::default() });
    let journal = Journal::new(book.path.clone());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
    let slow: Vec<_> = (0..3)
        .map(|_| {
            let (journal, wait) = (journal.clone(), std::sync::Arc::clone(&wait));
            tokio::spawn(async move {
                journal
                    .ask(move |_| {
                        _ = wait.lock().unwrap().recv();
                        Ok(())
                    })
                    .await
            })
        })
        .collect();
    while journal.turns_left() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(journal.ask(|reader| reader.events(&EventQuery::default())).await, Err(Trouble::Busy)));
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    for one in slow {
        one.await.unwrap().unwrap();
    }
    let events = journal.ask(|reader| reader.events(&EventQuery::default())).await.unwrap();
    assert_eq!(events.items.len(), 1);
}
