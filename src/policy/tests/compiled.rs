//! What declarations become: defaults, exactness, limits, lists' rules, bands.

use engine::feature::{Builtin, FeatureId, Scalar, Type};
use engine::policy::{Aggregate, Matching, Policy, Status, Tier, Window};
use policy::Code;
use wire::{Challenge, Verdict};

fn compile(text: &str) -> Policy {
    let compiled = policy::compile_sources(&[("p.yaml", text)]);
    // Examples declare more than they read, and say the same twice.
    let sound = compiled.diagnostics.iter().all(|fault| matches!(fault.code, Code::Unused | Code::Overlap));
    assert!(sound, "{}", compiled.render(false));
    compiled.bundle.unwrap().policy
}

fn window<'p>(policy: &'p Policy, name: &str) -> &'p Window {
    policy.windows.iter().find(|window| policy.features.row(window.feature).name == name).unwrap()
}

#[test]
fn a_window_is_as_exact_as_its_comparisons_ask() {
    let policy = compile(
        "
features:
  asked:    { count: claim, by: device, window: 10m }
  far:      { count: claim, by: device, window: 1h }
  both:     { count: pay, by: account, window: 1h, status: approved }
  people:   { distinct: account, by: device, window: 1d }
  crowd:    { distinct: account, by: ip, window: 1d }
  declared: { count: pay, by: ip, window: 1h, exact: 9 }
limits:
  - { id: many, feature: both, max: 500, reason: { code: L1, text: t } }
rules:
  - { id: a, tier: deny, when: asked >= 4 || asked > 7.5 || 500 < far, reason: { code: R1, text: t } }
  - { id: b, tier: deny, when: both > 12 || people >= 5 || crowd >= 40 || declared > 2, reason: { code: R2, text: t } }
",
    );
    let exact: Vec<u16> = policy.windows.iter().map(|window| window.exact).collect();
    assert_eq!(exact, [8, 0, 13, 16, 41, 10]);
}

#[test]
fn a_rule_that_does_not_act_asks_nothing_of_a_window_that_others_read() {
    let text = "
features:
  shared:  { count: claim, by: device, window: 10m }
  watched: { count: claim, by: device, window: 1h }
rules:
  - { id: a, tier: deny, when: shared >= 4, reason: { code: R1, text: t } }
  - { id: b, tier: deny, mode: shadow, when: shared >= 30 && watched >= 20, reason: { code: R2, text: t } }
";
    let compiled = policy::compile_sources(&[("p.yaml", text)]);
    let exact = |text: &str| -> Vec<u16> {
        let policy = policy::compile_sources(&[("p.yaml", text)]).bundle.unwrap().policy;
        policy.windows.iter().map(|window| window.exact).collect()
    };
    assert_eq!(exact(text), [5, 21]);
    let said: Vec<_> = compiled.diagnostics.iter().map(|fault| (&*fault.message, &*fault.label)).collect();
    assert_eq!(
        said,
        [(
            "`shared` is compared with 30 by no rule that acts, and is not exact there",
            "`exact: 30` would make it so"
        )]
    );
    assert_eq!(exact(&text.replace("window: 10m", "window: 10m, exact: 30")), [31, 21]);
    assert_eq!(exact(&text.replace("shadow", "live")), [31, 21]);
}

#[test]
fn a_comparison_with_a_computed_count_asks_what_the_count_itself_would() {
    let exact_below = |when: &str, exact: &str| {
        let text = format!(
            "
features: {{ many: {{ count: claim, by: device, window: 10m{exact} }} }}
rules: [ {{ id: a, tier: deny, when: '{when}', reason: {{ code: R1, text: t }} }} ]
"
        );
        let compiled = policy::compile_sources(&[("p.yaml", &text)]);
        let warned = compiled.diagnostics.iter().any(|fault| fault.message.contains("by way of arithmetic"));
        let bundle = compiled.bundle.unwrap_or_else(|| panic!("{when}: {:?}", compiled.diagnostics));
        (bundle.policy.windows[0].exact, warned)
    };
    // A count below this is exact: one more than what it is compared with.
    for (when, below) in [
        ("many >= 5", 6),
        ("many - 1 >= 4", 6),
        ("4 <= many - 1", 6),
        ("many * 2 >= 10", 6),
        ("many + many >= 10", 6),
        ("10 - many <= 5", 6),
        ("-many <= -5", 6),
        ("3 * (many - 2) + 1 == 10", 6),
        ("double(many) >= 5.0", 6),
        ("double(many) / 2.0 > 2.4", 6),
        ("0.5 * double(many) >= 2.5", 6),
        // Division of whole numbers: five and seven halves are two and three.
        ("many / 2 >= 2", 7),
        ("int(double(many) * 0.5) >= 2", 7),
        ("many > 64", 65),
        ("many >= 65", 65),
        ("many < 65", 65),
        ("65 <= many", 65),
        ("many - 1 >= 64", 65),
        ("double(many) >= 65.0", 65),
        ("many >= 66", 0),
        ("many - 10 >= 60", 0),
    ] {
        assert_eq!(exact_below(when, ""), (below, false), "{when}");
    }
    for when in ["many % 3 == 0", "many * many >= 25", "(device_new ? many : 0) >= 5", "100 / many < 20"] {
        assert_eq!(exact_below(when, ""), (0, true), "{when}");
        assert_eq!(exact_below(when, ", exact: 30"), (31, false), "{when}");
    }
}

#[test]
fn what_a_warning_of_exactness_advises_ends_it() {
    let text = |measure: &str, exact: &str, n: u8| {
        format!(
            "
features: {{ many: {{ {measure}, by: device, window: 10m{exact} }} }}
rules:
  - {{ id: a, tier: deny, when: many > 1, reason: {{ code: R1, text: t }} }}
  - {{ id: b, tier: deny, mode: shadow, when: many > {n}, reason: {{ code: R2, text: t }} }}
"
        )
    };
    let told = |text: &str| policy::compile_sources(&[("p.yaml", text)]).diagnostics;
    for (measure, n) in
        [("count: claim", 64), ("count: claim", 2), ("distinct: account", 64), ("distinct: account", 30)]
    {
        let first = told(&text(measure, "", n));
        assert_eq!(first.len(), 1, "{measure} {n}: {first:?}");
        let advised = first[0].label.split('`').nth(1).unwrap();
        let then = told(&text(measure, &format!(", {advised}"), n));
        assert!(then.is_empty(), "{advised}: {then:?}");
    }
    assert!(told(&text("distinct: account", "", 10)).is_empty(), "sixteen are exact by themselves");
    assert!(told(&text("last: claim", "", 10)).is_empty(), "this one always is");
    let beyond = text("distinct: account", ", exact: 3", 1).replace("many > 1,", "many > 64,");
    assert_eq!(told(&beyond)[0].label, "64 would make the comparison exact");
}

#[test]
fn what_was_longer_ago_than_its_window_is_never_seen() {
    let told = |when: &str| {
        let text = format!(
            "
features: {{ since: {{ last: mint, by: packet, window: 1h }} }}
rules: [{{ id: a, tier: deny, when: {when}, reason: {{ code: R1, text: t }} }}]
"
        );
        let told = policy::compile_sources(&[("p.yaml", &text)]).diagnostics;
        told.first().map(|fault| format!("{}: {}", fault.message, fault.label))
    };
    let beyond = "this comparison by `>` is never true: `since` is from -1 to 3599";
    assert_eq!(told("since > 7200").as_deref(), Some(beyond));
    assert_eq!(told("since > 3599").as_deref(), Some(beyond));
    assert_eq!(told("since > 3598"), None);
}

#[test]
fn counts_are_of_attempts_and_sums_of_money_are_of_what_was_approved() {
    let policy = compile(
        "
schema: { points: { type: int, default: 3 } }
features:
  n: { count: any, by: [account, counterparty], window: 30d }
  money: { sum: amount, by: account, window: 1d }
  points: { sum: ext.points, by: account, window: 1d }
  last: { last: mint, by: packet, window: 1h }
",
    );
    let status: Vec<Status> = policy.windows.iter().map(|window| window.status).collect();
    assert_eq!(status, [Status::Attempt, Status::Approved, Status::Attempt, Status::Attempt]);
    let row = |name| policy.features.row(window(&policy, name).feature);
    assert_eq!((row("money").ty, row("points").ty), (Type::Money, Type::Int));
    assert_eq!(row("last").missing, Scalar::Int(-1));
    assert_eq!(row("n").doc, "count over any event by account and counterparty in 30d, every attempt");
    assert_eq!(window(&policy, "points").aggregate, Aggregate::Sum(policy.ext[0]));
    assert_eq!(policy.features.row(policy.ext[0]).missing, Scalar::Int(3));
    assert_eq!(window(&policy, "n").key, [Builtin::Account.id(), Builtin::Counterparty.id()]);
}

#[test]
fn a_limit_is_in_minor_units_and_its_condition_runs_before_velocity() {
    let policy = compile(
        "
features:
  paid: { sum: amount, on: pay, by: account, window: 1d }
limits:
  - { id: l, feature: paid, max: 5000.5, when: kyc == 2 && !token.valid, then: challenge, challenge: face, reason: { code: L1, text: t } }
",
    );
    let limit = &policy.limits[0];
    assert_eq!((limit.window, limit.max, limit.verdict), (0, 500_050, Verdict::Challenge));
    assert_eq!(limit.challenge, Some(Challenge::Face));
    assert!(limit.when.is_some() && !policy.gate.ops.is_empty() && policy.program.ops.is_empty());
}

#[test]
fn a_breaker_opens_on_what_a_rule_may_read_and_its_tests_name_it() {
    let text = "
features:
  moves: { count: transfer, by: account, window: 1m }
limits: []
breakers:
  - id: surge
    by: [account, counterparty]
    on: [transfer]
    when: moves > 2 && model_score < 0.5
    open: 10m
    half_open: 5m
    trials: 1
    then: challenge
    challenge: pin
    reason: { code: L300, text: t }
rules:
  - { id: never, tier: deny, on: [pay], when: amount > 99.00, reason: { code: R1, text: t } }
tests:
  - name: stated
    given: { kind: transfer, counterparty: b, moves: 3 }
    expect: { verdict: challenge, challenge: pin, rules: [surge], not: [never] }
  - name: an event without the whole key is none of its business
    given: { kind: transfer, moves: 3 }
    expect: { verdict: allow, not: [surge] }
  - name: opens, half-opens, closes
    events:
      - { at: 0s, kind: transfer, account: a, counterparty: b, expect: allow }
      - { at: 1s, kind: transfer, account: a, counterparty: b, expect: allow }
      - { at: 2s, kind: transfer, account: a, counterparty: b, expect: { verdict: challenge, rules: [surge] } }
      - { at: 5m, kind: transfer, account: a, counterparty: b, expect: { verdict: challenge, rules: [surge] } }
      - { at: 5m, kind: transfer, account: a, counterparty: other, expect: allow }
      - { at: 602s, kind: transfer, account: a, counterparty: b, expect: { verdict: allow, not: [surge] } }
      - { at: 700s, kind: transfer, account: a, counterparty: b, expect: { verdict: challenge, rules: [surge] } }
      - { at: 902s, kind: transfer, account: a, counterparty: b, expect: allow }
";
    let compiled = policy::compile_sources(&[("b.yaml", text)]);
    assert!(compiled.diagnostics.is_empty(), "{}", compiled.render(false));
    let bundle = compiled.bundle.unwrap();
    let failures = policy::testing::failures(&bundle);
    assert!(failures.is_empty(), "{failures:?}");
    let policy = bundle.policy;
    let breaker = &policy.breakers[0];
    assert_eq!(breaker.key, [Builtin::Account.id(), Builtin::Counterparty.id()]);
    assert_eq!(
        (breaker.terms.open_ms, breaker.terms.half_open_ms, breaker.terms.trials),
        (600_000, 300_000, 1)
    );
    assert_eq!(breaker.witness.unwrap().feature, window(&policy, "moves").feature);
    assert_eq!(window(&policy, "moves").exact, 3, "compared exactly");
    // An expectation that does not hold says so.
    let wrong = text.replace(
        "expect: { verdict: allow, not: [surge] }\n  - name: opens",
        "expect: { rules: [surge] }\n  - name: opens",
    );
    let bundle = policy::compile_sources(&[("b.yaml", &wrong)]).bundle.unwrap();
    let failures = policy::testing::failures(&bundle);
    assert_eq!((failures.len(), failures[0].expected.as_str()), (1, "a match of surge"));
}

#[test]
fn a_list_with_an_action_is_a_rule() {
    let policy = compile(
        "
lists:
  bad: { on: device, action: deny }
  nets: { on: ip, action: guard, reason: { code: G9, text: t, customer: c } }
  bins: { on: campaign, match: prefix, action: watch }
",
    );
    let rules: Vec<_> =
        policy.rules.iter().map(|r| (r.reason.rule.as_str(), r.tier, r.reason.code.as_str())).collect();
    let expected = [
        ("list:bad", Tier::Deny, "LIST"),
        ("list:nets", Tier::Guard, "G9"),
        ("list:bins", Tier::Score, "LIST"),
    ];
    assert_eq!(rules, expected);
    assert_eq!(policy.rules[2].score, 0.0, "what is watched is reported and decides nothing");
    let matching: Vec<Matching> = policy.lists.iter().map(|list| list.matching).collect();
    assert_eq!(matching, [Matching::Exact, Matching::Network, Matching::Prefix]);
    assert_eq!(policy.lists[0].on, Builtin::DeviceId.id());
}

#[test]
fn a_rule_expires_at_midnight_of_the_policys_own_day() {
    let policy = compile(
        "
settings: { utc_offset: \"+08:00\", band_challenge: pin }
bands: { review: 0.9 }
rules:
  - { id: a, tier: guard, verdict: review, when: kyc == 1, expires: 2027-03-01, sample: 10, mode: shadow, reason: { code: R1, text: t } }
  - { id: b, tier: score, score: -0.2, when: kyc == 1, expires: \"2027-03-01T00:00:00Z\", reason: { code: R2, text: t } }
  - { id: c, tier: deny, when: kyc == 1, reason: { code: R3, text: t } }
",
    );
    let expires: Vec<i64> = policy.rules.iter().map(|rule| rule.expires_ms).collect();
    assert_eq!(expires, [1_803_830_400_000, 1_803_859_200_000, i64::MAX]);
    assert_eq!((policy.rules[0].verdict, policy.rules[0].sample_percent), (Verdict::Review, 10));
    assert_eq!(policy.rules[1].score, -0.2);
    assert_eq!(
        (policy.bands.challenge, policy.bands.review, policy.zone.offset(0)),
        (2.0, 0.9, Some(8 * 3_600))
    );
    assert_eq!(policy.band_challenge, Some(Challenge::Pin));
    // Three rules that ask the same thing share its one instruction.
    assert_eq!(policy.program.ops.len(), 1);
}

#[test]
fn hours_and_midnights_follow_the_clocks_of_a_zone() {
    let text = "
settings: { time_zone: Europe/Berlin }
rules:
  - { id: evening, tier: review, when: hour == 20 && weekday == 3, reason: { code: R1, text: t } }
  - { id: summer, tier: deny, when: kyc == 1, expires: 2037-07-01, reason: { code: R2, text: t } }
  - { id: winter, tier: deny, when: kyc == 2, expires: 2037-01-01, reason: { code: R3, text: t } }
  - { id: later, tier: deny, when: kyc == 3, expires: 2150-07-01, reason: { code: R4, text: t } }
tests:
  - { name: in July the evening begins at six, given: { kind: pay, time: '2026-07-01T18:00:00Z' }, expect: review }
  - { name: in January an hour later, given: { kind: pay, time: '2026-01-07T19:59:59Z' }, expect: review }
  - { name: and not before, given: { kind: pay, time: '2026-01-07T18:59:59Z' }, expect: allow }
";
    let bundle = policy::compile_sources(&[("z.yaml", text)]).bundle.unwrap();
    let failures = policy::testing::failures(&bundle);
    assert!(failures.is_empty(), "{failures:?}");
    let expires: Vec<i64> = bundle.policy.rules[1..].iter().map(|rule| rule.expires_ms).collect();
    assert_eq!(expires, [2_130_012_000_000, 2_114_377_200_000, 5_695_916_400_000]);
}

#[test]
fn anchors_repeat_what_they_name() {
    let policy = compile(
        "
rules:
  - { id: a, tier: deny, when: &cond kyc == 1, reason: &why { code: R1, text: t } }
  - { id: b, tier: deny, when: *cond, reason: *why }
",
    );
    assert_eq!(policy.rules[0].when, policy.rules[1].when);
    assert_eq!(policy.rules[1].reason.text, "t");
}

#[test]
fn velocity_features_follow_the_fields() {
    let policy =
        compile("schema: { a: { type: bool } }\nfeatures: { n: { count: any, by: ip, window: 1m } }");
    let builtins = engine::feature::BUILTINS.len() as u16;
    assert_eq!(policy.ext, [FeatureId(builtins)]);
    assert_eq!(policy.windows[0].feature, FeatureId(builtins + 1));
}

#[test]
fn a_test_that_fails_says_where_what_was_expected_and_what_matched() {
    let compiled = policy::compile_sources(&[(
        "p.yaml",
        "
rules:
  - { id: a, tier: deny, when: kyc == 1, reason: { code: R1, text: t } }
  - { id: b, tier: review, when: kyc == 1, reason: { code: R2, text: t } }
tests:
  - { name: stated, given: { kind: pay, kyc: 1 }, expect: { verdict: review } }
  - { name: holds, given: { kind: pay, kyc: 1 }, expect: { verdict: deny, rules: [a, b] } }
  - name: row
    events:
      - { at: 0s, kind: pay, account: x, expect: allow }
      - { at: 1s, kind: pay, account: x, kyc: 1, expect: { rules: [a], not: [b] } }
",
    )]);
    let bundle = compiled.bundle.as_ref().unwrap();
    let failures = policy::testing::failures(bundle);
    let shown: Vec<String> = failures
        .iter()
        .map(|f| {
            format!(
                "{} {}: {} / {} / {:?}",
                compiled.sources.location(f.place),
                f.test,
                f.expected,
                f.got,
                f.matched
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "p.yaml:6:7 stated: verdict review / deny / [\"a\", \"b\"]",
            "p.yaml:11:11 row: no match of b / one / [\"a\", \"b\"]",
        ]
    );
    let diagnostics = policy::testing::run(bundle);
    assert_eq!(diagnostics[0].message, "test failed: stated");
    assert_eq!(diagnostics[0].label, "expected verdict review, got deny");
}

#[test]
fn what_few_rules_need_is_there_as_well() {
    let text = r#"
schema: { bin: { type: text }, home_lat: { type: double }, home_lon: { type: double } }
lists: { mules: { on: account } }
rules:
  - { id: night, tier: review, when: 'time.getHours("Asia/Shanghai") < 6', reason: { code: R1, text: t } }
  - { id: words, tier: review, when: 'text.matches("(?i)cash ?back|刷单")', reason: { code: R2, text: t } }
  - { id: payee, tier: deny, when: 'in_list(counterparty, "mules")', reason: { code: R3, text: t } }
  - { id: inside, tier: review, when: 'in_cidr(ip, "10.0.0.0/8")', reason: { code: R4, text: t } }
  - { id: card, tier: review, when: 'has(ext.bin) && !luhn(ext.bin)', reason: { code: R5, text: t } }
  - { id: far, tier: review, when: 'km(geo.lat, geo.lon, ext.home_lat, ext.home_lon) > 100', reason: { code: R6, text: t } }
  - { id: self, tier: review, when: 'account + "@pay" == counterparty', reason: { code: R7, text: t } }
  - { id: any, tier: review, when: '["x", "y"].exists(p, account.startsWith(p))', reason: { code: R8, text: t } }
tests:
  - { name: night, given: { kind: pay, time: 2026-03-01T20:00:00Z }, expect: { rules: [night] } }
  - { name: day, given: { kind: pay, time: 2026-03-01T04:00:00Z }, expect: { verdict: allow } }
  - { name: words, given: { kind: pay, text: 'CashBack!' }, expect: { rules: [words] } }
  - { name: words in Chinese, given: { kind: pay, text: 兼职刷单 }, expect: { rules: [words] } }
  - { name: payee, given: { kind: pay, counterparty: m, lists: ["mules:counterparty"] }, expect: { rules: [payee] } }
  - { name: the payer is not the payee, given: { kind: pay, lists: [mules] }, expect: { not: [payee] } }
  - { name: inside, given: { kind: pay, ip: 10.2.3.4 }, expect: { rules: [inside] } }
  - { name: outside, given: { kind: pay, ip: "2001:db8::1" }, expect: { not: [inside] } }
  - { name: card, given: { kind: pay, ext.bin: "4539578763621487" }, expect: { rules: [card] } }
  - { name: far, given: { kind: pay, geo.lat: 39.9, geo.lon: 116.4, ext.home_lat: 31.2, ext.home_lon: 121.5 }, expect: { rules: [far] } }
  - { name: no place is not far, given: { kind: pay, ext.home_lat: 31.2, ext.home_lon: 121.5 }, expect: { not: [far] } }
  - { name: self, given: { kind: pay, account: a, counterparty: a@pay }, expect: { rules: [self] } }
  - { name: any, given: { kind: pay, account: yes }, expect: { rules: [any] } }
"#;
    let compiled = policy::compile_sources(&[("rare.yaml", text)]);
    let bundle = compiled.bundle.as_ref().unwrap_or_else(|| panic!("{}", compiled.render(false)));
    let failures = policy::testing::failures(bundle);
    assert!(failures.is_empty(), "{failures:?}");
    let names: Vec<&str> = bundle.policy.lists.iter().map(|list| list.name.as_str()).collect();
    assert_eq!(names, ["mules", "mules"]);
}
