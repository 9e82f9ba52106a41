//! What the page is made of besides its text: embedded, named by what is in it, and therefore never asked for twice.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::answer::{gzip, takes_gzip};
use super::level::Level;
use crate::web::problem::{self, Problem};

/// The icon, whose colour and sign say how it stands.
const ICON: &str = include_str!("icon.svg");

/// One file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asset {
    Style,
    Script,
    Icon(Level),
    /// Nobody knows how it stands.
    Unknown,
}

struct Kept {
    asset: Asset,
    plain: Bytes,
    packed: Bytes,
    digest: String,
}

static KEPT: LazyLock<Vec<Kept>> = LazyLock::new(|| {
    let icons = Level::ALL.into_iter().map(Asset::Icon);
    [Asset::Style, Asset::Script, Asset::Unknown].into_iter().chain(icons).map(Kept::new).collect()
});

impl Asset {
    const fn name(self) -> &'static str {
        match self {
            Self::Style => "page.css",
            Self::Script => "page.js",
            Self::Icon(Level::Ok) => "favicon-ok.svg",
            Self::Icon(Level::Warning) => "favicon-warning.svg",
            Self::Icon(Level::Critical) => "favicon-critical.svg",
            Self::Unknown => "favicon-unknown.svg",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Style => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
            Self::Icon(_) | Self::Unknown => "image/svg+xml",
        }
    }

    fn content(self) -> String {
        match self {
            Self::Style => include_str!("page.css").to_owned(),
            Self::Script => include_str!("page.js").to_owned(),
            Self::Icon(level) => {
                let (colour, sign) = match level {
                    Level::Ok => ("#1a7f37", "M11 16.5l3.5 3.5 7-8"),
                    Level::Warning => ("#b35900", "M16 9v9M16 22.5v.5"),
                    Level::Critical => ("#c4202b", "M11 11l10 10M21 11L11 21"),
                };
                icon(colour, sign)
            }
            Self::Unknown => icon("#6b7280", "M12 12.5a4 4 0 1 1 5.5 3.7q-1.5.6-1.500 2.300M16 22.500v.5"),
        }
    }

    /// Where it is to be had: what has another content has another address.
    pub(super) fn address(self) -> String {
        let digest = KEPT.iter().find(|kept| kept.asset == self).map_or("", |kept| &kept.digest);
        format!("assets/{}?v={digest}", self.name())
    }
}

fn icon(colour: &str, sign: &str) -> String {
    ICON.replace("{colour}", colour).replace("{sign}", sign)
}

impl Kept {
    fn new(asset: Asset) -> Self {
        let content = asset.content();
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        hasher.write(content.as_bytes());
        let digest = format!("{:016x}", hasher.finish());
        Self { asset, packed: gzip(content.as_bytes()).into(), plain: content.into(), digest }
    }
}

pub(super) async fn serve(
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(kept) = KEPT.iter().find(|kept| kept.asset.name() == name) else {
        return Err(problem::not_found(uri).await);
    };
    let tag = format!("\"{}\"", kept.digest);
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|given| {
        given
            .to_str()
            .is_ok_and(|given| given.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
    });
    let packed = takes_gzip(&headers);
    let mut response = match (is_known, packed) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, true) => kept.packed.clone().into_response(),
        (false, false) => kept.plain.clone().into_response(),
    };
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(kept.asset.media_type()));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // A digest in hexadecimal is a valid value.
    answer.extend(HeaderValue::from_str(&format!("W/{tag}")).ok().map(|tag| (header::ETAG, tag)));
    if packed && !is_known {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
