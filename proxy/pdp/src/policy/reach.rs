//! Which policies can speak of which action: the slices that calls are judged by, for whoever asks beside the decision.

use super::load::{Policies, Unit};

/// One action with the policies whose action scope fits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach<'p> {
    /// The server and the tool; nothing for an action of the gate's own.
    pub tool: Option<(&'p str, &'p str)>,
    /// The action's id in Cedar: a tool, a method, or `method` for every method the gate does not know.
    pub action: &'p str,
    /// The policies' names, sorted.
    pub policies: Vec<String>,
}

impl Policies {
    /// Every action of the schema that calls are judged by, sorted.
    #[must_use]
    pub fn reach(&self) -> Vec<Reach<'_>> {
        let named = |unit: &Unit| {
            let mut names: Vec<String> = unit.slice.policies().map(|policy| policy.id().to_string()).collect();
            names.sort();
            names
        };
        let tools = self.tools.iter().flat_map(|(server, tools)| {
            tools.iter().map(move |(tool, unit)| Reach {
                tool: Some((server.as_str(), tool.as_str())),
                action: tool.as_str(),
                policies: named(unit),
            })
        });
        let methods = self.methods.iter().map(|(action, unit)| Reach { tool: None, action, policies: named(unit) });
        let mut out: Vec<Reach<'_>> = tools.chain(methods).collect();
        out.sort_by(|a, b| (a.tool, a.action).cmp(&(b.tool, b.action)));
        out
    }
}
