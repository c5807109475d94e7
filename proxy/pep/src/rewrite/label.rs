//! The label a result carries: `_meta["dev.wicketgate/label"]`.

use pdp::json::{Edit, Kind, Part};
use pdp::label::{LabelSet, Readers};
use serde::Serialize;

/// The member of `_meta` that holds it; in the gate's own namespace.
pub(crate) const LABEL: &str = "dev.wicketgate/label";

/// What the agent is told of a result's source and trust.
#[derive(Debug, Serialize)]
pub(crate) struct ResultLabel<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) trust: &'static str,
    pub(crate) labels: &'a LabelSet,
    #[serde(skip_serializing_if = "Readers::is_everyone")]
    pub(crate) readers: &'a Readers,
    pub(crate) trace: &'a str,
    pub(crate) record: u64,
}

/// Where it came from.
#[derive(Debug, Serialize)]
pub(crate) struct Source<'a> {
    pub(crate) server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<&'a str>,
}

/// One word for people: labels say the rest.
pub(crate) fn trust(labels: &LabelSet) -> &'static str {
    if labels.contains("untrusted") { "untrusted" } else { "trusted" }
}

/// The edit that puts the label, as JSON, into the `_meta` of a result; nothing where the result is no object.
pub(crate) fn put(result: Part<'_>, label: &str) -> Option<Edit> {
    (result.kind() == Kind::Object).then(|| Edit::set_in(result, "_meta", LABEL, label))
}

#[cfg(test)]
mod tests {
    use pdp::json::{Layout, Reading};

    use super::*;

    #[test]
    fn the_label_is_added_and_nothing_else_changes() {
        let labels: LabelSet = ["untrusted"].into_iter().collect();
        let source = Source { server: "mail", tool: Some("read"), resource: None };
        let label = ResultLabel {
            source,
            trust: trust(&labels),
            labels: &labels,
            readers: &Readers::everyone(),
            trace: "t",
            record: 7,
        };
        let text = r#"{"content":[ ],"_meta":{"x":1.0}}"#;
        let layout = Layout::read(text, Reading::whole(9)).unwrap_or_default();
        let label = serde_json::to_string(&label).unwrap_or_default();
        let out = put(layout.root(text), &label).map(|edit| edit.of(text));
        let want = r#"{"content":[ ],"_meta":{"x":1.0,"dev.wicketgate/label":{"source":{"server":"mail","tool":"read"},"trust":"untrusted","labels":["untrusted"],"trace":"t","record":7}}}"#;
        assert_eq!(out.as_deref(), Some(want));
    }
}
