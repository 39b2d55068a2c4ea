//! What people new to rule files write, and the advice that they get beside the fault.

/// The advice on the first error of that file.
fn advice(text: &str) -> String {
    let compiled = policy::compile_sources(&[("a.yaml", text)]);
    let mut errors = compiled.diagnostics.iter().filter(|fault| fault.severity == policy::Severity::Error);
    let first = errors.next().unwrap_or_else(|| panic!("no error in\n{text}"));
    first.help.clone().unwrap_or_else(|| format!("none on `{}`", first.message))
}

/// A rule of these keys beside a feature and a list.
fn rule(keys: &str) -> String {
    format!(
        "features:\n  claims_10m: {{ count: claim, by: account, window: 10m }}\nlists: {{ vip: {{ on: account, action: watch }} }}\n\
         rules:\n  - id: r\n    reason: {{ code: R1, text: t }}\n{keys}"
    )
}

#[test]
fn an_expression_in_another_language_is_told_how_it_is_written_here() {
    let cases = [
        ("amount = 5", "equality is written `==`"),
        ("amount => 5", "at least is written `>=`"),
        ("amount <> 5", "inequality is written `!=`"),
        ("amount > 5 and kyc == 0", "and is written `&&`"),
        ("not device.rooted", "not is written `!`"),
        ("if amount > 5 then deny", "`tier`"),
        ("hour between 22 and 6", "two comparisons"),
        ("hour in [22..6]", "two comparisons"),
        ("22 <= hour < 6", "two comparisons"),
        ("text contains \"x\"", "text.contains"),
        ("amount >= 5,00", "with a point"),
        ("amount > 5 yuan", "without their currency"),
        ("amount > ¥5", "without their currency"),
        ("amount > 1k", "digits alone"),
        ("amount > 5，kyc == 0", "full-width"),
        ("kyc == 0 && “vip” in lists", "full-width"),
        ("account_age_s < 1d", "86400"),
        ("claims-10m > 3", "`-`"),
        ("amount > \"5\"", "without quotes"),
        ("device.rooted == 1", "a flag stands alone"),
        ("channel in \"a, b\"", "[\"a\", \"b\"]"),
        ("time > \"2026-01-01\"", "timestamp("),
        ("kind == claim", "in quotes: \"claim\""),
        ("device.rooted == yes", "`true`"),
        ("lists.vip", "`\"vip\" in lists`"),
        ("vip", "`\"vip\" in lists`"),
        ("has(imei)", "`device.imei`"),
        ("speed > 900", "`speed_kmh`"),
        ("ext.brand == \"x\"", "`schema: { brand: { type: text } }`"),
        ("len(text) > 3", "`size(text)`"),
        ("lower(text) == \"a\"", "(?i)"),
        ("count(claim) > 3", "`features:`"),
        ("ip.in_cidr(\"10.0.0.0/8\")", "in_cidr(ip, \"10.0.0.0/8\")"),
    ];
    for (when, expected) in cases {
        let given = advice(&rule(&format!("    tier: deny\n    when: {when}\n")));
        assert!(given.contains(expected), "{when}: {given}");
    }
}

#[test]
fn a_file_in_other_words_is_told_ours() {
    let cases = [
        ("    tier: deny\n    when: \"vip\" in lists\n", "quotes of the other kind"),
        ("    tier: deny\n    when: !device.rooted\n", "'!device.rooted'"),
        ("    tier: deny\n    when: text == \"a: b\"\n", "holds `: `"),
        ("    tier: deny\n\twhen: kyc == 0\n", "spaces, not by tabs"),
        ("    tier:deny\n    when: kyc == 0\n", "a colon and a space"),
        ("    action: deny\n    when: kyc == 0\n", "`tier`"),
        ("    tier: block\n    when: kyc == 0\n", "`deny`"),
        ("    tier: deny\n    if: kyc == 0\n", "`when`"),
        ("    tier: deny\n    when: kyc == 0\n    enabled: false\n", "`mode`"),
        ("    tier: deny\n    when: kyc == 0\n    mode: on\n", "`live`"),
        ("    tier: deny\n    when: kyc == 0\n    on: claim, pay\n", "[claim, pay]"),
        ("    tier: deny\n    when: kyc == 0\n    description: t\n", "`reason:"),
    ];
    for (keys, expected) in cases {
        let given = advice(&rule(keys));
        assert!(given.contains(expected), "{keys}: {given}");
    }
}

#[test]
fn a_key_by_another_word_is_one_fault_and_a_misspelt_feature_is_not_unread() {
    let faults = |keys: &str| {
        let compiled = policy::compile_sources(&[("a.yaml", &rule(keys))]);
        compiled.diagnostics.into_iter().map(|fault| fault.message).collect::<Vec<_>>()
    };
    let unread = "nobody reads `claims_10m`";
    assert_eq!(faults("    action: deny\n    when: claims_10m > 3\n"), ["a rule has no key `action`"]);
    assert_eq!(faults("    tier: deny\n    when: claim_10m > 3\n"), ["nothing is named `claim_10m`"]);
    assert_eq!(faults("    tier: deny\n    when: kyc == 3\n"), [unread]);
    // Faults of every key at once, whatever stands before them.
    let all = faults("    tier: block\n    on: payment\n    when: amout > 5 && kyc2 == 0\n");
    let expected = [
        unread,
        "`block` is not a tier",
        "`payment` is not a kind of event",
        "nothing is named `amout`",
        "nothing is named `kyc2`",
    ];
    assert_eq!(all, expected);
}
