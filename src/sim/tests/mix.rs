//! The cheap mix: valid, repeatable, skewed as asked.

use std::collections::{HashMap, HashSet};

use sim::{Mix, MixConfig};
use wire::Kind;

#[test]
fn the_same_seed_gives_the_same_checks_and_reused_memory_changes_nothing() {
    let fresh: Vec<_> = Mix::new(MixConfig::default()).take(2000).collect();
    let mut mix = Mix::new(MixConfig::default());
    let mut check = Mix::blank();
    for expected in &fresh {
        mix.next_into(&mut check);
        assert_eq!(&check, expected);
    }
    let ids: HashSet<_> = fresh.iter().map(|check| &check.id).collect();
    assert_eq!(ids.len(), fresh.len());
}

#[test]
fn a_device_belongs_to_its_account_and_all_kinds_occur() {
    let mut device_of = HashMap::new();
    let mut kinds = HashSet::new();
    for check in Mix::new(MixConfig { accounts: 1000, ..MixConfig::default() }).take(20_000) {
        let device = device_of.entry(check.account.clone()).or_insert_with(|| check.device.id.clone());
        assert_eq!(device, &check.device.id);
        kinds.insert(check.kind);
        assert_eq!(check.packet.is_some(), matches!(check.kind, Kind::Mint | Kind::Scan | Kind::Claim));
    }
    assert_eq!(kinds.len(), Kind::ALL.len());
}

#[test]
fn a_hot_packet_takes_its_share_and_a_skewed_choice_has_favourites() {
    let share = |config: MixConfig| {
        let mut packets: HashMap<_, usize> = HashMap::new();
        let mut accounts: HashMap<_, usize> = HashMap::new();
        for check in Mix::new(config).take(20_000) {
            *accounts.entry(check.account).or_default() += 1;
            if let Some(packet) = check.packet {
                *packets.entry(packet).or_default() += 1;
            }
        }
        let most = |counts: Vec<usize>| counts.into_iter().max().unwrap_or(0) as f64 / 20_000.0;
        (most(packets.into_values().collect()), most(accounts.into_values().collect()))
    };
    let (hot, favourite) = share(MixConfig { hot_packet_share: 0.5, ..MixConfig::default() });
    assert!((0.45..0.55).contains(&hot), "{hot}");
    assert!(favourite > 0.03, "{favourite}");
    let (cold, uniform) = share(MixConfig { zipf: None, ..MixConfig::default() });
    assert!(cold < 0.01 && uniform < 0.01, "{cold} {uniform}");
}

#[test]
fn odd_settings_are_taken_at_their_bound() {
    let config = MixConfig {
        accounts: 0,
        hot_packet_share: 9.0,
        kinds: vec![(Kind::Pay, f64::NAN)],
        start_ms: None,
        ..MixConfig::default()
    };
    assert!(Mix::new(config).take(100).all(|check| check.kind == Kind::Claim && check.time_ms.is_none()));
}
