//! What rides along in another message is judged as what it is: the prompts and resources a completion names, the
//! resources a listen request names, what a result asks of the client, and the client's answers to that.

scripts! {
    /// Whoever may not get a prompt may not have its arguments completed.
    a_completion_is_judged_as_what_it_completes: r#"
        law @id("no-secret-prompts") @reason("That prompt is not for agents") forbid (principal, action == Gate::Action::"prompts/get", resource) when { context.target == "secret" };
        > completion/complete lab {"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"who","value":"w"}}
        show notes
        show record /decision/along
        > completion/complete lab {"ref":{"type":"ref/prompt","name":"secret"},"argument":{"name":"who","value":"w"}}
        show
        > completion/complete lab {"ref":{"type":"ref/prompt","NAME":"secret"},"argument":{"name":"who","value":"w"}}
    "# => r#"
        sent to lab: completion/complete
        > completion/complete lab: all nine -> served
        along: prompts/get greet
        [{"method":"prompts/get","target":"greet"}]
        > completion/complete lab: intake>classify>audit -> refused denied
        200 error 40300 denied: `completion/complete` was denied: That prompt is not for agents.
        > completion/complete lab: intake>audit -> refused bad_parameters
    "#;

    /// A resource is subscribed to by name, whichever era's method carries it.
    a_subscription_is_judged_in_both_eras: r#"
        law @id("no-keys") @reason("Keys are not watched") forbid (principal, action == Gate::Action::"subscribe", resource) when { context.target_canonical like "file:///keys/*" };
        > resources/subscribe lab {"uri":"file:///a/../keys/k"}
        modern
        > subscriptions/listen lab {"notifications":{"toolsListChanged":true}}
        > subscriptions/listen lab {"notifications":{"resourceSubscriptions":["file:///a"]}}
        show notes
        > subscriptions/listen lab {"notifications":{"resourceSubscriptions":["file:///a","file:///a/../keys/k"]}}
        show
        > subscriptions/listen bank {"notifications":{"resourceSubscriptions":["file:///a"]}}
        show
    "# => r#"
        > resources/subscribe lab file:///a/../keys/k: intake>classify>audit -> refused denied
        sent to lab: subscriptions/listen
        > subscriptions/listen lab: all nine -> served
        sent to lab: subscriptions/listen
        > subscriptions/listen lab: all nine -> served
        along: resources/subscribe file:///a
        > subscriptions/listen lab: intake>classify>audit -> refused denied
        200 error 40300 denied: `subscriptions/listen` was denied: Keys are not watched.
        > subscriptions/listen bank: intake>audit -> refused bad_parameters
        200 error -32602 bad_parameters: `resources/subscribe` is not open here
    "#;

    /// What a server asks of the user or the model inside a result is the same action as when it asks outright.
    what_a_result_asks_for_is_judged: r#"
        law @id("known-hosts") @reason("Users are sent to known hosts alone") forbid (principal, action == Gate::Action::"elicitation/create", resource) unless { ["", "good.test"].contains(context.target_host) };
        modern
        given > tools/list lab
        lab answers {"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"url","url":"https://good.test/x"}},"b":{"method":"roots/list"}},"requestState":"s"}
        > prompts/get lab {"name":"greet"}
        show notes
        lab answers {"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"url","url":"https:evil.test/good.test"}}}}
        > prompts/get lab {"name":"greet"}
        show
        show notes
        given > tools/list bank
        bank answers {"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage","params":{}}}}
        > tools/call bank balance
        show
        bank answers {"resultType":"input_required","InputRequests":{"a":{"method":"sampling/createMessage","params":{}}}}
        > tools/call bank balance
        bank answers {"resultType":"input_required","inputRequests":{"a":{"method":"tools/call","params":{}}}}
        > tools/call bank balance
    "# => r#"
        sent to lab: prompts/get
        > prompts/get lab greet: all nine -> served
        asked: elicitation/create https://good.test/x: allow by [staff]; asked: roots/list: allow by [staff]
        sent to lab: prompts/get
        > prompts/get lab greet: intake>classify>policy>guardrail>approval>credential>action>audit -> failed denied
        200 error 40300 denied: the server asked for what it may not, and its answer is withheld: `elicitation/create` is denied
        asked: elicitation/create https:evil.test/good.test: deny by [known-hosts]
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>action>audit -> failed denied
        200 complete denied: the server asked for what it may not, and its answer is withheld: `sampling/createMessage` is not open here
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>action>audit -> failed broken_frame
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>action>audit -> failed denied
    "#;

    /// Error -32042 sends the user to a URL, and is no way round the rule for elicitations.
    an_error_that_sends_the_user_somewhere_is_judged: r#"
        law @id("known-hosts") @reason("Users are sent to known hosts alone") forbid (principal, action == Gate::Action::"elicitation/create", resource) unless { context.target_host == "good.test" };
        given > tools/list lab
        lab errs {"code":-32042,"message":"sign in","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://good.test/","message":"m"}]}}
        > tools/call lab route
        show
        lab errs {"code":-32042,"message":"sign in","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://evil.test/","message":"m"}]}}
        > tools/call lab route
        show
        given > tools/list bank
        bank errs {"code":-32042,"message":"sign in","data":{"elicitations":[{"mode":"url","url":"https://good.test/"}]}}
        > tools/call bank balance
    "# => r#"
        sent to lab: tools/call route
        > tools/call lab route: all nine -> served
        200 {"jsonrpc":"2.0","id":2,"error":{"code":-32042,"message":"sign in","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://good.test/","message":"m"}]}}}
        sent to lab: tools/call route
        > tools/call lab route: intake>classify>policy>guardrail>approval>credential>action>audit -> failed denied
        200 tool result denied: the server asked for what it may not, and its answer is withheld: `elicitation/create` is denied
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>action>audit -> failed denied
    "#;

    /// The client's answers ride in the retry, and go only where such answers may.
    the_answers_of_a_retry_are_judged: r#"
        modern
        > prompts/get lab {"name":"greet","inputResponses":{"a":{"action":"accept","content":{}},"b":{"roots":[]},"c":{"role":"assistant","content":{},"model":"m"},"d":{}},"requestState":"s"}
        show notes
        > resources/read files {"uri":"file:///a","inputResponses":{"a":{"roots":[]}}}
        > resources/read files {"uri":"file:///a","inputResponses":{"a":{"role":"assistant","content":{},"model":"m"}}}
        show
        > resources/read files {"uri":"file:///a","inputresponses":{"a":{"roots":[]}}}
    "# => r#"
        sent to lab: prompts/get
        > prompts/get lab greet: all nine -> served
        along: elicitation/create; along: roots/list; along: sampling/createMessage; along: response
        sent to files: resources/read
        > resources/read files file:///a: all nine -> served [private]
        > resources/read files: intake>audit -> refused bad_parameters
        200 error -32602 bad_parameters: `sampling/createMessage` is not open here
        > resources/read files: intake>audit -> refused bad_parameters
    "#;

    /// What needs an approval does not pass inside another message: nobody is asked for it there.
    what_a_result_asks_for_needs_no_approval_or_does_not_pass: r#"
        law @id("ask-first") @reason("The model is not for servers") @approval("owner") forbid (principal, action == Gate::Action::"sampling/createMessage", resource);
        approver grants owner
        modern
        lab answers {"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage","params":{}}}}
        > prompts/get lab {"name":"greet"}
        show
    "# => r#"
        sent to lab: prompts/get
        > prompts/get lab greet: intake>classify>policy>guardrail>approval>credential>action>audit -> failed approval_unavailable
        200 error 40301 approval_unavailable: the server asked for what it may not, and its answer is withheld: `sampling/createMessage` needs an approval that nobody can give here
    "#;

    arguments_are_repeated_in_headers: r#"
        modern
        given > tools/list lab
        with mcp-param-region: us-west1
        with mcp-param-limit: 7.0
        with mcp-param-other: anything
        > tools/call lab route {"region":"us-west1","options":{"limit":7}}
        show sent mcp-param-other
        with mcp-param-region: =?base64?w6k=?=
        > tools/call lab route {"region":"é"}
        > tools/call lab route {}
        > tools/call lab route {"region":"us-west1"}
        show
        with mcp-param-region: us-west2
        > tools/call lab route {"region":"us-west1"}
        show
        with mcp-param-region: us-west1
        > tools/call lab route {}
        show
        legacy
        > tools/call lab route {"region":"us-west1"}
        with mcp-param-region: us-west2
        > tools/call lab route {"region":"us-west1"}
    "# => r#"
        sent to lab: tools/call route
        > tools/call lab route: all nine -> served
        anything
        sent to lab: tools/call route
        > tools/call lab route: all nine -> served
        sent to lab: tools/call route
        > tools/call lab route: all nine -> served
        > tools/call lab route: intake>audit -> refused header_mismatch
        400 error -32020 header_mismatch: `mcp-param-region` is required: the tool's schema repeats `arguments.region` in it
        > tools/call lab route: intake>audit -> refused header_mismatch
        400 error -32020 header_mismatch: `mcp-param-region` and `arguments.region` do not say the same
        > tools/call lab route: intake>audit -> refused header_mismatch
        400 error -32020 header_mismatch: `mcp-param-region` is set, and `arguments.region` has no value it could repeat
        sent to lab: tools/call route
        > tools/call lab route: all nine -> served
        > tools/call lab route: intake>audit -> refused header_mismatch
    "#;

    /// From 2026-07-28 on, a method that is not there is 404; what asks nothing has only the status to say that it was not taken.
    a_refusal_is_told_by_the_status_where_no_message_tells_it: r#"
        ! notifications/roots/list_changed bank
        show
        = lab 7 {"roots":[]}
        show
        as bob
        ! notifications/roots/list_changed lab
        show
        as ann
        > prompts/list bank
        show
        modern
        > prompts/list bank
        show
    "# => r#"
        >! notifications/roots/list_changed bank: intake>audit -> refused method_closed
        403 error -32601 method_closed: Method not found: `notifications/roots/list_changed` is not open here
        >= lab: intake>audit -> refused not_json_rpc
        400 error -32600 not_json_rpc: this answers no request that is open: it was answered, or never asked
        >! notifications/roots/list_changed lab: intake>classify>audit -> refused denied
        403 error 40300 denied: `notifications/roots/list_changed` was denied: no policy permits it.
        > prompts/list bank: intake>audit -> refused method_closed
        200 error -32601 method_closed: Method not found: `prompts/list` is not open here
        > prompts/list bank: intake>audit -> refused method_closed
        404 error -32601 method_closed: Method not found: `prompts/list` is not open here
    "#;
}
