//! A list that the policy in force declares, and the one way to write its keys.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use engine::lists::{ListHandle, Lists};
use engine::policy::Matching;
use wire::Form;

/// A list that the policy in force declares.
#[derive(Clone)]
pub struct KnownList {
    /// Its name.
    pub name: String,
    /// How its keys match.
    pub matching: Matching,
    /// Form of the values that it is looked up with.
    pub form: Form,
    /// Its place in the engine's table.
    pub handle: Arc<ListHandle>,
}

impl KnownList {
    /// The list of that name; `None` if there is no memory for it.
    pub fn new(lists: &Lists, name: &str, matching: Matching, form: Form) -> Option<KnownList> {
        let handle = lists.handle(name, matching, form)?;
        Some(KnownList { name: name.to_owned(), matching, form, handle })
    }

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
            Matching::Exact => self.form.canonical(key).map_or_else(|_| key.to_owned(), Cow::into_owned),
            Matching::Prefix => key.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::key::Seed;

    use super::*;

    #[test]
    fn a_network_is_one_entry_however_it_is_written() {
        let lists = Lists::new(1, Seed::new([1; 16]));
        let list = KnownList::new(&lists, "ips", Matching::Network, Form::Address).unwrap();
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
