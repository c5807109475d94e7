//! What arrives: messages that cannot be read, callers who are nobody, sessions, headers that mirror the body.

scripts! {
    what_cannot_be_read_is_refused_and_recorded: r#"
        raw mail {"jsonrpc":"2.0","id":1,"method":"ping"
        show
        raw mail {"jsonrpc":"2.0","id":1,"method":"\xff"}
        raw mail {"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"a":2}}
        show
        raw mail {"jsonrpc":"2.0","id":1,"method":"ping","params":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}
        raw mail [{"jsonrpc":"2.0","id":1,"method":"ping"}]
        raw mail {"jsonrpc":"1.0","id":1,"method":"ping"}
        raw mail {"jsonrpc":"2.0","id":1,"method":"ping","result":{}}
        raw mail {"jsonrpc":"2.0","id":1,"result":{},"error":{}}
        raw mail {"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/list"}
        raw mail {"jsonrpc":"2.0","id":null,"method":"ping"}
        raw mail 7
    "# => r#"
        >? mail: audit -> refused not_json
        400 error -32700 not_json: the message is not valid JSON: it ends too early, at byte 39
        >? mail: audit -> refused not_json
        >? mail: audit -> refused duplicate_member
        400 error -32600 duplicate_member: the message is ambiguous: the member `a` stands twice in one object
        >? mail: audit -> refused too_deep
        >? mail: audit -> refused batch
        >? mail: audit -> refused not_json_rpc
        >? mail: audit -> refused not_json_rpc
        >? mail: audit -> refused not_json_rpc
        >? mail: audit -> refused not_json_rpc
        >? mail: audit -> refused not_json_rpc
        >? mail: audit -> refused not_json_rpc
    "#;

    a_listener_says_what_it_could_not_read: r#"
        unreadable mail no_route
        unreadable mail verb_not_allowed
        unreadable mail host_refused
        unreadable mail origin_refused
        unreadable mail too_many_failures
        unreadable mail head_too_large
        unreadable mail body_too_large
        unreadable mail media_type
        unreadable mail not_acceptable
        unreadable mail body_unreadable
        show
    "# => r#"
        >? mail: audit -> refused no_route
        >? mail: audit -> refused verb_not_allowed
        >? mail: audit -> refused host_refused
        >? mail: audit -> refused origin_refused
        >? mail: audit -> refused too_many_failures
        >? mail: audit -> refused head_too_large
        >? mail: audit -> refused body_too_large
        >? mail: audit -> refused media_type
        >? mail: audit -> refused not_acceptable
        >? mail: audit -> refused body_unreadable
        400 error -32700 body_unreadable: it was not readable
    "#;

    who_is_nobody_is_refused_before_the_message_is_read: r#"
        as mallory
        > tools/call mail read {"id":1}
        show
        raw mail {
        open mail
    "# => r#"
        >? mail: audit -> refused unauthenticated
        401 error 40100 unauthenticated: no valid credential
        >? mail: audit -> refused unauthenticated
        >? mail: audit -> refused unauthenticated
    "#;

    an_unknown_server_is_named_and_nothing_is_sent: r#"
        > ping nowhere
        show
        open nowhere
    "# => r#"
        > ping nowhere: intake>audit -> refused unknown_server
        404 error -32600 unknown_server: there is no server `nowhere` here
        >~ stream nowhere: intake>audit -> refused unknown_server
    "#;

    /// The id goes on as it was written, the body with its trace context and nothing else changed.
    a_message_goes_on_as_it_was_written: r#"
        given > tools/list mail
        raw mail { "jsonrpc":"2.0", "id" : 1.0 ,"method":"tools/call","params":{"name":"read","arguments":{"id":1,"Folder":"\u0041"},"x":12345678901234567890}}
        show sent
        show sent traceparent
        show
    "# => r#"
        sent to mail: tools/call read
        > tools/call mail read: all nine -> served [private, untrusted]
        { "jsonrpc":"2.0", "id" : 1.0 ,"method":"tools/call","params":{"name":"read","arguments":{"id":1,"Folder":"\u0041"},"x":12345678901234567890,"_meta":{"traceparent":"00-0000000000000003abababababababab-0000000000000007-01"}}}
        00-0000000000000003abababababababab-0000000000000007-01
        200 {"jsonrpc":"2.0","id":1.0,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"mail","tool":"read"},"trust":"untrusted","labels":["private","untrusted"],"trace":"0000000000000003abababababababab","record":2}}}}
    "#;

    a_session_belongs_to_one_principal: r#"
        > initialize files {"protocolVersion":"2025-11-25","capabilities":{}}
        show
        session files-1
        > tools/call files read {"path":"/a"}
        show sent session
        show record /protocol
        as bob
        > ping files
        show
        as ann
        session files-2
        > ping files
    "# => r#"
        sent to files: initialize
        > initialize files: all nine -> served
        200 mcp-session-id=files-1 {"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"fake","version":"1"}}}
        sent to files: tools/list
        > tools/list files: all nine -> served
        sent to files: tools/call read
        > tools/call files read: all nine -> served [private]
        files-1
        "2025-11-25"
        > ping files: audit -> refused session_unknown
        404 error -32600 session_unknown: no such session: it ended, or it is another caller's; initialize again
        > ping files: audit -> refused session_unknown
    "#;

    /// The server knows whether it needs a session; the gate asks it.
    a_session_that_is_missing_or_gone: r#"
        files needs a session
        > ping files
        show
        > initialize files {"protocolVersion":"2025-11-25"}
        session files-1
        files forgot the session
        > ping files
        show
        files status 404
        > ping files
        > ping files
    "# => r#"
        sent to files: ping
        > ping files: intake>classify>policy>guardrail>approval>credential>audit -> refused session_missing
        400 error -32600 session_missing: `Mcp-Session-Id` is missing: initialize first, then send the session's id with every message
        sent to files: initialize
        > initialize files: all nine -> served
        sent to files: ping
        > ping files: intake>classify>policy>guardrail>approval>credential>audit -> refused session_unknown
        404 error -32600 session_unknown: the session has ended with its server; initialize again
        sent to files: ping
        > ping files: all nine -> served
        > ping files: audit -> refused session_unknown
    "#;

    a_session_ends_once: r#"
        session none
        close files
        show
        > initialize files {"protocolVersion":"2025-11-25"}
        session files-1
        close files
        show
        close files
        > ping files
    "# => r#"
        >~ session/end files: intake>audit -> refused session_missing
        400 error -32600 session_missing: `Mcp-Session-Id` is missing: this needs the session it belongs to
        sent to files: initialize
        > initialize files: all nine -> served
        sent to files: session/end
        >~ session/end files: all nine -> served
        200
        >~ session/end files: audit -> refused session_unknown
        > ping files: audit -> refused session_unknown
    "#;

    a_modern_call_mirrors_its_body_in_headers: r#"
        modern
        > tools/call mail read {"id":1}
        show sent modern
        show sent mcp-method
        show sent mcp-name
        show record /protocol
        > tools/call mail purge
        show
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/call read
        > tools/call mail read: all nine -> served [private, untrusted]
        true
        tools/call
        read
        "2026-07-28"
        > tools/call mail purge: intake>classify>audit -> refused denied
        200 complete denied: `purge` was denied: An agent does not purge mail. Tools of `mail` that remain open to you: read, search.
    "#;

    a_header_that_disagrees_with_the_body_is_refused: r#"
        modern
        given > tools/list mail
        with mcp-method: tools/list
        > tools/call mail read {"id":1}
        show
        with mcp-method: absent
        > ping mail
        show
        with mcp-name: send
        > tools/call mail read {"id":1}
        show
        with mcp-name: absent
        > tools/call mail read {"id":1}
        with mcp-protocol-version: 2025-11-25
        > ping mail
        show
        with mcp-name: =?base64?!?=
        > tools/call mail read {"id":1}
        with mcp-name: =?base64?cmVhZA==?=
        > tools/call mail read {"id":1}
        with mcp-name: x
        raw mail {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}
        legacy
        with mcp-method: ping
        raw mail {"jsonrpc":"2.0","id":1,"result":{}}
    "# => r#"
        > tools/call mail: audit -> refused header_mismatch
        400 error -32020 header_mismatch: `Mcp-Method` says `tools/list`, the message says `tools/call`
        > ping mail: audit -> refused header_mismatch
        400 error -32020 header_mismatch: `Mcp-Method` is required from revision 2026-07-28 on
        > tools/call mail: audit -> refused header_mismatch
        400 error -32020 header_mismatch: `Mcp-Name` says `send`, the message says `read`
        > tools/call mail: audit -> refused header_mismatch
        > ping mail: audit -> refused header_mismatch
        400 error -32020 header_mismatch: `MCP-Protocol-Version` and the message's `_meta` name different revisions
        > tools/call mail: audit -> refused header_mismatch
        sent to mail: tools/call read
        > tools/call mail read: all nine -> served [private, untrusted]
        > tools/call mail: audit -> refused header_mismatch
        >= mail: audit -> refused header_mismatch
    "#;

    /// Legacy clients need not send the headers; where one does, it must be right.
    an_old_client_that_mirrors_must_be_right: r#"
        with mcp-method: tools/list
        > ping mail
        with mcp-method: ping
        > ping mail
    "# => r#"
        > ping mail: audit -> refused header_mismatch
        sent to mail: ping
        > ping mail: all nine -> served
    "#;

    too_many_calls_at_once_are_told_to_wait: r#"
        slots 1
        mail hangs
        & > ping mail
        > ping bank
        show
        ! notifications/initialized bank
        release
        wait
        > ping bank
    "# => r#"
        sent to mail: ping
        > ping bank: audit -> refused busy
        200 error 42901 busy: too many calls are under way at once; try again in a moment
        sent to bank: notifications/initialized
        >! notifications/initialized bank: all nine -> served
        > ping mail: all nine -> served
        sent to bank: ping
        > ping bank: all nine -> served
    "#;

    a_trace_that_came_along_is_the_tasks_own: r#"
        with traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
        > ping mail
        show record /trace
        show record /parent
        show sent traceparent
        with traceparent: 00-1111111111111111111111111111111f-b7ad6b7169203331-01
        > ping mail {"_meta":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01"}}
        show record /trace
        show record /link
    "# => r#"
        sent to mail: ping
        > ping mail: all nine -> served
        "0af7651916cd43dd8448eb211c80319c"
        "b7ad6b7169203331"
        00-0af7651916cd43dd8448eb211c80319c-0000000000000003-01
        sent to mail: ping
        > ping mail: all nine -> served
        "0af7651916cd43dd8448eb211c80319c"
        "00-1111111111111111111111111111111f-b7ad6b7169203331-01"
    "#;
}
