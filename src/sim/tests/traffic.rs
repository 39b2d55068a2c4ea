//! What the simulated stream promises to those who measure with it.

use std::collections::{HashMap, HashSet};

use sim::{Attack, Config, Craft, Event, Label, Traffic};
use wire::{Kind, limits};

fn events(config: Config, n: usize) -> Vec<Event> {
    Traffic::new(config).take(n).collect()
}

#[test]
fn the_same_seed_gives_the_same_events_and_another_seed_others() {
    let first = events(Config::default(), 5000);
    assert_eq!(first, events(Config::default(), 5000));
    assert_ne!(first, events(Config { seed: 2, ..Config::default() }, 5000));
}

#[test]
fn events_come_in_the_order_of_time_at_the_configured_rate() {
    let events = events(Config { festival_day: None, ..Config::default() }, 100_000);
    assert!(events.is_sorted_by_key(|event| event.check.time_ms));
    let times: Vec<i64> = events.iter().filter_map(|event| event.check.time_ms).collect();
    let seconds = (times[times.len() - 1] - times[0]) as f64 / 1000.0;
    let rate = events.len() as f64 / seconds;
    // The stream starts at ten in the morning, so that its first nine hours are busier than the mean.
    assert!((2.0..6.0).contains(&rate), "{rate} events a second");
}

#[test]
fn a_stream_ends_after_its_days() {
    let config = Config { accounts: 96, events_per_second: 0.05, days: 2, ..Config::default() };
    let end_ms = config.start_ms + 2 * 86_400_000;
    let events: Vec<Event> = Traffic::new(config).collect();
    assert!(events.len() > 3000);
    assert!(events.iter().all(|event| event.check.time_ms.is_some_and(|at_ms| at_ms < end_ms)));
}

#[test]
fn every_attack_and_every_craft_occurs_in_plausible_shares() {
    let events = events(Config::default(), 100_000);
    let mut by_attack: HashMap<Attack, usize> = HashMap::new();
    let mut crafts = HashSet::new();
    for event in &events {
        if let Label::Attack(attack) = event.label {
            *by_attack.entry(attack).or_default() += 1;
            crafts.insert(event.craft);
        } else {
            assert_eq!(event.craft, None);
        }
    }
    let total: usize = by_attack.values().sum();
    assert!((1000..3200).contains(&total), "2 % of 100,000 are attacks: {total}");
    for attack in Attack::ALL {
        let share = by_attack.get(attack).copied().unwrap_or(0) as f64 / total as f64;
        assert!((0.008..0.30).contains(&share), "{} has {share:.3} of the attacks", attack.name());
    }
    assert_eq!(crafts.len(), Craft::ALL.len());
}

#[test]
fn every_check_stands_within_the_bounds_of_the_wire() {
    for event in events(Config { seed: 3, ..Config::default() }, 50_000) {
        let check = &event.check;
        for text in [
            &check.id,
            &check.account,
            &check.counterparty,
            &check.device.id,
            &check.channel,
            &check.campaign,
        ] {
            assert!(text.len() <= limits::IDENTIFIER_BYTES_MAX);
        }
        assert!(!check.id.is_empty() && !check.account.is_empty() && !check.device.id.is_empty());
        assert!(check.text.len() <= limits::TEXT_BYTES_MAX && check.qr.len() <= limits::QR_BYTES_MAX);
        assert!(check.token.len() <= limits::TOKEN_BYTES_MAX);
        assert!(check.amount_minor.is_none_or(|minor| (1..=limits::AMOUNT_MINOR_MAX).contains(&minor)));
        assert!(check.geo.is_none_or(|geo| geo.lat.abs() <= 90.0 && geo.lon.abs() <= 180.0));
        assert!(check.kyc.is_none_or(|tier| tier <= 3) && check.factors.is_none_or(|factors| factors <= 3));
        assert_eq!(
            event.outcome.is_some(),
            matches!(check.kind, Kind::Claim | Kind::Pay | Kind::Transfer | Kind::Withdraw)
        );
    }
}

#[test]
fn every_check_survives_json_and_the_binary_frame() {
    let events = events(Config { seed: 4, fraud_share: 0.2, ..Config::default() }, 5_000);
    for event in &events {
        let mut json = Vec::new();
        wire::json::write_check(&event.check, &mut json);
        assert_eq!(wire::json::decode_check(&json).as_ref(), Ok(&event.check));
    }
    let mut frame = Vec::new();
    let mut writer = wire::frame::ChecksWriter::new(7, &mut frame);
    for event in &events[..64] {
        writer.push(&event.check).expect("a simulated check fits a frame");
    }
    let split = wire::frame::split(&frame).expect("a whole header").expect("a whole frame");
    let decoded = wire::frame::decode_checks(&split.header, split.body).expect("a frame of checks");
    for (event, check) in events.iter().zip(decoded) {
        assert_eq!(check.as_ref(), Ok(&event.check));
    }
}

#[test]
fn ids_are_never_repeated() {
    let events = events(Config::default(), 50_000);
    let ids: HashSet<&str> = events.iter().map(|event| &*event.check.id).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn honest_claims_follow_their_mint_and_carry_its_token() {
    let traffic = Traffic::new(Config { fraud_share: 0.0, ..Config::default() }).with_tokens(
        |request: &sim::TokenRequest<'_>| format!("sealed-{}-{}", request.packet, request.amount_minor),
    );
    let mut minted = HashMap::new();
    let (mut claims, mut known) = (0, 0);
    for event in traffic.take(50_000) {
        let check = event.check;
        match (check.kind, check.packet) {
            (Kind::Mint, Some(packet)) => {
                assert!(check.token.is_empty(), "a token exists only after the mint");
                minted.insert(packet, check.account.clone());
            }
            (Kind::Claim, Some(packet)) => {
                claims += 1;
                assert!(check.token.starts_with(&format!("sealed-{packet}")));
                if let Some(issuer) = minted.get(&packet) {
                    known += 1;
                    assert_eq!(&check.counterparty, issuer);
                }
            }
            _ => {}
        }
    }
    assert!(claims > 5000);
    assert!(known * 10 > claims * 9, "{known} of {claims} claims follow a mint in the stream");
}

#[test]
fn forged_tokens_are_never_the_sealed_ones() {
    let traffic = Traffic::new(Config { fraud_share: 0.3, ..Config::default() })
        .with_tokens(|request: &sim::TokenRequest<'_>| format!("{}.{}", request.packet, request.expires_ms));
    let mut seen = 0;
    for event in traffic.take(60_000).filter(|event| event.label == Label::Attack(Attack::TokenForgery)) {
        seen += 1;
        let Some(packet) = event.check.packet else { panic!("a forgery names a packet") };
        let expires_ms =
            event.check.token.strip_prefix(&format!("{packet}.")).and_then(|rest| rest.parse().ok());
        let valid = expires_ms.is_some_and(|expires_ms: i64| Some(expires_ms) > event.check.time_ms);
        // A bent character may fall into the time of expiry; the seal of a real token covers that too.
        assert!(!valid || event.craft == Some(Craft::Crude) || event.craft == Some(Craft::Careful));
    }
    assert!(seen > 200);
}

#[test]
fn honest_customers_are_people() {
    let config = Config { fraud_share: 0.0, days: 1, festival_day: None, ..Config::default() };
    let events: Vec<Event> = Traffic::new(config).collect();
    let mut devices: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut per_account: HashMap<&str, usize> = HashMap::new();
    let mut per_address: HashMap<_, HashSet<&str>> = HashMap::new();
    let mut kinds: HashMap<Kind, usize> = HashMap::new();
    let mut by_hour = [0; 24];
    for event in &events {
        let check = &event.check;
        let account = &*check.account;
        devices.entry(account).or_default().insert(&check.device.id);
        *per_account.entry(account).or_default() += 1;
        per_address.entry(check.ip).or_default().insert(account);
        *kinds.entry(check.kind).or_default() += 1;
        by_hour[check.time_ms.map_or(0, |at_ms| (at_ms / 3_600_000 + 8) % 24) as usize] += 1;
    }
    let share = |kind| kinds.get(&kind).copied().unwrap_or(0) as f64 / events.len() as f64;
    assert!((0.15..0.45).contains(&share(Kind::Pay)), "{kinds:?}");
    assert!((0.10..0.40).contains(&share(Kind::Claim)), "{kinds:?}");
    assert!((0.01..0.10).contains(&share(Kind::Mint)), "{kinds:?}");
    assert!((0.03..0.25).contains(&share(Kind::Transfer)), "{kinds:?}");
    assert!(share(Kind::Withdraw) > 0.005 && share(Kind::Login) > 0.02 && share(Kind::Bind) > 0.001);

    let single = devices.values().filter(|devices| devices.len() == 1).count();
    assert!(single * 10 > devices.len() * 8, "most people use one handset a day");
    assert!(devices.values().any(|devices| devices.len() > 1), "but not all");
    let busiest = per_account.values().max().copied().unwrap_or(0);
    let median = {
        let mut counts: Vec<usize> = per_account.values().copied().collect();
        counts.sort_unstable();
        counts[counts.len() / 2]
    };
    assert!(
        (100..600).contains(&busiest) && median < 12,
        "activity is skewed, but human: {median}, {busiest}"
    );
    assert!(
        per_address.values().any(|accounts| accounts.len() > 50),
        "carriers put crowds behind one address"
    );
    assert!(by_hour[3] * 6 < by_hour[19], "nights are quiet: {by_hour:?}");
    assert!(events.iter().all(|event| event.label == Label::Honest && event.report.is_none()));
}

#[test]
fn the_largest_population_setting_is_taken_at_its_bound_not_refused() {
    let config = Config { accounts: 0, fraud_share: 7.0, events_per_second: f64::NAN, ..Config::default() };
    assert_eq!(Traffic::new(config).take(100).count(), 100);
}
