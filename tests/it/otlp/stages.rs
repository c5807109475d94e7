//! Which stages have spans, and whose time is whose when a frame ends on its way.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use pdp::record::{ApprovalNote, AskOutcome, Ending, Note, Record};
use pdp::refusal::{Code, Refusal};

use super::brief;
use super::collector::{allowed, attribute, attributes, named, spans_of, stage, story};

#[tokio::test]
async fn the_stage_that_ended_a_frame_has_its_time() {
    let mut record = Record { attempts: vec![], result: None, ..allowed() };
    record.stages.truncate(4);
    // Sealed: the approver said no after twenty milliseconds.
    record.stages.push(stage("audit", 20_310));
    (record.ending, record.took_us) = (Ending::Refused, 20_400);
    record.refusal = Some(Refusal::new(Code::ApprovalUnavailable, "nobody can approve"));
    let text = brief(&record).await;
    assert!(text.contains("INTERNAL policy 200..300\n    INTERNAL approval 310..20310\n"), "{text}");
    // Dropped: the caller left while it waited, and nothing was sealed.
    record.stages.truncate(4);
    (record.ending, record.refusal) = (Ending::Abandoned, None);
    let text = brief(&record).await;
    assert!(text.contains("INTERNAL approval 310..20400\n"), "{text}");
    // A streamed answer lasts until sealing; that is no work of the last stage.
    let mut streamed = allowed();
    streamed.stages[8].at_us = 900_000;
    assert!(!brief(&streamed).await.contains("audit"));
}

#[tokio::test]
async fn waits_loans_and_slow_stages_have_spans_and_notes_are_events() {
    let mut record = allowed();
    record.transport = Some("stdio".to_owned());
    record.attempts[0].address = "/usr/bin/mail-server".to_owned();
    record.attempts[0].status = None;
    record.client = None;
    record.credential = Some("mail-token".to_owned());
    record.decision.as_mut().unwrap().grants = ["owner".to_owned()].into();
    let late = ["approval", "credential", "action", "outcome", "audit"];
    record.stages.iter_mut().filter(|s| late.contains(&&*s.stage)).for_each(|s| s.at_us += 50_000);
    record.stages[7].at_us += 600;
    record.stages[8].at_us += 600;
    record.attempts[0].started_us += 50_000;
    record.attempts[0].ended_us += 50_000;
    record.took_us = 60_000;
    let asked = |outcome, took_us| ApprovalNote {
        by: ["default/jane".to_owned()].into(),
        from_us: 310,
        grants: ["owner".to_owned()].into(),
        id: Some("ap_1".to_owned()),
        outcome,
        rules: vec!["mail".to_owned()],
        took_us,
    };
    record.approvals = vec![asked(AskOutcome::Overtaken, 20_000), asked(AskOutcome::Granted, 30_000)];
    record.notes = vec![Note { at_us: 250, text: "the argument `to` came from untrusted text".to_owned() }];
    let spans = spans_of(&[record], false).await;
    let expected = "\
INTERNAL task 0..60000
  SERVER tools/call read_mail 0..60000
    CLIENT tools/call read_mail 50500..58500
    INTERNAL policy 200..300
    INTERNAL approval 310..50320
    INTERNAL credential 50320..50330
    INTERNAL outcome 58510..59200
";
    assert_eq!(story(&spans, false), expected);
    let asked = attributes(&named(&spans, "approval").attributes);
    let told = ["grants", "approval.asked", "approval.by", "approval.id", "approval.outcome", "approval.waited_us"];
    assert_eq!(
        told.map(|name| asked[&*format!("wicketgate.{name}")].as_str()),
        ["[owner]", "[owner]", "[default/jane]", "[ap_1, ap_1]", "granted", "#50000"]
    );
    assert_eq!(attribute(named(&spans, "credential"), "wicketgate.credential").unwrap(), "mail-token");
    assert_eq!(attribute(&spans[1], "network.transport").unwrap(), "pipe");
    assert_eq!(attribute(&spans[1], "client.address"), None);
    let client = attributes(&spans[2].attributes);
    assert_eq!(
        (client["network.transport"].as_str(), client["wicketgate.program"].as_str()),
        ("pipe", "/usr/bin/mail-server")
    );
    assert!(!client.contains_key("server.address"));
    assert_eq!(spans[1].events.len(), 1);
    let event = &spans[1].events[0];
    assert_eq!(event.name, "wicketgate.note");
    let text = attributes(&event.attributes).remove("wicketgate.note.text").unwrap();
    assert_eq!(text, "the argument `to` came from untrusted text");
}
