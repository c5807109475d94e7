//! Explicit tasks: how a frame says which task it is of, and what becomes of one whose task is over.

scripts! {
    /// Beside the message, in its `_meta`, or both: the task is the token's, and no server sees the token.
    a_token_names_the_task_wherever_it_stands: r#"
        given > tools/list mail
        task open t ann {"profile":"mail","labels":["private"]}
        token t
        > tools/call mail search {"query":"x"}
        show record /decision/task
        show record /decision/labels
        token none
        > tools/call mail {"name":"search","arguments":{"query":"x"},"_meta":{"dev.wicketgate/task":"{token:t}","progressToken":7}}
        show record /decision/task/profile
        show sent
        > tools/call mail {"name":"search","arguments":{"query":"x"},"_meta":{"DEV.wicketgate\/TASK":"{token:t}"}}
        show record /decision/task/profile
        show sent
        token t
        > tools/call mail {"name":"search","arguments":{"query":"x"},"_meta":{"dev.wicketgate/task":"{token:t}"}}
        show record /decision/task/profile
    "# => r#"
        event: task_opened
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        {"bytes_out":0,"cost":0,"depth":0,"explicit":true,"off_plan":false,"profile":"mail"}
        ["private"]
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        "mail"
        {"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"search","arguments":{"query":"x"},"_meta":{"progressToken":7,"traceparent":"00-0000000000000006abababababababab-000000000000000d-01"}}}
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        "mail"
        {"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"search","arguments":{"query":"x"},"_meta":{"traceparent":"00-0000000000000006abababababababab-0000000000000011-01"}}}
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        "mail"
    "#;

    the_gates_own_listing_is_of_the_calls_task: r#"
        task open t ann
        > tools/call mail {"name":"search","arguments":{},"_meta":{"dev.wicketgate/task":"{token:t}"}}
        show task
    "# => r#"
        event: task_opened
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        untrusted
    "#;

    a_forged_token_is_refused_wherever_it_stands: r#"
        given > tools/list mail
        task open forged ann
        token forged
        > tools/call mail search {"query":"x"}
        show
        open mail
        token none
        > tools/call mail {"name":"search","_meta":{"dev.wicketgate/task":"{token:forged}"}}
        > tools/call mail {"name":"search","_meta":{"dev.wicketgate/task":7}}
        show
    "# => r#"
        > tools/call mail: audit -> refused token_refused
        403 error 40305 token_refused: the task token is none of this gate's
        >~ stream mail: audit -> refused token_refused
        > tools/call mail: audit -> refused token_refused
        > tools/call mail: audit -> refused token_refused
        403 error 40305 token_refused: `params._meta["dev.wicketgate/task"]` must be a string
    "#;

    another_agents_token_is_refused: r#"
        task open t bob
        token t
        > tools/call mail search {"query":"x"}
        show
        show notes
    "# => r#"
        event: task_opened
        > tools/call mail: audit -> refused token_refused
        403 error 40305 token_refused: the task token was made for another agent
        the token is of task-0000000000000001, which is another agent's
    "#;

    two_tokens_that_differ_are_refused: r#"
        given > tools/list mail
        task open t ann
        task open u ann
        token t u
        > tools/call mail search {"query":"x"}
        show
        token t
        > tools/call mail {"name":"search","_meta":{"dev.wicketgate/task":"{token:u}"}}
        token t t
        > tools/call mail search {"query":"x"}
    "# => r#"
        event: task_opened
        event: task_opened
        > tools/call mail: audit -> refused token_refused
        403 error 40305 token_refused: the message carries two task tokens that differ; a call is of one task
        > tools/call mail: audit -> refused token_refused
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
    "#;

    /// The URL form: whoever shows nothing but the token is the task's agent, for the task's user.
    a_token_alone_stands_for_the_tasks_agent: r#"
        given > tools/list mail
        task open t ann {"user":"carol"}
        as token t
        token t
        > tools/call mail search {"query":"x"}
        show record /principal
        as ann
        > tools/call mail search {"query":"x"}
        show record /principal
        token none
        > tools/call mail search {"query":"x"}
        show record /principal/user
    "# => r#"
        event: task_opened
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        {"agent":"ann","method":"task","teams":["staff"],"tenant":"default","user":"carol"}
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        {"agent":"ann","method":"token","teams":["staff"],"tenant":"default","user":"carol"}
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        "ann's person"
    "#;

    a_session_stays_in_the_task_it_was_opened_in: r#"
        task open t ann
        task open u ann
        token t
        given > initialize files {"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}
        session files-1
        token none
        > tools/call files read {"path":"/a"}
        show record /decision/task/explicit
        token u
        > tools/call files read {"path":"/a"}
        show
        session none
        token none
        given > initialize files {"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}
        session files-2
        token t
        > tools/call files read {"path":"/a"}
    "# => r#"
        event: task_opened
        event: task_opened
        sent to files: tools/list
        > tools/list files: all nine -> served
        sent to files: tools/call read
        > tools/call files read: all nine -> served [private]
        true
        > tools/call files: audit -> refused token_refused
        403 error 40305 token_refused: this session was opened in another task than the token's; initialize again with the token
        > tools/call files: audit -> refused token_refused
    "#;

    what_was_read_in_a_hosts_task_counts_where_the_agent_leaves_its_token_away: r#"
        given > tools/list mail
        given > tools/list bank
        task open t ann
        token t
        > tools/call mail search {"query":"x"}
        token none
        > tools/call bank pay {"to":"joe","amount":1}
        task end t
        as bob
        > tools/call bank balance
        show record /decision/labels
        as ann
        > tools/call bank balance
        show record /decision/labels
    "# => r#"
        event: task_opened
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        > tools/call bank pay: intake>classify>audit -> refused denied
        event: task_ended
        sent to bank: tools/list
        > tools/list bank: all nine -> served
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        []
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        ["untrusted"]
    "#;

    a_stopped_task_does_nothing_more_and_its_agent_is_told_why: r#"
        given > tools/list bank
        task open t ann
        token t
        > tools/call bank pay {"to":"joe","amount":1}
        task stop t the user changed her mind
        > tools/call bank pay {"to":"joe","amount":1}
        show
        > tools/list bank
        open bank
        task stop t again
        task show t
    "# => r#"
        event: task_opened
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        event: task_stopped
        > tools/call bank pay: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005` is over: it was stopped by a person: the user changed her mind; nothing more is done in it
        > tools/list bank: intake>classify>policy>audit -> refused task_over
        >~ stream bank: intake>classify>policy>audit -> refused task_over
        t: it was stopped by a person: the user changed her mind; none; 0 expansions
    "#;

    a_stop_counts_for_a_call_that_waits: r#"
        given > tools/list bank
        task open t ann
        token t
        approver grants owner
        approver waits
        & > tools/call bank pay {"to":"joe","amount":101}
        task stop t an incident
        release
        wait
        show
    "# => r#"
        event: task_opened
        asked for owner: bank pay
        event: task_stopped
        ap_1 is given back by 2
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005` is over: it was stopped by a person: an incident; nothing more is done in it
    "#;

    a_task_ends_when_its_time_is_up: r#"
        given > tools/list bank
        task open t ann {"lifetime_s":60}
        token t
        later 59
        > tools/call bank balance
        later 1
        > tools/call bank balance
        show
        task expire
        task expire
    "# => r#"
        event: task_opened
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> served [private]
        > tools/call bank balance: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000005` is over: its time is up; nothing more is done in it
        event: task_expired
    "#;

    a_task_that_is_over_is_forgotten_after_a_day: r#"
        task open t ann
        task end t
        token t
        > ping bank
        later 86401
        task open u ann
        > ping bank
        show
    "# => r#"
        event: task_opened
        event: task_ended
        > ping bank: intake>classify>policy>audit -> refused task_over
        event: task_opened
        > ping bank: audit -> refused token_refused
        403 error 40305 token_refused: the task of this token is gone: it was over long ago, or the gate was started again
    "#;

    a_halt_between_the_intent_and_the_act_counts: r#"
        given > tools/list bank
        halt at look 3: incident 7
        > tools/call bank pay {"to":"joe","amount":1}
        show
    "# => r#"
        intent: tools/call bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> refused halted
        200 tool result halted: everything of this kind is halted: incident 7
    "#;

    /// A hand-off: labels come along, no more may be touched, the trace is one, the end is shared.
    a_child_inherits_and_only_narrows: r#"
        given > tools/list mail
        task open t ann {"tools":["mail/*","bank/balance"],"labels":["private"],"user":"carol"}
        task child c t bob {"tools":["mail/search","bank/pay"],"user":"mallory"}
        token c
        as bob
        > tools/call mail search {"query":"x"}
        show record /decision/task
        show record /decision/labels
        show record /principal/user
        > tools/call mail read {"id":1}
        > tools/call bank balance
        show
        task show t
        task child d c ann {"agents":["nobody"]}
        task stop t enough
        > tools/call mail search {"query":"x"}
        show
        task child e t bob
    "# => r#"
        event: task_opened
        event: task_opened
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        {"bytes_out":0,"cost":0,"depth":1,"explicit":true,"off_plan":false,"profile":"any"}
        ["private"]
        "carol"
        > tools/call mail read: intake>classify>policy>audit -> refused out_of_scope
        sent to bank: tools/list
        > tools/list bank: all nine -> served
        > tools/call bank balance: intake>classify>policy>audit -> refused out_of_scope
        200 tool result out_of_scope: the tool `bank/balance` is outside the scope of this task, which was fixed when it was opened. Tools within its scope: mail/search.
        t: open; private, untrusted; 0 expansions
        not opened: the agent `default/ann` may not act in it: the scope's `agents` do not name it
        event: task_stopped
        event: task_stopped
        > tools/call mail search: intake>classify>policy>audit -> refused task_over
        200 tool result task_over: the task `task-0000000000000007` is over: it was stopped by a person: together with `task-0000000000000005`, which it was handed on from (enough); nothing more is done in it
        not opened: the task it would be handed on from is over: it was stopped by a person: enough
    "#;
}
