"""The comparison itself: it lets the label pass and nothing else, so that a test that passes means what it says."""

from __future__ import annotations

from transcripts import Transcript, altered, differences

ASK = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"progressToken":7}}}'
ANSWER = '{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{"n":1.0}}}'


def seen(*received: str) -> Transcript:
    return Transcript([ASK], list(received))


def test_the_label_alone_is_no_difference() -> None:
    labelled = ANSWER.replace('"content"', '"_meta":{"dev.wicketgate/label":{"record":1}},"content"')
    assert differences(seen(ANSWER), seen(labelled)) == []


def test_another_member_of_meta_is_one() -> None:
    other = ANSWER.replace('"content"', '"_meta":{"dev.wicketgate/label":{},"other":1},"content"')
    assert differences(seen(ANSWER), seen(other)) != []


def test_a_number_spelled_otherwise_is_one() -> None:
    assert differences(seen(ANSWER), seen(ANSWER.replace("1.0", "1"))) != []


def test_members_in_another_order_are_one() -> None:
    turned = '{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"n":1.0},"content":[]}}'
    assert differences(seen(ANSWER), seen(turned)) != []


def test_a_missing_answer_is_one() -> None:
    assert differences(seen(ANSWER), seen()) != []


def test_progress_out_of_order_is_one() -> None:
    steps = [
        f'{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":7,"progress":{n}}}}}'
        for n in (1, 2)
    ]
    assert differences(seen(*steps, ANSWER), seen(*reversed(steps), ANSWER)) != []


def test_a_session_id_in_a_text_is_no_difference() -> None:
    texts = [
        ANSWER.replace("[]", f'["session {session}"]')
        for session in ("01234567-89ab-cdef-0123-456789abcdef", "fedcba98-7654-3210-fedc-ba9876543210")
    ]
    assert differences(seen(texts[0]), seen(texts[1])) == []


def test_a_request_may_gain_its_trace_context_and_nothing_else() -> None:
    traced = ASK.replace('"progressToken"', '"traceparent":"00-1","progressToken"')
    assert altered(Transcript([ASK]), Transcript([traced])) == []
    assert altered(Transcript([ASK]), Transcript([ASK.replace("echo", "Echo")])) != []
    assert altered(Transcript([ASK]), Transcript([ASK, ASK])) != []
