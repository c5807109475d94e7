//! What the law says: allow, deny with reasons, escalate; who may lift a hold, and the switch that stops everything.

scripts! {
    a_denial_says_why_and_what_remains: r#"
        given > tools/list mail
        > tools/call mail purge
        show
        show record /decision
        as bob
        > tools/call mail send {"to":"joe"}
        show
    "# => r#"
        > tools/call mail purge: intake>classify>audit -> refused denied
        200 tool result denied: `purge` was denied: An agent does not purge mail. Tools of `mail` that remain open to you: read, search, send.
        {"calls":0,"decision":{"deny":"forbidden"},"labels":[],"now_ms":1795132800000,"rules":[{"id":"no-purge","reason":"An agent does not purge mail"}]}
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        > tools/call mail send: intake>classify>audit -> refused denied
        200 tool result denied: `send` was denied: no policy permits it. Tools of `mail` that remain open to you: read, search.
    "#;

    a_modern_denial_is_a_complete_result: r#"
        modern
        given > tools/list mail
        > tools/call mail purge
        show
    "# => r#"
        > tools/call mail purge: intake>classify>audit -> refused denied
        200 complete denied: `purge` was denied: An agent does not purge mail. Tools of `mail` that remain open to you: read, search, send.
    "#;

    /// Cedar would have skipped the rule that overflows.
    a_rule_that_cannot_be_evaluated_denies: r#"
        given > tools/list bank
        > tools/call bank pay {"to":"joe","amount":9223372036854775807}
        show
        show record /decision/decision
    "# => r#"
        > tools/call bank pay: intake>classify>audit -> refused denied
        200 tool result denied: `pay` was denied: a policy could not be evaluated. The operator has been told. Tools of `bank` that remain open to you: balance.
        {"deny":{"fault":"error while evaluating policy `fee`: integer overflow while attempting to add the values `9223372036854775807` and `1`"}}
    "#;

    an_escalation_with_nobody_to_ask_is_a_denial_that_says_so: r#"
        given > tools/list bank
        > tools/call bank pay {"to":"joe","amount":101}
        show
    "# => r#"
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused approval_unavailable
        200 tool result approval_unavailable: `pay` needs a person's approval, and nobody can give it here: More than 100 leaves the account. It was not carried out. Tools of `bank` that remain open to you: balance.
    "#;

    an_approval_lets_exactly_this_call_through: r#"
        given > tools/list bank
        approver grants owner
        > tools/call bank pay {"to":"joe","amount":101}
        show record /decision/grants
        > tools/call bank pay {"to":"joe","amount":100}
    "# => r#"
        asked for owner: bank pay
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
        ["owner"]
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> served
    "#;

    an_approvers_no_reaches_the_agent: r#"
        given > tools/list bank
        approver refuses: not to joe
        > tools/call bank pay {"to":"joe","amount":101}
        show
    "# => r#"
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused denied
        200 tool result denied: `pay` was refused by an approver: not to joe. Tools of `bank` that remain open to you: balance.
    "#;

    a_grant_that_was_not_asked_for_helps_nothing: r#"
        given > tools/list bank
        approver grants security
        > tools/call bank pay {"to":"joe","amount":101}
        approver grants emperor
        > tools/call bank pay {"to":"joe","amount":101}
        show record /decision/decision
    "# => r#"
        asked for owner: bank pay
        ap_1 is given back by 2
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused denied
        asked for owner: bank pay
        ap_1 is given back by 3
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused denied
        {"deny":{"fault":"entity `Gate::Grant::\"emperor\"` is of an enumerated entity type, but `\"emperor\"` is not declared as a valid eid"}}
    "#;

    /// While the approver thought, the task read untrusted text: the approval was for another situation.
    an_approval_is_judged_again_with_what_happened_since: r#"
        given > tools/list bank
        given > tools/list mail
        approver grants owner
        approver waits
        & > tools/call bank pay {"to":"joe","amount":101}
        > tools/call mail search {"query":"x"}
        release
        wait
        show
    "# => r#"
        asked for owner: bank pay
        sent to mail: tools/call search
        > tools/call mail search: all nine -> served [untrusted]
        ap_1 is given back by 3
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused denied
        200 tool result denied: `pay` was approved, but what has happened since forbids it: Money does not move in a task that has read untrusted text. Tools of `bank` that remain open to you: balance.
    "#;

    /// What people decided on is judged again by the law of the moment in which it is used.
    a_law_that_changes_while_people_are_asked_counts: r#"
        given > tools/list bank
        approver grants owner
        approver waits
        & > tools/call bank pay {"to":"joe","amount":101}
        law @id("stop") @reason("No payments today") forbid (principal, action == bank::Action::"pay", resource);
        release
        wait
        > tools/call bank pay {"to":"joe","amount":1}
        show
    "# => r#"
        asked for owner: bank pay
        ap_1 is given back by 2
        > tools/call bank pay: intake>classify>policy>guardrail>audit -> refused denied
        > tools/call bank pay: intake>classify>audit -> refused denied
        200 tool result denied: `pay` was denied: No payments today. Tools of `bank` that remain open to you: balance.
    "#;

    a_caller_that_leaves_while_people_are_asked: r#"
        given > tools/list bank
        approver waits
        & > tools/call bank pay {"to":"joe","amount":101}
        hang up
    "# => r#"
        asked for owner: bank pay
        > tools/call bank pay: intake>classify>policy>guardrail -> abandoned
    "#;

    a_halt_stops_calls_at_the_guardrail: r#"
        given > tools/list bank
        halt incident 7
        > tools/call bank pay {"to":"joe","amount":1}
        show
        > ping bank
        show
        ! notifications/initialized bank
        resume
        > ping bank
    "# => r#"
        > tools/call bank pay: intake>classify>policy>audit -> refused halted
        200 tool result halted: everything of this kind is halted: incident 7
        > ping bank: intake>classify>policy>audit -> refused halted
        200 error 40302 halted: everything of this kind is halted: incident 7
        >! notifications/initialized bank: intake>classify>policy>audit -> refused halted
        sent to bank: ping
        > ping bank: all nine -> served
    "#;

    a_halt_is_read_again_before_the_effect: r#"
        given > tools/list bank
        halt at look 2: incident 7
        > tools/call bank pay {"to":"joe","amount":1}
    "# => r#"
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> refused halted
    "#;

    a_halt_while_people_are_asked_counts: r#"
        given > tools/list bank
        approver grants owner
        approver waits
        & > tools/call bank pay {"to":"joe","amount":101}
        halt incident 7
        release
        wait
    "# => r#"
        asked for owner: bank pay
        ap_1 is given back by 2
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>audit -> refused halted
    "#;
}
