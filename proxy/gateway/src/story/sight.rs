//! Whose entries a story may tell: everybody's, on the ledger's own machine, or one tenant's, over the control plane.
//!
//! A trace id can be chosen by whoever calls, so entries of two tenants may stand in one trace; each is judged by itself.

use std::collections::HashMap;

use pdp::principal::tenant_of;
use pdp::record::Entry;

/// Whose entries are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight(Option<String>);

impl Sight {
    /// Everybody's.
    pub const WHOLE: Self = Self(None);

    /// One tenant's, and what belongs to no tenant.
    #[must_use]
    pub fn of(tenant: &str) -> Self {
        Self(Some(tenant.to_owned()))
    }

    /// Whether what belongs to a principal is seen, by its key: `tenant/agent`. What belongs to nobody is.
    #[must_use]
    pub fn sees(&self, key: Option<&str>) -> bool {
        let Some(own) = &self.0 else { return true };
        key.is_none_or(|key| tenant_of(key) == Some(own))
    }

    /// Those of these entries that are seen.
    #[must_use]
    pub fn of_entries(&self, entries: Vec<(u64, Entry)>) -> Vec<(u64, Entry)> {
        let Some(own) = &self.0 else { return entries };
        // What the gate itself says of a task is of the tenant whose task it is.
        let mut tasks: HashMap<String, String> = HashMap::new();
        for (_, entry) in &entries {
            if let (Some(task), Some(tenant)) = (task(entry), tenant(entry)) {
                tasks.entry(task.to_owned()).or_insert(tenant);
            }
        }
        let seen = |entry: &Entry| match (tenant(entry), task_of_event(entry)) {
            (Some(tenant), _) => tenant == *own,
            (None, Some(task)) => tasks.get(task) == Some(own),
            (None, None) => true,
        };
        entries.into_iter().filter(|(_, entry)| seen(entry)).collect()
    }
}

/// The tenant of whoever an entry is about.
fn tenant(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Intent(intent) => Some(intent.principal.tenant.clone()),
        Entry::Record(record) => record.principal.as_ref().map(|principal| principal.tenant.clone()),
        // Beside people there are `watch`, `start` and the like, which are of no tenant.
        Entry::Event(event) => event.by.as_deref().and_then(tenant_of).map(str::to_owned),
        Entry::Said(said) => Some(tenant_of(&said.by).unwrap_or_default().to_owned()),
    }
}

fn task(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Intent(intent) => Some(&intent.task),
        Entry::Record(record) => Some(&record.task),
        Entry::Event(event) => event.task.as_deref(),
        Entry::Said(said) => Some(&said.task),
    }
}

fn task_of_event(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Event(event) => event.task.as_deref(),
        Entry::Intent(_) | Entry::Record(_) | Entry::Said(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use pdp::record::Event;

    use super::*;

    fn event(by: Option<&str>, task: Option<&str>) -> (u64, Entry) {
        let event = Event { by: by.map(str::to_owned), task: task.map(str::to_owned), ..Event::new(0, "x", "") };
        (0, Entry::Event(event))
    }

    /// How many of these entries each of two tenants sees.
    fn seen(entries: &[(u64, Entry)]) -> (usize, usize) {
        let of = |tenant: &str| Sight::of(tenant).of_entries(entries.to_vec()).len();
        assert_eq!(Sight::WHOLE.of_entries(entries.to_vec()).len(), entries.len());
        (of("default"), of("acme"))
    }

    #[test]
    fn what_the_gate_says_of_a_task_is_of_the_tenant_whose_task_it_is() {
        let opened = event(Some("default/ann"), Some("t1"));
        assert_eq!(seen(std::slice::from_ref(&opened)), (1, 0));
        assert_eq!(seen(&[opened.clone(), event(None, Some("t1"))]), (2, 0));
        assert_eq!(seen(&[opened, event(None, Some("t2")), event(Some("acme/eve"), Some("t3"))]), (1, 1));
        // Of no tenant: the gate itself, or its watch over the files.
        assert_eq!(seen(&[event(None, None), event(Some("watch"), None)]), (2, 2));
        assert!(Sight::of("acme").sees(None) && !Sight::of("acme").sees(Some("default/ann")));
    }
}
