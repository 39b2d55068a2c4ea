//! Interleavings of two threads: over a window's words, where permits are never given twice and none is lost, and over a table's
//! slots and blocks, which never have two keys at once. Of three over a breaker's word.
//!
//! Built only for this purpose: `RUSTFLAGS="--cfg loom" cargo test -p engine --test loom`.
#![cfg(loom)]

mod breakers;
mod held;
mod lists;
mod slots;
mod windows;

const NOW_MS: i64 = 1_000_000;

/// Goes through what threads may do, as far as they are interrupted in the middle no more than so often in all.
fn bounded(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
