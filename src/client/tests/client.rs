//! What a client may rely on, over both transports.

mod common;

use std::time::Duration;

use client::{Client, ClientError, ConnectError, Replied, Trust, connect_quic, connect_unix};
use common::{QuicDaemon, unix_daemon};
use wire::{Check, ErrorCode, Kind, Outcome, OutcomeKind, Verdict};

fn check<'a>(id: &'a str, account: &'a str) -> Check<'a> {
    Check::new(id, Kind::Pay, account)
}

/// Ids answered, and the code of each error in its place.
async fn shown(client: &Client, checks: &[Check<'_>]) -> String {
    let answers = client.check_batch(checks).await.unwrap();
    let shown = answers.into_iter().map(|answer| match answer {
        Ok(answer) => answer.id,
        Err(error) => error.code.to_string(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

async fn serves_everything(client: &Client) {
    client.ping().await.unwrap();
    let answer = client.check(&check("a1", "u1")).await.unwrap();
    assert_eq!((answer.id.as_str(), answer.verdict, answer.policy.as_str()), ("a1", Verdict::Allow, "p1"));

    let batch = [check("a1", "u1"), check("a2", "refuse"), check("a3", "u1")];
    assert_eq!(shown(client, &batch).await, "a1 in_flight a3");
    let refused = client.check(&check("a2", "refuse")).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(error) if error.code == ErrorCode::InFlight));

    let outcome = |id| Outcome { id, outcome: OutcomeKind::Settled, time_ms: None };
    client.outcome(&outcome("a1".into())).await.unwrap();
    let refused = client.outcome(&outcome("unknown".into())).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(error) if error.code == ErrorCode::NotFound));
}

#[tokio::test]
async fn a_unix_socket_serves_everything() {
    let (_folder, path) = unix_daemon();
    serves_everything(&Client::connect_unix(&path).await.unwrap()).await;
}

#[tokio::test]
async fn quic_serves_everything() {
    let daemon = QuicDaemon::start(client::ALPN);
    serves_everything(&Client::connect_quic(daemon.address, "localhost", daemon.trust()).await.unwrap())
        .await;
}

#[tokio::test]
async fn a_full_frame_with_fat_checks_passes_over_quic() {
    let daemon = QuicDaemon::start(client::ALPN);
    let client = Client::connect_quic(daemon.address, "localhost", daemon.trust()).await.unwrap();
    let text = "x".repeat(512);
    let fat = |id| Check { text: text.as_str().into(), qr: text.as_str().into(), ..check(id, "u1") };
    let ids: Vec<String> = (0..1024).map(|n| format!("a{n}")).collect();
    let batch: Vec<Check<'_>> = ids.iter().map(|id| fat(id)).collect();
    assert_eq!(shown(&client, &batch).await, ids.join(" "));
}

#[tokio::test]
async fn tasks_share_a_client_and_each_gets_its_own_answers() {
    let (_folder, path) = unix_daemon();
    let client = Client::connect_unix(&path).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                for n in 0..20 {
                    let id = format!("a{task}-{n}");
                    assert_eq!(client.check(&check(&id, "u1")).await.unwrap().id, id);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn replies_out_of_order_find_their_askers() {
    let (_folder, path) = unix_daemon();
    let client = Client::connect_unix(&path).await.unwrap();
    let (later, first) = ([check("slow", "later")], [check("fast", "u1")]);
    let (later, first) = tokio::join!(shown(&client, &later), shown(&client, &first));
    assert_eq!((later.as_str(), first.as_str()), ("slow", "fast"));
}

#[tokio::test]
async fn who_gives_up_harms_nobody_else() {
    let (_folder, path) = unix_daemon();
    let client = Client::connect_unix(&path).await.unwrap();
    let late = [check("late", "later")];
    let given_up = tokio::time::timeout(Duration::from_millis(20), client.check_batch(&late)).await;
    assert!(given_up.is_err());
    assert_eq!(shown(&client, &[check("a1", "u1")]).await, "a1");
}

#[tokio::test]
async fn halves_send_by_their_own_clock_and_match_by_tag() {
    let daemon = QuicDaemon::start(client::ALPN);
    let connection = connect_quic(daemon.address, "localhost", daemon.trust()).await.unwrap();
    let (mut sender, mut receiver) = connection.open().await.unwrap();
    let mut sent = Vec::new();
    for account in ["u1", "later", "u2", "u3"] {
        sent.push(sender.send_checks(&[check(account, account)]).await.unwrap());
    }
    sent.push(sender.send_ping().await.unwrap());
    sender.finish().await.unwrap();
    let mut received = Vec::new();
    while let Some(reply) = receiver.reply().await.unwrap() {
        received.push(reply.tag);
        if let Replied::Answers(mut answers) = reply.replied {
            assert!(answers.next().unwrap().is_ok());
        }
    }
    received.sort_unstable();
    assert_eq!(received, sent);
    connection.close().await;
}

#[tokio::test]
async fn streams_of_one_connection_do_not_wait_for_each_other() {
    let daemon = QuicDaemon::start(client::ALPN);
    let connection = connect_quic(daemon.address, "localhost", daemon.trust()).await.unwrap();
    let (one, two) = (connection.open().await.unwrap(), connection.open().await.unwrap());
    let (one, two) = (Client::new(one.0, one.1), Client::new(two.0, two.1));
    let late = [check("late", "later")];
    let waits = one.check_batch(&late);
    assert_eq!(shown(&two, &[check("a1", "u1")]).await, "a1");
    assert!(tokio::time::timeout(Duration::from_millis(20), waits).await.is_err());
}

#[tokio::test]
async fn what_does_not_fit_is_not_sent_and_the_connection_goes_on() {
    let (_folder, path) = unix_daemon();
    let client = Client::connect_unix(&path).await.unwrap();
    let long = "x".repeat(65);
    let refused = client.check(&check("a1", &long)).await.unwrap_err();
    assert!(matches!(refused, ClientError::Request(error) if error.field == "account"));
    let many = vec![check("a1", "u1"); 1025];
    assert!(matches!(client.check_batch(&many).await, Err(ClientError::Request(_))));
    // A check that only the daemon refuses costs its place alone.
    assert_eq!(shown(&client, &[check("", "u1"), check("a2", "u1")]).await, "missing_field a2");
}

#[tokio::test]
async fn a_lost_connection_is_told_to_everybody_at_once() {
    let daemon = QuicDaemon::start(client::ALPN);
    let client = Client::connect_quic(daemon.address, "localhost", daemon.trust()).await.unwrap();
    client.ping().await.unwrap();
    let late = [check("late", "later")];
    let (waits, ()) = tokio::join!(client.check_batch(&late), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        daemon.kill();
    });
    assert!(matches!(waits, Err(ClientError::Lost(_))), "{waits:?}");
    assert!(matches!(client.ping().await, Err(ClientError::Lost(_))));

    let (_folder, path) = unix_daemon();
    let client = Client::connect_unix(&path).await.unwrap();
    for account in ["leave", "u1"] {
        assert!(matches!(client.check(&check("a1", account)).await, Err(ClientError::Lost(_))));
    }
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_connection() {
    let (_folder, path) = unix_daemon();
    let client = Client::connect_unix(&path).await.unwrap();
    let lost = client.check(&check("a1", "garbage")).await.unwrap_err();
    assert_eq!(
        lost.to_string(),
        "connection lost: cannot read the daemon: bad_version: version 255, expected 1"
    );

    let (mut sender, mut receiver) = connect_unix(&path).await.unwrap();
    sender.send_bytes(b"GET / HTTP/1.1\r\n").await.unwrap();
    let reply = receiver.reply().await.unwrap().unwrap();
    assert!(matches!(reply.replied, Replied::Refused(error) if error.code == ErrorCode::BadVersion));
    assert!(receiver.reply().await.unwrap().is_none());
}

#[tokio::test]
async fn only_a_daemon_that_is_trusted_by_name_is_spoken_to() {
    let daemon = QuicDaemon::start(client::ALPN);
    let other = QuicDaemon::start(client::ALPN);
    let refused = Client::connect_quic(daemon.address, "localhost", other.trust()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Unreachable(_)), "{refused}");
    let refused = Client::connect_quic(daemon.address, "elsewhere", daemon.trust()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Unreachable(_)), "{refused}");
    let refused = Client::connect_quic(daemon.address, "not a name", daemon.trust()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Trust(_)), "{refused}");

    let another_protocol = QuicDaemon::start(b"h3");
    let refused = Client::connect_quic(another_protocol.address, "localhost", another_protocol.trust())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("protocol"), "{refused}");

    assert!(matches!(Trust::pem(b"no certificate"), Err(ConnectError::Trust(_))));
    assert!(matches!(Trust::der(b"\x30\x00"), Err(ConnectError::Trust(_))));
    assert!(matches!(Client::connect_unix("/nowhere/riskd.sock").await, Err(ConnectError::Unreachable(_))));
}

#[tokio::test]
async fn the_last_clone_takes_the_connection_with_it() {
    let (_folder, path) = unix_daemon();
    let (sender, receiver) = connect_unix(&path).await.unwrap();
    let client = Client::new(sender, receiver);
    let clone = client.clone();
    drop(client);
    clone.ping().await.unwrap();
    let tasks = tokio::runtime::Handle::current().metrics();
    let running = tasks.num_alive_tasks();
    drop(clone);
    let ended = async {
        // Our reader and writer, and the daemon's task of this connection.
        while tasks.num_alive_tasks() > running - 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), ended).await.unwrap();
}
