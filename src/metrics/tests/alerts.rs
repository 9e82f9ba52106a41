//! What is pushed, and whether it gets there.

use super::super::alerts::write;
use crate::alert::Counts;
use crate::alert::view::Receiver;

#[test]
fn each_receiver_has_its_series_and_what_is_pushed_is_counted_by_name() {
    let counts = Counts {
        alerts: vec![("ThirdleafRackDown".into(), "critical".into(), 2)],
        receivers: vec![Receiver {
            name: "pa\"ger".into(),
            integration: "webhook".into(),
            state: "failing".into(),
            failing_since: Some(super::START),
            last_success: None,
            last_failure: None,
            last_error: None,
            queue: 7,
            dropped: 3,
            succeeded: 4,
            failed: 5,
            rejected: 6,
        }],
    };
    let mut text = String::new();
    write(&counts, &mut text);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            "thirdleaf_alerts{alertname=\"ThirdleafRackDown\",severity=\"critical\"} 2",
            r#"thirdleaf_alert_notifications_total{integration="webhook",receiver="pa\"ger",result="success"} 4"#,
            r#"thirdleaf_alert_notifications_total{integration="webhook",receiver="pa\"ger",result="failure"} 5"#,
            r#"thirdleaf_alert_notifications_total{integration="webhook",receiver="pa\"ger",result="rejected"} 6"#,
            r#"thirdleaf_alert_receiver_up{integration="webhook",receiver="pa\"ger"} 0"#,
            r#"thirdleaf_alert_queue_length{integration="webhook",receiver="pa\"ger"} 7"#,
            r#"thirdleaf_alert_notifications_dropped_total{integration="webhook",receiver="pa\"ger"} 3"#,
        ]
    );
}
