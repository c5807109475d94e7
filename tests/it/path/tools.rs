//! Tools: what is listed, what is callable, and that what is called is what was reviewed.

scripts! {
    a_listing_shows_only_what_was_reviewed_as_it_was_reviewed: r#"
        mail adds evil
        mail changes send
        mail drops purge
        > tools/list mail
        show
        show notes
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        200 {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read","description":"The tool read.","inputSchema":{"type":"object","properties":{"id":{"type":"integer"},"Folder":{"type":"string"}},"required":["id"]}},{"name":"search","description":"The tool search.","inputSchema":{"type":"object","properties":{"query":{"type":"string"}}}}]}}
        withheld: "send": its definition is not the reviewed one (82cc405c93cf); "draft": nobody has reviewed it (`reviewed_by` and `reviewed_at` are missing); "evil": not in the registry
    "#;

    /// MCP 2026-07-28, caching: a list that was cut for one must not be stored for all.
    a_listing_that_was_cut_is_private: r#"
        bank listing answers {"tools":[{"name":"evil","inputSchema":{"type":"object"}}],"ttlMs":1000,"cacheScope":"public"}
        > tools/list bank
        show
        bank listing answers {"tools":[],"ttlMs":1000,"cacheScope":"public"}
        > tools/list bank
        show
    "# => r#"
        sent to bank: tools/list
        > tools/list bank: all nine -> served
        200 {"jsonrpc":"2.0","id":1,"result":{"tools":[],"ttlMs":1000,"cacheScope":"private"}}
        sent to bank: tools/list
        > tools/list bank: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"tools":[],"ttlMs":1000,"cacheScope":"public"}}
    "#;

    what_is_not_registered_does_not_exist: r#"
        mail adds evil
        > tools/call mail evil
        show
        > tools/call mail draft
        show
    "# => r#"
        > tools/call mail: intake>audit -> refused unknown_tool
        200 error -32602 unknown_tool: Unknown tool: evil
        > tools/call mail: intake>audit -> refused unknown_tool
        200 error -32602 unknown_tool: Unknown tool: draft
    "#;

    a_changed_tool_is_withheld_and_its_siblings_work: r#"
        mail changes send
        > tools/call mail send {"to":"joe"}
        show
        > tools/call mail read {"id":1}
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail send: intake>audit -> refused definition_changed
        200 tool result definition_changed: the definition of `send` has changed since it was reviewed; it is withheld until it is reviewed again
        sent to mail: tools/call read
        > tools/call mail read: all nine -> served [private, untrusted]
    "#;

    a_tool_the_server_dropped_is_withheld: r#"
        mail drops send
        > tools/call mail send {"to":"joe"}
        show
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail send: intake>audit -> refused definition_changed
        200 tool result definition_changed: the server no longer offers `send`
    "#;

    a_result_must_fit_the_reviewed_output_schema: r#"
        given > tools/list web
        web answers {"content":[],"structuredContent":{"unit":"km"}}
        > tools/call web gauge
        web answers {"content":[],"structuredContent":{"unit":"mile"}}
        > tools/call web gauge
        show
        show notes
    "# => r#"
        sent to web: tools/call gauge
        > tools/call web gauge: all nine -> served [untrusted]
        sent to web: tools/call gauge
        > tools/call web gauge: intake>classify>policy>guardrail>approval>credential>action>audit -> failed quarantined
        200 tool result quarantined: the result of `gauge` is withheld: it does not fit the output schema that was reviewed (/unit fails /properties/unit/enum); the call may have had its effect, so do not simply repeat it. It is kept as record 3; once somebody has released it, this very call finds it
        the result does not fit the reviewed output schema: /unit fails /properties/unit/enum
    "#;

    a_definition_that_changes_between_list_and_call: r#"
        given > tools/list mail
        mail changes send
        # The listing is remembered for a while ...
        > tools/call mail send {"to":"joe"}
        # ... and forgotten when the server says that it changed ...
        mail streams
        | notifications/tools/list_changed
        open mail
        > tools/call mail send {"to":"joe"}
    "# => r#"
        intent: tools/call mail send
        sent to mail: tools/call send
        > tools/call mail send: all nine -> served
        sent to mail: stream
        <! notifications/tools/list_changed mail: all nine -> served [untrusted]
        event notifications/tools/list_changed
        >~ stream mail: all nine -> served
        the stream is over
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail send: intake>audit -> refused definition_changed
    "#;

    a_listing_grows_old: r#"
        given > tools/list mail
        mail changes send
        later 299
        > tools/call mail send {"to":"joe"}
        later 2
        > tools/call mail send {"to":"joe"}
    "# => r#"
        intent: tools/call mail send
        sent to mail: tools/call send
        > tools/call mail send: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail send: intake>audit -> refused definition_changed
    "#;

    the_gate_lists_page_by_page: r#"
        mail pages 2
        > tools/call mail purge
        > tools/call mail read {"id":1}
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail purge: intake>classify>audit -> refused denied
        sent to mail: tools/call read
        > tools/call mail read: all nine -> served [private, untrusted]
    "#;

    /// Two definitions of one name, on one page or on two: nobody can say which a call would meet.
    a_tool_listed_twice_is_withheld: r#"
        mail doubles send
        > tools/call mail send {"to":"joe"}
        mail pages 1
        later 400
        > tools/list mail
        > tools/call mail send {"to":"joe"}
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail send: intake>audit -> refused definition_changed
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail send: intake>audit -> refused definition_changed
    "#;

    /// Two clients of one principal leaf through the pages at the same time.
    listings_that_cross_do_not_mix: r#"
        mail pages 3
        modern
        > tools/list mail
        > tools/list mail
        > tools/list mail {"cursor":"3"}
        > tools/list mail {"cursor":"3"}
        > tools/call mail send {"to":"joe"}
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        intent: tools/call mail send
        sent to mail: tools/call send
        > tools/call mail send: all nine -> served
    "#;

    /// A page is of the listing it continues: after a change the first must be read again.
    a_change_while_leafing_is_not_missed: r#"
        mail pages 3
        > tools/list mail
        mail changes send
        mail streams
        | notifications/tools/list_changed
        open mail
        > tools/list mail {"cursor":"3"}
        > tools/call mail send {"to":"joe"}
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: stream
        <! notifications/tools/list_changed mail: all nine -> served [untrusted]
        event notifications/tools/list_changed
        >~ stream mail: all nine -> served
        the stream is over
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail send: intake>audit -> refused definition_changed
    "#;

    what_cannot_be_learnt_is_not_called: r#"
        mail listing unreachable
        > tools/call mail send {"to":"joe"}
        show
        mail listing errs {"code":-32603,"message":"oops"}
        > tools/call mail send {"to":"joe"}
        mail listing answers {"tools":7}
        > tools/call mail send {"to":"joe"}
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: intake>classify>policy>guardrail>approval>credential>audit -> failed unreachable
        > tools/call mail send: intake>audit -> refused definition_unknown
        200 tool result definition_unknown: what the server now offers could not be learnt, so `send` cannot be compared with its review
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail send: intake>audit -> refused definition_unknown
        sent to mail: tools/list
        > tools/list mail: intake>classify>policy>guardrail>approval>credential>action>audit -> failed answer_lost
        > tools/call mail send: intake>audit -> refused definition_unknown
    "#;

    a_server_that_lists_without_end_is_given_up: r#"
        bank pages 0
        given > tools/call bank balance
        show refusal
    "# => r#"
        what the server now offers could not be learnt, so `balance` cannot be compared with its review
    "#;

    arguments_fit_the_reviewed_schema_or_nothing_is_sent: r#"
        > tools/call mail send {"to":7}
        show
        > tools/call mail send {"to":"joe","bcc":"eve"}
        > tools/call mail send []
        > tools/call mail send null
        > tools/call mail {"name":"read","arguments":{"id":1},"Arguments":{"id":2}}
        show
        > tools/call mail {"arguments":{"id":1}}
        raw mail {"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}
        raw mail {"jsonrpc":"2.0","id":1,"method":"tools/call"}
        show
    "# => r#"
        > tools/call mail send: intake>audit -> refused bad_arguments
        200 tool result bad_arguments: the arguments do not fit the tool's schema: /to: value is not of type "string"
        > tools/call mail send: intake>audit -> refused bad_arguments
        > tools/call mail send: intake>audit -> refused bad_arguments
        > tools/call mail send: intake>audit -> refused bad_arguments
        > tools/call mail: intake>audit -> refused bad_parameters
        200 error -32602 bad_parameters: `params.arguments` is written in another case: some servers would read both
        > tools/call mail: intake>audit -> refused bad_parameters
        > tools/call mail: intake>audit -> refused bad_parameters
        > tools/call mail: intake>audit -> refused bad_parameters
        200 error -32602 bad_parameters: `tools/call` needs `params` with a `name`
    "#;

    /// Some servers would take the second for the first, so the law cannot judge either.
    an_argument_that_differs_only_in_case_cannot_be_judged: r#"
        given > tools/list mail
        > tools/call mail read {"id":1,"folder":"x"}
        show
    "# => r#"
        > tools/call mail read: intake>classify>audit -> refused denied
        200 tool result denied: `read` was denied: the argument `folder` differs from `Folder` only in case. Tools of `mail` that remain open to you: search, send.
    "#;

    a_number_the_law_cannot_hold_is_denied: r#"
        given > tools/list bank
        > tools/call bank pay {"to":"joe","amount":9223372036854775808}
        show
    "# => r#"
        > tools/call bank pay: intake>classify>audit -> refused denied
        200 tool result denied: `pay` was denied: the number `9223372036854775808` in `amount` has no exact form that policies can judge. Tools of `bank` that remain open to you: balance.
    "#;

    sensitive_arguments_do_not_reach_the_record: r#"
        given > tools/list mail
        > tools/call mail send {"to":"joe","body":"the key is 1234"}
        show record /arguments
        > tools/call mail send {"to":"joe","body":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}
        show record /arguments
    "# => r#"
        intent: tools/call mail send
        sent to mail: tools/call send
        > tools/call mail send: all nine -> served
        {"body":{"withheld":"body"},"to":"joe"}
        intent: tools/call mail send
        sent to mail: tools/call send
        > tools/call mail send: all nine -> served
        nothing
    "#;
}
