//! Five hundred claims at once against a limit of ten: exactly ten are allowed, whichever door they come through, and as many
//! more as are given back afterwards.
//!
//! A wave waits until all of its connections stand, more of them than there are workers, and then sends all claims together.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use wire::{Check, Kind, Outcome, OutcomeKind, OwnedAnswer, Verdict};

use crate::harness::{Daemon, run};

const CLAIMS: usize = 500;
const CONNECTIONS: usize = 20;
const EACH: usize = CLAIMS / CONNECTIONS;
const LIMIT: usize = 10;

#[derive(Clone, Copy, Debug)]
enum Door {
    Http,
    Quic,
    Unix,
}

/// What a claim was told: its verdict, and value and threshold of the limit where one refused it.
struct Told {
    id: String,
    allowed: bool,
    refused_at: Option<(i64, i64)>,
}

#[test]
fn five_hundred_claims_at_once_over_http_pass_a_limit_of_ten_ten_times() {
    holds_over(&[Door::Http], "0192f6c4-7c1e-7000-8000-0000000000a1");
}

#[test]
fn five_hundred_claims_at_once_over_quic_pass_a_limit_of_ten_ten_times() {
    holds_over(&[Door::Quic], "0192f6c4-7c1e-7000-8000-0000000000a2");
}

#[test]
fn five_hundred_claims_at_once_over_the_unix_socket_pass_a_limit_of_ten_ten_times() {
    holds_over(&[Door::Unix], "0192f6c4-7c1e-7000-8000-0000000000a3");
}

#[test]
fn five_hundred_claims_at_once_over_all_doors_pass_a_limit_of_ten_ten_times() {
    holds_over(&[Door::Http, Door::Quic, Door::Unix], "0192f6c4-7c1e-7000-8000-0000000000a4");
}

fn holds_over(doors: &[Door], packet: &str) {
    let daemon = Daemon::start();
    run(async {
        let first = wave(&daemon, doors, packet, "a").await;
        let allowed: Vec<&Told> = first.iter().filter(|told| told.allowed).collect();
        assert_eq!(allowed.len(), LIMIT);

        // Three give back, each told twice: what is given back once is not given back again.
        let outcomes = [OutcomeKind::Failed, OutcomeKind::Cancelled, OutcomeKind::Failed];
        for (at, (told, outcome)) in allowed.iter().zip(outcomes).enumerate() {
            for _ in 0..2 {
                give_back(&daemon, doors[at % doors.len()], &told.id, outcome).await;
            }
        }
        let second = wave(&daemon, doors, packet, "b").await;
        assert_eq!(second.iter().filter(|told| told.allowed).count(), outcomes.len());

        // Ten stand: the next one would be the eleventh, and the daemon says so.
        for &door in doors {
            let ids = vec![format!("last-{door:?}")];
            let last = claims(&daemon, door, packet, ids, false, Arc::new(Barrier::new(1))).await;
            assert_eq!(last[0].refused_at, Some((LIMIT as i64 + 1, LIMIT as i64)), "over {door:?}");
        }
    });
    daemon.await_metric("riskd_checks_total", "claim", (2 * CLAIMS + doors.len()) as f64);
}

/// Sends all claims of a wave at once. Whoever is not allowed must have been refused by the limit and by nothing else.
async fn wave(daemon: &Daemon, doors: &[Door], packet: &str, letter: &str) -> Vec<Told> {
    let all_connected = Arc::new(Barrier::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    for at in 0..CONNECTIONS {
        let ids = (0..EACH).map(|n| format!("{letter}{at}-{n}")).collect();
        // Every other connection of a framed door sends its claims in one frame, the rest one by one.
        let (door, in_one_frame) = (doors[at % doors.len()], (at / doors.len()).is_multiple_of(2));
        connections.spawn(claims(daemon, door, packet, ids, in_one_frame, all_connected.clone()));
    }
    let told: Vec<Told> = connections.join_all().await.into_iter().flatten().collect();
    assert_eq!(told.len(), CLAIMS);
    assert!(told.iter().all(|told| told.allowed != told.refused_at.is_some()));
    told
}

/// Claims over a connection of their own, sent together once all connections stand.
fn claims(
    daemon: &Daemon,
    door: Door,
    packet: &str,
    ids: Vec<String>,
    in_one_frame: bool,
    all_connected: Arc<Barrier>,
) -> impl Future<Output = Vec<Told>> + Send + 'static {
    let (http, quic, unix) = (daemon.http(), daemon.running().addresses().quic.unwrap(), daemon.unix());
    let (trust, packet) = (daemon.quic_trust(), packet.to_owned());
    async move {
        let client = match door {
            Door::Http => return over_http(http, &packet, ids, &all_connected).await,
            Door::Quic => client::Client::connect_quic(quic, "localhost", trust).await.unwrap(),
            Door::Unix => client::Client::connect_unix(unix).await.unwrap(),
        };
        let checks = ids.into_iter().map(|id| {
            let mut check = Check::new(id.clone(), Kind::Claim, format!("u{id}"));
            check.packet = Some(packet.parse().unwrap());
            check
        });
        all_connected.wait().await;
        if in_one_frame {
            let answers = client.check_batch(&checks.collect::<Vec<_>>()).await.unwrap();
            return answers.into_iter().map(|answer| Told::of(answer.unwrap())).collect();
        }
        let mut tasks = JoinSet::new();
        for check in checks {
            let client = client.clone();
            tasks.spawn(async move { Told::of(client.check(&check).await.unwrap()) });
        }
        tasks.join_all().await
    }
}

/// Claims written one after the other before the first reply is read.
async fn over_http(
    address: SocketAddr,
    packet: &str,
    ids: Vec<String>,
    all_connected: &Barrier,
) -> Vec<Told> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let requests: Vec<String> = ids
        .iter()
        .map(|id| {
            let body = json!({"id": id, "kind": "claim", "account": format!("u{id}"), "packet": packet});
            let (body, last) = (body.to_string(), ids.last() == Some(id));
            let connection = if last { "close" } else { "keep-alive" };
            let length = body.len();
            format!(
                "POST /v1/check HTTP/1.1\r\nHost: test\r\nConnection: {connection}\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        })
        .collect();
    all_connected.wait().await;
    stream.write_all(requests.concat().as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let replies = text.split("HTTP/1.1 ").skip(1);
    replies
        .map(|reply| {
            let (head, body) = reply.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("200 "), "{reply}");
            Told::of_json(&serde_json::from_str(body).unwrap())
        })
        .collect()
}

async fn give_back(daemon: &Daemon, door: Door, id: &str, outcome: OutcomeKind) {
    let told = Outcome { id: id.into(), outcome, time_ms: None };
    match door {
        Door::Http => {
            let body = json!({"id": id, "outcome": outcome.name()}).to_string();
            let kept = daemon.post("/v1/outcome", body).json();
            assert_eq!(kept["known"], json!(true), "{kept}");
        }
        Door::Quic => daemon.quic_client().await.outcome(&told).await.unwrap(),
        Door::Unix => daemon.unix_client().await.outcome(&told).await.unwrap(),
    }
}

impl Told {
    fn of(answer: OwnedAnswer) -> Told {
        let refused_at = answer.reasons.iter().find(|reason| reason.code == "L001").map(|reason| {
            let number = |value: &wire::Value| match value {
                wire::Value::Int(number) => *number,
                other => panic!("{other:?} is no count"),
            };
            (number(&reason.value), number(&reason.threshold))
        });
        let allowed = answer.verdict == Verdict::Allow;
        Told { id: answer.id, allowed, refused_at }
    }

    fn of_json(answer: &Value) -> Told {
        let reasons = answer["reasons"].as_array().unwrap();
        let refused_at = reasons
            .iter()
            .find(|reason| reason["code"] == "L001")
            .map(|reason| (reason["value"].as_i64().unwrap(), reason["threshold"].as_i64().unwrap()));
        let id = answer["id"].as_str().unwrap().to_owned();
        Told { id, allowed: answer["verdict"] == "allow", refused_at }
    }
}
