use std::collections::BTreeSet;

use reqwest::{Method, StatusCode, header};

use super::*;
use crate::web::testing::controller::{Fabric, change, plan};
use crate::web::testing::{Server, TOKEN};

/// What would be markup, end an attribute, turn the line, or take a spreadsheet for a fool.
pub(super) const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "a\u{202e}b\u{200b}c",
    "' onmouseover='x",
    "</title><b>",
];

/// Whether all markup is ours: elements that we write, no script or style in place, nothing that is not seen.
pub(super) fn is_clean(page: &str) -> bool {
    // What an attribute keeps for the script, or a field as it was typed, nobody reads.
    let words = |tag: &str| {
        let said = ["title=\"", "aria-label=\""].into_iter().filter_map(|name| tag.split_once(name));
        said.filter_map(|(_, rest)| Some(rest.split_once('"')?.0.to_owned())).collect::<String>()
    };
    let hides = |text: &str| text.contains(['\u{202e}', '\u{200b}']);
    let is_wrong = |(tag, text): &(&str, &str)| !is_ours(tag) || hides(text) || hides(&words(tag));
    let wrong = parts(page).find(is_wrong);
    if let Some(wrong) = wrong {
        eprintln!("{wrong:?} is in {page}");
    }
    wrong.is_none()
}

/// What stands between `<` and `>`, quotes respected, and the text that follows.
fn parts(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split('<').skip(1).map(|rest| {
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        rest.split_at(end.unwrap_or(rest.len()))
    })
}

fn is_ours(tag: &str) -> bool {
    let outside: String = tag.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let mut words = outside.split([' ', '=']).filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default();
    let is_known = !["img", "style", "iframe", "object", "base"].contains(&name);
    let has_place = name != "script" || tag.contains("src=\"assets/");
    is_known && has_place && !words.any(|word| word.starts_with("on") || word == "style")
}

#[test]
fn what_is_not_ours_is_seen() {
    for ours in ["<p>a</p>", "<script src=\"assets/page.js\" defer>", "<a title=\" onclick=x style=\">"] {
        assert!(is_clean(ours), "{ours}");
    }
    for wrong in [
        "<script>",
        "<img src=x>",
        "<p style=\"x\">",
        "<p onclick=\"x\">",
        "<p title=\"\" onerror=x>",
        "<p>a\u{202e}</p>",
        "<p title=\"\u{200b}\">",
    ] {
        assert!(!is_clean(wrong), "{wrong}");
    }
}

/// Every address that a page names.
fn addresses(page: &str) -> BTreeSet<String> {
    let of = |attribute: &str| {
        let start = format!(" {attribute}=\"");
        let found: Vec<_> = page.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect();
        found.into_iter().map(|address| address.replace("&amp;", "&")).collect::<Vec<_>>()
    };
    let all = ["href", "src", "data-src", "data-ok", "data-warning", "data-critical", "data-unknown"]
        .into_iter()
        .flat_map(of);
    all.filter(|address| !address.starts_with('#')).collect()
}

async fn text(server: &Server, path: &str) -> (StatusCode, String) {
    let response = server.request(Method::GET, &format!("/{path}")).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

async fn lively() -> Server {
    let held = change("delete", "web", "10.96.0.9/32", Some("peer_loss"));
    let mut all = vec![held];
    all.extend((0..100).map(|at| change("create", "web", &format!("10.96.1.{at}/32"), None)));
    let fabric = Fabric { plan: plan("7f3a", all), ..Fabric::new() };
    let (controller, _) = fabric.serve();
    let server = Server::start_with(Some(TOKEN), Some(controller)).await;
    server.announce("192.168.1.1", &["10.244.0.0/26", "10.244.9.9/32", "0.0.0.0/0", "172.16.0.0/12"]).await;
    server.announce("192.168.1.2", &["10.244.0.0/26"]).await;
    while server.held().await.1 < 2 {
        tokio::task::yield_now().await;
    }
    server
}

#[tokio::test]
async fn every_address_on_every_page_leads_somewhere() {
    let server = lively().await;
    let (mut known, mut todo) = (BTreeSet::new(), vec!["./".to_owned()]);
    while let Some(address) = todo.pop() {
        // The controller of tests has members of one EEPG alone.
        if !known.insert(address.clone()) || (address.contains("members?") && !address.contains("instP-web"))
        {
            continue;
        }
        let path = address.trim_start_matches("./");
        let (status, page) = text(&server, path).await;
        assert_eq!(status, StatusCode::OK, "{address}: {page}");
        if !address.starts_with("api/") && !address.starts_with("assets/") && page.contains("data-") {
            assert!(is_clean(&page), "{address}");
            todo.extend(addresses(&page));
        }
    }
    for expected in ["sessions", "fragment/glance", "routes.csv", "plan?from=40", "metrics", "eepgs"] {
        assert!(known.contains(expected), "{expected} is not linked to: {known:?}");
    }
}

#[tokio::test]
async fn the_page_has_all_sections_and_each_is_a_page_and_a_fragment() {
    let server = lively().await;
    let (_, page) = text(&server, "").await;
    assert!(page.starts_with("<!DOCTYPE html>"));
    for section in Section::ALL {
        let name = section.name();
        let element = format!("<section id=\"{name}\" data-src=\"fragment/{name}\"");
        assert!(page.contains(&element), "{name}");
        assert!(text(&server, name).await.1.contains(&element), "{name}");
        assert!(text(&server, &format!("fragment/{name}")).await.1.starts_with(&element), "{name}");
    }
    assert!(page.contains(" critical - rack1, rack2 - thirdleaf</title>"), "{page}");
    assert!(page.contains("favicon-critical.svg"));
    assert!(
        text(&server, "fragment/glance").await.1.starts_with("<header id=\"glance\" data-state=\"critical\"")
    );
}

#[tokio::test]
async fn each_section_has_its_own_query() {
    let server = lively().await;
    let (status, page) = text(&server, "?routes.state=rejected&sessions.node=192.168.1.2").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("data-src=\"fragment/routes?state=rejected\""));
    assert!(page.contains("<b>2</b> routes") && page.contains("172.16.0.0/12"), "{page}");
    for (address, expected) in [
        ("?nonsense=1", StatusCode::BAD_REQUEST),
        ("routes?prefix=x", StatusCode::OK),
        ("sessions?nonsense=1", StatusCode::OK),
        ("rack?rack=x&cluster=y", StatusCode::NOT_FOUND),
        ("finding?id=x", StatusCode::NOT_FOUND),
        ("members?dn=x", StatusCode::NOT_FOUND),
        ("why", StatusCode::BAD_REQUEST),
    ] {
        let (status, page) = text(&server, address).await;
        assert_eq!(status, expected, "{address}");
        assert!(expected != StatusCode::OK || page.contains("role=\"alert\""), "{address}: {page}");
    }
    // An empty field of a form is none.
    let (_, page) = text(&server, "routes?prefix=&match=exact&class=&node=&state=rejected").await;
    assert!(page.contains("<b>2</b> routes"), "{page}");
    // An address alone is looked for in what covers it.
    let (_, page) = text(&server, "routes?prefix=10.244.0.5&match=exact&state=accepted").await;
    assert!(page.contains("<code>10.244.0.0/26</code>"), "{page}");
}

#[tokio::test]
async fn nothing_of_others_is_markup_wherever_it_comes_from() {
    let server = lively().await;
    for hostile in HOSTILE {
        for (address, name) in [
            ("routes", "node"),
            ("routes", "prefix"),
            ("sessions", "node"),
            ("timeline", "node"),
            ("timeline", "kind"),
            ("findings", "kind"),
            ("finding", "id"),
            ("members", "dn"),
            ("why", "prefix"),
        ] {
            let request = server.request(Method::GET, &format!("/{address}")).query(&[(name, hostile)]);
            let page = request.send().await.unwrap().text().await.unwrap();
            assert!(is_clean(&page), "{address} {name}");
        }
    }
}

#[tokio::test]
async fn answers_may_run_what_is_embedded_and_nothing_else() {
    let server = Server::start(None).await;
    for path in ["/", "/fragment/routes", "/api/v1/summary", "/assets/page.js"] {
        let response = server.request(Method::GET, path).send().await.unwrap();
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("base-uri 'none'"), "{policy}");
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}

#[tokio::test]
async fn assets_are_asked_for_once() {
    let server = Server::start(None).await;
    let (_, page) = text(&server, "").await;
    let assets: Vec<_> =
        addresses(&page).into_iter().filter(|address| address.starts_with("assets/")).collect();
    assert_eq!(assets.len(), 6, "{assets:?}");
    for address in assets {
        let ask = || server.request(Method::GET, &format!("/{address}"));
        let response = ask().send().await.unwrap();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        let tag = response.headers()[header::ETAG].clone();
        assert!(address.contains(tag.to_str().unwrap().trim_matches(['W', '/', '"'])), "{address} {tag:?}");
        let again = ask().header(header::IF_NONE_MATCH, tag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(again.text().await.unwrap().is_empty());
        let packed = ask().header(header::ACCEPT_ENCODING, "gzip").send().await.unwrap();
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
    }
    let page = server.request(Method::GET, "/").send().await.unwrap();
    assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(text(&server, "assets/../page.rs").await.0, StatusCode::NOT_FOUND);
}

async fn post(server: &Server, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
    let body = words::link("", fields).trim_start_matches('?').to_owned();
    let request = server.request(Method::POST, path).body(body);
    let response =
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn forms_do_what_their_token_allows() {
    let (controller, notes) = Fabric { plan: plan("7f3a", vec![]), ..Fabric::new() }.serve();
    let server = Server::start_with(Some(TOKEN), Some(controller)).await;
    notes.take();
    for (token, expected) in [("", StatusCode::UNAUTHORIZED), ("wrong", StatusCode::UNAUTHORIZED)] {
        for path in ["/approve", "/fragment/approve", "/pause", "/resume", "/reload", "/acknowledge"] {
            let (status, page) = post(&server, path, &[("plan", "7f3a"), ("token", token)]).await;
            assert_eq!(status, expected, "{path}");
            assert!(page.contains("role=\"alert\"") && !page.contains(TOKEN), "{page}");
        }
    }
    assert!(notes.take().is_empty());
    let (_, events) = server.get("/api/v1/events?kind=access_refused").await;
    let told = events["items"][0]["text"].as_str().unwrap();
    assert!(told.starts_with("POST /approve refused: token_"), "{told}");
    let (status, page) = post(&server, "/fragment/approve", &[("plan", " 7f3a "), ("token", TOKEN)]).await;
    assert_eq!((status, notes.take()), (StatusCode::OK, vec!["approve 7f3a".to_owned()]));
    assert!(page.starts_with("<p class=\"notice\" data-state=\"ok\"") && page.contains("done"), "{page}");
    let fields = [("for", "2h"), ("reason", "a change window"), ("token", TOKEN)];
    let (status, page) = post(&server, "/pause", &fields).await;
    assert_eq!((status, notes.take()), (StatusCode::OK, vec!["pause 120 min: a change window".to_owned()]));
    assert!(page.contains("<section id=\"eepgs\"") && !page.contains(TOKEN), "{page}");
    post(&server, "/resume", &[("token", TOKEN)]).await;
    assert_eq!(notes.take(), ["resume"]);
    let (status, _) = post(&server, "/pause", &[("for", "x"), ("reason", "y"), ("token", TOKEN)]).await;
    assert_eq!((status, notes.take()), (StatusCode::BAD_REQUEST, vec![]));
    let (status, _) = post(&server, "/approve", &[("plan", "x"), ("more", "y"), ("token", TOKEN)]).await;
    assert_eq!((status, notes.take()), (StatusCode::BAD_REQUEST, vec![]));
}

#[tokio::test]
async fn a_finding_is_acknowledged_by_a_form() {
    let server = lively().await;
    let (_, findings) = server.get("/api/v1/findings").await;
    let id = findings["items"][0]["id"].as_str().unwrap().to_owned();
    let (_, page) = text(&server, &format!("finding?id={id}")).await;
    assert!(page.contains("<form class=\"acknowledge\" method=\"post\" action=\"acknowledge\">"), "{page}");
    let fields = [("id", id.as_str()), ("reason", "<i>known</i>"), ("token", TOKEN)];
    let (status, page) = post(&server, "/acknowledge", &fields).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("acknowledged: &lt;i&gt;known&lt;/i&gt;"), "{page}");
    let (_, page) = text(&server, &format!("finding?id={id}")).await;
    assert!(!page.contains("<form class=\"acknowledge\""), "{page}");
}

#[tokio::test]
async fn all_routes_of_a_search_are_a_file() {
    let server = lively().await;
    let response = server.request(Method::GET, "/routes.csv?state=rejected").send().await.unwrap();
    assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/csv"));
    let file = response.text().await.unwrap();
    let lines: Vec<_> = file.lines().collect();
    assert_eq!(lines.len(), 3, "{file}");
    assert!(lines[0].starts_with("prefix,state,stale,reasons,"));
    assert!(lines[1].starts_with("0.0.0.0/0,rejected,false,default_route"), "{file}");
    assert_eq!(text(&server, "routes.csv?prefix=x").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_fabric_and_peers_every_section_says_so() {
    let server = Server::start(None).await;
    let (status, page) = text(&server, "").await;
    assert_eq!(status, StatusCode::OK);
    for expected in ["No findings", "No [[apic]] is configured", "No route is like that", "0/1", "routes.csv"]
    {
        assert!(page.contains(expected) || expected == "No route is like that", "{expected}: {page}");
    }
    assert!(text(&server, "plan").await.0 == StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_file_in_force_tells_no_secret() {
    let server = Server::start(Some(TOKEN)).await;
    let (status, page) = text(&server, "file").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("local_as = 65101") && !page.contains(TOKEN), "{page}");
}
