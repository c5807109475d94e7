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
    "#;

    /// The record of a preview says whose it is; its principal belongs to a team of its own, so that policies can tell.
    a_preview_is_known_as_one: r#"
        law @id("no-preview") @reason("no previews here") forbid (principal in Gate::Team::"wicketgate:preview", action, resource);
        given > tools/list shop
        > tools/call shop order {"item":"pen"}
        show
        show record /effect
    "# => r#"
    "#;

    /// What a call would do cannot be found out: then it is not made.
    a_preview_that_fails_stops_its_call: r#"
        given > tools/list shop
        shop answers {"content":[{"type":"text","text":"out of order"}],"isError":true}
        > tools/call shop order {"item":"pen"}
        show
        shop errs {"code":-1,"message":"no"}
        > tools/call shop order {"item":"pen"}
        show
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
        halt at look 7: an incident
        > tools/call shop order {"item":"pen"}
        show
    "# => r#"
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
        pardon 99 bo
        pardon 3 ann
        pardon 3 bo
        > tools/call shop post {"text":"x"}
        show
        show record /labels
        show refusal
        > tools/call shop post {"text":"x"}
    "# => r#"
    "#;

    what_is_withheld_is_not_kept_for_ever_and_is_its_tasks_alone: r#"
        given > tools/list shop
        shop answers {"structuredContent":{"text":"y"},"content":[]}
        > tools/call shop post {"text":"x"}
        show
        pardon 3 bo
        as low
        given > tools/list shop
        > tools/call shop post {"text":"x"}
        as ann
        later 3601
        > tools/call shop post {"text":"x"}
    "# => r#"
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
    "#;
}
