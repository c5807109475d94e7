//! How content is handed over: its text quoted where that is asked, and the label on top. What a finished task brings in
//! its own answer is dressed like a direct result, and so is the answer around it.

use pdp::json::{self, Layout, Reading};
use pdp::registry::Tool;

use super::label;
use super::quote;
use crate::envelope::member;

/// Quotation: from where, between which unguessable word.
pub(crate) struct Quotation<'a> {
    pub(crate) source: &'a str,
    pub(crate) word: &'a str,
    /// The tool that speaks, whose output schema must hold; nothing where it is not known.
    pub(crate) tool: Option<&'a Tool>,
}

/// What content is dressed in.
pub(crate) struct Dress<'a> {
    /// The label, as JSON.
    pub(crate) label: &'a str,
    pub(crate) quotation: Option<Quotation<'a>>,
}

/// Content as it is handed over.
pub(crate) struct Dressed {
    /// The object; nothing where it stays as it was.
    pub(crate) text: Option<String>,
    /// Structured content stays plain: quoted, it would no longer fit the schema that its reader holds it against.
    pub(crate) plain: bool,
}

impl Dress<'_> {
    /// Dresses a result, and the result of a task within it.
    pub(crate) fn put(&self, result: &str) -> Dressed {
        let inner = member(result, "result").filter(|inner| inner.starts_with('{'));
        let inner = inner.map(|inner| self.one(inner));
        let nested = inner.as_ref().and_then(|inner| json::with_member(result, "result", inner.text.as_deref()?).ok());
        let outer = self.one(nested.as_deref().unwrap_or(result));
        Dressed { text: outer.text.or(nested), plain: outer.plain || inner.is_some_and(|inner| inner.plain) }
    }

    /// Dresses one object.
    pub(crate) fn one(&self, result: &str) -> Dressed {
        let (quoted, plain) = match &self.quotation {
            Some(quotation) => quotation.put(result),
            None => (None, false),
        };
        let labelled = self.labelled(quoted.as_deref().unwrap_or(result));
        Dressed { text: labelled.or(quoted), plain }
    }

    fn labelled(&self, result: &str) -> Option<String> {
        let layout = Layout::read(result, Reading { kept: 2, ..Reading::whole(usize::MAX) }).ok()?;
        label::put(layout.root(result), self.label).map(|edit| edit.of(result))
    }
}

impl Quotation<'_> {
    fn put(&self, result: &str) -> (Option<String>, bool) {
        let text = quote::quoted(result, self.source, self.word);
        let current = text.as_deref().unwrap_or(result);
        let Some(structured) = member(current, "structuredContent") else { return (text, false) };
        let Some(quoted) = quote::leaves(structured, self.word) else { return (text, false) };
        let fits = self.tool.is_some_and(|tool| tool.output_fits(&quoted));
        if !fits {
            return (text, true);
        }
        let whole = json::with_member(current, "structuredContent", &quoted).ok();
        (whole.or(text), false)
    }
}
