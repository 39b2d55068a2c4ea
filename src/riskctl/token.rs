//! `riskctl token`: mint, open and draw sealed QR tokens, with the daemon's key file and without the daemon.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use engine::token::{self, Body, TokenFault, TokenKey};
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::{ECL, QRBuilder};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use uuid::Uuid;
use wire::money::{Major, parse_minor};

use crate::outcome::{Ended, Failure, Outcome};
use crate::print;
use events::show_instant;

/// Commands over tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Seal a token for a packet with the newest key
    #[command(
        after_help = "Example:\n  riskctl token mint 0192f6c4-7c1e-7000-8000-000000000001 --amount 8.88 --valid-seconds 3600"
    )]
    Mint(Mint),
    /// Open a token and show what it says
    #[command(after_help = "Example:\n  riskctl token verify \"$TOKEN\"")]
    Verify(Verify),
    /// Draw a token as a QR code in SVG
    #[command(after_help = "Example:\n  riskctl token render \"$TOKEN\" --out packet.svg")]
    Render(Render),
}

/// The keys.
#[derive(Args, Debug)]
pub struct Keys {
    /// File of keys: a line each, id and 64 hexadecimal digits, newest first
    #[arg(long = "keys", default_value = "data/token.keys", value_name = "FILE")]
    file: PathBuf,
}

/// What to seal.
#[derive(Args, Debug)]
pub struct Mint {
    /// The packet
    packet: Uuid,
    /// Amount in major units; 0 where the packet decides
    #[arg(long, default_value = "0", value_parser = parse_minor)]
    amount: i64,
    /// How long it is good for: seconds, or a length of time such as 90s, 1h30m or 1w
    #[arg(long, default_value = "86400", value_parser = crate::lengths::seconds)]
    valid_seconds: u32,
    #[command(flatten)]
    keys: Keys,
}

/// What to open.
#[derive(Args, Debug)]
pub struct Verify {
    /// The token
    token: String,
    #[command(flatten)]
    keys: Keys,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What to draw.
#[derive(Args, Debug)]
pub struct Render {
    /// The token
    token: String,
    /// SVG file; standard output by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs one of them.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Mint(options) => mint(options),
        Command::Verify(options) => verify(options),
        Command::Render(options) => render(options),
    }
}

fn mint(options: &Mint) -> Outcome {
    let keys = read_keys(&options.keys.file)?;
    let newest = keys.first().ok_or("there is no key")?;
    let mut nonce = [0; 12];
    SystemRandom::new().fill(&mut nonce).map_err(|_| "the system gives no random bytes")?;
    let minted_ms = now_ms();
    let body = Body {
        packet: options.packet.as_u128(),
        minted_ms,
        expires_ms: minted_ms + i64::from(options.valid_seconds) * 1000,
        amount_minor: options.amount,
    };
    print::out(&format!("{}\n", token::seal(newest, nonce, &body)));
    Ok(Ended::Clean)
}

/// Exit code 1 when the token does not open or its time is over.
fn verify(options: &Verify) -> Outcome {
    let keys = read_keys(&options.keys.file)?;
    let body = match token::open(&keys, &options.token) {
        Ok(body) => body,
        Err(fault) => {
            let words = match fault {
                TokenFault::Malformed => "not a token",
                TokenFault::UnknownKey => "sealed with a key that the file does not have",
                TokenFault::Forged => "forged: its seal does not hold",
            };
            print::raw(&if options.json {
                print::pretty(&json!({ "valid": false, "fault": words }))
            } else {
                format!("{words}\n")
            });
            return Ok(Ended::Found);
        }
    };
    let expired = body.expires_ms <= now_ms();
    let (packet, amount) = (Uuid::from_u128(body.packet), Major(body.amount_minor));
    let (minted, expires) = (show_instant(body.minted_ms), show_instant(body.expires_ms));
    print::raw(&if options.json {
        print::pretty(&json!({
            "valid": !expired,
            "packet": packet.to_string(),
            "amount": amount.to_string(),
            "minted": minted,
            "expires": expires,
        }))
    } else {
        let state = if expired { "expired" } else { "valid" };
        format!("{state}\npacket   {packet}\namount   {amount}\nminted   {minted}\nexpires  {expires}\n")
    });
    Ok(if expired { Ended::Found } else { Ended::Clean })
}

fn render(options: &Render) -> Outcome {
    let code = QRBuilder::new(options.token.as_str()).ecl(ECL::M).build();
    let code = code.map_err(|error| Failure::of("the token does not fit a QR code", error))?;
    let svg = SvgBuilder::default().to_str(&code);
    match &options.out {
        Some(path) => {
            let written = std::fs::File::create(path).and_then(|mut file| file.write_all(svg.as_bytes()));
            written.map_err(|error| Failure::of(path.display(), error))?;
        }
        None => print::raw(&format!("{svg}\n")),
    }
    Ok(Ended::Clean)
}

/// Longest key file: ids are one byte, so that there are 256 keys at most; the rest are notes.
const KEYS_BYTES_MAX: u64 = 1 << 20;

/// The daemon's key file, taken and refused as the daemon does. A faulty line is named by its number and never shown: it may be
/// most of a key.
fn read_keys(path: &Path) -> Result<Vec<TokenKey>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::of(path.display(), error);
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let mut text = String::new();
    file.take(KEYS_BYTES_MAX).read_to_string(&mut text).map_err(|error| failed(&error))?;
    let mut keys: Vec<TokenKey> = Vec::new();
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split_once(char::is_whitespace).and_then(|(id, digits)| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(digits.trim(), &mut bytes).ok()?;
            Some(TokenKey::new(id.parse().ok()?, bytes))
        });
        let refused = |why: &str| Failure(format!("{}:{}: {why}", path.display(), number + 1));
        let key = key.ok_or_else(|| refused("expected an id and 64 hexadecimal digits"))?;
        if keys.iter().any(|other| other.id() == key.id()) {
            return Err(refused("another key has this id"));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(failed(&"there is no key")) } else { Ok(keys) }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
