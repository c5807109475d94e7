//! From what a registry file says of data to its rules: label rules, readers, memory.

use std::collections::BTreeSet;

use toml::Spanned;

use super::super::written::{MemoryServerTable, MemoryTable, NameRuleTable, RuleTable, ServerFile, ToolTable};
use super::Reader;
use crate::effect::Effect;
use crate::flow::memory::{Entries, Memory, MemoryServer, Role, Stand};
use crate::flow::rule::{LooksAt, Rule, Rules, Test, Then};
use crate::flow::{Carried, ServerFlow, ToolFlow};
use crate::json::pointer::Pointer;
use crate::label::{LabelSet, Readers};
use crate::policy::Form;
use crate::registry::Server;

/// The longest an entry of a memory may be delivered, in seconds: twenty years.
const TTL_S_MAX: u64 = 20 * 365 * 24 * 60 * 60;
/// Where entries may stand in a result, so that one can be taken out of it.
const STANDS: [(&str, Stand); 2] = [("/structuredContent/", Stand::Structured), ("/content/0/text/", Stand::Text)];

/// What follows from a rule, as written.
struct Written<'a> {
    adds: &'a [Spanned<String>],
    clears: &'a [Spanned<String>],
    readers: Option<&'a Vec<String>>,
    at: usize,
}

impl Reader<'_> {
    pub(super) fn server_flow(&mut self, written: &ServerFile) -> ServerFlow {
        let labels = written.labels.iter().map(|word| word.get_ref().as_str()).collect();
        ServerFlow {
            readers: readers(written.readers.as_ref()),
            ifc: written.ifc,
            resources: self.name_rules(&written.resources, &labels),
            prompts: self.name_rules(&written.prompts, &labels),
            memory: written.memory.as_ref().map(|table| self.memory_server(table)),
        }
    }

    /// What is said of a tool's data. `properties` are the arguments of its schema, nothing where that names none.
    pub(super) fn tool_flow(
        &mut self,
        written: &Spanned<ToolTable>,
        server: &Server,
        labels: &LabelSet,
        schema: &serde_json::Value,
    ) -> ToolFlow {
        let table = written.get_ref();
        let rules: Vec<Rule> = table.rules.iter().flat_map(|rule| self.rule(rule, labels, schema)).collect();
        let memory = table.memory.as_ref().map(|memory| self.memory(memory, schema));
        let is = |effect: Effect| table.effect.iter().any(|word| word.get_ref() == effect.name());
        let wrong = match (&memory, server.flow.memory.is_some()) {
            (Some(_), false) => Some("has `memory`, and its server is none: write `[memory]` at the server's"),
            (Some(memory), true) if memory.role.changes() && !is(Effect::MemoryWrite) => {
                Some("changes a memory: its effect must hold `memory_write`")
            }
            (Some(memory), true) if memory.role == Role::Read && !is(Effect::MemoryRead) => {
                Some("reads a memory: its effect must hold `memory_read`")
            }
            (None, true) if is(Effect::MemoryRead) || is(Effect::MemoryWrite) => {
                Some("is of a memory, and `memory` does not say what it does to it")
            }
            (Some(_), true) | (None, _) => None,
        };
        if let Some(words) = wrong {
            let remedy = "say what each tool does, so that what was written is known where it is read";
            self.fault(written.span().start, format!("the tool {words}"), remedy);
        }
        let readers = table.readers.as_ref().map_or_else(|| server.flow.readers.clone(), |names| readers(Some(names)));
        ToolFlow { readers, rules: rules.into_iter().collect(), memory }
    }

    fn name_rules(&mut self, written: &[Spanned<NameRuleTable>], labels: &LabelSet) -> Rules {
        let mut out = Vec::new();
        for rule in written {
            let table = rule.get_ref();
            let then = Written {
                adds: &table.adds,
                clears: &table.clears,
                readers: table.readers.as_ref(),
                at: rule.span().start,
            };
            let patterns: BTreeSet<String> = table.name.iter().cloned().collect();
            for then in self.then(&then, labels) {
                out.push(Rule {
                    looks_at: LooksAt::Name,
                    test: Test { patterns: patterns.clone(), form: Form::Any, then },
                });
            }
            self.patterns(rule.span().start, &patterns, Form::Any);
            if patterns.is_empty() {
                self.fault(rule.span().start, "a rule that names nothing", "list at least one pattern in `name`");
            }
        }
        out.into_iter().collect()
    }

    fn rule(&mut self, written: &Spanned<RuleTable>, labels: &LabelSet, schema: &serde_json::Value) -> Vec<Rule> {
        let table = written.get_ref();
        let at = written.span().start;
        let (place, of_argument) = match (&table.argument, &table.result) {
            (Some(argument), None) => (self.argument(argument, schema), true),
            (None, Some(result)) => (self.pointer(result.span().start, result.get_ref()), false),
            (Some(_), Some(_)) | (None, None) => {
                self.fault(at, "a rule looks at one place", "give either `argument` or `result`");
                return Vec::new();
            }
        };
        let (patterns, every) = match (&table.any, &table.every) {
            (Some(any), None) if !any.is_empty() => (any, false),
            (None, Some(every)) if !every.is_empty() => (every, true),
            (Some(_) | None, Some(_) | None) => {
                let remedy = "give `any` to add labels, or `every` to clear them, with at least one pattern";
                self.fault(at, "a rule tests its values in one way", remedy);
                return Vec::new();
            }
        };
        if table.absent.is_some() && !of_argument {
            self.fault(
                at,
                "`absent` is of an argument",
                "leave it out: what a result lacks counts as the stricter case",
            );
        }
        let then = Written { adds: &table.adds, clears: &table.clears, readers: table.readers.as_ref(), at };
        if every && (!table.adds.is_empty() || table.readers.is_some()) {
            self.fault(at, "`every` clears labels and nothing else", "write `any` to add labels or to name readers");
        }
        if !every && !table.clears.is_empty() {
            let remedy = "write `every`: one value that matches says nothing of the others";
            self.fault(at, "`any` adds labels and clears none", remedy);
        }
        let Some(place) = place else { return Vec::new() };
        let patterns: BTreeSet<String> = patterns.iter().cloned().collect();
        let form = table.form.unwrap_or_else(|| Test::form_of(place.last_name(), &patterns));
        self.patterns(at, &patterns, form);
        let looks_at = match of_argument {
            true => LooksAt::Argument { at: place, absent: table.absent.clone() },
            false => LooksAt::Result { at: place },
        };
        let rule = |then| Rule { looks_at: looks_at.clone(), test: Test { patterns: patterns.clone(), form, then } };
        self.then(&then, labels).into_iter().map(rule).collect()
    }

    /// A pattern that nothing can match would be a rule that says nothing, without a word of it.
    fn patterns(&mut self, at: usize, patterns: &BTreeSet<String>, form: Form) {
        for pattern in patterns {
            if let Err(remedy) = Test::can_match(pattern, form) {
                self.fault(
                    at,
                    format!("no value matches `{pattern}`: patterns are held against canonical forms"),
                    remedy,
                );
            }
        }
    }

    /// What follows from a rule. One that does nothing is a fault, and so is one that clears what is not there.
    fn then(&mut self, written: &Written<'_>, labels: &LabelSet) -> Vec<Then> {
        let mut out = Vec::new();
        let adds = self.labels(written.adds);
        if !adds.is_empty() || written.readers.is_some() {
            out.push(Then::Adds(Carried { labels: adds, readers: readers(written.readers) }));
        }
        for word in written.clears.iter().filter(|word| !labels.contains(word.get_ref())) {
            let words = format!("the rule clears `{}`, which is not presumed here", word.get_ref());
            self.fault(word.span().start, words, "add it to `labels`, or leave it out of `clears`");
        }
        let clears = self.labels(written.clears);
        if !clears.is_empty() {
            out.push(Then::Clears(clears));
        }
        if out.is_empty() {
            self.fault(written.at, "a rule from which nothing follows", "give `adds`, `clears` or `readers`");
        }
        out
    }

    fn memory_server(&mut self, written: &Spanned<MemoryServerTable>) -> MemoryServer {
        let table = written.get_ref();
        if let Some(ttl) = table.ttl_s.as_ref().filter(|ttl| !(1..=TTL_S_MAX).contains(ttl.get_ref())) {
            self.fault(ttl.span().start, "`ttl_s` is out of range", format!("use 1 to {TTL_S_MAX} seconds"));
        }
        MemoryServer { shared: table.shared, ttl_s: table.ttl_s.as_ref().map(|ttl| *ttl.get_ref()) }
    }

    fn memory(&mut self, written: &Spanned<MemoryTable>, schema: &serde_json::Value) -> Memory {
        let table = written.get_ref();
        let key = table.key.as_ref().and_then(|word| self.argument(word, schema));
        let scope = table.scope.as_ref().and_then(|word| self.argument(word, schema));
        let at = table.entries.as_ref().and_then(|word| {
            let stand = STANDS.iter().find_map(|(start, stand)| Some((*stand, word.get_ref().strip_prefix(start)?)));
            let list =
                stand.and_then(|(stand, rest)| Some((stand, format!("/{rest}").parse::<Pointer>().ok()?.list()?)));
            if let Some(found) = list.filter(|(_, list)| list.is_one()) {
                return Some(found);
            }
            let remedy =
                "write a pointer under `/structuredContent` or `/content/0/text` whose last step, and no other, is `*`";
            self.fault(word.span().start, format!("entries cannot stand at `{}`", word.get_ref()), remedy);
            None
        });
        let named = table.entry_key.as_ref().and_then(|word| self.place(word));
        let entries = match (at, named) {
            (Some((stand, list)), Some(key)) => Some(Entries { stand, list, key }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let remedy = "say where they stand, and what names each";
                self.fault(written.span().start, "`entries` and `entry_key` belong together", remedy);
                None
            }
        };
        if entries.is_some() && table.role != Role::Read {
            self.fault(written.span().start, "`entries` is of a tool that reads", "leave it out");
        }
        Memory { role: table.role, key, scope, entries }
    }

    /// The place of an argument, which the reviewed schema must have where it names any.
    fn argument(&mut self, word: &Spanned<String>, schema: &serde_json::Value) -> Option<Pointer> {
        let place = self.place(word)?;
        let properties = schema.pointer("/inputSchema/properties").and_then(|all| all.as_object());
        if let (Some(properties), Some(name)) = (properties, place.first())
            && !properties.contains_key(name)
        {
            let words = format!("the reviewed schema has no argument `{name}`");
            self.fault(word.span().start, words, "name one that the tool takes");
            return None;
        }
        Some(place)
    }

    /// A pointer, or the one to the member of this name.
    fn place(&mut self, word: &Spanned<String>) -> Option<Pointer> {
        match word.get_ref().starts_with('/') {
            true => self.pointer(word.span().start, word.get_ref()),
            false => Some(Pointer::member(word.get_ref())),
        }
    }

    pub(super) fn pointer(&mut self, offset: usize, text: &str) -> Option<Pointer> {
        let read = text.parse::<Pointer>();
        if let Err(fault) = &read {
            self.fault(offset, format!("`{text}` is no JSON pointer: {fault}"), "write it as RFC 6901 does: `/a/b`");
        }
        read.ok()
    }
}

fn readers(names: Option<&Vec<String>>) -> Readers {
    names.map_or_else(Readers::everyone, |names| Readers::only(names.iter().cloned()))
}
