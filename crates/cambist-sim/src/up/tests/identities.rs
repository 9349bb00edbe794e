use super::*;

const CUSTOMER: &str = "7e57ab1e-0000-4000-8000-00000000000b";
const VAULT: (&str, &str) = ("scope", "https://vault.azure.net/.default");

impl World {
    /// Registers an identity; its client id, and its token URL in a tenant or in the first.
    async fn identity(&self, tenant: Option<&str>, wish: Value) -> (String, String) {
        let (status, body) = self.admin("/sim/identity", Some(&wish.to_string())).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let tenant = tenant.unwrap_or(self.env("AZURE_TENANT_ID"));
        let url = &body["tenants"][tenant]["token_url"];
        assert!(body["tenants"][tenant]["object_id"].is_string(), "{body}");
        (body["client_id"].as_str().unwrap().to_owned(), url.as_str().unwrap().to_owned())
    }

    fn projected(&self) -> String {
        fs::read_to_string(self.env("AZURE_FEDERATED_TOKEN_FILE")).unwrap()
    }
}

#[tokio::test]
async fn identities_of_each_kind_are_added_to_a_world_that_is_up() {
    let world = up(|_| {}).await;
    let token = world.projected();
    let one = world.identity(None, json!({})).await;
    let wish = json!({ "client_id": "c11e0001-0000-4000-8000-0000000000a1", "provisioned_in": [CUSTOMER] });
    let two = world.identity(Some(CUSTOMER), wish).await;
    let wish = json!({ "kind": "managed-identity", "resource_id": "/subscriptions/s", "tenant": CUSTOMER });
    let three = world.identity(Some(CUSTOMER), wish).await;
    for (client, url) in [&one, &two, &three] {
        let (status, body) = world.exchange_as(url, client, &token, &[VAULT]).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let granted = world.running.sim().entra().granted(body["access_token"].as_str().unwrap());
        assert_eq!(granted.unwrap()["appid"], *client);
    }
    assert_eq!(world.exchange().await.0, StatusCode::OK);
    let (_, told) = world.admin("/sim/requests", None).await;
    let of_two = |it: &&Value| it["client"] == *two.0 && it["tenant"] == CUSTOMER;
    assert_eq!(told["requests"].as_array().unwrap().iter().filter(of_two).count(), 1);

    let wish = json!({ "kind": "agent-blueprint", "provisioned_in": [CUSTOMER] });
    let (blueprint, url) = world.identity(Some(CUSTOMER), wish).await;
    let wish = json!({ "kind": "agent-identity", "tenant": CUSTOMER, "blueprint": blueprint });
    let (agent, _) = world.identity(Some(CUSTOMER), wish).await;
    let wish = json!({ "kind": "agent-identity", "blueprint": blueprint, "federated_credentials": ["issuer=x"] });
    let (status, body) = world.admin("/sim/identity", Some(&wish.to_string())).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.to_string().contains("its blueprint has them"), "{body}");
    let exchange = ("scope", "api://AzureADTokenExchange/.default");
    let (_, first) =
        world.exchange_as(&url, &blueprint, &token, &[exchange, ("fmi_path", &agent)]).await;
    let first = first["access_token"].as_str().unwrap();
    let (status, body) = world.exchange_as(&url, &agent, first, &[VAULT]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn an_identity_that_makes_no_sense_is_refused_with_a_reason() {
    let world = up(|_| {}).await;
    for (wish, word) in [
        (r#"{"kind":"managed-identity"}"#, "'resource_id'"),
        (r#"{"kind":"agent-identity"}"#, "'blueprint'"),
        (r#"{"blueprint":"b"}"#, "'blueprint'"),
        (r#"{"client_id":"me"}"#, "UUIDs"),
        (r#"{"provisioned_in":["common"]}"#, "UUIDs"),
        (r#"{"federated_credentials":["sub=x"]}"#, "'sub'"),
        (
            r#"{"kind":"agent-identity","blueprint":"c11e0001-0000-4000-8000-000000000001"}"#,
            "no agent-blueprint",
        ),
        (r#"{"kind":"robot"}"#, "`robot`"),
    ] {
        let (status, body) = world.admin("/sim/identity", Some(wish)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wish}");
        assert!(body["error"].as_str().unwrap().contains(word), "{body}");
    }
    // Nobody's token is its, until somebody says whose.
    let wish = json!({ "federated_credentials": ["subject=system:serviceaccount:shop:billing"] });
    let (client, url) = world.identity(None, wish).await;
    let (_, body) = world.exchange_as(&url, &client, &world.projected(), &[VAULT]).await;
    assert_eq!(body["error_codes"], json!([700_213]));
}
