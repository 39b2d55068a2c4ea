//! Who shares which address. All ranges are reserved ones, so that no real network is ever named:
//! homes 10/8, offices 172.16/12, carriers' gateways 100.64/10, datacentres 198.18/15, IPv6 2001:db8::/32.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::draw::hash;

/// The range that hosting companies and their tenants use in the simulation, for an address list.
pub const DATACENTRE_CIDR: &str = "198.18.0.0/15";

/// Offices of one city that share an address each.
const OFFICES_PER_CITY: u64 = 512;
/// A carrier's gateways in one city: each stands for thousands of handsets.
const GATEWAYS_PER_CITY: u64 = 96;

/// A household's address: one for the family, or one prefix with an address a person.
pub(crate) fn home(seed: u64, family: u32, person: u32) -> IpAddr {
    let word = hash(seed ^ 0x40, u64::from(family));
    if word.is_multiple_of(7) {
        let [_, _, a, b, c, d, _, _] = word.to_be_bytes();
        let prefix = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        return IpAddr::V6(Ipv6Addr::new(
            0x2001,
            0xdb8,
            prefix.0,
            prefix.1,
            0,
            0,
            0,
            (person % 0xffff) as u16 + 1,
        ));
    }
    let [a, b, c, ..] = word.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, a, b, c))
}

/// An office's or campus's address.
pub(crate) fn office(city: u8, workplace: u64) -> IpAddr {
    let number = u64::from(city) * OFFICES_PER_CITY + workplace % OFFICES_PER_CITY;
    IpAddr::V4(Ipv4Addr::from(0xac10_0000_u32 + number as u32))
}

/// A carrier's gateway in that city; `word` chooses which.
pub(crate) fn mobile(city: u8, word: u64) -> IpAddr {
    let number = u64::from(city) * GATEWAYS_PER_CITY + word % GATEWAYS_PER_CITY;
    IpAddr::V4(Ipv4Addr::from(0x6440_0000_u32 + number as u32))
}

/// A rented server or a tunnel's exit.
pub(crate) fn datacentre(word: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0xc612_0000_u32 + (word % (1 << 17)) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_stands_in_its_reserved_range() {
        for word in 0..5000_u64 {
            match home(9, word as u32, 3) {
                IpAddr::V4(address) => assert_eq!(address.octets()[0], 10),
                IpAddr::V6(address) => assert_eq!(address.segments()[..2], [0x2001, 0xdb8]),
            }
            let IpAddr::V4(hosted) = datacentre(hash(1, word)) else { panic!("a datacentre is IPv4") };
            assert!(hosted.octets()[0] == 198 && (18..20).contains(&hosted.octets()[1]));
            let IpAddr::V4(gateway) = mobile(19, word) else { panic!("a gateway is IPv4") };
            assert!(gateway.octets()[0] == 100 && (64..128).contains(&gateway.octets()[1]));
            let IpAddr::V4(office) = office(19, word) else { panic!("an office is IPv4") };
            assert!(office.is_private());
        }
    }
}
