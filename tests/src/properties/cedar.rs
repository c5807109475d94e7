//! Arguments on their way to Cedar: no input panics, no number is rounded, and what fits its reviewed schema can be
//! judged.

use std::sync::{Arc, OnceLock};

use pdp::decision::{Decision, Reason};
use pdp::json::Json;
use pdp::policy::{Act, Facts};
use pdp::principal::Principal;
use pdp::snapshot::{Snapshot, Sources};

use super::house;

/// The decision on a call of the one tool.
fn decided(snapshot: &Snapshot, arguments: &Json<'_>) -> Option<Decision> {
    let server = snapshot.server("s")?;
    let tool = server.reviewed("t")?;
    let principal = Principal {
        agent: "a".to_owned(),
        teams: Vec::new(),
        user: String::new(),
        tenant: "default".to_owned(),
        method: "token".to_owned(),
    };
    let act = Act::Tool { tool, arguments };
    let query = pdp::policy::Query { principal: &principal, server, act, facts: &Facts::default() };
    Some(snapshot.judge(query).decision)
}

/// A number is the one that stands in the text, or the call is denied.
pub fn numbers(data: &[u8]) {
    static BUILT: OnceLock<Arc<Snapshot>> = OnceLock::new();
    let Ok(digits) = std::str::from_utf8(data) else { return };
    if !matches!(Json::read(digits, 1), Ok(Json::Number(_))) || digits.trim() != digits {
        return;
    }
    let snapshot = BUILT.get_or_init(|| {
        let number = |kind: &str| format!(r#"{{"type":"{kind}"}}"#);
        let (long, decimal) = (number("integer"), number("number"));
        let schema =
            format!(r#"{{"type":"object","properties":{{"a":{long},"b":{long},"c":{decimal},"d":{decimal}}}}}"#);
        let law = r#"@id("same") permit (principal, action in Gate::Action::"call", resource) when {
            (context.args has a && context.args has b && context.args.a == context.args.b) ||
            (context.args has c && context.args has d && context.args.c == context.args.d) };"#;
        let sources = Sources { policies: house::policies(law), registry: house::registry(&schema) };
        Arc::new(Snapshot::build(&sources).unwrap())
    });
    let asked = |first: &str, second: &str, as_written: &str| {
        let text = format!(r#"{{"{first}":{digits},"{second}":{as_written}}}"#);
        decided(snapshot, &Json::read(&text, 4).unwrap()).unwrap()
    };
    let exact = Exact::of(digits);
    for (first, second, places) in [("a", "b", 0), ("c", "d", 4)] {
        let Some(scaled) = exact.as_ref().and_then(|exact| exact.scaled(places)) else {
            let decision = asked(first, second, "0");
            assert!(
                matches!(decision, Decision::Deny(Reason::Unjudgeable(_) | Reason::NoPermit)),
                "{digits} has no exact form: {decision:?}"
            );
            continue;
        };
        let written = |scaled: i64| {
            let size = scaled.unsigned_abs();
            let sign = if scaled < 0 { "-" } else { "" };
            match places {
                0 => format!("{sign}{size}"),
                _ => format!("{sign}{}.{:04}", size / 10_000, size % 10_000),
            }
        };
        for (other, same) in [(Some(scaled), true), (scaled.checked_add(1), false), (scaled.checked_sub(1), false)] {
            let Some(other) = other else { continue };
            match asked(first, second, &written(other)) {
                Decision::Allow(_) => assert!(same, "{digits} was taken for {}", written(other)),
                Decision::Deny(Reason::NoPermit) => assert!(!same, "{digits} is not {}", written(other)),
                // More digits than are looked at: refused, which is safe.
                Decision::Deny(Reason::Unjudgeable(_)) => assert!(digits.len() > 20, "{digits} could be judged"),
                decision @ (Decision::Escalate(_) | Decision::Deny(_)) => panic!("{digits}: {decision:?}"),
            }
        }
    }
}

/// A decimal's digits and where its point stands, read without any arithmetic that could round.
struct Exact {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    /// How many places stand behind the point; negative for zeros before it.
    scale: i64,
}

impl Exact {
    fn of(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (body, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i64 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
        let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
        let all = format!("{whole}{fraction}");
        let ends = all.trim_end_matches('0');
        let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let scale = scale.checked_sub(i64::try_from(all.len() - ends.len()).ok()?)?;
        let digits = ends.trim_start_matches('0').to_owned();
        Some(if digits.is_empty() {
            Self { negative: false, digits, scale: 0 }
        } else {
            Self { negative, digits, scale }
        })
    }

    /// The number times ten to the `places`, where that is an integer of 64 bits.
    fn scaled(&self, places: i64) -> Option<i64> {
        let zeros = usize::try_from(places.checked_sub(self.scale)?).ok().filter(|zeros| *zeros <= 20)?;
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}{}", if self.digits.is_empty() { "0" } else { &self.digits }, "0".repeat(zeros)).parse().ok()
    }
}

/// Any schema and any arguments: no panic, and arguments that fit the schema are never denied for a fault of ours.
pub fn arguments(data: &[u8]) {
    const LAW: &str = r#"@id("all") permit (principal, action, resource);"#;
    let Some([schema, arguments]) = super::parts::<2>(data) else { return };
    let sources = Sources { policies: house::policies(LAW), registry: house::registry(schema) };
    let Ok(snapshot) = Snapshot::build(&sources) else { return };
    let Ok(arguments_read) = Json::read(arguments, 16) else { return };
    let Some(decision) = decided(&snapshot, &arguments_read) else { return };
    let tool = snapshot.server("s").and_then(|server| server.reviewed("t")).unwrap();
    let Ok(value) = serde_json::from_str(arguments) else { return };
    let fits = tool.validator.as_ref().is_some_and(|validator| validator.is_valid(&value));
    match decision {
        Decision::Deny(Reason::Fault(words)) => assert!(!fits, "good arguments met a fault: {words}"),
        // `all` permits what can be judged.
        Decision::Allow(_) | Decision::Deny(Reason::Unjudgeable(_)) => {}
        other @ (Decision::Escalate(_) | Decision::Deny(_)) => panic!("{other:?}"),
    }
}
