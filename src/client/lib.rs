//! The Rust client: checks and outcomes to a daemon over QUIC or a Unix socket, many in flight on one stream.
//!
//! [`Client`] is for services: share it, call it from any task, each call waits for its own answers alone.
//! [`Sender`] and [`Receiver`] are the two halves below it, for load generators that send by their own clock
//! and match answers by tag. Frames and types are those of the `wire` crate.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use client::{Client, Trust};
//! use wire::{Check, Kind};
//!
//! let trust = Trust::pem(&std::fs::read("daemon.pem")?)?;
//! let client = Client::connect_quic("127.0.0.1:8443".parse()?, "localhost", trust).await?;
//! let answer = client.check(&Check::new("a1", Kind::Login, "u1")).await?;
//! println!("{} with score {}", answer.verdict, answer.score);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod error;
mod quic;
mod shared;
mod stream;
mod trust;
#[cfg(unix)]
mod unix;

pub use error::{ClientError, ConnectError};
pub use quic::{ALPN, Connection, connect_quic};
pub use shared::Client;
pub use stream::{Receiver, Replied, Reply, Sender};
pub use trust::Trust;
#[cfg(unix)]
pub use unix::connect_unix;
