//! Lists: in force at once, durable, all or nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::harness::Daemon;

fn verdict(daemon: &Daemon, id: &str, account: &str, ip: &str) -> String {
    daemon.check(&json!({"id": id, "kind": "login", "account": account, "ip": ip})).verdict()
}

#[test]
fn an_entry_is_in_force_for_the_next_check_until_it_is_taken_off() {
    let daemon = Daemon::start();
    let ip = "198.51.100.7";
    assert_eq!(verdict(&daemon, "1", "u1", ip), "allow");
    let put = daemon.admin_call(
        "PUT",
        "/v1/lists/bad_accounts/u1",
        json!({"reason": "fraud", "source": "desk"}).to_string(),
    );
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(verdict(&daemon, "2", "u1", ip), "deny");
    assert_eq!(verdict(&daemon, "3", "u2", ip), "allow");
    let entry = daemon.admin_call("GET", "/v1/lists/bad_accounts/u1", "").json();
    assert_eq!(
        (&entry["reason"], &entry["source"], &entry["expires"]),
        (&json!("fraud"), &json!("desk"), &Value::Null)
    );
    assert_eq!(daemon.admin_call("DELETE", "/v1/lists/bad_accounts/u1", "").status, 204);
    assert_eq!(verdict(&daemon, "4", "u1", ip), "allow");
    assert_eq!(daemon.admin_call("DELETE", "/v1/lists/bad_accounts/u1", "").status, 404);
    assert_eq!(daemon.admin_call("GET", "/v1/lists/bad_accounts/u1", "").status, 404);
}

/// A policy of lists of every way of matching and every action, for pays.
const KINDS_OF_LISTS: &str = r"
schema:
  card_bin: { type: text }
lists:
  bins: { on: ext.card_bin, match: prefix, action: deny, reason: { code: K1, text: card } }
  networks: { on: ip, action: review, reason: { code: K2, text: network } }
  seen: { on: account, action: watch, reason: { code: K3, text: seen } }
  trusted: { on: account, action: allow, reason: { code: K4, text: trusted } }
rules:
  - id: large
    tier: review
    when: amount >= 100.00
    reason: { code: K5, text: large }
";

#[test]
fn prefixes_networks_and_every_action_are_in_force_for_the_next_check() {
    let daemon = Daemon::start_with(|config| {
        std::fs::write(config.policy.dir.join("test.yaml"), KINDS_OF_LISTS).unwrap();
    });
    let mut number = 0;
    // Verdict and codes of a check with what is given.
    let mut check = |given: Value| {
        number += 1;
        let mut check = json!({"id": number.to_string(), "kind": "pay", "account": "u", "amount": "1.00"});
        check.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        let answer = daemon.check(&check).json();
        let codes = answer["reasons"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        let codes: Vec<&str> = codes.map(|reason| reason["code"].as_str().unwrap()).collect();
        format!("{} {}", answer["verdict"].as_str().unwrap(), codes.join(" ")).trim().to_owned()
    };
    let put = |list: &str, key: &str| {
        let reply = daemon.admin_call("PUT", &format!("/v1/lists/{list}/{key}"), "");
        assert_eq!(reply.status, 200, "{reply:?}");
    };
    let remove = |list: &str, key: &str| {
        assert_eq!(daemon.admin_call("DELETE", &format!("/v1/lists/{list}/{key}"), "").status, 204);
    };

    let card = |bin: &str| json!({"ext": {"card_bin": bin}});
    assert_eq!(check(card("45671234")), "allow");
    put("bins", "456712");
    assert_eq!(
        (check(card("45671234")), check(card("456712"))),
        ("deny K1".to_owned(), "deny K1".to_owned())
    );
    assert_eq!((check(card("45671")), check(card("45671334"))), ("allow".to_owned(), "allow".to_owned()));
    remove("bins", "456712");
    assert_eq!(check(card("45671234")), "allow");

    let from = |ip: &str| json!({"ip": ip});
    put("networks", "2001:db8:7::/48");
    assert_eq!(check(from("2001:db8:7:ffff::1")), "review K2");
    assert_eq!(check(from("2001:0DB8:0007:0000:0000:0000:0000:0009")), "review K2", "however it is written");
    assert_eq!(check(from("2001:db8:8::1")), "allow");
    remove("networks", "2001:db8:7:1::/48");
    assert_eq!(check(from("2001:db8:7:ffff::1")), "allow");

    put("seen", "u");
    assert_eq!(check(json!({})), "allow K3", "it is told and decides nothing");
    remove("seen", "u");
    let large = json!({"amount": "500.00"});
    assert_eq!(check(large.clone()), "review K5");
    put("trusted", "u");
    assert!(check(large.clone()).starts_with("allow K4"));
    remove("trusted", "u");
    assert_eq!(check(large), "review K5");
}

#[test]
fn a_network_is_one_entry_however_it_is_written() {
    let daemon = Daemon::start();
    assert_eq!(daemon.admin_call("PUT", "/v1/lists/bad_ips/203.0.113.77/24", "").status, 200);
    assert_eq!(verdict(&daemon, "1", "u", "203.0.113.9"), "deny");
    assert_eq!(verdict(&daemon, "2", "u", "203.0.114.9"), "allow");
    assert_eq!(daemon.admin_call("GET", "/v1/lists/bad_ips/203.0.113.0/24", "").status, 200);
    assert_eq!(daemon.admin_call("DELETE", "/v1/lists/bad_ips/203.0.113.1%2F24", "").status, 204);
    assert_eq!(verdict(&daemon, "3", "u", "203.0.113.9"), "allow");
    let bad = daemon.admin_call("PUT", "/v1/lists/bad_ips/nowhere", "");
    assert_eq!((bad.status, bad.error().1.as_str()), (400, "key"));
}

#[test]
fn entries_survive_a_restart_and_end_when_they_say() {
    let mut daemon = Daemon::start();
    let soon = jiff::Timestamp::now().as_millisecond() + 600;
    daemon.admin_call("PUT", "/v1/lists/bad_accounts/soon", json!({"expires": soon}).to_string());
    daemon.admin_call("PUT", "/v1/lists/bad_accounts/always", "");
    let over =
        daemon.admin_call("PUT", "/v1/lists/bad_accounts/over", json!({"expires": "2020-01-01"}).to_string());
    assert_eq!((over.status, over.error().1.as_str()), (400, "expires"), "{over:?}");
    assert_eq!(verdict(&daemon, "1", "over", "192.0.2.1"), "allow");
    assert_eq!(verdict(&daemon, "2", "soon", "192.0.2.1"), "deny");
    daemon.restart();
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(verdict(&daemon, "3", "soon", "192.0.2.1"), "allow");
    assert_eq!(verdict(&daemon, "4", "always", "192.0.2.1"), "deny");
}

#[test]
fn a_file_of_entries_is_taken_whole_or_not_at_all() {
    let daemon = Daemon::start();
    let csv =
        "key,reason,source,expires\n10.0.0.0/8,internal,netops,\n192.0.2.1,scan,ids,2099-01-01T00:00:00Z\n";
    let taken = daemon.admin_call("POST", "/v1/lists/bad_ips", csv);
    assert_eq!((taken.status, &taken.json()["entries"]), (200, &json!(2)), "{taken:?}");
    assert_eq!(verdict(&daemon, "1", "u", "10.1.2.3"), "deny");

    let faulty = daemon.admin_call("POST", "/v1/lists/bad_ips", "key\n172.16.0.0/12\nnowhere\n1.2.3.4/99\n");
    assert_eq!(faulty.status, 400);
    let lines: Vec<u64> = faulty.json()["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 4], "{faulty:?}");
    assert_eq!(verdict(&daemon, "2", "u", "172.16.0.1"), "allow");

    let ndjson = "{\"key\":\"v1\"}\n{\"key\":\"v2\",\"reason\":\"gold\"}\n{\"key\":\"v3\"}\n";
    assert_eq!(daemon.admin_call("POST", "/v1/lists/vip", ndjson).status, 200);
    let page = daemon.admin_call("GET", "/v1/lists/vip?count=2", "").json();
    assert_eq!((page["entries"].as_array().unwrap().len(), &page["next"]), (2, &json!("v2")));
    let rest = daemon.admin_call("GET", "/v1/lists/vip?after=v2&count=2", "").json();
    assert_eq!((&rest["entries"][0]["key"], rest.get("next")), (&json!("v3"), None));
}

#[test]
fn a_list_is_replaced_whole_while_checks_look_at_it() {
    let daemon = Daemon::start();
    let half = |odd: u64| (0..30).fold("key\n".to_owned(), |body, n| format!("{body}u{}\n", 2 * n + odd));
    let replace = |odd: u64| daemon.admin_call("PUT", "/v1/lists/bad_accounts?force=true", half(odd));
    let reply = replace(0);
    assert_eq!((reply.status, &reply.json()["entries"]), (200, &json!(30)), "{reply:?}");
    let over = AtomicBool::new(false);
    let seen = [0, 1].map(|_| AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                // One batch: it sees one list, the even accounts or the odd ones.
                let check = |n: u64| json!({"id": format!("{round}-{n}"), "kind": "login", "account": format!("u{n}")});
                let checks: Vec<_> = (0..60).map(check).collect();
                let answers = daemon.post("/v1/checks", json!(checks).to_string()).json();
                let denied: Vec<bool> =
                    answers.as_array().unwrap().iter().map(|answer| answer["verdict"] == "deny").collect();
                let odd = usize::from(denied[1]);
                assert!(denied.iter().enumerate().all(|(n, &denied)| denied == (n % 2 == odd)), "{denied:?}");
                seen[odd].fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut round = 0;
        while round < 20 || seen.iter().any(|seen| seen.load(Ordering::Relaxed) < 5) {
            round += 1;
            assert_eq!(replace(round % 2).status, 200);
        }
        // A faulty file leaves the list that is there.
        assert_eq!(replace(0).status, 200);
        let faulty = daemon.admin_call("PUT", "/v1/lists/bad_accounts", format!("{},,,,\n", half(1)));
        assert_eq!((faulty.status, &faulty.json()["lines"][0]["line"]), (400, &json!(32)), "{faulty:?}");
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(verdict(&daemon, "a", "u2", "192.0.2.1"), "deny");
    assert_eq!(verdict(&daemon, "b", "u3", "192.0.2.1"), "allow");
    assert_eq!(daemon.admin_call("PUT", "/v1/lists/bad_accounts?force=true", "key\n").status, 200);
    assert_eq!(verdict(&daemon, "c", "u2", "192.0.2.1"), "allow");
}

#[test]
fn an_entry_says_who_put_it_there_and_when() {
    let daemon = Daemon::start();
    let before = jiff::Timestamp::now();
    let put = daemon.admin_call_with("Riskd-Actor: ann\r\n", "PUT", "/v1/lists/bad_accounts/u1", "");
    assert_eq!(put.status, 200, "{put:?}");
    daemon.admin_call_with("Riskd-Actor: bob\r\n", "POST", "/v1/lists/bad_accounts", "key,source\nu2,feed\n");
    daemon.admin_call("PUT", "/v1/lists/bad_accounts/u3", "");
    let page = daemon.admin_call("GET", "/v1/lists/bad_accounts", "").json();
    let by: Vec<_> = page["entries"].as_array().unwrap().iter().map(|entry| &entry["by"]).collect();
    assert_eq!(by, ["ann", "bob", "admin"]);
    let added: jiff::Timestamp = page["entries"][1]["added"].as_str().unwrap().parse().unwrap();
    assert!(added.as_millisecond() >= before.as_millisecond() && added <= jiff::Timestamp::now());
    // A body cannot say it of itself.
    let forged = daemon.admin_call("POST", "/v1/lists/bad_accounts", "{\"key\":\"u4\",\"by\":\"eve\"}");
    assert!(forged.status == 400 && forged.body.contains("by"), "{forged:?}");
    for name in ["x".repeat(65), String::new(), "\u{e4}".to_owned()] {
        let head = format!("Riskd-Actor: {name}\r\n");
        let reply = daemon.admin_call_with(&head, "PUT", "/v1/lists/bad_accounts/u5", "");
        assert_eq!((reply.status, reply.error().1.as_str()), (400, "riskd-actor"), "{name}");
    }
    let lists = daemon.admin_call("GET", "/v1/lists", "").json();
    let entries: Vec<_> = lists["lists"].as_array().unwrap().iter().map(|list| &list["entries"]).collect();
    assert_eq!(entries, [3, 0, 0]);
}

#[test]
fn more_entries_than_there_is_room_for_are_refused_whole() {
    let mut daemon = Daemon::start_with(|config| config.tables.list_entries = 1024);
    let body = |count: u64| (0..count).fold("key\n".to_owned(), |body, n| format!("{body}{n}\n"));
    assert_eq!(daemon.admin_call("POST", "/v1/lists/vip", body(1000)).status, 200);
    for (method, count) in [("POST", 1025), ("PUT", 1025)] {
        let full = daemon.admin_call(method, "/v1/lists/bad_accounts", body(count));
        assert_eq!((full.status, full.error().0.as_str()), (400, "malformed"), "{full:?}");
    }
    for method in ["POST", "PUT"] {
        let full = daemon.admin_call(method, "/v1/lists/bad_accounts", body(25));
        assert_eq!((full.status, full.error().1.as_str()), (400, "entries"), "{full:?}");
        assert!(full.body.contains("tables.list_entries"), "{full:?}");
    }
    assert_eq!(daemon.admin_call("POST", "/v1/lists/bad_accounts", body(24)).status, 200);
    daemon.restart();
    assert_eq!(verdict(&daemon, "1", "7", "192.0.2.1"), "deny");
}

#[test]
fn an_unknown_list_is_named_with_those_that_are() {
    let daemon = Daemon::start();
    let reply = daemon.admin_call("PUT", "/v1/lists/bad_acounts/u1", "");
    assert_eq!((reply.status, reply.error().1.as_str()), (404, "list"));
    assert!(reply.body.contains("bad_accounts"), "{}", reply.body);
    let body = daemon.admin_call("PUT", "/v1/lists/vip/u1", json!({"reson": "x"}).to_string());
    assert!(body.status == 400 && body.body.contains("reson"), "{body:?}");
    assert_eq!(daemon.admin_call("GET", "/v1/lists/vip?page=2", "").status, 400);
    let names = daemon.admin_call("GET", "/v1/lists", "").json();
    assert_eq!(names["lists"].as_array().unwrap().len(), 3);
}

#[test]
fn what_takes_most_entries_away_or_most_addresses_in_has_to_be_forced() {
    let daemon = Daemon::start();
    let put = |path: &str, body: &str| daemon.admin_call("PUT", &format!("/v1/lists/{path}"), body);
    let four = "key\nu1\nu2\nu3\nu4\n";
    assert_eq!(put("bad_accounts", four).status, 200);
    for body in ["key\n", "key\nu1\n", "key\nu1\nu1\nu1\nu1\n", "u9\n"] {
        let refused = put("bad_accounts", body);
        assert_eq!((refused.status, refused.error().1.as_str()), (400, "force"), "{body:?}: {refused:?}");
        assert!(refused.body.contains("4 entries"), "{refused:?}");
    }
    assert_eq!(verdict(&daemon, "1", "u4", "192.0.2.1"), "deny");
    assert_eq!(put("bad_accounts", "key\nu1\nu2\n").status, 200, "half of them may go");
    assert_eq!(put("bad_accounts?force=true", "key\n").status, 200);
    assert_eq!(verdict(&daemon, "2", "u1", "192.0.2.1"), "allow");

    for network in ["0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3"] {
        assert_eq!(put(&format!("bad_ips/{network}"), "").error().1, "force", "{network}");
        let bulk = daemon.admin_call("POST", "/v1/lists/bad_ips", format!("10.0.0.0/8\n{network}\n"));
        assert_eq!((bulk.status, &bulk.json()["lines"][0]["line"]), (400, &json!(2)), "{bulk:?}");
    }
    assert_eq!(verdict(&daemon, "3", "u", "192.0.2.1"), "allow");
    assert_eq!(put("bad_ips/240.0.0.0/4", "").status, 200);
    assert_eq!(put("bad_ips/0.0.0.0/0?force=true", "").status, 200);
    assert_eq!(verdict(&daemon, "4", "u", "192.0.2.1"), "deny");
    assert_eq!(put("bad_ips/0.0.0.0/0?froce=true", "").status, 400);
}

#[test]
fn what_a_list_is_shown_as_is_read_back() {
    let daemon = Daemon::start();
    let csv = "key,reason,source,expires\n\"a,b\",\"say \"\"no\"\"\",desk,\nu2,,,2099-03-01\n";
    assert_eq!(daemon.admin_call("POST", "/v1/lists/bad_accounts", csv).status, 200);
    let listing = daemon.admin_call("GET", "/v1/lists/bad_accounts", "").body;
    let told = |listing: &str| {
        let listing: Value = serde_json::from_str(listing).unwrap();
        let fields = |entry: &Value| ["key", "reason", "source", "expires"].map(|name| entry[name].clone());
        listing["entries"].as_array().unwrap().iter().map(fields).collect::<Vec<_>>()
    };
    assert_eq!(daemon.admin_call("PUT", "/v1/lists/vip", &listing).status, 200);
    assert_eq!(told(&daemon.admin_call("GET", "/v1/lists/vip", "").body), told(&listing));
    let page = daemon.admin_call("GET", "/v1/lists/bad_accounts?count=1", "").body;
    let refused = daemon.admin_call("PUT", "/v1/lists/vip", page);
    assert!(refused.status == 400 && refused.body.contains("export"), "{refused:?}");
}

#[test]
fn a_day_ends_where_the_policy_is_at_home_as_it_does_in_rules() {
    let daemon = Daemon::start_with(|config| {
        let rules = format!("{}\nsettings: {{ time_zone: Asia/Shanghai }}\n", crate::harness::RULES);
        std::fs::write(config.policy.dir.join("test.yaml"), rules).unwrap();
    });
    let put = |expires: &str| {
        let body = json!({ "expires": expires }).to_string();
        daemon.admin_call("PUT", "/v1/lists/bad_accounts/u1", body)
    };
    assert_eq!(put("2099-03-01").json()["expires"], "2099-02-28T16:00:00Z");
    assert_eq!(put("2099-03-01T08:00:00+08:00").json()["expires"], "2099-03-01T00:00:00Z");
    assert_eq!(put("9999-12-31").json()["expires"], "9999-12-30T16:00:00Z");
    let refused = put("2099-03-01T08:00:00");
    assert_eq!((refused.status, refused.error().1.as_str()), (400, "expires"));
    assert!(
        refused.body.contains("Asia/Shanghai") && refused.body.contains("2099-03-01T08:00:00+08:00"),
        "{refused:?}"
    );
}

#[test]
fn what_is_no_file_of_keys_is_refused_whole() {
    let daemon = Daemon::start();
    let path = "/v1/lists/vip";
    for body in [
        "\"evilA\"\n\"evilB\"\n",
        "\"u1\nu2\n",
        "key;reason\nbad1;x\n",
        "Key\treason\nbad1\tx\n",
        "<!DOCTYPE html>\n<html>\n<body>502 Bad Gateway</body>\n</html>\n",
        "u1\n<<<<<<< HEAD\nu2\n",
    ] {
        for method in ["POST", "PUT"] {
            let reply = daemon.admin_call(method, path, body);
            assert_eq!(reply.status, 400, "{method} {body:?}: {reply:?}");
        }
    }
    assert_eq!(daemon.admin_call("GET", path, "").json()["entries"], json!([]));
}

#[test]
fn a_put_of_another_list_of_that_length_has_to_be_forced() {
    let daemon = Daemon::start();
    let keys = |name: &str, range: std::ops::Range<u32>| {
        range.fold(String::new(), |body, n| body + &format!("{name}{n}\n"))
    };
    let put = |path: &str, body: String| daemon.admin_call("PUT", path, body).status;
    assert_eq!(put("/v1/lists/vip", keys("o", 0..100)), 200);
    for (body, status) in [
        (keys("n", 0..100), 400),
        (keys("o", 0..49), 400),
        (keys("o", 0..49) + &keys("n", 0..51), 400),
        (keys("o", 0..60) + &keys("n", 0..40), 200),
    ] {
        assert_eq!(put("/v1/lists/vip", body.clone()), status, "{}", &body[..4]);
    }
    assert_eq!(put("/v1/lists/vip?force=true", keys("n", 0..100)), 200);
}
