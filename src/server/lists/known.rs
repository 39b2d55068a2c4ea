//! A list that the policy in force declares, and the one way to write its keys.

use std::net::IpAddr;
use std::sync::Arc;

use engine::lists::ListHandle;
use engine::policy::Matching;

/// A list that the policy in force declares.
#[derive(Clone)]
pub struct KnownList {
    /// Its name.
    pub name: String,
    /// How its keys match.
    pub matching: Matching,
    /// Its place in the engine's table.
    pub handle: Arc<ListHandle>,
}

impl KnownList {
    /// The one way to write a key, so that a network is one entry however it was written. A key that is none for this
    /// list stays as it is, for the engine to refuse.
    pub fn canonical(&self, key: &str) -> String {
        let network = || {
            let (address, length) = key.split_once('/').map_or((key, None), |(a, l)| (a, Some(l)));
            let address = address.parse::<IpAddr>().ok()?.to_canonical();
            let width = if address.is_ipv4() { 32 } else { 128 };
            let length =
                length.map_or(Some(width), |length| length.parse().ok()).filter(|&length| length <= width)?;
            let cut = width - length;
            let masked = match address {
                IpAddr::V4(v4) => {
                    IpAddr::V4((v4.to_bits().checked_shr(cut).unwrap_or(0) << (cut % 32)).into())
                }
                IpAddr::V6(v6) => {
                    IpAddr::V6((v6.to_bits().checked_shr(cut).unwrap_or(0) << (cut % 128)).into())
                }
            };
            Some(if cut == 0 { masked.to_string() } else { format!("{masked}/{length}") })
        };
        match self.matching {
            Matching::Network => network().unwrap_or_else(|| key.to_owned()),
            Matching::Exact | Matching::Prefix => key.to_owned(),
        }
    }

    /// Whether a key takes in a large part of all addresses.
    pub fn is_wide(&self, key: &str) -> bool {
        let length = key.split_once('/').and_then(|(_, length)| length.parse::<u8>().ok());
        self.matching == Matching::Network && length.is_some_and(|length| length < NETWORK_BITS_MIN)
    }
}

/// A network of fewer bits takes in more than a sixteenth of all addresses, which nobody means to list.
const NETWORK_BITS_MIN: u8 = 4;

#[cfg(test)]
mod tests {
    use engine::key::Seed;
    use engine::lists::Lists;

    use super::*;

    #[test]
    fn a_network_is_one_entry_however_it_is_written() {
        let lists = Lists::new(1, Seed::new([1; 16]));
        let handle = lists.handle("ips", Matching::Network).unwrap();
        let list = KnownList { name: "ips".to_owned(), matching: Matching::Network, handle };
        for (given, canonical) in [
            ("203.0.113.9/24", "203.0.113.0/24"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:DB8::1/32", "2001:db8::/32"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("::1/0", "::/0"),
            ("1.2.3.4/33", "1.2.3.4/33"),
            ("nowhere", "nowhere"),
        ] {
            assert_eq!(list.canonical(given), canonical);
        }
    }
}
