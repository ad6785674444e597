//! Addresses of peers: which are this machine, which are of its own networks, which count as one.
//!
//! An IPv4 address that is mapped into IPv6 (RFC 4291, section 2.5.5.2) is the IPv4 address: a
//! listener on both families sees every IPv4 peer that way.

use std::net::{IpAddr, Ipv6Addr};

/// Whether it is this machine.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether it is this machine or one of a private network: RFC 1918, and unique local (RFC 4193).
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

/// For whom rates are counted: an IPv4 address, or the IPv6 network of 64 bits, all of whose
/// addresses one subscriber has (RFC 6177).
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        for (text, loopback, private) in [
            ("127.0.0.1", true, true),
            ("127.1.2.3", true, true),
            ("::1", true, true),
            ("::ffff:127.0.0.1", true, true),
            ("10.0.0.1", false, true),
            ("172.31.255.255", false, true),
            ("192.168.1.1", false, true),
            ("::ffff:192.168.1.1", false, true),
            ("fd00::1", false, true),
            ("172.32.0.1", false, false),
            ("0.0.0.0", false, false),
            ("::", false, false),
            ("169.254.169.254", false, false),
            ("fe80::1", false, false),
            ("203.0.113.9", false, false),
            ("::ffff:203.0.113.9", false, false),
            ("2001:db8::1", false, false),
            ("::127.0.0.1", false, false),
        ] {
            let address = text.parse().expect(text);
            assert_eq!((is_loopback(address), is_private(address)), (loopback, private), "{text}");
        }
    }

    #[test]
    fn a_subscriber_is_an_ipv4_address_or_an_ipv6_network() {
        for (text, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(subscriber(text.parse().expect(text)), expected.parse::<IpAddr>().expect(expected), "{text}");
        }
    }
}
