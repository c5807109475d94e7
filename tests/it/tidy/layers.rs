//! Who may use whom: crates, the pure parts and the world, each stage and the one before it.

use std::collections::BTreeSet;

use super::source::{Source, root};
use super::{Fault, fault};

/// What the two inner crates may depend on. The gateway is the world, and may use what it needs.
const MAY_USE: [(&str, &[&str]); 2] = [
    (
        "pdp",
        &[
            // Decodes what was read, in memory.
            "base64",
            "cedar-policy",
            // Verifies reviewers' signatures: pure, and the loader withholds what bears none.
            "ed25519-dalek",
            "jiff",
            "jsonschema",
            "miette",
            "percent-encoding",
            // A derive on the types that read files: a copy of them elsewhere would drift.
            "schemars",
            "serde",
            "serde_json",
            "serde_json_canonicalizer",
            "sha2",
            "strsim",
            "thiserror",
            "toml",
            // One text in two spellings is one text.
            "unicode-normalization",
            "url",
        ],
    ),
    (
        "pep",
        // hmac and sha2 open task tokens: pure, and a token may stand in the very message that intake reads. memchr looks
        // through every message for what its client asks of a call that waits.
        &["base64", "bytes", "hmac", "memchr", "pdp", "serde", "serde_json", "sha2", "simdutf8", "thiserror", "tokio"],
    ),
];

/// The parts of tokio that open nothing.
const TOKIO_IN_PEP: [&str; 3] = ["macros", "sync", "time"];

/// Each crate's manifest.
pub(super) fn crates(files: &[Source]) -> Vec<Fault> {
    let mut out = Vec::new();
    for file in files.iter().filter(|f| f.path.ends_with("Cargo.toml") && f.path != "Cargo.toml") {
        let manifest: toml::Table = match file.text.parse() {
            Ok(manifest) => manifest,
            Err(e) => {
                out.push(fault("crate", &file.path, format!("{}: {e}", file.path)));
                continue;
            }
        };
        let package = manifest.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str);
        let name = package.unwrap_or_default().to_owned();
        let inherits = manifest.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool);
        if inherits != Some(true) && !file.text.contains("[workspace]") {
            out.push(fault("crate", &file.path, format!("{}: `{name}` needs `[lints] workspace = true`", file.path)));
        }
        let used: BTreeSet<&str> = manifest
            .get("dependencies")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(|t| t.keys().map(String::as_str))
            .collect();
        let Some((_, may)) = MAY_USE.iter().find(|(of, _)| *of == name) else { continue };
        let may: BTreeSet<&str> = may.iter().copied().collect();
        for stranger in used.difference(&may) {
            let words =
                format!("{}: `{name}` may not use `{stranger}`: that is the gateway's, behind a port", file.path);
            out.push(fault("crate", format!("{name} {stranger}"), words));
        }
        for gone in may.difference(&used) {
            let words = format!("tests/it/tidy/layers.rs: `{name}` no longer uses `{gone}`: take it off MAY_USE");
            out.push(fault("crate", format!("{name} {gone}"), words));
        }
        if name == "pep" {
            let tokio = manifest.get("dependencies").and_then(|d| d.get("tokio"));
            let features =
                tokio.and_then(|t| t.get("features")).and_then(toml::Value::as_array).cloned().unwrap_or_default();
            for feature in features.iter().filter_map(toml::Value::as_str).filter(|f| !TOKIO_IN_PEP.contains(f)) {
                let words = format!("{}: tokio's `{feature}` reaches the world: only {TOKIO_IN_PEP:?} here", file.path);
                out.push(fault("crate", format!("pep tokio {feature}"), words));
            }
        }
    }
    out
}

/// What `.cargo/deny.toml` bans is not in the lock file, and who may use what is exactly who does.
pub(super) fn bans(files: &[Source]) -> Vec<Fault> {
    let table = |path: &str| files.iter().find(|f| f.path == path).and_then(|f| f.text.parse::<toml::Table>().ok());
    let (Some(rules), Some(lock)) = (table(".cargo/deny.toml"), table("Cargo.lock")) else {
        return vec![fault("bans", "deny", ".cargo/deny.toml or Cargo.lock is missing, or cannot be read")];
    };
    let text =
        |value: &toml::Value, key: &str| value.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let list = |value: &toml::Value, key: &str| -> BTreeSet<String> {
        let items = value.get(key).and_then(toml::Value::as_array).cloned().unwrap_or_default();
        items.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect()
    };
    let packages = lock.get("package").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let mut out = Vec::new();
    for ban in rules.get("bans").and_then(|b| b.get("deny")).and_then(toml::Value::as_array).into_iter().flatten() {
        let name = text(ban, "crate");
        let uses =
            |p: &&toml::Value| list(p, "dependencies").iter().any(|d| d.split(' ').next() == Some(name.as_str()));
        let users: BTreeSet<String> = packages.iter().filter(uses).map(|p| text(p, "name")).collect();
        let may = list(ban, "wrappers");
        let there = packages.iter().any(|p| text(p, "name") == name);
        if there && may.is_empty() {
            out.push(fault("bans", &name, format!("Cargo.lock: `{name}` is banned: {}", text(ban, "reason"))));
        }
        for stranger in users.difference(&may).filter(|_| !may.is_empty()) {
            let words = format!("Cargo.lock: `{stranger}` may not use `{name}`: {}", text(ban, "reason"));
            out.push(fault("bans", format!("{stranger} {name}"), words));
        }
        for gone in may.difference(&users) {
            let words = format!(".cargo/deny.toml: `{gone}` no longer uses `{name}`: take it off its wrappers");
            out.push(fault("bans", format!("{gone} {name}"), words));
        }
    }
    out
}

/// The inner crates open no file, socket or process and read no environment; only intake sees the snapshot store.
pub(super) fn no_world(files: &[Source]) -> Vec<Fault> {
    const WORLD: [&str; 12] = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::io",
        "std::thread::spawn",
        "std::thread::sleep",
        "tokio::spawn",
        "tokio::fs",
        "tokio::net",
        "tokio::process",
        "include_str!",
    ];
    let mut out = Vec::new();
    let inner =
        |f: &&Source| f.is_rust() && (f.path.starts_with("proxy/pdp/src/") || f.path.starts_with("proxy/pep/src/"));
    for file in files.iter().filter(inner) {
        for word in WORLD {
            for at in Source::words(&file.product, word) {
                let words = format!("{}: `{word}`: ask a port for it", file.at(at));
                out.push(fault("world", format!("{} {word}", file.path), words));
            }
        }
        // The approval stage judges again by the law of the moment in which an approval is used (DESIGN section 4).
        let reads = ["proxy/pep/src/stages/s1_intake.rs", "proxy/pep/src/stages/s5_approval.rs"];
        if !reads.contains(&file.path.as_str()) {
            for (at, _) in file.product.match_indices(".snapshots") {
                let words =
                    format!("{}: only intake and approval read the snapshot store: one call, one law", file.at(at));
                out.push(fault("world", format!("{} .snapshots", file.path), words));
            }
        }
    }
    out
}

/// What every stage may use beside the state of the stage before it.
const FOR_ALL: [&str; 21] = [
    "approval",
    "asides",
    "headers",
    "call",
    "carried",
    "channel",
    "content",
    "effect",
    "entry",
    "envelope",
    "frame",
    "inside",
    "job",
    "long",
    "ports",
    "reply",
    "rewrite",
    "stream",
    "task",
    "trace",
    "validation",
];

/// Envelopes and evidence, declared where they are opened or minted: whoever seals or needs one may name it.
const SEALED: [(&str, &str); 9] = [
    ("s2_classify", "s4_guardrail::ended"),
    ("s5_approval", "s2_classify::live_is_reviewed"),
    ("s5_approval", "s4_guardrail::beyond"),
    ("s6_credential", "s7_action::Secret"),
    ("s7_action", "s2_classify::Subject"),
    ("s7_action", "s4_guardrail::halted"),
    ("s7_action", "s8_outcome::Raw"),
    ("s7_action", "s9_audit"),
    ("s8_outcome", "s2_classify::Subject"),
];

/// Each stage knows the state of the one before it, and no other stage.
pub(super) fn stages(files: &[Source]) -> Vec<Fault> {
    let mut out = Vec::new();
    let mut met = BTreeSet::new();
    for file in files.iter().filter(|f| f.path.starts_with("proxy/pep/src/stages/s")) {
        let stage = file.path.trim_start_matches("proxy/pep/src/stages/").trim_end_matches(".rs");
        for (at, path) in file.paths(&file.product) {
            let path = path.trim_start_matches("crate::");
            let inner = path.strip_prefix("stages::").unwrap_or(path);
            let first = path.split("::").next().unwrap_or_default();
            if FOR_ALL.contains(&first) || follows(inner, stage) {
                continue;
            }
            if let Some(sealed) = SEALED.iter().find(|(of, what)| *of == stage && within(inner, what)) {
                met.insert(*sealed);
                continue;
            }
            let shown = if within(inner, "s3_policy") { "s3_policy" } else { inner };
            let words = format!("{}: `{stage}` may not use `{inner}`: what it needs comes with its state", file.at(at));
            out.push(fault("stage", format!("{stage} {shown}"), words));
        }
    }
    let whole = files.iter().any(|f| f.path.ends_with("/s9_audit.rs"));
    for (of, what) in SEALED.iter().filter(|sealed| whole && !met.contains(*sealed)) {
        let words = format!("tests/it/tidy/layers.rs: `{of}` no longer uses `{what}`: take it off SEALED");
        out.push(fault("stage", format!("{of} {what}"), words));
    }
    out.extend(files.iter().filter(|f| f.path == "proxy/pep/src/call.rs").flat_map(states_alone));
    out
}

fn within(path: &str, above: &str) -> bool {
    path == above || path.strip_prefix(above).is_some_and(|rest| rest.starts_with("::"))
}

/// Whether `path` is a state of the stage before `stage`: `s3_policy::Judged` for `s4_guardrail`.
fn follows(path: &str, stage: &str) -> bool {
    let number =
        |name: &str| name.strip_prefix('s').and_then(|n| n.split('_').next()).and_then(|n| n.parse::<u8>().ok());
    let item = path.rsplit("::").next().unwrap_or_default();
    let state = item.starts_with(char::is_uppercase) && (item != "Subject" || stage == "s3_policy");
    // The audit stage ends what the outcome stage made, whole or as a stream.
    state && number(path).zip(number(stage)).is_some_and(|(of, own)| of + 1 == own)
}

/// `call.rs` names the states for its table of steps, and calls no stage.
fn states_alone(file: &Source) -> Vec<Fault> {
    let paths = file.paths(&file.product).into_iter();
    let functions = paths.filter(|(_, p)| {
        p.starts_with("crate::stages") && !p.rsplit("::").next().is_some_and(|n| n.starts_with(char::is_uppercase))
    });
    functions.map(|(at, p)| fault("stage", &p, format!("{}: `{p}`: only `flow` calls a stage", file.at(at)))).collect()
}

/// The stages as files, in order.
pub(super) fn stage_files() -> Vec<String> {
    let folder = root().join("proxy/pep/src/stages");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with('s'))
        .collect();
    names.sort();
    names
}
