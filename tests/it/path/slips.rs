//! Slips: the client of a call that waits for people is given a task, and comes back for the result.

scripts! {
    /// By 2025-11-25 a client asks for a task: it is answered at once, and comes back for the result, which its server made
    /// for a plain call.
    a_client_that_asks_for_a_task_comes_back_for_the_result: r#"
        given > tools/list yard
        approver grants owner
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        show raw
        raw yard {"jsonrpc":"2.0","id":8,"method":"tasks/get","params":{"taskId":"{{slip}}"}}
        show raw
        later 7
        release
        show sent
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
        > tasks/result yard {"taskId":"{{slip}}"}
        show raw
        show record /labels
        > tasks/result yard {"taskId":"{{slip}}"}
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        200 {"jsonrpc":"2.0","id":7,"result":{"task":{"taskId":"wgk_0000000000000007abababababababab","status":"working","statusMessage":"`ship` waits for a person's approval (owner): https://gate.test/console/#/approvals/ap_1","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttl":930000,"pollInterval":5000}}}
        > tasks/get yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":8,"result":{"taskId":"wgk_0000000000000007abababababababab","status":"working","statusMessage":"`ship` waits for a person's approval (owner): https://gate.test/console/#/approvals/ap_1","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttl":930000,"pollInterval":5000}}
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"_meta":{"traceparent":"00-0000000000000003abababababababab-000000000000000b-01"}}}
        > tasks/get yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"taskId":"wgk_0000000000000007abababababababab","status":"completed","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:07.000Z","ttl":930000,"pollInterval":5000}}
        > tasks/result yard wgk_0000000000000007abababababababab: all nine -> served [private]
        200 {"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"yard","tool":"ship"},"trust":"trusted","labels":["private"],"trace":"0000000000000003abababababababab","record":2},"io.modelcontextprotocol/related-task":{"taskId":"wgk_0000000000000007abababababababab"}}}}
        ["private"]
        > tasks/result yard wgk_0000000000000007abababababababab: all nine -> served [private]
    "#;

    /// Who waits there for the result has it as soon as the call is over; what is asked of the task is told by the gate
    /// alone.
    who_waits_for_the_result_has_it_when_the_call_is_over: r#"
        given > tools/list yard
        approver grants owner
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        slots 1
        & > tasks/result yard {"taskId":"{{slip}}"}
        > ping yard
        release
        wait
        show raw
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        sent to yard: ping
        > ping yard: all nine -> served
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        > tasks/result yard wgk_0000000000000007abababababababab: all nine -> served [private]
        200 {"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"yard","tool":"ship"},"trust":"trusted","labels":["private"],"trace":"0000000000000003abababababababab","record":2},"io.modelcontextprotocol/related-task":{"taskId":"wgk_0000000000000007abababababababab"}}}}
    "#;

    /// Its client stops waiting for the result, not for the call.
    who_stops_waiting_for_the_result_cancels_nothing: r#"
        given > tools/list yard
        approver grants owner
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        & raw yard {"jsonrpc":"2.0","id":9,"method":"tasks/result","params":{"taskId":"{{slip}}"}}
        ! notifications/cancelled yard {"requestId":9}
        wait
        & raw yard {"jsonrpc":"2.0","id":10,"method":"tasks/result","params":{"taskId":"{{slip}}"}}
        hang
        ! notifications/cancelled yard {"requestId":7}
        release
        > tasks/result yard {"taskId":"{{slip}}"}
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        sent to yard: notifications/cancelled
        >! notifications/cancelled yard: all nine -> served
        > tasks/result yard wgk_0000000000000007abababababababab: intake>classify>policy>guardrail>approval>credential>audit -> abandoned cancelled
        > tasks/result yard wgk_0000000000000007abababababababab: intake>classify>policy>guardrail>approval>credential -> abandoned
        sent to yard: notifications/cancelled
        >! notifications/cancelled yard: all nine -> served
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        > tasks/result yard wgk_0000000000000007abababababababab: all nine -> served [private]
    "#;

    /// A no is the result of the call, as if it had been held.
    a_refused_task_has_failed: r#"
        given > tools/list yard
        approver refuses: not today
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        release
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
        > tasks/result yard {"taskId":"{{slip}}"}
        show raw
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> refused denied
        > tasks/get yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"taskId":"wgk_0000000000000007abababababababab","status":"failed","statusMessage":"`ship` was refused by an approver: not today. Tools of `yard` that remain open to you: haul, lift.","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttl":930000,"pollInterval":5000}}
        > tasks/result yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"`ship` was refused by an approver: not today. Tools of `yard` that remain open to you: haul, lift."}],"isError":true,"_meta":{"dev.wicketgate/refusal":{"code":"denied","retry":false,"trace":"0000000000000003abababababababab","record":2},"io.modelcontextprotocol/related-task":{"taskId":"wgk_0000000000000007abababababababab"}}}}
    "#;

    /// Nobody decides in time.
    an_expired_task_has_failed: r#"
        given > tools/list yard
        approver expires
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        release
        > tasks/result yard {"taskId":"{{slip}}"}
        show
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        sleep 31
        > tasks/result yard {"taskId":"{{slip}}"}
        show
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> refused approval_unavailable
        > tasks/result yard wgk_0000000000000007abababababababab: all nine -> served
        200 tool result approval_unavailable: `ship` needs a person's approval (More than 10 leave the yard), and nobody decided in time. It was not carried out. The same call puts it to people anew. Tools of `yard` that remain open to you: haul, lift.
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> refused approval_pending
        > tasks/result yard wgk_000000000000000dabababababababab: all nine -> served
        200 tool result approval_pending: `ship` needs a person's approval, and nobody has decided yet: More than 10 leave the yard. It was not carried out. The request is ap_1 (https://gate.test/console/#/approvals/ap_1). Make the same call again later to find the decision; calls with other arguments are other requests.
    "#;

    /// Cancelled, the call is stopped, and what people give later is not used. What is over cannot be cancelled.
    a_task_can_be_cancelled: r#"
        given > tools/list yard
        approver grants owner
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        > tasks/cancel yard {"taskId":"{{slip}}"}
        show raw
        release
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
        > tasks/result yard {"taskId":"{{slip}}"}
        show
        > tasks/cancel yard {"taskId":"{{slip}}"}
        show
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        > tasks/cancel yard wgk_0000000000000007abababababababab: all nine -> served
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> abandoned cancelled
        200 {"jsonrpc":"2.0","id":2,"result":{"taskId":"wgk_0000000000000007abababababababab","status":"cancelled","statusMessage":"cancelled by its client","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttl":930000,"pollInterval":5000}}
        > tasks/get yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":3,"result":{"taskId":"wgk_0000000000000007abababababababab","status":"cancelled","statusMessage":"cancelled by its client","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttl":930000,"pollInterval":5000}}
        > tasks/result yard wgk_0000000000000007abababababababab: all nine -> served
        200 error 49900 cancelled: the client cancelled the call while it was under way
        > tasks/cancel yard wgk_0000000000000007abababababababab: intake>classify>policy>guardrail>approval>credential>audit -> refused bad_parameters
        200 error -32602 bad_parameters: the task is over: there is nothing to cancel any more
    "#;

    /// A call under way is stopped too; whether it acted, nobody knows.
    a_task_can_be_cancelled_while_its_call_is_under_way: r#"
        given > tools/list yard
        approver grants owner
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        approver answers
        yard hangs
        release
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
        > tasks/cancel yard {"taskId":"{{slip}}"}
        > tasks/result yard {"taskId":"{{slip}}"}
        show
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tasks/get yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"taskId":"wgk_0000000000000007abababababababab","status":"working","statusMessage":"approved, and under way","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttl":930000,"pollInterval":5000}}
        > tasks/cancel yard wgk_0000000000000007abababababababab: all nine -> served
        > tools/call yard ship: intake>classify>policy>guardrail>approval>credential>audit -> indeterminate cancelled
        > tasks/result yard wgk_0000000000000007abababababababab: all nine -> served
        200 error 49900 cancelled: the client cancelled the call while it was under way
    "#;

    /// Another principal's task is nobody's, and so is one that was never made, or is asked of another server.
    anothers_slip_is_nobodys: r#"
        given > tools/list yard
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        as eve
        > tasks/get yard {"taskId":"{{slip}}"}
        show
        > tasks/result yard {"taskId":"{{slip}}"}
        > tasks/cancel yard {"taskId":"{{slip}}"}
        as ann
        > tasks/get lab {"taskId":"{{slip}}"}
        > tasks/get yard {"taskId":"wgk_0"}
        task open t ann {}
        token t
        > tasks/get yard {"taskId":"{{slip}}"}
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        > tasks/get yard: intake>audit -> refused bad_parameters
        200 error -32602 bad_parameters: there is no such task: `params.taskId` names none of yours
        > tasks/result yard: intake>audit -> refused bad_parameters
        > tasks/cancel yard: intake>audit -> refused bad_parameters
        > tasks/get lab: intake>audit -> refused bad_parameters
        > tasks/get yard: intake>audit -> refused bad_parameters
        event: task_opened
        > tasks/get yard: intake>audit -> refused bad_parameters
        > tools/call yard ship: intake>classify>policy>guardrail -> abandoned
    "#;

    /// There is room for two of one principal's: the third waits as any call. What was fetched makes room.
    there_is_room_for_so_many_slips: r#"
        given > tools/list yard
        approver grants owner
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        show
        approver answers
        release
        > tasks/result yard {"taskId":"{{slip}}"}
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        show raw
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        asked for owner: yard ship
        asked for owner: yard ship
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> refused approval_pending
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> refused approval_pending
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> refused approval_pending
        200 tool result approval_pending: `ship` needs a person's approval, and nobody has decided yet: More than 10 leave the yard. It was not carried out. The request is ap_1 (https://gate.test/console/#/approvals/ap_1). Make the same call again later to find the decision; calls with other arguments are other requests.
        > tasks/result yard wgk_000000000000000babababababababab: all nine -> served
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        200 {"jsonrpc":"2.0","id":7,"result":{"task":{"taskId":"wgk_0000000000000014abababababababab","status":"working","statusMessage":"`ship` waits for a person's approval (owner): https://gate.test/console/#/approvals/ap_1","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttl":930000,"pollInterval":5000}}}
        > tools/call yard ship: intake>classify>policy>guardrail -> abandoned
    "#;

    /// A result that is too long to be kept is told to be lost, and not to be repeated.
    a_result_too_long_to_be_kept_is_told_to_be_lost: r#"
        given > tools/list yard
        approver grants owner
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        approver answers
        yard answers {"content":[{"type":"text","text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}]}
        release
        > tasks/result yard {"taskId":"{{slip}}"}
        show
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        > tasks/result yard wgk_0000000000000007abababababababab: all nine -> served
        200 tool result answer_lost: the call was carried out, and its result is too long to be kept until it is fetched; do not simply repeat the call
    "#;

    /// A tool that must be called as a task stays with its server, and one that must not be waits as any other, and so does a
    /// call that asks for no task.
    what_is_no_task_of_the_gates_stays_as_it_is: r#"
        given > tools/list yard
        approver grants owner
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        show sent
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"haul","arguments":{"count":11},"task":{"ttl":60000}}}
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"lift","arguments":{"count":11},"task":{"ttl":60000}}}
        > tools/call yard ship {"count":11}
        > tools/call yard ship {"count":1}
        with mcp-protocol-version: 2026-07-28
        with mcp-method: tools/call
        with mcp-name: haul
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"haul","arguments":{"count":11},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}}}}}
    "# => r#"
        asked for owner: yard ship
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000},"_meta":{"traceparent":"00-0000000000000003abababababababab-0000000000000007-01"}}}
        asked for owner: yard haul
        > tools/call yard haul: intake>classify>policy>guardrail>audit -> refused approval_pending
        asked for owner: yard lift
        > tools/call yard lift: intake>classify>policy>guardrail>audit -> refused approval_pending
        asked for owner: yard ship
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> refused approval_pending
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        asked for owner: yard haul
        > tools/call yard haul: intake>classify>policy>guardrail>audit -> refused approval_pending
    "#;

    /// A modern client that takes tasks is given one, and polls for the result. Its server is told of nobody to ask, and of
    /// no tasks.
    a_modern_client_that_takes_tasks_polls_for_the_result: r#"
        modern
        given > tools/list yard
        approver grants owner
        approver waits
        always mcp-protocol-version: 2026-07-28
        with mcp-method: tools/call
        with mcp-name: ship
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}}}}}
        show raw
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
        > tasks/update yard {"taskId":"{{slip}}","inputResponses":{}}
        show raw
        release
        show sent
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
        > tasks/cancel yard {"taskId":"{{slip}}"}
        show raw
        > tasks/result yard {"taskId":"{{slip}}"}
        show
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        200 {"jsonrpc":"2.0","id":7,"result":{"resultType":"task","taskId":"wgk_0000000000000007abababababababab","status":"working","statusMessage":"`ship` waits for a person's approval (owner): https://gate.test/console/#/approvals/ap_1","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttlMs":930000,"pollIntervalMs":5000}}
        > tasks/get yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","taskId":"wgk_0000000000000007abababababababab","status":"working","statusMessage":"`ship` waits for a person's approval (owner): https://gate.test/console/#/approvals/ap_1","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttlMs":930000,"pollIntervalMs":5000}}
        > tasks/update yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":3,"result":{"resultType":"complete"}}
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"x/y":{}}},"traceparent":"00-0000000000000003abababababababab-000000000000000d-01"}}}
        > tasks/get yard wgk_0000000000000007abababababababab: all nine -> served [private]
        200 {"jsonrpc":"2.0","id":4,"result":{"resultType":"complete","taskId":"wgk_0000000000000007abababababababab","status":"completed","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttlMs":930000,"pollIntervalMs":5000,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"yard","tool":"ship"},"trust":"trusted","labels":["private"],"trace":"0000000000000003abababababababab","record":2}}}}}
        > tasks/cancel yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":5,"result":{"resultType":"complete"}}
        > tasks/result yard wgk_0000000000000007abababababababab: intake>classify>policy>guardrail>approval>credential>audit -> refused method_closed
        404 error -32601 method_closed: Method not found: `tasks/result` says nothing of such a task in this revision
    "#;

    /// A refused call has completed, by the extension: it has a result, which says that it failed. A server that asks for
    /// more all the same is not heard.
    a_modern_task_fails_by_errors_alone: r#"
        modern
        given > tools/list yard
        approver refuses: not today
        approver waits
        always mcp-protocol-version: 2026-07-28
        with mcp-method: tools/call
        with mcp-name: ship
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}}}}}
        release
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
        approver grants owner
        approver waits
        with mcp-method: tools/call
        with mcp-name: ship
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}}}}}
        approver answers
        yard errs {"code":-32021,"message":"missing capability"}
        release
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
        approver waits
        with mcp-method: tools/call
        with mcp-name: ship
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}}}}}
        approver answers
        yard answers {"resultType":"input_required","inputRequests":{}}
        release
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
        approver waits
        with mcp-method: tools/call
        with mcp-name: ship
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{},"x/y":{}}}}}}
        > tasks/cancel yard {"taskId":"{{slip}}"}
        release
        > tasks/get yard {"taskId":"{{slip}}"}
        show raw
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> refused denied
        > tasks/get yard wgk_0000000000000007abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","taskId":"wgk_0000000000000007abababababababab","status":"completed","statusMessage":"`ship` was refused by an approver: not today. Tools of `yard` that remain open to you: haul, lift.","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttlMs":930000,"pollIntervalMs":5000,"result":{"content":[{"type":"text","text":"`ship` was refused by an approver: not today. Tools of `yard` that remain open to you: haul, lift."}],"isError":true,"resultType":"complete","_meta":{"dev.wicketgate/refusal":{"code":"denied","retry":false,"trace":"0000000000000003abababababababab","record":2}}}}}
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        > tasks/get yard wgk_000000000000000dabababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":3,"result":{"resultType":"complete","taskId":"wgk_000000000000000dabababababababab","status":"failed","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttlMs":930000,"pollIntervalMs":5000,"error":{"code":-32021,"message":"missing capability"}}}
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        > tasks/get yard wgk_0000000000000014abababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":4,"result":{"resultType":"complete","taskId":"wgk_0000000000000014abababababababab","status":"completed","statusMessage":"there is no result to hand over: it was lost, or the server asked for something more, which nobody hears in a task; whether the call had an effect is unknown, so do not simply repeat it","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttlMs":930000,"pollIntervalMs":5000,"result":{"content":[{"type":"text","text":"there is no result to hand over: it was lost, or the server asked for something more, which nobody hears in a task; whether the call had an effect is unknown, so do not simply repeat it"}],"isError":true,"resultType":"complete","_meta":{"dev.wicketgate/refusal":{"code":"answer_lost","retry":false,"trace":"0000000000000003abababababababab","record":8}}}}}
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        > tasks/cancel yard wgk_000000000000001babababababababab: all nine -> served
        > tools/call yard ship: intake>classify>policy>guardrail>audit -> abandoned cancelled
        > tasks/get yard wgk_000000000000001babababababababab: all nine -> served
        200 {"jsonrpc":"2.0","id":6,"result":{"resultType":"complete","taskId":"wgk_000000000000001babababababababab","status":"cancelled","statusMessage":"cancelled by its client","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttlMs":930000,"pollIntervalMs":5000}}
    "#;

    /// Another task of the same agent reads the result: it has read it from then on.
    a_result_labels_whoever_reads_it: r#"
        given > tools/list yard
        approver grants owner
        approver waits
        > initialize yard {"protocolVersion":"2025-11-25"}
        session yard-1
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        release
        session none
        show task
        > tasks/get yard {"taskId":"{{slip}}"}
        with traceparent: 00-11111111111111111111111111111111-1111111111111111-01
        > tasks/result yard {"taskId":"{{slip}}"}
        show task
        show record /labels
    "# => r#"
        sent to yard: initialize
        > initialize yard: all nine -> served
        sent to yard: tools/list
        > tools/list yard: all nine -> served
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        private
        > tasks/get yard wgk_000000000000000dabababababababab: all nine -> served
        > tasks/result yard wgk_000000000000000dabababababababab: all nine -> served [private]
        private | private
        ["private"]
    "#;

    /// What can be got can be listed, by whose it is.
    the_gates_tasks_stand_in_the_list: r#"
        given > tools/list yard
        approver waits
        raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        yard answers {"tasks":[{"taskId":"t1"}],"nextCursor":"2"}
        > tasks/list yard
        show
        yard answers {"tasks":[{"taskId":"t2"}]}
        > tasks/list yard {"cursor":"2"}
        show
        as eve
        yard answers {"tasks":[]}
        > tasks/list yard
        show
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: all nine -> served
        sent to yard: tasks/list
        > tasks/list yard: all nine -> served [private]
        200 {"jsonrpc":"2.0","id":2,"result":{"tasks":[{"taskId":"t1"}],"nextCursor":"2","_meta":{"dev.wicketgate/label":{"source":{"server":"yard"},"trust":"trusted","labels":["private"],"trace":"0000000000000003abababababababab","record":4}}}}
        sent to yard: tasks/list
        > tasks/list yard: all nine -> served [private]
        200 {"jsonrpc":"2.0","id":3,"result":{"tasks":[{"taskId":"t2"},{"taskId":"wgk_0000000000000007abababababababab","status":"working","statusMessage":"`ship` waits for a person's approval (owner): https://gate.test/console/#/approvals/ap_1","createdAt":"2026-11-20T00:00:00.000Z","lastUpdatedAt":"2026-11-20T00:00:00.000Z","ttl":930000,"pollInterval":5000}],"_meta":{"dev.wicketgate/label":{"source":{"server":"yard"},"trust":"trusted","labels":["private"],"trace":"0000000000000003abababababababab","record":5}}}}
        sent to yard: tasks/list
        > tasks/list yard: all nine -> served [private]
        200 {"jsonrpc":"2.0","id":4,"result":{"tasks":[],"_meta":{"dev.wicketgate/label":{"source":{"server":"yard"},"trust":"trusted","labels":["private"],"trace":"0000000000000011abababababababab","record":6}}}}
        > tools/call yard ship: intake>classify>policy>guardrail -> abandoned
    "#;

    /// What cannot be told is no task: its client waits for the call itself.
    a_slip_that_cannot_be_told_is_none: r#"
        given > tools/list yard
        approver grants owner
        approver waits
        halt at look 3: the house burns
        & raw yard {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ship","arguments":{"count":11},"task":{"ttl":60000}}}
        resume
        release
        wait
        show
    "# => r#"
        asked for owner: yard ship
        asked for owner: yard ship
        <= yard: intake>classify>policy>guardrail>approval>credential>audit -> refused halted
        intent: tools/call yard ship
        sent to yard: tools/call ship
        > tools/call yard ship: all nine -> served [private]
        200 {"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"yard","tool":"ship"},"trust":"trusted","labels":["private"],"trace":"0000000000000003abababababababab","record":2}}}}
    "#;
}
