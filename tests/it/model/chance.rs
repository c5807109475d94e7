//! Steps by chance: mostly what could happen any day, and now and then whatever cannot be excluded.

use super::dice::Dice;
use super::law::{Form, Kind, Law, Live, TOOLS};
use super::methods::{self, ASKED, QUESTIONS, SAID, TARGETS, TOLD};
use super::step::{
    Act, Along, Approver, Arguments, Era, Given, Item, MALFORMED, Mood, Named, Says, Step, TEXTS, UNREADABLE, Weather,
    What,
};

const WHOLES: [(&str, Option<i64>); 8] = [
    ("0", Some(0)),
    ("1", Some(1)),
    ("101", Some(101)),
    ("-5", Some(-5)),
    ("1.0", Some(1)),
    ("1e2", Some(100)),
    ("9223372036854775807", Some(i64::MAX)),
    ("9223372036854775808", None),
];
const DECIMALS: [(&str, Option<i64>); 7] = [
    ("0.1", Some(1_000)),
    ("12.5", Some(125_000)),
    ("1000.01", Some(10_000_100)),
    ("-3.5", Some(-35_000)),
    ("2", Some(20_000)),
    ("0.12345", None),
    ("1e30", None),
];

/// A step under this law.
pub(super) fn step(dice: &mut Dice, law: &Law) -> Step {
    let server = if dice.percent(98) { dice.one(&law.servers).name } else { "nowhere" };
    let what = what(dice, law, server);
    let plain = matches!(what, What::Call(Named::NoParams | Named::ListParams, ..))
        || matches!(what, What::Method(_, _, Named::ListParams, _));
    let era = match dice.below(40) {
        _ if plain => Era::Legacy,
        0..=9 => Era::Modern,
        10 => dice.one(&[Era::OtherMethod, Era::OtherName, Era::NoMethod, Era::NoName, Era::OtherVersion]),
        _ => Era::Legacy,
    };
    Step {
        caller: if dice.percent(98) { dice.one(&["ann", "ann", "bob", "eve"]) } else { "mallory" },
        server,
        trace: dice.one(&[None, None, None, Some(0), Some(1)]),
        session: dice.percent(1),
        era,
        weather: weather(dice, law, &what),
        what,
    }
}

fn what(dice: &mut Dice, law: &Law, server: &str) -> What {
    match dice.below(100) {
        0..=54 => call(dice, law, server),
        55..=82 => {
            let name = dice.one(&ASKED);
            let named = named(dice, name);
            What::Method(name, true, named, along(dice, name))
        }
        83..=88 => What::Method(dice.one(&TOLD), false, Named::Nothing, Along::Nothing),
        89..=91 => What::Answer(dice.below(3) as u8),
        92..=95 => What::Open,
        96 => What::Close,
        97..=98 => What::Malformed(dice.below(MALFORMED.len())),
        _ => What::Unreadable(dice.below(UNREADABLE.len())),
    }
}

fn call(dice: &mut Dice, law: &Law, server: &str) -> What {
    let tools = law.server(server).map(|server| server.tools.as_slice()).unwrap_or_default();
    let named = match dice.below(40) {
        0 => Named::As("evil"),
        1 => dice.one(&[Named::Nothing, Named::Number, Named::OtherCase, Named::NoParams, Named::ListParams]),
        _ if tools.is_empty() => Named::As("one"),
        _ => Named::As(dice.one(tools).name),
    };
    let form = tools.iter().find(|tool| Named::As(tool.name) == named).map_or(Form::Nothing, |tool| tool.form);
    let along = if dice.percent(4) { responses(dice) } else { Along::Nothing };
    What::Call(named, arguments(dice, form), along)
}

fn arguments(dice: &mut Dice, form: Form) -> Arguments {
    match dice.below(40) {
        0 => return Arguments::Null,
        1 => return Arguments::List,
        2 => return Arguments::Absent,
        _ => {}
    }
    let mut members = Vec::new();
    for field in form.fields() {
        if dice.percent(if field.required { 97 } else { 60 }) {
            let name = if dice.percent(3) { field.name.to_ascii_uppercase() } else { field.name.to_owned() };
            members.push((name, given(dice, field.kind)));
        }
    }
    if dice.percent(8) {
        members.push(("extra".to_owned(), given(dice, Kind::Text)));
    }
    Arguments::Members(members)
}

fn given(dice: &mut Dice, kind: Kind) -> Given {
    match dice.below(40) {
        0 => return Given::Null,
        1 => return Given::Object,
        2 => return Given::Decimal("2.5", Some(25_000)),
        3 => return Given::Text(0),
        _ => {}
    }
    match kind {
        Kind::Text => Given::Text(dice.below(TEXTS.len())),
        Kind::Whole => {
            let (text, value) = dice.one(&WHOLES);
            Given::Whole(text, value)
        }
        Kind::Decimal => {
            let (text, value) = dice.one(&DECIMALS);
            Given::Decimal(text, value)
        }
        Kind::Flag => Given::Flag(dice.percent(50)),
        Kind::Texts => Given::Texts(dice.some(&["a", "b", "c"], 40)),
    }
}

fn named(dice: &mut Dice, method: &str) -> Named {
    if methods::find(method).is_none_or(|method| method.target.is_none()) {
        return Named::Nothing;
    }
    match dice.below(20) {
        0 => dice.one(&[Named::Number, Named::OtherCase, Named::ListParams]),
        1 | 2 => Named::Nothing,
        _ => Named::As(dice.one(&TARGETS).0),
    }
}

fn along(dice: &mut Dice, method: &str) -> Along {
    match method {
        "completion/complete" => match dice.below(8) {
            0 => Along::OtherCase,
            1 => Along::Nothing,
            2..=4 => Along::Prompt(dice.one(&TARGETS).0),
            _ => Along::Resource(dice.one(&TARGETS).0),
        },
        "subscriptions/listen" if dice.percent(70) => {
            Along::Subscriptions((0..dice.below(3)).map(|_| dice.one(&TARGETS).0).collect())
        }
        "prompts/get" | "resources/read" | "tasks/update" if dice.percent(20) => responses(dice),
        _ => Along::Nothing,
    }
}

fn responses(dice: &mut Dice) -> Along {
    Along::Responses(dice.some(&["elicitation/create", "roots/list", "sampling/createMessage", "response"], 40))
}

fn weather(dice: &mut Dice, law: &Law, what: &What) -> Weather {
    let change = dice.percent(7).then(|| (dice.one(&law.servers).name, dice.one(&TOOLS), dice.one(&Live::ALL)));
    let asks = matches!(what, What::Call(..) | What::Method(_, true, ..));
    let lists = matches!(what, What::Method("tools/list", ..));
    let opens = matches!(what, What::Method("initialize" | "server/discover", true, ..));
    let act = match what {
        What::Open => opening(dice),
        What::Method(_, false, ..) | What::Answer(_) => silent(dice),
        What::Call(..) | What::Method(..) | What::Close | What::Malformed(_) | What::Unreadable(_) => act(dice, opens),
    };
    let listing = dice.percent(if lists { 50 } else { 8 }).then(|| listing(dice));
    let whole = |act: &Act| !matches!(act, Act::Streams(_));
    // What a ledger that fails midway means for a stream is told by the stream's own tests.
    let whole = whole(&act) && listing.as_ref().is_none_or(whole) && (asks || !matches!(what, What::Open));
    let ledger = match dice.below(50) {
        0 => Mood::Ill,
        1 if whole => Mood::RefusesAppends,
        2 | 3 if whole => Mood::RefusesCommit(1 + dice.below(2) as u64),
        _ => Mood::Well,
    };
    Weather {
        later_s: dice.one(&[0, 0, 0, 0, 0, 0, 1, 170, 301, 3_700]),
        change,
        ledger,
        vault_empty: dice.percent(2),
        halted: dice.percent(4).then(|| 1 + dice.below(4) as u64),
        approver: match dice.below(6) {
            0 => Approver::Nobody,
            1 => Approver::Refuses,
            2 => Approver::Grants(dice.one(&[vec!["emperor"], vec![], vec!["emperor", "owner"]])),
            3 => Approver::Grants(vec![dice.one(&["owner", "security"])]),
            _ => Approver::Grants(vec!["owner", "security"]),
        },
        full: dice.percent(1),
        act,
        listing,
    }
}

/// What a server does that is told something and not asked.
fn silent(dice: &mut Dice) -> Act {
    match dice.below(12) {
        0 => Act::Status(500),
        1 => Act::Status(401),
        2 => Act::Unreachable,
        3 => Act::Loses,
        4 => Act::Html,
        _ => Act::Status(202),
    }
}

fn opening(dice: &mut Dice) -> Act {
    match dice.below(10) {
        0 => Act::Status(405),
        1 => Act::Unreachable,
        2 => Act::Busy,
        _ => Act::Streams(items(dice, None)),
    }
}

fn act(dice: &mut Dice, opens: bool) -> Act {
    match dice.below(30) {
        0 => Act::Status(dice.one(&[401, 403, 404, 500])),
        1 => Act::Html,
        2 => Act::Notifies,
        3 => Act::Doubles,
        4 => Act::Unreachable,
        5 => Act::Loses,
        6 => dice.one(&[Act::ForgetsSession, Act::NeedsSession]),
        7 => Act::Busy,
        8 => Act::Hangs,
        9..=13 => {
            let answer = answer(dice, opens);
            Act::Streams(items(dice, Some(answer)))
        }
        _ => Act::Answers(answer(dice, opens)),
    }
}

fn answer(dice: &mut Dice, opens: bool) -> Says {
    match dice.below(16) {
        0 => Says::Empty,
        1 => Says::Forged,
        2 => Says::IsError,
        3 => Says::Asks((0..1 + dice.below(2)).map(|_| (dice.one(&QUESTIONS), dice.one(&TARGETS).0)).collect()),
        4 => Says::Error,
        5 => Says::ForgedError,
        6 => Says::SendsUser((0..1 + dice.below(2)).map(|_| dice.one(&TARGETS).0).collect()),
        7 => Says::OtherId,
        8 => Says::NoId,
        9..=12 if opens => Says::Instructions,
        _ => Says::Result,
    }
}

fn listing(dice: &mut Dice) -> Act {
    match dice.below(8) {
        0 => Act::Unreachable,
        1 => Act::Answers(Says::Error),
        2 => Act::Answers(Says::Result),
        3 => Act::Answers(Says::Asks(vec![(dice.one(&QUESTIONS), dice.one(&TARGETS).0)])),
        4 => Act::Streams(items(dice, Some(Says::Tools(true)))),
        5 => Act::Hangs,
        _ => Act::Answers(Says::Tools(true)),
    }
}

/// A stream: some messages, and where an answer is due, mostly that.
fn items(dice: &mut Dice, answer: Option<Says>) -> Vec<Item> {
    let mut items: Vec<Item> = (0..dice.below(5)).map(|_| item(dice)).collect();
    match answer {
        Some(answer) if dice.percent(85) => items.push(Item::Answer(answer)),
        Some(_) | None if dice.percent(30) => items.push(Item::Breaks),
        Some(_) | None => {}
    }
    if dice.percent(10) {
        items.push(Item::ListChanged);
    }
    items
}

fn item(dice: &mut Dice) -> Item {
    match dice.below(12) {
        0 => Item::Comment,
        1 => Item::Progress(false),
        2 => Item::Progress(true),
        3 => Item::ListChanged,
        4 => Item::Stray,
        5 => Item::Junk,
        6..=8 => Item::Says(dice.one(&SAID), dice.one(&TARGETS).0),
        _ => Item::Asks(dice.below(3) as u8, dice.one(&QUESTIONS), dice.one(&TARGETS).0),
    }
}
