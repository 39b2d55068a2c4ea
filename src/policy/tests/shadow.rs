//! A rule, limit or breaker in shadow, one that is off, a rule whose sample leaves an account out, one that the check's tenant has in
//! shadow or off, and whatever was demoted change no answer, no window and no limit: one stream of events is decided with them and
//! without, through a reload that brings them and one that takes them away.

mod expressions;

use engine::feature::Scalar;
use engine::policy::{BreakerState, Mode, Origin};
use engine::{Decision, Now, Parts, Scratch, Sizes, Snapshot, Tables, decide, outcome};
use expressions::{NOW_MS, config, over_fields, truth};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use wire::{Challenge, Check, Kind, OutcomeKind, Value, Verdict};

const SHARED: &str = "
schema: { wide: { type: int }, ratio: { type: double }, gold: { type: bool } }
settings: { tenant: channel }
features:
  pays:   { count: pay, by: account, window: 10m }
  firm:   { count: pay, by: device, window: 1h, status: approved }
  people: { distinct: account, by: device, window: 1h }
  paid:   { sum: amount, on: pay, by: account, window: 1h }
limits:
  - { id: many, feature: firm, max: 7, reason: { code: L1, text: t } }
  - { id: much, feature: paid, max: 30.00, then: challenge, challenge: pin, reason: { code: L2, text: t } }
rules:
  - { id: fast, tier: review, when: pays >= 4, reason: { code: R1, text: t } }
  - { id: flood, tier: deny, when: pays > 100, reason: { code: R2, text: t } }
  - { id: crowd, tier: score, score: 0.5, when: people >= 2, reason: { code: R3, text: t } }
  - { id: spent, tier: score, score: 0.3, when: paid > 12.00, reason: { code: R4, text: t } }
bands: { challenge: 0.6, review: 0.9 }
";
/// Small enough for some accounts to be left out by every rule: each has a sample of its own.
const SAMPLE: &str = "sample: 2";
/// Most rules that must not matter.
const IDLE_MAX: usize = 24;
/// The tenant of every check.
const TENANT: &str = "north";
const FEATURES: [&str; 4] = ["pays", "firm", "people", "paid"];

/// Rules that must not matter, with windows of their own. Some ask more of a window than any other does; those that act for the
/// accounts that a sample takes, or for other tenants, do not, because a window is exact for all or for none.
fn idle_rules() -> impl Strategy<Value = String> {
    let beyond = (prop::sample::select(&["pays", "firm", "people", "own_count", "own_people"][..]), 1..65)
        .prop_map(|(feature, n)| format!("{feature} >= {n}"));
    let condition = prop_oneof![beyond, truth().prop_map(|when| over_fields(&when)), Just("true".to_owned())];
    let tier = prop::sample::select(
        &["guard", "deny", "allow", "review", "challenge, challenge: face", "score, score: 0.9"][..],
    );
    let modes = [
        "mode: shadow",
        "mode: off",
        SAMPLE,
        "mode: live # shadow",
        "mode: live # off",
        "mode: off # shadow",
    ];
    let mode = prop::sample::select(modes.to_vec());
    let refusing = prop::collection::vec(prop::sample::select(&["shadow", "off"][..]), 4);
    (prop::collection::vec((condition, tier, mode), 1..IDLE_MAX), refusing).prop_map(|(rules, modes)| {
        let mut text = "features:\n  own_count: { count: any, by: account, window: 10m, for: model }\n  \
                        own_people: { distinct: account, by: device, window: 1h, for: model }\nrules:\n"
            .to_owned();
        let mut tenants = String::new();
        for (at, (when, tier, mode)) in rules.into_iter().enumerate() {
            // What the compiler refuses because it fails for every event is of no use here.
            let own = ["pays", "firm", "people"].iter().all(|shared| !when.starts_with(shared));
            let acts = mode == SAMPLE || mode.starts_with("mode: live");
            let mode = if acts && !own { "mode: shadow" } else { mode };
            let rule = format!(
                "- id: idle{at}\n  tier: {}\n  {mode}\n  reason: {{ code: I{at}, text: t }}\n  when: >-\n    {when}\n",
                tier.replace(", ", "\n  ")
            );
            let file = format!("{text}{rule}");
            if policy::compile_sources(&[("a.yaml", SHARED), ("b.yaml", &file)]).bundle.is_some() {
                text = file;
                tenants.extend(mode.split_once("# ").map(|(_, of_tenant)| format!("idle{at}: {of_tenant}, ")));
            }
        }
        text += &format!("tenants: {{ {TENANT}: {{ rules: {{ {tenants} }} }} }}\n");
        let reason = "reason: { code: I, text: t }";
        text + &format!(
            "limits:\n  - {{ id: idle-sum, feature: paid, max: 9.00, mode: {}, {reason} }}\n  \
             - {{ id: idle-count, feature: firm, max: 2, mode: {}, {reason} }}\nbreakers:\n  \
             - {{ id: idle-own, by: account, when: amount > 5.00, open: 1m, half_open: 1m, trials: 1, mode: {}, {reason} }}\n  \
             - {{ id: idle-shared, by: device, when: pays > 2, open: 1m, half_open: 1m, trials: 1, mode: {}, {reason} }}\n",
            modes[0], modes[1], modes[2], modes[3]
        )
    })
}

/// An event, and what becomes of it.
#[derive(Clone, Debug)]
struct Event {
    account: usize,
    device: usize,
    kind: Kind,
    amount_minor: i64,
    later_ms: i64,
    /// Whether it begins a batch.
    begins: bool,
    outcome: Option<OutcomeKind>,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let kind = prop::sample::select(&[Kind::Pay, Kind::Pay, Kind::Pay, Kind::Claim, Kind::Login][..]);
    let outcomes =
        [OutcomeKind::Settled, OutcomeKind::Failed, OutcomeKind::Cancelled, OutcomeKind::ChallengePassed];
    let outcome = prop::option::of(prop::sample::select(outcomes.to_vec()));
    let event = (0..3_usize, 0..2_usize, kind, 1..500_i64, 0..90_000_i64, any::<bool>(), outcome);
    let event = event.prop_map(|(account, device, kind, amount_minor, later_ms, begins, outcome)| Event {
        account,
        device,
        kind,
        amount_minor,
        later_ms,
        begins,
        outcome,
    });
    prop::collection::vec(event, 20..150)
}

type Answer = (Verdict, Option<Challenge>, u64, u16, Vec<(String, String, Value, Value)>, Vec<Scalar>);

/// A daemon in small.
struct Site {
    tables: Tables,
    snapshot: Snapshot,
    scratch: Scratch,
}

impl Site {
    fn new(files: &[(&str, &str)]) -> Site {
        let sizes = Sizes {
            accounts: 512,
            devices: 512,
            velocity_keys: 512,
            busy_keys: 512,
            list_entries: 64,
            decisions: 512,
            seed: [1; 16],
        };
        let tables = Tables::new(&sizes).unwrap();
        let snapshot = build(files, &tables, None);
        Site { tables, snapshot, scratch: Scratch::new(0) }
    }

    fn reload(&mut self, files: &[(&str, &str)]) {
        self.snapshot = build(files, &self.tables, Some(&self.snapshot));
    }

    /// Answers to a batch, with the values of the shared windows.
    fn answers(&mut self, now_ms: i64, checks: &[Check<'_>]) -> Vec<Answer> {
        let (mut decisions, now) = (Vec::new(), Now { ms: now_ms, waited_us: 0 });
        decide(&self.snapshot, &self.tables, now, checks, &mut decisions, &mut self.scratch);
        decisions.iter().enumerate().map(|(lane, decision)| self.answer(lane, decision)).collect()
    }

    fn answer(&self, lane: usize, decision: &Decision) -> Answer {
        let reasons = self
            .snapshot
            .reasons(decision)
            .map(|reason| (reason.code.to_owned(), reason.rule.to_owned(), reason.value, reason.threshold));
        let features = &self.snapshot.policy().features;
        let values = FEATURES.map(|name| self.scratch.value(features.find(name).unwrap(), lane));
        let Decision { verdict, challenge, score, degraded, .. } = *decision;
        (verdict, challenge, score.to_bits(), degraded, reasons.collect(), values.to_vec())
    }
}

fn build(files: &[(&str, &str)], tables: &Tables, previous: Option<&Snapshot>) -> Snapshot {
    let compiled = policy::compile_sources(files);
    let policy =
        compiled.bundle.as_ref().unwrap_or_else(|| panic!("{}", compiled.render(false))).policy.clone();
    Snapshot::build(Parts { policy, ..Parts::default() }, tables, previous).unwrap()
}

/// Accounts that every such sample leaves out.
fn left_out() -> Vec<String> {
    let rule = |at: usize| {
        format!("- {{ id: idle{at}, tier: deny, {SAMPLE}, when: true, reason: {{ code: R, text: t }} }}\n")
    };
    let rules: String = (0..IDLE_MAX).map(rule).collect();
    let mut probe = Site::new(&[
        ("rules.yaml", &format!("rules:\n{rules}")),
        (
            "probe.yaml",
            "features: { pays: { count: pay, by: account, window: 1h, for: model }, firm: { count: pay, by: ip, window: 1h, for: model }, people: { count: pay, by: device, window: 1h, for: model }, paid: { count: pay, by: packet, window: 1h, for: model } }",
        ),
    ]);
    let names = (0..40).map(|at| format!("account-{at}"));
    let spared = |name: &String| {
        let check = Check::new(format!("probe-{name}"), Kind::Pay, name.clone());
        probe.answers(NOW_MS, &[check])[0].0 == Verdict::Allow
    };
    names.filter(spared).collect()
}

/// Decides the events on both sites, which must not differ; before each batch the second may be changed.
fn same(
    (without, with): (&mut Site, &mut Site),
    events: &[Event],
    idle: &str,
    mut change: impl FnMut(&mut Site, usize),
) -> Result<(), TestCaseError> {
    let accounts = left_out();
    prop_assert!(accounts.len() > 5 && accounts.len() < 35);
    let (mut now_ms, mut at) = (NOW_MS, 0);
    while at < events.len() {
        change(with, at);
        let len = 1 + events[at + 1..].iter().take(63).take_while(|event| !event.begins).count();
        let batch = &events[at..at + len];
        let check = |(i, event): (usize, &Event)| {
            let mut check = Check::new(format!("e{}", at + i), event.kind, accounts[event.account].clone());
            check.device.id = format!("device-{}", event.device).into();
            check.amount_minor = Some(event.amount_minor);
            check.channel = TENANT.into();
            check
        };
        let checks: Vec<Check<'_>> = batch.iter().enumerate().map(check).collect();
        now_ms += batch[0].later_ms;
        let (expected, found) = (without.answers(now_ms, &checks), with.answers(now_ms, &checks));
        for (lane, (expected, found)) in expected.iter().zip(&found).enumerate() {
            prop_assert_eq!(found, expected, "event {} with\n{}", at + lane, idle);
        }
        for (i, event) in batch.iter().enumerate() {
            if let Some(told) = event.outcome {
                let id = format!("e{}", at + i);
                let expected = outcome(&without.snapshot, &without.tables, now_ms, &id, told);
                let found = outcome(&with.snapshot, &with.tables, now_ms, &id, told);
                prop_assert_eq!(found, expected);
            }
        }
        at += len;
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn rules_that_do_not_act_change_no_answer_no_window_and_no_limit(
        idle in idle_rules(),
        events in events(),
        (brought, taken) in (0..150_usize, 0..150_usize),
    ) {
        let alone: &[(&str, &str)] = &[("a.yaml", SHARED)];
        let beside: &[(&str, &str)] = &[("a.yaml", SHARED), ("b.yaml", &idle)];
        let (mut without, mut with) = (Site::new(alone), Site::new(if brought < taken { alone } else { beside }));
        same((&mut without, &mut with), &events, &idle, |with, at| {
            let rules = with.snapshot.policy().rules.len();
            if at >= brought.min(taken) && rules == 4 && at < taken {
                with.reload(beside);
            }
            if at >= taken && rules > 4 {
                with.reload(alone);
            }
        })?;
    }

    #[test]
    fn what_was_demoted_changes_no_answer_no_window_and_no_limit(idle in idle_rules(), events in events()) {
        let modes = ["mode: shadow", "mode: off", "sample: 50", ": shadow", ": off"];
        let live = modes.iter().fold(idle, |text, mode| {
            text.replace(mode, if mode.starts_with(':') { ": live" } else { "mode: live" })
        });
        let files: &[(&str, &str)] = &[("a.yaml", SHARED), ("b.yaml", &live)];
        let (mut without, mut with) = (Site::new(files), Site::new(files));
        // In windows as exact as the files ask, the same with all of it off.
        let mut off = without.snapshot.policy().clone();
        let rules = (4..off.rules.len()).map(Origin::Rule);
        let limits = (2..off.limits.len()).map(Origin::Limit);
        let breakers = (0..off.breakers.len()).map(|at| Origin::Breaker(at, BreakerState::Opened));
        let demoted: Vec<Origin> = rules.chain(limits).chain(breakers).collect();
        let policy = off.clone();
        with.snapshot = with.snapshot.demoted(&policy, demoted);
        for rule in &mut off.rules[4..] {
            rule.mode = Mode::Off;
            rule.variants.iter_mut().for_each(|variant| variant.mode = Mode::Off);
        }
        off.limits[2..].iter_mut().for_each(|limit| limit.mode = Mode::Off);
        off.breakers.iter_mut().for_each(|breaker| breaker.mode = Mode::Off);
        without.snapshot =
            Snapshot::build(Parts { policy: off, ..Parts::default() }, &without.tables, None).unwrap();
        same((&mut without, &mut with), &events, &live, |_, _| ())?;
    }
}
