//! Clients over HTTPS, as strangers are.

use std::time::Duration;

use reqwest::{Certificate, Client, Response, StatusCode};
use serde_json::{Value, json};

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
