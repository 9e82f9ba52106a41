use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::*;

struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("thirdleaf-audit-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn log(&self, largest: u64) -> Log {
        Log::new(self.file(), largest)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_line_is_on_the_disk_when_it_was_waited_for_and_its_owner_alone_reads_it() {
    let place = Temporary::new("line");
    let (audit, ended) = Audit::start(&Place::Directory(place.0.clone())).unwrap();
    let body = Mo::new("l3extInstP").holding(Mo::new("l3extSubnet").with("ip", "10.96.7.7/32"));
    let (time, instance, apic) =
        (Timestamp::from_micros(1_763_740_000_000_000), "0123456789abcdef", "fabric1");
    let dn = "uni/tn-k8s/out-calico/instP-web";
    let asked = Asked { time, event: "write", instance, apic, batch: 7, dn, body: &body, changes: &[] };
    audit.write(&asked).await.unwrap();
    let line: Value = serde_json::from_str(&place.text()).unwrap();
    assert_eq!((&line["event"], &line["batch"], &line["dn"]), (&json!("write"), &json!(7), &json!(dn)));
    assert_eq!(line["time"], "2025-11-21T15:46:40.000Z");
    assert_eq!(line["body"]["l3extInstP"]["children"][0]["l3extSubnet"]["attributes"]["ip"], "10.96.7.7/32");
    assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);

    audit.note(&Answered {
        time,
        event: "answer",
        instance,
        apic,
        batch: 7,
        controller: "apic2".into(),
        outcome: "done",
        text: String::new(),
        seconds: 0.25,
    });
    drop(audit);
    ended.unwrap().await.unwrap();
    let text = place.text();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["outcome"], &last["controller"]),
        (&json!("answer"), &json!("done"), &json!("apic2"))
    );
}

#[test]
fn the_line_of_an_order_says_whose_it_is() {
    let line = encode(&Ordered {
        time: Timestamp::from_micros(1_700_000_000_000_000),
        event: "approve",
        instance: "dc1",
        by: Some("alice"),
        client: Some([10, 0, 0, 9].into()),
        about: Some("1-2"),
        outcome: "done",
        text: "3 changes".to_owned(),
    });
    assert_eq!(
        String::from_utf8(line).unwrap(),
        "{\"time\":\"2023-11-14T22:13:20.000Z\",\"event\":\"approve\",\"instance\":\"dc1\",\"by\":\"alice\",\
         \"client\":\"10.0.0.9\",\"about\":\"1-2\",\"outcome\":\"done\",\"text\":\"3 changes\"}\n"
    );
}

#[tokio::test]
async fn no_line_no_write_unless_nobody_asked_for_lines() {
    let (audit, _) = Audit::start(&Place::Nowhere).unwrap();
    audit.write(&1).await.unwrap();
    assert_eq!(audit.failures(), 0);
    let (audit, _) = Audit::start(&Place::Unusable("/state".into())).unwrap();
    let why = audit.write(&1).await.unwrap_err();
    assert!(why.to_string().contains("global.state_dir /state"), "{why}");
    assert_eq!(audit.failures(), 1);
}

#[tokio::test]
async fn a_file_that_takes_no_line_takes_one_again_once_it_can() {
    let place = Temporary::new("again");
    fs::create_dir(place.file()).unwrap();
    let (audit, _) = Audit::start(&Place::Directory(place.0.clone())).unwrap();
    let why = audit.write(&1).await.unwrap_err();
    assert!(why.to_string().contains("audit.jsonl"), "{why}");
    assert_eq!(audit.failures(), 1);
    audit.note(&"nobody waits for it");
    audit.write(&1).await.unwrap_err();
    assert_eq!(audit.failures(), 3, "one is what nobody waited for");
    fs::remove_dir(place.file()).unwrap();
    audit.write(&2).await.unwrap();
    assert_eq!(place.text(), "2\n");
}

#[test]
fn a_line_that_broke_off_ends_before_the_next() {
    let place = Temporary::new("torn");
    fs::write(place.file(), "{\"whole\":1}\n{\"bro").unwrap();
    let mut log = place.log(LARGEST);
    log.append(b"{\"next\":1}\n").unwrap();
    log.append(b"{\"last\":1}\n").unwrap();
    assert_eq!(place.text(), "{\"whole\":1}\n{\"bro\n{\"next\":1}\n{\"last\":1}\n");
}

/// A limit of the process' files would hit other tests: a file that cannot be written at all stands for it.
#[test]
fn what_could_not_be_written_leaves_no_half_a_line() {
    let place = Temporary::new("full");
    let mut log = place.log(LARGEST);
    log.append(b"1\n").unwrap();
    let length = log.open.as_ref().unwrap().length;
    log.open.as_mut().unwrap().file = File::open(place.file()).unwrap();
    log.append(b"2\n").unwrap_err();
    assert!(log.open.is_none(), "it is opened anew");
    assert_eq!(place.text().len() as u64, length);
    log.append(b"3\n").unwrap();
    assert_eq!(place.text(), "1\n3\n");
}

#[test]
fn the_files_are_bounded_and_the_newest_lines_are_kept() {
    let place = Temporary::new("bounded");
    let mut log = place.log(30);
    for number in 0..20 {
        log.append(format!("{{\"line\":{}}}\n", 1000 + number).as_bytes()).unwrap();
    }
    let read = |name: &str| fs::read_to_string(place.0.join(name)).unwrap();
    let all = ["audit.jsonl.3", "audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"].map(read);
    assert!(all.iter().all(|text| text.len() <= 30), "{all:?}");
    let numbers: Vec<u64> = all
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["line"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1012..1020).collect::<Vec<u64>>());
    assert_eq!(fs::read_dir(&place.0).unwrap().count(), 4);
    // A line that is larger than a file has one of its own.
    log.append(&[b'x'; 100]).unwrap();
    assert_eq!(read("audit.jsonl").len(), 100);
}

#[test]
fn a_file_that_somebody_took_away_is_made_anew() {
    let place = Temporary::new("taken");
    let mut log = place.log(LARGEST);
    log.append(b"1\n").unwrap();
    fs::rename(place.file(), place.0.join("elsewhere")).unwrap();
    log.append(b"2\n").unwrap();
    assert_eq!(place.text(), "2\n");
}

#[test]
fn neither_links_nor_pipes_are_written_to() {
    let place = Temporary::new("link");
    std::os::unix::fs::symlink(place.0.join("victim"), place.file()).unwrap();
    place.log(LARGEST).append(b"1\n").unwrap_err();
    assert!(!place.0.join("victim").exists());
    fs::remove_file(place.file()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(place.file()).status().unwrap().success());
    place.log(LARGEST).append(b"1\n").unwrap_err();
}
