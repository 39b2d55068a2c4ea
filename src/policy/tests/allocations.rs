//! The path of a check allocates nothing, whatever its rules ask.

use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use wire::{Check, Kind};

#[test]
fn texts_patterns_zones_and_lists_take_no_memory_at_decision_time() {
    let conditions = [
        "account + \"/\" + counterparty + \"/\" + text == \"x\"",
        "string(kyc) + string(amount) + string(geo.lat) == account",
        "(device.rooted ? account : counterparty).matches(\"^[a-z]+\\\\d{2,9}名?$\")",
        "time.getHours(\"America/New_York\") + time.getDayOfYear() > 400",
        "in_cidr(ip, \"10.0.0.0/8\") || in_cidr(utm, \"2001:db8::/32\")",
        "[account, counterparty, text].filter(x, size(x) > 3).exists(x, x.contains(\"zz\"))",
        "km(geo.lat, geo.lon, 39.9, 116.4) > 100.0 || luhn(text) || int(text) > 3 || kyc > amount_ratio",
    ];
    let rules = conditions.iter().enumerate().map(|(i, when)| {
        format!("- {{id: r{i}, tier: deny, when: '{when}', reason: {{code: R{i}, text: t}}}}\n")
    });
    let compiled = policy::compile_sources(&[("r.yaml", &format!("rules:\n{}", rules.collect::<String>()))]);
    let policy =
        compiled.bundle.as_ref().unwrap_or_else(|| panic!("{}", compiled.render(false))).policy.clone();
    let sizes = Sizes {
        accounts: 4_096,
        devices: 4_096,
        velocity_keys: 4_096,
        busy_keys: 4_096,
        list_entries: 64,
        decisions: 4_096,
        seed: [1; 16],
    };
    let tables = Tables::new(&sizes).unwrap();
    let snapshot = Snapshot::build(Parts { policy, ..Parts::default() }, &tables, None).unwrap();
    let batch = |from: usize| -> Vec<Check<'static>> {
        let one = |i: usize| {
            let mut check = Check::new(format!("id-{i}"), Kind::Pay, format!("account{}", i % 100));
            check.text = "名".repeat(i % 170).into();
            check.counterparty = format!("{i}").into();
            check.ip = Some([10, 0, 0, i as u8].into());
            check
        };
        (from..from + 64).map(one).collect()
    };
    let (mut decisions, mut scratch) = (Vec::new(), Scratch::new(0));
    let now = Now { ms: 1_767_607_200_000, waited_us: 0 };
    decide(&snapshot, &tables, now, &batch(0), &mut decisions, &mut scratch);
    let (full, single) = (batch(64), &batch(128)[..1]);
    let counted = allocation_counter::measure(|| {
        decide(&snapshot, &tables, now, &full, &mut decisions, &mut scratch);
        decide(&snapshot, &tables, now, single, &mut decisions, &mut scratch);
    });
    assert_eq!(counted.count_total, 0);
}
