//! Promotions that go wrong: half written, cut short, into directories that something else deploys.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;
use std::sync::Mutex;

use pdp::record::{Entry, Event};
use pep::ports::{BoxFuture, Clock, Ledger};
use tempfile::TempDir;

use super::*;
use crate::config::Signatures;

/// A ledger that keeps its events.
#[derive(Debug, Default)]
struct Events(Mutex<Vec<Event>>);

impl Ledger for Events {
    fn number(&self) -> u64 {
        1
    }

    fn append(&self, entry: Entry) -> Result<(), LedgerFault> {
        if let Entry::Event(event) = entry {
            self.0.lock().unwrap().push(event);
        }
        Ok(())
    }

    fn commit(&self, entry: Entry) -> BoxFuture<'_, Result<(), LedgerFault>> {
        Box::pin(std::future::ready(self.append(entry)))
    }

    fn health(&self) -> Result<(), LedgerFault> {
        Ok(())
    }
}

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now_us(&self) -> i64 {
        1_700_000_100_000_000
    }
}

/// A gate's store, over directories of its own.
struct House {
    folder: TempDir,
    ledger: Arc<Events>,
    history: Arc<History>,
}

const SECOND: &str = "registry/servers/second.toml";

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        crate::reload::write_built_in(folder.path()).unwrap();
        let history = Arc::new(History::open(&folder.path().join("state")));
        Self { folder, ledger: Arc::default(), history }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn bundle(&self) -> Bundle {
        Bundle { policies: self.at("policies"), registry: self.at("registry") }
    }

    fn open(&self) -> Result<Store, Vec<Fault>> {
        let bundle = Some(self.bundle());
        Store::open(
            bundle,
            Signatures::default(),
            Arc::clone(&self.history),
            Arc::clone(&self.ledger) as _,
            Arc::new(Noon),
        )
    }

    fn files(&self) -> BTreeMap<String, String> {
        let sources = read(Some(&self.bundle())).unwrap();
        crate::history::all(&sources).map(|file| (file.path.clone(), file.text.clone())).collect()
    }

    /// The files with one policy changed, one file added and one removed.
    fn candidate(&self) -> BTreeMap<String, String> {
        let mut files = self.files();
        let office = files.get_mut("policies/office.cedar").unwrap();
        *office = office.replace("\"/shared/*\"", "\"/open/*\"");
        files.insert(
            "policies/new/deep.cedar".to_owned(),
            "@id(\"deep\") forbid (principal, action, resource);".to_owned(),
        );
        let base = files.remove("policies/baseline.cedar").unwrap();
        files.insert("policies/base.cedar".to_owned(), base);
        files
    }

    fn events(&self) -> Vec<String> {
        let events = self.ledger.0.lock().unwrap();
        events.iter().map(|e| format!("{} by {}: {}", e.what, e.by.as_deref().unwrap_or_default(), e.detail)).collect()
    }

    /// Everything that lies in the directories, hidden files too.
    fn everything(&self) -> Vec<String> {
        fn gather(folder: &Path, out: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { gather(&path, out) } else { out.push(path.display().to_string()) }
            }
        }
        let mut out = Vec::new();
        gather(&self.at("policies"), &mut out);
        gather(&self.at("registry"), &mut out);
        out.sort();
        out
    }
}

fn asking(reason: &str) -> Asking {
    Asking { by: "default/ana".to_owned(), reason: reason.to_owned() }
}

#[test]
fn a_promotion_changes_disk_force_and_history_and_a_rollback_changes_them_back() {
    let house = House::new();
    let store = house.open().unwrap();
    let (before, there) = (house.files(), house.everything());
    let first = store.in_force().1.digest;
    let staged = store.stage(house.candidate(), Some(first), &asking(" tighter ")).unwrap();
    assert_eq!(house.files(), before, "staging changes nothing");
    assert_eq!(staged.change.line(), "policies +deep ~office-notes; 4 files");
    let turn = store.promote(staged.digest, first, &asking("as agreed")).unwrap();
    assert_eq!((turn.how, turn.parent), (How::Promote, Some(first)));
    assert_eq!(house.files(), house.candidate_of(&before), "the directories hold what is in force");
    assert_eq!(store.in_force().0.digest(), staged.digest);
    assert_eq!(store.reload("watch").unwrap(), (staged.digest, false), "what was written back is no edit");
    let back = store.promote(first, staged.digest, &asking("it broke")).unwrap();
    assert_eq!((back.how, house.files()), (How::Rollback, before));
    assert_eq!(house.everything(), there, "nothing is left over");
    let told: Vec<_> = store.history().turns(9).unwrap().into_iter().map(|t| (t.how, t.reason)).collect();
    let want = [(How::Rollback, "it broke"), (How::Promote, "as agreed"), (How::Start, "the first start")];
    assert_eq!(told, want.map(|(how, reason)| (how, reason.to_owned())));
    let events = house.events();
    let rolled = events.iter().find(|e| e.starts_with("snapshot_rolled_back by default/ana: ")).unwrap();
    assert!(rolled.contains(&format!("from {} to {first}: it broke", staged.digest)), "{rolled}");
    assert!(events.iter().any(|e| e.starts_with("snapshot_promoted by default/ana: ")), "{events:?}");
    // The next gate finds it as it was left.
    let again = house.open().unwrap();
    assert_eq!(again.in_force().1, back);
}

impl House {
    /// What [`House::candidate`] makes of these files.
    fn candidate_of(&self, before: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let other = House::new();
        assert_eq!(&other.files(), before);
        other.candidate()
    }
}

#[test]
fn nobody_overwrites_what_they_have_not_seen() {
    let house = House::new();
    let store = house.open().unwrap();
    let first = store.in_force().1.digest;
    let a = store.stage(house.candidate(), Some(first), &asking("a")).unwrap().digest;
    let mut files = house.files();
    files.get_mut("policies/office.cedar").unwrap().push_str("@id(\"x\") forbid (principal, action, resource);");
    let b = store.stage(files.clone(), Some(first), &asking("b")).unwrap().digest;
    store.promote(a, first, &asking("a")).unwrap();
    let lost = store.promote(b, first, &asking("b")).unwrap_err();
    let Refused::NotTheBase(turn) = &lost else { panic!("{lost:?}") };
    assert_eq!((turn.digest, turn.author.as_str()), (a, "default/ana"));
    assert!(lost.to_string().contains("default/ana put"), "{lost}");
    assert!(matches!(store.stage(files, Some(first), &asking("b")), Err(Refused::NotTheBase(_))));
    // An edit that lies in the directories and is not in force, for it does not build, is somebody's work.
    std::fs::write(house.at("policies/base.cedar"), "permit (").unwrap();
    store.reload("watch").unwrap_err();
    let refused = store.promote(first, a, &asking("back")).unwrap_err();
    assert_eq!(refused, Refused::Edited(vec!["policies/base.cedar".to_owned()]));
    assert_eq!(store.in_force().1.digest, a);
    assert_eq!(store.promote(a, a, &asking("again")), Err(Refused::Same(a)));
    let unknown = Digest::of_bytes(b"nothing");
    assert_eq!(store.promote(unknown, a, &asking("what")), Err(Refused::Unknown(unknown)));
    assert_eq!(store.promote(b, a, &asking("  ")), Err(Refused::Reason));
}

#[test]
fn what_cannot_be_written_back_is_not_promoted() {
    let house = House::new();
    let store = house.open().unwrap();
    let (before, first) = (house.files(), store.in_force().1.digest);
    let staged = store.stage(house.candidate(), None, &asking("x")).unwrap().digest;
    let unchanged = |what: &str, refused: Result<Turn, Refused>, words: &str| {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{what}: {refused}");
        assert_eq!((house.files(), store.in_force().0.digest()), (before.clone(), first), "{what}");
        assert_eq!(store.history().begun().unwrap(), None, "{what}");
    };
    // A folder where the new text of the last file would be prepared: the disk says no.
    let blocked = house.at("policies/.office.cedar.wicketgate-new");
    std::fs::create_dir(&blocked).unwrap();
    unchanged("unwritable", store.promote(staged, first, &asking("x")), "cannot be written");
    std::fs::remove_dir(&blocked).unwrap();
    // Files that are links, as a ConfigMap's are, and a directory that is one.
    let file = house.at("policies/office.cedar");
    std::fs::rename(&file, house.at("policies/..data")).unwrap();
    std::os::unix::fs::symlink("..data", &file).unwrap();
    unchanged("linked file", store.promote(staged, first, &asking("x")), "is a symbolic link");
    std::fs::remove_file(&file).unwrap();
    std::fs::rename(house.at("policies/..data"), &file).unwrap();
    std::fs::rename(house.at("policies"), house.at("release-1")).unwrap();
    std::os::unix::fs::symlink("release-1", house.at("policies")).unwrap();
    unchanged("linked directory", store.promote(staged, first, &asking("x")), "is a symbolic link");
    let slash = Bundle { policies: house.at("policies/"), registry: house.at("registry/") };
    let (was, now) = (sources(&before), sources(&house.candidate()));
    assert!(matches!(Plan::new(Some(&slash), &was, &now), Err(WriteFault::Deployed(_))), "with a slash at its end");
    std::fs::remove_file(house.at("policies")).unwrap();
    std::fs::rename(house.at("release-1"), house.at("policies")).unwrap();
    // And then it can.
    store.promote(staged, first, &asking("x")).unwrap();
}

#[test]
fn a_bundle_that_is_built_in_is_staged_and_never_promoted() {
    let folder = tempfile::tempdir().unwrap();
    let history = Arc::new(History::open(folder.path()));
    let store = Store::open(None, Signatures::default(), history, Arc::new(Events::default()), Arc::new(Noon)).unwrap();
    let first = store.in_force().1.digest;
    let staged = store.stage(House::new().candidate(), None, &asking("x")).unwrap().digest;
    let refused = store.promote(staged, first, &asking("x")).unwrap_err();
    assert_eq!(refused, Refused::Write(WriteFault::BuiltIn));
    assert_eq!(store.in_force().0.digest(), first);
}

#[test]
fn a_history_that_cannot_be_written_refuses_promotions_and_not_edits() {
    for done in [0, 1] {
        let house = House::new();
        let store = house.open().unwrap();
        let (before, first) = (house.files(), store.in_force().1.digest);
        let staged = store.stage(house.candidate(), None, &asking("x")).unwrap().digest;
        let other = rusqlite::Connection::open(house.at("state/history.db")).unwrap();
        let full = format!(
            "CREATE TRIGGER full BEFORE INSERT ON turns WHEN NEW.done = {done} BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
        );
        other.execute_batch(&full).unwrap();
        let refused = store.promote(staged, first, &asking("x")).unwrap_err().to_string();
        assert!(refused.contains("nothing was changed") && refused.contains("disk is full"), "{done}: {refused}");
        assert_eq!((house.files(), store.in_force().0.digest()), (before, first), "{done}");
        assert!(store.history().begun().unwrap().is_none(), "{done}");
    }
    let house = House::new();
    let store = house.open().unwrap();
    let other = rusqlite::Connection::open(house.at("state/history.db")).unwrap();
    other
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
        .unwrap();
    std::fs::write(house.at("policies/more.cedar"), "@id(\"more\") forbid (principal, action, resource);").unwrap();
    assert!(store.reload("watch").unwrap().1, "whoever tightens a rule is not held up");
    assert!(store.history().fault().unwrap().to_string().contains("disk is full"));
}

#[test]
fn a_start_says_why_what_is_in_force_is_not_what_was() {
    let house = House::new();
    let first = house.open().unwrap().in_force().1;
    assert_eq!(house.open().unwrap().in_force().1, first, "a start alone is no change");
    std::fs::write(house.at("policies/more.cedar"), "@id(\"more\") forbid (principal, action, resource);").unwrap();
    let store = house.open().unwrap();
    let second = store.in_force().1;
    assert_eq!(
        (second.parent, second.reason.as_str()),
        (Some(first.digest), "the directories were edited while no gate ran")
    );
    assert_eq!(second.change.line(), "policies +more; 1 file");
    // What another version of the gate made of these very files.
    let other = Digest::of_bytes(b"another version's");
    let kept = Turn { digest: other, parent: Some(second.digest), ..second.clone() };
    house.history.turned(&kept, &read(Some(&house.bundle())).unwrap()).unwrap();
    let store = house.open().unwrap();
    let third = store.in_force().1;
    assert_eq!((third.digest, third.parent), (second.digest, Some(other)));
    assert!(third.reason.contains("this version of Wicketgate"), "{}", third.reason);
    assert_eq!(store.promote(other, third.digest, &asking("x")), Err(Refused::Otherwise(other)));
    // A comment is no change of the law, and its text is kept all the same.
    std::fs::write(house.at("policies/note.cedar"), "// a note\n").unwrap();
    assert_eq!(store.reload("watch").unwrap(), (third.digest, false));
    assert_eq!(store.history().files(third.digest).unwrap().map(|kept| crate::history::all(&kept).count()), Some(10));
}

/// The second file cannot be put in its place, and the first cannot be put back.
#[test]
fn half_a_promotion_is_never_read_as_a_bundle() {
    let house = House::new();
    let store = house.open().unwrap();
    let (before, first) = (house.files(), store.in_force().1.digest);
    let mut files = house.candidate();
    let base = files.remove("policies/base.cedar").unwrap();
    files.insert("policies/zzz.cedar".to_owned(), base);
    files.remove("policies/new/deep.cedar");
    files.insert("policies/office.cedar".to_owned(), before["policies/office.cedar"].clone());
    // Without its comments it means the same; with one rule more it does not.
    files.get_mut("policies/zzz.cedar").unwrap().push_str("@id(\"z\") forbid (principal, action, resource);");
    let staged = store.stage(files, None, &asking("x")).unwrap().digest;
    std::fs::create_dir(house.at("policies/zzz.cedar")).unwrap();
    let blocked = house.at("policies/.baseline.cedar.wicketgate-new");
    std::fs::create_dir(&blocked).unwrap();
    let torn = store.promote(staged, first, &asking("x")).unwrap_err();
    assert!(matches!(torn, Refused::Write(WriteFault::Torn { .. })), "{torn:?}");
    assert!(house.events().last().unwrap().starts_with("promotion_torn by default/ana: "), "{:?}", house.events());
    assert!(!house.at("policies/baseline.cedar").exists(), "half of it lies there");
    let faults = store.reload("watch").unwrap_err();
    assert!(faults.first().unwrap().message.contains("cannot be written"), "{faults:?}");
    assert_eq!(store.in_force().0.digest(), first);
    std::fs::remove_dir(&blocked).unwrap();
    // A history that cannot say what was begun, or that it is over, settles nothing: half of it would be read.
    let other = rusqlite::Connection::open(house.at("state/history.db")).unwrap();
    let never = "CREATE TRIGGER full BEFORE DELETE ON turns BEGIN SELECT RAISE(FAIL, 'disk is full'); END";
    for (fault, mended, words) in [
        ("ALTER TABLE turns RENAME TO gone", "ALTER TABLE gone RENAME TO turns", "no such table"),
        (never, "DROP TRIGGER full", "disk is full"),
    ] {
        other.execute_batch(fault).unwrap();
        for again in 0..2 {
            let faults = store.reload("watch").unwrap_err();
            assert!(faults.first().unwrap().message.contains(words), "{again}: {faults:?}");
            assert_eq!(store.in_force().0.digest(), first);
        }
        other.execute_batch(mended).unwrap();
    }
    assert_eq!(store.reload("watch").unwrap(), (first, false));
    assert_eq!(house.files(), before);
    assert!(house.events().last().unwrap().starts_with("promotion_settled by default/ana: "), "{:?}", house.events());
}

/// A gate that ended between two steps of a promotion, at every one of them.
#[test]
fn a_promotion_that_was_cut_short_is_settled_at_the_next_start() {
    let prepared = || {
        let house = House::new();
        let store = house.open().unwrap();
        let (before, base) = (house.files(), store.in_force().1);
        let files = house.candidate();
        let staged = store.stage(files.clone(), None, &asking("x")).unwrap();
        let turn = Turn {
            digest: staged.digest,
            parent: Some(base.digest),
            at_us: 1,
            author: "default/ana".to_owned(),
            reason: "x".to_owned(),
            how: How::Promote,
            change: staged.change,
        };
        house.history.begin(&turn, &sources(&before)).unwrap();
        (house, before, files, turn)
    };
    // The history cannot say: a gate starts all the same, and the next start settles it.
    let (house, before, files, _) = prepared();
    Plan::new(Some(&house.bundle()), &sources(&before), &sources(&files)).unwrap().carry_out().unwrap();
    let other = rusqlite::Connection::open(house.at("state/history.db")).unwrap();
    other
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
        .unwrap();
    let store = house.open().unwrap();
    assert!(store.history().fault().unwrap().to_string().contains("disk is full"));
    assert!(!house.events().iter().any(|event| event.starts_with("promotion_settled")), "{:?}", house.events());
    other.execute_batch("DROP TRIGGER full").unwrap();
    house.open().unwrap();
    assert!(house.events().last().unwrap().contains("it stands"), "{:?}", house.events());
    // Nothing was written.
    let (house, before, _, turn) = prepared();
    let store = house.open().unwrap();
    assert_eq!((house.files(), Some(store.in_force().1.digest)), (before, turn.parent));
    assert!(house.events().last().unwrap().contains("nothing was written"), "{:?}", house.events());
    // All was written.
    let (house, before, files, turn) = prepared();
    let was = sources(&before);
    Plan::new(Some(&house.bundle()), &was, &sources(&files)).unwrap().carry_out().unwrap();
    let store = house.open().unwrap();
    assert_eq!((house.files(), store.in_force().1), (files, turn));
    assert!(house.events().last().unwrap().contains("it stands"), "{:?}", house.events());
    assert!(store.history().begun().unwrap().is_none());
    // Some was written: one file new, one changed, and one prepared and not yet in its place.
    let (house, before, files, turn) = prepared();
    let there = house.everything();
    std::fs::write(house.at("policies/office.cedar"), &files["policies/office.cedar"]).unwrap();
    std::fs::write(house.at("policies/base.cedar"), &files["policies/base.cedar"]).unwrap();
    std::fs::create_dir(house.at("policies/new")).unwrap();
    std::fs::write(house.at("policies/new/.deep.cedar.wicketgate-new"), "half").unwrap();
    let store = house.open().unwrap();
    assert_eq!((house.files(), Some(store.in_force().1.digest)), (before, turn.parent));
    assert_eq!(house.everything(), there, "nothing is left over");
    assert!(house.events().last().unwrap().contains("put back"), "{:?}", house.events());
    // Somebody has edited since: it is theirs.
    let (house, _, files, _) = prepared();
    std::fs::write(house.at("policies/office.cedar"), &files["policies/office.cedar"]).unwrap();
    std::fs::write(house.at("policies/baseline.cedar"), "@id(\"mine\") forbid (principal, action, resource);").unwrap();
    let lies = house.files();
    house.open().unwrap();
    assert_eq!(house.files(), lies);
    assert!(house.events().last().unwrap().contains("edited since"), "{:?}", house.events());
    // Half written, and it cannot be put back: no gate starts on such a bundle.
    let (house, _, files, _) = prepared();
    std::fs::write(house.at("policies/office.cedar"), &files["policies/office.cedar"]).unwrap();
    std::fs::create_dir(house.at("policies/.office.cedar.wicketgate-new")).unwrap();
    let faults = house.open().unwrap_err();
    assert!(faults.first().unwrap().message.contains("cannot be written"), "{faults:?}");
}

fn sources(files: &BTreeMap<String, String>) -> Sources {
    candidate(files.clone(), None).unwrap().0
}

#[test]
fn a_candidate_has_only_files_that_a_bundle_has() {
    for path in [
        "policies/../wicketgate.toml",
        "policies/../../x.cedar",
        "/etc/x.cedar",
        "policies//x.cedar",
        "policies/.hidden.cedar",
        "policies/a/.b/x.cedar",
        "policies/x.toml",
        "policies/x",
        "policies/.cedar",
        "policies/x\u{0}.cedar",
        "registry/x.cedar",
        "other/x.cedar",
        "policies",
        "",
        "policies/1/2/3/4/5/6/7/8/9/x.cedar",
        // A directory's claims are not read with its policies: what is in force now would be gone at the next reload.
        "policies/invariants/x.cedar",
        "policies/invariants/deep/x.cedar",
        &format!("policies/{}.cedar", "x".repeat(300)),
        SECOND.strip_prefix("registry/").unwrap(),
    ] {
        let faults = candidate(BTreeMap::from([(path.to_owned(), String::new())]), None).unwrap_err();
        assert!(faults.iter().all(|fault| fault.file == path), "{path}: {faults:?}");
    }
    for path in [
        "policies/x.cedar",
        "policies/a/b.c/x.y.cedar",
        "policies/team/invariants/x.cedar",
        "policies/invariants.cedar",
        SECOND,
        "registry/servers/second.tools.json",
    ] {
        assert!(folder_of(path).is_ok(), "{path}");
    }
}
