//! What is wrong in a message: its encoding, its envelope, what it asks for.

use pdp::refusal::Code;
use serde_json::json;

use super::{Case, case};
use crate::gate::client::{Request, call, rpc};

fn body(text: impl Into<Vec<u8>>) -> Request {
    Request::post("/web/mcp", text)
}

/// Bodies that are no JSON-RPC message, or more than one.
pub(super) fn unreadable() -> Vec<Case> {
    let mut all = Vec::new();
    let mut each = |code: Code, texts: &[(&'static str, &[u8])]| {
        all.extend(texts.iter().map(|(name, text)| case(name, body(*text), 400, code)));
    };
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(5_000));
    let just_too_deep =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{}1{}}}"#, "[".repeat(64), "]".repeat(64));
    let deep_call = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"x","more":{}1{}}}}}}}"#,
        r#"{"a":"#.repeat(80),
        "}".repeat(80)
    );
    let deep_twin = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{}{{"k":1,"k":2}}{}}}"#,
        r#"{"a":["#.repeat(15),
        "]}".repeat(15)
    );
    let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":1")).collect();
    let many = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{{},"k7":2}}}}"#, many.join(","));
    each(
        Code::NotJson,
        &[
            ("nothing", b""),
            ("words", b"hello"),
            ("half a message", b"{\"jsonrpc\":\"2.0\""),
            (
                "two messages",
                b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}",
            ),
            ("a trailing comma", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",}"),
            ("single quotes", b"{'jsonrpc':'2.0','id':1,'method':'ping'}"),
            ("a comment", b"{\"jsonrpc\":\"2.0\",\"id\":1,/* x */\"method\":\"ping\"}"),
            ("not a number", b"{\"jsonrpc\":\"2.0\",\"id\":NaN,\"method\":\"ping\"}"),
            ("a leading zero", b"{\"jsonrpc\":\"2.0\",\"id\":01,\"method\":\"ping\"}"),
            ("a raw NUL", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\0ng\"}"),
            ("a raw line break in a string", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\nng\"}"),
            ("bytes that are no text", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}"),
            ("an overlong slash", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools\xc0\xafcall\"}"),
            ("UTF-16", b"{\0\"\0j\0"),
            ("a byte order mark", b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"),
        ],
    );
    each(
        Code::DuplicateMember,
        &[
            ("a method twice", br#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#),
            ("a method twice, one escaped", br#"{"jsonrpc":"2.0","id":1,"method":"ping","\u006dethod":"tools/call"}"#),
            ("an id twice", br#"{"jsonrpc":"2.0","id":1,"method":"ping","id":2}"#),
            ("a tool's name twice", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"wipe"}}"#),
            (
                "an argument twice",
                br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"note","arguments":{"path":"/notes/a","path":"/etc/passwd"}}}"#,
            ),
            (
                "an argument twice, one escaped",
                br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"note","arguments":{"path":"/notes/a","p\u0061th":"/etc/passwd"}}}"#,
            ),
            ("an empty name twice", br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"":1,"":2}}"#),
            ("a member twice, thirty levels down", deep_twin.as_bytes()),
            ("a member twice among forty", many.as_bytes()),
            ("a member twice in a list", br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"l":[{},{"a":1,"a":1}]}}"#),
        ],
    );
    each(
        Code::Batch,
        &[
            ("a batch", br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#),
            (
                "a batch of two",
                br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#,
            ),
            ("an empty batch", b"[]"),
            ("a batch behind white space", b" \t\r\n [ ]"),
            ("sixty thousand brackets", deep.as_bytes()),
        ],
    );
    each(
        Code::TooDeep,
        &[("one level too deep", just_too_deep.as_bytes()), ("arguments too deep", deep_call.as_bytes())],
    );
    all.extend(envelopes());
    // What asks nothing is answered by the status alone.
    let unnamed = body(r#"{"jsonrpc":"2.0","method":"notifications/vendor"}"#);
    all.push(case("a notification nobody named", unnamed, 403, Code::MethodClosed));
    all
}

fn envelopes() -> Vec<Case> {
    let texts = [
        ("null", "null"),
        ("a number", "7"),
        ("a string", r#""ping""#),
        ("an empty object", "{}"),
        ("no version", r#"{"id":1,"method":"ping"}"#),
        ("an old version", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#),
        ("a version that is a number", r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#),
        ("no method and no answer", r#"{"jsonrpc":"2.0","id":1}"#),
        ("a method that is a number", r#"{"jsonrpc":"2.0","id":1,"method":5}"#),
        ("a method that is null", r#"{"jsonrpc":"2.0","id":1,"method":null}"#),
        ("an id that is null", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#),
        ("an id that is an object", r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#),
        ("an id that is a list", r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#),
        ("an id that is true", r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#),
        ("a method and a result", r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#),
        ("a method and an error", r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":{"code":1,"message":""}}"#),
        ("a result and an error", r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#),
        ("a result without an id", r#"{"jsonrpc":"2.0","result":{}}"#),
        ("a second method in another case", r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#),
        ("an id in another case", r#"{"jsonrpc":"2.0","ID":1,"method":"ping"}"#),
        ("params in another case", r#"{"jsonrpc":"2.0","id":1,"method":"ping","PARAMS":{}}"#),
        ("an answer to a question never asked", r#"{"jsonrpc":"2.0","id":"question-1","result":{"roots":[]}}"#),
        ("an error to a question never asked", r#"{"jsonrpc":"2.0","id":5,"error":{"code":-1,"message":"no"}}"#),
        ("an error about nothing", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#),
    ];
    texts.into_iter().map(|(name, text)| case(name, body(text), 400, Code::NotJsonRpc)).collect()
}

/// Well-formed messages that ask for what they may not have.
pub(super) fn refused() -> Vec<Case> {
    let raw_call =
        |params: &str| body(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#));
    let tool = |name: &str, arguments: serde_json::Value| body(call(1, name, arguments));
    let mut all = Vec::new();
    let mut each = |code: Code, requests: Vec<(&'static str, Request)>| {
        all.extend(requests.into_iter().map(|(name, request)| case(name, request, 200, code)));
    };
    each(
        Code::MethodClosed,
        vec![
            ("a method nobody named", body(rpc(1, "vendor/secret", json!({})))),
            ("a method in another case", body(rpc(1, "Tools/Call", json!({})))),
            ("a method with a NUL", body(rpc(1, "ping\0", json!({})))),
            ("an empty method", body(rpc(1, "", json!({})))),
            ("a feature that is closed", body(rpc(1, "completion/complete", json!({})))),
            ("a question of a client's", body(rpc(1, "sampling/createMessage", json!({})))),
            ("the stream as a method", body(rpc(1, "stream", json!({})))),
            ("the session's end as a method", body(rpc(1, "session/end", json!({})))),
            ("an answer as a method", body(rpc(1, "response", json!({})))),
            ("a method of 30,000 letters", body(rpc(1, &"m".repeat(30_000), json!({})))),
        ],
    );
    each(
        Code::UnknownTool,
        vec![
            ("a tool nobody knows", tool("rm", json!({}))),
            ("a tool that is listed and not registered", tool("hidden", json!({}))),
            ("a tool without a review", tool("draft", json!({}))),
            ("a tool in another case", tool("Echo", json!({ "text": "x" }))),
            ("a tool with a NUL", tool("echo\0", json!({ "text": "x" }))),
            ("a tool with a blank", tool("echo ", json!({ "text": "x" }))),
            ("a tool without a name", tool("", json!({}))),
            ("a tool in another alphabet", tool("\u{435}cho", json!({ "text": "x" }))),
        ],
    );
    each(Code::DefinitionChanged, vec![("a tool the server no longer lists", tool("gone", json!({})))]);
    each(
        Code::BadParameters,
        vec![
            ("a call without parameters", body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#)),
            ("a call with a list of parameters", raw_call(r#"["echo"]"#)),
            ("a call with no name", raw_call(r#"{"arguments":{}}"#)),
            ("a name that is a number", raw_call(r#"{"name":5}"#)),
            ("a second name in another case", raw_call(r#"{"name":"echo","Name":"wipe","arguments":{"text":"x"}}"#)),
            (
                "second arguments in another case",
                raw_call(r#"{"name":"note","arguments":{"path":"/notes/a"},"ARGUMENTS":{"path":"/etc"}}"#),
            ),
        ],
    );
    each(
        Code::BadArguments,
        vec![
            ("arguments that are a string", raw_call(r#"{"name":"echo","arguments":"text"}"#)),
            ("arguments that are a list", raw_call(r#"{"name":"echo","arguments":["text"]}"#)),
            ("an argument that is missing", tool("echo", json!({}))),
            ("an argument of another type", tool("echo", json!({ "text": 5 }))),
            ("an argument that is null", tool("echo", json!({ "text": null }))),
            ("a fraction where an integer is due", tool("pay", json!({ "amount": 1, "count": 1.5 }))),
            (
                "an entity where a text is due",
                tool("note", json!({ "path": { "__entity": { "type": "Gate::Agent", "id": "x" } } })),
            ),
            (
                "an extension where a number is due",
                raw_call(r#"{"name":"pay","arguments":{"amount":{"__extn":{"fn":"decimal","arg":"1.0"}}}}"#),
            ),
        ],
    );
    each(
        Code::Denied,
        vec![
            ("what no policy permits", tool("wipe", json!({ "path": "/" }))),
            ("a path outside", tool("note", json!({ "path": "/etc/passwd" }))),
            ("a path that climbs out", tool("note", json!({ "path": "/notes/../etc/passwd" }))),
            ("a path that climbs out later", tool("note", json!({ "path": "/notes/a/b/../../../etc/passwd" }))),
            ("a path that climbs out with dots between", tool("note", json!({ "path": "/notes/./.././etc" }))),
            ("a path that climbs out with slashes between", tool("note", json!({ "path": "/notes//..//etc" }))),
            ("a path that is not absolute", tool("note", json!({ "path": "notes/a" }))),
            ("too large a payment", tool("pay", json!({ "amount": 1001 }))),
            ("a payment beyond four places", raw_call(r#"{"name":"pay","arguments":{"amount":0.12345}}"#)),
            ("a payment no decimal holds", raw_call(r#"{"name":"pay","arguments":{"amount":1e300}}"#)),
            (
                "a payment of many digits",
                raw_call(r#"{"name":"pay","arguments":{"amount":1.00000000000000000000000000001}}"#),
            ),
            (
                "a count beyond 64 bits",
                raw_call(r#"{"name":"pay","arguments":{"amount":1,"count":9223372036854775808}}"#),
            ),
            (
                "an argument twice, once in another case",
                tool("note", json!({ "path": "/notes/a", "PATH": "/etc/passwd" })),
            ),
        ],
    );
    each(Code::ApprovalPending, vec![("what a person must approve", tool("send", json!({ "to": "x@y.example" })))]);
    all
}
