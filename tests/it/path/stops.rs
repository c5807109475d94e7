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
        event: task_opened
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        event: task_ended
        > tools/call bank balance: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005abababababababab` is over: it reached a limit: `steps`: 1 tool calls (of `task-0000000000000005abababababababab`); nothing more is done in it
        nothing
        > tools/call bank pay: intake>classify>policy>audit -> refused task_over
        > tools/list bank: intake>classify>policy>audit -> refused task_over
        t: it reached a limit: `steps`: 1 tool calls (of `task-0000000000000005abababababababab`); private; 0 expansions
        steps 1
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
        event: task_opened
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        steps 1, cost 3, bytes_out 24
        event: task_ended
        > tools/call shop order: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005abababababababab` is over: it reached a limit: `cost`: 6 units (of `task-0000000000000005abababababababab`); nothing more is done in it
        t: it reached a limit: `cost`: 6 units (of `task-0000000000000005abababababababab`); none; 0 expansions
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
        event: task_opened
        intent: tools/call shop order
        sent to shop: tools/call order
        > tools/call shop order: all nine -> served
        intent: tools/call shop order
        sent to shop: tools/call order
        event: task_ended
        > tools/call shop order: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"structuredContent":{"order":"o1","cost":7},"content":[],"_meta":{"dev.wicketgate/label":{"source":{"server":"shop","tool":"order"},"trust":"trusted","labels":[],"trace":"0000000000000006abababababababab","record":2}}}}
        > tools/call shop quote: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005abababababababab` is over: it reached a limit: `cost`: 6 units (of `task-0000000000000005abababababababab`); nothing more is done in it
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
        event: task_opened
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        {"bytes_out":0,"cost":0,"depth":0,"explicit":true,"off_plan":false,"profile":"any"}
        event: task_ended
        > tools/call bank pay: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005abababababababab` is over: it reached a limit: `bytes_out`: 30 bytes of arguments sent out (of `task-0000000000000005abababababababab`); nothing more is done in it
    "#;

    time_ends_a_task: r#"
        given > tools/list bank
        task open t ann {"limits":{"elapsed_s":60}}
        token t
        later 60
        > tools/call bank balance
        later 1
        > ping bank
        > tools/call bank balance
        show
        > ping bank
    "# => r#"
        event: task_opened
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        sent to bank: ping
        > ping bank: all nine -> served
        event: task_ended
        > tools/call bank balance: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005abababababababab` is over: it reached a limit: `elapsed_s`: 60 seconds (of `task-0000000000000005abababababababab`); nothing more is done in it
        > ping bank: intake>classify>policy>audit -> refused task_over
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
        event: task_opened
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approval_unavailable
        event: task_ended
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005abababababababab` is over: it reached a limit: `approvals`: 1 calls put to a person (of `task-0000000000000005abababababababab`); nothing more is done in it
        approvals 1
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
        event: task_opened
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        intent: tools/call bank pay
        sent to bank: tools/call pay
        event: task_ended
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> failed unreachable
        > tools/call bank balance: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005abababababababab` is over: it reached a limit: `failures_in_row`: 2 failed calls in a row (of `task-0000000000000005abababababababab`); nothing more is done in it
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
        event: task_opened
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        event: task_ended
        > tools/call bank pay: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005abababababababab` is over: it reached a limit: `repeats`: 1 identical calls (of `task-0000000000000005abababababababab`); nothing more is done in it
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
        event: task_opened
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        sent to bank: tools/call balance
        event: task_ended
        > tools/call bank balance: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005abababababababab` is over: it reached a limit: `in_flight`: 1 calls at one time (of `task-0000000000000005abababababababab`); nothing more is done in it
        > tools/call bank balance: all nine -> served [private]
        200 {"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"bank","tool":"balance"},"trust":"trusted","labels":["private"],"trace":"0000000000000006abababababababab","record":3}}}}
        steps 2
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
        event: task_opened
        asked for owner: bank pay
        event: task_ended
        > tools/call bank balance: intake>classify>policy>audit -> refused task_over
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        steps 1, bytes_out 25, approvals 1
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
        event: task_opened
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approval_unavailable
        approvals 1
        > tools/call bank balance: intake>classify>policy>guardrail>approval>audit -> refused credential_unavailable
        approvals 1
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
        event: task_opened
        event: task_opened
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        event: task_ended
        > tools/call bank balance: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000007abababababababab` is over: it reached a limit: `steps`: 2 tool calls (of `task-0000000000000005abababababababab`); nothing more is done in it
        t: it reached a limit: `steps`: 2 tool calls (of `task-0000000000000005abababababababab`); private; 0 expansions
    "#;

    /// The profile `default` is for tasks that nobody opened.
    a_task_that_nobody_opened_is_limited_too: r#"
        limits steps = 1
        given > tools/list bank
        > tools/call bank balance
        > tools/call bank balance
        show
        later 3601
        given > tools/list bank
        > tools/call bank balance
    "# => r#"
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        event: task_ended
        > tools/call bank balance: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000003abababababababab` is over: it reached a limit: `steps`: 1 tool calls (of `task-0000000000000003abababababababab`); nothing more is done in it
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
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
        event: task_opened
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        > tools/call bank balance: intake>classify>policy>audit -> refused limit_reached
        200 tool result limit_reached: a limit is reached: `steps`: 2 tool calls (yours, over all your tasks); try again later
        t: open; private; 0 expansions
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approval_unavailable
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused limit_reached
        200 tool result limit_reached: a limit is reached: `approvals`: 1 calls put to a person (yours, over all your tasks); try again later
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
        sent to kiosk: tools/call look
        > tools/call kiosk look: all nine -> served
        > tools/call kiosk look: intake>classify>policy>audit -> refused limit_reached
        200 tool result limit_reached: a limit is reached: `repeats`: 1 identical calls (of the server `kiosk`, for everybody); try again later
        sent to kiosk: tools/call look
        > tools/call kiosk look: all nine -> served
        > tools/call kiosk look: intake>classify>policy>audit -> refused limit_reached
        200 tool result limit_reached: a limit is reached: `steps`: 2 tool calls (of the server `kiosk`, for everybody); try again later
        > tools/call kiosk sell: intake>classify>policy>audit -> refused limit_reached
        200 tool result limit_reached: a limit is reached: `bytes_out`: 40 bytes of arguments sent out (of the server `kiosk`, for everybody); try again later
        > tools/call kiosk sell: intake>classify>policy>audit -> refused limit_reached
        200 tool result limit_reached: a limit is reached: `cost`: 9 units (of the server `kiosk`, for everybody); try again later
        intent: tools/call kiosk sell
        sent to kiosk: tools/call sell
        > tools/call kiosk sell: all nine -> served
        > tools/call kiosk look: intake>classify>policy>audit -> refused limit_reached
        200 tool result limit_reached: a limit is reached: `failures_in_row`: 1 failed calls in a row (of the server `kiosk`, for everybody); try again later
        sent to kiosk: tools/call look
        > tools/call kiosk look: intake>classify>policy>audit -> refused limit_reached
        200 tool result limit_reached: a limit is reached: `in_flight`: 1 calls at one time (of the server `kiosk`, for everybody); try again later
        > tools/call kiosk look: all nine -> served
    "#;
}
