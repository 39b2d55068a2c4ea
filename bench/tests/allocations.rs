//! The engine takes nothing from the allocator once it is warm, whatever comes.

use bench::site::Site;
use bench::traffic::Stream;
use engine::policy::Origin;
use engine::record::Record;
use engine::{Challenger, Decision, Now, Parts, Scratch, Snapshot, decide};
use wire::{Check, Kind, Text, Verdict};

/// Allocations of deciding a block in batches of that size.
fn allocations(
    site: &Site,
    snapshot: &Snapshot,
    (checks, ms): (&[Check<'static>], i64),
    batch: usize,
    decisions: &mut Vec<Decision>,
    scratch: &mut Scratch,
) -> u64 {
    let now = Now { ms, waited_us: 0 };
    let decided = || {
        for group in checks.chunks(batch) {
            decide(snapshot, &site.tables, now, group, decisions, scratch);
        }
    };
    allocation_counter::measure(decided).count_total
}

/// Allocations over changed traffic after a warm-up, and what was decided. That the last records hold a shadow match is
/// checked where `shadow` says so.
fn decided_with(
    site: &Site,
    batch: usize,
    shadow: bool,
    mut change: impl FnMut(&mut Check<'static>),
) -> (u64, Vec<Decision>) {
    let mut stream: Stream = site.stream("t");
    let (mut decisions, mut scratch) = (Vec::new(), Scratch::new(0));
    let (mut count, mut all) = (0, Vec::new());
    for turn in 0..12 {
        let (block, ms) = stream.block();
        let mut checks = block.to_vec();
        checks.iter_mut().for_each(&mut change);
        let found = allocations(site, &site.whole, (&checks, ms), batch, &mut decisions, &mut scratch);
        // The first turns are the warm-up.
        if turn >= 4 {
            count += found;
        }
        all.append(&mut decisions.clone());
    }
    let shadowed = |bytes: &[u8]| {
        let record = Record::decode(bytes).expect("a record of the engine's own");
        record.hits.iter().any(|hit| hit.shadow)
    };
    assert!(!shadow || scratch.records().any(|(_, _, bytes)| shadowed(bytes)), "no shadow rule matched");
    (count, all)
}

fn decided(site: &Site, batch: usize, change: impl FnMut(&mut Check<'static>)) -> (u64, Vec<Decision>) {
    decided_with(site, batch, false, change)
}

#[test]
fn mixed_traffic_allocates_nothing() {
    for batch in [1, 64] {
        let site = Site::fill(2_000).expect("a site");
        let (count, _) = decided(&site, batch, |_| {});
        assert_eq!(count, 0, "in batches of {batch}");
    }
}

#[test]
fn tokens_of_every_kind_allocate_nothing() {
    let site = Site::fill(2_000).expect("a site");
    let mut turn = 0;
    let (count, decisions) = decided(&site, 64, |check| {
        turn += 1;
        match turn % 3 {
            0 => check.token = Text::Borrowed("no token at all"),
            1 => {
                let other = "3c0f9a52-6c5b-4f0e-9a3e-000000000001".parse().expect("a uuid");
                check.packet = check.packet.map(|_| other);
            }
            _ => {}
        }
    });
    assert_eq!(count, 0);
    assert!(decisions.iter().any(|decision| decision.verdict == Verdict::Deny));
}

#[test]
fn refusals_by_limits_and_lists_allocate_nothing() {
    let site = Site::fill(2_000).expect("a site");
    let (count, decisions) = decided(&site, 64, |check| {
        check.kind = Kind::Transfer;
        check.amount_minor = Some(400_000);
        check.kyc = Some(0);
        if check.account.ends_with('7') {
            // Stands on the lists.
            check.account = Text::Borrowed("listed-1");
            check.counterparty = Text::Borrowed("listed-2");
        }
    });
    assert_eq!(count, 0);
    let refused = |code: &str| {
        decisions
            .iter()
            .filter(|decision| site.whole.reasons(decision).any(|reason| reason.code == code))
            .count()
    };
    assert!(refused("L001") > 0 && refused("R001") > 0 && refused("R005") > 0);
}

#[test]
fn matches_of_shadow_rules_allocate_nothing() {
    let site = Site::fill(2_000).expect("a site");
    let (count, _) = decided_with(&site, 64, true, |check| {
        check.kind = Kind::Pay;
        check.currency = *b"USD";
        check.amount_minor = Some(50_000);
    });
    assert_eq!(count, 0);
}

#[test]
fn more_matches_than_anything_has_room_for_allocate_nothing() {
    let rule = |n: usize| {
        let tier = ["guard", "deny", "review", "score"][n / 15];
        let (score, mode) =
            (if tier == "score" { ", score: 0.1" } else { "" }, ["live", "shadow"][n % 5 / 4]);
        format!(
            "  - {{ id: r{n}, tier: {tier}{score}, mode: {mode}, when: true, reason: {{ code: R{n}, text: t }} }}\n"
        )
    };
    let text = format!("rules:\n{}", (0..60).map(rule).collect::<String>());
    let site = Site::fill(2_000).expect("a site");
    let compiled = policy::compile_sources(&[("many.yaml", &text)]);
    let policy = compiled.bundle.expect("the rules compile").policy;
    let snapshot =
        Snapshot::build(Parts { policy, ..Parts::default() }, &site.tables, None).expect("a snapshot");
    let (mut stream, mut decisions, mut scratch) = (site.stream("t"), Vec::new(), Scratch::new(0));
    for turn in 0..8 {
        let (checks, ms) = stream.block();
        let checks = checks.to_vec();
        let count = allocations(&site, &snapshot, (&checks, ms), 64, &mut decisions, &mut scratch);
        assert!(turn < 4 || count == 0, "{count} in turn {turn}");
    }
    let (_, _, bytes) = scratch.records().next().expect("records");
    let record = Record::decode(bytes).expect("a record of the engine's own");
    assert_eq!((record.hits.len(), record.unkept), (16, 44));
}

#[test]
fn breakers_in_every_state_allocate_nothing() {
    let text = "
breakers:
  - id: large
    by: account
    when: amount >= 50.00
    open: 1s
    half_open: 2s
    trials: 1
    reason: { code: L1, text: t }
";
    let site = Site::fill(2_000).expect("a site");
    let compiled = policy::compile_sources(&[("breaker.yaml", text)]);
    let policy = compiled.bundle.expect("the breaker compiles").policy;
    let parts = Parts { policy, ..Parts::default() };
    let snapshot = Snapshot::build(parts, &site.tables, None).expect("a snapshot");
    let mut stream = site.stream("t");
    let (mut decisions, mut scratch, mut states) = (Vec::new(), Scratch::new(0), [0_usize; 3]);
    for turn in 0..16 {
        let (checks, ms) = stream.block();
        let checks = checks.to_vec();
        let later_ms = ms + 600 * turn;
        let count = allocations(&site, &snapshot, (&checks, later_ms), 64, &mut decisions, &mut scratch);
        assert!(turn < 4 || count == 0, "{count} in turn {turn}");
        for hit in decisions.iter().flat_map(Decision::hits) {
            if let Origin::Breaker(_, state) = snapshot.policy().origin_of(snapshot.hit_index(hit)) {
                states[state as usize] += 1;
            }
        }
    }
    assert!(states.iter().all(|&count| count > 0), "{states:?}");
}

#[test]
fn several_models_allocate_nothing() {
    let site = Site::fill(2_000).expect("a site");
    let parts = Parts {
        policy: site.whole.policy().clone(),
        forest: Some(site.forest().clone()),
        anomaly: Some(site.forest().clone()),
        // One that is asked about all lanes where they lie, and one about a few of them side by side.
        challengers: [100, 10]
            .map(|share_percent| Challenger { forest: site.forest().clone(), share_percent })
            .to_vec(),
        ..Parts::default()
    };
    let snapshot = Snapshot::build(parts, &site.tables, Some(&site.whole)).expect("a snapshot");
    for (batch, letter) in [(1, "s"), (64, "t")] {
        let mut stream = site.stream(letter);
        let (mut decisions, mut scratch, mut challenged) = (Vec::new(), Scratch::new(0), [0_usize; 3]);
        for turn in 0..12 {
            let (checks, ms) = stream.block();
            let checks = checks.to_vec();
            let count = allocations(&site, &snapshot, (&checks, ms), batch, &mut decisions, &mut scratch);
            assert!(turn < 4 || count == 0, "{count} in turn {turn}, in batches of {batch}");
            for (_, _, bytes) in scratch.records() {
                let record = Record::decode(bytes).expect("a record of the engine's own");
                challenged[record.challengers.len()] += 1;
            }
        }
        let [none, one, both] = challenged;
        assert!(none == 0 && one + both >= 12 && (batch == 1 || (one > 0 && both > 0)), "{challenged:?}");
    }
}

#[test]
fn repetitions_allocate_nothing() {
    let site = Site::fill(2_000).expect("a site");
    let mut turn = 0;
    let (count, decisions) = decided(&site, 64, |check| {
        turn += 1;
        // Every fourth id comes again and again, within a batch as well.
        if turn % 4 == 0 {
            check.id = Text::Owned(format!("again-{}", turn % 7));
        }
    });
    assert_eq!(count, 0);
    assert!(decisions.iter().filter(|decision| decision.replayed).count() > 100);
}
