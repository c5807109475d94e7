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
    "#;

    a_system_outside_is_refused: r#"
        task open t ann {"systems":["mail"]}
        token t
        > tools/call bank balance
        show
        given > tools/list mail
        > tools/call mail search {"query":"x"}
    "# => r#"
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
    "#;

    what_rides_along_is_held_too: r#"
        task open t ann {"resources":["file:///notes/*"]}
        token t
        > completion/complete lab {"ref":{"type":"ref/resource","uri":"file:///secret/{x}"},"argument":{"name":"x","value":"a"}}
        show notes
        > subscriptions/listen lab {"notifications":{"resourceSubscriptions":["file:///notes/a","file:///secret"]}}
        show notes
    "# => r#"
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
    "#;

    a_denial_tells_only_of_what_is_within: r#"
        task open t ann {"tools":["mail/purge","mail/search"]}
        token t
        given > tools/list mail
        > tools/call mail purge
        show
    "# => r#"
    "#;

    /// An approver can lift what a policy forbids, and nothing that the scope leaves out.
    no_approval_widens_a_scope: r#"
        task open t ann {"tools":["bank/balance"]}
        token t
        given > tools/list bank
        approver grants owner
        > tools/call bank pay {"to":"joe","amount":101}
    "# => r#"
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
    "#;
}
