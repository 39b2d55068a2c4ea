//! A list that the policy in force declares, and the one way to write its keys.

use std::borrow::Cow;
use std::sync::Arc;

use engine::lists::{ListHandle, Lists, canonical};
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

    /// The one way to write a key, so that an entry is one however its key was written. A key that is none for this list stays as
    /// it is, for the engine to refuse.
    pub fn canonical(&self, key: &str) -> String {
        canonical(self.matching, self.form, key).map_or_else(|_| key.to_owned(), Cow::into_owned)
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
