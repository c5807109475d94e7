//! Values that may matter to a bundle: arguments out of reviewed schemas and out of what policies compare them with, sets
//! of labels and grants, principals.
//!
//! What is asked with these is only as complete as they are; whoever shows a result of it says so.

use std::collections::{BTreeMap, BTreeSet};

use pdp::principal::Principal;
use pdp::registry::{Server, Tool};
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value};

use super::law::{Law, expression, tool_action};

/// The time in made-up calls: 2026-11-20T00:00Z, in milliseconds since 1970.
pub const NOW_MS: i64 = 1_795_132_800_000;

/// At most so many calls are tried for one tool.
const ARGUMENTS_MAX: usize = 96;

/// At most so many labels or grants are tried in every combination; more are tried alone, in pairs and all at once.
const COMBINED_MAX: usize = 4;

/// How long a text is made up, in characters.
const TEXT_MAX: usize = 4096;

/// How deep a value is made up inside another.
const DEPTH_MAX: usize = 6;

/// Argument values that policies compare with, by the argument's name.
pub type Compared = BTreeMap<String, BTreeSet<String>>;

/// What the policies that speak of a tool compare its arguments with, as JSON text by argument.
#[must_use]
pub fn compared(laws: &[&Law], server: &Server, tool: &Tool) -> Compared {
    let mut chains = BTreeMap::new();
    let (action, above) = tool_action(server, tool);
    let all = laws.iter().flat_map(|law| law.iter());
    for policy in all.filter(|policy| policy.action.fits(&action, &above)) {
        policy.clauses.iter().for_each(|clause| expression::compared(&clause.body, &mut chains));
    }
    let mut out = Compared::new();
    for (chain, values) in chains {
        let names = chain.strip_prefix("context.args.").or_else(|| chain.strip_prefix("context.args_canonical."));
        if let Some(name) = names.and_then(|names| names.split('.').next()) {
            out.entry(name.to_owned()).or_default().extend(values);
        } else if let Some(name) = chain.strip_prefix("context.args_host.").and_then(|names| names.split('.').next()) {
            // A host is given as a host, or as a part of a URL or of an address.
            let hosts = values.iter().filter_map(|value| serde_json::from_str::<String>(value).ok());
            let forms = hosts.flat_map(|host| [format!("https://{host}/"), format!("somebody@{host}"), host]);
            out.entry(name.to_owned()).or_default().extend(forms.map(|form| Value::String(form).to_string()));
        }
    }
    out
}

/// Targets of methods that may matter: none, one nobody names, and what policies compare targets with.
#[must_use]
pub fn targets(laws: &[&Law]) -> Vec<String> {
    let mut chains = BTreeMap::new();
    for policy in laws.iter().flat_map(|law| law.iter()) {
        policy.clauses.iter().for_each(|clause| expression::compared(&clause.body, &mut chains));
    }
    let mut out = vec![String::new(), "https://elsewhere.example/".to_owned()];
    for name in ["target", "target_canonical", "target_host"] {
        let values = chains.remove(&format!("context.{name}")).unwrap_or_default();
        for text in values.iter().filter_map(|value| serde_json::from_str::<String>(value).ok()) {
            // A host is seen by policies as a part of a URL.
            if name == "target_host" && !text.is_empty() {
                out.extend(["https", "http"].map(|scheme| format!("{scheme}://{text}/")));
            }
            out.push(text);
        }
    }
    out.sort();
    out.dedup();
    out
}

/// Arguments for a tool that fit its reviewed schema, as JSON text; the plainest first. None where no call could be made up.
#[must_use]
pub fn arguments(tool: &Tool, compared: &Compared) -> Vec<String> {
    let Ok(definition) = serde_json::from_str::<Value>(&tool.definition) else { return Vec::new() };
    let schema = definition.get("inputSchema").cloned().unwrap_or_default();
    let plain = plain(&schema, &schema, "", DEPTH_MAX);
    let Value::Object(plain) = plain else { return Vec::new() };
    let empty = Map::new();
    let members = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let mut sets = vec![plain];
    for (name, member) in members {
        let asked = compared.get(name);
        let choices = choices(member, &schema, name, asked);
        let known = sets.len();
        for n in 0..known {
            let Some(base) = sets.get(n).cloned() else { break };
            for choice in &choices {
                // Arguments that no policy looks at are varied one at a time only.
                if sets.len() >= ARGUMENTS_MAX || (asked.is_none() && n > 0) {
                    break;
                }
                let mut next = base.clone();
                match choice {
                    Some(value) => next.insert(name.clone(), value.clone()),
                    None => next.remove(name),
                };
                if !sets.contains(&next) {
                    sets.push(next);
                }
            }
        }
    }
    let fits = |value: &Value| tool.validator.as_ref().is_some_and(|validator| validator.is_valid(value));
    sets.into_iter().map(Value::Object).filter(fits).map(|value| value.to_string()).collect()
}

/// Values for one argument; nothing stands for leaving it out.
fn choices(member: &Value, root: &Value, name: &str, compared: Option<&BTreeSet<String>>) -> Vec<Option<Value>> {
    let mut out = Vec::new();
    let mut add = |value: Value| {
        if !out.contains(&Some(value.clone())) {
            out.push(Some(value));
        }
    };
    let member = resolved(member, root);
    member.get("enum").and_then(Value::as_array).into_iter().flatten().take(8).for_each(|v| add(v.clone()));
    for text in compared.into_iter().flatten() {
        let Ok(value) = serde_json::from_str::<Value>(text) else { continue };
        if let Some(number) = value.as_f64() {
            beside(member, number).into_iter().for_each(&mut add);
        }
        if kind(member) == Some("array") && !value.is_array() {
            add(Value::Array(vec![value.clone()]));
        }
        add(value);
    }
    if compared.is_some() {
        add(plain(member, root, name, DEPTH_MAX));
        add(other(member));
    }
    if kind(member) == Some("boolean") {
        add(Value::Bool(true));
        add(Value::Bool(false));
    }
    out.push(None);
    out
}

/// Numbers just below and just above, of the argument's kind.
fn beside(member: &Value, number: f64) -> Vec<Value> {
    let step = if kind(member) == Some("integer") { 1.0 } else { 0.01 };
    [number - step, number + step].into_iter().filter_map(|n| rounded(n, step)).collect()
}

fn rounded(number: f64, step: f64) -> Option<Value> {
    let text = if step >= 1.0 { format!("{number:.0}") } else { format!("{number:.2}") };
    serde_json::from_str(&expression::plain_number(&text)).ok()
}

/// A value that no policy is likely to have thought of.
fn other(member: &Value) -> Value {
    match kind(member) {
        Some("integer" | "number") => Value::from(7),
        Some("boolean") => Value::Bool(true),
        Some("array") => Value::Array(Vec::new()),
        Some(_) | None => Value::from("something else"),
    }
}

fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(one) => Some(one),
        Value::Array(several) => several.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn resolved<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// The plainest value a schema takes, as far as it is one of the common forms.
fn plain(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    let schema = resolved(schema, root);
    for keyword in ["const", "default"] {
        if let Some(value) = schema.get(keyword) {
            return value.clone();
        }
    }
    for keyword in ["enum", "examples"] {
        if let Some(first) = schema.get(keyword).and_then(Value::as_array).and_then(|all| all.first()) {
            return first.clone();
        }
    }
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    for keyword in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema.get(keyword).and_then(Value::as_array).and_then(|all| all.first()) {
            return plain(first, root, name, depth);
        }
    }
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    match kind(schema).or_else(|| schema.get("properties").map(|_| "object")) {
        Some("string") => Value::from(text(schema, name)),
        Some(kind @ ("integer" | "number")) => {
            let (low, high) = (number("minimum").unwrap_or(1.0), number("maximum").unwrap_or(f64::MAX));
            let low = number("exclusiveMinimum").map_or(low, |above| above.max(low - 1.0) + 1.0);
            let chosen = low.max(1.0).min(high);
            rounded(chosen, if kind == "integer" { 1.0 } else { 0.01 }).unwrap_or(Value::from(1))
        }
        Some("boolean") => Value::Bool(false),
        Some("array") => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            let item = schema.get("items").map_or(Value::Null, |items| plain(items, root, name, depth));
            Value::Array((0..least.min(8)).map(|_| item.clone()).collect())
        }
        Some("object") => {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            let members = required.filter_map(Value::as_str).filter_map(|name| {
                let member = schema.get("properties")?.get(name)?;
                Some((name.to_owned(), plain(member, root, name, depth)))
            });
            Value::Object(members.collect())
        }
        Some(_) | None => Value::Null,
    }
}

/// A text of the kind a schema asks for.
fn text(schema: &Value, name: &str) -> String {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let text = match format {
        "email" | "idn-email" => "someone@elsewhere.example",
        "uri" | "uri-reference" | "iri" | "url" => "https://elsewhere.example/",
        "hostname" | "idn-hostname" => "elsewhere.example",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "date" => "2026-01-01",
        "date-time" => "2026-01-01T00:00:00Z",
        "uuid" => "00000000-0000-4000-8000-000000000000",
        _ => match name.to_ascii_lowercase().as_str() {
            "path" | "file" | "folder" | "directory" => "/a",
            "url" | "uri" => "https://elsewhere.example/",
            "to" | "email" | "recipient_email" => "someone@elsewhere.example",
            _ => "text",
        },
    };
    let least = schema.get("minLength").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    if let Some(text) = schema.get("pattern").and_then(Value::as_str).and_then(|pattern| patterned(pattern, least)) {
        return text;
    }
    let most = schema.get("maxLength").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let mut out: String = text.chars().take(most.unwrap_or(usize::MAX)).collect();
    while out.chars().count() < least.min(TEXT_MAX) {
        out.push('x');
    }
    out
}

/// A text of at least so many characters that fits a pattern; nothing where the pattern is beyond this: one that looks
/// ahead or back, or names what it matched before.
fn patterned(pattern: &str, least: usize) -> Option<String> {
    let parsed = regex_syntax::parse(pattern).ok()?;
    let of = |more: u32| matching(&parsed, more);
    [0, 1, 4, 16, 64, 256].into_iter().filter_map(of).find(|text| text.chars().count() >= least)
}

/// The first text that fits, with so many more repetitions than must be, as far as they may be.
fn matching(hir: &Hir, more: u32) -> Option<String> {
    let all = |parts: &[Hir]| parts.iter().map(|part| matching(part, more)).collect::<Option<String>>();
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(String::new()),
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
        HirKind::Class(Class::Unicode(class)) => {
            let fits = |c: char| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c));
            let first = class.ranges().first().map(|range| range.start());
            ['a', 'A', '1'].into_iter().find(|c| fits(*c)).or(first).map(String::from)
        }
        HirKind::Class(Class::Bytes(_)) => None,
        HirKind::Repetition(repeated) => {
            let times = repeated.min.saturating_add(more).min(repeated.max.unwrap_or(u32::MAX));
            Some(matching(&repeated.sub, more)?.repeat(usize::try_from(times).ok()?.min(TEXT_MAX)))
        }
        HirKind::Capture(capture) => matching(&capture.sub, more),
        HirKind::Concat(parts) => all(parts),
        HirKind::Alternation(parts) => parts.iter().find_map(|part| matching(part, more)),
    }
}

/// Sets of these words: all of them where they are few, else none, each, each pair, and all.
#[must_use]
pub fn subsets(words: &BTreeSet<String>) -> Vec<BTreeSet<String>> {
    let all: Vec<&String> = words.iter().collect();
    let mut out = vec![BTreeSet::new()];
    if all.len() <= COMBINED_MAX {
        for word in all {
            let more: Vec<BTreeSet<String>> =
                out.iter().map(|set| set.iter().cloned().chain([word.clone()]).collect()).collect();
            out.extend(more);
        }
        out.sort_by_key(|set| (set.len(), set.clone()));
        return out;
    }
    for (n, one) in all.iter().enumerate() {
        out.push(BTreeSet::from([(*one).clone()]));
        out.extend(all.iter().skip(n + 1).map(|two| BTreeSet::from([(*one).clone(), (*two).clone()])));
    }
    out.push(words.clone());
    out.sort_by_key(|set| (set.len(), set.clone()));
    out
}

/// Somebody of this name, who belongs to these teams and acts for nobody.
#[must_use]
pub fn somebody(agent: &str, teams: &[&str]) -> Principal {
    Principal {
        agent: agent.to_owned(),
        method: "token".to_owned(),
        teams: teams.iter().map(|team| (*team).to_owned()).collect(),
        tenant: "default".to_owned(),
        user: String::new(),
    }
}

/// Who may come: those that are known, a member of each team and each agent that policies name, and one whom nobody names.
#[must_use]
pub fn principals(known: &[Principal], laws: &[&Law]) -> Vec<Principal> {
    let mut out = vec![somebody("anybody", &[])];
    for law in laws {
        out.extend(law.named("Gate::Team").iter().map(|team| somebody(&format!("anybody-of-{team}"), &[team])));
        out.extend(law.named("Gate::Agent").iter().map(|agent| somebody(agent, &[])));
    }
    // Who is configured is known with teams and user: the same name out of a policy tells less.
    out.retain(|one| known.iter().all(|k| k.agent != one.agent));
    out.extend(known.iter().cloned());
    let mut seen = BTreeSet::new();
    out.retain(|one| seen.insert((one.key(), one.teams.clone())));
    out
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use pdp::digest::Digest;
    use pdp::fault::SourceFile;
    use pdp::snapshot::{Snapshot, Sources};

    use super::*;

    #[test]
    fn arguments_fit_their_schema_and_try_what_policies_ask_for() {
        let sources = crate::reload::read(None).unwrap();
        let snapshot = Snapshot::build(&sources).unwrap();
        let law = Law::of(&snapshot, &sources.policies);
        let office = snapshot.server("office").unwrap();
        let of = |tool: &str| {
            let tool = office.reviewed(tool).unwrap();
            arguments(tool, &compared(&[&law], office, tool))
        };
        let pay = of("payments_send");
        for amount in ["\"amount\":1000", "\"amount\":1000.01", "\"amount\":999.99"] {
            assert!(pay.iter().any(|text| text.contains(amount)), "{amount}: {pay:?}");
        }
        let mail = of("mail_send");
        assert!(mail.iter().any(|text| text.contains("\"to\":\"x@office.example\"")), "{mail:?}");
        assert!(mail.iter().any(|text| text.contains("\"to\":\"someone@elsewhere.example\"")), "{mail:?}");
        assert_eq!(of("mail_list"), ["{}"]);
        for (server, tool) in snapshot.registry().servers.values().flat_map(|s| s.tools.values().map(move |t| (s, t))) {
            for text in arguments(tool, &compared(&[&law], server, tool)) {
                let value: Value = serde_json::from_str(&text).unwrap();
                assert!(tool.validator.as_ref().unwrap().is_valid(&value), "{} {}: {text}", server.name, tool.name);
            }
        }
    }

    /// The shipped bundle with one more server, `odd`: its tool `ask` takes a text with this schema, and may be used by all.
    pub(in crate::desk) fn with_tool(text: &Value) -> Sources {
        let mut sources = crate::reload::read(None).unwrap();
        let schema = serde_json::json!({ "type": "object", "properties": { "code": text }, "required": ["code"] });
        let definition =
            serde_json::json!({ "name": "ask", "description": "Asks.", "inputSchema": schema }).to_string();
        let entry = format!(
            "name = \"odd\"\n[transport]\nkind = \"http\"\nurl = \"http://127.0.0.1:1/mcp\"\n[tools.ask]\n\
             effect = [\"execute\"]\npin = \"{}\"\nreviewed_by = \"r\"\nreviewed_at = \"2026-11-20\"\n",
            Digest::of_json(&definition).unwrap()
        );
        let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
        sources.registry.push(file("registry/servers/odd.toml", entry));
        sources.registry.push(file("registry/servers/odd.tools.json", format!("[{definition}]")));
        let permit = "@id(\"odd\") permit (principal, action == odd::Action::\"ask\", resource);".to_owned();
        sources.policies.push(file("policies/odd.cedar", permit));
        sources
    }

    #[test]
    fn a_text_fits_its_pattern_where_one_can_be_made_up() {
        for (pattern, least, want) in [
            ("^[A-Z]{3}-\\d{4}$", 0, Some("AAA-1111")),
            ("^[a-z0-9]+(\\.[a-z]+)?$", 6, Some("aaaaa.aaaaa")),
            ("^(?:draft|final)$", 0, Some("draft")),
            ("^\\d{2}$", 5, None),
            ("^(?=a)a$", 0, None),
            ("(a)\\1", 0, None),
        ] {
            assert_eq!(patterned(pattern, least).as_deref(), want, "{pattern}");
        }
        let of = |text: Value| {
            let snapshot = Snapshot::build(&with_tool(&text)).unwrap();
            arguments(snapshot.server("odd").unwrap().reviewed("ask").unwrap(), &Compared::new())
        };
        assert_eq!(of(serde_json::json!({ "type": "string", "pattern": "^[A-Z]{3}$" })), ["{\"code\":\"AAA\"}"]);
        assert!(of(serde_json::json!({ "type": "string", "pattern": "^(?=q)q$" })).is_empty());
    }

    #[test]
    fn few_words_are_combined_and_many_are_paired() {
        let words = |n: usize| (0..n).map(|n| format!("w{n}")).collect::<BTreeSet<_>>();
        assert_eq!(subsets(&words(3)).len(), 8);
        assert_eq!(subsets(&words(6)).len(), 1 + 6 + 15 + 1);
        assert!(subsets(&words(9)).contains(&words(9)));
    }
}
