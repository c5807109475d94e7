//! Addresses of electronic mail (RFC 5322): the address alone, its domain as a host is written.
//!
//! A domain is the same in any case; a local part is its own server's, and stays as it is.

use super::{Doubt, has_controls, host};

/// Whether a text of an argument that is an address by its name looks like one. Others are names, channels, paths.
pub(super) fn seems(text: &str) -> bool {
    text.contains('@') && !text.contains("://") && !text.starts_with(['/', '.', '@'])
}

/// The form of an address.
pub(super) fn canonical(text: &str) -> Result<String, Doubt> {
    parts(text).map(|(local, domain)| format!("{local}@{domain}"))
}

/// The host that mail to an address goes to: its domain.
pub(super) fn host_of(text: &str) -> Result<String, Doubt> {
    parts(text).map(|(_, domain)| domain)
}

/// The local part and the domain.
fn parts(text: &str) -> Result<(String, String), Doubt> {
    if has_controls(text) {
        return Err(Doubt("it holds control characters"));
    }
    let address = bare(text.trim())?;
    let address = if let Some((scheme, rest)) = address.split_once(':')
        && scheme.eq_ignore_ascii_case("mailto")
    {
        rest
    } else {
        address
    };
    let Some((local, domain)) = address.rsplit_once('@') else {
        return Err(Doubt("it holds more than one address"));
    };
    let local = match local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // Quotes around what needs none are dropped; other quoted words hide an `@` or a space from some readers.
        Some(quoted) if is_dot_atom(quoted) => quoted,
        Some(_) => return Err(Doubt("its local part is quoted")),
        None if is_dot_atom(local) => local,
        None => return Err(Doubt("it is not one plain address")),
    };
    let domain = host::normal(domain).filter(|domain| !domain.contains(['*', '_', ',', ';', '(', ')']));
    let domain = domain.ok_or(Doubt("its domain is no name of a host"))?;
    Ok((local.to_owned(), domain))
}

/// The address without a display name: what stands between `<` and `>`.
fn bare(text: &str) -> Result<&str, Doubt> {
    let Some((name, rest)) = text.split_once('<') else { return Ok(text) };
    let address = rest.strip_suffix('>').ok_or(Doubt("it is not one plain address"))?;
    if name.contains('@') {
        return Err(Doubt("its display name holds an `@`"));
    }
    // Without quotes a comma parts addresses.
    let name = name.trim();
    let is_quoted = name.len() >= 2 && name.starts_with('"') && name.ends_with('"') && name.matches('"').count() == 2;
    if !is_quoted && name.contains([',', ';', ':', '"']) || address.contains(['<', '>']) {
        return Err(Doubt("it holds more than one address"));
    }
    Ok(address)
}

/// Whether a text is of words that need no quotes (RFC 5322, section 3.2.3; beyond ASCII, RFC 6532). A slash would make
/// a path of it, and counts as none.
fn is_dot_atom(text: &str) -> bool {
    let is_atext = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-=?^_`{|}~".contains(c);
    !text.is_empty() && text.split('.').all(|word| !word.is_empty() && word.chars().all(is_atext))
}
