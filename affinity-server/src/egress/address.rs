//! Which addresses belong to the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` is a global unicast address of the public internet.
///
/// Loopback, private, link-local, shared, documentation, benchmark, multicast and reserved ranges are not,
/// nor is an IPv6 address that carries such an IPv4 address (mapped, NAT64, 6to4) or hides one (Teredo).
///
/// ```
/// use affinity_server::egress::is_public;
///
/// assert!(is_public([1, 1, 1, 1].into()));
/// assert!(!is_public([169, 254, 169, 254].into()));
/// ```
///
/// Source: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let protocol = first == 192 && second == 0 && third == 0;
    let relay = first == 192 && second == 88 && third == 99;
    let benchmark = first == 198 && (second == 18 || second == 19);
    !(first == 0
        || first >= 224
        || shared
        || protocol
        || relay
        || benchmark
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([first, second], [third, fourth]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(first, second, third, fourth))
    };
    match (a, b) {
        (0x64, 0xff9b) => [c, d, e, f] == [0; 4] && embedded(g, h),
        (0x2002, _) => embedded(b, c),
        (0x2001, 0x0db8) => false,
        (0x2001, _) if b < 0x0200 => false,
        (0x3fff, _) if b < 0x1000 => false,
        // Global unicast is 2000::/3; everything outside it is local, multicast or unassigned.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[track_caller]
    fn check_public(address: &str, expected: bool) {
        let parsed: Result<std::net::IpAddr, _> = address.parse();
        assert_eq!(parsed.map(is_public), Ok(expected), "{address}");
    }

    #[test]
    fn address_of_the_internet_is_public() {
        for address in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            check_public(address, true);
        }
    }

    #[test]
    fn address_inside_a_network_is_not_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::",
        ] {
            check_public(address, false);
        }
    }
}
