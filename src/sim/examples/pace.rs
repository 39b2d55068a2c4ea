//! How fast the generators run on this machine, on one core: `cargo run --release -p sim --example pace`.

use std::time::Instant;

use sim::{Config, Mix, MixConfig, Traffic};

fn main() {
    let n = 1_000_000;
    let started = Instant::now();
    let mut made = 0;
    for event in
        Traffic::new(Config { events_per_second: 30.0, accounts: 200_000, ..Config::default() }).take(n)
    {
        made += usize::from(!event.check.id.is_empty());
    }
    println!("traffic: {:.0} events a second", made as f64 / started.elapsed().as_secs_f64());

    let started = Instant::now();
    let mut mix = Mix::new(MixConfig::default());
    let mut check = Mix::blank();
    let mut bytes = 0;
    for _ in 0..2 * n {
        mix.next_into(&mut check);
        bytes += check.account.len();
    }
    println!(
        "mix: {:.0} checks a second ({bytes} bytes of names)",
        2.0 * n as f64 / started.elapsed().as_secs_f64()
    );
}
