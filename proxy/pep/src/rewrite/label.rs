//! The label a result carries: `_meta["dev.wicketgate/label"]`.

use pdp::json;
use pdp::label::LabelSet;
use serde::Serialize;

use super::forged::NAMESPACE;

/// What the agent is told of a result's source and trust.
#[derive(Debug, Serialize)]
pub(crate) struct ResultLabel<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) trust: &'static str,
    pub(crate) labels: &'a LabelSet,
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

/// An object with the label in its `_meta`; nothing where the text is no object.
pub(crate) fn put(object: &str, label: &ResultLabel<'_>) -> Option<String> {
    let value = serde_json::to_string(label).ok()?;
    let meta = crate::envelope::member(object, "_meta").filter(|raw| raw.starts_with('{')).unwrap_or("{}");
    let meta = json::with_member(meta, &format!("{NAMESPACE}label"), &value).ok()?;
    json::with_member(object, "_meta", &meta).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_added_and_nothing_else_changes() {
        let labels: LabelSet = ["untrusted"].into_iter().collect();
        let source = Source { server: "mail", tool: Some("read"), resource: None };
        let label = ResultLabel { source, trust: trust(&labels), labels: &labels, trace: "t", record: 7 };
        let out = put(r#"{"content":[ ],"_meta":{"x":1.0}}"#, &label);
        let want = r#"{"content":[ ],"_meta":{"x":1.0,"dev.wicketgate/label":{"source":{"server":"mail","tool":"read"},"trust":"untrusted","labels":["untrusted"],"trace":"t","record":7}}}"#;
        assert_eq!(out.as_deref(), Some(want));
    }
}
