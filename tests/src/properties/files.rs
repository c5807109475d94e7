//! What people write: registry, policies, configuration. Whatever stands in a file, it is read or every fault is told
//! with a place that is in it; a comment changes nothing.

use std::collections::BTreeSet;
use std::path::Path;

use gateway::config::{Config, Overrides};
use pdp::decision::Decision;
use pdp::digest::Digest;
use pdp::fault::{Fault, SourceFile};
use pdp::json::Json;
use pdp::policy::{Act, Facts, Query};
use pdp::principal::Principal;
use pdp::registry;
use pdp::snapshot::{Snapshot, Sources};

use super::house;

/// Every fault says what, and names a place that its file has.
fn assert_told(faults: &[Fault], files: &[SourceFile]) {
    assert!(!faults.is_empty(), "refused without a fault");
    for fault in faults {
        assert!(!fault.message.is_empty() && !fault.file.is_empty(), "{fault:?}");
        let Some(file) = files.iter().find(|file| file.path == fault.file) else { continue };
        let lines: Vec<&str> = file.text.split('\n').collect();
        assert!(fault.line <= lines.len().max(1), "{fault:?}");
        if fault.line > 0 {
            let width = lines.get(fault.line - 1).map_or(0, |line| line.chars().count());
            assert!(fault.column <= width + 1, "{fault:?} in a line of {width}");
        }
    }
}

const LAW: &str = r#"@id("all") permit (principal, action, resource);"#;

/// A server's file and its definitions: no panic, and what is reviewed is pinned to what stands there.
pub fn registry(data: &[u8]) {
    let Some([server, tools]) = super::parts::<2>(data) else { return };
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let files =
        |more: &str| vec![file("servers/s.toml", &format!("{server}{more}")), file("servers/s.tools.json", tools)];
    let found = match registry::load(&files("")) {
        Ok(found) => found,
        Err(faults) => return assert_told(&faults, &files("")),
    };
    for tool in found.servers.values().flat_map(|server| server.tools.values()) {
        assert_eq!(Digest::of_json(&tool.definition).unwrap(), tool.pin, "the pin is the definition's digest");
        assert!(tool.withheld.is_some() || (tool.review.is_some() && !tool.effects.is_empty()), "unreviewed and open");
        let open = found.servers.values().any(|server| server.reviewed(&tool.name).is_some());
        assert!(open || tool.withheld.is_some());
    }
    let built = |more: &str| Snapshot::build(&Sources { policies: house::policies(LAW), registry: files(more) });
    if let Ok(snapshot) = built("") {
        assert_eq!(built("\n# a comment\n").map(|s| s.digest()).ok(), Some(snapshot.digest()), "a comment changed it");
    }
}

/// Policies: no panic; a comment changes nothing; nothing is allowed without a permit; an approval only opens what a
/// forbid with `@approval` closed.
pub fn policies(data: &[u8]) {
    const SCHEMA: &str = r#"{"type":"object","properties":{"text":{"type":"string"},"n":{"type":"integer"}}}"#;
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sources = |text: &str| Sources { policies: house::policies(text), registry: house::registry(SCHEMA) };
    let snapshot = match Snapshot::build(&sources(text)) {
        Ok(snapshot) => snapshot,
        Err(faults) => return assert_told(&faults, &sources(text).policies),
    };
    let commented = Snapshot::build(&sources(&format!("{text}\n// a comment\n")));
    assert_eq!(commented.map(|s| s.digest()).ok(), Some(snapshot.digest()), "a comment changed it");
    let server = snapshot.server("s").unwrap();
    let tool = server.reviewed("t").unwrap();
    let principal = Principal {
        agent: "a".to_owned(),
        teams: vec!["staff".to_owned()],
        user: "u".to_owned(),
        tenant: "default".to_owned(),
        method: "token".to_owned(),
    };
    for arguments in [r#"{}"#, r#"{"text":"../x","n":9223372036854775807}"#] {
        let arguments = Json::read(arguments, 4).unwrap();
        let acts = [
            Act::Tool { tool, arguments: &arguments },
            Act::Method { name: "ping", known: pdp::method::find("ping"), target: "" },
            Act::Method { name: "vendor/thing", known: None, target: "file:///x" },
        ];
        for act in acts {
            for labels in [&[][..], &["untrusted", "private"]] {
                let decided = |grants: &BTreeSet<String>| {
                    let facts =
                        Facts { labels: labels.iter().copied().collect(), grants: grants.clone(), ..Facts::default() };
                    snapshot.judge(Query { principal: &principal, server, act, facts: &facts }).decision
                };
                approvals_only_open(&snapshot, decided, text.contains("permit"));
            }
        }
    }
}

fn approvals_only_open(snapshot: &Snapshot, decided: impl Fn(&BTreeSet<String>) -> Decision, may_permit: bool) {
    let bare = decided(&BTreeSet::new());
    let all = decided(&snapshot.registry().grants);
    let open = |decision: &Decision| matches!(decision, Decision::Allow(_));
    assert!(may_permit || !open(&all), "allowed, and no permit is written");
    match &bare {
        Decision::Allow(_) => assert!(open(&all), "an approval closed what was open: {all:?}"),
        Decision::Escalate(asked) => {
            assert!(!asked.is_empty(), "nothing is asked for");
            assert!(open(&decided(asked)), "the grants that were asked for do not open it");
        }
        // A fault may lie in a part that only one of the two looked at.
        Decision::Deny(reason) => {
            assert!(!open(&all), "denied ({reason:?}), and open with grants nobody was asked for");
        }
    }
}

/// The gate's own configuration: no panic; the same text means the same.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = |text: String| SourceFile { path: "gate.toml".to_owned(), text };
    let meant = |file: &SourceFile| Config::meant(file, Path::new("/nowhere"), &Overrides::default());
    let written = file(text.to_owned());
    match meant(&written) {
        Err(faults) => assert_told(&faults, std::slice::from_ref(&written)),
        Ok(config) => {
            let again = meant(&file(format!("{text}\n# a comment\n")));
            let shown = again.map(|config| format!("{config:?}")).ok();
            assert_eq!(shown, Some(format!("{config:?}")), "a comment changed it");
            assert!(config.principals.iter().all(|known| known.principal.method == "token"));
        }
    }
}
