//! How long it takes from the feeder's write until the API shows it.

use std::io;
use std::time::{Duration, SystemTime};

use crate::http::Http;
use crate::process::Servant;
use crate::workload;

/// How long to wait before asking again.
const AGAIN: Duration = Duration::from_micros(300);

/// After so long nothing is expected any more.
const NEVER: Duration = Duration::from_secs(30);

/// One more route comes, or goes: the milliseconds until it is seen; nothing if it is not.
pub(super) fn probe(feeder: &mut Servant, http: &mut Http, on: bool) -> io::Result<Option<f64>> {
    let question = format!("/api/v1/routes?match=exact&prefix={}", workload::probe());
    feeder.tell(if on { "probe on" } else { "probe off" })?;
    let answer = feeder.answer("probe", NEVER)?;
    let written = answer.and_then(|value| value["at"].as_f64());
    let written = written.ok_or_else(|| io::Error::other("the feeder does not probe"))?;
    loop {
        let items = http.json(&question)?["items"].as_array().map_or(0, Vec::len);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
        let lag = now.as_secs_f64() - written;
        if (items > 0) == on {
            return Ok(Some(lag * 1e3));
        }
        if lag > NEVER.as_secs_f64() {
            return Ok(None);
        }
        std::thread::sleep(AGAIN);
    }
}

/// The median, the 99th percentile and the greatest.
pub(super) fn percentiles(lags: &mut [f64]) -> Option<[f64; 3]> {
    lags.sort_by(f64::total_cmp);
    let at = |hundredths: usize| lags.get((lags.len() * hundredths).div_ceil(100).saturating_sub(1)).copied();
    Some([at(50)?, at(99)?, at(100)?])
}
