//! Runs a case through the engine and through the twin at once, and says where they part.

mod limits;
mod outcomes;

use std::collections::{BTreeMap, HashMap};

use engine::limits::LANES;
use engine::policy::{Absent, Status, Tier};
use engine::record::Record;
use engine::{Decision, Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use wire::limits::{CLOCK_AHEAD_MS_MAX, CLOCK_BEHIND_MS_MAX};
use wire::{Check, Degraded, Value, Verdict};

use crate::case::{Built, Case, CheckSpec, Kept, Number, Step};
use crate::memory::{Asked, Class, Table, Window};

/// What was compared, by name: that a run has seen everything can be told from it.
pub type Tally = BTreeMap<&'static str, u64>;

/// Runs a case.
///
/// # Errors
/// What differs, and at which step.
pub fn run(case: &Case, scratch: &mut Scratch) -> Result<Tally, String> {
    let sizes = Sizes {
        accounts: 100,
        devices: 100,
        velocity_keys: case.velocity_keys,
        busy_keys: case.busy_keys,
        list_entries: 1,
        decisions: case.decisions,
        seed: [3; 16],
    };
    let tables = Tables::new(&sizes).map_err(|error| error.to_string())?;
    let mut twin = Twin::new(case, &tables);
    for (at, step) in case.steps.iter().enumerate() {
        twin.step(step, scratch).map_err(|what| format!("step {at} of {}: {what}", case.steps.len()))?;
    }
    Ok(twin.tally)
}

/// A reservation: which window's event, and whether it stands.
#[derive(Clone, Copy, Debug)]
struct Reserved {
    window: usize,
    place: usize,
    stands: bool,
    /// The tightest maximum that applied.
    max: i64,
}

/// What became of an id.
struct Known {
    decision: Decision,
    check: Check<'static>,
    reserved: Vec<Reserved>,
    /// Whether what it reserved counts.
    holds: bool,
    /// Whether it waits for its challenge.
    asked: bool,
    /// Whether an outcome ended it.
    ended: bool,
    /// Windows that there had been by then.
    windows: usize,
}

/// A check of a batch that is decided anew.
struct Fresh<'a> {
    check: &'a CheckSpec,
    decision: &'a Decision,
    values: Vec<i64>,
    reserved: Vec<Reserved>,
    refused: Vec<usize>,
}

struct Twin<'a> {
    case: &'a Case,
    tables: &'a Tables,
    snapshot: Option<Snapshot>,
    built: Option<Built>,
    now_ms: i64,
    turn: u64,
    /// Every window that was ever in force.
    windows: Vec<Window>,
    /// By place in the policy: which of them.
    active: Vec<usize>,
    kept_in: Vec<Table>,
    /// Ids in their own table.
    id_table: Table,
    ids: HashMap<usize, Known>,
    /// Live keys have been evicted from velocity tables.
    evicting: bool,
    /// Blocks of far words have run out: nothing is certain of any busy key from there on.
    blind: bool,
    /// The table of decisions is smaller than the ids that come.
    forgetting: bool,
    tally: Tally,
}

impl<'a> Twin<'a> {
    fn new(case: &'a Case, tables: &'a Tables) -> Twin<'a> {
        Twin {
            case,
            tables,
            snapshot: None,
            built: None,
            now_ms: case.start_ms,
            turn: 0,
            windows: Vec::new(),
            active: Vec::new(),
            kept_in: Vec::new(),
            id_table: Table::of_ids(),
            ids: HashMap::new(),
            evicting: false,
            blind: false,
            forgetting: case.decisions < 1_000,
            tally: Tally::new(),
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn step(&mut self, step: &Step, scratch: &mut Scratch) -> Result<(), String> {
        match step {
            Step::Rest(ms) => {
                self.now_ms += ms;
                Ok(())
            }
            Step::Reload(active) => self.reload(active),
            Step::Outcome(id, kind) => self.outcome(*id, *kind),
            Step::Decide(checks) => self.decide(checks, scratch),
        }
    }

    /// Windows that stay in force keep their events; those that come in with the same key share a table.
    fn reload(&mut self, active: &[usize]) -> Result<(), String> {
        let built = self.case.build(active);
        let parts = Parts { policy: built.policy.clone(), ..Parts::default() };
        let snapshot = match Snapshot::build(parts, self.tables, self.snapshot.as_ref()) {
            Ok(snapshot) => snapshot,
            Err(error) => return Err(format!("a sound policy is refused: {error}")),
        };
        if self.snapshot.is_some() {
            self.note("reloads");
        }
        let before = std::mem::take(&mut self.active);
        let mut fresh: Vec<usize> = Vec::new();
        for &spec in active {
            let window = match before.iter().find(|&&window| self.windows[window].spec == spec) {
                Some(&window) => window,
                None => {
                    let key = &self.case.windows[spec].key;
                    let shared =
                        fresh.iter().find(|&&other| self.case.windows[self.windows[other].spec].key == *key);
                    let table = shared.map_or(self.kept_in.len(), |&other| self.windows[other].table);
                    if table == self.kept_in.len() {
                        self.kept_in.push(Table::of_windows());
                    }
                    let longest_ms = &mut self.kept_in[table].longest_ms;
                    *longest_ms = self.case.windows[spec].window_ms.max(*longest_ms);
                    self.windows.push(Window::new(spec, table));
                    fresh.push(self.windows.len() - 1);
                    self.windows.len() - 1
                }
            };
            self.active.push(window);
        }
        (self.snapshot, self.built) = (Some(snapshot), Some(built));
        Ok(())
    }

    fn decide(&mut self, specs: &[CheckSpec], scratch: &mut Scratch) -> Result<(), String> {
        let Some(snapshot) = self.snapshot.take() else { return Ok(()) };
        let checks: Vec<Check<'_>> = specs.iter().map(|spec| spec.check(self.now_ms)).collect();
        let (mut decisions, now) = (Vec::new(), Now { ms: self.now_ms, waited_us: 0 });
        decide(&snapshot, self.tables, now, &checks, &mut decisions, scratch);
        let records: Vec<Record> = scratch
            .records()
            .map(|(.., bytes)| Record::decode(bytes).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        self.see_evictions();
        let mut records = records.iter();
        for (specs, decisions) in specs.chunks(LANES).zip(decisions.chunks(LANES)) {
            self.group(&snapshot, specs, decisions, &mut records)?;
        }
        self.snapshot = Some(snapshot);
        match records.next() {
            None => Ok(()),
            Some(_) => Err("a repetition was recorded".to_owned()),
        }
    }

    fn see_evictions(&mut self) {
        self.evicting |=
            self.tables.fill(self.now_ms).iter().any(|row| row.name == "velocity" && row.evictions > 0);
        if self.evicting && self.case.busy_keys < self.case.velocity_keys && !self.blind {
            self.blind = true;
            self.note("out of blocks");
        }
    }

    /// Checks are decided one after the other. Repetitions have no effect, so they may be looked at last.
    fn group<'b>(
        &mut self,
        snapshot: &Snapshot,
        specs: &'b [CheckSpec],
        decisions: &'b [Decision],
        records: &mut std::slice::Iter<'_, Record>,
    ) -> Result<(), String> {
        let mut repeated: Vec<usize> = Vec::new();
        let mut own = Vec::new();
        for (lane, (spec, decision)) in specs.iter().zip(decisions).enumerate() {
            self.turn += 1;
            let at = |what: String| format!("check {lane} ({spec:?}): {what}");
            let in_batch = own.contains(&spec.id);
            let id = vec![spec.id];
            let known = in_batch || self.ids.contains_key(&spec.id);
            self.id_table.touch(&id, self.now_ms, None, self.turn, self.forgetting);
            let certain = self.id_table.is_sure(&id, 0);
            if decision.in_flight {
                return Err(at("is said to be in flight".to_owned()));
            }
            if decision.replayed {
                if !known {
                    return Err(at("repeats what never was".to_owned()));
                }
                repeated.push(lane);
                continue;
            }
            if known && certain {
                return Err(at("a known id is decided again".to_owned()));
            }
            if known {
                self.note("ids forgotten");
            }
            own.push(spec.id);
            let record = records.next().ok_or_else(|| at("has no record".to_owned()))?;
            let fresh = self.reserve(snapshot, spec, decision, record).map_err(at)?;
            self.conclude(snapshot, &fresh).map_err(|what| format!("{:?}: {what}", fresh.check))?;
        }
        for lane in repeated {
            self.repeat(&specs[lane], &decisions[lane])?;
        }
        Ok(())
    }

    fn repeat(&mut self, spec: &CheckSpec, decision: &Decision) -> Result<(), String> {
        let known = self.ids.get(&spec.id).ok_or("an id was answered before it was decided")?;
        let mut expected = known.decision;
        expected.replayed = true;
        if known.check != spec.check(self.now_ms) {
            expected.degraded |= Degraded::IdReused.bit();
        }
        self.note("repetitions");
        match expected == *decision {
            true => Ok(()),
            false => Err(format!("id {} repeated as {decision:?}, expected {expected:?}", spec.id)),
        }
    }

    /// One check through every window.
    fn reserve<'b>(
        &mut self,
        snapshot: &Snapshot,
        check: &'b CheckSpec,
        decision: &'b Decision,
        record: &Record,
    ) -> Result<Fresh<'b>, String> {
        let stated_ms = self.now_ms + check.stated_ms.unwrap_or(0);
        let time_ms = stated_ms.clamp(self.now_ms - CLOCK_BEHIND_MS_MAX, self.now_ms + CLOCK_AHEAD_MS_MAX);
        let skewed = decision.degraded & Degraded::ClockSkew.bit() != 0;
        if record.time_ms != time_ms || skewed != (time_ms != stated_ms) {
            return Err(format!("time {} expected {time_ms}, flagged {skewed}", record.time_ms));
        }
        // Nothing is in a window that has yet to happen.
        let arrived_ms = time_ms.min(self.now_ms);
        let (rules, limits) = (snapshot.policy().rules.len(), snapshot.policy().limits.len());
        let mut refusals: HashMap<usize, i64> = HashMap::new();
        let mut lacking: Vec<usize> = Vec::new();
        for hit in decision.hits() {
            let index = snapshot.hit_index(hit);
            if (rules..rules + limits).contains(&index) {
                match hit.value {
                    Value::Int(value) | Value::Money(value) => {
                        refusals.insert(index - rules, value);
                    }
                    Value::Absent => lacking.push(index - rules),
                    Value::Double(_) => return Err(format!("a limit is quoted as {:?}", hit.value)),
                }
            }
        }
        let degraded = decision.degraded & Degraded::Velocity.bit() != 0;
        let mut fresh =
            Fresh { check, decision, values: Vec::new(), reserved: Vec::new(), refused: Vec::new() };
        let mut touched: Vec<usize> = Vec::new();
        let certain_below = snapshot.certain_below();
        for (place, &below) in certain_below.iter().enumerate() {
            let at = self.active[place];
            let (number, table) = (self.windows[at].spec, self.windows[at].table);
            let spec = &self.case.windows[number];
            let feature = self.built.as_ref().map(|built| built.windows[place].1).ok_or("no policy")?;
            let window = &snapshot.policy().windows[place];
            let missing = snapshot.policy().features.row(feature).missing;
            let (value, certain) = record.window_value(window, missing, below);
            fresh.values.push(value);
            let named = |what: &str, value: i64| format!("{} = {value}: {what}", describe(self.case, number));
            let Some(key) = spec.key_of(check) else {
                if value != spec.missing() {
                    return Err(named("the key is absent", value));
                }
                continue;
            };
            if !touched.contains(&table) {
                touched.push(table);
                self.kept_in[table].touch(&key, self.now_ms, Some(arrived_ms), self.turn, self.evicting);
            }
            let takes = spec.kinds.has(check.kind);
            // Of an event without an amount a limit on amounts says nothing but that.
            let lacks = spec.aggregate == Kept::Sum(Number::Amount) && check.amount.is_none();
            let limit = (takes && !lacks).then(|| self.tightest(place, check)).flatten();
            if takes && lacks {
                for (at, _) in self.limits_on(place, check).collect::<Vec<_>>() {
                    let refused = lacking.contains(&at);
                    if refused != (self.absent_of(at) == Absent::Deny) {
                        return Err(named(
                            &format!("limit {at} without an amount: refused {refused}"),
                            value,
                        ));
                    }
                    if refused {
                        self.note("amounts lacking");
                        lacking.retain(|&other| other != at);
                        fresh.refused.push(at);
                    }
                }
            }
            let refused = limit.and_then(|(limit, _)| refusals.remove(&limit));
            // A table without room for the key: the window has no value, its limits refuse.
            let maybe_absent = degraded && (value == spec.missing() || refused.is_some());
            if maybe_absent {
                self.note("windows without room");
                self.kept_in[table].doubt(&key, self.turn);
                let counts = match spec.aggregate {
                    Kept::Sum(field) => check.number(field) > 0,
                    _ => true,
                };
                if counts && limit.is_some() && refused.is_none() {
                    return Err(named("no room for the key, and its limit lets it pass", value));
                }
            }
            let approved = spec.status == Status::Approved;
            let dated_ms = if approved { self.now_ms } else { arrived_ms };
            let own = takes.then(|| {
                let number = match spec.aggregate {
                    Kept::Sum(field) | Kept::Max(field) => check.number(field),
                    _ => 1,
                };
                let value = match spec.aggregate {
                    Kept::Distinct(field) => check.field(field),
                    _ => 0,
                };
                self.windows[at].take(spec, &key, dated_ms, (number, value), self.turn)
            });
            if let Some(own) = own.filter(|_| approved) {
                let hard =
                    self.limits_on(place, check).filter(|&(at, _)| self.verdict_of(at) != Verdict::Challenge);
                let max = hard.map(|(_, max)| max).min().unwrap_or(i64::MAX);
                fresh.reserved.push(Reserved { window: at, place: own, stands: true, max });
            }
            fresh.refused.extend(limit.filter(|_| refused.is_some()).map(|(limit, _)| limit));
            // With the tightest of its limits all refuse that the value passes as well.
            for (other, max) in self.limits_on(place, check).filter(|_| refused.is_some()).collect::<Vec<_>>()
            {
                match (refusals.remove(&other), refused) {
                    (Some(also), Some(value)) if also == value && value > max => fresh.refused.push(other),
                    (None, Some(value)) if value <= max || limit.is_some_and(|(at, _)| at == other) => {}
                    found => return Err(named(&format!("limit {other} of {max}: {found:?}"), value)),
                }
            }
            if maybe_absent || self.blind {
                continue;
            }
            // A maximum beyond the exact range is held by the sum, and the sum is what its refusal tells.
            let by_sum = refused.is_some() && limit.is_some_and(|(_, max)| max > i64::from(spec.exact));
            let exact = if by_sum { 0 } else { spec.exact };
            let asked = Asked { key: &key, time_ms: dated_ms, own, exact };
            let promise = self.windows[at].promise(spec, &self.kept_in[table], &asked);
            if !promise.holds(value) {
                return Err(named(&format!("at {dated_ms}, key {key:?}: promised {promise:?}"), value));
            }
            if certain {
                self.note("claimed to be exact");
                let truth = self.windows[at].truth(spec, &key, dated_ms, own);
                if value != truth {
                    return Err(named(
                        &format!("at {dated_ms}, key {key:?}: claimed to be exact, and is {truth}"),
                        value,
                    ));
                }
            }
            if !record.unsure.is_empty() && record.unsure.contains(&feature.0) {
                self.note("known to be unsure");
            }
            self.note(match promise.class() {
                Class::Exact => "exact",
                Class::OneSided => "one-sided",
                Class::Late => "late",
            });
            if let Some((_, max)) = limit {
                self.note(if refused.is_some() { "limits that refused" } else { "limits that let pass" });
                let (low, high) = promise.ends();
                match refused {
                    Some(quoted) if quoted != value => {
                        return Err(named("the limit quotes another value", quoted));
                    }
                    Some(_) if high <= max => {
                        return Err(named(&format!("refused by {max}: {promise:?}"), value));
                    }
                    None if low > max => return Err(named(&format!("passes {max}: {promise:?}"), value)),
                    _ => {}
                }
            }
        }
        if let Some(limit) = refusals.keys().chain(&lacking).next() {
            return Err(format!("limit {limit} refuses an event that it has no say in"));
        }
        if !fresh.refused.is_empty() {
            self.give_back(&mut fresh.reserved);
        }
        Ok(fresh)
    }

    fn give_back(&mut self, reserved: &mut [Reserved]) {
        for reserved in reserved.iter_mut().filter(|reserved| reserved.stands) {
            reserved.stands = false;
            let window = &mut self.windows[reserved.window];
            window.give_back(&self.case.windows[window.spec], reserved.place);
        }
    }

    /// The verdict by the values recorded, and what it gives back.
    fn conclude(&mut self, snapshot: &Snapshot, fresh: &Fresh<'_>) -> Result<(), String> {
        let Some(built) = &self.built else { return Ok(()) };
        let limits =
            fresh.refused.iter().map(|&limit| (Tier::Guard, self.case.limits[built.limits[limit]].verdict));
        let matching = built.rules.iter().map(|&rule| &self.case.rules[rule]).filter(|rule| {
            let place = built.windows.iter().position(|(window, _)| *window == rule.window);
            place.is_some_and(|place| fresh.values[place] >= rule.from)
        });
        let matches: Vec<(Tier, Verdict)> =
            limits.chain(matching.map(|rule| (rule.tier, rule.verdict()))).collect();
        let decides = matches.iter().map(|(tier, _)| *tier).min();
        let verdicts = matches.iter().filter(|(tier, _)| Some(*tier) == decides);
        let expected = verdicts.map(|(_, verdict)| *verdict).max().unwrap_or(Verdict::Allow);
        if fresh.decision.verdict != expected {
            let hits: Vec<usize> = fresh.decision.hits().iter().map(|hit| snapshot.hit_index(hit)).collect();
            return Err(format!("{:?} expected {expected:?}, hits {hits:?}", fresh.decision.verdict));
        }
        let mut reserved = fresh.reserved.clone();
        if expected != Verdict::Allow {
            self.give_back(&mut reserved);
        }
        if !matches!(expected, Verdict::Allow | Verdict::Challenge) {
            reserved.clear();
        }
        let known = Known {
            decision: *fresh.decision,
            check: fresh.check.check(self.now_ms),
            reserved,
            holds: expected == Verdict::Allow,
            asked: expected == Verdict::Challenge,
            ended: false,
            windows: self.windows.len(),
        };
        self.ids.insert(fresh.check.id, known);
        Ok(())
    }
}

fn describe(case: &Case, window: usize) -> String {
    format!("{:?}", case.windows[window])
}
