//! A grant that asks for a passkey, given with one: the first made by a code of the command line, and each proof good for what
//! was shown and for nothing else.

use std::process::Command;

use url::Url;
use webauthn_authenticator_rs::WebauthnAuthenticator as _;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

use super::*;

/// A person at a browser with a passkey in software.
struct Person {
    key: SoftPasskey,
    at: Url,
}

impl Person {
    /// The approver, who got a code and made a passkey by it.
    async fn invited(house: &House) -> Self {
        let at = Url::parse(&format!("http://localhost:{}", house.gate.control().port())).unwrap();
        let mut person = Self { key: SoftPasskey::new(true), at };
        let begin = |body: Value| house.ask(APPROVER, "POST", "/v1/passkeys/begin", Some(body));
        assert_eq!(error_of(&begin(json!({})).await), (403, "code_needed".to_owned()));
        let options = json!({ "publicKey": begin(json!({ "code": code_of(house) })).await.message() });
        let made = person.key.do_registration(person.at.clone(), serde_json::from_value(options).unwrap()).unwrap();
        let body = json!({ "name": "phone", "credential": made });
        assert_eq!(house.ask(APPROVER, "POST", "/v1/passkeys", Some(body)).await.status, 201);
        person
    }

    /// Asks to approve like this; answers the proof that is asked for.
    async fn prove(&mut self, house: &House, request: &Value, more: Value) -> Value {
        let asked = house.approve(APPROVER, request, more).await;
        assert_eq!(error_of(&asked), (428, "step_up".to_owned()), "{asked:?}");
        let options = json!({ "publicKey": asked.message()["step_up"] });
        let proof = self.key.do_authentication(self.at.clone(), serde_json::from_value(options).unwrap()).unwrap();
        serde_json::to_value(proof).unwrap()
    }
}

/// What `wicketgate passkeys invite` prints for the approver.
fn code_of(house: &House) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate-under-test"));
    command.arg("--config").arg(house.gate.folder.path().join("wicketgate.toml"));
    let done = command.args(["passkeys", "invite", "a-approver"]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap().lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_for_the_grants_and_the_uses_that_were_asked_with_it() {
    let house = House::new("hold_s = 0\n[approvals.grants.owner]\nstep_up = true").await;
    house.sent("x").await;
    let request = house.one().await;
    let none = house.approve(APPROVER, &request, json!({})).await;
    assert_eq!(error_of(&none), (409, "no_passkey".to_owned()), "{none:?}");
    let mut person = Person::invited(&house).await;
    let proof = person.prove(&house, &request, json!({ "uses": 1 })).await;
    let more = house.approve(APPROVER, &request, json!({ "uses": 5, "step_up": proof })).await;
    assert_eq!(error_of(&more), (409, "no_challenge".to_owned()), "{more:?}");
    assert_eq!(house.one().await["state"], "pending");
    let given = house.approve(APPROVER, &request, json!({ "uses": 1, "step_up": proof })).await;
    assert_eq!((given.status, given.message()["state"].as_str()), (200, Some("granted")), "{given:?}");
    assert_eq!((code(&house.sent("x").await), house.acted()), ("served".to_owned(), 1));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_looks_at_what_goes_on_sees_how_many_wait() {
    let house = House::new("hold_s = 0").await;
    let pending = async || house.get("/v1/live").await["pending"].as_u64().unwrap();
    assert_eq!(pending().await, 0);
    house.sent("x").await;
    let request = house.one().await;
    // A count is told again for a moment.
    let becomes = async |wanted: u64| {
        let wait = async {
            while pending().await != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(HANGS, wait).await.unwrap_or_else(|_| panic!("never {wanted} wait"));
    };
    becomes(1).await;
    house.deny(APPROVER, &request, "no").await;
    becomes(0).await;
    house.close().await;
}
