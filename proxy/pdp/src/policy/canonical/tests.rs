//! What is said to be the same is, what leads elsewhere is not, and what can be read in two ways has no form.

use proptest::prelude::*;

use super::*;

/// The forms of texts of one kind; `!` and a word for a doubt that holds the word.
fn check(form: Form, of: fn(&str, Form) -> Result<String, Doubt>, cases: &[(&str, &str)]) {
    for (text, want) in cases {
        let found = of(text, form);
        match want.strip_prefix('!') {
            Some(word) => assert!(
                found.as_ref().is_err_and(|doubt| doubt.to_string().contains(word)),
                "{text:?} is in doubt for `{word}`: {found:?}"
            ),
            None => assert_eq!(found.as_deref(), Ok(*want), "{text:?} as {form:?}"),
        }
    }
}

#[test]
fn dot_segments_cannot_hide_where_a_path_leads() {
    let both = [
        ("/data/../etc/passwd", "/etc/passwd"),
        ("/data//a/./b", "/data/a/b"),
        ("/../../x", "/x"),
        ("a/../../b", "../b"),
        ("./", "."),
        ("..", ".."),
        ("notes.md", "notes.md"),
        ("", ""),
        ("c:\\data\\..\\x", "C:/x"),
        ("C:/data/./x/", "C:/data/x"),
        ("C:\\data\\x.txt.", "!Windows"),
        ("C:\\data\\x.txt::$DATA", "!Windows"),
        ("C:\\PROGRA~1\\x", "!Windows"),
    ];
    check(Form::Path, canonical, &both);
    check(Form::Any, canonical, &both);
    check(
        Form::Path,
        canonical,
        &[
            ("/data/..\\..\\etc", "!`\\`"),
            ("\\\\host\\share", "!`\\`"),
            ("/data/%2e%2e/etc", "!`%`"),
            ("/data/100%", "/data/100%"),
            ("/data/x\0.md", "!control"),
            (" /etc/passwd", "!white space"),
            ("a /", "!white space"),
            ("./ a", "!white space"),
            ("/data/.. /etc", "!dots"),
            ("/data/.../etc", "!dots"),
            ("/data/..;x/etc", "!`..`"),
            ("C:/data/..;/x", "!Windows"),
            ("~/.ssh/id", "!`~`"),
            ("file:///etc/passwd", "!URL"),
            ("FILE:/etc/passwd", "!URL"),
            ("s3://bucket/a/../b", "s3://bucket/b"),
        ],
    );
    check(
        Form::Any,
        canonical,
        &[
            ("plain words", "plain words"),
            ("50% / 100%", "50% / 100%"),
            ("DOMAIN\\user", "DOMAIN\\user"),
            ("notes\\..\\..\\x", "!hide"),
            ("/data/%252e%252e/etc", "!hide"),
            ("/data/%2e%2e%5cetc", "!hide"),
            ("/data/..;/etc", "!`..`"),
            ("/data/.. /etc", "!`..`"),
            (".. ", "!`..`"),
            ("/data/..x/...", "/data/..x/..."),
            ("./C:/data", "!begins like"),
            ("./file:/data", "!begins like"),
        ],
    );
}

#[test]
fn a_url_is_what_a_browser_would_open_or_in_doubt() {
    let both = [
        ("HTTPS://Example.COM:443/a/../b?q=1", "https://example.com/b?q=1"),
        ("file:///data/%2e%2e/etc", "file:///etc"),
        ("file:///data//x", "file:///data/x"),
        ("https://user:word@evil.example/x", "https://evil.example/x"),
        ("https://good.example@evil.example/", "https://evil.example/"),
        ("https://good.example\\@evil.example/", "!`\\`"),
        ("https://a@good.example@evil.example/", "!`@`"),
        ("https://h.example/%61dmin/%7euser/%2fx", "https://h.example/admin/~user/%2Fx"),
        ("https://h.example/data/%2e%2e%2fetc", "!decoded"),
        ("https://h.example/data/..%5cetc", "!decoded"),
        ("https://h.example/data/%252e%252e/etc", "!decoded"),
        ("https://h.example/data/..;/etc", "!decoded"),
        ("https://h.example/a?next=..%2f", "https://h.example/a?next=..%2f"),
        ("https://h.exam\tple/", "!control"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::FFFF:7f00:1]/", "http://127.0.0.1/"),
        ("https://bücher.example./", "https://xn--bcher-kva.example/"),
        ("ssh://git@GitHub.com/x", "ssh://github.com/x"),
        ("https:evil.example/x", "https://evil.example/x"),
        ("data:text/plain,a\\b", "data:text/plain,a\\b"),
    ];
    check(Form::Url, canonical, &both);
    check(Form::Any, canonical, &both[..19]);
    check(
        Form::Url,
        canonical,
        &[("good.example", "!whole URL"), ("//evil.example/x", "!whole URL"), ("evil.example:80/x", "!whole URL")],
    );
}

#[test]
fn a_host_is_the_one_that_is_reached() {
    check(
        Form::Any,
        host,
        &[
            ("https://Example.COM./x", "example.com"),
            ("https:evil.example/x", "evil.example"),
            ("https:\\\\evil.example\\x", "!`\\`"),
            (" https://user@evil.example:8443/?a=good.example", "evil.example"),
            ("https://bücher.example/", "xn--bcher-kva.example"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://[::1]:80/", "::1"),
            ("foo://017700000001/", "127.0.0.1"),
            ("file:///etc/passwd", "?"),
            ("javascript:alert(1)", "?"),
            ("good.example", "?"),
            ("//evil.example/x", "?"),
            ("", ""),
        ],
    );
    check(Form::Url, host, &[("good.example/x", "!whole URL"), ("mailto:a@b.example", "?"), ("", "")]);
    let hosts = [
        ("API.Example.COM.", "api.example.com"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
        ("FE80::1", "fe80::1"),
        ("fe80::1%eth0", "!no name"),
        ("https://evil.example", "!no name"),
        ("a@evil.example", "!no name"),
        ("10.0.0.0/8", "!no name"),
        (".", "!no name"),
        ("127.1.", "127.0.0.1"),
        ("127.1....", "!no name"),
        ("a..example", "!no name"),
    ];
    check(Form::Host, host, &hosts);
    check(Form::Host, canonical, &hosts);
    check(
        Form::Host,
        canonical,
        &[("DB.example:5432", "db.example:5432"), ("[::1]:80", "[::1]:80"), ("a:99999", "!port")],
    );
    check(Form::Host, host, &[("DB.example:5432", "db.example"), ("[::1]:80", "::1")]);
}

#[test]
fn an_address_is_one_address_and_nothing_beside() {
    check(
        Form::Address,
        canonical,
        &[
            ("Eve@Example.COM", "Eve@example.com"),
            ("Eve Adams <eve@Example.com.>", "eve@example.com"),
            ("\"Adams, Eve\" <eve@example.com>", "eve@example.com"),
            ("<eve@example.com>", "eve@example.com"),
            ("mailto:eve@example.com", "eve@example.com"),
            ("\"eve\"@example.com", "eve@example.com"),
            ("eve@[127.0.0.1]", "eve@127.0.0.1"),
            ("eve@bücher.example", "eve@xn--bcher-kva.example"),
            ("\"a@good.example\" <eve@evil.example>", "!display name"),
            ("\"a@good.example\"@evil.example", "!quoted"),
            ("\"a b\"@evil.example", "!quoted"),
            ("a@good.example, eve@evil.example", "!plain"),
            ("a@good.example;eve@evil.example", "!plain"),
            ("eve@evil.example,a", "!domain"),
            ("A, B <eve@evil.example>", "!more than one"),
            ("<a@good.example><eve@evil.example>", "!more than one"),
            ("eve@evil.example(comment)", "!domain"),
            ("a@good.example <eve@evil.example>", "!display name"),
            ("eve@evil.example\u{0}a@good.example", "!control"),
            ("<eve@evil.example", "!plain"),
            ("good.example@https://", "!plain"),
            // No address at all: a name, a channel, a path.
            ("eve", "eve"),
            ("@here", "@here"),
            ("/data/../etc/@x", "/etc/@x"),
            ("#general", "#general"),
        ],
    );
    check(
        Form::Address,
        host,
        &[("Eve <eve@Example.com>", "example.com"), ("eve", "?"), ("a@b.example, c@d.example", "!plain"), ("", "")],
    );
}

fn any_form() -> impl Strategy<Value = Form> {
    prop_oneof![Just(Form::Any), Just(Form::Path), Just(Form::Url), Just(Form::Host), Just(Form::Address)]
}

/// Texts of what makes readers disagree.
fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("/"),
        Just("\\"),
        Just(".."),
        Just("."),
        Just("%2e"),
        Just("%2F"),
        Just("%25"),
        Just("@"),
        Just(":"),
        Just("https://"),
        Just("file:"),
        Just("C:"),
        Just("good.example"),
        Just("a"),
        Just("é"),
        Just(" "),
        Just("\t"),
        Just("\""),
        Just("<"),
        Just(">"),
        Just(","),
        Just("?"),
        Just("#"),
        Just("127.1"),
        Just("[::1]"),
        Just("~"),
    ];
    proptest::collection::vec(part, 0..9).prop_map(|parts| parts.concat())
}

proptest! {
    /// The form of a form is itself: otherwise there would be two forms for one thing.
    #[test]
    fn a_canonical_form_is_its_own(text in any_text(), form in any_form()) {
        if let Ok(once) = canonical(&text, form) {
            prop_assert_eq!(canonical(&once, form), Ok(once.clone()), "{:?} as {:?}", text, form);
        }
    }

    /// No path's form climbs out of where it seems to lie.
    #[test]
    fn no_form_of_a_path_climbs(text in any_text()) {
        if let Ok(form) = canonical(&text, Form::Path)
            && !form.contains("://")
        {
            let climbs = form.split('/').skip_while(|part| *part == "..").any(|part| part == "..");
            prop_assert!(!climbs && !form.contains('\\'), "{:?}: {:?}", text, form);
        }
    }

    /// The host beside a URL's form is the one in it.
    #[test]
    fn a_url_has_one_host(text in any_text()) {
        if let (Ok(form), Ok(host_of)) = (canonical(&text, Form::Url), host(&text, Form::Url)) {
            prop_assert_eq!(host(&form, Form::Url), Ok(host_of), "{:?}: {:?}", text, form);
        }
    }
}
