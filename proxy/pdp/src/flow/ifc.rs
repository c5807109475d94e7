//! The labels that a server puts on its own results in `_meta.ifc`, as the GitHub server does. They are a claim, so they
//! are heeded only where they are stricter than what the registry says.

use super::Carried;
use crate::json::{Kind, Part};
use crate::label::{LabelSet, Readers};

/// The member of a `_meta`.
const IFC: &str = "ifc";
/// Where within a result a `_meta` may stand beside its own: the items of these lists.
const LISTS: [&str; 2] = ["content", "contents"];

/// What a result's own labels add: nothing where it has none. What cannot be understood counts as the strictest. The part
/// must be of a text whose places are all known.
#[must_use]
pub fn claimed(result: Part<'_>) -> Carried {
    let items = LISTS.iter().filter_map(|list| result.get(list)).flat_map(Part::items);
    let places = std::iter::once(result).chain(items);
    let labels = places.filter_map(|part| part.get("_meta")?.get(IFC));
    labels.fold(Carried::default(), |sum, one| sum.join(&read(one)))
}

fn read(ifc: Part<'_>) -> Carried {
    let mut labels = Vec::new();
    let is = |part: Option<Part<'_>>, word: &str| part.and_then(Part::string).is_some_and(|text| text == word);
    if !is(ifc.get("integrity"), "trusted") {
        labels.push("untrusted");
    }
    let confidentiality = ifc.get("confidentiality");
    let listed = confidentiality.filter(|part| part.kind() == Kind::List);
    let public =
        is(confidentiality, "public") || listed.is_some_and(|list| list.items().any(|one| is(Some(one), "public")));
    if public {
        return Carried::labelled(labels.into_iter().collect());
    }
    labels.push("private");
    let labels: LabelSet = labels.into_iter().collect();
    let names: Option<Vec<String>> =
        listed.and_then(|list| list.items().map(|one| one.string().map(|name| name.into_owned())).collect());
    // A list that cannot be read names nobody; one word that is not `public` says only that it is not.
    let readers = match (names, listed) {
        (Some(names), _) => Readers::only(names),
        (None, Some(_)) => Readers::only([]),
        (None, None) => Readers::everyone(),
    };
    Carried { labels, readers }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]
    use super::*;
    use crate::json::{Layout, Reading};

    fn of(result: &str) -> String {
        let layout = Layout::read(result, Reading::whole(16)).unwrap();
        let carried = claimed(layout.root(result));
        format!("{}; {:?}", carried.labels, carried.readers.names())
    }

    #[test]
    fn a_claim_only_adds_and_what_is_not_understood_is_the_strictest() {
        for (ifc, want) in [
            (r#"{"integrity":"trusted","confidentiality":["public"]}"#, "none; None"),
            (r#"{"integrity":"trusted","confidentiality":"public"}"#, "none; None"),
            (r#"{"integrity":"untrusted","confidentiality":"public"}"#, "untrusted; None"),
            (r#"{"integrity":"untrusted","confidentiality":"private"}"#, "private, untrusted; None"),
            (r#"{"integrity":"trusted","confidentiality":["ann","joe"]}"#, r#"private; Some({"ann", "joe"})"#),
            (r#"{"integrity":"trusted","confidentiality":[]}"#, "private; Some({})"),
            (r#"{"integrity":"trusted","confidentiality":["ann",7]}"#, "private; Some({})"),
            (r#"{"integrity":"Trusted","confidentiality":null}"#, "private, untrusted; None"),
            (r"{}", "private, untrusted; None"),
            (r"7", "private, untrusted; None"),
        ] {
            assert_eq!(of(&format!(r#"{{"content":[],"_meta":{{"ifc":{ifc}}}}}"#)), want, "{ifc}");
            assert_eq!(of(&format!(r#"{{"content":[{{"_meta":{{"ifc":{ifc}}}}}]}}"#)), want, "{ifc}");
        }
        assert_eq!(of(r#"{"content":[{"text":"ifc"}],"_meta":{}}"#), "none; None");
    }
}
