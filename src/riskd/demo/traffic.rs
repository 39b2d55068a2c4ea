//! The events of a demo, in frames, made on a thread of their own so that making them does not count as waiting for answers.

use engine::token::{self, Body, TokenKey};
use sim::{Config, Event, TokenRequest, Traffic};
use tokio::sync::mpsc::{Receiver, channel};

/// Events of a frame.
pub const FRAME_EVENTS: usize = 64;
/// Simulated time a frame may span: at night, sixty-four events take minutes, and a gateway does not hold events back.
const FRAME_SPAN_MS: i64 = 30_000;
/// Frames made ahead.
const FRAMES_AHEAD: usize = 64;
/// The stream is bounded by its events, not by days.
const DAYS: u32 = 3650;

/// Frames of events in the order of time: `count` events of that seed.
pub fn frames(seed: u64, count: u64, key: TokenKey) -> Receiver<Vec<Event>> {
    let (sender, receiver) = channel(FRAMES_AHEAD);
    std::thread::spawn(move || {
        let mut events = events(seed, key).take(usize::try_from(count).unwrap_or(usize::MAX)).peekable();
        while let Some(first) = events.next() {
            let until_ms = time_ms(&first) + FRAME_SPAN_MS;
            let mut frame = Vec::with_capacity(FRAME_EVENTS);
            frame.push(first);
            while frame.len() < FRAME_EVENTS
                && let Some(event) = events.next_if(|event| time_ms(event) <= until_ms)
            {
                frame.push(event);
            }
            // Nobody receives any more once the demo has been interrupted.
            if sender.blocking_send(frame).is_err() {
                return;
            }
        }
    });
    receiver
}

/// When it happens, in simulated Unix milliseconds.
pub fn time_ms(event: &Event) -> i64 {
    event.check.time_ms.unwrap_or(sim::START_MS)
}

fn events(seed: u64, key: TokenKey) -> Traffic {
    let mut sealed: u64 = 0;
    Traffic::new(Config { seed, days: DAYS, ..Config::default() }).with_tokens(
        move |request: &TokenRequest<'_>| {
            // A count is as good as chance for a nonce that must not come twice, and the same in each run.
            sealed += 1;
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&sealed.to_le_bytes());
            let body = Body {
                packet: request.packet.as_u128(),
                minted_ms: request.issued_ms,
                expires_ms: request.expires_ms,
                amount_minor: request.amount_minor,
            };
            token::seal(&key, nonce, &body)
        },
    )
}
