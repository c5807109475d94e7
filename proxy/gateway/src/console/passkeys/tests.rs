//! A passkey in software against the real checks: what it proves, and everything that proves nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use serde_json::json;
use url::Url;
use webauthn_authenticator_rs::WebauthnAuthenticator as _;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

use super::*;

const SECOND: i64 = 1_000_000;
const HERE: &str = "http://localhost:8641";

fn origin(url: &str) -> Origin {
    Origin::new(Some(&Url::parse(url).unwrap()), "127.0.0.1:8641".parse().unwrap())
}

fn principal(agent: &str) -> Principal {
    Principal {
        agent: agent.into(),
        teams: vec![],
        user: String::new(),
        tenant: "default".into(),
        method: "token".into(),
    }
}

/// A data directory, its passkeys, and an authenticator that verifies whoever uses it.
struct Desk {
    folder: tempfile::TempDir,
    passkeys: Passkeys,
    key: SoftPasskey,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let passkeys = Passkeys::open(folder.path(), &origin(HERE)).unwrap();
        Self { folder, passkeys, key: SoftPasskey::new(true) }
    }

    fn make(&mut self, at: &str, options: Value) -> Value {
        let options = serde_json::from_value(json!({ "publicKey": options })).unwrap();
        serde_json::to_value(self.key.do_registration(Url::parse(at).unwrap(), options).unwrap()).unwrap()
    }

    fn answer(&mut self, at: &str, options: Value) -> Value {
        let options = serde_json::from_value(json!({ "publicKey": options })).unwrap();
        serde_json::to_value(self.key.do_authentication(Url::parse(at).unwrap(), options).unwrap()).unwrap()
    }

    /// Adds a first passkey.
    fn register(&mut self, agent: &str) -> PasskeyNote {
        let options = self.passkeys.register(&principal(agent), None, 0).unwrap();
        let made = self.make(HERE, options);
        self.passkeys.add(&principal(agent), " phone ", &made, 1).unwrap()
    }

    fn begin(&self, agent: &str, what: &str, text: &str, at: i64) -> Value {
        self.passkeys.begin(&principal(agent), what, digest(text), at).unwrap()
    }

    fn finish(&self, agent: &str, what: &str, text: &str, credential: &Value, at: i64) -> Result<(), StepUpFault> {
        self.passkeys.finish(&principal(agent), what, digest(text), credential, at)
    }
}

fn digest(text: &str) -> Digest {
    Digest::of_bytes(text.as_bytes())
}

#[test]
fn a_proof_counts_once_for_this_principal_this_thing_and_this_digest() {
    let mut desk = Desk::new();
    assert_eq!(desk.register("ann").name, "phone");
    let options = desk.begin("ann", "ap_1", "a", 0);
    assert_eq!((&options["userVerification"], &options["rpId"]), (&json!("required"), &json!("localhost")));
    let proof = desk.answer(HERE, options);
    let none = Err(StepUpFault::NoChallenge);
    assert_eq!(desk.finish("ben", "ap_1", "a", &proof, 1), none);
    assert_eq!(desk.finish("ann", "ap_2", "a", &proof, 1), none);
    assert_eq!(desk.finish("ann", "ap_1", "b", &proof, 1), none);
    assert_eq!(desk.finish("ann", "ap_1", "a", &proof, 1), Ok(()));
    assert_eq!(desk.finish("ann", "ap_1", "a", &proof, 1), none);
    assert_eq!(desk.passkeys.of(&principal("ann"))[0].used_us, Some(1));
}

#[test]
fn a_proof_of_one_thing_is_none_of_another() {
    let mut desk = Desk::new();
    desk.register("ann");
    let (one, other) = (desk.begin("ann", "ap_1", "a", 0), desk.begin("ann", "ap_2", "a", 0));
    assert_ne!(one["challenge"], other["challenge"]);
    let proof = desk.answer(HERE, one);
    let refused = desk.finish("ann", "ap_2", "a", &proof, 1);
    assert!(matches!(refused, Err(StepUpFault::Refused(_))), "{refused:?}");
}

#[test]
fn a_challenge_dies_after_two_minutes_and_by_a_newer_one() {
    let mut desk = Desk::new();
    desk.register("ann");
    let late = desk.begin("ann", "ap_1", "a", 0);
    let late = desk.answer(HERE, late);
    assert_eq!(desk.finish("ann", "ap_1", "a", &late, 120 * SECOND + 1), Err(StepUpFault::NoChallenge));
    let just = desk.begin("ann", "ap_1", "a", 0);
    let just = desk.answer(HERE, just);
    assert_eq!(desk.finish("ann", "ap_1", "a", &just, 120 * SECOND), Ok(()));
    let (old, new) = (desk.begin("ann", "ap_1", "a", 0), desk.begin("ann", "ap_1", "a", 0));
    let (old, new) = (desk.answer(HERE, old), desk.answer(HERE, new));
    assert!(desk.finish("ann", "ap_1", "a", &old, 1).is_err());
    assert_eq!(desk.finish("ann", "ap_1", "a", &new, 1), Err(StepUpFault::NoChallenge), "a wrong answer spends it");
}

#[test]
fn what_proves_nothing_is_refused() {
    let mut desk = Desk::new();
    desk.register("ann");
    // Made for another site, which its own page would be.
    let options = desk.begin("ann", "ap_1", "a", 0);
    let elsewhere = desk.answer("http://localhost:9999", options);
    assert!(matches!(desk.finish("ann", "ap_1", "a", &elsewhere, 1), Err(StepUpFault::Refused(_))));
    for broken in ["signature", "authenticatorData", "clientDataJSON"] {
        let options = desk.begin("ann", "ap_1", "a", 0);
        let mut proof = desk.answer(HERE, options);
        let member = &mut proof["response"][broken];
        let mut bytes = URL_SAFE_NO_PAD.decode(member.as_str().unwrap()).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        *member = URL_SAFE_NO_PAD.encode(bytes).into();
        let refused = desk.finish("ann", "ap_1", "a", &proof, 1);
        assert!(refused.is_err(), "{broken}");
    }
    for nonsense in [json!(null), json!({}), json!("x"), json!({ "id": "x", "response": {} })] {
        desk.begin("ann", "ap_1", "a", 0);
        let refused = desk.finish("ann", "ap_1", "a", &nonsense, 1);
        assert!(matches!(refused, Err(StepUpFault::Refused(_))), "{refused:?}");
    }
}

#[test]
fn an_authenticator_that_verifies_nobody_proves_nothing() {
    let mut desk = Desk::new();
    desk.register("ann");
    let options = desk.begin("ann", "ap_1", "a", 0);
    let mut proof = desk.answer(HERE, options);
    // The flags stand behind the hash of the site's name; bit 2 says that the user was verified.
    let member = &mut proof["response"]["authenticatorData"];
    let mut bytes = URL_SAFE_NO_PAD.decode(member.as_str().unwrap()).unwrap();
    bytes[32] &= !0b100;
    *member = URL_SAFE_NO_PAD.encode(bytes).into();
    assert!(matches!(desk.finish("ann", "ap_1", "a", &proof, 1), Err(StepUpFault::Refused(_))));
}

#[test]
fn a_counter_that_goes_back_is_a_copy() {
    let mut desk = Desk::new();
    desk.register("ann");
    let (first, second) = (desk.begin("ann", "ap_1", "a", 0), desk.begin("ann", "ap_2", "a", 0));
    let first = desk.answer(HERE, first);
    let second = desk.answer(HERE, second);
    assert_eq!(desk.finish("ann", "ap_2", "a", &second, 1), Ok(()));
    assert_eq!(desk.finish("ann", "ap_1", "a", &first, 1), Err(StepUpFault::Copied));
    // And after a restart.
    let again = Passkeys::open(desk.folder.path(), &origin(HERE)).unwrap();
    assert_eq!(again.kept()["default/ann"][0].counter, desk.passkeys.kept()["default/ann"][0].counter);
    assert!(again.kept()["default/ann"][0].counter > 0);
}

#[test]
fn what_is_kept_is_its_owners_alone_and_stands_after_a_restart() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut desk = Desk::new();
    let note = desk.register("ann");
    let file = desk.folder.path().join("passkeys.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Passkeys::open(desk.folder.path(), &origin(HERE)).unwrap();
    assert_eq!(again.of(&principal("ann")), [note]);
    assert!(again.of(&principal("ben")).is_empty());
    std::fs::write(&file, "{").unwrap();
    let fault = Passkeys::open(desk.folder.path(), &origin(HERE)).unwrap_err().to_string();
    assert!(fault.contains("passkeys.json") && fault.contains("mend the file"), "{fault}");
}

#[test]
fn a_further_one_and_a_removal_need_a_proof_by_one_that_is_there() {
    let mut desk = Desk::new();
    let (ann, first) = (principal("ann"), desk.register("ann"));
    assert_eq!(desk.passkeys.register(&ann, None, 0), Err(StepUpFault::StepUpNeeded));
    let challenge = desk.passkeys.begin_to_add(&ann, 0).unwrap();
    let proof = desk.answer(HERE, challenge);
    let options = desk.passkeys.register(&ann, Some(&proof), 1).unwrap();
    assert_eq!(options["excludeCredentials"][0]["id"], json!(first.id));
    let made = desk.make(HERE, options);
    let second = desk.passkeys.add(&ann, "key", &made, 2).unwrap();
    assert_eq!(desk.passkeys.add(&ann, "key", &made, 2), Err(StepUpFault::NoChallenge));

    assert_eq!(desk.passkeys.remove(&ann, &first.id, None, 0), Err(StepUpFault::StepUpNeeded));
    let wrong = desk.passkeys.begin_to_remove(&ann, &second.id, 0).unwrap();
    let wrong = desk.answer(HERE, wrong);
    let refused = desk.passkeys.remove(&ann, &first.id, Some(&wrong), 1);
    assert_eq!(refused, Err(StepUpFault::NoChallenge), "a proof for the one removes no other");
    let right = desk.passkeys.begin_to_remove(&ann, &first.id, 0).unwrap();
    let right = desk.answer(HERE, right);
    desk.passkeys.remove(&ann, &first.id, Some(&right), 1).unwrap();
    assert_eq!(desk.passkeys.of(&ann).iter().map(|one| &one.id).collect::<Vec<_>>(), [&second.id]);
    let stranger = desk.passkeys.remove(&principal("ben"), &second.id, None, 0);
    assert_eq!(stranger, Err(StepUpFault::Unknown(second.id)));
}

#[test]
fn of_two_first_ones_begun_at_once_the_second_needs_the_first() {
    let mut desk = Desk::new();
    let ann = principal("ann");
    let options = desk.passkeys.register(&ann, None, 0).unwrap();
    let late = desk.make(HERE, options);
    let Some(State::Register(state, false)) = desk.passkeys.take("default/ann", &Purpose::Register, 0) else {
        panic!("nothing was begun")
    };
    desk.register("ann");
    desk.passkeys.put("default/ann", Purpose::Register, State::Register(state, false), 0);
    assert_eq!(desk.passkeys.add(&ann, "late", &late, 1), Err(StepUpFault::StepUpNeeded));
    assert_eq!(desk.passkeys.of(&ann).len(), 1);
}

#[test]
fn what_cannot_be_written_does_not_count() {
    let mut desk = Desk::new();
    let options = desk.passkeys.register(&principal("ann"), None, 0).unwrap();
    let made = desk.make(HERE, options);
    // A directory in the place of the file: no name can be put there.
    std::fs::create_dir_all(desk.folder.path().join("passkeys.json/in-the-way")).unwrap();
    assert!(matches!(desk.passkeys.add(&principal("ann"), "x", &made, 1), Err(StepUpFault::Unkept(_))));
    assert!(desk.passkeys.of(&principal("ann")).is_empty());
}

#[test]
fn there_are_bounds() {
    let mut desk = Desk::new();
    for name in ["", "  ", "a\nb", &"x".repeat(101)] {
        let refused = desk.passkeys.add(&principal("ann"), name, &json!({}), 0);
        assert!(matches!(refused, Err(StepUpFault::Unfit(_))), "{name}");
    }
    assert_eq!(
        desk.passkeys.begin(&principal("ann"), "ap_1", digest("a"), 0),
        Err(StepUpFault::NoPasskey("default/ann".into()))
    );
    desk.register("ann");
    let first = desk.begin("ann", "ap_0", "a", 0);
    let first = desk.answer(HERE, first);
    for n in 1..=CHALLENGES_MAX {
        desk.begin("ann", &format!("ap_{n}"), "a", 0);
    }
    assert_eq!(desk.finish("ann", "ap_0", "a", &first, 1), Err(StepUpFault::NoChallenge));
    assert_eq!(desk.passkeys.open.lock().unwrap().len(), CHALLENGES_MAX);
}

#[test]
fn where_no_passkey_can_be_it_is_said_with_what_to_do() {
    for (url, why) in [
        ("http://127.0.0.1:8641", "is an address"),
        ("https://[::1]", "is an address"),
        ("http://gate.example", "only over https"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let passkeys = Passkeys::open(folder.path(), &origin(url)).unwrap();
        let words = passkeys.unusable().unwrap();
        assert!(words.contains(why) && words.contains("console_url"), "{words}");
        assert!(matches!(passkeys.register(&principal("ann"), None, 0), Err(StepUpFault::Unusable(_))));
    }
    for url in ["https://gate.example:8641", "http://localhost:8641"] {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Passkeys::open(folder.path(), &origin(url)).unwrap().unusable(), None, "{url}");
    }
}
