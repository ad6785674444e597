//! Which addresses and names a guest may ever reach: pure rules, no look-ups.
//!
//! An address is public, private or never reached. A name leads only to public addresses; a private
//! address is reached only by its own literal with a grant for it; what means this machine, its link
//! or its cloud's metadata is never reached, whatever was granted. An address that wraps another one
//! is judged by the worst of the two. What no rule knows is not public: of IPv6 only the space that
//! IANA has opened for global use is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// How far an address may be reached; the order is from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Anyone's, on the open internet.
    Public,
    /// A machine of this network: only when the address itself was approved.
    Private,
    /// This machine, its link, a cloud's metadata, or nothing that can answer.
    Never,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(head: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(head[0], head[1], head[2], 0, 0, 0, 0, 0), prefix)
}

/// From the IANA IPv4 special-purpose address registry (RFC 6890), where no other source is named.
const NEVER_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),          // "this network", RFC 791; Linux takes 0.0.0.0 for loopback
    v4(100, 100, 100, 200, 32), // Alibaba Cloud's metadata service, inside shared space
    v4(127, 0, 0, 0, 8),        // loopback, RFC 1122
    v4(168, 63, 129, 16, 32),   // Azure's platform services, in public space
    v4(169, 254, 0, 0, 16),     // link-local, RFC 3927; metadata of most clouds at 169.254.169.254
    v4(192, 0, 0, 0, 24),       // IETF protocol assignments, RFC 6890; Oracle's metadata at 192.0.0.192
    v4(192, 0, 2, 0, 24),       // documentation, RFC 5737
    v4(192, 88, 99, 0, 24),     // relays of 6to4, withdrawn by RFC 7526
    v4(198, 18, 0, 0, 15),      // benchmarks, RFC 2544
    v4(198, 51, 100, 0, 24),    // documentation, RFC 5737
    v4(203, 0, 113, 0, 24),     // documentation, RFC 5737
    v4(224, 0, 0, 0, 4),        // multicast, RFC 5771
    v4(240, 0, 0, 0, 4),        // reserved, RFC 1112, with the broadcast address, RFC 919
];

const PRIVATE_V4: &[Ipv4Net] = &[
    v4(10, 0, 0, 0, 8),     // private use, RFC 1918
    v4(100, 64, 0, 0, 10),  // shared space behind carriers, RFC 6598; also overlay networks
    v4(172, 16, 0, 0, 12),  // private use, RFC 1918
    v4(192, 168, 0, 0, 16), // private use, RFC 1918
];

/// The only IPv6 space that IANA has given out for global use (RFC 4291, section 2.4).
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// Exceptions within it, from the IANA IPv6 special-purpose address registry.
const NEVER_V6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0], 23),     // IETF protocol assignments, RFC 2928: Teredo, benchmarks, ORCHID
    v6([0x2001, 0xdb8, 0], 32), // documentation, RFC 3849
    v6([0x2002, 0, 0], 16),     // 6to4, RFC 3056: wraps any IPv4 address; its relays are gone (RFC 7526)
    v6([0x3fff, 0, 0], 20),     // documentation, RFC 9637
];

/// Unique local addresses, RFC 4193.
const PRIVATE_V6: Ipv6Net = v6([0xfc00, 0, 0], 7);

/// Metadata services inside unique local space.
const METADATA_V6: &[Ipv6Net] = &[
    v6([0xfd00, 0xec2, 0], 32), // Amazon: metadata, time, names, pod identity
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128), // Google
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128), // Oracle
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128), // Scaleway
];

/// Translation to IPv4 by a network's NAT64, RFC 6052: the last 32 bits are the address behind.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0], 96);

/// The class of an address, in whatever form it is written.
pub fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

fn class_v4(address: Ipv4Addr) -> Class {
    let among = |nets: &[Ipv4Net]| nets.iter().any(|net| net.contains(&address));
    if among(NEVER_V4) {
        Class::Never
    } else if among(PRIVATE_V4) {
        Class::Private
    } else {
        Class::Public
    }
}

fn class_v6(address: Ipv6Addr) -> Class {
    // IPv4-mapped, RFC 4291: the operating system dials the IPv4 address.
    if let Some(mapped) = address.to_ipv4_mapped() {
        return class_v4(mapped);
    }
    let last_32 = Ipv4Addr::from_bits(address.to_bits() as u32);
    if NAT64.contains(&address) {
        return class_v4(last_32);
    }
    if PRIVATE_V6.contains(&address) {
        let metadata = METADATA_V6.iter().any(|net| net.contains(&address));
        return if metadata { Class::Never } else { isatap(address, Class::Private) };
    }
    // Outside: unspecified, loopback, IPv4-compatible and -translated, local NAT64 (RFC 8215),
    // discard, link-local, site-local, multicast, segment routing.
    if !GLOBAL_V6.contains(&address) || NEVER_V6.iter().any(|net| net.contains(&address)) {
        return Class::Never;
    }
    isatap(address, Class::Public)
}

/// ISATAP (RFC 5214) marks its interface identifiers and wraps an IPv4 address under any prefix.
fn isatap(address: Ipv6Addr, outer: Class) -> Class {
    let [.., marker, kind, high, low] = address.segments();
    if kind == 0x5efe && marker & !0x0200 == 0 {
        return outer.max(class_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))));
    }
    outer
}

/// Whether an address may be dialled. `near` is for what a person named to be reached on this machine or
/// in its private networks: it opens those, and still nothing of the link or of a cloud's metadata.
pub fn may_dial(address: IpAddr, near: bool) -> bool {
    match class(address) {
        Class::Public => true,
        Class::Private => near,
        Class::Never => near && address.to_canonical().is_loopback(),
    }
}

/// The addresses of an answer that may be dialled, in its order.
///
/// # Errors
/// The best class that the answer has when there is none; `None` when the answer is empty.
pub fn keep_reachable(answer: &[IpAddr], near: bool) -> Result<Vec<IpAddr>, Option<Class>> {
    let kept: Vec<IpAddr> = answer.iter().copied().filter(|address| may_dial(*address, near)).collect();
    if kept.is_empty() {
        return Err(answer.iter().map(|address| class(*address)).min());
    }
    Ok(kept)
}

/// Names that end so belong to this machine or its network and to nobody on the internet.
///
/// Addresses decide anyway; the names are refused so that no look-up is made for them, and so that a
/// name server that answers them with a public address gains nothing.
const LOCAL_SUFFIXES: &[&str] = &[
    "localhost",          // RFC 6761
    "local",              // multicast DNS, RFC 6762; also cluster.local
    "internal",           // reserved for private use by ICANN; cloud metadata, container hosts
    "home.arpa",          // RFC 8375
    "kubernetes.default", // the API of a cluster, short of its full name
    "svc",                // services of a cluster, the same
];

/// Whether a name is refused whatever was granted. `name` is lower case and has no trailing dot.
///
/// A name without a dot is one of this network's own (`localhost`, `metadata`, `ip6-loopback`,
/// `kubernetes`, the neighbours of a container); on the internet such names are next to unused
/// (RFC 7085 counts them).
pub fn name_is_local(name: &str) -> bool {
    let below = |suffix: &&str| name.strip_suffix(*suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.contains('.') || LOCAL_SUFFIXES.iter().any(below)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Class {
        class(text.parse().expect("an address"))
    }

    #[test]
    fn every_range_has_its_class_up_to_its_edges() {
        let table: &[(Class, &[&str])] = &[
            (
                Class::Never,
                &[
                    "0.0.0.0",
                    "0.255.255.255",
                    "127.0.0.1",
                    "127.255.255.255",
                    "169.254.0.0",
                    "169.254.169.254",
                    "169.254.170.2",
                    "169.254.255.255",
                    "100.100.100.200",
                    "168.63.129.16",
                    "192.0.0.0",
                    "192.0.0.192",
                    "192.0.2.1",
                    "192.88.99.1",
                    "198.18.0.0",
                    "198.19.255.255",
                    "198.51.100.7",
                    "203.0.113.255",
                    "224.0.0.1",
                    "239.255.255.250",
                    "240.0.0.0",
                    "255.255.255.255",
                    "::",
                    "::1",
                    "::127.0.0.1",
                    "::8.8.8.8",
                    "::ffff:127.0.0.1",
                    "::ffff:169.254.169.254",
                    "::ffff:0:8.8.8.8",
                    "64:ff9b::127.0.0.1",
                    "64:ff9b::a9fe:a9fe",
                    "64:ff9b:1::808:808",
                    "100::1",
                    "fe80::1",
                    "febf::1",
                    "fec0::1",
                    "ff02::1",
                    "5f00::1",
                    "fd00:ec2::254",
                    "fd00:ec2::23",
                    "fd20:ce::254",
                    "fd00:c1::a9fe:a9fe",
                    "fd00:42::42",
                    "2001::1",
                    "2001:0:4136:e378::1",
                    "2001:2::1",
                    "2001:20::1",
                    "2001:1ff:ffff::1",
                    "2001:db8::1",
                    "2001:db8:ffff::1",
                    "2002:7f00:1::",
                    "2002:808:808::1",
                    "3fff::1",
                    "3fff:fff:ffff::1",
                    "4000::1",
                    "1fff::1",
                    "2a00:1450::5efe:7f00:1",
                    "2a00:1450::200:5efe:a9fe:a9fe",
                    "fd00::5efe:7f00:1",
                ],
            ),
            (
                Class::Private,
                &[
                    "10.0.0.0",
                    "10.255.255.255",
                    "172.16.0.0",
                    "172.31.255.255",
                    "192.168.0.1",
                    "192.168.255.255",
                    "100.64.0.0",
                    "100.127.255.255",
                    "100.100.100.100",
                    "fc00::1",
                    "fd00::5",
                    "fdff:ffff::1",
                    "::ffff:10.0.0.1",
                    "64:ff9b::192.168.1.1",
                    "2a00:1450::5efe:a00:1",
                ],
            ),
            (
                Class::Public,
                &[
                    "1.1.1.1",
                    "8.8.8.8",
                    "9.255.255.255",
                    "11.0.0.0",
                    "100.63.255.255",
                    "100.128.0.0",
                    "126.255.255.255",
                    "128.0.0.0",
                    "168.63.129.17",
                    "169.253.255.255",
                    "169.255.0.0",
                    "172.15.255.255",
                    "172.32.0.0",
                    "192.0.1.0",
                    "192.0.3.0",
                    "192.167.255.255",
                    "192.169.0.0",
                    "198.17.255.255",
                    "198.20.0.0",
                    "223.255.255.255",
                    "::ffff:8.8.8.8",
                    "64:ff9b::8.8.8.8",
                    "2001:200::1",
                    "2001:db7::1",
                    "2001:db9::1",
                    "2001:4860:4860::8888",
                    "2606:4700::1111",
                    "2a00:1450::5efe:808:808",
                    "3ffe::1",
                ],
            ),
        ];
        for (expected, addresses) in table {
            for address in *addresses {
                assert_eq!(of(address), *expected, "{address}");
            }
        }
    }

    #[test]
    fn an_answer_keeps_its_public_addresses_or_tells_the_best_of_the_rest() {
        let parse = |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().expect("one")).collect() };
        let kept = keep_reachable(&parse(&["10.0.0.1", "2606:4700::1111", "127.0.0.1", "1.1.1.1"]), false);
        assert_eq!(kept, Ok(parse(&["2606:4700::1111", "1.1.1.1"])));
        assert_eq!(keep_reachable(&parse(&["127.0.0.1", "10.0.0.1"]), false), Err(Some(Class::Private)));
        assert_eq!(keep_reachable(&parse(&["169.254.169.254"]), false), Err(Some(Class::Never)));
        assert_eq!(keep_reachable(&[], false), Err(None));
    }

    #[test]
    fn names_of_this_machine_or_network_are_local_whatever_was_granted() {
        for local in [
            "localhost",
            "app.localhost",
            "ip6-localhost",
            "ip6-loopback",
            "metadata",
            "instance-data",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "db.prod.svc",
            "metadata.google.internal",
            "host.docker.internal",
            "nas.local",
            "router.home.arpa",
        ] {
            assert!(name_is_local(local), "{local}");
        }
        for open in ["example.com", "local.example.com", "notlocal.net", "internal.example.com", "mylocalhost.net"] {
            assert!(!name_is_local(open), "{open}");
        }
    }

    #[test]
    fn what_a_person_named_may_be_near_and_is_never_the_link_or_metadata() {
        for (address, near) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", true),
            ("192.168.1.5", true),
            ("fd00::5", true),
            ("0.0.0.0", false),
            ("::", false),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("100.100.100.200", false),
            ("168.63.129.16", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
        ] {
            let parsed: IpAddr = address.parse().expect("an address");
            assert_eq!(may_dial(parsed, true), near, "{address}");
            assert!(!may_dial(parsed, false), "{address}");
        }
        assert!(may_dial("1.1.1.1".parse().expect("an address"), false));
    }

    /// An IPv4 address of each kind, with the closed ones as likely as the open ones.
    fn inner() -> impl Strategy<Value = Ipv4Addr> {
        let near = |net: &Ipv4Net| {
            let (from, to) = (net.network().to_bits(), net.broadcast().to_bits());
            (from..=to).prop_map(Ipv4Addr::from_bits).boxed()
        };
        let closed: Vec<_> = NEVER_V4.iter().chain(PRIVATE_V4).map(near).collect();
        prop_oneof![any::<u32>().prop_map(Ipv4Addr::from_bits), proptest::strategy::Union::new(closed)]
    }

    proptest! {
        #[test]
        fn an_address_that_wraps_a_closed_one_is_never_public(inner in inner(), prefix: u64, other: u32) {
            let bits = u128::from(inner.to_bits());
            let isatap = |marker: u128| {
                let global = u128::from(prefix) >> 3 | 1 << 61;
                global << 64 | marker << 48 | 0x5efe << 32 | bits
            };
            let outer = [
                ("mapped", 0xffff_u128 << 32 | bits),
                ("compatible", bits),
                ("translated", 0xffff_u128 << 48 | bits),
                ("NAT64", 0x0064_ff9b_u128 << 96 | bits),
                ("local NAT64", 0x0064_ff9b_0001_u128 << 80 | bits),
                ("6to4", 0x2002_u128 << 112 | bits << 80 | u128::from(prefix)),
                ("Teredo server", 0x2001_u128 << 112 | bits << 64 | u128::from(other)),
                ("Teredo client", 0x2001_u128 << 112 | u128::from(other) << 64 | (!bits & 0xffff_ffff)),
                ("ISATAP", isatap(0)),
                ("ISATAP, global", isatap(0x0200)),
            ];
            for (form, outer) in outer {
                let judged = class(IpAddr::V6(Ipv6Addr::from_bits(outer)));
                prop_assert!(judged >= class_v4(inner), "{} {}", form, inner);
            }
        }

        #[test]
        fn a_public_ipv6_address_is_of_the_global_space_or_leads_to_a_public_ipv4_address(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            if class(IpAddr::V6(address)) == Class::Public {
                let wraps = address.to_ipv4_mapped().is_some() || NAT64.contains(&address);
                prop_assert!(wraps || GLOBAL_V6.contains(&address));
            }
        }
    }
}
