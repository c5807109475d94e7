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
    "#;

    another_agents_token_is_refused: r#"
        task open t bob
        token t
        > tools/call mail search {"query":"x"}
        show
        show notes
    "# => r#"
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
    "#;

    a_halt_between_the_intent_and_the_act_counts: r#"
        given > tools/list bank
        halt at look 3: incident 7
        > tools/call bank pay {"to":"joe","amount":1}
        show
    "# => r#"
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
    "#;
}
