//! Constants in conditions that no field of a check is ever equal to are told, each with the spelling that is.

use policy::{Code, Severity};
use proptest::prelude::*;
use wire::{Field, Form};

/// What is said about a condition: code, message and advice of each diagnostic.
fn told(when: &str) -> Vec<(Code, Severity, String, String)> {
    let text = format!(
        "values:\n  office: \"::ffff:10.0.0.1\"\n  branch: \"10.0.0.1\"\nschema:\n  network: {{ type: text }}\n\
         rules:\n  - id: r\n    tier: deny\n    when: >-\n      {when}\n    reason: {{ code: R, text: t }}\n\
         \x20 - id: reads-all\n    tier: guard\n    on: mint\n    when: ext.network == office || ext.network == branch\n    reason: {{ code: R, text: t }}\n"
    );
    let compiled = policy::compile_sources(&[("r.yaml", &text)]);
    let faults = compiled.diagnostics.into_iter();
    faults.map(|fault| (fault.code, fault.severity, fault.message, fault.help.unwrap_or_default())).collect()
}

const PACKET: &str = "0192f6c4-7c1e-7000-8000-000000000001";

#[test]
fn a_constant_that_no_field_is_ever_equal_to_is_told_with_the_spelling_that_is() {
    for (when, advice) in [
        ("ip == \"::ffff:10.0.0.1\"", "write \"10.0.0.1\""),
        ("\"::ffff:10.0.0.1\" != ip", "write \"10.0.0.1\""),
        ("ip == \"2001:DB8::1\"", "write \"2001:db8::1\""),
        ("ip == \"2001:db8:0:0:0:0:0:1\"", "write \"2001:db8::1\""),
        ("ip in [\"10.0.0.1\", \"::ffff:10.0.0.2\"]", "write \"10.0.0.2\""),
        ("ip == office", "write \"10.0.0.1\""),
        ("[\"::ffff:10.0.0.1\"].exists(x, x == ip)", "write \"10.0.0.1\""),
        ("ip == \"10.0.0.*\"", "in_cidr(ip, \"10.0.0.0/24\")"),
        ("ip == \"10.0.*\"", "in_cidr(ip, \"10.0.0.0/16\")"),
        ("ip == \"10.0.0.0/8\"", "in_cidr(ip, \"10.0.0.0/8\")"),
        ("ip == \"010.0.0.1\"", "IPv4 or IPv6 address"),
        ("ip.startsWith(\"10.0.*\")", "in_cidr(ip, \"10.0.0.0/16\")"),
        ("ip.startsWith(\"::ffff:10.\")", "in_cidr(ip, \"10.0.0.0/8\")"),
        ("ip.startsWith(\"2001:DB8\")", "write \"2001:db8\""),
        ("ip.contains(\"10.0.0.0/8\")", "in_cidr(ip, \"10.0.0.0/8\")"),
        ("in_cidr(ip, \"::ffff:10.0.0.0/104\")", "write \"10.0.0.0/8\""),
        ("in_cidr(ip, \"::ffff:10.0.0.1/128\")", "write \"10.0.0.1/32\""),
        ("packet == \"0192F6C4-7C1E-7000-8000-000000000001\"", PACKET),
        ("packet == \"0192f6c47c1e70008000000000000001\"", PACKET),
        ("packet == \"urn:uuid:0192f6c4-7c1e-7000-8000-000000000001\"", PACKET),
        ("packet in [\"{0192f6c4-7c1e-7000-8000-000000000001}\"]", PACKET),
        ("packet == \"p1\"", "a UUID"),
        ("packet.startsWith(\"0192F6\")", "write \"0192f6\""),
        ("currency == \"cny\"", "write \"CNY\""),
        ("currency in [\"USD\", \"Eur\"]", "write \"EUR\""),
        ("currency == \"RMB\"", "did you mean `CNY`?"),
        ("device.mac == \"02-00-5E-10-00-01\"", "write \"02:00:5e:10:00:01\""),
        ("device.mac == \"02005e100001\"", "write \"02:00:5e:10:00:01\""),
        ("device.mac.startsWith(\"02:00:5E\")", "write \"02:00:5e\""),
        ("device.imei == \"490154-20-323751-8\"", "write \"490154203237518\""),
        ("account == \" u1\"", "write \"u1\""),
        ("counterparty == \"u1\\u3000\"", "write \"u1\""),
        ("account == \" \"", "has(account)"),
    ] {
        let told = told(when);
        let [(code, severity, message, help)] = &told[..] else { panic!("{when}: {told:?}") };
        assert_eq!((*code, *severity), (Code::Unreachable, Severity::Warning), "{when}: {message}");
        assert!(message.contains("never") || message.contains("ever"), "{when}: {message}");
        assert!(help.contains(advice), "{when}: {message}: {help}");
    }
}

#[test]
fn a_name_that_a_closed_set_does_not_hold_is_refused_with_the_one_that_it_does() {
    for (when, advice) in [
        ("kind == \"Pay\"", "`pay`"),
        ("kind in [\"claim\", \"PAY\"]", "`pay`"),
        ("device.class == \"POS\"", "`pos`"),
        ("device.class in [\"Kiosk\"]", "`kiosk`"),
    ] {
        let told = told(when);
        let [(code, severity, _, help)] = &told[..] else { panic!("{when}: {told:?}") };
        assert_eq!((*code, *severity), (Code::OutOfRange, Severity::Error), "{when}");
        assert!(help.contains(advice), "{when}: {help}");
    }
}

#[test]
fn canonical_spellings_and_fields_without_one_are_not_spoken_of() {
    for when in [
        "ip == \"10.0.0.1\"",
        "ip == \"2001:db8::1\"",
        "ip == branch",
        "ip == \"\"",
        "ip.startsWith(\"10.0.\")",
        "ip.contains(\":\")",
        "in_cidr(ip, \"10.0.0.0/8\")",
        "in_cidr(ip, \"::/0\")",
        "in_cidr(ip, \"2001:db8::/32\")",
        "packet == \"0192f6c4-7c1e-7000-8000-000000000001\"",
        "packet.startsWith(\"0192f6\")",
        "currency in [\"CNY\", \"USD\"]",
        "device.mac == \"02:00:5e:10:00:01\"",
        "device.os == \"Android 14\"",
        "text == \" a \"",
        "account == \"Ümit\"",
        "ext.network == \"::ffff:10.0.0.1\"",
        "ext.network.startsWith(\"10.0.*\")",
        "kind == \"pay\" && device.class == \"pos\"",
    ] {
        assert_eq!(told(when), [], "{when}");
    }
}

/// Texts near to what fields hold, and far from it.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?7000-?8000-?[0-9a-fA-F]{12}",
        "(::ffff:)?[0-9]{1,3}\\.[0-9]{1,3}\\.0\\.1",
        "[0-9a-fA-F:]{2,12}",
        "[A-Za-z]{3,4}",
        "([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}",
        "[ a-zA-Z0-9_.-]{1,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_constant_is_told_exactly_where_its_canonical_spelling_is_another(text in text(), at in any::<prop::sample::Index>()) {
        let fields: Vec<Field> = Field::ALL.iter().copied().filter(|field| {
            matches!(field.form(), Form::Identifier | Form::Imei | Form::Mac | Form::Address | Form::Packet | Form::Currency)
        }).collect();
        let field = fields[at.index(fields.len())];
        let told = told(&format!("{} == \"{text}\"", field.path()));
        let same = field.form().canonical(&text).is_ok_and(|canonical| canonical == text);
        prop_assert_eq!(told.is_empty(), same, "{} {:?}: {:?}", field.path(), text, told);
    }
}
