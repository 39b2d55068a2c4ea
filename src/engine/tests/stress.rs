//! Sixty-four threads on the same few limits at once: sixty decide, four tell outcomes, and the log they leave is held against
//! every limit in every sliding window. Meanwhile one reloads, a breaker opens and closes, values are told apart, and another
//! table forgets more keys than it holds: none of it touches a limit.
//!
//! Threads read one virtual clock before a decision and after it. The engine dates a reservation somewhere between the two, so
//! a window counts only what lies in it whole: what is found then is certain.
#![expect(clippy::disallowed_types, reason = "a test's own log; the engine takes no lock")]

#[expect(dead_code, reason = "the site has more than this test needs")]
mod site;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use engine::feature::{Builtin, FeatureId, Scalar};
use engine::policy::{Aggregate, Breaker, Mode, Status};
use engine::program::Kinds;
use engine::table::Terms;
use engine::{Now, OutcomeEffect, Scratch, Sizes, Snapshot, Tables, decide, outcome};
use site::{Draft, START_MS, snapshot, words};
use wire::{Check, Degraded, Kind, OutcomeKind, Verdict};

const DECIDING: usize = 60;
const TELLING: usize = 4;
/// Checks of each deciding thread.
const CHECKS: usize = 800;
/// Keys of each sort: few, so that threads meet.
const KEYS: u64 = 5;
/// Largest amount of a claim.
const AMOUNT_MAX: i64 = 150;
/// A deciding thread moves the clock once in so many checks: some windows' worth of time in all.
const CHECKS_A_MS: u64 = 3;
const HOUR_MS: i64 = 3_600_000;
/// Addresses that come; their table has room for few of them.
const ADDRESSES: u64 = 60_000;
/// Reloads, each with a window of another length beside those of the limits.
const RELOADS: i64 = 40;

/// A limit: its key, what it adds up, its window and maximum.
#[derive(Clone, Copy)]
struct Bound {
    name: &'static str,
    key: Builtin,
    sums: bool,
    window_ms: i64,
    exact: u16,
    max: i64,
}

/// Exact permits and a sum over short windows, which let go all the time; both over an hour, which fill up.
const BOUNDS: [Bound; 4] = [
    Bound { name: "packet_1s", key: Builtin::Packet, sums: false, window_ms: 1_000, exact: 11, max: 10 },
    Bound { name: "account_1s", key: Builtin::Account, sums: true, window_ms: 1_300, exact: 0, max: 900 },
    Bound { name: "packet_1h", key: Builtin::Packet, sums: false, window_ms: HOUR_MS, exact: 0, max: 40 },
    Bound { name: "account_1h", key: Builtin::Account, sums: true, window_ms: HOUR_MS, exact: 0, max: 3_000 },
];

/// An approval, with the order and the clock before its decision and after it.
#[derive(Clone)]
struct Approval {
    id: String,
    account: u64,
    packet: u64,
    amount: i64,
    order: [u64; 2],
    clock_ms: [i64; 2],
    /// When giving it back began.
    given_back: Option<u64>,
}

impl Approval {
    fn key(&self, key: Builtin) -> u64 {
        if key == Builtin::Packet { self.packet } else { self.account }
    }

    fn weight(&self, bound: &Bound) -> i64 {
        if bound.sums { self.amount } else { 1 }
    }
}

/// The limits, and what goes on beside them: a window of that length, accounts told apart by packet, a count by address, and
/// a breaker that the largest amounts open. Given with the features of the limits, and of the accounts told apart.
fn draft(other_ms: i64) -> (Draft, Vec<FeatureId>, FeatureId) {
    let mut draft = Draft::new(&other_ms.to_string());
    let features = BOUNDS.iter().map(|bound| {
        let aggregate = if bound.sums { Aggregate::Sum(Builtin::Amount.id()) } else { Aggregate::Count };
        let feature =
            draft.window(bound.name, aggregate, Kind::Claim, bound.key, Status::Approved, bound.exact);
        draft.policy.windows.last_mut().expect("just added").window_ms = bound.window_ms;
        draft.limit(bound.max);
        feature
    });
    let features = features.collect();
    let mut beside = |name: &str, aggregate, key, window_ms, exact| {
        let feature = draft.window(name, aggregate, Kind::Claim, key, Status::Attempt, exact);
        draft.policy.windows.last_mut().expect("just added").window_ms = window_ms;
        feature
    };
    beside("other", Aggregate::Count, Builtin::Account, other_ms, 11);
    beside("by_address", Aggregate::Count, Builtin::Ip, HOUR_MS, 3);
    let accounts = Aggregate::Distinct(Builtin::Account.id());
    let told_apart = beside("accounts", accounts, Builtin::Packet, HOUR_MS, 8);
    let (when, witness) = draft.at_least(Builtin::Amount.id(), AMOUNT_MAX);
    draft.policy.breakers.push(Breaker {
        key: vec![Builtin::Packet.id()],
        kinds: Kinds::of(&[Kind::Claim]),
        when,
        on_error: Default::default(),
        terms: Terms { open_ms: 1_000, half_open_ms: 1_000, trials: 3 },
        verdict: Verdict::Deny,
        challenge: None,
        mode: Mode::Live,
        reason: words("B1", "large"),
        witness,
    });
    (draft, features, told_apart)
}

struct Site {
    tables: Tables,
    snapshot: RwLock<Arc<Snapshot>>,
    features: Vec<FeatureId>,
    told_apart: FeatureId,
    /// Accounts that each packet has seen, a bit each.
    seen: [AtomicU64; KEYS as usize],
    clock_ms: AtomicI64,
    order: AtomicU64,
    /// Approvals whose outcome is still to be told.
    open: Mutex<VecDeque<Approval>>,
    log: Mutex<Vec<Approval>>,
    deciding: AtomicU64,
    /// How often the breaker opened.
    tripped: AtomicU64,
    /// How many checks found no room for their address.
    unplaced: AtomicU64,
}

impl Site {
    fn new() -> Site {
        let sizes = Sizes {
            accounts: 100,
            devices: 100,
            velocity_keys: 100,
            busy_keys: 100,
            list_entries: 1,
            // Twice the ids: none is forgotten.
            decisions: 2 * DECIDING * CHECKS,
            seed: [5; 16],
        };
        let tables = Tables::new(&sizes).expect("some megabytes");
        let (draft, features, told_apart) = draft(HOUR_MS);
        Site {
            snapshot: RwLock::new(Arc::new(snapshot(draft, &tables, None))),
            tables,
            features,
            told_apart,
            seen: Default::default(),
            clock_ms: AtomicI64::new(START_MS),
            order: AtomicU64::new(0),
            open: Mutex::default(),
            log: Mutex::default(),
            deciding: AtomicU64::new(DECIDING as u64),
            tripped: AtomicU64::new(0),
            unplaced: AtomicU64::new(0),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reloads as long as others decide, spread over their checks.
    fn reload_all(&self) {
        for n in 1..=RELOADS {
            let all = (2 * DECIDING * CHECKS) as u64;
            while self.order.load(SeqCst) < n as u64 * all / (RELOADS as u64 + 2) {
                std::thread::yield_now();
            }
            let (draft, ..) = draft(HOUR_MS - n);
            let next = snapshot(draft, &self.tables, Some(&*self.snapshot()));
            assert_eq!((next.narrowed().count(), next.begun_anew().count()), (0, 0));
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        }
    }

    fn decide_all(&self, worker: usize) {
        let (mut scratch, mut decisions) = (Scratch::new(worker), Vec::new());
        let mut random = worker as u64 + 1;
        for n in 0..CHECKS {
            // Marsaglia's xorshift (2003).
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if random.is_multiple_of(CHECKS_A_MS) {
                self.clock_ms.fetch_add(1, SeqCst);
            }
            let (account, packet, amount) = (
                (random >> 8) % KEYS,
                (random >> 16) % KEYS,
                1 + ((random >> 24) % AMOUNT_MAX as u64) as i64,
            );
            let id = format!("{worker}-{n}");
            let mut check = Check::new(id.as_str(), Kind::Claim, format!("u{account}"));
            check.packet = Some(uuid::Uuid::from_u128(u128::from(packet) + 1));
            check.amount_minor = Some(amount);
            check.ip = Some(std::net::Ipv4Addr::from((random >> 32) as u32 % ADDRESSES as u32).into());
            self.seen[packet as usize].fetch_or(1 << account, SeqCst);
            let snapshot = self.snapshot();
            let before = (self.order.fetch_add(1, SeqCst), self.clock_ms.load(SeqCst));
            let now = Now { ms: before.1, waited_us: 0 };
            decide(&snapshot, &self.tables, now, &[check], &mut decisions, &mut scratch);
            let after = (self.clock_ms.load(SeqCst), self.order.fetch_add(1, SeqCst));
            let accounts = scratch.value(self.told_apart, 0);
            assert!((1..=KEYS as i64).any(|n| accounts == Scalar::Int(n)), "{accounts:?} accounts");
            let opened =
                snapshot.reasons(&decisions[0]).any(|reason| reason.text.starts_with("breaker opens"));
            self.tripped.fetch_add(u64::from(opened), SeqCst);
            let unplaced = decisions[0].degraded & Degraded::Velocity.bit() != 0;
            self.unplaced.fetch_add(u64::from(unplaced), SeqCst);
            if decisions[0].verdict == Verdict::Allow {
                let (order, clock_ms) = ([before.0, after.1], [before.1, after.0]);
                let approval = Approval { id, account, packet, amount, order, clock_ms, given_back: None };
                if random >> 40 & 1 == 0 {
                    self.open.lock().unwrap_or_else(PoisonError::into_inner).push_back(approval);
                } else {
                    self.log.lock().unwrap_or_else(PoisonError::into_inner).push(approval);
                }
            }
        }
        self.deciding.fetch_sub(1, SeqCst);
    }

    fn tell_all(&self, teller: usize) {
        loop {
            let last = self.deciding.load(SeqCst) == 0;
            let Some(mut approval) = self.open.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
            else {
                if last {
                    return;
                }
                std::thread::yield_now();
                continue;
            };
            let kind = if teller.is_multiple_of(2) { OutcomeKind::Failed } else { OutcomeKind::Cancelled };
            approval.given_back = Some(self.order.fetch_add(1, SeqCst));
            let now_ms = self.clock_ms.load(SeqCst);
            let effect = outcome(&self.snapshot(), &self.tables, now_ms, &approval.id, kind);
            assert_eq!(effect, OutcomeEffect::GivenBack, "{}", approval.id);
            self.log.lock().unwrap_or_else(PoisonError::into_inner).push(approval);
        }
    }
}

/// What stands in a window for certain never passes the maximum, wherever the window ends.
fn check_windows(bound: &Bound, log: &[Approval]) {
    for end in log {
        let (key, end_ms) = (end.key(bound.key), end.clock_ms[1]);
        let inside = log.iter().filter(|other| {
            other.key(bound.key) == key
                && other.given_back.is_none()
                && other.clock_ms[0] > end_ms - bound.window_ms
                && other.clock_ms[1] <= end_ms
        });
        let total: i64 = inside.map(|other| other.weight(bound)).sum();
        assert!(total <= bound.max, "{}: {total} of {} within the window to {end_ms}", bound.name, bound.max);
    }
}

/// Nor does what stood during the whole of a later decision, though it was given back afterwards.
fn check_moments(bound: &Bound, log: &[Approval]) {
    for own in log {
        let stood = log.iter().filter(|other| {
            other.key(bound.key) == own.key(bound.key)
                && other.order[1] < own.order[0]
                && other.given_back.is_none_or(|given_back| given_back > own.order[1])
                && other.clock_ms[0] > own.clock_ms[1] - bound.window_ms
        });
        let total: i64 = own.weight(bound) + stood.map(|other| other.weight(bound)).sum::<i64>();
        assert!(total <= bound.max, "{}: {total} of {} when {} was let pass", bound.name, bound.max, own.id);
    }
}

#[test]
fn sixty_four_threads_never_pass_two_limits_at_once_by_a_unit() {
    let site = Site::new();
    std::thread::scope(|scope| {
        for worker in 0..DECIDING {
            let site = &site;
            scope.spawn(move || site.decide_all(worker));
        }
        for teller in 0..TELLING {
            let site = &site;
            scope.spawn(move || site.tell_all(teller));
        }
        scope.spawn(|| site.reload_all());
    });
    let log = site.log.lock().expect("no thread panicked").clone();
    for bound in &BOUNDS {
        check_windows(bound, &log);
        check_moments(bound, &log);
    }

    // All came in within the hour: what its windows hold is what was approved and not given back, to the unit. So a check that
    // one limit refused has left nothing in the other's window.
    let mut standing: HashMap<(usize, u64), i64> = HashMap::new();
    for approval in log.iter().filter(|approval| approval.given_back.is_none()) {
        for (at, bound) in BOUNDS.iter().enumerate() {
            *standing.entry((at, approval.key(bound.key))).or_default() += approval.weight(bound);
        }
    }
    let mut scratch = Scratch::new(0);
    for key in 0..KEYS {
        // A login is not of the limits' kind: it reads them.
        let mut check = Check::new(format!("look-{key}"), Kind::Login, format!("u{key}"));
        check.packet = Some(uuid::Uuid::from_u128(u128::from(key) + 1));
        let now = Now { ms: site.clock_ms.load(SeqCst), waited_us: 0 };
        decide(&site.snapshot(), &site.tables, now, &[check], &mut Vec::new(), &mut scratch);
        let seen = site.seen[key as usize].load(SeqCst).count_ones();
        assert_eq!(
            scratch.value(site.told_apart, 0),
            Scalar::Int(i64::from(seen)),
            "accounts of packet {key}"
        );
        for (at, bound) in BOUNDS.iter().enumerate().filter(|(_, bound)| bound.window_ms == HOUR_MS) {
            let expected = standing.get(&(at, key)).copied().unwrap_or(0);
            let (Scalar::Int(found) | Scalar::Money(found)) = scratch.value(site.features[at], 0) else {
                panic!("{} is a number", bound.name);
            };
            assert_eq!(found, expected, "{} of key {key}", bound.name);
        }
    }
    assert!(log.len() < DECIDING * CHECKS / 10, "the limits refused most of what came");
    let given_back = log.iter().filter(|approval| approval.given_back.is_some()).count();
    let passed_ms = site.clock_ms.load(SeqCst) - START_MS;
    assert!(passed_ms > 3 * BOUNDS[1].window_ms && given_back > 50);
    let evicted = site
        .tables
        .fill(site.clock_ms.load(SeqCst))
        .iter()
        .find(|row| row.name == "velocity")
        .map_or(0, |row| row.evictions);
    // While a thread is stopped in the midst of a check, what it may hold is kept, and an address finds no room instead.
    let unplaced = site.unplaced.load(SeqCst);
    assert!(evicted + unplaced > 1_000, "{evicted} addresses were evicted, {unplaced} found no room");
    assert!(site.tripped.load(SeqCst) > 10, "the breaker opened and let pass again");
}
