//! The law the scripts run under: five servers and their policies, as the files an operator would write.
//!
//! Small on purpose, and independent of the repository's own bundle, so that editing that one breaks no script.

use std::sync::{Arc, OnceLock};

use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::snapshot::{Snapshot, Sources};

/// One tool: its name, its lines in the registry, its input schema, and whether it was reviewed.
struct ToolText {
    name: &'static str,
    lines: &'static str,
    schema: &'static str,
    reviewed: bool,
}

/// One server: its name, the head of its registry file, its tools.
struct ServerText {
    name: &'static str,
    head: &'static str,
    tools: &'static [ToolText],
}

const fn tool(name: &'static str, lines: &'static str, schema: &'static str) -> ToolText {
    ToolText { name, lines, schema, reviewed: true }
}

const NOTHING: &str = r#"{"type":"object"}"#;

const SERVERS: [ServerText; 8] = [
    ServerText {
        name: "mail",
        head: r#"
            labels = ["untrusted"]
            open = ["resources", "notifications/message"]
            [transport]
            kind = "http"
            url = "https://mail.test/mcp"
            [credential]
            env = "MAIL_TOKEN"
        "#,
        tools: &[
            tool(
                "read",
                r#"effect = ["read"]
                labels = ["untrusted", "private"]"#,
                r#"{"type":"object","properties":{"id":{"type":"integer"},"Folder":{"type":"string"}},"required":["id"]}"#,
            ),
            tool(
                "search",
                r#"effect = ["read"]
                deliver = "quoted""#,
                r#"{"type":"object","properties":{"query":{"type":"string"}}}"#,
            ),
            tool(
                "send",
                r#"effect = ["egress"]
                labels = []
                sensitive = ["body"]
                timeout_ms = 5000"#,
                r#"{"type":"object","properties":{"to":{"type":"string"},"body":{"type":"string"}},"required":["to"],"additionalProperties":false}"#,
            ),
            tool("purge", r#"effect = ["destructive"]"#, NOTHING),
            ToolText { name: "draft", lines: r#"effect = ["write"]"#, schema: NOTHING, reviewed: false },
        ],
    },
    ServerText {
        name: "files",
        head: r#"
            labels = ["private"]
            open = ["resources", "roots"]
            [transport]
            kind = "stdio"
            command = "files-server"
        "#,
        tools: &[
            tool(
                "read",
                r#"effect = ["read"]"#,
                r#"{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}"#,
            ),
            tool(
                "write",
                r#"effect = ["write"]"#,
                r#"{"type":"object","properties":{"path":{"type":"string"},"text":{"type":"string"}},"required":["path"]}"#,
            ),
        ],
    },
    ServerText {
        name: "bank",
        head: r#"
            system = "Ledger of the bank"
            [transport]
            kind = "http"
            url = "https://bank.test/mcp"
            [credential]
            env = "BANK_TOKEN"
        "#,
        tools: &[
            tool(
                "balance",
                r#"effect = ["read"]
                labels = ["private"]"#,
                NOTHING,
            ),
            tool(
                "pay",
                r#"effect = ["spend"]
                sinks = ["to"]"#,
                r#"{"type":"object","properties":{"to":{"type":"string"},"amount":{"type":"integer"}},"required":["to","amount"]}"#,
            ),
        ],
    },
    ServerText {
        name: "web",
        head: r#"
            labels = ["untrusted"]
            [transport]
            kind = "http"
            url = "https://web.test/mcp"
        "#,
        tools: &[
            tool(
                "fetch",
                r#"effect = ["egress"]"#,
                r#"{"type":"object","properties":{"url":{"type":"string"}},"required":["url"]}"#,
            ),
            tool(
                "gauge",
                r#"effect = ["read"]"#,
                r#"{"type":"object"},"outputSchema":{"type":"object","properties":{"unit":{"enum":["m","km"]}},"required":["unit"]}"#,
            ),
        ],
    },
    ServerText {
        name: "lab",
        head: r#"
            open = ["resources", "prompts", "completion", "logging", "sampling", "elicitation", "roots", "tasks", "skills", "vendor/thing"]
            [transport]
            kind = "http"
            url = "https://lab.test/mcp"
        "#,
        tools: &[
            tool("probe", r#"effect = ["execute"]"#, NOTHING),
            tool(
                "route",
                r#"effect = ["read"]"#,
                r#"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"options":{"type":"object","properties":{"limit":{"type":"integer","x-mcp-header":"Limit"}}}}}"#,
            ),
            tool(
                "survey",
                r#"effect = ["read"]
                labels = ["untrusted"]
                deliver = "quoted"
                output = "pass""#,
                r#"{"type":"object"},"outputSchema":{"type":"object","properties":{"unit":{"enum":["m","km"]}}}"#,
            ),
        ],
    },
    // Everything that may surround a call.
    ServerText {
        name: "shop",
        head: r#"
            [transport]
            kind = "http"
            url = "https://shop.test/mcp"
        "#,
        tools: &[
            tool(
                "order",
                r#"effect = ["spend"]
                cost = { call = 1, argument = "/count", result = "/structuredContent/cost" }
                preview = { argument = "dry_run", impact = { total = { at = "/structuredContent/total", is = "long" } } }
                check = { fields = [
                    { at = "/structuredContent/order" },
                    { at = "/structuredContent/total", min = "0", max = "100", optional = true },
                ] }
                rollback = { tool = "cancel", arguments = { order = { result = "/structuredContent/order" }, why = { text = "gate" } } }"#,
                r#"{"type":"object","properties":{"item":{"type":"string"},"count":{"type":"integer"},"dry_run":{"type":"boolean"}},"required":["item"]}"#,
            ),
            tool(
                "cancel",
                r#"effect = ["write"]"#,
                r#"{"type":"object","properties":{"order":{"type":"string"},"why":{"type":"string"}},"required":["order"]}"#,
            ),
            tool(
                "quote",
                r#"effect = ["read"]"#,
                r#"{"type":"object","properties":{"item":{"type":"string"}},"required":["item"]}"#,
            ),
            tool(
                "rent",
                r#"effect = ["spend"]
                preview = { tool = "quote", arguments = { item = "/item" }, impact = { price = { at = "/structuredContent/price", is = "decimal" } } }"#,
                r#"{"type":"object","properties":{"item":{"type":"string"},"days":{"type":"integer"}},"required":["item"]}"#,
            ),
            tool(
                "post",
                r#"effect = ["write"]
                labels = ["private"]
                check = { bytes_max = 120, fields = [{ at = "/structuredContent/text", same_as = "/text", optional = true }] }"#,
                r#"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}"#,
            ),
        ],
    },
    // Tools that may, must and must not be called as tasks (MCP 2025-11-25).
    ServerText {
        name: "yard",
        head: r#"
            open = ["tasks"]
            [transport]
            kind = "http"
            url = "https://yard.test/mcp"
        "#,
        tools: &[
            tool(
                "ship",
                r#"effect = ["spend"]
                labels = ["private"]"#,
                r#"{"type":"object","properties":{"count":{"type":"integer"}},"required":["count"]},"execution":{"taskSupport":"optional"}"#,
            ),
            tool(
                "haul",
                r#"effect = ["spend"]"#,
                r#"{"type":"object","properties":{"count":{"type":"integer"}},"required":["count"]},"execution":{"taskSupport":"required"}"#,
            ),
            tool(
                "lift",
                r#"effect = ["spend"]"#,
                r#"{"type":"object","properties":{"count":{"type":"integer"}},"required":["count"]}"#,
            ),
        ],
    },
    // A server with limits of its own.
    ServerText {
        name: "kiosk",
        head: r#"
            limits = { steps = 2, bytes_out = 40, cost = 9, repeats = 1, in_flight = 1, failures_in_row = 1, elapsed_s = 60 }
            [transport]
            kind = "http"
            url = "https://kiosk.test/mcp"
        "#,
        tools: &[
            tool(
                "sell",
                r#"effect = ["spend"]
                cost = { call = 1, argument = "/price" }"#,
                r#"{"type":"object","properties":{"what":{"type":"string"},"price":{"type":"number"}}}"#,
            ),
            tool("look", r#"effect = ["read"]"#, r#"{"type":"object","properties":{"at":{"type":"string"}}}"#),
        ],
    },
];

/// The standard policies.
pub(crate) const LAW: &str = r#"
@id("lifecycle") permit (principal, action in Gate::Action::"lifecycle", resource);
@id("reads") permit (principal, action in Gate::Action::"read", resource);
@id("staff") permit (principal in Gate::Team::"staff", action in [Gate::Action::"call", Gate::Action::"feature"], resource);

@id("trifecta") @reason("Egress after reading both untrusted and private data") @approval("security")
forbid (principal, action in Gate::Action::"egress", resource)
when { context.gate.labels.containsAll([Gate::Label::"untrusted", Gate::Label::"private"]) };

@id("large-payment") @reason("More than 100 leaves the account") @approval("owner")
forbid (principal, action == bank::Action::"pay", resource) when { context.args.amount > 100 };

@id("tainted-payment") @reason("Money does not move in a task that has read untrusted text")
forbid (principal, action == bank::Action::"pay", resource)
when { context.gate.labels.contains(Gate::Label::"untrusted") };

@id("fee") @reason("The fee would exceed the limit")
forbid (principal, action == bank::Action::"pay", resource) when { context.args.amount + 1 > 1000000 };

@id("no-purge") @reason("An agent does not purge mail")
forbid (principal, action == mail::Action::"purge", resource);

@id("heavy") @reason("More than 10 leave the yard") @approval("owner")
forbid (principal, action in [yard::Action::"ship", yard::Action::"haul", yard::Action::"lift"], resource)
when { context.args.count > 10 };

@id("dear-order") @reason("The order would cost more than 50") @approval("owner")
forbid (principal, action == shop::Action::"order", resource)
when { context.gate has impact && context.gate.impact has total && context.gate.impact.total > 50 };

@id("ruinous-order") @reason("The order would cost more than 500")
forbid (principal, action == shop::Action::"order", resource)
when { context.gate has impact && context.gate.impact has total && context.gate.impact.total > 500 };

@id("dear-rent") @reason("The rent would be above 9.50")
forbid (principal, action == shop::Action::"rent", resource)
when { context.gate has impact && context.gate.impact has price && context.gate.impact.price.greaterThan(decimal("9.5")) };
"#;

/// The names of the servers.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SERVERS.iter().map(|server| server.name)
}

/// The definitions a server lists: every tool of the registry, as it was reviewed.
pub(crate) fn definitions(server: &str) -> Vec<(String, String)> {
    let tools = SERVERS.iter().find(|s| s.name == server).map(|s| s.tools).unwrap_or_default();
    tools.iter().map(|t| (t.name.to_owned(), definition(t.name, t.schema))).collect()
}

/// A tool definition as a server lists it.
pub(crate) fn definition(name: &str, schema: &str) -> String {
    format!(r#"{{"name":"{name}","description":"The tool {name}.","inputSchema":{schema}}}"#)
}

fn registry() -> Vec<SourceFile> {
    let mut files = Vec::new();
    for server in &SERVERS {
        let mut text = format!("name = \"{}\"\n{}\n", server.name, server.head);
        for tool in server.tools {
            let pin = Digest::of_json(&definition(tool.name, tool.schema)).unwrap();
            text.push_str(&format!("[tools.{}]\n{}\npin = \"{pin}\"\n", tool.name, tool.lines));
            if tool.reviewed {
                text.push_str("reviewed_by = \"ana\"\nreviewed_at = \"2026-11-20\"\n");
            }
        }
        let listed: Vec<String> = definitions(server.name).into_iter().map(|(_, text)| text).collect();
        files.push(SourceFile { path: format!("servers/{}.toml", server.name), text });
        let listed = format!("[{}]", listed.join(","));
        files.push(SourceFile { path: format!("servers/{}.tools.json", server.name), text: listed });
    }
    files
}

/// A snapshot of the standard registry under the standard policies, with a profile for tasks that nobody opened.
pub(crate) fn limited(limits: &str) -> Arc<Snapshot> {
    let policies = vec![SourceFile { path: "law.cedar".to_owned(), text: LAW.to_owned() }];
    let mut registry = registry();
    let text = format!("name = \"default\"\n[limits]\n{limits}\n");
    registry.push(SourceFile { path: "tasks/default.toml".to_owned(), text });
    Arc::new(Snapshot::build(&Sources { policies, registry }).unwrap())
}

/// A snapshot of the standard registry under these policies.
pub(crate) fn snapshot(policies: &str) -> Arc<Snapshot> {
    static STANDARD: OnceLock<Arc<Snapshot>> = OnceLock::new();
    let build = || {
        let policies = vec![SourceFile { path: "law.cedar".to_owned(), text: policies.to_owned() }];
        match Snapshot::build(&Sources { policies, registry: registry() }) {
            Ok(snapshot) => Arc::new(snapshot),
            Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    };
    if policies == LAW { Arc::clone(STANDARD.get_or_init(build)) } else { build() }
}
