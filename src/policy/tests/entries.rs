//! Tests of rule files put entries on lists, which go through the look-up that checks go through.

const TEXT: &str = "
lists:
  bad_packets: { on: packet, action: deny }
  bad_macs:    { on: device.mac, action: deny }
  bad_ips:     { on: ip, action: deny }
  hosts:       { on: ip, match: exact, action: review }
  mules:       { on: account }
rules:
  - { id: to-a-mule, tier: deny, on: transfer, when: 'in_list(counterparty, \"mules\")', reason: { code: R1, text: t } }
tests:
  - name: of an event
    lists: { bad_packets: [p1], bad_macs: 02-00-5E-10-00-01, bad_ips: [10.0.0.0/8], mules: [m] }
    given: { kind: claim, packet: p1 }
    expect: { verdict: deny, rules: ['list:bad_packets'], not: ['list:bad_macs'] }
  - name: of events
    lists: { bad_packets: [0192F6C47C1E70008000000000000001], bad_macs: 02-00-5E-10-00-01, bad_ips: [10.0.0.0/8], hosts: ['::ffff:192.0.2.1'], mules: [m] }
    events:
      - { at: 0s, kind: claim, packet: 0192f6c4-7c1e-7000-8000-000000000001, expect: deny }
      - { at: 1s, kind: claim, packet: p1, expect: allow }
      - { at: 2s, kind: claim, device: { id: d, mac: '02:00:5e:10:00:01' }, expect: deny }
      - { at: 3s, kind: claim, ip: 10.1.2.3, expect: deny }
      - { at: 4s, kind: claim, ip: 192.0.2.1, expect: review }
      - { at: 5s, kind: transfer, counterparty: m, expect: deny }
  - name: they are gone with the test that put them
    events:
      - { at: 0s, kind: claim, packet: p1, ip: 10.1.2.3, expect: allow }
      - { at: 2s, kind: claim, ip: 192.0.2.1, expect: allow }
";

#[test]
fn entries_that_a_test_puts_are_looked_up_as_the_daemon_looks_them_up() {
    let compiled = policy::compile_sources(&[("t.yaml", TEXT)]);
    let bundle = compiled.bundle.as_ref().unwrap_or_else(|| panic!("{}", compiled.render(false)));
    let failures = policy::testing::failures(bundle);
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn entries_that_could_never_match_are_errors_where_they_stand() {
    for (from, to, says) in [
        ("10.0.0.0/8", "10.0.0.0/99", "can never match"),
        ("02-00-5E-10-00-01", "02-00-5E", "can never match"),
        ("mules: [m]", "mulez: [m]", "no list is named `mulez`"),
        ("mules: [m]", "mules: ['']", "not empty"),
        ("lists: { bad_packets: [p1]", "lists: { bad_packets: { p1: 1 }", "keys of the list"),
    ] {
        let text = TEXT.replacen(from, to, 1);
        assert_ne!(text, TEXT);
        let shown = policy::compile_sources(&[("t.yaml", &text)]).render(false);
        assert!(shown.contains(says), "{to}: {shown}");
    }
}
