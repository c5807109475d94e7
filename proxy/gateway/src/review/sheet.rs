//! The sheet that a reviewer reads: per tool what changed in meaning, where exactly, and what was found; with a digest of
//! all that it asks to approve.

use std::fmt;

use pdp::digest::Digest;
use pdp::registry::{CredentialRule, Registry, Retired, Review, Server, Tool, Transport};
use serde_json::json;

use super::package;
use super::places::{Place, places};
use crate::findings::{self, Catalogue, Finding, Kind, shown};
use crate::scan::{self, Scan};

/// What a server says of itself when a session is opened. It identifies nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: &Option<String>| text.as_deref().map_or("(none)".to_owned(), shown);
        write!(f, "{} {}", part(&self.name), part(&self.version))
    }
}

/// Where a tool stands between the registry and the live server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The server offers it, and the registry does not name it.
    New,
    /// Its live definition is not the one in the registry.
    Changed,
    /// Its definition is the one in the registry, which withholds it, for this reason.
    Withheld(String),
    /// It is out of use, and the server still offers it.
    Retired(String),
    /// It is what was reviewed.
    Same,
    /// The registry names it, and the server no longer offers it.
    Gone,
    /// Its live definition has no canonical form, for this reason.
    Unpinned(String),
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Withheld(_) => "withheld",
            Self::Retired(_) => "retired",
            Self::Same => "unchanged",
            Self::Gone => "gone",
            Self::Unpinned(_) => "without a pin",
        }
    }
}

/// One tool on the sheet.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub standing: Standing,
    /// The live definition, as the server listed it; empty for what is gone.
    pub definition: String,
    /// The digest of the live definition.
    pub pin: Option<Digest>,
    /// The digest in the registry.
    pub reviewed_pin: Option<Digest>,
    /// Who reviewed what is in the registry.
    pub review: Option<Review>,
    /// The effects in the registry.
    pub effects: Vec<String>,
    /// The other terms in the registry, in words; empty where it does not name the tool.
    pub terms: String,
    /// What changed in meaning, in one line.
    pub difference: String,
    /// The same, each change by itself and none left out.
    pub changes: Vec<String>,
    /// Where exactly.
    pub places: Vec<Place>,
    /// What was found in the live definition.
    pub findings: Vec<Finding>,
}

impl Row {
    /// Whether somebody must look at it before it can be used.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.standing {
            Standing::New | Standing::Changed | Standing::Withheld(_) => true,
            Standing::Retired(_) | Standing::Same | Standing::Gone | Standing::Unpinned(_) => false,
        }
    }

    /// Whether it has characters that hide.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind == Kind::Hidden)
    }
}

/// A server's sheet.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// The server's name in the registry.
    pub server: String,
    /// What it is reached as.
    pub identity: String,
    /// What it was reached as when it was reviewed; nothing where no review has recorded it.
    pub reviewed_identity: Option<String>,
    /// What it says of itself.
    pub claim: Claim,
    /// What it said of itself when it was reviewed.
    pub reviewed_claim: Option<Claim>,
    /// Since when it is out of use.
    pub retired: Option<Retired>,
    /// The labels and the delivery of results unless a tool says otherwise, in words.
    pub defaults: String,
    /// What its command line leaves open.
    pub unpinned: Option<String>,
    /// What it is reached with and what it opens beside its identity and its tools, in words: each with its name.
    pub terms: Vec<(&'static str, String)>,
    /// What was found in its instructions to the model.
    pub instructions: Vec<Finding>,
    /// Its tools: the live ones in the server's order, then those that are gone.
    pub rows: Vec<Row>,
}

/// The sheet of a server of this registry, from what it offers now.
#[must_use]
pub fn sheet(registry: &Registry, server: &Server, scan: &Scan) -> Sheet {
    let named: Vec<(String, &str)> =
        scan.tools.iter().map(|tool| (scan::name_of(tool).unwrap_or_default(), tool.get())).collect();
    let catalogue = Catalogue::of(registry).with(&server.name, named.iter().map(|(name, _)| name.as_str()));
    let mut rows: Vec<Row> = named.iter().map(|(tool, text)| row(registry, server, tool, text, &catalogue)).collect();
    let gone = server.tools.values().filter(|tool| !named.iter().any(|(live, _)| *live == tool.name));
    rows.extend(gone.map(|tool| Row {
        standing: Standing::Gone,
        definition: String::new(),
        pin: None,
        difference: String::new(),
        changes: Vec::new(),
        places: Vec::new(),
        findings: Vec::new(),
        ..of_registry(&tool.name, Some(tool))
    }));
    let reviewed = server.identity.as_ref();
    Sheet {
        server: server.name.clone(),
        identity: server.transport.identity(),
        reviewed_identity: reviewed.map(|identity| identity.is.clone()),
        claim: Claim { name: scan.server_name.clone(), version: scan.server_version.clone() },
        reviewed_claim: reviewed
            .map(|identity| Claim { name: identity.claimed_name.clone(), version: identity.claimed_version.clone() }),
        retired: server.retired.clone(),
        defaults: format!("labels {}; deliver {}", server.labels, word(&server.deliver)),
        unpinned: package::unpinned(&server.transport),
        terms: server_terms(server),
        instructions: scan
            .instructions
            .as_deref()
            .map(|text| findings::in_text("/instructions", text))
            .unwrap_or_default(),
        rows,
    }
}

/// What the registry says of a tool.
fn of_registry(name: &str, tool: Option<&Tool>) -> Row {
    Row {
        name: name.to_owned(),
        standing: Standing::New,
        definition: String::new(),
        pin: None,
        reviewed_pin: tool.map(|tool| tool.pin),
        review: tool.and_then(|tool| tool.review.clone()),
        effects: tool.iter().flat_map(|tool| &tool.effects).map(|effect| effect.name().to_owned()).collect(),
        terms: tool.map(terms).unwrap_or_default(),
        difference: String::new(),
        changes: Vec::new(),
        places: Vec::new(),
        findings: Vec::new(),
    }
}

/// What a server is reached with and opens, as far as its identity does not say it.
fn server_terms(server: &Server) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    match &server.transport {
        Transport::Http { url, headers } | Transport::Sse { url, headers } => {
            out.push(("url", shown(url)));
            let named: Vec<String> = headers.iter().map(|(name, value)| shown(&format!("{name}: {value}"))).collect();
            out.extend((!named.is_empty()).then(|| ("headers", named.join("; "))));
        }
        Transport::Stdio { .. } | Transport::Builtin { .. } => {}
    }
    let is_child = !matches!(server.transport, Transport::Http { .. } | Transport::Sse { .. });
    for rule in server.credential.iter().flat_map(CredentialRule::all) {
        let source = match (&rule.env, &rule.file) {
            (Some(name), _) => format!("the variable {name}"),
            (None, Some(path)) => format!("the file {path}"),
            (None, None) => "nowhere".to_owned(),
        };
        let place = match &rule.variable {
            Some(variable) if is_child => format!("the variable {variable}"),
            None if is_child => "nowhere".to_owned(),
            Some(_) | None => format!("the header {}", rule.header),
        };
        out.push(("secret", shown(&format!("from {source}, goes in {place}"))));
    }
    let open: Vec<&str> = server.open.iter().map(String::as_str).collect();
    out.push((
        "opens",
        if open.is_empty() { "tools alone".to_owned() } else { format!("tools, {}", shown(&open.join(", "))) },
    ));
    out
}

/// The terms under which a tool stands in the registry.
fn terms(tool: &Tool) -> String {
    let effects: Vec<&str> = tool.effects.iter().map(|effect| effect.name()).collect();
    let effects = if effects.is_empty() { "none".to_owned() } else { effects.join(",") };
    let mut out = format!(
        "effect {effects}; labels {}; deliver {}; output {}; timeout {} ms",
        tool.labels,
        word(&tool.deliver),
        word(&tool.misfit),
        tool.timeout_ms
    );
    if !tool.sensitive.is_empty() {
        let names: Vec<String> = tool.sensitive.iter().map(|name| shown(name)).collect();
        out.push_str(&format!("; sensitive {}", names.join(",")));
    }
    if let Some(sinks) = &tool.sinks {
        let names: Vec<String> = sinks.iter().map(|name| shown(name)).collect();
        out.push_str(&format!("; sinks {}", if names.is_empty() { "none".to_owned() } else { names.join(",") }));
    }
    if !tool.kinds.is_empty() {
        let kinds: Vec<String> =
            tool.kinds.iter().map(|(name, kind)| format!("{}={}", shown(name), shown(kind))).collect();
        out.push_str(&format!("; kinds {}", kinds.join(",")));
    }
    out
}

/// A word of the registry's, as it is written there.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn row(registry: &Registry, server: &Server, name: &str, live: &str, catalogue: &Catalogue) -> Row {
    let tool = server.tools.get(name).map(AsRef::as_ref);
    let base = Row {
        definition: live.to_owned(),
        findings: findings::in_definition(&server.name, live, catalogue),
        ..of_registry(name, tool)
    };
    let pin = match Digest::of_json(live) {
        Ok(pin) => pin,
        Err(e) => return Row { standing: Standing::Unpinned(e.to_string()), ..base },
    };
    let reviewed = tool.map_or("{}", |tool| &tool.definition);
    let base = Row { pin: Some(pin), ..base };
    match tool {
        None => Row { standing: Standing::New, places: places(reviewed, live), ..base },
        // Whatever became of its definition: it comes back where it is named, and never among others. It is shown whole.
        Some(Tool { retired: Some(retired), .. }) => {
            Row { standing: Standing::Retired(retired.to_string()), places: places("{}", live), ..base }
        }
        Some(tool) if tool.pin != pin => Row {
            standing: Standing::Changed,
            difference: scan::difference(reviewed, live),
            changes: scan::changes(reviewed, live).unwrap_or_default(),
            places: places(reviewed, live),
            ..base
        },
        Some(tool) => {
            let Some(why) = &tool.withheld else { return Row { standing: Standing::Same, ..base } };
            // What nobody has read, and what somebody is to sign, is shown whole, like a new one. Where the server alone
            // is another, its tools' definitions are what was reviewed.
            let read = tool.review.is_some() && !tool.effects.is_empty() && registry.reviewers.is_none();
            let known = if read { live } else { "{}" };
            Row { standing: Standing::Withheld(why.clone()), places: places(known, live), ..base }
        }
    }
}

impl Sheet {
    /// Whether what the server is, or says it is, is not what was recorded at its review.
    #[must_use]
    pub fn is_another(&self) -> bool {
        let moved = self.reviewed_identity.as_ref().is_some_and(|reviewed| *reviewed != self.identity);
        moved || self.reviewed_claim.as_ref().is_some_and(|reviewed| *reviewed != self.claim)
    }

    /// Whether the live server differs from what was reviewed, in any way.
    #[must_use]
    pub fn differs(&self) -> bool {
        let same = |row: &Row| matches!(row.standing, Standing::Same | Standing::Retired(_));
        self.is_another() || !self.rows.iter().all(same)
    }

    /// The rows to decide on: all that are open, or those that are named. A retired tool only where it is named.
    #[must_use]
    pub fn asked(&self, named: &[String]) -> Vec<&Row> {
        let wanted = |row: &&Row| match named {
            [] => row.is_open(),
            named => named.contains(&row.name) && (row.is_open() || matches!(row.standing, Standing::Retired(_))),
        };
        self.rows.iter().filter(wanted).collect()
    }

    /// Whether a review of single tools would let others pass that were not asked: what the server is has changed, or it
    /// comes back into use.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.retired.is_some() || self.reviewed_identity.as_ref().is_some_and(|reviewed| *reviewed != self.identity)
    }

    /// The digest of what is asked: the entry as it stands, what the server is and claims, and each definition. An
    /// approval names it, so that nothing can be approved but what was shown.
    #[must_use]
    pub fn digest(&self, asked: &[&Row], entry: &str) -> Digest {
        let tools: serde_json::Map<String, serde_json::Value> =
            asked.iter().map(|row| (row.name.clone(), json!(row.pin.map(|pin| pin.to_string())))).collect();
        let (name, version) = (&self.claim.name, &self.claim.version);
        let claim = json!({ "name": name, "version": version });
        let entry = Digest::of_bytes(entry.as_bytes()).to_string();
        let whole = json!({
            "server": self.server, "identity": self.identity, "claim": claim, "tools": tools, "entry": entry,
        });
        let text = whole.to_string();
        Digest::of_json(&text).unwrap_or_else(|_| Digest::of_bytes(text.as_bytes()))
    }

    /// The sheet's head: what the server is, what it claims, what is left open.
    #[must_use]
    pub fn head(&self) -> String {
        let mut out = format!("{}\n", self.server);
        match &self.reviewed_identity {
            Some(reviewed) if *reviewed != self.identity => {
                out.push_str(&format!("  identity  changed: {} -> {}\n", shown(reviewed), shown(&self.identity)));
            }
            Some(_) => out.push_str(&format!("  identity  {}\n", shown(&self.identity))),
            None => out.push_str(&format!("  identity  {} (not recorded yet)\n", shown(&self.identity))),
        }
        match &self.reviewed_claim {
            Some(reviewed) if *reviewed != self.claim => {
                out.push_str(&format!("  claims    changed: {reviewed} -> {} (its own word)\n", self.claim));
            }
            Some(_) | None => out.push_str(&format!("  claims    {} (its own word)\n", self.claim)),
        }
        out.push_str(&format!("  results   {}, unless a tool says otherwise\n", self.defaults));
        for (name, words) in &self.terms {
            out.push_str(&format!("  {name:9} {words}\n"));
        }
        if let Some(retired) = &self.retired {
            out.push_str(&format!("  {}\n", shown(&retired.to_string())));
        }
        if let Some(words) = &self.unpinned {
            out.push_str(&format!("  warning   {words}\n"));
        }
        for finding in &self.instructions {
            out.push_str(&format!("  finding   {finding}\n"));
        }
        out
    }

    /// How many tools stand where, in one line.
    #[must_use]
    pub fn counts(&self) -> String {
        let words = ["new", "changed", "withheld", "retired", "unchanged", "gone", "without a pin"];
        let count = |word: &str| self.rows.iter().filter(|row| row.standing.word() == word).count();
        let told = words.map(|word| (count(word), word));
        let told: Vec<String> = told.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        if told.is_empty() { "no tools".to_owned() } else { told.join(", ") }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = match &self.standing {
            Standing::Withheld(why) | Standing::Retired(why) | Standing::Unpinned(why) => format!(": {}", shown(why)),
            Standing::Changed => format!(": {}", self.difference),
            Standing::New | Standing::Same | Standing::Gone => String::new(),
        };
        write!(f, "{}  {}{more}", self.standing.word(), shown(&self.name))?;
        if let (Some(review), Some(pin)) = (&self.review, self.reviewed_pin) {
            write!(f, "\n    reviewed by {} on {} as {}", shown(&review.by), shown(&review.at), pin.short())?;
        }
        if !self.terms.is_empty() {
            write!(f, "\n    {}", self.terms)?;
        }
        for place in &self.places {
            // Hints are shown and decide nothing: a hostile server calls everything read-only.
            let claim = if place.pointer.starts_with("/annotations/") { "  (its claim)" } else { "" };
            write!(f, "\n    {place}{claim}")?;
        }
        for finding in &self.findings {
            write!(f, "\n    finding  {finding}")?;
        }
        Ok(())
    }
}
