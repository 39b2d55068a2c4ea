//! The windows in concurrent maps: dashmap with its locks by shard, papaya with a lock an entry, since its values are shared.
//!
//! Keys are hashes already, so the maps take them as they are. Neither map forgets: a site would have to sweep them as well.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use papaya::HashMap;

use super::entry::{Account, Address, Count, Device, Entry, Packet, Pair};
use super::event::{Event, KEYS, Values};
use super::system::System;

/// Gives a key back as its own hash.
#[derive(Default)]
pub struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| hash << 8 | u64::from(byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// A hasher of keys that are hashes.
pub type Hashed = BuildHasherDefault<AsIs>;

/// A map from a key to what is known of it.
pub trait Map<E>: Sync {
    /// A map with room for so many keys.
    fn with_room(keys: usize) -> Self;
    /// Lets the entry of a key take an event.
    fn take(&self, key: u64, event: &Event, values: &mut Values);
}

impl<E: Entry + Sync> Map<E> for DashMap<u64, E, Hashed> {
    fn with_room(keys: usize) -> Self {
        DashMap::with_capacity_and_hasher(keys, Hashed::default())
    }

    fn take(&self, key: u64, event: &Event, values: &mut Values) {
        self.entry(key).or_default().take(event, values);
    }
}

impl<E: Entry> Map<E> for HashMap<u64, Mutex<E>, Hashed> {
    fn with_room(keys: usize) -> Self {
        HashMap::with_capacity_and_hasher(keys, Hashed::default())
    }

    fn take(&self, key: u64, event: &Event, values: &mut Values) {
        let map = self.pin();
        let entry = map.get_or_insert_with(key, Mutex::default);
        entry.lock().unwrap_or_else(PoisonError::into_inner).take(event, values);
    }
}

/// A map a key.
pub struct Maps<A, D, I, P, Q> {
    accounts: A,
    devices: D,
    addresses: I,
    pairs: P,
    packets: Q,
}

/// dashmap, with counts of that form.
pub type Dash<C> = Maps<
    DashMap<u64, Account<C>, Hashed>,
    DashMap<u64, Device<C>, Hashed>,
    DashMap<u64, Address<C>, Hashed>,
    DashMap<u64, Pair<C>, Hashed>,
    DashMap<u64, Packet<C>, Hashed>,
>;

/// papaya, with counts of that form.
pub type Papaya<C> = Maps<
    HashMap<u64, Mutex<Account<C>>, Hashed>,
    HashMap<u64, Mutex<Device<C>>, Hashed>,
    HashMap<u64, Mutex<Address<C>>, Hashed>,
    HashMap<u64, Mutex<Pair<C>>, Hashed>,
    HashMap<u64, Mutex<Packet<C>>, Hashed>,
>;

macro_rules! keeper {
    ($maps:ident) => {
        impl<C: Count + Sync> $maps<C> {
            /// Maps with room for so many keys each.
            pub fn with_room(keys: usize) -> Self {
                Maps {
                    accounts: Map::with_room(keys),
                    devices: Map::with_room(keys),
                    addresses: Map::with_room(keys),
                    pairs: Map::with_room(keys),
                    packets: Map::with_room(keys.min(1 << 16)),
                }
            }
        }

        impl<C: Count + Sync> System for $maps<C> {
            fn take(&self, _: usize, events: &[Event], values: &mut [Values]) {
                for (event, values) in events.iter().zip(values) {
                    let [account, device, address, pair, packet]: [u64; KEYS] = event.keys;
                    self.accounts.take(account, event, values);
                    self.devices.take(device, event, values);
                    self.addresses.take(address, event, values);
                    if pair != 0 {
                        self.pairs.take(pair, event, values);
                    }
                    if packet != 0 {
                        self.packets.take(packet, event, values);
                    }
                }
            }
        }
    };
}

keeper!(Dash);
keeper!(Papaya);
