//! From a tool's tables `cost`, `preview`, `check` and `rollback` to what surrounds its calls.

use std::collections::BTreeMap;

use toml::Spanned;

use super::super::written::{ChecksTable, CostTable, FieldTable, PreviewTable, RollbackTable, TakenTable, ToolTable};
use super::super::{Around, Checks, Cost, Field, Finding, Preview, PreviewBy, Rollback, Server, Taken};
use super::Reader;
use crate::effect::Effect;
use crate::json::pointer::Pointer;
use crate::policy::{shape::Shape, ten_thousandths};

/// How many fields of a result may be held against something, and how many findings a preview may have.
const FIELDS_MAX: usize = 64;

impl Reader<'_> {
    /// What surrounds a tool's calls. The tools it names are looked at by [`Self::named_tools`], once all are known.
    pub(super) fn around(&mut self, table: &ToolTable, shape: &Shape) -> Around {
        Around {
            cost: table.cost.as_ref().map(|written| self.cost(written)).unwrap_or_default(),
            preview: table.preview.as_ref().and_then(|written| self.preview(written, shape)),
            checks: table.check.as_ref().map(|written| self.checks(written)).unwrap_or_default(),
            rollback: table.rollback.as_ref().map(|written| self.rollback(written)),
        }
    }

    /// A preview's companion and a rollback are tools of the same server, and a companion changes nothing.
    pub(super) fn named_tools(&mut self, table: &ToolTable, server: &Server) {
        let named = |name: &str| server.tools.get(name);
        let known = |name: &str| named(name).is_some() || server.unscanned.contains(name);
        if let Some(written) = &table.preview
            && let Some(tool) = &written.get_ref().tool
        {
            let only_reads = named(tool).is_none_or(|tool| tool.effects.iter().all(|effect| *effect == Effect::Read));
            if !known(tool) {
                self.no_tool(written.span().start, tool);
            } else if !only_reads {
                let words = format!("the preview `{tool}` does more than read");
                self.fault(written.span().start, words, "name a tool whose effect is `read`, or none");
            }
        }
        if let Some(written) = &table.rollback
            && !known(&written.get_ref().tool)
        {
            self.no_tool(written.span().start, &written.get_ref().tool);
        }
    }

    fn no_tool(&mut self, offset: usize, tool: &str) {
        self.fault(offset, format!("this entry names no tool `{tool}`"), "name one of this server's tools");
    }

    /// A pointer to one place, and not to every item of a list.
    fn one_place(&mut self, offset: usize, text: &str) -> Option<Pointer> {
        let place = self.pointer(offset, text)?;
        if !place.is_one() {
            self.fault(offset, format!("`{text}` is to every item of a list"), "name one place: `/a/0`");
            return None;
        }
        Some(place)
    }

    fn cost(&mut self, written: &Spanned<CostTable>) -> Cost {
        let (table, at) = (written.get_ref(), written.span().start);
        let mut read = |text: &Option<String>| text.as_ref().and_then(|text| self.one_place(at, text));
        Cost { call: table.call, argument: read(&table.argument), result: read(&table.result) }
    }

    fn preview(&mut self, written: &Spanned<PreviewTable>, shape: &Shape) -> Option<Preview> {
        let (table, at) = (written.get_ref(), written.span().start);
        let by = match (&table.argument, &table.tool) {
            (Some(argument), None) => {
                if !shape.is_flag(argument) {
                    let words = format!("the tool has no argument `{argument}` that is true or false");
                    self.fault(at, words, "name the argument that makes the call a dry run");
                }
                PreviewBy::Argument(argument.clone())
            }
            (None, Some(tool)) => {
                let places = table.arguments.iter();
                let arguments = places.filter_map(|(name, text)| Some((name.clone(), self.one_place(at, text)?)));
                PreviewBy::Companion { tool: tool.clone(), arguments: arguments.collect() }
            }
            (Some(_), Some(_)) | (None, None) => {
                self.fault(at, "a preview is asked for in one way", "give either `argument` or `tool`");
                return None;
            }
        };
        if table.argument.is_some() && !table.arguments.is_empty() {
            self.fault(at, "a dry run has the call's own arguments", "leave out `arguments`, or name a `tool`");
        }
        if table.impact.len() > FIELDS_MAX {
            self.fault(at, format!("a preview finds at most {FIELDS_MAX} things"), "leave some out");
        }
        let finds = table.impact.iter();
        let finds = finds.filter_map(|(name, find)| {
            Some((name.clone(), Finding { at: self.one_place(at, &find.at)?, is: find.is }))
        });
        Some(Preview { finds: finds.collect(), by })
    }

    fn checks(&mut self, written: &Spanned<ChecksTable>) -> Checks {
        let (table, at) = (written.get_ref(), written.span().start);
        if table.fields.len() > FIELDS_MAX {
            self.fault(at, format!("a result is held against at most {FIELDS_MAX} fields"), "leave some out");
        }
        let fields = table.fields.iter().filter_map(|field| self.field(at, field)).collect();
        Checks { bytes_max: table.bytes_max, fields }
    }

    fn field(&mut self, at: usize, written: &FieldTable) -> Option<Field> {
        let mut bound = |text: &Option<String>| {
            let text = text.as_ref()?;
            let bound = ten_thousandths(text);
            if bound.is_none() {
                self.fault(at, format!("`{text}` is no number of at most four places"), "write it like `\"12.50\"`");
            }
            bound
        };
        let (min, max) = (bound(&written.min), bound(&written.max));
        let same_as = written.same_as.as_ref().and_then(|text| self.one_place(at, text));
        let place = self.one_place(at, &written.at)?;
        Some(Field { at: place, optional: written.optional, min, max, same_as, one_of: written.one_of.clone() })
    }

    fn rollback(&mut self, written: &Spanned<RollbackTable>) -> Rollback {
        let (table, at) = (written.get_ref(), written.span().start);
        let taken =
            table.arguments.iter().filter_map(|(name, taken)| Some((name.clone(), self.taken(at, name, taken)?)));
        let arguments: BTreeMap<String, Taken> = taken.collect();
        Rollback { tool: table.tool.clone(), arguments }
    }

    fn taken(&mut self, at: usize, name: &str, written: &TakenTable) -> Option<Taken> {
        match (&written.argument, &written.result, &written.text) {
            (Some(place), None, None) => self.one_place(at, place).map(Taken::Argument),
            (None, Some(place), None) => self.one_place(at, place).map(Taken::Result),
            (None, None, Some(text)) => Some(Taken::Text(text.clone())),
            (Some(_) | None, Some(_) | None, Some(_) | None) => {
                let remedy = "give one of `argument`, `result` and `text`";
                self.fault(at, format!("`{name}` is taken from one place"), remedy);
                None
            }
        }
    }
}
