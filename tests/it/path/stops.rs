//! Stop conditions: each limit of a task ends it, with its cause in the ledger and told to the agent; those of a caller and
//! of a server refuse the call alone.

scripts! {
    steps_end_a_task: r#"
        given > tools/list bank
        task open t ann {"limits":{"steps":1}}
        token t
        > tools/call bank balance
        > tools/call bank balance
        show
        show record /effect
        > tools/call bank pay {"to":"joe","amount":1}
        > tools/list bank
        task show t
        task used t
    "# => r#"
    "#;

    cost_ends_a_task: r#"
        given > tools/list shop
        task open t ann {"limits":{"cost":6}}
        token t
        shop answers {"structuredContent":{"total":1},"content":[]}
        shop answers {"structuredContent":{"order":"o1","cost":2.5},"content":[]}
        > tools/call shop order {"item":"pen","count":3}
        task used t
        > tools/call shop order {"item":"pen","count":3}
        show
        task show t
    "# => r#"
    "#;

    /// What a result says it did cost counts, also beyond what was reserved.
    cost_told_by_a_result_ends_a_task: r#"
        given > tools/list shop
        task open t ann {"limits":{"cost":6}}
        token t
        shop answers {"structuredContent":{"total":1},"content":[]}
        shop answers {"structuredContent":{"order":"o1","cost":7},"content":[]}
        > tools/call shop order {"item":"pen"}
        show
        > tools/call shop quote {"item":"pen"}
        show
    "# => r#"
    "#;

    bytes_moved_out_end_a_task: r#"
        given > tools/list bank
        task open t ann {"limits":{"bytes_out":30}}
        token t
        > tools/call bank balance {"a":"reading moves nothing out, however long its arguments are"}
        > tools/call bank pay {"to":"joe","amount":1}
        show record /decision/task
        > tools/call bank pay {"to":"joe","amount":2}
        show
    "# => r#"
    "#;

    time_ends_a_task: r#"
        given > tools/list bank
        task open t ann {"limits":{"elapsed_s":60}}
        token t
        later 60
        > tools/call bank balance
        later 1
        > ping bank
        > tools/list bank
        show
        > ping bank
    "# => r#"
    "#;

    approval_prompts_end_a_task: r#"
        given > tools/list bank
        task open t ann {"limits":{"approvals":1}}
        token t
        > tools/call bank pay {"to":"joe","amount":101}
        > tools/call bank pay {"to":"joe","amount":102}
        show
        task used t
    "# => r#"
    "#;

    failures_in_a_row_end_a_task: r#"
        given > tools/list bank
        task open t ann {"limits":{"failures_in_row":2}}
        token t
        bank answers {"content":[],"isError":true}
        > tools/call bank balance
        > tools/call bank balance
        bank errs {"code":-1,"message":"no"}
        > tools/call bank balance
        bank unreachable
        > tools/call bank pay {"to":"joe","amount":1}
        > tools/call bank balance
        show
    "# => r#"
    "#;

    identical_calls_end_a_task: r#"
        given > tools/list bank
        task open t ann {"limits":{"repeats":1}}
        token t
        > tools/call bank pay {"to":"joe","amount":1}
        > tools/call bank pay {"to":"joe","amount":2}
        > tools/call bank pay { "amount": 1, "to": "joe" }
        show
    "# => r#"
    "#;

    /// One that waits is in flight; one that ended is not.
    calls_in_flight_end_a_task: r#"
        given > tools/list bank
        task open t ann {"limits":{"in_flight":1}}
        token t
        > tools/call bank balance
        bank hangs
        & > tools/call bank balance
        > tools/call bank balance
        show
        release
        wait
        show
        task used t
    "# => r#"
    "#;

    /// A call that a limit let in goes on when the limit is reached meanwhile; a person's stop counts for it too.
    what_was_reserved_still_runs: r#"
        given > tools/list bank
        task open t ann {"limits":{"steps":1}}
        token t
        approver waits
        approver grants owner
        & > tools/call bank pay {"to":"joe","amount":101}
        > tools/call bank balance
        release
        wait
        task used t
    "# => r#"
    "#;

    /// What ends before it acts gives back what it had reserved.
    what_is_refused_later_gives_its_place_back: r#"
        given > tools/list bank
        task open t ann {"limits":{"steps":1,"cost":1}}
        token t
        > tools/call bank pay {"to":"joe","amount":101}
        task used t
        vault is empty
        > tools/call bank balance
        task used t
    "# => r#"
    "#;

    /// What is handed on is paid by the one above: the two share one budget.
    a_child_shares_its_parents_budget: r#"
        given > tools/list bank
        task open t ann {"limits":{"steps":2}}
        task child c t ann {"limits":{"steps":9}}
        token c
        > tools/call bank balance
        token t
        > tools/call bank balance
        token c
        > tools/call bank balance
        show
        task show t
    "# => r#"
    "#;

    /// The profile `default` is for tasks that nobody opened.
    a_task_that_nobody_opened_is_limited_too: r#"
        limits steps = 1
        given > tools/list bank
        > tools/call bank balance
        > tools/call bank balance
        show
        later 1801
        > tools/call bank balance
    "# => r#"
    "#;

    the_limits_of_a_caller_refuse_and_end_nothing: r#"
        as low
        given > tools/list bank
        task open t low
        token t
        > tools/call bank balance
        token none
        > tools/call bank balance
        > tools/call bank balance
        show
        task show t
        later 61
        > tools/call bank balance
        > tools/call bank pay {"to":"joe","amount":101}
        > tools/call bank pay {"to":"joe","amount":101}
        show
    "# => r#"
    "#;

    the_limits_of_a_server_refuse_everybody_and_end_nothing: r#"
        given > tools/list kiosk
        > tools/call kiosk look {"at":"a"}
        > tools/call kiosk look {"at":"a"}
        show
        as bob
        given > tools/list kiosk
        > tools/call kiosk look {"at":"b"}
        > tools/call kiosk look {"at":"c"}
        show
        later 60
        as ann
        > tools/call kiosk sell {"what":"0123456789012345678901234567890123456789"}
        show
        > tools/call kiosk sell {"price":8.5}
        show
        kiosk answers {"content":[],"isError":true}
        > tools/call kiosk sell {"price":1}
        > tools/call kiosk look {"at":"d"}
        show
        later 60
        kiosk hangs
        & > tools/call kiosk look {"at":"e"}
        > tools/call kiosk look {"at":"f"}
        show
        release
        wait
    "# => r#"
    "#;
}
