//! The stream itself: sessions and attacks start at their rates, and what they plan comes out in the order of time.

use crate::attacks::Attacks;
use crate::clock;
use crate::config::Config;
use crate::honest;
use crate::label::Event;
use crate::render;
use crate::token::TokenSource;
use crate::world::World;

/// How much busier a festival evening is than the same hours of another day.
const FESTIVAL_FACTOR: f64 = 3.0;

/// An endless-looking but bounded stream of events in time order, ending after [`Config::days`].
pub struct Traffic {
    world: World,
    attacks: Attacks,
    end_ms: i64,
    /// Honest and attack events a millisecond, on the mean of a day.
    honest_rate: f64,
    attack_rate: f64,
    /// Starts of the next session and the next attack; fractions matter at high rates.
    session_ms: f64,
    attack_ms: f64,
}

impl Traffic {
    /// Traffic of that configuration; values out of range are taken at their bound.
    pub fn new(config: Config) -> Traffic {
        let config = config.clamped();
        let rate = config.events_per_second / 1000.0;
        let start = config.start_ms as f64;
        Traffic {
            world: World::new(&config),
            attacks: Attacks::default(),
            end_ms: config.start_ms + i64::from(config.days) * clock::DAY_MS,
            honest_rate: rate * (1.0 - config.fraud_share),
            attack_rate: rate * config.fraud_share,
            session_ms: start,
            attack_ms: if config.fraud_share > 0.0 { start } else { f64::INFINITY },
        }
    }

    /// Lets `tokens` seal the token of every packet minted from now on. Without it tokens stay empty, but for forged ones.
    #[must_use]
    pub fn with_tokens(mut self, tokens: impl TokenSource + Send + 'static) -> Traffic {
        self.world.tokens = Some(Box::new(tokens));
        self
    }

    /// Accounts that can appear, customers' and attackers', but for merchants.
    pub fn accounts(&self) -> u32 {
        self.world.people.total()
    }

    fn start_session(&mut self) {
        let at_ms = self.session_ms as i64;
        let before = self.world.agenda.planned();
        honest::session(&mut self.world, at_ms);
        let events = (self.world.agenda.planned() - before).max(1) as f64;
        let festive = if clock::festive(at_ms, self.world.festival) { FESTIVAL_FACTOR } else { 1.0 };
        // Waiting in proportion to what was just planned holds the mean rate whatever sessions consist of.
        self.session_ms += self.world.draw.wait(events / (self.honest_rate * clock::busy(at_ms) * festive));
    }

    fn start_attack(&mut self) {
        let events = self.attacks.start(&mut self.world, self.attack_ms as i64).max(1);
        self.attack_ms += self.world.draw.wait(f64::from(events) / self.attack_rate);
    }
}

impl Iterator for Traffic {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            let due_ms = self.world.agenda.next_ms().unwrap_or(i64::MAX);
            let start_ms = self.session_ms.min(self.attack_ms) as i64;
            if due_ms.min(start_ms) >= self.end_ms {
                return None;
            }
            if due_ms <= start_ms {
                let (at_ms, mut step) = self.world.agenda.pop()?;
                self.world.spending.keep_within(at_ms, &mut step);
                return Some(render::event(&mut self.world, at_ms, &step));
            }
            if self.session_ms <= self.attack_ms {
                self.start_session();
            } else {
                self.start_attack();
            }
        }
    }
}
