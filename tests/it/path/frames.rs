//! Every kind of frame from the client: requests, notifications, answers, the opening of a stream, the end of a session.

scripts! {
    a_call_passes_all_nine_stages: r#"
        > tools/call mail read {"id":1}
        show record /principal/agent
        show record /server
        show record /system
        show record /transport
        show record /client
        show record /credential
        show record /target
        show record /effects
        show record /arguments
        show record /attempts/0/address
        show record /attempts/0/status
        show record /decision/rules
        show sent secret
        show
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/call read
        > tools/call mail read: all nine -> served [private, untrusted]
        "ann"
        "mail"
        "mail"
        "http"
        "192.0.2.7"
        "env:MAIL_TOKEN"
        "read"
        ["read"]
        {"id":1}
        "mail.test"
        200
        [{"id":"reads"},{"id":"staff"}]
        secret of mail
        200 {"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"mail","tool":"read"},"trust":"untrusted","labels":["private","untrusted"],"trace":"0000000000000003abababababababab","record":1}}}}
    "#;

    /// The intent is durable before the server hears of the call, the record before the client does.
    an_effect_is_written_down_before_and_after: r#"
        given > tools/list bank
        > tools/call bank pay {"to":"joe","amount":5}
        > tools/call bank balance
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
    "#;

    a_notification_is_a_frame_like_any_other: r#"
        ! notifications/initialized mail
        show
        ! notifications/cancelled mail {"requestId":1}
        ! notifications/roots/list_changed mail
        show
    "# => r#"
        sent to mail: notifications/initialized
        >! notifications/initialized mail: all nine -> served
        202
        sent to mail: notifications/cancelled
        >! notifications/cancelled mail: all nine -> served
        >! notifications/roots/list_changed mail: intake>audit -> refused method_closed
        403 error -32601 method_closed: Method not found: `notifications/roots/list_changed` is not open here
    "#;

    an_answer_must_answer_something: r#"
        = lab 7 {"roots":[]}
        show
    "# => r#"
        >= lab: intake>audit -> refused not_json_rpc
        400 error -32600 not_json_rpc: this answers no request that is open: it was answered, or never asked
    "#;

    an_answer_to_the_servers_question_goes_back: r#"
        lab streams
        | roots/list?
        open lab
        = lab 7 {"roots":[]}
        show
        = lab 7 {"roots":[]}
    "# => r#"
        sent to lab: stream
        < roots/list lab: all nine -> served
        event roots/list
        >~ stream lab: all nine -> served
        the stream is over
        sent to lab: answer
        >= lab: all nine -> served
        202
        >= lab: intake>audit -> refused not_json_rpc
    "#;

    a_get_opens_the_servers_own_stream: r#"
        mail streams
        | comment hello
        | notifications/tools/list_changed
        | notifications/message {"level":"info","data":"x"}
        open mail
    "# => r#"
        sent to mail: stream
        event comment hello
        <! notifications/tools/list_changed mail: all nine -> served [untrusted]
        event notifications/tools/list_changed
        <! notifications/message mail info: all nine -> served [untrusted]
        event notifications/message
        >~ stream mail: all nine -> served
        the stream is over
    "#;

    /// A server that may refuse the stream (405) is believed.
    a_get_may_be_refused_by_the_server: r#"
        mail status 405
        open mail
        show
    "# => r#"
        sent to mail: stream
        >~ stream mail: all nine -> served
        405
    "#;

    /// For servers over standard streams the stream belongs to a session, since each session is a process of its own.
    a_stream_of_a_child_process_needs_its_session: r#"
        open files
        show
        > initialize files {"protocolVersion":"2025-11-25"}
        session files-1
        open files
    "# => r#"
        >~ stream files: intake>audit -> refused session_missing
        400 error -32600 session_missing: `Mcp-Session-Id` is missing: this needs the session it belongs to
        sent to files: initialize
        > initialize files: all nine -> served
        sent to files: stream
        >~ stream files: all nine -> served
        the stream is over
    "#;

    a_transport_verb_is_no_method: r#"
        > stream mail
        > session/end mail
        > response mail
        ! stream mail
    "# => r#"
        > stream mail: intake>audit -> refused method_closed
        > session/end mail: intake>audit -> refused method_closed
        > response mail: intake>audit -> refused method_closed
        >! stream mail: intake>audit -> refused method_closed
    "#;

    /// A tool call without an id would have no answer and no refusal: the registry cannot open it.
    a_tool_call_is_a_request: r#"
        ! tools/call mail read {"id":1}
        show
    "# => r#"
        >! tools/call mail: intake>audit -> refused method_closed
        403 error -32601 method_closed: Method not found: `tools/call` is not open here
    "#;

    /// A client that hangs up ends the stream of the server's own messages: that is its ordinary end.
    a_reader_that_closes_the_servers_stream_is_served: r#"
        mail streams
        | comment hello
        | hangs
        & open mail
        hang up
    "# => r#"
        sent to mail: stream
        event comment hello
        >~ stream mail: intake>classify>policy>guardrail>approval>credential>action>outcome -> served
    "#;

    /// A legacy client cancels by a notification: the call it names ends, and its place is free.
    a_call_that_its_client_cancels: r#"
        given > tools/list bank
        slots 1
        bank hangs
        & > tools/call bank pay {"to":"joe","amount":1}
        ! notifications/cancelled bank {"requestId":2}
        wait
        show
        bank streams
        | hangs
        & > tools/call bank balance
        ! notifications/cancelled bank {"requestId":99}
        ! notifications/cancelled bank {"requestId":3}
        wait
        > ping bank
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        sent to bank: notifications/cancelled
        >! notifications/cancelled bank: all nine -> served
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> indeterminate cancelled
        200 error 49900 cancelled: the client cancelled the call while it was under way
        sent to bank: tools/call balance
        sent to bank: notifications/cancelled
        >! notifications/cancelled bank: all nine -> served
        sent to bank: notifications/cancelled
        >! notifications/cancelled bank: all nine -> served
        > tools/call bank balance: all nine -> abandoned cancelled
        the stream is over
        sent to bank: ping
        > ping bank: all nine -> served
    "#;
}
