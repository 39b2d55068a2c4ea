//! The wall clock is set back and ahead, by an hour and by a day, alone and under load: what callers see of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use serde_json::{Value, json};
use server::{Clock, Source};

use crate::harness::Daemon;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Our time runs slower by one in so many while it waits for the wall clock.
const SLEW: i64 = 8;

/// Both clocks of a machine, in the hands of a test.
struct Clocks {
    boot_ms: AtomicI64,
    ahead_ms: AtomicI64,
}

impl Source for Clocks {
    fn boot_ms(&self) -> i64 {
        self.boot_ms.load(Ordering::SeqCst)
    }

    fn wall_ms(&self) -> i64 {
        self.boot_ms() + self.ahead_ms.load(Ordering::SeqCst)
    }
}

impl Clocks {
    fn new() -> Arc<Clocks> {
        Arc::new(Clocks { boot_ms: AtomicI64::new(7_000), ahead_ms: AtomicI64::new(1_767_607_200_000) })
    }

    fn step(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn pass(&self, ms: i64) {
        self.boot_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

struct Site {
    daemon: Daemon,
    clocks: Arc<Clocks>,
    next: AtomicUsize,
}

impl Site {
    fn new() -> Site {
        let clocks = Clocks::new();
        let daemon = {
            let clocks = clocks.clone();
            Daemon::start_by(move || Clock::of(clocks.clone()), |_| {})
        };
        Site { daemon, clocks, next: AtomicUsize::new(0) }
    }

    fn ask(&self, mut check: Value) -> Value {
        check["id"] = json!(format!("c{}", self.next.fetch_add(1, Ordering::SeqCst)));
        let reply = self.daemon.check(&check);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    fn verdict(&self, check: Value) -> String {
        self.ask(check)["verdict"].as_str().unwrap().to_owned()
    }

    fn pay(&self, amount: &str) -> String {
        self.verdict(json!({"kind": "pay", "account": "payer", "amount": amount}))
    }

    fn claim(&self, account: &str) -> String {
        self.verdict(json!({"kind": "claim", "account": account}))
    }

    fn withdraw(&self, amount: &str) -> String {
        self.verdict(json!({"kind": "withdraw", "account": "w", "amount": amount}))
    }

    /// Puts an entry on a list that ends so long after now by the wall clock.
    fn bar(&self, account: &str, ms: i64) {
        let ends = jiff::Timestamp::from_millisecond(self.clocks.wall_ms() + ms).unwrap();
        let path = format!("/v1/lists/bad_accounts/{account}");
        let reply = self.daemon.admin_call("PUT", &path, json!({"expires": ends.to_string()}).to_string());
        assert!(reply.status < 300, "{reply:?}");
    }

    /// What the daemon says of a check that a caller dated so.
    fn degraded(&self, time_ms: i64) -> Value {
        self.ask(json!({"kind": "login", "account": "u", "time": time_ms}))["degraded"].clone()
    }

    fn steps(&self) -> (f64, f64) {
        let steps = |direction| self.daemon.metric_now("riskd_clock_steps_total", direction);
        (steps("back"), steps("ahead"))
    }

    fn distance_seconds(&self) -> f64 {
        self.daemon.metric_now("riskd_clock_distance_seconds", "")
    }
}

#[test]
fn a_clock_set_back_freezes_nothing() {
    for step_ms in [HOUR_MS, DAY_MS] {
        let site = Site::new();
        site.bar("barred", 10 * MINUTE_MS);
        assert_eq!((site.pay("100.00"), site.pay("0.01")), ("allow".to_owned(), "deny".to_owned()));
        assert_eq!((site.withdraw("9000.00"), site.withdraw("1.00")), ("deny".to_owned(), "deny".to_owned()));
        site.clocks.step(-step_ms);
        site.clocks.pass(20);
        assert_eq!(site.degraded(site.clocks.wall_ms()), json!([]), "a caller with the right clock");
        assert_eq!(site.degraded(site.clocks.wall_ms() + step_ms), json!([]), "and one with the daemon's");
        // Two seconds of an open breaker, and an eighth.
        site.clocks.pass(2_400);
        assert_eq!(site.withdraw("1.00"), "allow");
        assert_eq!(site.claim("barred"), "deny");
        site.clocks.pass(12 * MINUTE_MS);
        assert_eq!(site.claim("barred"), "allow");
        assert!((site.distance_seconds() - step_ms as f64 / 1e3).abs() < 120.0);
        // The window of a day has passed, or all but an eighth of the step.
        site.clocks.pass(DAY_MS - 20 * MINUTE_MS);
        assert_eq!(site.pay("0.01"), "deny");
        // A sum counts for one of its sixteen parts longer.
        site.clocks.pass(step_ms.min(DAY_MS / (SLEW - 1)) + 21 * MINUTE_MS + 2 * HOUR_MS);
        assert_eq!(site.pay("100.00"), "allow");
        assert_eq!(site.steps(), (1.0, 0.0));
        site.clocks.pass(SLEW * step_ms);
        site.claim("u");
        assert!(site.distance_seconds().abs() < 0.01);
        assert_eq!(site.degraded(site.clocks.wall_ms()), json!([]));
    }
}

#[test]
fn a_clock_set_ahead_frees_nothing_for_a_minute_and_freezes_nothing_when_it_is_set_back() {
    for step_ms in [HOUR_MS, DAY_MS] {
        let site = Site::new();
        site.bar("barred", 30 * MINUTE_MS);
        assert_eq!(site.pay("100.00"), "allow");
        site.clocks.step(step_ms);
        for _ in 0..59 {
            site.clocks.pass(SECOND_MS);
            assert_eq!((site.pay("0.01"), site.claim("barred")), ("deny".to_owned(), "deny".to_owned()));
            assert_eq!(site.degraded(site.clocks.wall_ms() - step_ms), json!([]), "who did not step with it");
            assert_eq!(site.degraded(site.clocks.wall_ms()), json!([]), "who did");
        }
        assert_eq!(site.distance_seconds(), -step_ms as f64 / 1e3);
        site.clocks.step(-step_ms);
        site.clocks.pass(HOUR_MS);
        assert_eq!((site.pay("0.01"), site.claim("barred")), ("deny".to_owned(), "allow".to_owned()));
        assert_eq!((site.steps(), site.distance_seconds()), ((1.0, 1.0), 0.0));

        // One that holds is taken, and going back from it is a step back like others.
        site.clocks.step(step_ms);
        site.claim("u");
        site.clocks.pass(20);
        site.claim("u");
        site.clocks.pass(MINUTE_MS);
        site.claim("u");
        assert_eq!(site.distance_seconds(), 0.0);
        site.clocks.step(-step_ms);
        site.clocks.pass(20);
        assert_eq!(site.withdraw("9000.00"), "deny");
        assert_eq!(site.degraded(site.clocks.wall_ms()), json!([]));
        site.clocks.pass(2_400);
        assert_eq!(site.withdraw("1.00"), "allow", "the breaker half-opens in its time");
    }
}

#[test]
fn under_load_no_step_of_the_clock_lets_a_limit_pass() {
    for step_ms in [-HOUR_MS, HOUR_MS, -DAY_MS, DAY_MS] {
        let site = Site::new();
        let (ended, allowed, asked) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !ended.load(Ordering::SeqCst) {
                        allowed.fetch_add(usize::from(site.pay("9.00") == "allow"), Ordering::SeqCst);
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let load = |count: usize| {
                let before = asked.load(Ordering::SeqCst);
                while asked.load(Ordering::SeqCst) < before + count {
                    std::thread::yield_now();
                }
            };
            load(40);
            for turn in 0..40 {
                if turn % 10 == 3 {
                    // There and back within a minute.
                    site.clocks.step(step_ms);
                }
                site.clocks.pass(SECOND_MS);
                load(4);
                if turn % 10 == 6 {
                    site.clocks.step(-step_ms);
                }
            }
            assert_eq!(allowed.load(Ordering::SeqCst), 11, "eleven times nine are within a hundred");
            ended.store(true, Ordering::SeqCst);
        });
        assert_eq!(site.steps(), (4.0, 4.0));
    }
}
