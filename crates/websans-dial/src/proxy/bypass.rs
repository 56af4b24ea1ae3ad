//! [`Bypass`]: the hosts that are connected to without a proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What `no_proxy` holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Bypass(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// The name and those below it; in lower case, without dots at its ends.
    Domain(String),
    /// The addresses whose first bits are those of this one.
    Network(IpAddr, u8),
}

impl Bypass {
    /// Parses a list. An entry that is none is left out: it matches nothing.
    pub(super) fn parse(list: &str) -> Self {
        let entries = list.split([',', ' ', '\t', '\n', '\r']).filter(|entry| !entry.is_empty());
        Self(entries.filter_map(Entry::parse).collect())
    }

    /// Whether `host`, an address without brackets or a name, is connected to directly at `port`.
    pub(super) fn matches(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|own| own == port)
                && match &entry.hosts {
                    Hosts::All => true,
                    Hosts::Domain(domain) => {
                        address.is_none()
                            && host
                                .strip_suffix(&**domain)
                                .is_some_and(|front| front.is_empty() || front.ends_with('.'))
                    }
                    Hosts::Network(network, bits) => {
                        address.is_some_and(|address| within(address, *network, *bits))
                    }
                }
        })
    }
}

impl Entry {
    fn parse(entry: &str) -> Option<Self> {
        if let Some(hosts) = Hosts::parse(entry) {
            return Some(Self { hosts, port: None });
        }
        let (host, port) = entry.rsplit_once(':')?;
        Some(Self { hosts: Hosts::parse(host)?, port: Some(port.parse().ok()?) })
    }
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = address.to_canonical();
            return Some(Self::Network(address, width(address)));
        }
        if let Some((network, bits)) = text.split_once('/') {
            let (network, bits) = (network.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
            return (bits <= width(network)).then_some(Self::Network(network, bits));
        }
        let name = text.strip_prefix('*').unwrap_or(text).trim_matches('.');
        let valid = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        valid.then(|| Self::Domain(name.to_ascii_lowercase()))
    }
}

/// How many bits an address of this family has.
const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Whether the first `bits` of both addresses are the same.
fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let differ = match (address.to_canonical(), network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let (one, other) = (Ipv4Addr::to_bits(one), Ipv4Addr::to_bits(other));
            u128::from(one ^ other) << 96
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => Ipv6Addr::to_bits(one) ^ Ipv6Addr::to_bits(other),
        _ => return false,
    };
    differ.leading_zeros() >= u32::from(bits)
}
