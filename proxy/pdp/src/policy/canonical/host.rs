//! Host names and addresses: in lower case, IDNA in ASCII, every spelling of an address as the one that is usual.

use core::net::Ipv6Addr;

use ::url::Host;

use super::{Doubt, has_controls};

/// The form of an argument that is a host by its name: the host, and its port where one stands.
pub(super) fn canonical(text: &str) -> Result<String, Doubt> {
    let (host, port) = parts(text)?;
    Ok(match port {
        Some(port) if host.contains(':') => format!("[{host}]:{port}"),
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

/// The host alone.
pub(super) fn of(text: &str) -> Result<String, Doubt> {
    parts(text).map(|(host, _)| host)
}

fn parts(text: &str) -> Result<(String, Option<u16>), Doubt> {
    let text = text.trim();
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if is_port(port) && (host.ends_with(']') || !host.contains(':')) => (host, Some(port)),
        Some(_) | None => (text, None),
    };
    let port = port.map(str::parse).transpose().map_err(|_| Doubt("its port is no port"))?;
    match normal(host) {
        Some(host) => Ok((host, port)),
        None => Err(Doubt("it is no name of a host")),
    }
}

/// A host in its usual spelling, an address of IP version 6 without brackets; nothing where it is no host.
pub(super) fn normal(text: &str) -> Option<String> {
    let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if text.is_empty() || has_controls(text) {
        return None;
    }
    if text.contains(':') {
        return text.parse().ok().map(of_v6);
    }
    match Host::parse(text).ok()? {
        // One dot at the end names the root (RFC 1034, section 3.1); an empty label elsewhere is read by some as none.
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            (!name.split('.').any(str::is_empty)).then(|| name.to_owned())
        }
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(of_v6(address)),
    }
}

/// An address of version 4 that is written as one of version 6 (RFC 4291, section 2.5.5.2) leads where the former does.
fn of_v6(address: Ipv6Addr) -> String {
    address.to_ipv4_mapped().map_or_else(|| address.to_string(), |v4| v4.to_string())
}
