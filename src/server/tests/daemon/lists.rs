//! Lists: in force at once, durable, all or nothing.

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
    daemon.admin_call("PUT", "/v1/lists/bad_accounts/over", json!({"expires": "2020-01-01"}).to_string());
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
