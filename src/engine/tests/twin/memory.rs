//! What the twin remembers: every event of every window, and which keys a table may have had to forget.
//!
//! Nothing is ever thrown away or summed up beforehand: a value is worked out from all events, each time it is asked for.

use std::collections::{HashMap, HashSet};

use engine::limits::{LATE_MS, RETENTION_MS, SUB_WINDOWS};
use engine::policy::Status;

use crate::case::{Kept, WindowSpec};

/// Values of a key's fields.
pub type Key = Vec<usize>;

/// Slots of a line. A key may stand in two: the least recently used of both makes room if all of them are live, and that of
/// one of them if not.
const LINE: usize = 8;
/// Distinct values beyond the exact range that are still told apart before an estimate begins.
const SAMPLED: i64 = 64;

/// An event in a window.
#[derive(Clone, Debug)]
struct Event {
    key: Key,
    time_ms: i64,
    number: i64,
    value: usize,
    turn: u64,
    /// Not given back.
    stands: bool,
}

/// A window of one time in force: dropped by a reload and added again it begins anew.
pub struct Window {
    pub spec: usize,
    pub table: usize,
    events: Vec<Event>,
    /// By key: until when a count of approved events is only one-sided, because some were given back after there had been
    /// more of them than are held singly.
    crowded_ms: HashMap<Key, i64>,
    loose_until_ms: HashMap<Key, i64>,
}

/// Who asks for a value.
pub struct Asked<'a> {
    pub key: &'a Key,
    pub time_ms: i64,
    /// Place of the event that asks, where the window takes it in; its value includes it.
    pub own: Option<usize>,
    /// Events of a count that are held singly.
    pub exact: u16,
}

/// What is promised of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// This value, or one of these where the key may have been forgotten.
    OneOf(Vec<i64>),
    /// Within these two, both included; the class says why.
    Between(i64, i64, Class),
}

/// Which promise it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Exact,
    OneSided,
    /// The event is dated before another of its key.
    Late,
}

impl Promise {
    pub fn holds(&self, value: i64) -> bool {
        match self {
            Promise::OneOf(values) => values.contains(&value),
            Promise::Between(low, high, _) => (*low..=*high).contains(&value),
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Promise::OneOf(_) => Class::Exact,
            Promise::Between(.., class) => *class,
        }
    }
}

/// What is known of a key in a table.
#[derive(Clone, Debug, Default)]
struct Touched {
    tick: i64,
    last_ms: i64,
    /// Latest event time.
    newest_ms: i64,
    /// Events of this turn and later cannot have been forgotten.
    sure: u64,
    /// Turns at which the key may have begun anew.
    anew: Vec<u64>,
}

/// A table: the windows over one key that came into force together.
pub struct Table {
    pub longest_ms: i64,
    /// A key untouched for longer may go before others do.
    kept_ms: i64,
    keys: HashMap<Key, Touched>,
}

impl Table {
    /// An empty one of windows: a key whose windows have expired has nothing to lose.
    pub fn of_windows() -> Table {
        Table { longest_ms: 0, kept_ms: i64::MAX, keys: HashMap::new() }
    }

    /// An empty one of ids, which are asked for after they have expired as well.
    pub fn of_ids() -> Table {
        Table { longest_ms: i64::MAX, kept_ms: RETENTION_MS, keys: HashMap::new() }
    }

    /// Whether too few other keys came since the key was last touched for it to have been evicted, wherever they stand.
    fn stands(&self, key: &Key, tick: i64, now_ms: i64) -> bool {
        let others = self.keys.iter().filter(|(other, touched)| touched.tick >= tick && *other != key);
        others.count() < if now_ms - (tick << 4) <= self.kept_ms { 2 * LINE } else { LINE }
    }

    /// A key is looked up; `evicting` where tables have evicted.
    pub fn touch(&mut self, key: &Key, now_ms: i64, time_ms: Option<i64>, turn: u64, evicting: bool) {
        let before = self.keys.get(key).map(|touched| touched.tick);
        let lost = before.is_some_and(|tick| evicting && !self.stands(key, tick, now_ms));
        let longest_ms = self.longest_ms;
        let Some(touched) = self.keys.get_mut(key) else {
            let newest_ms = time_ms.unwrap_or(0);
            let fresh = Touched { newest_ms, last_ms: now_ms, tick: now_ms >> 4, ..Touched::default() };
            self.keys.insert(key.clone(), fresh);
            return;
        };
        if lost {
            touched.sure = turn;
        }
        if lost || now_ms - touched.last_ms >= longest_ms {
            touched.anew.push(turn);
        }
        touched.tick = now_ms >> 4;
        touched.last_ms = now_ms;
        touched.newest_ms = touched.newest_ms.max(time_ms.unwrap_or(0));
    }

    /// Whether the key, as it was last touched, cannot have been evicted.
    pub fn stands_now(&self, key: &Key, now_ms: i64) -> bool {
        self.keys.get(key).is_some_and(|touched| self.stands(key, touched.tick, now_ms))
    }

    /// Whether so many keys came at this very moment that the key may have found no room.
    pub fn is_crowded(&self, key: &Key, now_ms: i64) -> bool {
        !self.stands(key, now_ms >> 4, now_ms)
    }

    /// The key may not be there, or may be lost: nothing up to this turn is sure.
    pub fn doubt(&mut self, key: &Key, turn: u64) {
        if let Some(touched) = self.keys.get_mut(key) {
            touched.sure = turn + 1;
            touched.anew.push(turn + 1);
        }
    }

    /// Whether what was done at that turn is certain to be there still.
    pub fn is_sure(&self, key: &Key, turn: u64) -> bool {
        self.keys.get(key).is_some_and(|touched| turn >= touched.sure)
    }
}

/// Sums events that are sure, and all.
#[derive(Default)]
struct Total {
    sure: i64,
    all: i64,
}

impl Window {
    pub fn new(spec: usize, table: usize) -> Window {
        Window { spec, table, events: Vec::new(), crowded_ms: HashMap::new(), loose_until_ms: HashMap::new() }
    }

    /// Takes an event in; gives its place.
    pub fn take(
        &mut self,
        spec: &WindowSpec,
        key: &Key,
        time_ms: i64,
        (number, value): (i64, usize),
        turn: u64,
    ) -> usize {
        self.events.push(Event { key: key.clone(), time_ms, number, value, turn, stands: true });
        if spec.status == Status::Approved {
            let held = self.of(key).filter(|event| event.time_ms > time_ms - spec.window_ms).count();
            if held > usize::from(spec.exact) {
                self.crowded_ms.insert(key.clone(), time_ms);
            }
        }
        self.events.len() - 1
    }

    /// Gives an event back.
    pub fn give_back(&mut self, spec: &WindowSpec, place: usize) {
        self.events[place].stands = false;
        let key = self.events[place].key.clone();
        if let Some(crowded_ms) = self.crowded_ms.get(&key) {
            let until_ms = crowded_ms + spec.window_ms;
            self.loose_until_ms.insert(key, until_ms);
        }
    }

    /// The key and number of an event.
    pub fn event(&self, place: usize) -> (Key, i64) {
        (self.events[place].key.clone(), self.events[place].number)
    }

    fn of<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.stands && event.key == *key)
    }

    fn total(&self, key: &Key, sure: u64, within: impl Fn(i64) -> bool, of: impl Fn(&Event) -> i64) -> Total {
        let mut total = Total::default();
        for event in self.of(key).filter(|event| within(event.time_ms)) {
            total.all += of(event);
            total.sure += if event.turn >= sure { of(event) } else { 0 };
        }
        total
    }

    /// The value by its definition alone, over all that lies in (t − w, t].
    pub fn truth(&self, spec: &WindowSpec, key: &Key, time_ms: i64, own: Option<usize>) -> i64 {
        let inside = |event: &Event| {
            event.stands
                && event.key == *key
                && (time_ms - spec.window_ms + 1..=time_ms).contains(&event.time_ms)
        };
        let inside: Vec<(usize, &Event)> =
            self.events.iter().enumerate().filter(|(_, event)| inside(event)).collect();
        let events = inside.iter().map(|(_, event)| event);
        match spec.aggregate {
            Kept::Count => inside.len() as i64,
            Kept::Sum(_) => events.map(|event| event.number).sum(),
            Kept::Max(_) => events.map(|event| event.number).max().unwrap_or(0),
            Kept::Distinct(_) => {
                let values: HashSet<usize> =
                    events.map(|event| event.value).filter(|&value| value != 0).collect();
                values.len() as i64
            }
            Kept::Last => {
                let others = inside.iter().filter(|(at, _)| Some(*at) != own);
                others
                    .map(|(_, event)| event.time_ms)
                    .max()
                    .map_or(-1, |before_ms| (time_ms - before_ms) / 1_000)
            }
            Kept::First => {
                events.map(|event| event.time_ms).min().map_or(0, |first_ms| (time_ms - first_ms) / 1_000)
            }
        }
    }

    /// What is promised of the value, by the events taken in so far.
    pub fn promise(&self, spec: &WindowSpec, table: &Table, asked: &Asked<'_>) -> Promise {
        let &Asked { key, time_ms, own, exact } = asked;
        let Some(touched) = table.keys.get(key) else { unreachable!("every key is touched first") };
        let approved = spec.status == Status::Approved;
        // Approved events are dated at their decision, whose time never goes back.
        let newest_ms = if approved { time_ms } else { touched.newest_ms };
        let view = View { kept: self, spec, key, time_ms, newest_ms, sure: touched.sure, own };
        match spec.aggregate {
            Kept::Count if approved => {
                let loose = self.loose_until_ms.get(key).is_some_and(|&until_ms| time_ms < until_ms);
                view.number(|_| 1, if loose { 0 } else { i64::from(exact) })
            }
            Kept::Count => view.number(|_| 1, i64::from(exact)),
            Kept::Sum(_) => view.number(|event| event.number, 0),
            Kept::Max(_) => view.largest(),
            Kept::Distinct(_) => view.distinct(),
            Kept::Last => view.last(&touched.anew),
            Kept::First => view.first(),
        }
    }
}

/// One window of one key seen from one event.
struct View<'a> {
    kept: &'a Window,
    spec: &'a WindowSpec,
    key: &'a Key,
    time_ms: i64,
    newest_ms: i64,
    sure: u64,
    own: Option<usize>,
}

impl Promise {
    /// The smallest and the largest value that holds.
    pub fn ends(&self) -> (i64, i64) {
        match self {
            Promise::OneOf(values) => {
                (values.iter().copied().min().unwrap_or(0), values.iter().copied().max().unwrap_or(0))
            }
            Promise::Between(low, high, _) => (*low, *high),
        }
    }
}

impl View<'_> {
    fn late(&self) -> bool {
        self.newest_ms > self.time_ms
    }

    /// Later than an event may be that finds its place for certain.
    fn too_late(&self) -> bool {
        self.newest_ms - self.time_ms > LATE_MS
    }

    /// The window's first moment, as far as its events are sure to be there: of a late event that is what lies in its own
    /// window and in the newest one's.
    fn first_sure_ms(&self) -> i64 {
        self.newest_ms - self.spec.window_ms + 1
    }

    fn sub_window_ms(&self) -> i64 {
        (self.spec.window_ms + SUB_WINDOWS - 1) / SUB_WINDOWS
    }

    /// Sixteen sub-windows, and the one that the far end cuts through.
    fn reach_ms(&self) -> i64 {
        (SUB_WINDOWS + 1) * self.sub_window_ms()
    }

    fn total(&self, first_ms: i64, last_ms: i64, of: impl Fn(&Event) -> i64) -> Total {
        self.kept.total(self.key, self.sure, |time_ms| (first_ms..=last_ms).contains(&time_ms), of)
    }

    /// A count or sum: exact below `exact`.
    fn number(&self, of: impl Fn(&Event) -> i64 + Copy, exact: i64) -> Promise {
        let (time_ms, window_ms) = (self.time_ms, self.spec.window_ms);
        let truth = self.total(time_ms - window_ms + 1, time_ms, of);
        let most = truth.all;
        let ahead = self.total(time_ms + 1, i64::MAX, |_| 1).all;
        // Later events take places too: what is left of the exact range is that many less.
        if most + ahead < exact && !self.too_late() {
            return Promise::Between(truth.sure, most, Class::Exact);
        }
        let own = self.own.map_or(0, |own| of(&self.kept.events[own]));
        let low = self.total(self.first_sure_ms(), time_ms, of).sure.max(own);
        if !self.late() {
            let high = self.total(time_ms - self.reach_ms() + 1, time_ms, of).all;
            let high = high.max(exact);
            let class = if high == truth.sure { Class::Exact } else { Class::OneSided };
            return Promise::Between(truth.sure, high, class);
        }
        let high = self.total(time_ms - self.reach_ms() + 1, i64::MAX, of).all;
        let high = high.max(exact);
        Promise::Between(low, high, Class::Late)
    }

    fn largest(&self) -> Promise {
        let within = |first_ms: i64, last_ms: i64, sure: u64| {
            let within = |event: &&Event| (first_ms..=last_ms).contains(&event.time_ms) && event.turn >= sure;
            self.kept.of(self.key).filter(within).map(|event| event.number).max().unwrap_or(0)
        };
        let own = self.own.map_or(0, |own| self.kept.events[own].number);
        let low = within(self.first_sure_ms(), self.time_ms, self.sure).max(own);
        let last_ms = if self.late() { self.time_ms + self.sub_window_ms() } else { self.time_ms };
        let high = within(self.time_ms - self.reach_ms() + 1, last_ms, 0);
        let class = match low == high {
            true => Class::Exact,
            false if self.late() => Class::Late,
            false => Class::OneSided,
        };
        Promise::Between(low, high, class)
    }

    fn distinct(&self) -> Promise {
        let values = |reach_ms: i64, last_ms: i64, sure: u64| {
            let within = |event: &&Event| {
                event.value != 0
                    && (self.time_ms - reach_ms + 1..=last_ms).contains(&event.time_ms)
                    && event.turn >= sure
            };
            let values: HashSet<usize> =
                self.kept.of(self.key).filter(within).map(|event| event.value).collect();
            values.len() as i64
        };
        let (window_ms, exact) = (self.spec.window_ms, i64::from(self.spec.exact));
        let low = values(window_ms, self.time_ms, self.sure);
        let high = values(window_ms, self.time_ms, 0);
        if self.late() {
            let own = self.own.is_some_and(|own| self.kept.events[own].value != 0);
            let high = values(window_ms, i64::MAX, 0);
            let low = if self.too_late() { i64::from(own) } else { low.min(exact) };
            return Promise::Between(low, high, Class::Late);
        }
        match high <= exact + SAMPLED {
            true => Promise::Between(low, high, Class::Exact),
            false => Promise::Between(low.min(exact), i64::MAX, Class::OneSided),
        }
    }

    fn last(&self, anew: &[u64]) -> Promise {
        let before = |turn: u64| {
            let others =
                self.kept.events.iter().enumerate().filter(|(at, event)| {
                    Some(*at) != self.own && event.key == *self.key && event.turn >= turn
                });
            // Of an event that comes late the one before is not known: a later one stands for it.
            match others.map(|(_, event)| event.time_ms).max() {
                Some(before_ms) if self.time_ms - before_ms < self.spec.window_ms => {
                    (self.time_ms - before_ms).max(0) / 1_000
                }
                _ => -1,
            }
        };
        Promise::OneOf(std::iter::once(0).chain(anew.iter().copied()).map(before).collect())
    }

    fn first(&self) -> Promise {
        let since = |first_ms: i64, sure: u64| {
            let within =
                |event: &&Event| (first_ms..=self.time_ms).contains(&event.time_ms) && event.turn >= sure;
            self.kept.of(self.key).filter(within).map(|event| self.time_ms - event.time_ms).max().unwrap_or(0)
        };
        let most = self.spec.window_ms - 1;
        let low = since(self.first_sure_ms(), self.sure);
        let high = since(self.time_ms - self.reach_ms() + 1, 0).min(most);
        let class = match low == high {
            true => Class::Exact,
            false if self.late() => Class::Late,
            false => Class::OneSided,
        };
        Promise::Between(low / 1_000, high / 1_000, class)
    }
}
