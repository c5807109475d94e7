//! What an approval binds: the call it is for, and what people were shown when they gave it.
//!
//! Pure data. Who asks whom, for how long, and where it is kept, is the enforcement point's and the gateway's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::label::{LabelSet, Readers};
use crate::origin::USER;
use crate::policy::{Impact, Rule};

/// What makes two calls the same call, so that one finds what people said of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The caller's tenant.
    pub tenant: String,
    /// The caller.
    pub agent: String,
    /// The person it acts for.
    pub user: String,
    /// The task, where a host opened one. Tasks that nobody opened end with a session or a restart, and a client that
    /// comes back is in another one: of those, the caller's all count as one, and what was shown still has to cover
    /// what is so now.
    pub task: Option<String>,
    /// The server's name.
    pub server: String,
    /// What it is reached as.
    pub reached: String,
    /// The method as it stands on the wire.
    pub method: String,
    /// The tool, or what the method acts on.
    pub action: String,
    /// The digest of the tool's whole definition.
    pub pin: Option<Digest>,
    /// The arguments in canonical form (RFC 8785).
    pub arguments: String,
}

/// What people were shown of a call beside the call itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The labels the task had gathered.
    pub labels: LabelSet,
    /// Who may read what it had gathered.
    pub readers: Readers,
    /// For each argument the labels of what its value was found in: a lower bound. What was found nowhere has none.
    /// Nothing where no policy looks at any origin, since then nobody looked.
    pub origin: Option<BTreeMap<String, LabelSet>>,
    /// What a preview of the call found.
    pub impact: Option<BTreeMap<String, Impact>>,
    /// The grants it needs.
    pub grants: BTreeSet<String>,
    /// The rules that ask for them.
    pub rules: Vec<Rule>,
    /// The snapshot it was judged by.
    pub snapshot: Digest,
}

impl Identity {
    /// Its digest: equal for the same call, and for no other.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(self)
    }
}

impl Shown {
    /// Whether what people decided on still holds good of the same call now: nothing has come to it that they were not
    /// shown. The rules and the snapshot may be others: the call is judged again with what was granted.
    ///
    /// # Errors
    /// What has come to it, in words that go on from "since then".
    pub fn covers(&self, now: &Self) -> Result<(), String> {
        if !now.labels.flows_to(&self.labels) {
            return Err(format!("its task has read what carries {}", now.labels));
        }
        if self.readers.clone().meet(&now.readers) != self.readers {
            return Err("its task has read what fewer people may read".to_owned());
        }
        if now.impact != self.impact {
            return Err("a preview of it finds something else".to_owned());
        }
        let Some(origin) = &now.origin else { return Ok(()) };
        let nothing = LabelSet::default();
        let seen = |name: &String| self.origin.as_ref().and_then(|seen| seen.get(name));
        let names: BTreeSet<&String> = self.origin.iter().flat_map(BTreeMap::keys).chain(origin.keys()).collect();
        for name in names {
            let was = seen(name).unwrap_or(&nothing);
            let is = origin.get(name).unwrap_or(&nothing);
            let more = is.iter().any(|label| label.as_str() != USER && !was.contains(label.as_str()));
            if more || (was.contains(USER) && !is.contains(USER)) {
                return Err(format!("`{name}` is known to come from elsewhere"));
            }
        }
        Ok(())
    }
}

/// The digest that a decision names: of the call, and of all that was shown with it.
#[must_use]
pub fn binding(identity: &Identity, shown: &Shown) -> Digest {
    digest(&(identity, shown))
}

/// These are plain data whose maps are ordered, so the same always gives the same text.
fn digest(data: &impl Serialize) -> Digest {
    Digest::of_bytes(&serde_json::to_vec(data).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn labels(words: &str) -> LabelSet {
        words.split_whitespace().collect()
    }

    fn shown(task: &str, to: &str) -> Shown {
        Shown {
            labels: labels(task),
            readers: Readers::everyone(),
            origin: Some([("to".to_owned(), labels(to))].into()),
            impact: None,
            grants: ["security".to_owned()].into(),
            rules: Vec::new(),
            snapshot: Digest::of_bytes(b"law"),
        }
    }

    #[test]
    fn what_people_saw_covers_no_more_than_they_saw() {
        for (was, now, covered) in [
            (("a b", "a"), ("a b", "a"), true),
            (("a b", "a"), ("a", ""), true),
            (("a", ""), ("a b", ""), false),
            (("a", ""), ("a", "a"), false),
            (("a", "user"), ("a", "user"), true),
            (("a", "user"), ("a", ""), false),
            (("a", "a"), ("a", "a user"), true),
        ] {
            let (was, now) = (shown(was.0, was.1), shown(now.0, now.1));
            assert_eq!(was.covers(&now).is_ok(), covered, "{was:?} {now:?}");
        }
        let open = shown("a", "");
        let closed = Shown { readers: Readers::only(["ann".to_owned()]), ..open.clone() };
        assert!(closed.covers(&open).is_ok() && open.covers(&closed).is_err());
        let impact = Shown { impact: Some([("files".to_owned(), Impact::Long(3))].into()), ..open.clone() };
        assert!(open.covers(&impact).is_err() && impact.covers(&open).is_err());
        let law = Shown { snapshot: Digest::of_bytes(b"other"), ..open.clone() };
        assert!(open.covers(&law).is_ok());
    }

    #[test]
    fn a_decision_names_the_call_and_all_that_was_shown() {
        let identity = Identity {
            tenant: "default".into(),
            agent: "ann".into(),
            user: String::new(),
            task: None,
            server: "mail".into(),
            reached: "builtin mail".into(),
            method: "tools/call".into(),
            action: "send".into(),
            pin: None,
            arguments: "{}".into(),
        };
        let open = shown("a", "");
        let other = Identity { arguments: "{\"to\":1}".into(), ..identity.clone() };
        assert_ne!(identity.digest(), other.digest());
        assert_ne!(binding(&identity, &open), binding(&identity, &shown("a b", "")));
        let text = serde_json::to_string(&(&identity, &open)).unwrap();
        let (again, shown): (Identity, Shown) = serde_json::from_str(&text).unwrap();
        assert_eq!(binding(&again, &shown), binding(&identity, &open));
    }
}
