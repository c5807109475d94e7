//! The scope of a task: each way of reaching beyond it is refused, recorded, and told.

scripts! {
    a_tool_outside_is_refused_and_the_agent_told_what_is_open: r#"
        task open t ann {"tools":["mail/search","bank/balance"]}
        token t
        given > tools/list mail
        > tools/call mail read {"id":1}
        show
        show notes
        > tools/call mail search {"query":"x"}
        task show t
    "# => r#"
        event: task_opened
        > tools/call mail read: intake>classify>policy>audit -> refused out_of_scope
        200 tool result out_of_scope: the tool `mail/read` is outside the scope of this task, which was fixed when it was opened. Tools within its scope: bank/balance, mail/search.
        attempted expansion: the tool `mail/read` is outside the task's scope
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        t: open; untrusted; 1 expansions
    "#;

    /// Not even the gate asks a server that the task may not touch.
    a_server_outside_is_not_asked_for_its_tools: r#"
        task open t ann {"servers":["mail"]}
        token t
        > tools/call bank balance
        show
        > tools/list bank
        > initialize bank {"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}
        open lab
        ! notifications/initialized bank
        show notes
        task show t
    "# => r#"
        event: task_opened
        > tools/call bank balance: intake>audit -> refused out_of_scope
        200 tool result out_of_scope: the server `bank` is outside the scope of this task, which was fixed when it was opened. Tools within its scope: mail/purge, mail/read, mail/search, mail/send.
        > tools/list bank: intake>classify>policy>audit -> refused out_of_scope
        > initialize bank: intake>classify>policy>audit -> refused out_of_scope
        >~ stream lab: intake>classify>policy>audit -> refused out_of_scope
        >! notifications/initialized bank: intake>classify>policy>audit -> refused out_of_scope
        attempted expansion: the server `bank` is outside the task's scope
        t: open; none; 5 expansions
    "#;

    a_system_outside_is_refused: r#"
        task open t ann {"systems":["mail"]}
        token t
        > tools/call bank balance
        show
        given > tools/list mail
        > tools/call mail search {"query":"x"}
    "# => r#"
        event: task_opened
        > tools/call bank balance: intake>audit -> refused out_of_scope
        200 tool result out_of_scope: the system `Ledger of the bank`, on which `bank` acts, is outside the scope of this task, which was fixed when it was opened. Tools within its scope: mail/purge, mail/read, mail/search, mail/send.
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
    "#;

    resources_are_held_as_they_are_written_and_as_they_are_meant: r#"
        task open t ann {"resources":["file:///notes/*"]}
        token t
        > resources/read mail {"uri":"file:///notes/a"}
        > resources/read mail {"uri":"file:///secret"}
        show
        > resources/read mail {"uri":"file:///notes/../secret"}
        > resources/read mail {"uri":"file:///notes/%2e%2e/secret"}
        > resources/subscribe mail {"uri":"file:///secret"}
        > resources/unsubscribe mail {"uri":"file:///secret"}
        > skills/get lab {"uri":"file:///secret"}
        > resources/directory/read lab {"uri":"file:///secret"}
        show notes
    "# => r#"
        event: task_opened
        sent to mail: resources/read
        > resources/read mail file:///notes/a: all nine -> served [untrusted]
        > resources/read mail file:///secret: intake>classify>policy>audit -> refused out_of_scope
        200 error 40304 out_of_scope: the resource "file:///secret" is outside the scope of this task, which was fixed when it was opened. Resources within its scope: file:///notes/*.
        > resources/read mail file:///notes/../secret: intake>classify>policy>audit -> refused out_of_scope
        > resources/read mail file:///notes/%2e%2e/secret: intake>classify>policy>audit -> refused out_of_scope
        > resources/subscribe mail file:///secret: intake>classify>policy>audit -> refused out_of_scope
        > resources/unsubscribe mail file:///secret: intake>classify>policy>audit -> refused out_of_scope
        > skills/get lab file:///secret: intake>classify>policy>audit -> refused out_of_scope
        > resources/directory/read lab file:///secret: intake>classify>policy>audit -> refused out_of_scope
        attempted expansion: the resource "file:///secret" is outside the task's scope
    "#;

    what_rides_along_is_held_too: r#"
        task open t ann {"resources":["file:///notes/*"]}
        token t
        > completion/complete lab {"ref":{"type":"ref/resource","uri":"file:///secret/{x}"},"argument":{"name":"x","value":"a"}}
        show notes
        > subscriptions/listen lab {"notifications":{"resourceSubscriptions":["file:///notes/a","file:///secret"]}}
        show notes
    "# => r#"
        event: task_opened
        > completion/complete lab: intake>classify>policy>audit -> refused out_of_scope
        along: resources/read file:///secret/{x}; attempted expansion: the resource "file:///secret/{x}" is outside the task's scope
        > subscriptions/listen lab: intake>classify>policy>audit -> refused out_of_scope
        along: resources/subscribe file:///notes/a; along: resources/subscribe file:///secret; attempted expansion: the resource "file:///secret" is outside the task's scope
    "#;

    /// Work that a tool of the server's began elsewhere is that tool's; of work that nobody remembers, any tool's.
    a_jobs_tool_is_held: r#"
        given > tools/list lab
        lab answers {"task":{"taskId":"j1","status":"working"}}
        > tools/call lab probe
        task open t ann {"tools":["lab/survey"]}
        token t
        > tasks/get lab {"taskId":"j1"}
        show
        > tasks/result lab {"taskId":"unknown"}
    "# => r#"
        intent: tools/call lab probe
        sent to lab: tools/call probe
        > tools/call lab probe: all nine -> served
        event: task_opened
        > tasks/get lab j1: intake>classify>policy>audit -> refused out_of_scope
        200 error 40304 out_of_scope: the tool `lab/probe` is outside the scope of this task, which was fixed when it was opened. Tools within its scope: lab/survey.
        > tasks/result lab unknown: intake>classify>policy>audit -> refused out_of_scope
    "#;

    a_listing_shows_what_is_within: r#"
        task open t ann {"tools":["mail/se*"]}
        token t
        > tools/list mail
        show
        show notes
        token none
        > tools/list mail
    "# => r#"
        event: task_opened
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        200 {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search","description":"The tool search.","inputSchema":{"type":"object","properties":{"query":{"type":"string"}}}},{"name":"send","description":"The tool send.","inputSchema":{"type":"object","properties":{"to":{"type":"string"},"body":{"type":"string"}},"required":["to"],"additionalProperties":false}}]}}
        withheld: "read": outside the task's scope; "purge": outside the task's scope; "draft": nobody has reviewed it (`reviewed_by` and `reviewed_at` are missing)
        sent to mail: tools/list
        > tools/list mail: all nine -> served
    "#;

    a_denial_tells_only_of_what_is_within: r#"
        task open t ann {"tools":["mail/purge","mail/search"]}
        token t
        given > tools/list mail
        > tools/call mail purge
        show
    "# => r#"
        event: task_opened
        > tools/call mail purge: intake>classify>audit -> refused denied
        200 tool result denied: `purge` was denied: An agent does not purge mail. Tools of `mail` that remain open to you: search.
    "#;

    /// An approver can lift what a policy forbids, and nothing that the scope leaves out.
    no_approval_widens_a_scope: r#"
        task open t ann {"tools":["bank/balance"]}
        token t
        given > tools/list bank
        approver grants owner
        > tools/call bank pay {"to":"joe","amount":101}
    "# => r#"
        event: task_opened
        > tools/call bank pay: intake>classify>policy>audit -> refused out_of_scope
    "#;

    /// Nor does a change of the law, a new session, or another route to the same server.
    nothing_that_happens_later_widens_it: r#"
        task open t ann {"tools":["bank/balance"]}
        token t
        given > tools/list bank
        law @id("all") permit (principal, action, resource);
        > tools/call bank pay {"to":"joe","amount":1}
        modern
        > tools/call bank pay {"to":"joe","amount":1}
        show
    "# => r#"
        event: task_opened
        > tools/call bank pay: intake>classify>policy>audit -> refused out_of_scope
        > tools/call bank pay: intake>classify>policy>audit -> refused out_of_scope
        200 complete out_of_scope: the tool `bank/pay` is outside the scope of this task, which was fixed when it was opened. Tools within its scope: bank/balance.
    "#;
}
