//! Answers that come as streams: progress, questions of the server's, the answer, and every way to end without one.

scripts! {
    progress_then_the_answer: r#"
        given > tools/list mail
        mail streams
        | notifications/progress {"progressToken":1,"progress":1}
        | notifications/progress {"progressToken":1,"progress":2,"message":"half"}
        | answer {"content":[{"type":"text","text":"done"}]}
        > tools/call mail send {"to":"joe"}
        show
        show task
    "# => r#"
        intent: tools/call mail send
        sent to mail: tools/call send
        <! notifications/progress mail: all nine -> served [untrusted]
        event notifications/progress
        <! notifications/progress mail: all nine -> served [untrusted]
        event notifications/progress
        > tools/call mail send: all nine -> served
        event answer
        the stream is over
        200 {"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"done"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"mail","tool":"send"},"trust":"trusted","labels":[],"trace":"0000000000000003abababababababab","record":2}}}}
        untrusted
    "#;

    a_question_of_the_servers_is_judged: r#"
        lab streams
        | sampling/createMessage? {"messages":[]}
        | answer {}
        > prompts/list lab
        as bob
        lab streams
        | sampling/createMessage? {"messages":[]}
        | elicitation/create? {"url":"https://evil.test/"}
        | answer {}
        > ping lab
    "# => r#"
        sent to lab: prompts/list
        < sampling/createMessage lab: all nine -> served
        event sampling/createMessage
        > prompts/list lab: all nine -> served
        event answer
        the stream is over
        sent to lab: ping
        < sampling/createMessage lab: intake>classify>audit -> refused denied
        told lab: its 7 is refused, denied
        < elicitation/create lab https://evil.test/: intake>classify>audit -> refused denied
        told lab: its 7 is refused, denied
        > ping lab: all nine -> served
        event answer
        the stream is over
    "#;

    /// `bank` opens no feature: its question is refused to the bank, and the client never hears of it.
    a_question_of_a_closed_kind_goes_back_to_the_server: r#"
        bank listing streams
        | sampling/createMessage? {"messages":[]}
        | notifications/message {"level":"info","data":"x"}
        | #3 notifications/message {"level":"info","data":"x"}
        | answer {"tools":[]}
        > tools/list bank
    "# => r#"
        sent to bank: tools/list
        < sampling/createMessage bank: intake>audit -> refused method_closed
        told bank: its 7 is refused, method_closed
        <! notifications/message bank: intake>audit -> refused method_closed
        <! notifications/message bank: intake>audit -> refused method_closed
        event #3
        > tools/list bank: all nine -> served
        event answer
        the stream is over
    "#;

    /// What is refused on a stream keeps its place in the numbering, so that a client that resumes misses nothing.
    the_same_question_cannot_be_open_twice: r#"
        lab streams
        | roots/list?
        | roots/list?
        open lab
    "# => r#"
        sent to lab: stream
        < roots/list lab: all nine -> served
        event roots/list
        < roots/list lab: intake>classify>policy>guardrail>approval>credential>audit -> refused busy
        told lab: its 7 is refused, busy
        >~ stream lab: all nine -> served
        the stream is over
    "#;

    /// A response is never answered: only the question of the server's would be.
    a_stray_answer_of_the_servers_goes_nowhere: r#"
        mail streams
        | {"jsonrpc":"2.0","id":99,"result":{}}
        | {"jsonrpc":"2.0","id":99,"method":"x","result":{}}
        | not JSON at all
        | {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}
        open mail
    "# => r#"
        sent to mail: stream
        <= mail: intake>audit -> refused broken_frame
        <? mail: audit -> refused not_json_rpc
        <? mail: audit -> refused not_json
        <! notifications/tools/list_changed mail: all nine -> served [untrusted]
        event notifications/tools/list_changed
        >~ stream mail: all nine -> served
        the stream is over
    "#;

    after_the_answer_nothing_follows: r#"
        mail listing streams
        | answer {"tools":[]}
        | notifications/tools/list_changed
        > tools/list mail
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        event answer
        the stream is over
    "#;

    an_answer_to_another_request_is_not_handed_over: r#"
        given > tools/list bank
        bank streams
        | {"jsonrpc":"2.0","id":"other","result":{"content":[]}}
        > tools/call bank pay {"to":"joe","amount":1}
        show refusal
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        > tools/call bank pay: all nine -> indeterminate answer_lost
        event answer
        the stream is over
        the server's answer is not the answer to this request; whether the call had an effect is unknown, so do not simply repeat it
    "#;

    a_stream_that_ends_without_an_answer: r#"
        given > tools/list bank
        bank streams
        | notifications/progress {"progressToken":1,"progress":1}
        > tools/call bank pay {"to":"joe","amount":1}
        show
        bank streams
        | breaks connection reset
        > tools/call bank balance
        show notes
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        <! notifications/progress bank: all nine -> served
        event notifications/progress
        > tools/call bank pay: all nine -> indeterminate answer_lost
        event answer
        the stream is over
        200 tool result answer_lost: the server's stream ended before its answer; whether the call had an effect is unknown
        sent to bank: tools/call balance
        > tools/call bank balance: all nine -> failed answer_lost
        event answer
        the stream is over
        the stream broke: connection reset
    "#;

    /// A client that saw an event id resumes from it: an answer of the gate's would end its wait.
    a_stream_that_ends_and_can_be_resumed: r#"
        given > tools/list bank
        bank streams
        | #1
        | #2 notifications/progress {"progressToken":1,"progress":1}
        | retry 500
        > tools/call bank pay {"to":"joe","amount":1}
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        event #1
        <! notifications/progress bank: all nine -> served
        event #2 notifications/progress
        event retry 500
        > tools/call bank pay: all nine -> indeterminate answer_lost
        the stream is over
    "#;

    /// A client that comes back reads the answer on another stream, labelled as on its own; again, where it comes back again.
    a_late_answer_is_labelled_too: r#"
        given > initialize mail {"protocolVersion":"2025-11-25","capabilities":{}}
        session mail-1
        given > tools/list mail
        mail streams
        | #1
        | retry 500
        > tools/call mail read {"id":1}
        mail streams
        | #2 {"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"late"}]}}
        | #3 {"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"twice"}]}}
        open mail
        show raw
        show task
    "# => r#"
        sent to mail: tools/call read
        event #1
        event retry 500
        > tools/call mail read: all nine -> failed answer_lost
        the stream is over
        sent to mail: stream
        <= mail: all nine -> served [private, untrusted]
        event #2 answer
        <= mail: all nine -> served [private, untrusted]
        event #3 answer
        >~ stream mail: all nine -> served
        the stream is over
        200 {"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"twice"}],"_meta":{"dev.wicketgate/label":{"source":{"server":"mail","tool":"read"},"trust":"untrusted","labels":["private","untrusted"],"trace":"0000000000000003abababababababab","record":6}}}}
        private, untrusted
    "#;

    /// What a listing holds back is held back on whatever stream it comes.
    a_late_listing_is_filtered_too: r#"
        given > initialize mail {"protocolVersion":"2025-11-25","capabilities":{}}
        session mail-1
        mail listing streams
        | #1
        > tools/list mail
        mail streams
        | {"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"evil","inputSchema":{"type":"object"}}]}}
        open mail
        show raw
    "# => r#"
        sent to mail: tools/list
        event #1
        > tools/list mail: all nine -> failed answer_lost
        the stream is over
        sent to mail: stream
        <= mail: all nine -> served
        event answer
        >~ stream mail: all nine -> served
        the stream is over
        200 {"jsonrpc":"2.0","id":2,"result":{"tools":[]}}
    "#;

    /// An answer that came on a stream that cannot be resumed does not come again; outside a session none comes elsewhere.
    an_answer_that_is_not_owed_goes_nowhere: r#"
        given > initialize lab {"protocolVersion":"2025-11-25","capabilities":{}}
        session lab-1
        lab streams
        | answer {}
        > ping lab
        lab streams
        | {"jsonrpc":"2.0","id":2,"result":{}}
        open lab
        session none
        lab streams
        | #1
        > ping lab
        lab streams
        | {"jsonrpc":"2.0","id":3,"result":{}}
        open lab
    "# => r#"
        sent to lab: ping
        > ping lab: all nine -> served
        event answer
        the stream is over
        sent to lab: stream
        <= lab: intake>audit -> refused broken_frame
        >~ stream lab: all nine -> served
        the stream is over
        sent to lab: ping
        event #1
        > ping lab: all nine -> failed answer_lost
        the stream is over
        sent to lab: stream
        <= lab: intake>audit -> refused broken_frame
        >~ stream lab: all nine -> served
        the stream is over
    "#;

    a_stream_that_falls_silent_is_given_up: r#"
        given > tools/list mail
        mail streams
        | comment hello
        | hangs
        > tools/call mail read {"id":1}
        show notes
        mail streams
        | hangs
        open mail
        show notes
    "# => r#"
        sent to mail: tools/call read
        event comment hello
        > tools/call mail read: all nine -> failed answer_lost
        event answer
        the stream is over
        the stream broke: the server was silent for too long
        sent to mail: stream
        >~ stream mail: all nine -> served
        the stream is over
        the stream broke: the server was silent for too long
    "#;

    a_caller_that_leaves_an_answer_on_its_way: r#"
        given > tools/list bank
        bank streams
        | comment hello
        | hangs
        & > tools/call bank pay {"to":"joe","amount":1}
        hang up
        bank streams
        | hangs
        & > tools/call bank balance
        hang up
    "# => r#"
        intent: tools/call bank pay
        sent to bank: tools/call pay
        event comment hello
        > tools/call bank pay: intake>classify>policy>guardrail>approval>credential>action>outcome -> indeterminate
        sent to bank: tools/call balance
        > tools/call bank balance: intake>classify>policy>guardrail>approval>credential>action>outcome -> abandoned
    "#;

    /// Every event is a frame: a halted gate lets none pass, and the answer that is owed still comes.
    a_halt_holds_the_servers_messages_back: r#"
        lab streams
        | hangs
        | notifications/message {"level":"info","data":"x"}
        | #5 notifications/message {"level":"info","data":"x"}
        | answer {}
        & > ping lab
        halt fire drill
        release
        wait
    "# => r#"
        sent to lab: ping
        <! notifications/message lab info: intake>classify>policy>audit -> refused halted
        <! notifications/message lab info: intake>classify>policy>audit -> refused halted
        event #5
        > ping lab: all nine -> served
        event answer
        the stream is over
    "#;

    a_listing_that_comes_as_a_stream_is_filtered_too: r#"
        mail listing streams
        | answer {"tools":[{"name":"evil","inputSchema":{"type":"object"}}]}
        > tools/list mail
        show
    "# => r#"
        sent to mail: tools/list
        > tools/list mail: all nine -> served
        event answer
        the stream is over
        200 {"jsonrpc":"2.0","id":1,"result":{"tools":[]}}
    "#;
}
