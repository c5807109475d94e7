//! Takes out members of our namespace that stand in a `_meta`: those a server put there, since only the gate speaks in the
//! gate's name, and the task token a client put there, which is for the gate alone.

use std::ops::Range;

use pdp::json::{Layout, Part, Reading};

/// What our members begin with (MCP: `_meta` keys carry a reverse-DNS prefix of their owner).
pub(crate) const NAMESPACE: &str = "dev.wicketgate/";

/// The text without our members in any `_meta`, or nothing where it has none. Worth asking where the envelope has met
/// a name of ours.
pub(crate) fn without(text: &str, depth_max: usize) -> Option<String> {
    let layout = Layout::read(text, Reading::whole(depth_max)).ok()?;
    let root = layout.root(text);
    let mut forged = Vec::new();
    find(root, false, &mut forged);
    (!forged.is_empty()).then(|| less(text, forged))
}

/// The text without those members of one object that are named so. The object stands in this very text.
pub(crate) fn without_members(text: &str, object: Part<'_>, named: impl Fn(&str) -> bool) -> String {
    let mut taken = Vec::new();
    cut(object, named, &mut taken, |_, _, _| {});
    less(text, taken)
}

fn less(text: &str, cuts: Vec<Range<usize>>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    for at in cuts {
        out.push_str(text.get(kept..at.start).unwrap_or_default());
        kept = at.end;
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    out
}

/// Whether a name is in our namespace, in any case.
pub(super) fn is_ours(name: &[u8]) -> bool {
    name.get(..NAMESPACE.len()).is_some_and(|head| head.eq_ignore_ascii_case(NAMESPACE.as_bytes()))
}

/// Where forged members stand.
fn find(value: Part<'_>, in_meta: bool, forged: &mut Vec<Range<usize>>) {
    let is_forged = |name: &str| in_meta && is_ours(name.as_bytes());
    cut(value, is_forged, forged, |name, inner, forged| find(inner, name == "_meta", forged));
    value.items().for_each(|item| find(item, false, forged));
}

/// Where the members of an object that are named so stand, each with the comma that goes with it, in the order of the
/// text; `kept` sees the others.
fn cut(
    value: Part<'_>,
    named: impl Fn(&str) -> bool,
    cuts: &mut Vec<Range<usize>>,
    mut kept: impl FnMut(&str, Part<'_>, &mut Vec<Range<usize>>),
) {
    let starts: Vec<usize> = value.places().map(|(name, _)| name.start).skip(1).collect();
    let mut next = starts.into_iter();
    let (mut kept_before, mut before) = (false, 0);
    for ((name, inner), (at, _)) in value.members().zip(value.places()) {
        let (following, end) = (next.next(), inner.range().end);
        if !named(&name) {
            kept_before = true;
            kept(&name, inner, cuts);
        } else if kept_before {
            cuts.push(before..end);
        } else {
            cuts.push(at.start..following.unwrap_or(end));
        }
        before = end;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn our_name_is_taken_out_of_every_meta_however_it_is_spelt() {
        for (forged, want) in [
            (r#"{"_meta":{"dev.wicketgate/label":{"labels":[]},"x":1}}"#, r#"{"_meta":{"x":1}}"#),
            (r#"{"_meta":{"dev.wicket\u0067ate\/label":1}}"#, r#"{"_meta":{}}"#),
            (r#"{"a":[{"_meta":{"DEV.wicketgate/x":1},"n":1.0}]}"#, r#"{"a":[{"_meta":{},"n":1.0}]}"#),
            (
                r#"{"_meta": { "dev.wicketgate/a":1 , "dev.wicketgate/b":{"_meta":{}} , "x" : 1 , "dev.wicketgate/c":[] } }"#,
                r#"{"_meta": { "x" : 1 } }"#,
            ),
            (
                r#"{"_meta":{"x":1,"dev.wicketgate/a":1,"dev.wicketgate/b":2,"y":{"_meta":{"dev.wicketgate/":0}}}}"#,
                r#"{"_meta":{"x":1,"y":{"_meta":{}}}}"#,
            ),
        ] {
            assert_eq!(without(forged, 16).as_deref(), Some(want), "{forged}");
        }
        assert_eq!(without(r#"{"text":"dev.wicketgate/label","dev.wicketgate/label":1}"#, 16), None);
        assert_eq!(without(r#"{"a":1.0}"#, 16), None);
    }

    #[test]
    fn one_object_loses_the_members_that_are_named() {
        for (text, want) in [
            (r#"{"x":{"task":"t","a":1}}"#, r#"{"x":{"a":1}}"#),
            (r#"{"x":{"a":1 , "task":"t"},"task":2}"#, r#"{"x":{"a":1},"task":2}"#),
            (r#"{"x":{"task":"t"},"y":{"task":"t"}}"#, r#"{"x":{},"y":{"task":"t"}}"#),
            (r#"{"x":{"task":"t","Task":"t"}}"#, r#"{"x":{}}"#),
            (r#"{"x":{"a":{"task":"t"}}}"#, r#"{"x":{"a":{"task":"t"}}}"#),
        ] {
            let layout = Layout::read(text, Reading::whole(16)).unwrap();
            let object = layout.root(text).get("x").unwrap();
            assert_eq!(without_members(text, object, |name| name.eq_ignore_ascii_case("task")), want, "{text}");
        }
    }
}
