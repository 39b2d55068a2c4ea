//! What a policy compiles to: plain data, checked and laid out by [`crate::Snapshot`].

use wire::{Challenge, Verdict};

use crate::feature::{FeatureId, FeatureTable};
use crate::program::{Kinds, NumberType, Program, Source, Truth, Zone};
use crate::reasons::BuiltinReason;
use crate::table::Terms;

/// Order of decision: the first tier with a live match decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Token, hard limits, sanctions, compliance.
    Guard,
    /// Refusal.
    Deny,
    /// Trust: overrides what follows.
    Allow,
    /// A person looks.
    Review,
    /// One more proof.
    Challenge,
    /// Adds to the score only.
    Score,
}

impl Tier {
    /// Its name in rule files.
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Guard => "guard",
            Tier::Deny => "deny",
            Tier::Allow => "allow",
            Tier::Review => "review",
            Tier::Challenge => "challenge",
            Tier::Score => "score",
        }
    }
}

/// What a match does if it acts and its tier decides, or would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Where it stands in the order; none for the score bands, which come last.
    pub tier: Option<Tier>,
    /// The verdict; none for what adds to the score only.
    pub verdict: Option<Verdict>,
    /// Proof to ask for, with a verdict of challenge.
    pub challenge: Option<Challenge>,
    /// What it adds to the score, whatever decides.
    pub score: f64,
}

/// Whether a rule acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It acts.
    #[default]
    Live,
    /// It is recorded and never acts.
    Shadow,
    /// It is not evaluated.
    Off,
}

/// What a condition that ends in an error counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// As one that does not hold.
    #[default]
    Skip,
    /// As one that holds.
    Match,
}

impl OnError {
    /// Its name in rule files.
    pub const fn name(self) -> &'static str {
        match self {
            OnError::Skip => "skip",
            OnError::Match => "match",
        }
    }
}

/// Words that go with a rule, limit or stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReasonText {
    /// Stable code.
    pub code: String,
    /// Id of the rule, limit or stage.
    pub rule: String,
    /// Words for the operator.
    pub text: String,
    /// Words that are safe to show the customer; may be empty.
    pub customer: String,
}

/// The comparison that a reason quotes: what was found and what it met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Witness {
    /// The feature whose value is quoted.
    pub feature: FeatureId,
    /// What it was compared with.
    pub threshold: Source,
    /// How the threshold's bits are read; a money feature's threshold is in its units.
    pub ty: NumberType,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Tier it acts in.
    pub tier: Tier,
    /// Kinds of event it looks at.
    pub kinds: Kinds,
    /// Register that holds its condition.
    pub when: Truth,
    /// What an error of the condition counts as.
    pub on_error: OnError,
    /// Verdict when it decides: `Deny` for guard and deny rules unless the file says otherwise.
    pub verdict: Verdict,
    /// Proof to ask for, in tier challenge.
    pub challenge: Option<Challenge>,
    /// Added to the score on a live match.
    pub score: f64,
    /// Words.
    pub reason: ReasonText,
    /// What the reason quotes.
    pub witness: Option<Witness>,
    /// Whether it acts.
    pub mode: Mode,
    /// Share of accounts it looks at, in percent, chosen by a keyed hash of the account and the rule's id.
    pub sample_percent: u8,
    /// Unix milliseconds from which it no longer acts; `i64::MAX` for never.
    pub expires_ms: i64,
    /// Tenants that have it otherwise; a check is of one of them at most.
    pub variants: Vec<Variant>,
}

impl Rule {
    /// Whether it acts or is recorded for any check.
    pub fn is_evaluated(&self) -> bool {
        self.mode != Mode::Off || self.variants.iter().any(|variant| variant.mode != Mode::Off)
    }
}

/// A rule as one tenant has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The tenant's name.
    pub tenant: String,
    /// Register that says whether a check is of this tenant.
    pub of: Truth,
    /// Whether the rule acts.
    pub mode: Mode,
    /// What the reason quotes.
    pub witness: Option<Witness>,
}

/// How a velocity feature is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// Number of events.
    Count,
    /// Sum of a whole-number or money feature of the event itself.
    Sum(FeatureId),
    /// Largest value of a whole-number or money feature of the event itself.
    Max(FeatureId),
    /// Number of distinct values of a text field: exact up to [`Window::exact`], an estimate beyond.
    Distinct(FeatureId),
    /// Seconds since the event before this one; -1 when there was none in the window.
    Last,
    /// Seconds since the first event within the window; 0 for the first itself, and too long by one sub-window at most.
    First,
}

/// Which events a velocity feature takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Every check.
    Attempt,
    /// Checks answered allow, until their outcome says failed or cancelled.
    Approved,
}

/// A velocity feature: an aggregate over the events of a key in a sliding window (t − w, t].
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Where its value stands in the feature table.
    pub feature: FeatureId,
    /// What is computed.
    pub aggregate: Aggregate,
    /// Kinds of event taken in. The value is read by events of every kind that have the key.
    pub kinds: Kinds,
    /// Fields of the key, in order; one to [`crate::limits::KEY_FIELDS_MAX`] text features.
    pub key: Vec<FeatureId>,
    /// Length in milliseconds.
    pub window_ms: i64,
    /// Which events count.
    pub status: Status,
    /// The currency of the events that it takes in; none for any.
    pub currency: Option<[u8; 3]>,
    /// Events (count) or values (distinct) held exactly: for a count one more than the largest constant it is compared
    /// with, so at most [`crate::limits::EXACT_COUNT_MAX`] + 1; 0 where nothing needs it.
    pub exact: u16,
    /// Milliseconds after which an approved event without an outcome no longer counts, shorter than the window; `None` where it
    /// counts until its window has passed.
    pub release_after_ms: Option<i64>,
}

/// Events or values of a key that are told apart in any case, however few busy keys there is memory for.
const CERTAIN: i64 = 4;

impl Window {
    /// Values below this are certainly the true ones, if the key had a place ([`wire::Degraded::Velocity`]) and the
    /// record has no doubt of it ([`crate::record::Record::unsure`]). Any other may be above the true one, by the events of one sub-window at
    /// most. `exact` is what the window is laid out for, where every key has memory for it; `None` where some may be without.
    pub fn certain_below(&self, exact: Option<u16>) -> i64 {
        let held = exact.map_or(0, i64::from);
        match (self.aggregate, self.status) {
            (Aggregate::Last, _) => i64::MAX,
            // Where the far end of the window cuts through the first event's sub-window it says all of the window.
            (Aggregate::First, _) => exact.map_or(0, |_| (self.window_ms - 1) / 1_000),
            (Aggregate::Count, Status::Attempt) => held.max(CERTAIN),
            (Aggregate::Distinct(_), _) => held.max(CERTAIN.min(i64::from(self.exact))),
            // Whether all that was approved is known one by one the value does not tell.
            (Aggregate::Count | Aggregate::Sum(_) | Aggregate::Max(_), _) => 1,
        }
    }
}

/// A maximum on an approved count or sum, reserved before the verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Place of the limited feature in [`Policy::windows`].
    pub window: usize,
    /// Largest value allowed; of money in whole units of its last decimal.
    pub max: i64,
    /// Register of [`Policy::gate`] that says whether it applies; always when absent.
    pub when: Option<Truth>,
    /// What an error of that condition counts as.
    pub on_error: OnError,
    /// Verdict when it refuses.
    pub verdict: Verdict,
    /// Proof to ask for when the verdict is challenge.
    pub challenge: Option<Challenge>,
    /// Whether it acts. In shadow it refuses nothing, and it is recorded what it would have refused.
    pub mode: Mode,
    /// What it does with an event that lacks the amount that it sums.
    pub absent: Absent,
    /// Words.
    pub reason: ReasonText,
}

/// What a limit on amounts does with an event without an amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Absent {
    /// It refuses: nobody can tell how much of its room the event takes.
    #[default]
    Deny,
    /// It has no say.
    Skip,
}

/// A breaker: it opens for a key on a condition, refuses everything of the key for a time, then lets a few events through on
/// trial before it closes.
#[derive(Clone, Debug, PartialEq)]
pub struct Breaker {
    /// Fields of the key, in order; one to [`crate::limits::KEY_FIELDS_MAX`] text features.
    pub key: Vec<FeatureId>,
    /// Kinds of event it looks at and refuses.
    pub kinds: Kinds,
    /// Register of [`Policy::program`] that holds the condition it opens on.
    pub when: Truth,
    /// What an error of that condition counts as.
    pub on_error: OnError,
    /// Times of its states.
    pub terms: Terms,
    /// Verdict when it refuses.
    pub verdict: Verdict,
    /// Proof to ask for when the verdict is challenge.
    pub challenge: Option<Challenge>,
    /// Whether it acts. In shadow it opens and closes as ever and refuses nothing, and it is recorded what it would have refused.
    pub mode: Mode,
    /// Words; its state stands before the text when it refuses.
    pub reason: ReasonText,
    /// What the reason of the event that opens it quotes.
    pub witness: Option<Witness>,
}

/// Why a breaker refused: the state it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// The event opened it.
    Opened,
    /// It was open.
    Open,
    /// It was half open, and its trials were used.
    HalfOpen,
}

impl BreakerState {
    /// All of them, in the order of their words.
    pub const ALL: [BreakerState; 3] = [BreakerState::Opened, BreakerState::Open, BreakerState::HalfOpen];

    /// Name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            BreakerState::Opened => "opened",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }

    /// What stands before the breaker's own text in a reason, and says what its value is.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            BreakerState::Opened => "breaker opens: ",
            BreakerState::Open => "breaker open, seconds left: ",
            BreakerState::HalfOpen => "breaker half open, trials used: ",
        }
    }
}

/// What a match was of, each by its place in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A rule.
    Rule(usize),
    /// A limit.
    Limit(usize),
    /// A breaker, and its state.
    Breaker(usize, BreakerState),
    /// The engine itself: token or bands.
    Own(usize),
}

/// What a list is kept for. A list's action is an ordinary rule; that of a watched list is reported and adds nothing to the score.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// Name in rules and in the lists API.
    pub name: String,
    /// Text feature that is looked up.
    pub on: FeatureId,
    /// How keys match.
    pub matching: Matching,
}

/// How a list's keys match a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Matching {
    /// The whole value.
    Exact,
    /// Address or network prefix (CIDR), v4 or v6; only on `ip`.
    Network,
    /// Leading digits: card BINs of 6 to 8 digits.
    Prefix,
}

/// Score bands: the verdict of the last tier. A band above 1 is never reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bands {
    /// Score from which to challenge.
    pub challenge: f64,
    /// Score from which a person looks.
    pub review: f64,
    /// Score from which to refuse.
    pub deny: f64,
}

impl Default for Bands {
    /// No band is reached.
    fn default() -> Self {
        Bands { challenge: 2.0, review: 2.0, deny: 2.0 }
    }
}

/// A compiled policy.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Hash of the sources, in hexadecimal.
    pub version: String,
    /// Built-in, ext and velocity features.
    pub features: FeatureTable,
    /// Names and places of the ext fields among the features, in order.
    pub ext: Vec<FeatureId>,
    /// Velocity features.
    pub windows: Vec<Window>,
    /// Lists.
    pub lists: Vec<List>,
    /// Runs before velocity, for limits' conditions: reads fields, lists, token and profiles only.
    pub gate: Program,
    /// Limits.
    pub limits: Vec<Limit>,
    /// Breakers.
    pub breakers: Vec<Breaker>,
    /// Runs after the model: conditions of rules and breakers.
    pub program: Program,
    /// Rules, in file order.
    pub rules: Vec<Rule>,
    /// Score bands.
    pub bands: Bands,
    /// Challenge asked for by the challenge band.
    pub band_challenge: Option<Challenge>,
    /// The policy's local time: of hour and weekday.
    pub zone: Zone,
    /// Currencies that events may have amounts in, the first one that of profiles; none for CNY alone.
    pub currencies: Vec<[u8; 3]>,
}

impl Policy {
    /// Has what a match was of only watch, for every tenant; what is off stays off.
    pub fn demote(&mut self, origin: Origin) {
        let demote = |mode: &mut Mode| {
            if *mode == Mode::Live {
                *mode = Mode::Shadow;
            }
        };
        match origin {
            Origin::Rule(at) => {
                let rule = &mut self.rules[at];
                demote(&mut rule.mode);
                rule.variants.iter_mut().for_each(|variant| demote(&mut variant.mode));
            }
            Origin::Limit(at) => demote(&mut self.limits[at].mode),
            Origin::Breaker(at, _) => demote(&mut self.breakers[at].mode),
            Origin::Own(_) => {}
        }
    }

    /// What a match of that does, or would do if it acted; none for what is not in this policy.
    pub fn effect(&self, origin: Origin) -> Option<Effect> {
        let guard = |verdict, challenge: Option<Challenge>| Effect {
            tier: Some(Tier::Guard),
            verdict: Some(verdict),
            challenge: challenge.filter(|_| verdict == Verdict::Challenge),
            score: 0.0,
        };
        match origin {
            Origin::Rule(at) => self.rules.get(at).map(|rule| Effect {
                tier: Some(rule.tier),
                verdict: Some(rule.verdict).filter(|_| rule.tier != Tier::Score),
                challenge: rule.challenge.filter(|_| rule.verdict == Verdict::Challenge),
                score: rule.score,
            }),
            Origin::Limit(at) => self.limits.get(at).map(|limit| guard(limit.verdict, limit.challenge)),
            Origin::Breaker(at, _) => self.breakers.get(at).map(|one| guard(one.verdict, one.challenge)),
            Origin::Own(at) => BuiltinReason::ALL.get(at).map(|reason| match reason.band() {
                None => guard(Verdict::Deny, None),
                Some(verdict) => Effect {
                    tier: None,
                    verdict: Some(verdict),
                    challenge: self.band_challenge.filter(|_| verdict == Verdict::Challenge),
                    score: 0.0,
                },
            }),
        }
    }

    /// What an error of that condition counts as; none of what has no condition.
    pub fn on_error(&self, origin: Origin) -> Option<OnError> {
        match origin {
            Origin::Rule(at) => self.rules.get(at).map(|rule| rule.on_error),
            Origin::Limit(at) => self.limits.get(at).map(|limit| limit.on_error),
            Origin::Breaker(at, _) => self.breakers.get(at).map(|breaker| breaker.on_error),
            Origin::Own(_) => None,
        }
    }

    /// The index of a match in decisions and records: rules, then limits, then each breaker's states, then the engine's own.
    pub fn index_of(&self, origin: Origin) -> usize {
        let (limits, breakers) = (self.rules.len(), self.rules.len() + self.limits.len());
        match origin {
            Origin::Rule(at) => at,
            Origin::Limit(at) => limits + at,
            Origin::Breaker(at, state) => breakers + at * BreakerState::ALL.len() + state as usize,
            Origin::Own(at) => breakers + self.breakers.len() * BreakerState::ALL.len() + at,
        }
    }

    /// What the match of an index was of.
    pub fn origin_of(&self, index: usize) -> Origin {
        let Some(index) = index.checked_sub(self.rules.len()) else { return Origin::Rule(index) };
        let Some(index) = index.checked_sub(self.limits.len()) else { return Origin::Limit(index) };
        let states = BreakerState::ALL.len();
        match index.checked_sub(self.breakers.len() * states) {
            None => Origin::Breaker(index / states, BreakerState::ALL[index % states]),
            Some(own) => Origin::Own(own),
        }
    }
}
