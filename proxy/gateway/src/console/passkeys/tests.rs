//! A passkey in software against the real checks: what it proves, and everything that proves nothing.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

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

    /// A code, as the command line makes it.
    fn invite(&self, agent: &str, until: i64) -> String {
        self.machine().invite(&principal(agent).key(), [7; 16], 0, until).unwrap()
    }

    /// What the command line does.
    fn machine(&self) -> invite::Desk {
        invite::Desk::of(self.folder.path())
    }

    /// Begins to add a first passkey.
    fn begun(&self, agent: &str) -> Value {
        let code = self.invite(agent, 60 * SECOND);
        self.passkeys.register(&principal(agent), Some(&code), None, 0).unwrap()
    }

    fn ids(&self, agent: &str) -> Vec<String> {
        self.passkeys.of(&principal(agent)).unwrap().into_iter().map(|one| one.id).collect()
    }

    /// Adds a first passkey.
    fn register(&mut self, agent: &str) -> PasskeyNote {
        let options = self.begun(agent);
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
    assert_eq!(desk.passkeys.of(&principal("ann")).unwrap()[0].used_us, Some(1));
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
        assert!(matches!(refused, Err(StepUpFault::Refused(_))), "{broken}: {refused:?}");
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
    // The page asks for less than it was told, so that the authenticator signs that it verified nobody.
    let mut options = desk.begin("ann", "ap_1", "a", 0);
    options["userVerification"] = json!("preferred");
    let proof = desk.answer(HERE, options);
    let flags = URL_SAFE_NO_PAD.decode(proof["response"]["authenticatorData"].as_str().unwrap()).unwrap()[32];
    assert_eq!(flags & 0b101, 0b001, "present, and not verified");
    let words = WebauthnError::UserNotVerified.to_string();
    assert_eq!(desk.finish("ann", "ap_1", "a", &proof, 1), Err(StepUpFault::Refused(words)));
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
    let refused = again.begin(&principal("ann"), "ap_3", digest("a"), 2).map(|options| desk.answer(HERE, options));
    assert!(again.finish(&principal("ann"), "ap_3", digest("a"), &refused.unwrap(), 2).is_ok());
    assert!(again.disk.read().unwrap().of("default/ann")[0].counter > 0);
}

#[test]
fn what_is_kept_is_its_owners_alone_and_stands_after_a_restart() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut desk = Desk::new();
    let note = desk.register("ann");
    let file = desk.folder.path().join("passkeys.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Passkeys::open(desk.folder.path(), &origin(HERE)).unwrap();
    assert_eq!(again.of(&principal("ann")), Ok(vec![note]));
    assert_eq!(again.of(&principal("ben")), Ok(vec![]));
    std::fs::write(&file, "{").unwrap();
    let fault = Passkeys::open(desk.folder.path(), &origin(HERE)).unwrap_err().to_string();
    assert!(fault.contains("passkeys.json") && fault.contains("mend the file"), "{fault}");
}

#[test]
fn a_further_one_and_a_removal_need_a_proof_by_one_that_is_there() {
    let mut desk = Desk::new();
    let (ann, first) = (principal("ann"), desk.register("ann"));
    for code in [None, Some("any")] {
        assert_eq!(desk.passkeys.register(&ann, code, None, 0), Err(StepUpFault::StepUpNeeded));
    }
    let challenge = desk.passkeys.begin_to_add(&ann, 0).unwrap();
    let proof = desk.answer(HERE, challenge);
    let options = desk.passkeys.register(&ann, None, Some(&proof), 1).unwrap();
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
    assert_eq!(desk.ids("ann"), std::slice::from_ref(&second.id));
    let stranger = desk.passkeys.remove(&principal("ben"), &second.id, None, 0);
    assert_eq!(stranger, Err(StepUpFault::Unknown(second.id)));
}

#[test]
fn of_two_first_ones_begun_at_once_the_second_needs_the_first() {
    let mut desk = Desk::new();
    let ann = principal("ann");
    let options = desk.begun("ann");
    let late = desk.make(HERE, options);
    let Some(State::Register(state, warrant)) = desk.passkeys.take("default/ann", &Purpose::Register, 0) else {
        panic!("nothing was begun")
    };
    desk.register("ann");
    desk.passkeys.put("default/ann", Purpose::Register, State::Register(state, warrant), 0);
    assert_eq!(desk.passkeys.add(&ann, "late", &late, 1), Err(StepUpFault::StepUpNeeded));
    assert_eq!(desk.ids("ann").len(), 1);
}

#[test]
fn a_first_one_needs_the_code_that_was_made_on_the_gates_machine() {
    let mut desk = Desk::new();
    let ann = principal("ann");
    let begin = |desk: &Desk, code: Option<&str>, at: i64| desk.passkeys.register(&ann, code, None, at);
    let wrong = || Err(StepUpFault::WrongCode("default/ann".into()));
    assert_eq!(begin(&desk, None, 0), Err(StepUpFault::CodeNeeded("default/ann".into())));
    assert_eq!(begin(&desk, Some("abcd"), 0), wrong(), "nobody was invited");
    let bens = desk.machine().invite("default/ben", [9; 16], 0, 60 * SECOND).unwrap();
    let code = desk.invite("ann", 60 * SECOND);
    assert_eq!((code.len(), code.split('-').count()), (19, 4), "{code}");
    for guess in ["", "abcd", bens.as_str(), code.get(1..).unwrap()] {
        assert_eq!(begin(&desk, Some(guess), 0), wrong(), "{guess}");
    }
    let text = std::fs::read_to_string(desk.folder.path().join("passkeys.json")).unwrap();
    assert!(!text.contains(&code) && !text.contains(&code.replace('-', "")), "only its digest is kept");
    // As it is told, and as people type it.
    for typed in [code.clone(), code.to_uppercase().replace('-', " "), code.replace('-', "")] {
        assert!(begin(&desk, Some(&typed), 60 * SECOND).is_ok(), "{typed}");
    }
    assert_eq!(begin(&desk, Some(&code), 60 * SECOND + 1), wrong(), "its time is up");
    // Begun in time, and made when it was over.
    let options = begin(&desk, Some(&code), 60 * SECOND).unwrap();
    let made = desk.make(HERE, options);
    assert_eq!(desk.passkeys.add(&ann, "late", &made, 61 * SECOND), Err(StepUpFault::WrongCode("default/ann".into())));
    let options = begin(&desk, Some(&code), 0).unwrap();
    let made = desk.make(HERE, options);
    desk.passkeys.add(&ann, "phone", &made, 1).unwrap();
    // It is spent, also where the passkey is gone.
    desk.machine().remove("default/ann", None, 2).unwrap();
    assert_eq!(begin(&desk, Some(&code), 3), wrong());
}

#[test]
fn what_is_done_on_the_machine_counts_at_once_and_the_ledger_hears_of_it() {
    let mut desk = Desk::new();
    let (ann, first) = (principal("ann"), desk.register("ann"));
    let again = desk.machine().invite("default/ann", [1; 16], 0, 9).unwrap_err().to_string();
    assert!(again.contains("passkeys remove default/ann"), "{again}");
    // Somebody stole the key: what they began by it makes nothing once it was taken away.
    let proof = desk.passkeys.begin_to_add(&ann, 0).map(|options| desk.answer(HERE, options)).unwrap();
    let options = desk.passkeys.register(&ann, None, Some(&proof), 1).unwrap();
    let made = desk.make(HERE, options);
    let step = desk.begin("ann", "ap_1", "a", 1);
    let step = desk.answer(HERE, step);
    assert!(desk.machine().remove("default/ann", Some("other"), 2).is_err());
    assert_eq!(desk.machine().remove("default/ann", Some(&first.id), 2), Ok(1));
    assert!(matches!(desk.finish("ann", "ap_1", "a", &step, 3), Err(StepUpFault::Refused(_))));
    assert_eq!(desk.passkeys.add(&ann, "x", &made, 3), Err(StepUpFault::CodeNeeded("default/ann".into())));
    assert!(desk.ids("ann").is_empty() && desk.machine().remove("default/ann", None, 4).is_err());

    // What the ledger does not take it hears of later, and once.
    let heard = |takes: usize| {
        let mut all = Vec::new();
        let hear = |act: &Act| {
            all.push(act.what.clone());
            all.len() <= takes
        };
        desk.passkeys.tell(5, hear).unwrap();
        all
    };
    assert_eq!(heard(1), ["passkey_invited", "passkeys_removed"]);
    assert_eq!(heard(9), ["passkeys_removed"]);
    assert!(heard(9).is_empty() && heard(9).is_empty());
    desk.machine().invite("default/ben", [1; 16], 6, 9).unwrap();
    assert_eq!(heard(9), ["passkey_invited"]);
}

#[test]
fn passkeys_of_a_console_of_another_name_are_told_and_not_taken_for_none() {
    let mut desk = Desk::new();
    desk.register("ann");
    let there = Passkeys::open(desk.folder.path(), &origin("https://gate.example")).unwrap();
    let ann = principal("ann");
    let refused = there.begin(&ann, "ap_1", digest("a"), 0).unwrap_err();
    assert!(matches!(refused, StepUpFault::Elsewhere { .. }), "{refused:?}");
    assert!(refused.to_string().contains("passkeys remove default/ann"), "{refused}");
    // Another name is no way around the one that is there.
    assert_eq!(there.register(&ann, Some("x"), None, 0), Err(StepUpFault::StepUpNeeded));
}

#[test]
fn what_cannot_be_written_does_not_count() {
    let mut desk = Desk::new();
    let options = desk.begun("ann");
    let made = desk.make(HERE, options);
    let file = desk.folder.path().join("passkeys.json");
    std::fs::remove_file(&file).unwrap();
    // A directory in the place of the file: no name can be put there.
    std::fs::create_dir_all(file.join("in-the-way")).unwrap();
    assert!(matches!(desk.passkeys.add(&principal("ann"), "x", &made, 1), Err(StepUpFault::Unkept(_))));
    assert!(
        matches!(desk.passkeys.of(&principal("ann")), Err(StepUpFault::Unkept(_))),
        "and nobody is taken to have none"
    );
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
        assert!(matches!(passkeys.register(&principal("ann"), None, None, 0), Err(StepUpFault::Unusable(_))));
    }
    for url in ["https://gate.example:8641", "http://localhost:8641"] {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Passkeys::open(folder.path(), &origin(url)).unwrap().unusable(), None, "{url}");
    }
}
