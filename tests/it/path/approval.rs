//! Waiting for people: what a client is told meanwhile, and how it finds what was decided.

scripts! {
    /// The client cannot wait for ever. What it is told names the request, and says what to do.
    a_call_that_nobody_decides_on_is_told_to_ask_again: r#"
        given > tools/list bank
        approver waits
        approver is asked before
        > tools/call bank pay {"to":"joe","amount":101}
        show raw
        show notes
    "# => r#"
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approval_pending
        200 {"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"`pay` needs a person's approval, and nobody has decided yet: More than 100 leaves the account. It was not carried out. The request is ap_1 (https://gate.test/console/#/approvals/ap_1). Make the same call again later to find the decision; calls with other arguments are other requests."}],"isError":true,"_meta":{"dev.wicketgate/refusal":{"code":"approval_pending","retry":true,"trace":"0000000000000003abababababababab","record":2,"approval":{"id":"ap_1","url":"https://gate.test/console/#/approvals/ap_1"}}}}}
        approval asked of owner (large-payment): not decided yet (ap_1)
    "#;

    /// A client that asked for progress and reads events is told every ten seconds, on the stream that its answer ends.
    a_client_that_asked_for_progress_is_told: r#"
        given > tools/list bank
        approver waits
        with accept: application/json, text/event-stream
        & raw bank {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"_meta":{"progressToken":"p"}}}
        sleep 31
        hang
    "# => r#"
        asked for owner: bank pay
        <! notifications/progress bank: all nine -> served
        event notifications/progress
        <! notifications/progress bank: all nine -> served
        event notifications/progress
        <! notifications/progress bank: all nine -> served
        event notifications/progress
        > tools/call bank pay: intake>classify>policy>guardrail -> abandoned
    "#;

    /// A call that is held and then approved is answered on the stream.
    a_held_call_is_answered_where_its_client_was_told: r#"
        given > tools/list bank
        approver grants owner
        approver waits
        with accept: text/event-stream
        & raw bank {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"_meta":{"progressToken":7}}}
        sleep 25
        release
        wait
        show raw
    "# => r#"
        asked for owner: bank pay
        <! notifications/progress bank: all nine -> served
        event notifications/progress
        <! notifications/progress bank: all nine -> served
        event notifications/progress
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        event answer
        the held call is over
        200 {"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"bank","tool":"pay"},"trust":"trusted","labels":[],"trace":"0000000000000003abababababababab","record":2}}}}
    "#;

    /// What is decided at once is answered as if nothing had been watched for.
    what_is_not_held_is_no_stream: r#"
        given > tools/list bank
        approver grants owner
        with accept: text/event-stream
        raw bank {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"_meta":{"progressToken":7}}}
        show raw
    "# => r#"
        asked for owner: bank pay
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        200 {"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"bank","tool":"pay"},"trust":"trusted","labels":[],"trace":"0000000000000003abababababababab","record":2}}}}
    "#;

    /// A modern client that can send its user to a URL is asked to, at once; it comes back with our state, which no server sees.
    a_modern_client_sends_its_user_to_the_request: r#"
        modern
        given > tools/list bank
        approver waits
        always mcp-protocol-version: 2026-07-28
        with mcp-method: tools/call
        with mcp-name: pay
        raw bank {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}}}}
        show raw
        with mcp-method: tools/call
        with mcp-name: pay
        raw bank {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"requestState":"{{state}}","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}}}}
        show
        approver answers
        approver grants owner
        as bob
        with mcp-method: tools/call
        with mcp-name: pay
        raw bank {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"requestState":"{{state}}","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        as ann
        with mcp-method: tools/call
        with mcp-name: pay
        raw bank {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"requestState":"{{state}}","inputResponses":{"dev.wicketgate/approval":{"action":"accept"}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}}}}
        show sent
    "# => r#"
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approval_pending
        200 {"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","inputRequests":{"dev.wicketgate/approval":{"method":"elicitation/create","params":{"mode":"url","elicitationId":"ap_1","url":"https://gate.test/console/#/approvals/ap_1","message":"`pay` waits for a person's approval (owner). Open the page to see what it would do."}}},"requestState":"wgs_YXBfMSBkZWZhdWx0L2Fubg.9ATgJ6ZKaZWt2M6YJuVcLEbRdW0Ta1MiQv6F6mSPIoA"}}
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approval_pending
        200 complete approval_pending: `pay` needs a person's approval, and nobody has decided yet: More than 100 leaves the account. It was not carried out. The request is ap_1 (https://gate.test/console/#/approvals/ap_1). Make the same call again later to find the decision; calls with other arguments are other requests.
        > tools/call bank: audit -> refused bad_parameters
        asked for owner: bank pay
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}},"traceparent":"00-0000000000000003abababababababab-000000000000000d-01"}}}
    "#;

    /// A server's own state is the server's.
    a_servers_state_goes_on_to_it: r#"
        given > tools/list bank
        approver grants owner
        raw bank {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"requestState":"not wgs_ of ours"}}
        show sent
    "# => r#"
        asked for owner: bank pay
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"requestState":"not wgs_ of ours","_meta":{"traceparent":"00-0000000000000003abababababababab-0000000000000007-01"}}}
    "#;

    /// Too much waits already.
    a_flood_of_requests_is_stopped: r#"
        given > tools/list bank
        approver is flooded: 50 calls of yours wait already
        > tools/call bank pay {"to":"joe","amount":101}
        show
    "# => r#"
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approvals_full
        200 tool result approvals_full: `pay` needs a person's approval (More than 100 leaves the account), and 50 calls of yours wait already. It was not carried out. Tools of `bank` that remain open to you: balance.
    "#;

    /// Its client gives it up: nobody is asked any more for this call, and nothing is done.
    a_held_call_can_be_cancelled: r#"
        given > tools/list bank
        approver grants owner
        approver waits
        & raw bank {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101}}}
        ! notifications/cancelled bank {"requestId":7}
        wait
        show
    "# => r#"
        asked for owner: bank pay
        sent to bank: notifications/cancelled
        >! notifications/cancelled bank: all nine -> served
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> abandoned cancelled
        200 error 49900 cancelled: the client cancelled the call while it was under way
    "#;

    /// A state that was not sealed here, or for another caller, is refused.
    a_forged_state_is_refused: r#"
        given > tools/list bank
        raw bank {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":101},"requestState":"wgs_MSBhcF8xIGRlZmF1bHQvYW5u.AAAA"}}
        show
    "# => r#"
        > tools/call bank: audit -> refused bad_parameters
        200 error -32602 bad_parameters: `params.requestState` was not made here for this caller
    "#;

    /// What was asked for is out of date as often as it is asked: the agent is told to ask again itself.
    a_request_that_is_overtaken_is_judged_anew: r#"
        given > tools/list bank
        approver is overtaken: the law has changed
        > tools/call bank pay {"to":"joe","amount":101}
        show
    "# => r#"
        asked for owner: bank pay
        asked for owner: bank pay
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approval_unavailable
        200 tool result approval_unavailable: too much has changed while `pay` waited for a person; ask again with the same call. Tools of `bank` that remain open to you: balance.
    "#;

    /// What was read while people thought is shown to them: what they decided was about another situation.
    an_approval_does_not_cover_what_came_since: r#"
        given > tools/list bank
        given > tools/list files
        approver grants owner
        approver waits
        & > tools/call bank pay {"to":"joe","amount":101}
        approver answers
        > tools/call files read {"path":"/a"}
        release
        wait
        show notes
    "# => r#"
        asked for owner: bank pay
        sent to files: tools/call read
        > tools/call files read: all nine -> served [private]
        ap_1 is given back by 3
        asked for owner: bank pay
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        approval asked of owner (large-payment): granted owner by default/jane (ap_1); it is asked again, since its task has read what carries private; approval asked of owner (large-payment): granted owner by default/jane (ap_1)
    "#;

    /// A question to the client is put once for each yes: with its going out what people gave is used up.
    an_approved_question_to_the_client_is_used_up: r#"
        law @id("seen-first") @reason("A model is not asked unseen") @approval("owner") forbid (principal, action == Gate::Action::"sampling/createMessage", resource);
        approver grants owner
        lab streams
        | sampling/createMessage? {"messages":[]}
        | answer {}
        > prompts/list lab
    "# => r#"
        sent to lab: prompts/list
        asked for owner: lab sampling/createMessage
        < sampling/createMessage lab: all nine -> served
        event sampling/createMessage
        > prompts/list lab: all nine -> served
        event answer
        the stream is over
    "#;
}
