//! A law under which a case is tried: a few servers with their tools, and a few policies. Chosen by chance, written as the
//! files an operator would write, and read by the model as the data it is here.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::snapshot::{Snapshot, Sources};

use super::dice::Dice;
use super::rules::{self, Rule};

pub(super) type Labels = BTreeSet<&'static str>;

pub(super) const LABELS: [&str; 3] = ["private", "secret", "untrusted"];
pub(super) const GRANTS: [&str; 2] = ["owner", "security"];
pub(super) const EFFECTS: [&str; 8] =
    ["read", "write", "destructive", "egress", "spend", "memory_read", "memory_write", "execute"];
const HARMLESS: [&str; 2] = ["read", "memory_read"];
pub(super) const SERVERS: [&str; 3] = ["alpha", "beta", "gamma"];
pub(super) const TOOLS: [&str; 4] = ["one", "two", "three", "four"];
/// What a registry entry may open: features, two methods by their names, and one of a vendor's.
const OPENABLE: [&str; 12] = [
    "resources",
    "prompts",
    "completion",
    "logging",
    "sampling",
    "elicitation",
    "roots",
    "tasks",
    "skills",
    "vendor/thing",
    "resources/read",
    "notifications/message",
];

/// The type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Decimal,
    Flag,
    Texts,
}

/// An argument that a tool's schema names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

/// The input schemas there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Nothing,
    Letter,
    Count,
    Switch,
    Place,
    Price,
}

const fn field(name: &'static str, kind: Kind, required: bool) -> Field {
    Field { name, kind, required }
}

impl Form {
    const ALL: [Self; 6] = [Self::Nothing, Self::Letter, Self::Count, Self::Switch, Self::Place, Self::Price];

    pub(super) fn fields(self) -> &'static [Field] {
        const LETTER: &[Field] = &[field("to", Kind::Text, true), field("body", Kind::Text, false)];
        const COUNT: &[Field] = &[field("n", Kind::Whole, true), field("text", Kind::Text, false)];
        const SWITCH: &[Field] = &[field("on", Kind::Flag, true), field("n", Kind::Whole, false)];
        const PLACE: &[Field] = &[field("path", Kind::Text, true), field("tags", Kind::Texts, false)];
        const PRICE: &[Field] = &[field("amount", Kind::Decimal, true)];
        match self {
            Self::Nothing => &[],
            Self::Letter => LETTER,
            Self::Count => COUNT,
            Self::Switch => SWITCH,
            Self::Place => PLACE,
            Self::Price => PRICE,
        }
    }

    /// Whether no other argument is allowed.
    pub(super) fn is_closed(self) -> bool {
        matches!(self, Self::Letter)
    }

    fn schema(self) -> String {
        let of = |kind| match kind {
            Kind::Text => r#"{"type":"string"}"#,
            Kind::Whole => r#"{"type":"integer"}"#,
            Kind::Decimal => r#"{"type":"number"}"#,
            Kind::Flag => r#"{"type":"boolean"}"#,
            Kind::Texts => r#"{"type":"array","items":{"type":"string"}}"#,
        };
        let members: Vec<_> = self.fields().iter().map(|f| format!("\"{}\":{}", f.name, of(f.kind))).collect();
        let required: Vec<_> = self.fields().iter().filter(|f| f.required).map(|f| format!("\"{}\"", f.name)).collect();
        let closed = if self.is_closed() { ",\"additionalProperties\":false" } else { "" };
        format!(
            "{{\"type\":\"object\",\"properties\":{{{}}},\"required\":[{}]{closed}}}",
            members.join(","),
            required.join(",")
        )
    }
}

/// What a server makes of a tool after its review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Live {
    Same,
    Changed,
    Gone,
    Twice,
}

impl Live {
    pub(super) const ALL: [Self; 4] = [Self::Same, Self::Changed, Self::Gone, Self::Twice];
}

/// What becomes of a result without the structured content that a tool's output schema asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    Refused,
    Labelled,
    Passed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) effects: BTreeSet<&'static str>,
    labels: Option<Labels>,
    quoted: Option<bool>,
    pub(super) reviewed: bool,
    pub(super) form: Form,
    /// With an output schema, which no answer here fits but one that says it failed.
    pub(super) output: Option<Misfit>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) system: Option<&'static str>,
    pub(super) labels: Labels,
    pub(super) quoted: bool,
    pub(super) open: BTreeSet<&'static str>,
    pub(super) child: bool,
    pub(super) credential: bool,
    pub(super) tools: Vec<Tool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Law {
    pub(super) servers: Vec<Server>,
    pub(super) rules: Vec<Rule>,
}

impl Tool {
    /// Whether a call leaves the world as it was.
    pub(super) fn is_harmless(&self) -> bool {
        self.effects.iter().all(|effect| HARMLESS.contains(effect))
    }

    pub(super) fn labels(&self, server: &Server) -> Labels {
        self.labels.clone().unwrap_or_else(|| server.labels.clone())
    }

    pub(super) fn is_quoted(&self, server: &Server) -> bool {
        self.quoted.unwrap_or(server.quoted)
    }

    /// Its definition as the server lists it: nothing, one, or two.
    pub(super) fn listed(&self, live: Live) -> Vec<String> {
        let as_reviewed = format!(
            "{{\"name\":\"{}\",\"description\":\"The tool.\",\"inputSchema\":{}{}}}",
            self.name,
            self.form.schema(),
            if self.output.is_some() { ",\"outputSchema\":{\"type\":\"object\"}" } else { "" }
        );
        match live {
            Live::Same => vec![as_reviewed],
            Live::Changed => vec![as_reviewed.replace("The tool", "IMPORTANT: the tool")],
            Live::Gone => Vec::new(),
            Live::Twice => vec![as_reviewed.clone(), as_reviewed],
        }
    }
}

impl Server {
    pub(super) fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    fn file(&self) -> String {
        let list = |words: &mut dyn Iterator<Item = &&'static str>| {
            words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
        };
        let deliver = |quoted: bool| if quoted { "quoted" } else { "plain" };
        let mut out = format!("name = \"{}\"\n", self.name);
        if let Some(system) = self.system {
            let _infallible = writeln!(out, "system = \"{system}\"");
        }
        let _infallible = writeln!(
            out,
            "labels = [{}]\ndeliver = \"{}\"\nopen = [{}]",
            list(&mut self.labels.iter()),
            deliver(self.quoted),
            list(&mut self.open.iter())
        );
        out.push_str(if self.child {
            "[transport]\nkind = \"stdio\"\ncommand = \"server\"\n"
        } else {
            "[transport]\nkind = \"http\"\nurl = \"https://server.test/mcp\"\n"
        });
        if self.credential {
            out.push_str("[credential]\nenv = \"TOKEN\"\n");
        }
        for tool in &self.tools {
            let _infallible = writeln!(out, "[tools.{}]\neffect = [{}]", tool.name, list(&mut tool.effects.iter()));
            if let Some(labels) = &tool.labels {
                let _infallible = writeln!(out, "labels = [{}]", list(&mut labels.iter()));
            }
            if let Some(quoted) = tool.quoted {
                let _infallible = writeln!(out, "deliver = \"{}\"", deliver(quoted));
            }
            match tool.output {
                // It is what becomes of it unless the entry says otherwise.
                Some(Misfit::Refused) | None => {}
                Some(Misfit::Labelled) => out.push_str("output = \"label\"\n"),
                Some(Misfit::Passed) => out.push_str("output = \"pass\"\n"),
            }
            if tool.reviewed {
                out.push_str("reviewed_by = \"ana\"\nreviewed_at = \"2026-11-20\"\n");
            }
            let pin = Digest::of_json(&tool.listed(Live::Same)[0]).unwrap();
            let _infallible = writeln!(out, "pin = \"{pin}\"");
        }
        out
    }
}

impl Law {
    pub(super) fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The bundle as files.
    fn sources(&self) -> Sources {
        let mut registry = Vec::new();
        for server in &self.servers {
            registry.push(SourceFile { path: format!("servers/{}.toml", server.name), text: server.file() });
            let listed: Vec<String> = server.tools.iter().flat_map(|tool| tool.listed(Live::Same)).collect();
            let text = format!("[{}]", listed.join(","));
            registry.push(SourceFile { path: format!("servers/{}.tools.json", server.name), text });
        }
        let text = self.rules.iter().map(|rule| rule.text()).collect::<Vec<_>>().join("\n");
        Sources { policies: vec![SourceFile { path: "law.cedar".to_owned(), text }], registry }
    }

    /// The bundle as the gate holds it.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        match Snapshot::build(&self.sources()) {
            Ok(snapshot) => Arc::new(snapshot),
            Err(faults) => {
                let faults = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
                panic!("a law of the model's is refused: {faults}\n{}", self.text())
            }
        }
    }

    /// The bundle as a person reads it.
    pub(super) fn text(&self) -> String {
        let sources = self.sources();
        let files = sources.registry.iter().filter(|file| file.path.ends_with(".toml")).chain(&sources.policies);
        files.map(|file| format!("--- {}\n{}\n", file.path, file.text)).collect()
    }
}

/// A law, by chance.
pub(super) fn any(dice: &mut Dice) -> Law {
    let several = 1 + dice.below(SERVERS.len());
    let servers: Vec<Server> = SERVERS[..several].iter().map(|name| server(dice, name)).collect();
    let mut law = Law { servers, rules: Vec::new() };
    law.rules = rules::any(dice, &law);
    law
}

fn server(dice: &mut Dice, name: &'static str) -> Server {
    let several = 1 + dice.below(TOOLS.len());
    Server {
        name,
        system: dice.one(&[None, Some("Ledger"), Some("Archive")]),
        labels: dice.some(&LABELS, 30),
        quoted: dice.percent(20),
        open: dice.some(&OPENABLE, 65),
        child: dice.percent(30),
        credential: dice.percent(50),
        tools: TOOLS[..several].iter().map(|name| tool(dice, name)).collect(),
    }
}

fn tool(dice: &mut Dice, name: &'static str) -> Tool {
    let mut effects: BTreeSet<&str> = dice.some(&EFFECTS, 15);
    if effects.is_empty() {
        effects.insert(dice.one(&EFFECTS));
    }
    Tool {
        name,
        effects,
        labels: dice.percent(50).then(|| dice.some(&LABELS, 40)),
        quoted: dice.one(&[None, None, None, Some(true), Some(false)]),
        reviewed: dice.percent(92),
        form: dice.one(&Form::ALL),
        output: dice.percent(20).then(|| dice.one(&[Misfit::Refused, Misfit::Labelled, Misfit::Passed])),
    }
}
