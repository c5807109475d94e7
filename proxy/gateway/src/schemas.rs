//! The JSON Schemas of what people write and what others read: configuration, registry, policy tests, records. They are made from the
//! types that read those files, so that what a schema says is what the loader does. `schemas/` holds them as they are.

use std::path::Path;

/// The file of a server's schema.
pub const SERVER: &str = "server.schema.json";

/// Every schema: the name of its file, and its text.
#[must_use]
pub fn all() -> Vec<(String, String)> {
    let tests = ("policy-test", crate::desk::suite::schema());
    let others = [("wicketgate", crate::config::schema()), ("entry", pdp::record::schema()), tests];
    let all = pdp::registry::schemas().into_iter().chain(others);
    all.map(|(name, schema)| (format!("{name}.schema.json"), format!("{:#}\n", schema.as_value()))).collect()
}

/// Writes them into a folder.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    all().into_iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
}

/// The comment by which an editor finds the schema of a server's entry, which lies in `registry/servers/`.
#[must_use]
pub fn comment_for_server() -> String {
    format!("#:schema ../../schemas/{SERVER}\n")
}
