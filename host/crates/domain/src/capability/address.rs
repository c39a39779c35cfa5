//! Which addresses a guest's requests may go to: those of the public internet, and what the operator
//! names beyond them.

// Only the types: nothing here opens a socket.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Networks of version 4 that are not of the public internet, and what they are.
const NOT_PUBLIC_V4: [([u8; 4], u8, &str); 17] = [
    // Within a network that follows, but named for what it is.
    ([169, 254, 169, 254], 32, "a metadata service"),
    ([100, 100, 100, 200], 32, "a metadata service"),
    // Of the public space, and answers on every machine of its cloud.
    ([168, 63, 129, 16], 32, "a metadata service"),
    ([0, 0, 0, 0], 8, "unspecified"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "shared by a carrier's customers"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved for protocols"),
    ([192, 0, 2, 0], 24, "for documentation"),
    ([192, 88, 99, 0], 24, "a relay of 6to4"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "for benchmarks"),
    ([198, 51, 100, 0], 24, "for documentation"),
    ([203, 0, 113, 0], 24, "for documentation"),
    // Multicast, and what is reserved above it.
    ([224, 0, 0, 0], 3, "multicast, broadcast or reserved"),
];

/// Networks of version 6 that are none of the public internet, and what they are. What carries an address
/// of version 4 is looked through before.
const NOT_PUBLIC_V6: [([u16; 8], u8, &str); 13] = [
    (
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
        128,
        "a metadata service",
    ),
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique-local"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
    // Teredo, which carries addresses of version 4, among others.
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "reserved for protocols"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "for documentation"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "for documentation"),
    (
        [0x2002, 0, 0, 0, 0, 0, 0, 0],
        16,
        "of 6to4, which carries another",
    ),
    (
        [0x64, 0xff9b, 1, 0, 0, 0, 0, 0],
        48,
        "of a local NAT64, which carries another",
    ),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "for discarding"),
];

/// The one network of version 6 from which public addresses are given out.
const GLOBAL_UNICAST: ([u16; 8], u8) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// The well-known prefix of NAT64: the address of version 4 is in the last 32 bits.
const NAT64: ([u16; 8], u8) = ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

/// Why an address is none of the public internet, as `it is loopback` continues; none for one that is.
///
/// An address of version 6 that carries one of version 4 (mapped, NAT64) is judged by what it carries. The
/// forms that no network has used for long (compatible, 6to4, Teredo) are refused whatever they carry.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    NOT_PUBLIC_V4
        .into_iter()
        .find(|(network, prefix, _)| is_within_v4(address, (*network).into(), *prefix))
        .map(|(_, _, what)| what)
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return not_public_v4(mapped);
    }
    if is_within_v6(address, NAT64.0.into(), NAT64.1) {
        let [.., a, b, c, d] = address.octets();
        return not_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let known = NOT_PUBLIC_V6
        .into_iter()
        .find(|(network, prefix, _)| is_within_v6(address, (*network).into(), *prefix));
    match known {
        Some((_, _, what)) => Some(what),
        None if is_within_v6(address, GLOBAL_UNICAST.0.into(), GLOBAL_UNICAST.1) => None,
        None => Some("not of the network from which public addresses are given out"),
    }
}

fn is_within_v4(address: Ipv4Addr, network: Ipv4Addr, prefix: u8) -> bool {
    let differ = address.to_bits() ^ network.to_bits();
    differ.checked_shr(32 - u32::from(prefix)).unwrap_or(0) == 0
}

fn is_within_v6(address: Ipv6Addr, network: Ipv6Addr, prefix: u8) -> bool {
    let differ = address.to_bits() ^ network.to_bits();
    differ.checked_shr(128 - u32::from(prefix)).unwrap_or(0) == 0
}

/// An address or network, and perhaps a port, that requests may go to although it is not public:
/// `10.0.0.5:80`, `10.0.0.0/8`, `[fd00::5]:443`, `fd00::/8`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRule {
    network: IpAddr,
    prefix: u8,
    /// None: every port.
    port: Option<u16>,
}

/// Text that is no rule of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an address: write such as `10.0.0.5:80`, `10.0.0.0/8`, `[fd00::5]:443` or \
     `[fd00::/8]:443`; names are not looked up here"
)]
pub struct AddressRuleError(String);

impl AddressRule {
    /// Whether it covers a connection.
    pub fn covers(&self, address: IpAddr, port: u16) -> bool {
        let is_within = match (address.to_canonical(), self.network) {
            (IpAddr::V4(address), IpAddr::V4(network)) => {
                is_within_v4(address, network, self.prefix)
            }
            (IpAddr::V6(address), IpAddr::V6(network)) => {
                is_within_v6(address, network, self.prefix)
            }
            _ => false,
        };
        is_within && self.port.is_none_or(|own| own == port)
    }
}

impl FromStr for AddressRule {
    type Err = AddressRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || AddressRuleError(text.chars().take(80).collect());
        let (network, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (network, port) = rest.split_once(']').ok_or_else(bad)?;
                match port {
                    "" => (network, None),
                    port => (network, Some(port.strip_prefix(':').ok_or_else(bad)?)),
                }
            }
            // With more than one colon it is an address of version 6 without a port.
            None => match text.split_once(':') {
                Some((network, port)) if !port.contains(':') => (network, Some(port)),
                _ => (text, None),
            },
        };
        let port = match port {
            Some(port) => Some(parse_port(port).ok_or_else(bad)?),
            None => None,
        };
        let (address, prefix) = match network.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| bad())?)),
            None => (network, None),
        };
        let network = IpAddr::from_str(address).map_err(|_| bad())?.to_canonical();
        let bits = if network.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = prefix.unwrap_or(bits);
        if prefix > bits {
            return Err(bad());
        }
        Ok(Self {
            network,
            prefix,
            port,
        })
    }
}

/// A port, written in digits alone.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok()?;
    (is_plain && port != 0).then_some(port)
}

impl TryFrom<String> for AddressRule {
    type Error = AddressRuleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AddressRule> for String {
    fn from(rule: AddressRule) -> Self {
        rule.to_string()
    }
}

impl fmt::Display for AddressRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            network,
            prefix,
            port,
        } = self;
        let is_whole = *prefix == if network.is_ipv4() { 32 } else { 128 };
        let network = match is_whole {
            true => network.to_string(),
            false => format!("{network}/{prefix}"),
        };
        match port {
            Some(port) if self.network.is_ipv6() => write!(f, "[{network}]:{port}"),
            Some(port) => write!(f, "{network}:{port}"),
            None => f.write_str(&network),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn why(address: &str) -> Option<&'static str> {
        not_public(address.parse().expect(address))
    }

    #[test]
    fn networks_end_where_they_end() {
        // The first and last of each network, and its neighbours on both sides where those are public.
        for (first, last, before, after) in [
            ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
            (
                "10.0.0.0",
                "10.255.255.255",
                Some("9.255.255.255"),
                Some("11.0.0.0"),
            ),
            (
                "100.64.0.0",
                "100.127.255.255",
                Some("100.63.255.255"),
                Some("100.128.0.0"),
            ),
            (
                "127.0.0.0",
                "127.255.255.255",
                Some("126.255.255.255"),
                Some("128.0.0.0"),
            ),
            (
                "169.254.0.0",
                "169.254.255.255",
                Some("169.253.255.255"),
                Some("169.255.0.0"),
            ),
            (
                "172.16.0.0",
                "172.31.255.255",
                Some("172.15.255.255"),
                Some("172.32.0.0"),
            ),
            (
                "192.0.0.0",
                "192.0.0.255",
                Some("191.255.255.255"),
                Some("192.0.1.0"),
            ),
            (
                "192.0.2.0",
                "192.0.2.255",
                Some("192.0.1.255"),
                Some("192.0.3.0"),
            ),
            (
                "192.88.99.0",
                "192.88.99.255",
                Some("192.88.98.255"),
                Some("192.88.100.0"),
            ),
            (
                "192.168.0.0",
                "192.168.255.255",
                Some("192.167.255.255"),
                Some("192.169.0.0"),
            ),
            (
                "198.18.0.0",
                "198.19.255.255",
                Some("198.17.255.255"),
                Some("198.20.0.0"),
            ),
            (
                "198.51.100.0",
                "198.51.100.255",
                Some("198.51.99.255"),
                Some("198.51.101.0"),
            ),
            (
                "203.0.113.0",
                "203.0.113.255",
                Some("203.0.112.255"),
                Some("203.0.114.0"),
            ),
            (
                "224.0.0.0",
                "255.255.255.255",
                Some("223.255.255.255"),
                None,
            ),
            (
                "168.63.129.16",
                "168.63.129.16",
                Some("168.63.129.15"),
                Some("168.63.129.17"),
            ),
            ("2001::", "2001:1ff:ffff::", None, Some("2001:200::")),
            (
                "2001:db8::",
                "2001:db8:ffff::1",
                Some("2001:db7:ffff::"),
                Some("2001:db9::"),
            ),
            ("2002::", "2002:ffff::", Some("2001:ffff::"), Some("2003::")),
            (
                "3fff::",
                "3fff:fff:ffff::",
                Some("3ffe:ffff::"),
                Some("3fff:1000::"),
            ),
            ("fc00::", "fdff:ffff::", None, None),
            ("fe80::1", "febf:ffff::", None, None),
        ] {
            for address in [first, last] {
                assert!(why(address).is_some(), "{address}");
            }
            for address in [before, after].into_iter().flatten() {
                assert_eq!(why(address), None, "{address}");
            }
        }
    }

    #[test]
    fn what_carries_another_address_is_judged_by_it_or_refused() {
        for (address, expected) in [
            ("169.254.169.254", "a metadata service"),
            ("fd00:ec2::254", "a metadata service"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:10.1.2.3", "private"),
            ("64:ff9b::169.254.169.254", "a metadata service"),
            (
                "64:ff9b:1::8.8.8.8",
                "of a local NAT64, which carries another",
            ),
            (
                "::127.0.0.1",
                "not of the network from which public addresses are given out",
            ),
            ("2002:7f00:1::", "of 6to4, which carries another"),
            (
                "2001:0:4136:e378:8000:63bf:3fff:fdd2",
                "reserved for protocols",
            ),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("ff02::1", "multicast"),
            (
                "5f00::1",
                "not of the network from which public addresses are given out",
            ),
        ] {
            assert_eq!(why(address), Some(expected), "{address}");
        }
        for address in [
            "8.8.8.8",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2606:4700::1111",
        ] {
            assert_eq!(why(address), None, "{address}");
        }
    }

    #[test]
    fn rules_cover_addresses_and_ports() {
        for (rule, address, port, expected) in [
            ("10.0.0.5:80", "10.0.0.5", 80, true),
            ("10.0.0.5:80", "10.0.0.5", 81, false),
            ("10.0.0.5:80", "10.0.0.6", 80, false),
            ("10.0.0.5:80", "::ffff:10.0.0.5", 80, true),
            ("10.0.0.0/8", "10.255.0.1", 9, true),
            ("10.0.0.0/8", "11.0.0.0", 9, false),
            ("10.0.0.0/8:443", "10.0.0.1", 443, true),
            ("0.0.0.0/0", "192.168.1.1", 1, true),
            ("0.0.0.0/0", "::1", 1, false),
            ("::1", "::1", 7, true),
            ("[::1]:7", "::1", 7, true),
            ("[::1]:7", "::1", 8, false),
            ("fd00::/8", "fdff::1", 8, true),
            ("[fd00::/8]:443", "fd00::1", 443, true),
            ("[fd00::/8]:443", "fd00::1", 80, false),
        ] {
            let parsed: AddressRule = rule.parse().expect(rule);
            let address = address.parse().expect(address);
            assert_eq!(parsed.covers(address, port), expected, "{rule} {address}");
            assert_eq!(parsed.to_string(), rule);
        }
        for text in [
            "",
            "localhost",
            "10.0.0.5:",
            "10.0.0.5:0",
            "10.0.0.5:+80",
            "10.0.0.5:80:80",
            "10.0.0/8",
            "10.0.0.0/33",
            "010.0.0.1",
            "[::1",
            "[::1]80",
            "::1/129",
            "10.0.0.1:65536",
        ] {
            let error = text.parse::<AddressRule>().expect_err(text);
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn mapping_changes_nothing(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let mapped = IpAddr::V6(address.to_ipv6_mapped());
            prop_assert_eq!(not_public(mapped), not_public(IpAddr::V4(address)));
        }

        #[test]
        fn nothing_of_version_6_outside_the_global_network_is_public(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            if not_public(IpAddr::V6(address)).is_none() {
                let [first, ..] = address.segments();
                prop_assert!(first >> 13 == 1 || first == 0x64 || address.to_ipv4_mapped().is_some());
            }
        }
    }
}
