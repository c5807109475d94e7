//! What is found, what is not, and what more reading may do.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use std::sync::Arc;

use super::*;

fn labels(words: &str) -> LabelSet {
    words.split_whitespace().collect()
}

fn read(window: &mut Window, text: &str, under: &str) {
    let message = Message::new(window.key(), Arc::default(), BYTES_MAX, 64);
    let reading = message.whole(text);
    window.read(reading, &labels(under));
}

fn said(window: &mut Window, text: &str, under: &str) {
    if under == "the user" {
        return window.give(text);
    }
    let mut reading = Reading::new(BYTES_MAX);
    reading.text(window.key(), text);
    window.read(reading, &labels(under));
}

fn window() -> Window {
    Window::new(Key::default(), BYTES_MAX)
}

/// What is known of one argument, after the user said one thing and the task read another, untrusted.
fn origin(user: &str, content: &str, argument: &str, value: &str) -> String {
    let mut window = window();
    said(&mut window, user, "the user");
    if content.starts_with('{') {
        read(&mut window, content, "untrusted");
    } else {
        let quoted = crate::json::quoted(content);
        read(&mut window, &format!(r#"{{"result":{{"content":[{{"type":"text","text":{quoted}}}]}}}}"#), "untrusted");
    }
    told(&window, argument, value)
}

fn told(window: &Window, argument: &str, value: &str) -> String {
    let quoted = crate::json::quoted(value);
    let value = Json::read(value, 16).unwrap_or_else(|_| Json::read(&quoted, 1).unwrap());
    let field = Field::root(Arc::default()).member(argument);
    let Origin { labels, unvouched } = window.origin(&field, &value, &[("task")].into_iter().collect());
    format!("{labels} | {unvouched}")
}

/// Found as it is in what is untrusted.
const READ: &str = "untrusted | untrusted";
/// Given by the user, and found nowhere else.
const GIVEN: &str = "user | none";
/// Found nowhere: the task's labels.
const NOWHERE: &str = "none | task";
/// Its words are there, but not by themselves.
const WITHIN: &str = "untrusted | task, untrusted";

#[test]
fn a_value_is_found_in_every_spelling_that_is_named() {
    for (content, argument, value) in [
        ("pay to bob@example.com today", "to", "bob@example.com"),
        ("pay to Bob@Example.COM.", "to", "bob@example.com"),
        ("pay to <bob@example.com>, now", "to", "BOB@example.com"),
        ("write to mailto:bob@example.com", "to", "bob@example.com"),
        ("the   Main\n\tStreet 12", "address", "main street 12"),
        ("ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ", "to", "bob@example.com"),
        ("b\u{200b}ob@example.com", "to", "bob@example.com"),
        ("to bob%40example.com", "to", "bob@example.com"),
        ("bob@example.com", "to", "bob%40example.com"),
        ("Ym9iQGV4YW1wbGUuY29t", "to", "bob@example.com"),
        ("bob@example.com", "to", "Ym9iQGV4YW1wbGUuY29t"),
        ("meet on 21 November 2026", "day", "2026-11-21"),
        ("meet on 2026-11-21", "day", "November 21st, 2026"),
        ("at 2026-11-21T10:00:00Z", "start", "21 Nov 2026 at 10:00"),
        ("pay 1,250.00 EUR", "amount", "1250"),
        ("pay €1.250,00", "amount", "1250.0"),
        ("the number 1,234,567.80", "n", "1234567.8"),
        ("IBAN DE89 3704 0044 0532 0130 00", "iban", "DE89370400440532013000"),
        ("IBAN DE89370400440532013000", "iban", "DE89 3704 0044 0532 0130 00"),
        ("call +49 30 1234-5678 today", "phone", "+493012345678"),
        ("see HTTPS://X.Test:443/a/../b", "url", "https://x.test/b"),
        ("open /data/./notes//a.txt", "path", "/data/notes/a.txt"),
        ("張偉 lives here", "name", "張偉"),
        (r#"{"result":{"structuredContent":{"events":[{"id":13,"title":"Lunch"}]}}}"#, "event_id", "13"),
        (r#"{"result":{"content":[{"type":"text","text":"{\"event_id\": 13}"}]}}"#, "eventId", "13"),
        (r#"{"result":{"structuredContent":{"total":12.50}}}"#, "amount", "\"12.5\""),
        (r#"{"result":{"structuredContent":{"accounts":{"bob@example.com":1}}}}"#, "to", "bob@example.com"),
        (
            r#"{"error":{"code":-32000,"message":"write to bob@example.com","data":{"x":["carol@example.com"]}}}"#,
            "to",
            "carol@example.com",
        ),
        (r#"{"method":"notifications/message","params":{"data":"ask bob@example.com"}}"#, "to", "bob@example.com"),
        (
            r#"{"result":{"messages":[{"role":"user","content":{"type":"text","text":"ask bob@example.com"}}]}}"#,
            "to",
            "bob@example.com",
        ),
        (
            r#"{"result":{"contents":[{"uri":"a:b","blob":"YXNrIGJvYkBleGFtcGxlLmNvbSBub3c="}]}}"#,
            "to",
            "bob@example.com",
        ),
        ("delete event 13 please", "event_id", "13"),
        ("delete event id #13", "eventId", "13"),
    ] {
        assert_eq!(origin("", content, argument, value), READ, "{content} / {argument}={value}");
    }
}

#[test]
fn what_only_resembles_a_value_is_not_taken_for_it() {
    for (content, argument, value, want) in [
        // In other words, or put together.
        ("write to Bob at example dot com", "to", "bob@example.com", NOWHERE),
        ("the twenty-first of November", "day", "2026-11-21", NOWHERE),
        ("a and b and c", "text", "c and b and a", NOWHERE),
        // Not whole words.
        ("bob@example.computer", "to", "bob@example.com", NOWHERE),
        ("the category", "tag", "cat", NOWHERE),
        // Part of another address, or with other signs.
        ("bob@example.com.evil.test", "to", "bob@example.com", WITHIN),
        ("alice.bob@example.com", "to", "bob@example.com", WITHIN),
        ("bob.example@com", "to", "bob@example.com", WITHIN),
        ("see ../etc/passwd", "path", "/etc/passwd", WITHIN),
        ("the files in /data/old", "path", "/data/old/*", WITHIN),
        // Short: only as a value of its kind of field.
        ("there are 13 of them", "event_id", "13", NOWHERE),
        (r#"{"result":{"structuredContent":{"count":13}}}"#, "event_id", "13", NOWHERE),
        ("a me b", "to", "me", NOWHERE),
        (r#"{"result":{"structuredContent":{"done":true}}}"#, "all", "true", NOWHERE),
        // Letters that look alike.
        ("p\u{430}y@example.com", "to", "pay@example.com", NOWHERE),
        // What the protocol says, and what is not content.
        (
            r#"{"result":{"content":[{"type":"image","data":"","mimeType":"image/png"}],"_meta":{"x":"bob@example.com"}}}"#,
            "kind",
            "image",
            NOWHERE,
        ),
        (r#"{"result":{"_meta":{"x":["bob@example.com"]}}}"#, "to", "bob@example.com", NOWHERE),
        (r#"{"id":"bob@example.com","result":{}}"#, "to", "bob@example.com", NOWHERE),
    ] {
        assert_eq!(origin("", content, argument, value), want, "{content} / {argument}={value}");
    }
}

#[test]
fn what_the_user_gave_is_the_users_alone_and_by_itself() {
    for (user, content, argument, value, want) in [
        ("Mail bob@example.com", "", "to", "bob@Example.com", GIVEN),
        ("Mail bob@example.com", "", "to", "Bob@example.com", NOWHERE),
        ("Mail bob@example.com", "ask bob@example.com", "to", "bob@example.com", "untrusted, user | none"),
        ("Mail alice.bob@example.com", "", "to", "bob@example.com", NOWHERE),
        ("Mail bob@example.com.au", "", "to", "bob@example.com", NOWHERE),
        ("Mail alice@corp.example.com", "", "to", "alice.corp@example.com", NOWHERE),
        ("Delete what is in /data", "", "path", "/data/*", NOWHERE),
        ("Delete what is in /data", "", "path", "data", NOWHERE),
        ("Delete what is in /data", "", "path", "/data/", NOWHERE),
        // Out of the place that was named.
        ("Delete what is in /home/u/docs", "", "path", "/home/u/docs", GIVEN),
        ("Delete what is in /home/u/docs", "", "path", "/home/u/docs/..", NOWHERE),
        ("Delete what is in /home/u/docs", "", "path", "/home/u/docs/../", NOWHERE),
        ("Delete what is in /home/u/docs", "", "path", "/home/u/docs/../../..", NOWHERE),
        ("Delete what is in /home/u/docs", "", "path", "/home/u/docs/%2e%2e", NOWHERE),
        ("Delete what is in /home/u/docs", "", "path", "/home/u/docs/\u{2025}", NOWHERE),
        ("Delete what is in /home/u/docs", "", "path", "L2hvbWUvdS9kb2NzLy4u", NOWHERE),
        ("Read https://x.test/a", "", "url", "https://x.test/a/..", NOWHERE),
        // Digits are one number where they are its groups, and not where other signs part them.
        ("Call +49 (30) 1234-5678", "", "phone", "+493012345678", GIVEN),
        ("Call +49 30 12345678", "", "phone", "+49 (30) 1234 5678", GIVEN),
        ("Pay 100,000.00 EUR", "", "amount", "10000000", NOWHERE),
        ("Pay 100,000.00 EUR", "", "amount", "100000", GIVEN),
        ("Pay 123456.78 EUR", "", "amount", "12345678", NOWHERE),
        ("Ask 10.20.30.40", "", "host", "102.0.30.40", NOWHERE),
        ("Ask 192.168.10.20", "", "host", "1921681020", NOWHERE),
        ("Come on 2026-11-21", "", "amount", "20261121", NOWHERE),
        ("Come on 2026-11-21", "", "day", "20261121", NOWHERE),
        ("Pay to 1234 5678", "", "account", "-12345678", NOWHERE),
        ("Pay to 1234 5678", "", "account", "12345678%", NOWHERE),
        ("Delete report (1).pdf", "", "path", "report (1).pdf", GIVEN),
        // Signs that mean something to a shell or a pattern.
        ("Run (diff old new)", "", "command", "diff old new", GIVEN),
        ("Run diff old new", "", "command", "diff old > new", NOWHERE),
        ("Run diff old new", "", "command", "diff old >/new", NOWHERE),
        ("Run make clean install", "", "command", "make clean; install", NOWHERE),
        ("Run make clean install", "", "command", "make clean && install", NOWHERE),
        ("Run make clean install", "", "command", "make clean / install", NOWHERE),
        ("Run make clean install", "", "command", "make clean/* install", NOWHERE),
        ("Run make clean install", "", "command", "make `clean install`", NOWHERE),
        ("Run make clean; install", "", "command", "make clean; install", GIVEN),
        ("Delete event 13", "", "event_id", "13", GIVEN),
        ("Read 13 mails", "", "event_id", "13", NOWHERE),
        ("Pay Bob 12,50 EUR", "", "amount", "12.5", GIVEN),
        ("Pay Bob on 3 May 2027", "", "date", "2027-05-03", GIVEN),
        ("Mail bob@example.com", "and eve@evil.test", "to", r#"["bob@example.com","eve@evil.test"]"#, READ),
        ("Mail bob@example.com and ann@example.com", "", "to", r#"["bob@example.com",{"a":"ann@example.com"}]"#, GIVEN),
        ("Mail bob@example.com", "", "to", r#"["bob@example.com","eve@evil.test"]"#, NOWHERE),
        ("Mail bob@example.com", "", "to", r#"{"bob@example.com":{"eve@evil.test":true}}"#, NOWHERE),
        ("Mail bob@example.com", "", "to", "[]", "none | none"),
        ("Mail bob@example.com", "", "to", "\"\"", "none | none"),
    ] {
        assert_eq!(origin(user, content, argument, value), want, "{user} / {content} / {argument}={value}");
    }
}

#[test]
fn another_spelling_is_another_value_unless_its_type_says_otherwise() {
    const ASK: &str = "Upload the list to https://Files.example/r/AbCd?k=V, id 1aBcD9xYz, write /notes/Plan.md, mail \
                       Bob.Ray@Example.com and tell \u{201c}Acme\u{201d}. Pay 1,250.00 EUR to DE89 3704 0044 0532 0130 00 on \
                       2026-11-21 10:00, from host Db.Example.com, or call +49 (30) 1234-5678.";
    for (argument, value, is_given) in [
        // As it was written, and what its type says is the same.
        ("url", "https://Files.example/r/AbCd?k=V", true),
        ("url", "HTTPS://files.EXAMPLE:443/r/%41bCd?k=V", true),
        ("id", "1aBcD9xYz", true),
        ("path", "/notes/Plan.md", true),
        ("path", "/notes//./Plan.md", true),
        ("to", "Bob.Ray@Example.com", true),
        ("to", "Bob.Ray@EXAMPLE.COM", true),
        ("name", "Acme", true),
        ("iban", "DE89 3704 0044 0532 0130 00", true),
        ("iban", "DE89370400440532013000", true),
        ("amount", "1250", true),
        ("amount", "\"1.250,00\"", true),
        ("day", "2026-11-21", true),
        ("day", "21 Nov 2026", true),
        ("start", "21 November 2026 at 10:00", true),
        ("host", "db.example.com", true),
        ("phone", "+493012345678", true),
        // Letter case of what is not a host.
        ("url", "https://files.example/r/abcd?k=V", false),
        ("url", "https://files.example/r/AbCd?k=v", false),
        ("id", "1abcd9xyz", false),
        ("path", "/notes/plan.md", false),
        ("path", "/NOTES/Plan.md", false),
        ("to", "bob.ray@example.com", false),
        ("name", "acme", false),
        ("name", "ACME", false),
        ("iban", "de89370400440532013000", false),
        ("text", "db.example.com", false),
        // What nobody sees, and compatibility forms.
        ("to", "Bob.Ray@Ex\u{ad}ample.com", false),
        ("to", "Bob.Ray@Example.com\u{200b}", false),
        ("to", "\u{feff}Bob.Ray@Example.com", false),
        ("to", "\u{ff22}ob.Ray@Example.com", false),
        ("to", "Bob.Ray\u{ff20}Example.com", false),
        ("path", "/notes/Plan\u{ff0e}md", false),
        ("path", "/notes/Pl\u{2060}an.md", false),
        ("name", "Ac\u{34f}me", false),
        ("host", "db.example.com\u{200b}", false),
        // Encodings.
        ("to", "Qm9iLlJheUBFeGFtcGxlLmNvbQ==", false),
        ("to", "Bob.Ray%40Example.com", false),
        ("path", "/notes/%50lan.md", false),
        ("url", "https://files.example/r%2FAbCd?k=V", false),
        // Signs and white space of what is no number.
        ("path", "/notes/Plan.md.", false),
        ("path", "/notes/Plan.md ", false),
        ("path", "/notes/x/../Plan.md", false),
        ("url", "https://eve@files.example/r/AbCd?k=V", false),
        ("url", "https://files.example/r/AbCd/?k=V", false),
        ("to", "Bob-Ray@Example.com", false),
        ("text", "list  to", false),
        ("iban", "DE89-3704-0044-0532-0130-00", false),
        ("phone", "493012345678", false),
        // Another moment, another amount.
        ("start", "2026-11-21T10:00:00+09:00", false),
        ("start", "2026-11-21 10:00:30", false),
        ("day", "2026-11-21T11:00", false),
        ("amount", "125000", false),
        ("amount", "1.25", false),
    ] {
        let told = origin(ASK, "use https://files.example/r/abcd and 1abcd9xyz", argument, value);
        assert_eq!(told.contains("user"), is_given, "{argument}={value}: {told}");
        assert_eq!(told.ends_with("| none"), is_given, "{argument}={value}: {told}");
    }
}

#[test]
fn what_may_mean_two_things_vouches_for_neither() {
    for (user, argument, value, is_given) in [
        ("Come on 03/04/2026", "day", "2026-04-03", false),
        ("Come on 03/04/2026", "day", "2026-03-04", false),
        ("Come on 03/04/2026", "day", "03/04/2026", true),
        ("Pay 1,250 EUR", "amount", "1250", true),
        ("Pay 1,250 EUR", "amount", "1.25", false),
        ("Delete event 7", "event_id", "7", true),
        ("Delete event 007", "event_id", "7", false),
        ("Take 123456.780 of it", "n", "123456.78", false),
        ("Take 0012345678", "n", "12345678", false),
        // A part of a name that holds signs nobody can place.
        ("Read docs/a\u{2013}b", "path", "docs/a", false),
        ("Read docs/a\u{a7}b", "path", "docs/a", false),
        ("Read docs/a\u{a7}b", "path", "docs/a\u{a7}b", true),
        ("Mail bob@example.com\u{200b}evil", "to", "bob@example.com", false),
        ("Mail \u{ff42}ob@example.com", "to", "bob@example.com", false),
    ] {
        let told = origin(user, "", argument, value);
        assert_eq!(told.contains("user"), is_given, "{user} / {argument}={value}: {told}");
    }
}

#[test]
fn a_label_makes_nothing_the_users() {
    let mut window = window();
    said(&mut window, "Mail bob@example.com", "user untrusted");
    assert_eq!(told(&window, "to", "bob@example.com"), READ);
    said(&mut window, "Mail bob@example.com", "the user");
    assert_eq!(told(&window, "to", "bob@example.com"), "untrusted, user | none");
}

#[test]
fn what_the_user_says_beyond_what_is_kept_is_the_users_until_it_falls_out() {
    let mut window = window();
    said(&mut window, &"plain words of the user ".repeat(3_000), "the user");
    said(&mut window, "mail bob@example.com", "the user");
    said(&mut window, "mail bob@example.com", "untrusted");
    assert_eq!(told(&window, "to", "bob@example.com"), "untrusted, user | none");
}

#[test]
fn a_value_that_nearly_stands_everywhere_is_looked_for_within_bounds() {
    let mut window = window();
    said(&mut window, &"aaaaa ".repeat(200_000), "untrusted");
    let value = format!("{}b", "aaaaa ".repeat(4_094));
    let begun = std::time::Instant::now();
    // What was not compared counts as standing there, and not by itself.
    assert_eq!(told(&window, "text", &value), WITHIN);
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

#[test]
fn kinds_that_the_registry_names_count() {
    let kinds = Arc::new(Kinds::new([("ref", "invoice_id")]));
    let mut window = window();
    let text = r#"{"result":{"structuredContent":[{"ref":77}]}}"#;
    let reading = Message::new(window.key(), kinds, BYTES_MAX, 64).whole(text);
    window.read(reading, &labels("private"));
    assert_eq!(told(&window, "invoice_id", "77"), "private | private");
    assert_eq!(told(&window, "ref", "77"), NOWHERE);
}

#[test]
fn what_fell_out_counts_as_untrusted_and_what_the_user_gave_stays() {
    let mut window = Window::new(Key::default(), 2_000);
    said(&mut window, "Mail bob@example.com", "the user");
    said(&mut window, "carol@example.com is a friend", "private");
    assert_eq!(told(&window, "to", "carol@example.com"), "private | private");
    for n in 0..50 {
        said(&mut window, &format!("number {n} of many texts that are read"), "");
        assert!(window.bytes() <= 2_000);
    }
    assert!(window.has_lost());
    assert_eq!(told(&window, "to", "carol@example.com"), "private, untrusted | private, task, untrusted");
    assert_eq!(told(&window, "to", "bob@example.com"), "private, untrusted, user | none");
    // What is too long to be kept at all has fallen out as well.
    let mut window = Window::new(Key::default(), 100);
    let mut reading = Reading::new(100);
    reading.text(window.key(), &"words without end ".repeat(100));
    window.read(reading, &labels("secret"));
    assert_eq!(told(&window, "to", "x@example.com"), "secret, untrusted | secret, task, untrusted");
}

#[test]
fn what_is_read_again_is_kept_once_with_both_labels() {
    let mut window = window();
    said(&mut window, "bob@example.com wrote", "private");
    let bytes = window.bytes();
    said(&mut window, "bob@example.com wrote", "untrusted");
    assert_eq!(window.bytes(), bytes);
    assert_eq!(told(&window, "to", "bob@example.com"), "private, untrusted | private, untrusted");
}

#[test]
fn a_picture_fills_no_window() {
    let mut window = window();
    let picture = "/9j/4AAQSkZJRgAB".repeat(60_000);
    read(&mut window, &format!(r#"{{"result":{{"content":[{{"type":"image","data":"{picture}"}}]}}}}"#), "untrusted");
    assert!(window.bytes() < 1000, "{}", window.bytes());
    assert!(!window.has_lost());
}

#[test]
fn too_many_values_may_come_from_anywhere() {
    let mut window = window();
    said(&mut window, "bob@example.com", "private");
    let many: Vec<String> = (0..VALUES_MAX + 2).map(|n| format!("\"x{n}@example.com\"")).collect();
    assert_eq!(told(&window, "to", &format!("[{}]", many.join(","))), "private | private, task");
    // The names of members count, also of those that hold nothing.
    let names: Vec<String> = (0..VALUES_MAX + 2).map(|n| format!("\"x {n}\":{{}}")).collect();
    assert_eq!(told(&window, "to", &format!("{{{}}}", names.join(","))), "private | private, task");
}

#[test]
fn one_mebibyte_of_text_fits() {
    let mut window = window();
    let prose = "The committee met on Thursday, 19 November 2026, to discuss the proposal that members had been sent before \
                 the holidays; after a lengthy debate they agreed to defer its consideration to meeting 14. ";
    said(&mut window, &prose.repeat(BYTES_MAX / prose.len()), "untrusted");
    assert!(!window.has_lost());
    assert!(window.bytes() <= BYTES_MAX, "{}", window.bytes());
}

/// A text of plain words, at least one of them long enough to be looked for.
fn words() -> impl Strategy<Value = String> {
    proptest::collection::vec("[a-z]{4,9}", 1..6).prop_map(|words| words.join(" "))
}

fn spelling() -> impl Strategy<Value = fn(&str) -> String> {
    use base64::Engine as _;
    let all: [fn(&str) -> String; 7] = [
        str::to_uppercase,
        |text| text.replace(' ', "\n  "),
        |text| text.chars().map(|c| if c == ' ' { c } else { char::from_u32(c as u32 + 0xfee0).unwrap() }).collect(),
        |text| text.chars().map(|c| format!("{c}\u{ad}")).collect(),
        |text| text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        |text| base64::engine::general_purpose::STANDARD.encode(format!("{text} and more than that")),
        |text| format!("before, {text}: behind"),
    ];
    proptest::sample::select(all.to_vec())
}

proptest! {
    #[test]
    fn a_run_of_words_is_found_in_every_spelling(text in words(), spelt in spelling(), before in words()) {
        let mut window = window();
        said(&mut window, &before, "private");
        said(&mut window, &spelt(&text), "untrusted");
        let found = told(&window, "text", &text);
        prop_assert!(found.starts_with("untrusted") || found.starts_with("private, untrusted"), "{found}");
    }

    /// What is vouched for was found: the user's exact words are among all that is found loosely.
    #[test]
    fn what_is_given_exactly_is_found_loosely(
        user in "([A-Za-z0-9\u{e9}\u{5f35}]{1,8}[ ./@:,;'*_(-]{0,2}){1,6}",
        value in "([A-Za-z0-9\u{e9}\u{5f35}]{1,8}[ ./@:,;'*_(-]{0,2}){1,3}",
        from in 0_usize..40, length in 1_usize..20, spelt in spelling(), argument in "to|path|amount|day|host|event_id",
    ) {
        let part: String = user.chars().skip(from).take(length).collect();
        for value in [value, part.clone(), spelt(&part)] {
            let key = Key::default();
            let field = Field::root(Arc::default()).member(&argument);
            if !Exact::of(&key, &user).has(&Wanted::of(&key, &field, &value)) {
                continue;
            }
            let mut reading = Reading::new(BYTES_MAX);
            reading.text(&key, &user);
            let found = Needle::of(&key, &field, &value).within(&reading);
            // Signs and short words alone are found nowhere by design.
            let is_short = value.chars().filter(|c| c.is_alphanumeric()).count() < 6;
            prop_assert!(found != Found::Nowhere || is_short, "{user:?} gives {value:?}, found {found:?}");
        }
    }

    /// The same words in another spelling are found, and not the user's unless they are the same text.
    #[test]
    fn another_spelling_is_found_and_vouches_for_nothing(text in words(), spelt in spelling()) {
        let other = spelt(&text);
        let mut window = window();
        said(&mut window, &text, "the user");
        let quoted = crate::json::quoted(&other);
        let value = Json::read(&quoted, 1).unwrap();
        let field = Field::root(Arc::default()).member("text");
        let origin = window.origin(&field, &value, &[("task")].into_iter().collect());
        let is_given = origin.labels.iter().any(|label| label.as_str() == USER);
        prop_assert!(!is_given || other == text, "{text:?} gave {other:?}");
    }

    #[test]
    fn more_reading_takes_no_label_away(
        texts in proptest::collection::vec((words(), 0_u8..4), 1..30),
        value in words(),
        bytes_max in 100_usize..3000,
    ) {
        let mut window = Window::new(Key::default(), bytes_max);
        said(&mut window, "the goal of the user", "the user");
        let field = Field::root(Arc::default()).member("text");
        let mut before = LabelSet::default();
        for (text, label) in texts {
            let text = if label == 3 { format!("{text} {value}") } else { text };
            let label = ["untrusted", "private", "secret"].get(usize::from(label)).copied().unwrap_or("other");
            said(&mut window, &text, label);
            let now = window.origin(&field, &Json::Text(value.as_str().into()), &LabelSet::default()).labels;
            prop_assert!(before.flows_to(&now), "{before} became {now}");
            prop_assert!(window.bytes() <= bytes_max);
            before = now;
        }
    }

    #[test]
    fn a_message_is_read_the_same_however_it_is_cut(
        leaves in proptest::collection::vec(("\\PC{1,20}", "\\PC{0,40}", any::<i32>()), 0..12),
        cut in 1_usize..50,
    ) {
        let members: Vec<String> = leaves.iter().enumerate().map(|(n, (name, text, number))| {
            let (name, text) = (crate::json::quoted(&format!("{name}{n}")), crate::json::quoted(text));
            format!(r#"{{{name}:{text},"n":{number},"deep":[{text},true]}}"#)
        }).collect();
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"structuredContent":[{}]}}}}"#, members.join(","));
        let key = Key::default();
        let message = || Message::new(&key, Arc::default(), BYTES_MAX, 64);
        let mut pieces = message();
        text.as_bytes().chunks(cut).for_each(|piece| pieces.feed(piece));
        prop_assert_eq!(pieces.finish(), message().whole(&text));
    }
}
