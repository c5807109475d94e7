//! From a tool's table and its reviewed definition to a [`Tool`], or to why it is withheld.

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::Spanned;

use super::super::mirror::{self, Mirror};
use super::super::written::ToolTable;
use super::super::{FINDINGS, Misfit, Output, Retired, Review, Server, Tool};
use super::{Reader, list};
use crate::digest::Digest;
use crate::effect::Effect;
use crate::origin::Kinds;
use crate::policy::{self, shape::Shape};

impl Reader<'_> {
    /// A tool that somebody named before the server was scanned: only its words are looked at.
    pub(super) fn unscanned(&mut self, name: &str, written: &Spanned<ToolTable>, server: &Server) {
        let table = written.get_ref();
        for word in &table.effect {
            self.effect(word);
        }
        self.labels(table.labels.as_deref().unwrap_or_default());
        self.deliver(table.deliver.as_ref());
        self.timeout(table.timeout_ms.as_ref());
        if table.reviewed_by.is_some() {
            let remedy = format!("run `wicketgate registry scan {}` and review what it finds", server.name);
            self.fault(written.span().start, format!("`{name}` is reviewed and has no `pin`"), remedy);
        }
    }

    pub(super) fn tool(
        &mut self,
        name: &str,
        written: &Spanned<ToolTable>,
        written_pin: &Spanned<String>,
        server: &Server,
    ) -> Option<Tool> {
        let table = written.get_ref();
        let effects: BTreeSet<Effect> = table.effect.iter().filter_map(|word| self.effect(word)).collect();
        let labels = table.labels.as_ref().map_or_else(|| server.labels.clone(), |words| self.labels(words));
        let deliver = self.deliver(table.deliver.as_ref()).unwrap_or(server.deliver);
        let timeout_ms = self.timeout(table.timeout_ms.as_ref()).unwrap_or(server.timeout_ms);
        let Ok(pin) = written_pin.get_ref().parse::<Digest>() else {
            let remedy = format!("run `wicketgate registry scan {}`", server.name);
            self.fault(written_pin.span().start, "a pin is `sha256:` and 64 hexadecimal digits", remedy);
            return None;
        };
        let Some(definition) = self.definitions.get(name).cloned() else {
            let words = format!("no reviewed definition of `{name}` in `{}.tools.json`", server.name);
            self.fault(written.span().start, words, format!("run `wicketgate registry scan {}`", server.name));
            return None;
        };
        if Digest::of_json(&definition).ok() != Some(pin) {
            let words =
                format!("the pin of `{name}` is not the digest of its definition in `{}.tools.json`", server.name);
            self.fault(written_pin.span().start, words, "review the definition and set the pin to its digest");
            return None;
        }
        let review = table.reviewed_by.clone().zip(table.reviewed_at.clone()).map(|(by, at)| Review { by, at });
        let read: serde_json::Value = serde_json::from_str(&definition).unwrap_or_default();
        let flow = self.tool_flow(written, server, &labels, &read);
        let Schema { shape, validator, output, mirrors, mut withheld } = schema_of(&read);
        if let (None, Err(why)) = (&withheld, policy::holds(name, &shape)) {
            withheld = Some(format!("no Cedar schema holds its name and its arguments: {why}"));
        }
        let around = self.around(table, &shape);
        let finds = around.preview.iter().flat_map(|preview| &preview.finds);
        // Of a definition that cannot be used no argument is known, and the tool is withheld.
        let arguments = if withheld.is_none() { Some(&shape) } else { None };
        let sinks = table.sinks.as_ref().map(|names| self.sinks(names, arguments));
        let mut tool = Tool {
            impact: finds.map(|(name, find)| (name.clone(), find.is)).collect(),
            around,
            name: name.to_owned(),
            effects,
            labels,
            flow,
            deliver,
            pin,
            review,
            sensitive: table.sensitive.iter().cloned().collect(),
            sinks,
            kinds: Arc::new(Kinds::new(table.kinds.iter().map(|(name, kind)| (name.as_str(), kind.as_str())))),
            timeout_ms,
            misfit: self.misfit(table.output.as_ref()).unwrap_or_default(),
            accepted: table.accepted_findings.iter().filter_map(|word| self.finding(word)).collect(),
            signature: table.signature.clone(),
            retired: retired(table.retired_at.clone(), table.retired_why.clone()),
            withheld,
            definition,
            shape,
            validator,
            output,
            mirrors,
        };
        tool.withheld = self.withheld(server, &tool);
        Some(tool)
    }

    /// Why a tool is withheld. What a review cannot mend is told first.
    fn withheld(&self, server: &Server, tool: &Tool) -> Option<String> {
        if let Some(retired) = server.retired.as_ref().or(tool.retired.as_ref()) {
            return Some(retired.to_string());
        }
        if tool.withheld.is_some() {
            return tool.withheld.clone();
        }
        if matches!(tool.output, Output::Unusable) && tool.misfit == Misfit::Refuse {
            return Some(
                "its output schema cannot be used, so no result fits it (`output` may say `label` or `pass`)"
                    .to_owned(),
            );
        }
        if tool.review.is_none() {
            return Some("nobody has reviewed it (`reviewed_by` and `reviewed_at` are missing)".to_owned());
        }
        if tool.effects.is_empty() {
            return Some("its effect is not reviewed (`effect` is empty)".to_owned());
        }
        if server.is_moved() {
            return Some("its server is not reached as it was when it was reviewed (`[identity]`)".to_owned());
        }
        match &self.registry.reviewers {
            Some(reviewers) => reviewers.check(server, tool).err(),
            // A lost file must not make signatures count for nothing.
            None if tool.signature.is_some() => {
                Some("it is signed, and there is no `reviewers.toml` to hold the signature against".to_owned())
            }
            None => None,
        }
    }

    /// The arguments that say where an effect goes. One that is not there would guard nothing.
    fn sinks(&mut self, names: &[Spanned<String>], arguments: Option<&Shape>) -> BTreeSet<String> {
        let is_there = |name: &str| arguments.is_none_or(|shape| shape.names().any(|one| one == name));
        for name in names.iter().filter(|name| !is_there(name.get_ref())) {
            let message = format!("`{}` in `sinks` is no argument of the reviewed input schema", name.get_ref());
            let known = list(arguments.into_iter().flat_map(Shape::names));
            self.fault(name.span().start, message, format!("use one of {known}"));
        }
        names.iter().map(|name| name.get_ref().clone()).collect()
    }

    fn misfit(&mut self, word: Option<&Spanned<String>>) -> Option<Misfit> {
        let word = word?;
        let found = Misfit::ALL.into_iter().find(|(name, _)| name == word.get_ref());
        if found.is_none() {
            let message = format!("`{}` is no choice for `output`", word.get_ref());
            self.fault(
                word.span().start,
                message,
                format!("use one of {}", list(Misfit::ALL.iter().map(|(name, _)| name))),
            );
        }
        found.map(|(_, misfit)| misfit)
    }

    fn finding(&mut self, word: &Spanned<String>) -> Option<String> {
        if !FINDINGS.contains(&word.get_ref().as_str()) {
            let message = format!("`{}` is no kind of finding", word.get_ref());
            self.fault(word.span().start, message, format!("use one of {}", list(FINDINGS.iter())));
            return None;
        }
        Some(word.get_ref().clone())
    }

    fn effect(&mut self, word: &Spanned<String>) -> Option<Effect> {
        let found = Effect::ALL.into_iter().find(|e| e.name() == word.get_ref());
        if found.is_none() {
            let known = list(Effect::ALL.iter().map(|e| e.name()));
            self.fault(word.span().start, format!("`{}` is no effect", word.get_ref()), format!("use one of {known}"));
        }
        found
    }
}

pub(super) fn retired(at: Option<String>, why: Option<String>) -> Option<Retired> {
    // A reason without a day still takes it out of use: the stricter reading.
    (at.is_some() || why.is_some())
        .then(|| Retired { at: at.unwrap_or_else(|| "on an unknown day".to_owned()), why: why.unwrap_or_default() })
}

/// What a definition's schemas give, or why the tool must be withheld.
#[derive(Default)]
struct Schema {
    shape: Shape,
    validator: Option<jsonschema::Validator>,
    output: Output,
    mirrors: Vec<Mirror>,
    withheld: Option<String>,
}

fn schema_of(value: &serde_json::Value) -> Schema {
    let withheld = |words: String| Schema { withheld: Some(words), ..Schema::default() };
    let Some(schema) = value.get("inputSchema").filter(|s| s.is_object()) else {
        return withheld("its definition has no input schema".to_owned());
    };
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(e) => return withheld(format!("its input schema cannot be used: {e}")),
    };
    match mirror::mirrors(schema) {
        Ok(mirrors) => {
            let (shape, output) = (Shape::of_schema(schema), output_of(value));
            Schema { shape, validator: Some(validator), output, mirrors, withheld: None }
        }
        Err(why) => withheld(format!("its input schema cannot be used: {why}")),
    }
}

fn output_of(definition: &serde_json::Value) -> Output {
    match definition.get("outputSchema").filter(|schema| !schema.is_null()) {
        None => Output::Free,
        Some(schema) => {
            jsonschema::validator_for(schema).map_or(Output::Unusable, |validator| Output::Schema(Box::new(validator)))
        }
    }
}
