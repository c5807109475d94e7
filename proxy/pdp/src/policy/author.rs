//! What authors write: policy text, its annotations, its rules of writing; and the pure Cedar it is compiled into.
//!
//! `@approval("x")` on a forbid becomes `unless { context.gate.grants.contains(Gate::Grant::"x") }`, added through
//! Cedar's public syntax tree. Hand-written uses of `gate.grants` are refused. An approval can therefore only switch a
//! forbid off; it can never create a permit. Does not read files.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, pst};
use miette::Diagnostic;

use super::known::{Examined, Known, Placed};
use super::needs::Needs;
use super::validate::Bench;
use super::words::{Never, nearest, never};
use super::written::{Standing, standing};
use crate::decision::Obligation;
use crate::digest::Digest;
use crate::fault::{Fault, SourceFile};

/// What a policy says of itself beside its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notes {
    /// `@reason`: the words an agent and an approver are told.
    pub(super) reason: String,
    /// `@approval`: the grant that switches this forbid off.
    pub(super) grant: Option<String>,
    /// `@obligation`: the duty that comes with this permit.
    pub(super) obligation: Option<Obligation>,
}

/// Policies as compiled.
#[derive(Debug)]
pub(super) struct Compiled {
    /// In the order of their names.
    pub(super) policies: Vec<Placed>,
    pub(super) warnings: Vec<Fault>,
    /// What a later bundle need not find out again.
    pub(super) known: Known,
    /// The policies the validator warns of.
    pub(super) warned: BTreeSet<PolicyId>,
}

/// The annotations an author may write.
const ANNOTATIONS: [&str; 5] = ["id", "reason", "approval", "obligation", "description"];

/// Reads, checks and compiles every policy file.
///
/// `before` is what is known from an earlier bundle; `sound` says of a policy whether the validator found nothing in it
/// under this very schema.
///
/// # Errors
/// Every fault found.
pub(super) fn compile(
    files: &[SourceFile],
    bench: &Bench<'_>,
    grants: &BTreeSet<String>,
    before: Option<&Known>,
    sound: &dyn Fn(&Arc<Examined>) -> bool,
) -> Result<Compiled, Vec<Fault>> {
    let mut faults = Vec::new();
    let before = before.and_then(|known| known.usable(grants));
    let mut desk = Desk { grants, before, placed: BTreeMap::new(), known: Known::under(grants) };
    for (number, file) in files.iter().enumerate() {
        desk.file(number, file, files, &mut faults);
    }
    if desk.placed.is_empty() && faults.is_empty() {
        let remedy = "write at least one `permit` in a `.cedar` file; without one every call is denied";
        faults.push(Fault::of_file("policies", "there is no policy at all", remedy));
    }
    let (warnings, warned) = desk.validate(files, bench, sound, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Compiled { policies: desk.placed.into_values().collect(), warnings, known: desk.known, warned })
}

/// Where policies lie while they are read.
struct Desk<'a> {
    grants: &'a BTreeSet<String>,
    before: Option<&'a Known>,
    placed: BTreeMap<PolicyId, Placed>,
    known: Known,
}

impl Desk<'_> {
    fn file(&mut self, number: usize, file: &SourceFile, files: &[SourceFile], faults: &mut Vec<Fault>) {
        let mut mine = Vec::new();
        if let Some(known) = self.before.and_then(|before| before.file(file)) {
            mine = known.to_vec();
        } else {
            match PolicySet::from_str(&file.text) {
                Ok(parsed) => self.read(file, &parsed, &mut mine, faults),
                Err(errors) => faults.extend(errors.iter().map(|e| fault_of(file, e, 0))),
            }
        }
        for (at, policy) in &mine {
            self.known.learn(policy);
            self.place(Placed { file: number, at: *at, policy: Arc::clone(policy) }, files, faults);
        }
        self.known.learn_file(file, mine);
    }

    fn read(
        &self,
        file: &SourceFile,
        parsed: &PolicySet,
        mine: &mut Vec<(usize, Arc<Examined>)>,
        faults: &mut Vec<Fault>,
    ) {
        for template in parsed.templates() {
            let words = format!("`{}` is a template", template.id());
            faults.push(Fault::of_file(&file.path, words, "write a policy without `?principal` and `?resource`"));
        }
        for Standing { policy, text, range } in standing(&file.text, parsed) {
            let at = range.start;
            match self.before.and_then(|before| before.policy(&text)) {
                Some(known) => mine.push((at, Arc::clone(known))),
                None => {
                    mine.extend(self.policy(file, policy, (&text, at), faults).map(|written| (at, Arc::new(written))))
                }
            }
        }
    }

    /// Puts a policy where it belongs, unless its name is taken.
    fn place(&mut self, placed: Placed, files: &[SourceFile], faults: &mut Vec<Fault>) {
        let id = placed.policy.id().clone();
        if let Some(other) = self.placed.get(&id) {
            let path = |number: usize| files.get(number).map_or("", |file| file.path.as_str());
            let words = format!("the name `{id}` is taken by a policy in {}", path(other.file));
            faults.extend(
                files
                    .get(placed.file)
                    .map(|file| Fault::at(file, placed.at, words, "give each policy a name of its own")),
            );
            return;
        }
        self.placed.insert(id, placed);
    }

    fn policy(
        &self,
        file: &SourceFile,
        policy: &Policy,
        (text, at): (&str, usize),
        faults: &mut Vec<Fault>,
    ) -> Option<Examined> {
        let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
            let words = "a policy without `@id(\"...\")`";
            faults.push(Fault::at(
                file,
                at,
                words,
                "give each policy a name of its own: it stands in every record it decides",
            ));
            return None;
        };
        let mut fault = |words: String, remedy: &str| faults.push(Fault::at(file, at, words, remedy));
        for (name, _) in policy.annotations().filter(|(name, _)| !ANNOTATIONS.contains(name)) {
            let meant = meant(name, ANNOTATIONS, |known| format!("`@{known}`"));
            fault(
                format!("`{id}` has the unknown annotation `@{name}`"),
                &format!("{meant}known are @id, @reason, @approval, @obligation and @description"),
            );
        }
        let grant = policy.annotation("approval").map(str::to_owned);
        if let Some(grant) = &grant {
            approval(id, policy, grant, self.grants, &mut fault);
        }
        let obligation = policy.annotation("obligation").and_then(Obligation::named);
        if let Some(word) = policy.annotation("obligation") {
            if obligation.is_none() {
                fault(format!("`{id}` asks for the unknown obligation `{word}`"), "known is `quote`");
            }
            if policy.effect() == Effect::Forbid {
                fault(
                    format!("`{id}` is a forbid with `@obligation`"),
                    "an obligation comes with what is permitted: write it on the permit",
                );
            }
        }
        let needs = Needs::of(policy);
        if needs.gate.has("grants") {
            fault(
                format!("`{id}` reads `context.gate.grants`, or `context` or `context.gate` as a whole"),
                "write `@approval(\"...\")` on a forbid instead",
            );
        }
        let reason = policy.annotation("reason").unwrap_or_default().to_owned();
        let source = policy.new_id(PolicyId::new(id));
        let compiled = match grant.as_deref().map(|grant| unless_granted(&source, grant)) {
            None => source.clone(),
            Some(Ok(compiled)) => compiled,
            Some(Err(e)) => {
                fault(format!("`{id}` cannot be compiled: {e}"), "");
                return None;
            }
        };
        let json = compiled.to_json().map(|json| json.to_string()).unwrap_or_default();
        let digest = Digest::of_json(&json).unwrap_or_else(|_| Digest::of_bytes(json.as_bytes()));
        let needs = if grant.is_some() { Needs::of(&compiled) } else { needs };
        let text = Digest::of_bytes(text.as_bytes());
        let notes = Notes { reason, grant, obligation };
        Some(Examined { text, read_at: at, source, compiled, notes, needs, digest })
    }

    fn validate(
        &self,
        files: &[SourceFile],
        bench: &Bench<'_>,
        sound: &dyn Fn(&Arc<Examined>) -> bool,
        faults: &mut Vec<Fault>,
    ) -> (Vec<Fault>, BTreeSet<PolicyId>) {
        let open: Vec<&Placed> = self.placed.values().filter(|placed| !sound(&placed.policy)).collect();
        let result = bench.validate(&open);
        let placed = |id: &PolicyId, finding: &dyn Diagnostic| {
            let placed = self.placed.get(id)?;
            Some(fault_of_policy(files.get(placed.file)?, finding, placed))
        };
        faults.extend(told_once(result.validation_errors().filter_map(|e| placed(e.policy_id(), e)).collect()));
        faults.extend(open.iter().filter_map(|p| Some((files.get(p.file)?, p))).flat_map(|(file, placed)| {
            let found = never(&placed.policy.source, bench.registry);
            found.into_iter().map(|never| fault_of_words(file, placed, &never))
        }));
        let warned = result.validation_warnings().map(|w| w.policy_id().clone()).collect();
        (result.validation_warnings().filter_map(|w| placed(w.policy_id(), w)).collect(), warned)
    }
}

/// What is wrong with an `@approval`.
fn approval(id: &str, policy: &Policy, grant: &str, grants: &BTreeSet<String>, fault: &mut impl FnMut(String, &str)) {
    if policy.effect() == Effect::Permit {
        fault(format!("`{id}` is a permit with `@approval`"), "an approval switches a forbid off: write the forbid");
    }
    let known = grants.iter().map(|g| format!("`{g}`")).collect::<Vec<_>>().join(", ");
    if grant.is_empty() {
        fault(format!("`{id}` has `@approval` without a grant"), &format!("say whose approval: one of {known}"));
    } else if !grants.contains(grant) {
        let meant = meant(grant, grants.iter().map(String::as_str), |known| format!("`{known}`"));
        fault(
            format!("`{id}` asks for the unknown grant `{grant}`"),
            &format!("{meant}use one of {known}, or add it to `vocabulary.toml`"),
        );
    }
}

/// A question after the word that was probably meant; nothing where none is like it.
fn meant<'w>(word: &str, known: impl IntoIterator<Item = &'w str>, shown: impl Fn(&str) -> String) -> String {
    nearest(word, known).map(|known| format!("did you mean {}? ", shown(known))).unwrap_or_default()
}

/// The fault of a comparison that never holds.
fn fault_of_words(file: &SourceFile, placed: &Placed, never: &Never) -> Fault {
    let Never { argument, word, words } = never;
    let id = placed.policy.id();
    let meant = meant(word, words.iter().map(String::as_str), |known| format!("`{known}`"));
    let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    // The word itself, where its policy's text has it as it is.
    let own = placed.policy.source.to_cedar().unwrap_or_default();
    let at = own.trim().find(&format!("\"{word}\"")).map_or(placed.at, |at| placed.at + at);
    let message = format!("`{id}` compares `{argument}` with `{word}`, which it never is");
    Fault::over(file, at..at + word.len() + 2, message, format!("{meant}it may be {words}"))
}

/// The forbid, switched off where the call holds the grant.
fn unless_granted(policy: &Policy, grant: &str) -> Result<Policy, pst::PstConstructionError> {
    let attribute = |expr: pst::Expr, attr: &str| pst::Expr::GetAttr { expr: Arc::new(expr), attr: attr.into() };
    let grants = attribute(attribute(pst::Expr::Var(pst::Var::Context), "gate"), "grants");
    let kind = pst::Name::qualified(["Gate"], "Grant")?;
    let entity = pst::EntityUID { ty: pst::EntityType::from_name(kind), eid: grant.into() };
    let held = pst::Expr::BinaryOp {
        op: pst::BinaryOp::Contains,
        left: Arc::new(grants),
        right: Arc::new(pst::Expr::Literal(pst::Literal::EntityUID(entity))),
    };
    let pst::Policy::Static(source) = policy.to_pst()? else { return Ok(policy.clone()) };
    let mut body = source.body().clone();
    body.try_add_clause(pst::Clause::Unless(Arc::new(held)))?;
    Policy::from_pst(pst::Policy::Static(pst::StaticPolicy::try_from(body)?))
}

/// A fault at the first place a finding names, or at `otherwise`.
pub(super) fn fault_of(file: &SourceFile, finding: &dyn Diagnostic, otherwise: usize) -> Fault {
    let label = finding.labels().and_then(|mut labels| labels.next());
    let range = label.map_or(otherwise..otherwise, |label| label.offset()..label.offset() + label.len());
    let remedy = finding.help().map(|h| h.to_string()).unwrap_or_default();
    Fault::over(file, range, finding.to_string(), remedy)
}

/// A fault in a policy, at the place a finding names. The finding counts from the text that the policy was first read in.
fn fault_of_policy(file: &SourceFile, finding: &dyn Diagnostic, placed: &Placed) -> Fault {
    let label = finding.labels().and_then(|mut labels| labels.next());
    let moved = |offset: usize| placed.at + offset.saturating_sub(placed.policy.read_at);
    let range = label.map_or(placed.at..placed.at, |label| moved(label.offset())..moved(label.offset() + label.len()));
    let remedy = finding.help().map(|h| h.to_string()).unwrap_or_default();
    Fault::over(file, range, finding.to_string(), remedy)
}

/// Faults with one for each place: the validator names a mistake once for every action that a policy's scope fits.
fn told_once(faults: Vec<Fault>) -> Vec<Fault> {
    let mut places: BTreeMap<(String, usize, usize), Vec<Fault>> = BTreeMap::new();
    for fault in faults {
        places.entry((fault.file.clone(), fault.line, fault.column)).or_default().push(fault);
    }
    let one = |mut same: Vec<Fault>| {
        same.sort();
        same.dedup();
        let more = same.len().saturating_sub(1);
        let mut first = same.into_iter().next()?;
        if more > 0 {
            first.message.push_str(&format!("; so for {more} more actions"));
        }
        Some(first)
    };
    places.into_values().filter_map(one).collect()
}
