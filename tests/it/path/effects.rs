//! Effects: what shows them beforehand, what their result must be, what undoes them, what is withheld and released, and that
//! none happens twice. Each of the five ends is in its record.

scripts! {
    /// The preview is a call of its own; what it found is judged, shown to the approver, and kept.
    a_preview_is_made_and_judged: r#"
        given > tools/list shop
        shop answers {"structuredContent":{"total":50},"content":[]}
        shop answers {"structuredContent":{"order":"o1","total":50},"content":[]}
        > tools/call shop order {"item":"pen"}
        show
        show record /decision/impact
        show record /effect/state
        show sent
        shop answers {"structuredContent":{"total":501},"content":[]}
        > tools/call shop order {"item":"yacht"}
        show
        show record /effect/state
        approver grants owner
        shop answers {"structuredContent":{"total":51},"content":[]}
        shop answers {"structuredContent":{"order":"o2","total":51},"content":[]}
        > tools/call shop order {"item":"bike"}
        show record /decision
    "# => r#"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"structuredContent":{"order":"o1","total":50},"content":[],"_meta":{"dev.wicketgate/label":{"source":{"server":"shop","tool":"order"},"trust":"trusted","labels":[],"trace":"0000000000000003abababababababab","record":2}}}}
        {"total":{"long":50}}
        "committed"
        {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"order","arguments":{"item":"pen"},"_meta":{"traceparent":"00-0000000000000003abababababababab-000000000000000a-01"}}}
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        > tools/call shop order: intake>classify>policy>guardrail>audit -> refused denied
        200 tool result denied: `order` was denied for what it would do: The order would cost more than 50; The order would cost more than 500.
        "denied"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        asked for owner: shop order
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        {"calls":3,"decision":{"allow":[]},"grants":["owner"],"impact":{"total":{"long":51}},"labels":[],"now_ms":1795132800000,"rules":[{"id":"staff"}],"task":{"bytes_out":14,"cost":1,"depth":0,"explicit":false,"off_plan":false,"profile":""}}
    "#;

    a_companion_is_asked_with_what_the_call_says: r#"
        given > tools/list shop
        shop answers {"structuredContent":{"price":9.5},"content":[]}
        > tools/call shop rent {"item":"boat","days":3}
        show record /decision/impact
        shop answers {"structuredContent":{"price":9.5001},"content":[]}
        > tools/call shop rent {"item":"boat"}
        show
    "# => r#"
        sent to shop: tools/call quote
        > tools/call shop quote: all nine -> served
        intent: tools/call shop rent
        sent to shop: tools/call rent
        > tools/call shop rent: all nine -> served
        {"price":{"decimal":"9.5000"}}
        sent to shop: tools/call quote
        > tools/call shop quote: all nine -> served
        > tools/call shop rent: intake>classify>policy>guardrail>audit -> refused denied
        200 tool result denied: `rent` was denied for what it would do: The rent would be above 9.50.
    "#;

    /// The record of a preview says whose it is; its principal belongs to a team of its own, so that policies can tell.
    a_preview_is_known_as_one: r#"
        law @id("no-preview") @reason("no previews here") forbid (principal in Gate::Team::"wicketgate:preview", action, resource);
        given > tools/list shop
        > tools/call shop order {"item":"pen"}
        show
        show record /effect
    "# => r#"
        > tools/call shop order: intake>classify>audit -> refused denied
        > tools/call shop order: intake>classify>policy>guardrail>audit -> refused preview_failed
        200 tool result preview_failed: what `order` would do cannot be found out beforehand, so it was not called: `order` was denied: no previews here. No other tool of `shop` is open to you now
        {"preview":{"fault":"`order` was denied: no previews here. No other tool of `shop` is open to you now.","tool":"order"},"state":"denied"}
    "#;

    /// What a call would do cannot be found out: then it is not made.
    a_preview_that_fails_stops_its_call: r#"
        given > tools/list shop
        shop answers {"content":[{"type":"text","text":"out of order"}],"isError":true}
        > tools/call shop order {"item":"pen"}
        show
        show record /effect/preview/fault
        shop errs {"code":-1,"message":"no"}
        > tools/call shop order {"item":"pen"}
        show
        show record /effect/preview/fault
        shop answers {"structuredContent":{"total":"a lot"},"content":[]}
        > tools/call shop order {"item":"pen"}
        show
        shop loses
        > tools/call shop order {"item":"pen"}
        show
        shop hangs
        & > tools/call shop order {"item":"pen"}
        later 1
        hang up
        show record /effect/state
        shop panics
        > tools/call shop order {"item":"pen"}
        show record /effect/state
        ledger refuses commit 1
        > tools/call shop order {"item":"pen"}
        show
    "# => r#"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        > tools/call shop order: intake>classify>policy>guardrail>audit -> refused preview_failed
        200 tool result preview_failed: what `order` would do cannot be found out beforehand, so it was not called: its server says that it failed
        "its server says that it failed: out of order"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        > tools/call shop order: intake>classify>policy>guardrail>audit -> refused preview_failed
        200 tool result preview_failed: what `order` would do cannot be found out beforehand, so it was not called: it was refused, or its server says that it failed; its own record says more
        "it was refused, or its server says that it failed; its own record says more: no"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        > tools/call shop order: intake>classify>policy>guardrail>audit -> refused preview_failed
        200 tool result preview_failed: what `order` would do cannot be found out beforehand, so it was not called: its preview says no `total` at /structuredContent/total that can be judged
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>audit -> indeterminate answer_lost
        > tools/call shop order: intake>classify>policy>guardrail>audit -> refused preview_failed
        200 tool result preview_failed: what `order` would do cannot be found out beforehand, so it was not called: the server's answer was lost (connection reset); whether the call had an effect is unknown, so do not simply repeat it
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential -> indeterminate
        > tools/call shop order: intake>classify>policy>guardrail -> abandoned
        "denied"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential -> indeterminate
        > tools/call shop order: intake>classify>policy>guardrail -> panicked
        the gate panicked
        "denied"
        not taken: intent: tools/call shop order
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>audit -> refused ledger_unavailable
        > tools/call shop order: intake>classify>policy>guardrail>audit -> refused preview_failed
        200 tool result preview_failed: what `order` would do cannot be found out beforehand, so it was not called: it was refused, or its server says that it failed; its own record says more
    "#;

    /// A result outside its bounds: the call is undone, with arguments taken from call and result.
    what_falls_outside_its_bounds_is_rolled_back: r#"
        given > tools/list shop
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop answers {"structuredContent":{"order":"o7","total":101},"content":[]}
        > tools/call shop order {"item":"pen"}
        show
        show sent
        show record /effect
        show task
    "# => r#"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        intent: tools/call shop cancel
        sent to shop: tools/call cancel
        > tools/call shop cancel: all nine -> served
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>action>audit -> failed rolled_back
        200 tool result rolled_back: the result of `order` is withheld: /structuredContent/total is above what it may be. The call was undone; nothing of it stands
        {"jsonrpc":"2.0","id":"wicketgate-rollback-2","method":"tools/call","params":{"name":"cancel","arguments":{"order":"o7","why":"gate"},"_meta":{"traceparent":"00-0000000000000003abababababababab-000000000000000d-01"}}}
        {"fault":"the result of `order` is withheld: /structuredContent/total is above what it may be; the call may have had its effect, so do not simply repeat it","preview":{"result":"sha256:5d71ef77923ff5689721b953395d997b932ba9b5df4e3bd93eaa1bcdea10c3f6","tool":"order"},"rollback":{"tool":"cancel"},"state":"rolled_back"}
        none
    "#;

    what_is_answered_on_a_stream_is_rolled_back_too: r#"
        given > tools/list shop
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop streams
        | notifications/progress {"progressToken":1,"progress":1}
        | answer {"structuredContent":{"order":"o7","total":101},"content":[]}
        > tools/call shop order {"item":"pen"}
        show
        show record /effect/state
    "# => r#"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        <! notifications/progress shop: all nine -> served
        event notifications/progress
        intent: tools/call shop cancel
        sent to shop: tools/call cancel
        > tools/call shop cancel: all nine -> served
        > tools/call shop order: all nine -> failed rolled_back
        event answer
        the stream is over
        200 tool result rolled_back: the result of `order` is withheld: /structuredContent/total is above what it may be. The call was undone; nothing of it stands
        "rolled_back"
    "#;

    /// A rollback that fails leaves the effect unknown, and says so.
    a_rollback_that_fails_leaves_an_effect_unknown: r#"
        given > tools/list shop
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop answers {"structuredContent":{"order":"o7","total":101},"content":[]}
        shop answers {"content":[{"type":"text","text":"too late"}],"isError":true}
        > tools/call shop order {"item":"pen"}
        show
        show record /effect
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop answers {"structuredContent":{"order":"o7","total":101},"content":[]}
        shop loses
        > tools/call shop order {"item":"pen"}
        show
        show record /effect/state
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop answers {"structuredContent":{"total":7},"content":[]}
        > tools/call shop order {"item":"pen"}
        show
        show record /effect/rollback
    "# => r#"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        intent: tools/call shop cancel
        sent to shop: tools/call cancel
        > tools/call shop cancel: all nine -> served
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate rollback_failed
        200 tool result rollback_failed: the result of `order` is withheld: /structuredContent/total is above what it may be. It was to be undone, and whether it was is unknown: its server says that it failed. Do not repeat it; a person must look
        {"fault":"the result of `order` is withheld: /structuredContent/total is above what it may be; the call may have had its effect, so do not simply repeat it","preview":{"result":"sha256:5d71ef77923ff5689721b953395d997b932ba9b5df4e3bd93eaa1bcdea10c3f6","tool":"order"},"rollback":{"fault":"its server says that it failed: too late","tool":"cancel"},"state":"indeterminate"}
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        intent: tools/call shop cancel
        sent to shop: tools/call cancel
        > tools/call shop cancel: intake>classify>policy>guardrail>approval>credential>audit -> indeterminate answer_lost
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate rollback_failed
        200 tool result rollback_failed: the result of `order` is withheld: /structuredContent/total is above what it may be. It was to be undone, and whether it was is unknown: the server's answer was lost (connection reset); whether the call had an effect is unknown, so do not simply repeat it. Do not repeat it; a person must look
        "indeterminate"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate rollback_failed
        200 tool result rollback_failed: the result of `order` is withheld: /structuredContent/order is missing. It was to be undone, and whether it was is unknown: the result has no /structuredContent/order. Do not repeat it; a person must look
        {"fault":"the result has no /structuredContent/order","tool":"cancel"}
    "#;

    /// Whoever hangs up while a call is undone changes nothing: it is undone to the end, and its record says so.
    an_undoing_ends_also_when_nobody_waits: r#"
        given > tools/list shop
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop answers {"structuredContent":{"order":"o7","total":101},"content":[]}
        shop hangs
        & > tools/call shop order {"item":"pen"}
        hang up
        release
        show record /effect/state
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop streams
        | answer {"structuredContent":{"order":"o7","total":101},"content":[]}
        shop hangs
        & > tools/call shop order {"item":"pen"}
        hang up
        release
        show record /effect/state
    "# => r#"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        intent: tools/call shop cancel
        sent to shop: tools/call cancel
        > tools/call shop cancel: all nine -> served
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>action>audit -> failed rolled_back
        "rolled_back"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        intent: tools/call shop cancel
        sent to shop: tools/call cancel
        > tools/call shop cancel: all nine -> served
        > tools/call shop order: all nine -> failed rolled_back
        "rolled_back"
    "#;

    /// No policy is waived for a rollback; the team of its principal is what a policy permits it by.
    a_rollback_is_judged_like_any_call: r#"
        law @id("no-cancel") @reason("nobody cancels") forbid (principal, action == shop::Action::"cancel", resource) unless { principal in Gate::Team::"nobody" };
        given > tools/list shop
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop answers {"structuredContent":{"order":"o7","total":101},"content":[]}
        > tools/call shop order {"item":"pen"}
        show
        law @id("ask") @reason("cancelling is asked for") @approval("owner") forbid (principal, action == shop::Action::"cancel", resource);
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop answers {"structuredContent":{"order":"o7","total":101},"content":[]}
        > tools/call shop order {"item":"pen"}
        show
    "# => r#"
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop cancel: intake>classify>audit -> refused denied
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate rollback_failed
        200 tool result rollback_failed: the result of `order` is withheld: /structuredContent/total is above what it may be. It was to be undone, and whether it was is unknown: `cancel` was denied: nobody cancels. Tools of `shop` that remain open to you: order, post, quote, rent. Do not repeat it; a person must look
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        intent: tools/call shop cancel
        sent to shop: tools/call cancel
        > tools/call shop cancel: all nine -> served
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>action>audit -> failed rolled_back
        200 tool result rolled_back: the result of `order` is withheld: /structuredContent/total is above what it may be. The call was undone; nothing of it stands
    "#;

    /// Halted is halted, also for what would be undone; a task that reached a limit still has its calls undone.
    a_halt_stops_a_rollback_and_a_limit_does_not: r#"
        given > tools/list shop
        task open t ann {"limits":{"cost":6}}
        token t
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop answers {"structuredContent":{"order":"o7","total":101,"cost":7},"content":[]}
        > tools/call shop order {"item":"pen"}
        show
        token none
        shop answers {"structuredContent":{"total":5},"content":[]}
        shop answers {"structuredContent":{"order":"o7","total":101},"content":[]}
        halt at look 9: an incident
        > tools/call shop order {"item":"pen"}
        show
    "# => r#"
        event: task_opened
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        intent: tools/call shop cancel
        sent to shop: tools/call cancel
        > tools/call shop cancel: all nine -> served
        event: task_ended
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>action>audit -> failed rolled_back
        200 tool result rolled_back: the result of `order` is withheld: /structuredContent/total is above what it may be. The call was undone; nothing of it stands
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        intent: tools/call shop cancel
        > tools/call shop cancel: intake>classify>policy>guardrail>approval>credential>audit -> refused halted
        > tools/call shop order: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate rollback_failed
        200 tool result rollback_failed: the result of `order` is withheld: /structuredContent/total is above what it may be. It was to be undone, and whether it was is unknown: it is halted: an incident. Do not repeat it; a person must look
    "#;

    /// Withheld until somebody else releases it; then the very call finds it, once.
    what_is_withheld_can_be_released: r#"
        given > tools/list shop
        shop answers {"content":[{"type":"text","text":"a very long result, longer than this tool's may be: one hundred and twenty bytes in all"}]}
        > tools/call shop post {"text":"x"}
        show
        show record /effect
        > tools/call shop post {"text":"x"}
        show
        > tools/call shop post {"text":"y"}
        pardon 99 bob
        pardon 2 ann
        pardon 2 bob
        > tools/call shop post {"text":"x"}
        show
        show record /labels
        show refusal
        > tools/call shop post {"text":"x"}
    "# => r#"
        intent: tools/call shop post
        sent to shop: tools/call post
        > tools/call shop post: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate quarantined
        200 tool result quarantined: the result of `post` is withheld: it has 160 bytes; at most 120 are allowed; the call may have had its effect, so do not simply repeat it. It is kept as record 2; once somebody has released it, this very call finds it
        {"fault":"the result of `post` is withheld: it has 160 bytes; at most 120 are allowed; the call may have had its effect, so do not simply repeat it","state":"quarantined"}
        > tools/call shop post: intake>classify>policy>audit -> refused repeated
        200 tool result repeated: the same call was made, and its result is withheld (record 2); it is not made again. Once somebody has released the result, this call finds it; another call needs an idempotency key of its own
        intent: tools/call shop post
        sent to shop: tools/call post
        > tools/call shop post: all nine -> served [private]
        not released: no result of record 99 is withheld: it was handed over, it is older than an hour, or there never was one
        not released: record 2 is your own call, or one made for you: somebody else must release its result
        released: shop post of default/ann, 343 bytes
        > tools/call shop post: intake>classify>policy>audit -> refused repeated [private, unvalidated]
        200 {"jsonrpc":"2.0","id":5,"result":{"content":[{"type":"text","text":"a very long result, longer than this tool's may be: one hundred and twenty bytes in all"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"shop","tool":"post"},"trust":"trusted","labels":["private","unvalidated"],"trace":"0000000000000003abababababababab","record":2}}}}
        ["private","unvalidated"]
        the withheld result of record 2 was released, and is handed over
        intent: tools/call shop post
        sent to shop: tools/call post
        > tools/call shop post: all nine -> served [private]
    "#;

    /// The server writes its own value where the call's arguments stood. A late result is kept like a punctual one.
    a_late_result_is_held_against_its_own_call: r#"
        given > initialize shop {"protocolVersion":"2025-11-25","capabilities":{}}
        session shop-1
        given > tools/list shop
        shop streams
        | #1
        > tools/call shop post {"text":"x"}
        shop streams
        | #2 {"jsonrpc":"2.0","id":3,"result":{"pad":"-------------------","structuredContent":{"text":"y"},"content":[]}}
        | #3 {"jsonrpc":"2.0","id":3,"result":{"pad":"-------------------","structuredContent":{"text":"x"},"content":[]}}
        open shop
        show raw
        pardon 5 bob
        > tools/call shop post {"text":"x"}
        show
    "# => r#"
        intent: tools/call shop post
        sent to shop: tools/call post
        event #1
        > tools/call shop post: all nine -> indeterminate answer_lost
        the stream is over
        sent to shop: stream
        <= shop: intake>classify>policy>guardrail>approval>credential>action>audit -> failed quarantined
        event #2
        <= shop: all nine -> served [private]
        event #3 answer
        >~ stream shop: all nine -> served
        the stream is over
        200 {"jsonrpc":"2.0","id":3,"result":{"pad":"-------------------","structuredContent":{"text":"x"},"content":[],"_meta":{"dev.wicketgate/label":{"source":{"server":"shop","tool":"post"},"trust":"trusted","labels":["private"],"trace":"0000000000000003abababababababab","record":6}}}}
        released: shop post of default/ann, 292 bytes
        > tools/call shop post: intake>classify>policy>audit -> refused repeated [private, unvalidated]
        200 {"jsonrpc":"2.0","id":4,"result":{"pad":"-------------------","structuredContent":{"text":"y"},"content":[],"_meta":{"dev.wicketgate/label":{"source":{"server":"shop","tool":"post"},"trust":"trusted","labels":["private","unvalidated"],"trace":"0000000000000003abababababababab","record":5}}}}
    "#;

    /// Under the key it was sent with, too.
    a_call_under_a_key_finds_what_was_released: r#"
        given > tools/list shop
        shop answers {"content":[{"type":"text","text":"a very long result, longer than this tool's may be: one hundred and twenty bytes in all"}]}
        with idempotency-key: k1
        > tools/call shop post {"text":"x"}
        pardon 2 bob
        with idempotency-key: k1
        > tools/call shop post {"text":"x"}
        show refusal
        with idempotency-key: k1
        > tools/call shop post {"text":"x"}
        show refusal
    "# => r#"
        intent: tools/call shop post
        sent to shop: tools/call post
        > tools/call shop post: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate quarantined
        released: shop post of default/ann, 343 bytes
        > tools/call shop post: intake>classify>policy>audit -> refused repeated [private, unvalidated]
        the withheld result of record 2 was released, and is handed over
        > tools/call shop post: intake>classify>policy>audit -> refused repeated
        answered again, as record 2 was
    "#;

    /// One key's withheld result is not another's, though the call is the same.
    each_key_finds_its_own_result: r#"
        given > tools/list shop
        shop answers {"content":[{"type":"text","text":"a very long result, longer than this tool's may be: one hundred and twenty bytes in all"}]}
        with idempotency-key: k1
        > tools/call shop post {"text":"x"}
        shop answers {"content":[{"type":"text","text":"a second long result, longer than this tool's may be: one hundred and twenty bytes in all"}]}
        with idempotency-key: k2
        > tools/call shop post {"text":"x"}
        pardon 3 bob
        with idempotency-key: k1
        > tools/call shop post {"text":"x"}
        show refusal
        with idempotency-key: k2
        > tools/call shop post {"text":"x"}
        show refusal
        show record /effect
        with idempotency-key: k2
        > tools/call shop post {"text":"x"}
        show refusal
    "# => r#"
        intent: tools/call shop post
        sent to shop: tools/call post
        > tools/call shop post: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate quarantined
        intent: tools/call shop post
        sent to shop: tools/call post
        > tools/call shop post: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate quarantined
        released: shop post of default/ann, 345 bytes
        > tools/call shop post: intake>classify>policy>audit -> refused repeated
        the same call was made, and its result is withheld (record 2); it is not made again. Once somebody has released the result, this call finds it; another call needs an idempotency key of its own
        > tools/call shop post: intake>classify>policy>audit -> refused repeated [private, unvalidated]
        the withheld result of record 3 was released, and is handed over
        {"again":3,"state":"denied"}
        > tools/call shop post: intake>classify>policy>audit -> refused repeated
        answered again, as record 3 was
    "#;

    /// A key of another kind than a string is not overlooked.
    a_key_that_is_no_string_is_refused: r#"
        given > tools/list bank
        > tools/call bank {"name":"pay","arguments":{"amount":1,"to":"joe"},"_meta":{"dev.wicketgate/idempotency-key":42}}
        show
    "# => r#"
        > tools/call bank pay: intake>classify>policy>audit -> refused bad_parameters
        200 error -32602 bad_parameters: `_meta["dev.wicketgate/idempotency-key"]` must be a string; put a number between quotes
    "#;

    what_is_withheld_is_not_kept_for_ever_and_is_its_tasks_alone: r#"
        given > tools/list shop
        shop answers {"structuredContent":{"text":"y"},"content":[]}
        > tools/call shop post {"text":"x"}
        show
        pardon 2 bob
        as low
        given > tools/list shop
        > tools/call shop post {"text":"x"}
        as ann
        later 3601
        > tools/call shop post {"text":"x"}
    "# => r#"
        intent: tools/call shop post
        sent to shop: tools/call post
        > tools/call shop post: intake>classify>policy>guardrail>approval>credential>action>audit -> indeterminate quarantined
        200 tool result quarantined: the result of `post` is withheld: /structuredContent/text is not what the argument /text is; the call may have had its effect, so do not simply repeat it. It is kept as record 2; once somebody has released it, this very call finds it
        released: shop post of default/ann, 264 bytes
        intent: tools/call shop post
        sent to shop: tools/call post
        > tools/call shop post: all nine -> served [private]
        sent to shop: tools/list
        > tools/list shop: all nine -> served
        intent: tools/call shop post
        sent to shop: tools/call post
        > tools/call shop post: all nine -> served [private]
    "#;

    /// A key makes a call one call, however often it is sent.
    a_key_makes_an_effect_happen_once: r#"
        given > tools/list bank
        with idempotency-key: k1
        > tools/call bank pay {"to":"joe","amount":1}
        show record /effect
        show sent idempotency-key
        with idempotency-key: k1
        > tools/call bank pay {"to":"joe","amount":1}
        show
        show record /effect/state
        show record /result
        show refusal
        > tools/call bank {"name":"pay","arguments":{"amount":1,"to":"joe"},"_meta":{"dev.wicketgate/idempotency-key":"k1"}}
        show
        with idempotency-key: k1
        > tools/call bank pay {"to":"joe","amount":2}
        show
        with idempotency-key: k2
        > tools/call bank {"name":"pay","arguments":{"amount":1,"to":"joe"},"_meta":{"dev.wicketgate/idempotency-key":"k1"}}
        show
        with idempotency-key: k2
        > tools/call bank pay {"to":"joe","amount":1}
        with idempotency-key: k1
        > tools/call bank balance
        as eve
        given > tools/list bank
        with idempotency-key: k1
        > tools/call bank pay {"to":"joe","amount":1}
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        {"key":"6ab9f1eb8f7d","state":"committed"}
        no such header
        > tools/call bank pay: intake>classify>policy>audit -> refused repeated
        200 {"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"bank","tool":"pay"},"trust":"trusted","labels":[],"trace":"0000000000000003abababababababab","record":2}}}}
        "denied"
        {"bytes":236,"is_error":false}
        answered again, as record 2 was
        > tools/call bank pay: intake>classify>policy>audit -> refused repeated
        200 {"jsonrpc":"2.0","id":4,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"bank","tool":"pay"},"trust":"trusted","labels":[],"trace":"0000000000000003abababababababab","record":2}}}}
        > tools/call bank pay: intake>classify>policy>audit -> refused repeated
        200 tool result repeated: this idempotency key was used for another call (record 2); use a new one
        > tools/call bank pay: intake>classify>policy>audit -> refused header_mismatch
        400 error -32020 header_mismatch: `Idempotency-Key` and `_meta["dev.wicketgate/idempotency-key"]` name different keys
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
    "#;

    a_resend_of_what_is_under_way_or_unknown_is_told_so: r#"
        given > tools/list bank
        bank hangs
        with idempotency-key: k1
        & > tools/call bank pay {"to":"joe","amount":1}
        with idempotency-key: k1
        > tools/call bank pay {"to":"joe","amount":1}
        show
        hang up
        with idempotency-key: k1
        > tools/call bank pay {"to":"joe","amount":1}
        show
        bank unreachable
        with idempotency-key: k2
        > tools/call bank pay {"to":"joe","amount":1}
        show record /effect/state
        with idempotency-key: k2
        > tools/call bank pay {"to":"joe","amount":1}
        show record /effect/state
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>audit -> refused repeated
        200 tool result repeated: the same call is still under way (record 2); wait for its answer
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential -> indeterminate
        > tools/call bank pay: intake>classify>policy>audit -> refused repeated
        200 tool result repeated: the same call was made, and its outcome is unknown (record 2); it is not made again
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> failed unreachable
        "denied"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        "committed"
    "#;

    /// The five ends, and what has none.
    every_end_of_an_effect: r#"
        given > tools/list bank
        > tools/call bank pay {"to":"joe","amount":1}
        show record /effect/state
        > tools/call bank pay {"to":"joe","amount":101}
        show record /effect/state
        bank loses
        > tools/call bank pay {"to":"joe","amount":1}
        show record /effect/state
        bank answers {"content":[],"isError":true}
        > tools/call bank pay {"to":"joe","amount":1}
        show record /effect/state
        bank busy
        > tools/call bank pay {"to":"joe","amount":1}
        show record /effect/state
        > tools/call bank balance
        show record /effect
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        "committed"
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approval_unavailable
        "denied"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> indeterminate answer_lost
        "indeterminate"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        "committed"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> refused busy
        "denied"
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        nothing
    "#;
}
