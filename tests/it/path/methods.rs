//! Every method of MCP, both eras, in both directions: which are open, which are closed, which the law forbids.

scripts! {
    /// `lab` opens every feature.
    whatever_the_registry_opens_passes: r#"
        > initialize lab {"protocolVersion":"2025-11-25"}
        ! notifications/initialized lab
        > server/discover lab
        > ping lab
        > tools/list lab
        > subscriptions/listen lab {"filter":{}}
        ! notifications/cancelled lab {"requestId":1}
        ! notifications/progress lab {"progressToken":1,"progress":1}
        > resources/list lab
        > resources/templates/list lab
        > resources/read lab {"uri":"file:///a"}
        > resources/subscribe lab {"uri":"file:///a"}
        > resources/unsubscribe lab {"uri":"file:///a"}
        > prompts/list lab
        > prompts/get lab {"name":"greet"}
        > completion/complete lab {"ref":{"type":"ref/prompt","name":"greet"}}
        > logging/setLevel lab {"level":"debug"}
        ! notifications/roots/list_changed lab
        > tasks/get lab {"taskId":"t1"}
        > tasks/result lab {"taskId":"t1"}
        > tasks/list lab
        > tasks/cancel lab {"taskId":"t1"}
        > tasks/update lab {"taskId":"t1"}
        > skills/list lab
        > skills/get lab {"uri":"skill://s/SKILL.md"}
        > resources/directory/read lab {"uri":"skill://s"}
        > vendor/thing lab {"x":1}
    "# => r#"
        sent to lab: initialize
        > initialize lab: all nine -> served
        sent to lab: notifications/initialized
        >! notifications/initialized lab: all nine -> served
        sent to lab: server/discover
        > server/discover lab: all nine -> served
        sent to lab: ping
        > ping lab: all nine -> served
        sent to lab: tools/list
        > tools/list lab: all nine -> served
        sent to lab: subscriptions/listen
        > subscriptions/listen lab: all nine -> served
        sent to lab: notifications/cancelled
        >! notifications/cancelled lab: all nine -> served
        sent to lab: notifications/progress
        >! notifications/progress lab: all nine -> served
        sent to lab: resources/list
        > resources/list lab: all nine -> served
        sent to lab: resources/templates/list
        > resources/templates/list lab: all nine -> served
        sent to lab: resources/read
        > resources/read lab file:///a: all nine -> served
        sent to lab: resources/subscribe
        > resources/subscribe lab file:///a: all nine -> served
        sent to lab: resources/unsubscribe
        > resources/unsubscribe lab file:///a: all nine -> served
        sent to lab: prompts/list
        > prompts/list lab: all nine -> served
        sent to lab: prompts/get
        > prompts/get lab greet: all nine -> served
        sent to lab: completion/complete
        > completion/complete lab: all nine -> served
        sent to lab: logging/setLevel
        > logging/setLevel lab debug: all nine -> served
        sent to lab: notifications/roots/list_changed
        >! notifications/roots/list_changed lab: all nine -> served
        sent to lab: tasks/get
        > tasks/get lab t1: all nine -> served [untrusted]
        sent to lab: tasks/result
        > tasks/result lab t1: all nine -> served [untrusted]
        sent to lab: tasks/list
        > tasks/list lab: all nine -> served [untrusted]
        intent: tasks/cancel lab t1
        sent to lab: tasks/cancel
        > tasks/cancel lab t1: all nine -> served [untrusted]
        intent: tasks/update lab t1
        sent to lab: tasks/update
        > tasks/update lab t1: all nine -> served [untrusted]
        sent to lab: skills/list
        > skills/list lab: all nine -> served
        sent to lab: skills/get
        > skills/get lab skill://s/SKILL.md: all nine -> served
        sent to lab: resources/directory/read
        > resources/directory/read lab skill://s: all nine -> served
        intent: vendor/thing lab
        sent to lab: vendor/thing
        > vendor/thing lab: all nine -> served
    "#;

    whatever_the_server_may_say_passes: r#"
        lab streams
        | notifications/progress {"progressToken":1,"progress":1}
        | notifications/cancelled {"requestId":1}
        | notifications/subscriptions/acknowledged
        | notifications/tools/list_changed
        | notifications/resources/updated {"uri":"file:///a"}
        | notifications/resources/list_changed
        | notifications/prompts/list_changed
        | notifications/message {"level":"info","data":"x"}
        | notifications/elicitation/complete {"elicitationId":"e"}
        | notifications/tasks/status {"taskId":"t1"}
        | notifications/tasks {"taskId":"t1"}
        | sampling/createMessage? {"messages":[]}
        open lab
        = lab 7 {"role":"assistant"}
        lab streams
        | elicitation/create? {"url":"https://lab.test/form"}
        open lab
        = lab 7 {"action":"decline"}
        lab streams
        | roots/list?
        open lab
        = lab 7 {"roots":[]}
        close lab
    "# => r#"
        sent to lab: stream
        <! notifications/progress lab: all nine -> served
        event notifications/progress
        <! notifications/cancelled lab: all nine -> served
        event notifications/cancelled
        <! notifications/subscriptions/acknowledged lab: all nine -> served
        event notifications/subscriptions/acknowledged
        <! notifications/tools/list_changed lab: all nine -> served
        event notifications/tools/list_changed
        <! notifications/resources/updated lab file:///a: all nine -> served
        event notifications/resources/updated
        <! notifications/resources/list_changed lab: all nine -> served
        event notifications/resources/list_changed
        <! notifications/prompts/list_changed lab: all nine -> served
        event notifications/prompts/list_changed
        <! notifications/message lab info: all nine -> served
        event notifications/message
        <! notifications/elicitation/complete lab: all nine -> served
        event notifications/elicitation/complete
        <! notifications/tasks/status lab t1: all nine -> served [untrusted]
        event notifications/tasks/status
        <! notifications/tasks lab t1: all nine -> served [untrusted]
        event notifications/tasks
        < sampling/createMessage lab: all nine -> served
        event sampling/createMessage
        >~ stream lab: all nine -> served
        the stream is over
        sent to lab: answer
        >= lab: all nine -> served
        sent to lab: stream
        < elicitation/create lab https://lab.test/form: all nine -> served
        event elicitation/create
        >~ stream lab: all nine -> served
        the stream is over
        sent to lab: answer
        >= lab: all nine -> served
        sent to lab: stream
        < roots/list lab: all nine -> served
        event roots/list
        >~ stream lab: all nine -> served
        the stream is over
        sent to lab: answer
        >= lab: all nine -> served
        >~ session/end lab: intake>audit -> refused session_missing
    "#;

    /// `bank` opens nothing beyond the lifecycle.
    what_the_registry_does_not_open_is_closed: r#"
        > resources/read bank {"uri":"file:///a"}
        show
        > prompts/list bank
        > vendor/thing bank
        > sampling/createMessage bank {}
        > __proto__ bank
        ! notifications/roots/list_changed bank
        > TOOLS/LIST bank
    "# => r#"
        > resources/read bank: intake>audit -> refused method_closed
        200 error -32601 method_closed: Method not found: `resources/read` is not open here
        > prompts/list bank: intake>audit -> refused method_closed
        > vendor/thing bank: intake>audit -> refused method_closed
        > sampling/createMessage bank: intake>audit -> refused method_closed
        > __proto__ bank: intake>audit -> refused method_closed
        >! notifications/roots/list_changed bank: intake>audit -> refused method_closed
        > TOOLS/LIST bank: intake>audit -> refused method_closed
    "#;

    /// MCP 2026-07-28 pairs this error with 404; clients of earlier revisions would take that for a lost session.
    a_closed_method_is_not_found_by_modern_clients: r#"
        modern
        > vendor/thing bank
        show
        > resources/read bank {"uri":"file:///a"}
        show
    "# => r#"
        > vendor/thing bank: intake>audit -> refused method_closed
        404 error -32601 method_closed: Method not found: `vendor/thing` is not open here
        > resources/read bank: intake>audit -> refused method_closed
        404 error -32601 method_closed: Method not found: `resources/read` is not open here
    "#;

    /// `{}` says "done": there is nothing in it that a label could be about.
    an_empty_result_stays_empty: r#"
        > logging/setLevel lab {"level":"info"}
        show
        lab answers {"_meta":{"dev.wicketgate/label":{"trust":"vault"}}}
        > logging/setLevel lab {"level":"info"}
        show
    "# => r#"
        sent to lab: logging/setLevel
        > logging/setLevel lab info: all nine -> served
        200 {"jsonrpc":"2.0","id":1,"result":{}}
        sent to lab: logging/setLevel
        > logging/setLevel lab info: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"_meta":{"dev.wicketgate/label":{"source":{"server":"lab","resource":"info"},"trust":"trusted","labels":[],"trace":"0000000000000003abababababababab","record":2}}}}
    "#;

    what_the_registry_opens_the_law_may_deny: r#"
        as bob
        > resources/list lab
        show
        > ping lab
        > vendor/thing lab
    "# => r#"
        > resources/list lab: intake>classify>audit -> refused denied
        200 error 40300 denied: `resources/list` was denied: no policy permits it.
        sent to lab: ping
        > ping lab: all nine -> served
        > vendor/thing lab: intake>classify>audit -> refused denied
    "#;

    /// A server whose decoder ignores case would read the second name; the law has judged the first.
    the_name_a_method_acts_on_is_written_once_and_as_text: r#"
        > resources/read lab {"uri":"file:///ok","URI":"file:///etc/shadow"}
        show
        > resources/read lab {"uri":["file:///etc/shadow"]}
        show
        > prompts/get lab {"Name":"greet"}
    "# => r#"
        > resources/read lab: intake>audit -> refused bad_parameters
        200 error -32602 bad_parameters: `params.uri` is written in another case: some servers would read both
        > resources/read lab: intake>audit -> refused bad_parameters
        200 error -32602 bad_parameters: `params.uri` must be a string
        > prompts/get lab: intake>audit -> refused bad_parameters
    "#;

    /// A vendor's method brings content like any other.
    the_result_of_a_vendors_method_is_labelled: r#"
        mail answers {"contents":[]}
        > resources/read mail {"uri":"file:///a"}
        show
        lab answers {"x":1}
        > vendor/thing lab
        show
    "# => r#"
        sent to mail: resources/read
        > resources/read mail file:///a: all nine -> served [untrusted]
        200 {"jsonrpc":"2.0","id":1,"result":{"contents":[],"_meta":{"dev.wicketgate/label":{"source":{"server":"mail","resource":"file:///a"},"trust":"untrusted","labels":["untrusted"],"trace":"0000000000000003abababababababab","record":1}}}}
        intent: vendor/thing lab
        sent to lab: vendor/thing
        > vendor/thing lab: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"x":1,"_meta":{"dev.wicketgate/label":{"source":{"server":"lab"},"trust":"trusted","labels":[],"trace":"0000000000000003abababababababab","record":2}}}}
    "#;
}

/// As a method it would pass by the review of its tool: as a notification, or from the server.
#[test]
fn a_tool_call_cannot_be_opened_as_a_method() {
    let text = "name = \"x\"\nopen = [\"tools/call\"]\n[transport]\nkind = \"http\"\nurl = \"https://x.test/\"\n";
    let file = pdp::fault::SourceFile { path: "servers/x.toml".to_owned(), text: text.to_owned() };
    let faults = pdp::registry::load(&[file]).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].to_string().starts_with("servers/x.toml:2:9: `tools/call` is not opened as a method"),
        "{}",
        faults[0]
    );
}
