//! Clients over HTTPS, as strangers are.

#![expect(clippy::disallowed_types, reason = "speaks HTTP as no library does")]

use std::time::Duration;

use reqwest::{Certificate, Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

struct Api {
    client: Client,
    url: String,
}

impl Api {
    fn of(apic: &Apic, controller: usize) -> Self {
        let root = Certificate::from_pem(apic.certificate().unwrap().as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([root]).build().unwrap();
        Self { client, url: apic.urls()[controller - 1].clone() }
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: &str) -> reqwest::Result<Response> {
        let method = method.parse().unwrap();
        let cookie = format!("APIC-cookie={token}");
        let request = self.client.request(method, format!("{}{path}", self.url)).header("Cookie", cookie);
        request.body(body.to_owned()).send().await
    }

    async fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> (StatusCode, Value) {
        let response = self.send(method, path, token, body).await.unwrap();
        let status = response.status();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    async fn login(&self) -> String {
        let body = json!({"aaaUser": {"attributes": {"name": "thirdleaf", "pwd": "secret"}}}).to_string();
        let (status, reply) = self.ask("POST", "/api/aaaLogin.json", "", &body).await;
        assert_eq!(status, 200, "{reply}");
        reply["imdata"][0]["aaaLogin"]["attributes"]["token"].as_str().unwrap().to_owned()
    }
}

async fn started(controllers: u16) -> Apic {
    let tree = Mo::new("polUni").holding(
        Mo::new("fvTenant").with("name", "k8s").holding(Mo::new("fvCtx").with("name", "prod")).holding(
            Mo::new("l3extOut")
                .with("name", "calico")
                .holding(Mo::new("l3extRsEctx").with("tnFvCtxName", "prod"))
                .holding(Mo::new("l3extInstP").with("name", "web")),
        ),
    );
    let mut settings = Settings::new("thirdleaf", "secret");
    settings.controllers = controllers;
    settings.tree = Some(tree);
    settings.logins_per_second = None;
    Apic::start(settings).await.unwrap()
}

const WEB: &str = "uni/tn-k8s/out-calico/instP-web";

#[tokio::test]
async fn a_client_logs_in_writes_reads_deletes_and_leaves() {
    let apic = started(1).await;
    let api = Api::of(&apic, 1);
    let body = json!({"aaaUser": {"attributes": {"name": "thirdleaf", "pwd": "wrong"}}}).to_string();
    let (status, reply) = api.ask("POST", "/api/aaaLogin.json", "", &body).await;
    assert_eq!(status, 401);
    assert_eq!(reply["imdata"][0]["error"]["attributes"]["code"], "401");
    let (status, _) = api.ask("GET", "/api/class/fvTenant.json", "nonsense", "").await;
    assert_eq!(status, 403);
    let token = api.login().await;
    let body = json!({"l3extSubnet": {"attributes": {"ip": "10.96.7.7/32"}}}).to_string();
    let (status, reply) = api.ask("POST", &format!("/api/mo/{WEB}.json"), &token, &body).await;
    assert_eq!((status.as_u16(), &reply), (200, &json!({"totalCount": "0", "imdata": []})));
    let query = "query-target=subtree&target-subtree-class=l3extSubnet&query-target-filter=wcard(l3extSubnet.ip,%2210.96%22)";
    let (_, reply) = api.ask("GET", &format!("/api/mo/uni/tn-k8s.json?{query}"), &token, "").await;
    assert_eq!(reply["totalCount"], "1");
    let attributes = &reply["imdata"][0]["l3extSubnet"]["attributes"];
    assert_eq!(attributes["dn"], format!("{WEB}/extsubnet-[10.96.7.7/32]"));
    assert_eq!(attributes["scope"], "import-security");
    let (status, _) =
        api.ask("DELETE", &format!("/api/mo/{WEB}/extsubnet-[10.96.7.7/32].json"), &token, "").await;
    assert_eq!(status, 200);
    let (status, reply) =
        api.ask("GET", &format!("/api/mo/{WEB}/extsubnet-[10.96.7.7/32].json"), &token, "").await;
    assert_eq!((status.as_u16(), &reply), (200, &json!({"totalCount": "0", "imdata": []})));
    assert_eq!(apic.counters().changed("l3extSubnet", "deleted"), 1);
    let bye = json!({"aaaUser": {"attributes": {"name": "thirdleaf"}}}).to_string();
    assert_eq!(api.ask("POST", "/api/aaaLogout.json", &token, &bye).await.0, 200);
    assert_eq!(api.ask("GET", "/api/class/fvTenant.json", &token, "").await.0, 403);
    apic.stop().await;
}

#[tokio::test]
async fn controllers_share_the_tree_not_the_sessions_and_can_be_killed() {
    let apic = started(3).await;
    let (one, two) = (Api::of(&apic, 1), Api::of(&apic, 2));
    let token = one.login().await;
    assert_eq!(two.ask("GET", "/api/class/fvTenant.json", &token, "").await.0, 403);
    let other = two.login().await;
    apic.kill(1).await;
    assert!(one.send("GET", "/api/class/fvTenant.json", &token, "").await.is_err());
    let body = json!({"fvTenant": {"attributes": {"name": "new"}}}).to_string();
    assert_eq!(two.ask("POST", "/api/mo/uni.json", &other, &body).await.0, 200);
    assert!(apic.restart(1).await.unwrap());
    let (_, reply) = one.ask("GET", "/api/mo/uni/tn-new.json", &token, "").await;
    assert_eq!(reply["totalCount"], "1", "the session outlived its controller's restart");
}

#[tokio::test]
async fn it_ends_when_dropped() {
    let apic = started(1).await;
    let api = Api::of(&apic, 1);
    api.login().await;
    drop(apic);
    while api.send("GET", "/_sim", "", "").await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn tokens_end_with_the_clock_and_all_at_once() {
    let apic = started(1).await;
    let api = Api::of(&apic, 1);
    let token = api.login().await;
    apic.advance(Duration::from_secs(599));
    let (status, reply) = api.ask("GET", "/api/aaaRefresh.json", &token, "").await;
    assert_eq!(status, 200);
    let fresh = reply["imdata"][0]["aaaLogin"]["attributes"]["token"].as_str().unwrap().to_owned();
    apic.advance(Duration::from_secs(2));
    let (status, reply) = api.ask("GET", "/api/class/fvTenant.json", &token, "").await;
    assert_eq!(status, 403);
    assert_eq!(reply["imdata"][0]["error"]["attributes"]["text"], "Token was invalid (Error: Token timeout)");
    assert_eq!(api.ask("GET", "/api/class/fvTenant.json", &fresh, "").await.0, 200);
    apic.drop_tokens();
    assert_eq!(api.ask("GET", "/api/class/fvTenant.json", &fresh, "").await.0, 403);
}

#[tokio::test]
async fn trouble_comes_as_ordered() {
    let apic = started(1).await;
    let api = Api::of(&apic, 1);
    let token = api.login().await;
    let path = format!("/api/mo/{WEB}.json");
    let member = |ip: &str| json!({"l3extSubnet": {"attributes": {"ip": ip}}}).to_string();
    let has = |ip: &str| apic.tree(|tree, _| tree.has(&format!("{WEB}/extsubnet-[{ip}]")));

    apic.trouble(Dose::of(Trouble::Status(503)).times(1));
    let refused = api.send("POST", &path, &token, &member("10.0.0.1/32")).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["content-type"], "text/html");
    assert!(refused.text().await.unwrap().starts_with("<html>"));
    assert!(!has("10.0.0.1/32"));

    apic.trouble(Dose::of(Trouble::DropBefore).times(1).only(Only::Writes));
    assert!(api.send("POST", &path, &token, &member("10.0.0.2/32")).await.is_err());
    assert!(!has("10.0.0.2/32"));

    apic.trouble(Dose::of(Trouble::DropAfter).times(1));
    assert!(api.send("POST", &path, &token, &member("10.0.0.3/32")).await.is_err());
    assert!(has("10.0.0.3/32"));

    apic.trouble(Dose::of(Trouble::Cut).times(1));
    let cut = api.send("GET", "/api/class/l3extSubnet.json", &token, "").await.unwrap();
    assert_eq!(cut.status(), 200);
    assert!(cut.bytes().await.is_err());

    apic.set_max_body(1000);
    let long = member(&"1".repeat(100_000));
    assert_eq!(api.send("POST", &path, &token, &long).await.unwrap().status(), 413);
    assert_eq!(api.ask("GET", "/api/class/l3extSubnet.json", &token, "").await.0, 200);
    let missing = api.send("GET", "/nothing", &token, "").await.unwrap();
    assert_eq!(
        (missing.status().as_u16(), &missing.headers()["server"]),
        (404, &"Cisco APIC".parse().unwrap())
    );
    let statuses: Vec<_> = apic.log().into_iter().map(|entry| entry.status).collect();
    assert_eq!(statuses.iter().filter(|status| status.is_none()).count(), 2, "{statuses:?}");
}

#[tokio::test]
async fn signed_requests_need_no_login_and_are_really_verified() {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let pem = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem();
    let mut settings = Settings::new("thirdleaf", "secret");
    settings.certificates.push(("robot".to_owned(), pem));
    let apic = Apic::start(settings).await.unwrap();
    let api = Api::of(&apic, 1);
    let key = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap();
    let signed = |text: &str| {
        let mut signature = vec![0; key.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        key.sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature)
    };
    let send = async |method: &str, target: &str, body: &str, signature: &str, user: &str| {
        let cookie = format!(
            "APIC-Request-Signature={signature}; APIC-Certificate-Algorithm=v1.0; \
             APIC-Certificate-Fingerprint=fingerprint; APIC-Certificate-DN=uni/userext/user-{user}/usercert-robot"
        );
        let request = api.client.request(method.parse().unwrap(), format!("{}{target}", api.url));
        request.header("Cookie", cookie).body(body.to_owned()).send().await.unwrap().status().as_u16()
    };
    let (path, body) = ("/api/mo/uni.json", r#"{"fvTenant":{"attributes":{"name":"k8s"}}}"#);
    let good = signed(&format!("POST{path}{body}"));
    assert_eq!(send("POST", path, body, &good, "robot").await, 200);
    let other = body.replace("k8s", "k9s");
    assert_eq!(send("POST", path, &other, &good, "robot").await, 403, "another body");
    assert_eq!(send("POST", path, body, &good, "thirdleaf").await, 403, "another user");
    assert_eq!(send("POST", path, body, "bm9uZQ==", "robot").await, 403, "no signature");
    let target = "/api/class/fvTenant.json?query-target-filter=eq(fvTenant.name,%22k8s%22)";
    let plain = signed(r#"GET/api/class/fvTenant.json?query-target-filter=eq(fvTenant.name,"k8s")"#);
    assert_eq!(send("GET", target, "", &plain, "robot").await, 200, "signed as it reads");
    assert_eq!(
        send("GET", target, "", &signed(&format!("GET{target}")), "robot").await,
        403,
        "signed as it is encoded"
    );
    assert_eq!(apic.counters().logins, 0);
}

#[tokio::test]
async fn logins_are_throttled_and_roles_are_heeded() {
    let apic = started(1).await;
    let api = Api::of(&apic, 1);
    let token = api.login().await;
    apic.set_throttle(Some(0));
    let body = json!({"aaaUser": {"attributes": {"name": "thirdleaf", "pwd": "secret"}}}).to_string();
    assert_eq!(api.send("POST", "/api/aaaLogin.json", "", &body).await.unwrap().status(), 503);
    apic.set_throttle(None);
    apic.set_roles(Roles { read: vec!["read-all".to_owned()], write: vec!["ops".to_owned()] });
    let (_, reply) = api.ask("POST", "/api/aaaLogin.json", "", &body).await;
    let domain = &reply["imdata"][0]["aaaLogin"]["children"][0]["aaaUserDomain"];
    assert_eq!(domain["attributes"]["rolesW"], "ops");
    assert_eq!(domain["children"][1]["aaaWriteRoles"]["children"][0]["role"]["attributes"]["name"], "ops");
    let path = format!("/api/mo/{WEB}.json");
    let member = json!({"l3extSubnet": {"attributes": {"ip": "10.0.0.1/32"}}}).to_string();
    assert_eq!(api.ask("POST", &path, &token, &member).await.0, 403);
    let tag = json!({"tagAnnotation": {"attributes": {"key": "k", "value": "v"}}}).to_string();
    assert_eq!(api.ask("POST", &path, &token, &tag).await.0, 200);
    assert_eq!(api.ask("GET", &path, &token, "").await.0, 200);
}

#[tokio::test]
async fn writes_answer_with_what_changed_if_asked() {
    let apic = started(1).await;
    let api = Api::of(&apic, 1);
    let token = api.login().await;
    let body = json!({"l3extInstP": {"attributes": {"descr": "d"}, "children": [{"l3extSubnet": {"attributes": {"ip": "10.0.0.1/32"}}}]}});
    let path = format!("/api/mo/{WEB}.json?rsp-subtree=modified");
    let (_, reply) = api.ask("POST", &path, &token, &body.to_string()).await;
    let changed = &reply["imdata"][0]["l3extInstP"];
    assert_eq!(
        (&changed["attributes"]["status"], &changed["attributes"]["dn"]),
        (&json!("modified"), &json!(WEB))
    );
    assert_eq!(changed["children"][0]["l3extSubnet"]["attributes"]["status"], "created");
    let (_, reply) = api.ask("POST", &path, &token, &body.to_string()).await;
    assert_eq!(reply, json!({"totalCount": "0", "imdata": []}));
    let path = format!("/api/mo/{WEB}.json?rsp-subtree=full");
    let (_, reply) = api.ask("POST", &path, &token, &body.to_string()).await;
    assert_eq!(
        reply["imdata"][0]["l3extInstP"]["children"][0]["l3extSubnet"]["attributes"]["ip"],
        "10.0.0.1/32"
    );
    let counters = apic.counters();
    assert_eq!((counters.all_writes(), counters.changed("l3extSubnet", "created")), (3, 1));
    let last = apic.log().pop().unwrap();
    assert_eq!((last.method.as_str(), last.body), ("POST", body.to_string()));
}

#[tokio::test]
async fn nothing_secret_is_kept_in_the_log() {
    let apic = started(1).await;
    let api = Api::of(&apic, 1);
    api.login().await;
    assert_eq!(apic.log()[0].target, "/api/aaaLogin.json");
    assert!(!format!("{:?}{:?}", apic.log(), Settings::new("thirdleaf", "secret")).contains("secret"));
}

#[tokio::test]
async fn knobs_turn_over_http() {
    let apic = started(2).await;
    let api = Api::of(&apic, 2);
    let turn = async |knob: &str, body: Value| {
        api.ask("POST", &format!("/_sim/{knob}"), "", &body.to_string()).await
    };
    let (_, list) = api.ask("GET", "/_sim", "", "").await;
    for knob in list["knobs"].as_array().unwrap() {
        let path = knob["post"].as_str().unwrap();
        assert_ne!(api.ask("POST", path, "", r#"{"no": 0}"#).await.0, 404, "{path}");
    }
    assert_eq!(turn("nothing", json!({})).await.0, 404);
    assert_eq!(turn("advance", json!({"hours": 1})).await.0, 400);
    let token = api.login().await;
    assert_eq!(
        turn("trouble", json!({"what": {"status": 502}, "times": 1, "only": "reads", "controller": 2}))
            .await
            .0,
        200
    );
    assert_eq!(api.ask("GET", "/api/class/fvTenant.json", &token, "").await.0, 502);
    assert_eq!(api.ask("GET", "/api/class/fvTenant.json", &token, "").await.0, 200);
    assert_eq!(turn("save", json!({})).await.0, 200);
    let posted = json!({"dn": WEB, "mo": {"l3extSubnet": {"attributes": {"ip": "10.0.0.1/32"}}}});
    assert_eq!(turn("post", posted).await.0, 200);
    assert_eq!(apic.tree(|tree, _| tree.of_class("l3extSubnet").count()), 1);
    let (_, tree) = api.ask("GET", "/_sim/tree", "", "").await;
    assert!(tree.to_string().contains("10.0.0.1/32"));
    assert_eq!(turn("restore", json!({})).await.0, 200);
    assert_eq!(apic.tree(|tree, _| tree.of_class("l3extSubnet").count()), 0);
    assert_eq!(turn("refuse", json!({"dn": "instP", "code": 801, "text": "no"})).await.0, 200);
    let (_, refused) = api.ask("DELETE", &format!("/api/mo/{WEB}.json"), &token, "").await;
    assert_eq!(refused["imdata"][0]["error"]["attributes"]["code"], "801");
    assert_eq!(turn("tokens/drop", json!({})).await.0, 200);
    assert_eq!(api.ask("GET", "/api/class/fvTenant.json", &token, "").await.0, 403);
    assert_eq!(turn("kill", json!({"controller": 1})).await.0, 200);
    while Api::of(&apic, 1).send("GET", "/_sim", "", "").await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(turn("restart", json!({"controller": 1})).await.0, 200);
    assert_eq!(Api::of(&apic, 1).ask("GET", "/_sim", "", "").await.0, 200);
    assert_eq!(api.ask("GET", "/_sim/log", "", "").await.1.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn what_is_not_simulated_says_so() {
    let apic = started(1).await;
    let api = Api::of(&apic, 1);
    let token = api.login().await;
    for path in [
        "/api/class/fvTenant.json?subscription=yes",
        "/api//subscriptionRefresh.json?id=1",
        "/api/mo/uni.xml",
    ] {
        let (status, reply) = api.ask("GET", path, &token, "").await;
        let text = reply["imdata"][0]["error"]["attributes"]["text"].as_str().unwrap_or_default();
        assert!(status == 400 && text.contains("simulated"), "{path}: {reply}");
    }
    for (method, path, expected) in
        [("GET", "/api/aaaLogin.json", 405), ("PUT", "/api/mo/uni.json", 405), ("GET", "/", 404)]
    {
        let response = api.send(method, path, &token, "").await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (expected, &"text/html".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn quotes_may_stand_in_a_target_as_they_are() {
    let mut settings = Settings::new("thirdleaf", "secret");
    settings.insecure = true;
    let apic = Apic::start(settings).await.unwrap();
    let mut stream = tokio::net::TcpStream::connect(apic.addresses()[0]).await.unwrap();
    let body = r#"{"aaaUser":{"attributes":{"name":"thirdleaf","pwd":"secret"}}}"#;
    let login = format!(
        "POST /api/aaaLogin.json HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(login.as_bytes()).await.unwrap();
    let mut read = vec![0; 65_536];
    let octets = stream.read(&mut read).await.unwrap();
    let reply = String::from_utf8_lossy(&read[..octets]).into_owned();
    let (_, rest) = reply.split_once("APIC-cookie=").unwrap();
    let token = rest.split_once(';').unwrap().0;
    let filter = r#"query-target-filter=eq(fvTenant.name,"common")"#;
    let ask =
        format!("GET /api/class/fvTenant.json?{filter} HTTP/1.0\r\nCookie: APIC-cookie={token}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.contains(r#""totalCount":"1""#), "{reply}");
    assert_eq!(
        apic.log().pop().unwrap().target,
        format!("/api/class/fvTenant.json?{}", filter.replace('"', "%22"))
    );
}

#[tokio::test]
async fn a_tree_that_is_wrong_is_refused_at_the_start() {
    let mut settings = Settings::new("thirdleaf", "secret");
    settings.tree = Some(Mo::new("fvTenant").with("name", "a b"));
    let error = Apic::start(settings).await.err().unwrap();
    assert!(matches!(&error, Error::Tree(refusal) if refusal.code == 801), "{error}");
}
