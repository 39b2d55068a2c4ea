//! Amounts of several currencies over HTTP: each limit is of one currency, each amount has its currency's decimals, and one of a
//! currency that the policy does not have is refused by name.

use serde_json::{Value, json};

use crate::harness::Daemon;

/// Code, the largest sum of a day, and the smallest amount there is.
const CURRENCIES: [(&str, &str, &str); 4] =
    [("CNY", "100.00", "0.01"), ("USD", "100.00", "0.01"), ("JPY", "100", "1"), ("KWD", "100.000", "0.001")];

fn rules() -> String {
    let each = |line: fn(&str, &str, &str) -> String| -> String {
        CURRENCIES.iter().map(|(code, max, least)| line(code, max, least)).collect()
    };
    let limits = each(|code, max, _| {
        format!(
            "  - {{ id: day-{code}, feature: paid_1d, currency: {code}, max: {max}, reason: {{ code: L1, text: t }} }}\n"
        )
    });
    let rules = each(|code, max, least| {
        format!(
            "  - {{ id: over-{code}, tier: review, on: transfer, when: 'currency == \"{code}\" && amount - {least} >= {max}', reason: {{ code: R1, text: t }} }}\n"
        )
    });
    format!(
        "settings: {{ currencies: [CNY, USD, JPY, KWD] }}\nfeatures: {{ paid_1d: {{ sum: amount, on: pay, by: [account, currency], window: 1d }} }}\nlimits:\n{limits}rules:\n{rules}"
    )
}

fn daemon(rules: &str) -> Daemon {
    Daemon::start_with(|config| std::fs::write(config.policy.dir.join("test.yaml"), rules).unwrap())
}

#[test]
fn a_limit_of_one_currency_is_not_filled_by_another() {
    let daemon = daemon(&rules());
    let mut next = 0;
    let mut pay = |code: &str, amount: &str| {
        next += 1;
        let check = json!({"id": format!("p{next}"), "kind": "pay", "account": "u", "amount": amount, "currency": code});
        daemon.check(&check).verdict()
    };
    for (code, max, _) in CURRENCIES {
        assert_eq!(pay(code, max), "allow", "{max} {code}");
    }
    for (code, max, least) in CURRENCIES {
        assert_eq!(pay(code, least), "deny", "{max} {code} and {least} more");
    }
}

#[test]
fn an_amount_is_compared_in_the_decimals_of_its_currency() {
    let daemon = daemon(&rules());
    for (at, (code, max, least)) in CURRENCIES.into_iter().enumerate() {
        let sum = |units: f64| units + max.parse::<f64>().unwrap();
        let places = least.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let amounts =
            [(max.to_string(), "allow"), (format!("{:.places$}", sum(least.parse().unwrap())), "review")];
        for (amount, verdict) in amounts {
            for amount in [json!(amount), amount.parse::<Value>().unwrap()] {
                let check = json!({"id": format!("{at}-{amount}"), "kind": "transfer", "account": "u", "amount": amount, "currency": code});
                assert_eq!(daemon.check(&check).verdict(), verdict, "{check}");
            }
        }
    }
}

#[test]
fn an_amount_of_a_currency_that_nobody_named_is_refused_and_a_reload_takes_it() {
    let daemon = daemon("rules: [{ id: r, tier: deny, when: amount > 5, reason: { code: R1, text: t } }]\n");
    let yen = |id: &str, kind: &str| json!({"id": id, "kind": kind, "account": "u", "amount": "5", "currency": "JPY"});
    let refused = daemon.check(&yen("a", "pay"));
    assert_eq!((refused.status, refused.error()), (400, ("out_of_range".to_owned(), "currency".to_owned())));
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("CNY") && message.contains("JPY") && message.contains("currencies:"),
        "{message}"
    );
    let mut bare = yen("b", "login");
    bare.as_object_mut().unwrap().remove("amount");
    assert_eq!(daemon.check(&bare).verdict(), "allow", "there is nothing to add");
    let both = "settings: { currencies: [CNY, JPY] }\nrules: [{ id: r, tier: deny, when: 'currency == \"CNY\" && amount > 5', reason: { code: R1, text: t } }]\n";
    std::fs::write(daemon.rules().join("test.yaml"), both).unwrap();
    assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    assert_eq!(
        daemon.check(&yen("a", "pay")).verdict(),
        "allow",
        "the refusal counted nothing, its id neither"
    );
    let mixed = "settings: { currencies: [CNY, JPY] }\nfeatures: { paid: { sum: amount, on: pay, by: account, window: 1d } }\nlimits: [{ id: l, feature: paid, max: 100, reason: { code: L1, text: t } }]\n";
    std::fs::write(daemon.rules().join("test.yaml"), mixed).unwrap();
    let reply = daemon.admin_call("POST", "/v1/reload", "");
    assert_eq!(reply.status, 422);
    assert!(reply.body.contains("takes amounts of CNY and JPY"), "{}", reply.body);
}

#[test]
fn no_amount_is_so_large_that_a_limit_takes_it_for_less() {
    for currencies in ["[CNY]", "[CNY, JPY]", "[CNY, KWD]", "[CNY, JPY, KWD, CLF]"] {
        let rules = format!(
            "settings: {{ currencies: {currencies} }}\nfeatures: {{ paid: {{ sum: amount, on: transfer, by: account, window: 1d, currency: CNY }} }}\nlimits: [ {{ id: l, feature: paid, max: 100000000.00, absent: deny, reason: {{ code: L1, text: t }} }} ]\n"
        );
        let daemon = daemon(&rules);
        for (at, (amount, verdict)) in
            [("9999999999.99", "deny"), ("100000000.01", "deny"), ("100000000.00", "allow"), ("0.01", "deny")]
                .into_iter()
                .enumerate()
        {
            let check = json!({"id": format!("t{at}"), "kind": "transfer", "account": "u", "amount": amount, "currency": "CNY"});
            assert_eq!(daemon.check(&check).verdict(), verdict, "{amount} of {currencies}");
        }
    }
}
