//! Where a notice may be sent: what a URL must look like, and which addresses are private.
//!
//! The operator writes the URL, so a name is trusted to be meant; what it resolves to is not, unless `private` says so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::config::Channel;

/// Whether a URL is one for this channel. `private` says that it may lead into a private network.
///
/// # Errors
/// What is wrong, in words that do not repeat the URL.
pub(crate) fn fits(channel: &Channel, url: &Url, private: bool) -> Result<(), String> {
    let mail = matches!(channel, Channel::Email { .. });
    match (mail, url.scheme()) {
        (true, "smtp" | "smtps") | (false, "https") => {}
        (false, "http") if private => {}
        (false, "http") => return Err("plain HTTP is for private networks alone: say `private = true`".to_owned()),
        (true, _) => return Err("e-mail goes to `smtps://host` or `smtp://host`".to_owned()),
        (false, _) => return Err("it is no URL of HTTPS".to_owned()),
    }
    if !mail && (!url.username().is_empty() || url.password().is_some()) {
        return Err("the URL holds a name or password, which is not sent".to_owned());
    }
    let address = match url.host() {
        None => return Err("the URL names no host".to_owned()),
        Some(Host::Domain("")) => return Err("the URL names no host".to_owned()),
        // Schemes that are not the web's leave an address a name.
        Some(Host::Domain(name)) => name.parse().ok(),
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
    };
    if address.is_some_and(is_private) && !private {
        return Err("it leads into a private network: say `private = true` where that is meant".to_owned());
    }
    let topic = url.path_segments().and_then(|mut all| all.next_back()).unwrap_or_default();
    if *channel == Channel::Ntfy && topic.is_empty() {
        return Err("the URL names no topic: its last part is one, such as https://ntfy.sh/TOPIC".to_owned());
    }
    Ok(())
}

/// Whether an address is of this machine, of a private network, or of no single place on the internet (the special-purpose
/// registries of IANA, RFC 6890).
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => is_private_v6(ip),
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        // This network, private use, loopback, multicast and what is reserved.
        (0 | 10 | 127 | 224..=255, _, _)
        // Shared by carriers, link-local (where clouds keep their metadata), private use.
        | (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _)
        // Protocol assignments, documentation, benchmarks.
        | (192, 0, 0 | 2) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => true,
        _ => false,
    }
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let inner = |high: u16, low: u16| {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        is_private_v4(Ipv4Addr::new(w, x, y, z))
    };
    match (a, b, c, d, e, f) {
        // Unspecified, loopback, and the obsolete form that holds an IPv4 address.
        (0, 0, 0, 0, 0, 0) => true,
        // Addresses that hold one of IPv4: mapped, translated (NAT64), 6to4.
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => inner(g, h),
        (0x2002, ..) => inner(b, c),
        // Local translation, documentation, Teredo and other protocol assignments.
        (0x64, 0xff9b, 1, ..) | (0x2001, 0xdb8 | 0..=0x1ff, ..) => true,
        // Only 2000::/3 is given out to the internet.
        _ => a & 0xe000 != 0x2000,
    }
}

/// The addresses of a host that may be spoken to.
pub(super) async fn addresses(host: &str, port: u16, private: bool) -> std::io::Result<Vec<SocketAddr>> {
    let all = tokio::net::lookup_host((host, port)).await?;
    let open: Vec<SocketAddr> = all.filter(|address| private || !is_private(address.ip())).collect();
    if open.is_empty() {
        let words = "the name leads into a private network, or nowhere";
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, words));
    }
    Ok(open)
}

/// Resolves names for HTTP, and lets none of them lead into a private network: a name that was public when it was
/// configured may be another's tomorrow.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            // The port is filled in by whoever asks.
            let all = addresses(name.as_str(), 0, private).await?;
            let addresses: Addrs = Box::new(all.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_spelling() {
        let private = "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 \
                       192.0.0.1 198.18.0.1 224.0.0.1 255.255.255.255 :: ::1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 \
                       64:ff9b::a00:1 64:ff9b:1::1 2002:7f00:1:: fe80::1 fc00::1 fd12::1 ff02::1 2001:db8::1 ::127.0.0.1";
        for address in private.split_whitespace() {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        let public = "1.1.1.1 8.8.8.8 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 192.167.0.1 2606:4700::1111 \
                      ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::";
        for address in public.split_whitespace() {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_followed_unless_that_is_meant() {
        assert!(addresses("localhost", 1, false).await.is_err());
        assert!(addresses("localhost", 1, true).await.is_ok());
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(fits(&Channel::Webhook, &url("https://[::1]/"), false).is_err());
        assert!(fits(&Channel::Webhook, &url("https://0x7f.1/"), false).is_err(), "spelt otherwise");
        assert!(fits(&Channel::Webhook, &url("https://user:word@hooks.example/"), false).is_err());
        assert!(fits(&Channel::Ntfy, &url("https://ntfy.example/topic"), false).is_ok());
    }
}
