//! Replies that were cut short, that lie about their length or that come from somebody else: no command believes them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Commands that read a reply, with a good one: its status and its body, and how the command ends on it.
const COMMANDS: [(&[&str], &str, &str, i32); 10] = [
    (&["list", "add", "bad", "d-1"], "200 OK", r#"{"key":"d-1","reason":"","source":""}"#, 0),
    (&["list", "remove", "bad", "d-1"], "204 No Content", "", 0),
    (&["list", "import", "bad", "FILE"], "200 OK", r#"{"list":"bad","entries":3}"#, 0),
    (&["list", "replace", "bad", "FILE"], "200 OK", r#"{"list":"bad","entries":3}"#, 0),
    (&["list", "show"], "200 OK", r#"{"lists":[{"list":"bad","matching":"exact","entries":1}]}"#, 0),
    (&["list", "show", "bad"], "200 OK", r#"{"list":"bad","entries":[{"key":"d-1","reason":"r"}]}"#, 0),
    (&["list", "show", "bad", "d-1"], "200 OK", r#"{"key":"d-1","reason":"r"}"#, 0),
    (&["list", "export", "bad"], "200 OK", r#"{"list":"bad","entries":[{"key":"d-1","reason":"r"}]}"#, 0),
    (&["rules", "demoted"], "200 OK", r#"{"demoted":[]}"#, 0),
    (&["rules", "turn-on", "r1", "--by", "me"], "200 OK", r#"{"turned_on":{"id":"r1"},"by":"me"}"#, 0),
];

/// A server on one address that gives whoever asks the bytes of the moment, and ends the connection.
struct Hostile {
    address: String,
    reply: Arc<Mutex<Vec<u8>>>,
    folder: tempfile::TempDir,
}

impl Hostile {
    fn start() -> Hostile {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let reply = Arc::new(Mutex::new(Vec::new()));
        let given = reply.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let reply = given.lock().unwrap().clone();
                answer(stream, &reply);
            }
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "secret").unwrap();
        std::fs::write(folder.path().join("list.csv"), "key\nd-1\n").unwrap();
        Hostile { address, reply, folder }
    }

    /// Runs a command against a server that replies so; its code and what it printed.
    fn ends(&self, command: &[&str], reply: &[u8]) -> (Option<i32>, String, String) {
        *self.reply.lock().unwrap() = reply.to_vec();
        let file = self.folder.path().join("list.csv").display().to_string();
        let words = command.iter().map(|&word| if word == "FILE" { file.as_str() } else { word });
        let output = Command::new(env!("CARGO_BIN_EXE_riskctl"))
            .args(words)
            .args(["--admin", &self.address, "--token-file"])
            .arg(self.folder.path().join("token"))
            // A proxy of the environment would be handed the token.
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("http_proxy", "http://127.0.0.1:9")
            .env("ALL_PROXY", "http://127.0.0.1:9")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

/// Reads a request whole, so that the reply is not lost to a reset, and answers it.
fn answer(mut stream: TcpStream, reply: &[u8]) {
    let mut request = Vec::new();
    let mut some = [0; 4096];
    loop {
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if request.len() >= end + 4 + length.unwrap_or(0_usize) {
                break;
            }
        }
        match stream.read(&mut some) {
            Ok(read) if read > 0 => request.extend_from_slice(&some[..read]),
            _ => return,
        }
    }
    let _ = stream.write_all(reply);
}

fn whole(status: &str, kind: &str, length: usize, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

/// Every reply that must not be believed in the place of that one.
fn lies(status: &str, body: &str) -> Vec<(String, Vec<u8>)> {
    const JSON: &str = "application/json";
    let good = whole(status, JSON, body.len(), body);
    let head = good.len() - body.len();
    let mut lies = vec![
        ("nothing at all".to_owned(), Vec::new()),
        ("no HTTP".to_owned(), b"220 smtp.example ESMTP\r\n".to_vec()),
        ("another status".to_owned(), whole("202 Accepted", JSON, body.len(), body)),
        (
            "a redirect".to_owned(),
            b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_vec(),
        ),
        ("a page of a proxy".to_owned(), whole("404 Not Found", "text/html", 9, "not found")),
        ("a failure without words".to_owned(), whole("500 Internal Server Error", JSON, 0, "")),
        ("a bad gateway".to_owned(), whole("502 Bad Gateway", "text/html", 3, "<p>")),
    ];
    for end in [head / 2, head - 1] {
        lies.push((format!("a head cut at {end}"), good[..end].to_vec()));
    }
    if body.is_empty() {
        lies.push(("success with other content".to_owned(), whole("200 OK", JSON, 2, "{}")));
        return lies;
    }
    for end in [0, 1, body.len() / 2, body.len() - 1] {
        lies.push((format!("a body cut at {end}"), good[..head + end].to_vec()));
        let open =
            format!("HTTP/1.1 {status}\r\nContent-Type: {JSON}\r\nConnection: close\r\n\r\n{}", &body[..end]);
        lies.push((format!("a body without a length cut at {end}"), open.into_bytes()));
        lies.push((format!("a length of {end}"), whole(status, JSON, end, body)));
        let chunk = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{}",
            body.len(),
            &body[..end]
        );
        lies.push((format!("a chunk cut at {end}"), chunk.into_bytes()));
    }
    lies.push(("a length beyond the body".to_owned(), whole(status, JSON, body.len() + 1, body)));
    for kind in ["text/html", "text/plain", "application/octet-stream"] {
        lies.push((format!("as {kind}"), whole(status, kind, body.len(), body)));
    }
    for other in [
        "{}",
        "[]",
        "null",
        "{\"ok\":true}",
        "\"\"",
        "{\"entries\":\"3\",\"demoted\":{},\"lists\":0,\"key\":1,\"by\":2}",
    ] {
        lies.push((format!("the shape {other}"), whole(status, JSON, other.len(), other)));
    }
    lies
}

#[test]
fn a_reply_that_is_cut_short_or_is_not_the_daemons_is_no_success() {
    let hostile = Hostile::start();
    let mut believed = Vec::new();
    for (command, status, body, code) in COMMANDS {
        let (ended, printed, told) =
            hostile.ends(command, &whole(status, "application/json", body.len(), body));
        assert_eq!(ended, Some(code), "{command:?}: {printed}{told}");
        assert!(!printed.is_empty(), "{command:?}");
        for (what, reply) in lies(status, body) {
            let (ended, printed, told) = hostile.ends(command, &reply);
            if ended != Some(2) || !printed.is_empty() || !told.contains(&hostile.address) {
                believed.push(format!("{command:?} on {what}: {ended:?} {printed}{told}"));
            }
        }
    }
    assert!(believed.is_empty(), "{}", believed.join("\n"));
}

#[test]
fn what_the_daemon_says_of_itself_is_told_in_its_words() {
    let hostile = Hostile::start();
    let json = |status: &str, body: &str| whole(status, "application/json", body.len(), body);
    let absent = json(
        "404 Not Found",
        r#"{"error":{"code":"not_found","field":"key","message":"it is not on list bad"}}"#,
    );
    let (ended, printed, _) = hostile.ends(&["list", "remove", "bad", "d-1"], &absent);
    assert_eq!((ended, printed.as_str()), (Some(1), "it is not on list bad\n"));
    let demoted =
        json("404 Not Found", r#"{"error":{"code":"not_found","field":"id","message":"r1 is not demoted"}}"#);
    let (ended, printed, _) = hostile.ends(&["rules", "turn-on", "r1", "--by", "me"], &demoted);
    assert_eq!((ended, printed.as_str()), (Some(1), "r1 is not demoted\n"));
    let faulty = json(
        "400 Bad Request",
        r#"{"error":{"code":"malformed","field":"","message":"m"},"lines":[{"line":2,"message":"no key"}]}"#,
    );
    let (ended, printed, _) = hostile.ends(&["list", "import", "bad", "FILE"], &faulty);
    assert_eq!(ended, Some(1));
    assert!(printed.contains("list.csv:2: no key"), "{printed}");
    let refused = json(
        "401 Unauthorized",
        r#"{"error":{"code":"forbidden","field":"","message":"the token is wrong"}}"#,
    );
    for (command, ..) in COMMANDS {
        let (ended, printed, told) = hostile.ends(command, &refused);
        assert_eq!((ended, printed.as_str()), (Some(2), ""), "{command:?}");
        assert!(told.contains("refused (401): the token is wrong"), "{command:?}: {told}");
    }
}

/// A text of a feed that would clear the screen, ring, begin a line and turn the text about, as JSON has it and as it is shown.
const FEED: &str = r"x\u001b[2J\u0007\ny\u202ez\u009bm";
const SHOWN: &str = r"x\u{1b}[2J\u{7}\ny\u{202e}z\u{9b}m";

#[test]
fn text_of_a_feed_does_nothing_to_a_terminal() {
    let hostile = Hostile::start();
    let json = |status: &str, body: &str| whole(status, "application/json", body.len(), body);
    let calm = |text: &str| !text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r']);
    let entry = format!(r#"{{"key":"{FEED}","reason":"{FEED}","source":"{FEED}"}}"#);
    let page = format!(r#"{{"list":"bad","entries":[{entry}],"next":"{FEED}"}}"#);
    let lists = format!(r#"{{"lists":[{{"list":"{FEED}","matching":"exact","entries":1}}]}}"#);
    let demoted = format!(
        r#"{{"demoted":[{{"id":"{FEED}","time":"t","refused":1,"checks":1,"share_max_percent":1.0,"learned":true}}]}}"#
    );
    let by = format!(r#"{{"by":"{FEED}"}}"#);
    for (command, body, lines) in [
        (&["list", "show", "bad", "d-1"][..], &entry, 2),
        (&["list", "show", "bad"], &page, 3),
        (&["list", "show"], &lists, 2),
        (&["rules", "demoted"], &demoted, 2),
        (&["rules", "turn-on", "r1", "--by", "me"], &by, 1),
    ] {
        let (_, printed, _) = hostile.ends(command, &json("200 OK", body));
        assert!(calm(&printed) && printed.contains(SHOWN), "{command:?}: {printed:?}");
        assert_eq!(printed.lines().count(), lines, "{command:?}: {printed:?}");
        // Programs get what the daemon said.
        if command[1] != "turn-on" {
            let (_, printed, _) = hostile.ends(&[command, &["--json"]].concat(), &json("200 OK", body));
            let said: serde_json::Value = serde_json::from_str(&printed).unwrap();
            assert_eq!(said, serde_json::from_str::<serde_json::Value>(body).unwrap(), "{command:?}");
        }
    }
    let refused = format!(r#"{{"error":{{"code":"not_found","field":"key","message":"{FEED}"}}}}"#);
    for (command, ..) in COMMANDS {
        let (_, printed, told) = hostile.ends(command, &json("401 Unauthorized", &refused));
        assert!(printed.is_empty() && calm(&told) && told.contains(SHOWN), "{command:?}: {told:?}");
        assert_eq!(told.lines().count(), 1, "{command:?}: {told:?}");
    }
    let (_, printed, _) = hostile.ends(&["list", "remove", "bad", "d-1"], &json("404 Not Found", &refused));
    assert_eq!(printed, format!("{SHOWN}\n"));
    let faulty = format!(
        r#"{{"error":{{"code":"malformed","field":"","message":"m"}},"lines":[{{"line":2,"message":"{FEED}"}}]}}"#
    );
    let (_, printed, _) = hostile.ends(&["list", "import", "bad", "FILE"], &json("400 Bad Request", &faulty));
    assert!(calm(&printed) && printed.contains(SHOWN), "{printed:?}");
    // Somebody else's page, shown to tell what answered.
    let (_, _, told) = hostile.ends(&["list", "show"], &json("200 OK", "\u{1b}[2J\u{202e}no"));
    assert!(calm(&told), "{told:?}");
}

#[test]
fn an_export_changes_no_text() {
    let hostile = Hostile::start();
    let page = r#"{"list":"bad","entries":[{"key":"a\tb","reason":"two\nlines, \"quoted\"","source":"\u001b[m"},{"key":"c"}]}"#;
    let reply = whole("200 OK", "application/json", page.len(), page);
    let (code, printed, told) = hostile.ends(&["list", "export", "bad"], &reply);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("texts of 1 entry go over lines") && told.contains("--json"), "{told}");
    let mut reader = csv::Reader::from_reader(printed.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows[0].iter().collect::<Vec<_>>(), ["a\tb", "two\nlines, \"quoted\"", "\u{1b}[m", ""]);
    assert_eq!(rows[1].iter().collect::<Vec<_>>(), ["c", "", "", ""]);
    let (_, printed, told) = hostile.ends(&["list", "export", "bad", "--json"], &reply);
    let first: serde_json::Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    assert_eq!((first["reason"].as_str(), told.as_str()), (Some("two\nlines, \"quoted\""), ""));
}

#[test]
fn a_reply_of_another_list_is_not_believed() {
    let hostile = Hostile::start();
    let json = |status: &str, body: &str| whole(status, "application/json", body.len(), body);
    for (command, _, body, _) in COMMANDS.iter().filter(|(.., body, _)| body.contains(r#""list":"bad","#)) {
        if command.len() == 2 {
            continue;
        }
        let other = body.replace(r#""list":"bad""#, r#""list":"worse""#);
        let (ended, printed, told) = hostile.ends(command, &json("200 OK", &other));
        assert_eq!((ended, printed.as_str()), (Some(2), ""), "{command:?}");
        assert!(told.contains("tells of another list, `worse`"), "{command:?}: {told}");
    }
    let (_, printed, _) =
        hostile.ends(&["list", "add", "bad", "10.1.2.3/8"], &json("200 OK", r#"{"key":"10.0.0.0/8"}"#));
    assert_eq!(printed, "10.0.0.0/8 is on bad, which is how 10.1.2.3/8 is written\n");
    // A list that is not there is no key that is not on it.
    let unknown =
        r#"{"error":{"code":"not_found","field":"list","message":"the policy declares no list bad"}}"#;
    for command in [&["list", "remove", "bad", "d-1"], &["list", "show", "bad", "d-1"]] {
        let (ended, printed, told) = hostile.ends(command, &json("404 Not Found", unknown));
        assert_eq!((ended, printed.as_str()), (Some(2), ""), "{command:?}: {told}");
    }
}

#[test]
fn a_token_file_that_never_ends_is_none() {
    for (file, why) in [("/dev/zero", "expected one line"), ("/dev/null", "expected one line")] {
        let output = Command::new(env!("CARGO_BIN_EXE_riskctl"))
            .args(["list", "show", "--admin", "127.0.0.1:1", "--token-file", file])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && told.contains(why), "{told}");
    }
}
