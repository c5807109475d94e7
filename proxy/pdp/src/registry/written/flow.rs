//! What the registry's files say of data beside its labels: rules, readers, memory.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::flow::memory::Role;
use crate::policy::Form;

/// A rule on what results carry. It looks at an argument or at a field of the result. Where *any* value matches, it adds
/// labels or names readers; where *every* value matches, it clears labels that are only presumed of the tool. What is
/// missing, of another kind, or readable in two ways counts as the stricter case.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::registry) struct RuleTable {
    /// The argument: its name, or a JSON pointer (RFC 6901) in which `*` stands for every item of a list.
    #[schemars(with = "Option<String>")]
    pub(in crate::registry) argument: Option<Spanned<String>>,
    /// The field of the result, as such a pointer. It may lead into a text that holds JSON. Results are then read whole.
    #[schemars(with = "Option<String>")]
    pub(in crate::registry) result: Option<Spanned<String>>,
    /// Patterns of which any value must match one; `*` stands for any run of characters.
    pub(in crate::registry) any: Option<Vec<String>>,
    /// Patterns of which every value must match one.
    pub(in crate::registry) every: Option<Vec<String>>,
    /// What the server takes where the argument is not given.
    pub(in crate::registry) absent: Option<String>,
    /// How the values are written; by their name unless said. Patterns are held against the canonical form.
    pub(in crate::registry) form: Option<Form>,
    /// Labels that the result carries too.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(in crate::registry) adds: Vec<Spanned<String>>,
    /// Labels of the tool that the result does not carry.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(in crate::registry) clears: Vec<Spanned<String>>,
    /// Those of the readers who may read the result: nobody else may.
    pub(in crate::registry) readers: Option<Vec<String>>,
}

/// A rule on what resources or prompts carry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::registry) struct NameRuleTable {
    /// Patterns of URIs in canonical form, or of prompts' names; `*` stands for any run of characters.
    pub(in crate::registry) name: Vec<String>,
    /// Labels that such a one carries too.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(in crate::registry) adds: Vec<Spanned<String>>,
    /// Labels of the server that such a one does not carry.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(in crate::registry) clears: Vec<Spanned<String>>,
    /// Those of the readers who may read it: nobody else may.
    pub(in crate::registry) readers: Option<Vec<String>>,
}

/// What is true of every entry of a memory server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::registry) struct MemoryServerTable {
    /// Whether agents may read and change each other's entries. Unless said, another's entry does not exist.
    #[serde(default)]
    pub(in crate::registry) shared: bool,
    /// How long an entry is delivered after it was written, in seconds; for ever unless said.
    #[schemars(with = "Option<u64>", range(min = 1, max = 630_720_000))]
    pub(in crate::registry) ttl_s: Option<Spanned<u64>>,
}

/// What a tool does to the memory of its server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::registry) struct MemoryTable {
    /// What it does to an entry.
    pub(in crate::registry) role: Role,
    /// The argument that names the entry or the entries: its name, or a JSON pointer in which `*` stands for every item.
    /// Without one the call is about the whole scope.
    #[schemars(with = "Option<String>")]
    pub(in crate::registry) key: Option<Spanned<String>>,
    /// The argument that names the scope. Without one the server has a single scope.
    #[schemars(with = "Option<String>")]
    pub(in crate::registry) scope: Option<Spanned<String>>,
    /// Where entries stand in the result: a JSON pointer that ends in `*`, under `/structuredContent` or
    /// `/content/0/text`. Without it entries cannot be told apart, and one that must not be delivered withholds all.
    #[schemars(with = "Option<String>")]
    pub(in crate::registry) entries: Option<Spanned<String>>,
    /// Within an entry of the result, the member that names it: its name, or a JSON pointer.
    #[schemars(with = "Option<String>")]
    pub(in crate::registry) entry_key: Option<Spanned<String>>,
}
