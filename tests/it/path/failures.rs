//! When something fails: the ledger, the vault, the server, the caller, the gate itself. Each frame still has one record.

scripts! {
    a_ledger_that_is_ill_stops_every_call: r#"
        given > tools/list bank
        ledger is ill
        > tools/call bank pay {"to":"joe","amount":1}
        show
        > ping bank
        ledger is well
        > ping bank
    "# => r#"
        >? bank: audit -> refused ledger_unavailable
        503 error 50301 ledger_unavailable: the ledger cannot take the record (its queue is full); no call is made until it can
        >? bank: audit -> refused ledger_unavailable
        sent to bank: ping
        > ping bank: all nine -> served
    "#;

    without_a_durable_intent_nothing_is_sent: r#"
        given > tools/list bank
        ledger refuses commit 1
        > tools/call bank pay {"to":"joe","amount":1}
        show
    "# => r#"
        not taken: intent: tools/call bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> refused ledger_unavailable
        503 error 50301 ledger_unavailable: the ledger cannot take the record (writing failed: no space left); no call is made until it can
    "#;

    /// The effect has happened and its record cannot be written: the client is told so, and the intent stands.
    without_a_durable_record_no_answer_is_handed_over: r#"
        given > tools/list bank
        ledger refuses commit 2
        > tools/call bank pay {"to":"joe","amount":1}
        show
        bank streams
        | answer {"content":[]}
        ledger refuses commit 2
        > tools/call bank pay {"to":"joe","amount":1}
        show
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        not taken: > tools/call bank pay: all nine -> served
        200 tool result answer_lost: the ledger could not take the record (writing failed: no space left), so the answer is withheld; whether the call had an effect is not told, so do not simply repeat it
        intent: tools/call bank pay
        sent to bank: tools/call pay
        not taken: > tools/call bank pay: all nine -> served
        event answer
        the stream is over
        200 tool result answer_lost: the ledger could not take the record (writing failed: no space left), so the answer is withheld; whether the call had an effect is not told, so do not simply repeat it
    "#;

    a_harmless_call_needs_a_record_too: r#"
        given > tools/list bank
        ledger refuses appends
        > tools/call bank balance
        show
        ledger is well
        > tools/call bank balance
    "# => r#"
        sent to bank: tools/call balance
        not taken: > tools/call bank balance: all nine -> served [private]
        503 error 50301 ledger_unavailable: the ledger cannot take the record (writing failed: no space left); no call is made until it can
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
    "#;

    a_credential_that_cannot_be_had: r#"
        given > tools/list bank
        vault is empty
        > tools/call bank pay {"to":"joe","amount":1}
        show
        > ping web
        show sent secret
    "# => r#"
        > tools/call bank pay: intake>classify>policy>guardrail>approval>audit -> refused credential_unavailable
        200 tool result credential_unavailable: the gate's credential for `bank` cannot be had: the variable is not set
        sent to web: ping
        > ping web: all nine -> served
        no secret
    "#;

    a_server_that_refuses_the_gates_credential: r#"
        given > tools/list bank
        bank status 401
        > tools/call bank pay {"to":"joe","amount":1}
        show
        bank status 403 {"error":"nope"}
        > tools/call bank balance
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>action>audit -> failed credential_unavailable
        200 tool result credential_unavailable: the server refused the gate or its credential (HTTP 401); its operator must look
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>action>audit -> failed credential_unavailable
    "#;

    a_server_that_cannot_be_reached_did_nothing: r#"
        given > tools/list bank
        bank unreachable
        > tools/call bank pay {"to":"joe","amount":1}
        show
        show record /attempts/0/fault
        bank unreachable
        > tools/call bank balance
        bank busy
        > tools/call bank pay {"to":"joe","amount":1}
        show
        bank unreachable
        ! notifications/initialized bank
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> failed unreachable
        200 tool result unreachable: the server cannot be reached: connection refused; nothing was done
        "the server cannot be reached: connection refused; nothing was done"
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>audit -> failed unreachable
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> refused busy
        200 error 42901 busy: too much is under way with this server; try again in a moment
        sent to bank: notifications/initialized
        >! notifications/initialized bank: intake>classify>policy>guardrail>approval>credential>audit -> failed unreachable
    "#;

    an_answer_that_was_lost_leaves_an_effect_unknown: r#"
        given > tools/list bank
        bank loses
        > tools/call bank pay {"to":"joe","amount":1}
        show
        bank loses
        > tools/call bank balance
        show
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> indeterminate answer_lost
        200 tool result answer_lost: the server's answer was lost (connection reset); whether the call had an effect is unknown, so do not simply repeat it
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>audit -> failed answer_lost
        200 tool result answer_lost: the server's answer was lost (connection reset); whether the call had an effect is unknown, so do not simply repeat it
    "#;

    an_answer_in_no_time_leaves_an_effect_unknown: r#"
        given > tools/list bank
        bank hangs
        > tools/call bank pay {"to":"joe","amount":1}
        show
        bank hangs
        > tools/call bank balance
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> indeterminate timed_out
        200 tool result timed_out: the server did not answer in time; whether the call had an effect is unknown, so do not simply repeat it
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>audit -> failed timed_out
    "#;

    an_answer_that_is_none_is_not_handed_over: r#"
        given > tools/list bank
        bank says {"jsonrpc":"2.0","id":"other","result":{"content":[]}}
        > tools/call bank pay {"to":"joe","amount":1}
        show refusal
        bank says {"jsonrpc":"2.0","id":$id,"result":{"content":[],"content":[1]}}
        > tools/call bank pay {"to":"joe","amount":1}
        show refusal
        bank says {"jsonrpc":"2.0","method":"notifications/message"}
        > tools/call bank balance
        show refusal
        bank says <html>
        > tools/call bank balance
        show refusal
        bank status 500
        > tools/call bank balance
        show refusal
        bank says {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"cannot read it"}}
        > tools/call bank balance
        show
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate answer_lost
        the server's answer is not the answer to this request; whether the call had an effect is unknown, so do not simply repeat it
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate answer_lost
        the server's answer is ambiguous: the member `content` stands twice in one object; whether the call had an effect is unknown, so do not simply repeat it
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>action>audit -> failed answer_lost
        the server's answer is not the answer to this request; whether the call had an effect is unknown, so do not simply repeat it
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>action>audit -> failed answer_lost
        the server answered HTTP 200 with something that is not JSON-RPC; whether the call had an effect is unknown, so do not simply repeat it
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>action>audit -> failed answer_lost
        the server answered HTTP 500 and nothing else; whether the call had an effect is unknown, so do not simply repeat it
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        200 {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"cannot read it"}}
    "#;

    a_caller_that_leaves: r#"
        given > tools/list bank
        bank hangs
        & > tools/call bank pay {"to":"joe","amount":1}
        hang up
        bank hangs
        & > tools/call bank balance
        hang up
        bank hangs
        & > ping bank
        hang up
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential -> indeterminate
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential -> abandoned
        sent to bank: ping
        > ping bank: intake>classify>policy>guardrail>approval>credential -> abandoned
    "#;

    a_gate_that_fails: r#"
        given > tools/list bank
        bank panics
        > tools/call bank pay {"to":"joe","amount":1}
        bank panics
        > tools/call bank balance
        bank listing panics
        later 400
        > tools/call bank balance
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential -> indeterminate
        the gate panicked
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential -> panicked
        the gate panicked
        sent to bank: tools/list
        > tools/list bank: intake>classify>policy>guardrail>approval>credential -> panicked
        > tools/call bank balance: intake -> panicked
        the gate panicked
    "#;
}
