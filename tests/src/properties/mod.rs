//! What must hold for every input, one function for each fuzz target. The fuzzer (`tests/fuzz`) feeds them what it finds,
//! the tests (`it/properties.rs`) feed them its seeds. An input that shows a property broken panics.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a broken property panics: that is how it is told"
)]

mod cedar;
mod files;
mod framing;
mod house;
mod json;
mod messages;
mod reading;
pub mod record;

pub use cedar::{arguments, numbers};
pub use files::{configuration, policies, registry};
pub use framing::{lines, sse};
pub use json::json;
pub use messages::{answers, envelope, headers};
pub use reading::reading;
pub use record::record;

/// A target: its name, and what must hold for every input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name of its folder of seeds.
pub const TARGETS: [Target; 13] = [
    ("json", json),
    ("envelope", envelope),
    ("headers", headers),
    ("answers", answers),
    ("reading", reading),
    ("sse", sse),
    ("lines", lines),
    ("numbers", numbers),
    ("arguments", arguments),
    ("registry", registry),
    ("policies", policies),
    ("configuration", configuration),
    ("record", record),
];

/// The parts of an input, which stand between lines of `---`. What is missing is empty.
fn parts<const N: usize>(data: &[u8]) -> Option<[&str; N]> {
    let text = std::str::from_utf8(data).ok()?;
    let mut all = text.splitn(N, "\n---\n");
    Some(std::array::from_fn(|_| all.next().unwrap_or_default()))
}
