//! Where each velocity feature and each breaker lies: those of one key side by side in one slot, and unchanged ones where they
//! were before a reload.

mod anew;
mod checks;

use std::ops::Range;
use std::sync::Arc;

use wire::Check;
use wire::limits::{CLOCK_AHEAD_MS_MAX, CLOCK_BEHIND_MS_MAX};

use crate::feature::{FeatureId, Type};
use crate::limits::GROUPS_MAX;
use crate::policy::{Aggregate, Mode, Policy, Status};
use crate::program::Kinds;
use crate::snapshot::BuildError;
use crate::table::{
    Approved, Circuit, Far, Held, Holds, PARTS_MAX, Part, Payload, Room, Shape, Slots, Span, Terms, Word,
};
use crate::tables::{Bytes, Sizes, Tables};

/// Windows and breakers of one key that lie together.
#[derive(Clone)]
pub(crate) struct Group {
    pub fields: Vec<FeatureId>,
    pub table: Arc<Slots>,
    pub windows: Vec<Laid>,
    pub breakers: Vec<Wired>,
    /// Kinds of event that its approved windows take in.
    pub approved_kinds: Kinds,
}

impl Group {
    /// What beginning anew would cost: first what refuses, whose maximum could then be passed, then all else.
    fn worth(&self) -> (usize, usize) {
        let limited = self.windows.iter().filter(|window| !window.limits.is_empty()).count();
        (limited + self.breakers.len(), self.windows.len())
    }

    /// Its windows of that status.
    pub fn of_status(&self, status: Status) -> impl Iterator<Item = &Laid> {
        self.windows.iter().filter(move |window| window.status == status)
    }
}

/// A breaker and the place of its word in the slot.
#[derive(Clone)]
pub(crate) struct Wired {
    /// Place among the policy's breakers.
    pub breaker: usize,
    terms: Terms,
    near: usize,
    signature: String,
}

impl Wired {
    /// The breaker's state in its key's slot.
    pub fn circuit<'a>(&self, payload: &Payload<'a>) -> Circuit<'a> {
        Circuit::new(&payload.near()[self.near], self.terms)
    }
}

/// A window and its place in the slot.
#[derive(Clone)]
pub(crate) struct Laid {
    pub feature: FeatureId,
    pub ty: Type,
    pub aggregate: Aggregate,
    pub kinds: Kinds,
    pub status: Status,
    currency: Option<[u8; 3]>,
    pub window_ms: i64,
    pub span: Span,
    /// Of approved events without an outcome, where they end with a time-out: their words are the second half.
    pub open: Option<Span>,
    pub exact: u16,
    /// Events or values that there is room for exactly.
    capacity: u16,
    room: Room,
    place: Place,
    /// Places of its limits among the policy's.
    pub limits: Vec<usize>,
    /// Identity in twenty bits, kept over reloads. A window that was dropped and comes back is another one: what its first
    /// life reserved must not be given back out of its second.
    pub tag: u32,
    signature: String,
}

/// Where a window's words begin, and which part its far ones are.
#[derive(Clone, Copy, Default)]
struct Place {
    near: usize,
    far: usize,
    rare: usize,
    part: usize,
}

impl Laid {
    /// Takes the place of a window that had the same definition. How much of it is exact follows from the constants of rules
    /// and limits: where these ask for more than there is room for, the counts are worth more than the exactness, which
    /// comes with the next start.
    fn go_on(&mut self, standing: &Laid) {
        (self.place, self.room, self.tag) = (standing.place, standing.room, standing.tag);
        self.capacity = standing.capacity;
        // Nor does a rule that asks less take from what stands.
        self.exact = self.exact.max(standing.exact).min(standing.capacity);
    }

    /// The window's words in its key's slot.
    pub fn words<'a>(&self, payload: &Payload<'a>) -> (&'a [Word], Far<'a>) {
        let Place { near, far, part, .. } = self.place;
        (&payload.near()[near..near + self.room.near], payload.part(part, far..far + self.room.far))
    }

    /// What an approved window holds of a key.
    #[inline]
    pub fn held<'a>(&'a self, payload: &Payload<'a>) -> Held<'a> {
        let (near, far) = self.words(payload);
        let Some(open) = &self.open else {
            return Held::new(Approved::new(near, far, &self.span, self.exact), None);
        };
        let (standing_near, open_near) = near.split_at(near.len() / 2);
        let (standing_far, open_far) = far.split(self.room.far / 2);
        let standing = Approved::new(standing_near, standing_far, &self.span, self.exact);
        Held::new(standing, Some(Approved::new(open_near, open_far, open, self.exact)))
    }

    /// Whether an event of that time has left the window, and what holds it if it is open.
    pub fn is_over(&self, time_ms: i64, now_ms: i64) -> bool {
        self.span.is_over(time_ms, now_ms) && self.open.is_none_or(|open| open.is_over(time_ms, now_ms))
    }

    /// Whether the check is one of those that the window takes in.
    #[inline(always)]
    pub fn takes(&self, check: &Check<'_>) -> bool {
        self.kinds.has(check.kind) && self.currency.is_none_or(|currency| currency == check.currency)
    }

    /// What the table has to keep up: words of one kind, or of two where open reservations lie apart.
    fn parts(&self) -> Vec<Part> {
        let (Place { near, far, rare, part }, room) = (self.place, self.room);
        let holds = match (self.aggregate, self.status) {
            (Aggregate::Count, Status::Attempt) => Holds::Recent,
            (Aggregate::Count | Aggregate::Sum(_), _) => Holds::Approved,
            (Aggregate::Max(_), _) => Holds::Max,
            (Aggregate::Distinct(_), _) => Holds::Distinct,
            (Aggregate::First, _) => Holds::First,
            (Aggregate::Last, _) => Holds::Time,
        };
        let of = |span: Span, near: Range<usize>, far: Range<usize>| {
            let rare = rare..rare + room.rare;
            Part { holds, at: part, near, far, rare, span }
        };
        let Some(open) = self.open else {
            return vec![of(self.span, near..near + room.near, far..far + room.far)];
        };
        let (near_half, far_half) = (near + room.near / 2, far + room.far / 2);
        vec![
            of(self.span, near..near_half, far..far_half),
            of(open, near_half..near + room.near, far_half..far + room.far),
        ]
    }

    /// Bytes that it takes of each key, and beside them of a busy one.
    pub fn bytes(&self) -> [usize; 2] {
        [self.room.near, self.room.far + self.room.rare].map(|words| words * size_of::<Word>())
    }

    /// The window's rare words.
    pub fn rare<'a>(&self, payload: &Payload<'a>) -> Far<'a> {
        let Place { rare, part, .. } = self.place;
        payload.part(part, rare..rare + self.room.rare)
    }
}

/// All groups of a policy.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    pub groups: Vec<Group>,
    /// Windows that kept their counts and have no room to be as exact as rules and limits now ask.
    pub narrowed: Vec<FeatureId>,
    /// Tags from this one on are of windows that a later plan brings.
    pub next_tag: u32,
    /// Unchanged windows and breakers that forgot what they held, by name: their tables had to go for others to have room.
    pub begun_anew: Vec<String>,
}

impl Plan {
    /// Lays the policy's windows out, keeping those of `previous` that did not change in their places.
    pub fn lay(policy: &Policy, tables: &Tables, previous: Option<&Plan>) -> Result<Plan, BuildError> {
        let (mut plan, fresh) = Plan::sort(policy, previous)?;
        tables.fit(fresh.iter().map(|(shape, _)| shape)).map_err(BuildError::Size)?;
        for (shape, Fresh { fields, mut windows, breakers }) in fresh {
            windows.iter_mut().for_each(|window| window.tag = tables.take_tag());
            let of_windows = windows.iter().map(|window| window.window_ms);
            let of_breakers =
                breakers.iter().map(|breaker| breaker.terms.open_ms + breaker.terms.half_open_ms);
            let longest_ms = of_windows.chain(of_breakers).max().unwrap_or(0);
            // An event may be dated before its arrival, or after it.
            let expiry_ms = longest_ms + CLOCK_BEHIND_MS_MAX + CLOCK_AHEAD_MS_MAX;
            let soon = windows.iter().map(|window| window.place.far..window.place.far + window.room.soon);
            let soon: Vec<_> = soon.collect();
            let parts = windows.iter().flat_map(Laid::parts).collect();
            let table = tables.velocity_table(shape, &soon, parts, expiry_ms).map_err(BuildError::Size)?;
            plan.groups.push(Group { fields, table, windows, breakers, approved_kinds: Kinds(0) });
        }
        for group in &mut plan.groups {
            let kinds = group.of_status(Status::Approved).fold(0, |kinds, window| kinds | window.kinds.0);
            group.approved_kinds = Kinds(kinds);
        }
        plan.next_tag = tables.next_tag();
        Ok(plan)
    }

    /// What the tables of a policy take by itself, beside those that every policy needs.
    pub fn bytes(policy: &Policy, sizes: &Sizes) -> Result<Bytes, BuildError> {
        let (_, fresh) = Plan::sort(policy, None)?;
        let mut bytes = Bytes::of(sizes).map_err(BuildError::Size)?;
        let entries = (sizes.velocity_keys, sizes.busy_keys);
        bytes.add_velocity(entries, fresh.iter().map(|(shape, _)| shape)).map_err(BuildError::Size)?;
        Ok(bytes)
    }

    /// What goes on in a table of before, and what needs a new one of that shape.
    ///
    /// What a reload changed cannot lie where it lay: batches in flight still count there by the old definition. So every
    /// reload may leave one table more of a key, until there are as many as have room; then some are left behind.
    fn sort(policy: &Policy, previous: Option<&Plan>) -> Result<(Plan, Vec<(Shape, Fresh)>), BuildError> {
        checks::check_approved(policy)?;
        checks::check_keys(policy)?;
        let mut left = Vec::new();
        loop {
            let (plan, fresh) = Plan::sort_without(&left, policy, previous)?;
            let groups = plan.groups.len() + fresh.len();
            let spare = if groups > GROUPS_MAX { plan.spare(&fresh) } else { Vec::new() };
            if spare.is_empty() {
                debug_assert!(groups <= GROUPS_MAX, "{groups} tables");
                return Ok((plan, fresh.into_iter().map(|mut fresh| (fresh.lay(), fresh)).collect()));
            }
            left.extend(spare);
        }
    }

    /// The same, where these tables of before do not go on.
    fn sort_without(
        left: &[Arc<Slots>],
        policy: &Policy,
        previous: Option<&Plan>,
    ) -> Result<(Plan, Vec<Fresh>), BuildError> {
        let mut plan = Plan::default();
        let mut fresh: Vec<Fresh> = Vec::new();
        let goes_on = |group: &Group| !left.iter().any(|table| Arc::ptr_eq(table, &group.table));
        for (place, window) in policy.windows.iter().enumerate() {
            let mut laid = checks::laid(policy, place, window)?;
            if plan.standing(&laid.signature).is_some()
                || fresh.iter().any(|new| new.windows.iter().any(|w| w.signature == laid.signature))
            {
                return Err(BuildError::of(&policy.features, window, "is the same as another one"));
            }
            match previous.and_then(|previous| previous.standing(&laid.signature)) {
                Some((group, standing)) if goes_on(group) => {
                    laid.go_on(standing);
                    if laid.exact < window.exact {
                        plan.narrowed.push(window.feature);
                    }
                    plan.kept(group, &window.key).windows.push(laid);
                }
                standing => {
                    let name = || policy.features.row(window.feature).name.clone();
                    plan.begun_anew.extend(standing.map(|_| name()));
                    Fresh::of(&mut fresh, &window.key).windows.push(laid);
                }
            }
        }
        let on = policy.breakers.iter().enumerate().filter(|(_, breaker)| breaker.mode != Mode::Off);
        for (place, breaker) in on {
            let mut wired = checks::wired(policy, place, breaker)?;
            match previous.and_then(|previous| previous.standing_breaker(&wired.signature)) {
                Some((group, near)) if goes_on(group) => {
                    wired.near = near;
                    plan.kept(group, &breaker.key).breakers.push(wired);
                }
                standing => {
                    plan.begun_anew.extend(standing.map(|_| breaker.reason.rule.clone()));
                    Fresh::of(&mut fresh, &breaker.key).breakers.push(wired);
                }
            }
        }
        Ok((plan, fresh))
    }

    /// Tables without which the plan needs fewer: of that key where what they hold is the least to begin anew. None only where
    /// everything lies as close together as it can, which the bounds leave room for.
    fn spare(&self, fresh: &[Fresh]) -> Vec<Arc<Slots>> {
        let of_key = |key: &[FeatureId]| {
            let mut standing: Vec<&Group> = self.groups.iter().filter(|group| group.fields == key).collect();
            standing.sort_by_key(|group| group.worth());
            let new: Vec<usize> =
                fresh.iter().filter(|fresh| fresh.fields == key).map(|fresh| fresh.windows.len()).collect();
            let fewer = |count: &usize| {
                let windows: usize = standing[..*count].iter().map(|group| group.windows.len()).sum();
                let fresh = 1 + (windows + new.iter().sum::<usize>()) / PARTS_MAX;
                fresh < count + new.len()
            };
            let count = (1..=standing.len()).find(fewer)?;
            standing.truncate(count);
            Some(standing)
        };
        let worth = |groups: &Vec<&Group>| {
            let each = groups.iter().map(|group| group.worth());
            each.fold((0, 0), |sum, worth| (sum.0 + worth.0, sum.1 + worth.1))
        };
        let least = self.groups.iter().filter_map(|group| of_key(&group.fields)).min_by_key(worth);
        least.into_iter().flatten().map(|group| group.table.clone()).collect()
    }

    /// The window of that identity.
    pub fn window(&self, tag: u32) -> Option<(&Group, &Laid)> {
        self.groups
            .iter()
            .find_map(|group| group.windows.iter().find(|w| w.tag == tag).map(|window| (group, window)))
    }

    /// The window of that signature.
    fn standing(&self, signature: &str) -> Option<(&Group, &Laid)> {
        self.groups.iter().find_map(|group| {
            group.windows.iter().find(|window| window.signature == signature).map(|window| (group, window))
        })
    }

    /// Where the word of the breaker of that signature lies.
    fn standing_breaker(&self, signature: &str) -> Option<(&Group, usize)> {
        self.groups.iter().find_map(|group| {
            let found = group.breakers.iter().find(|breaker| breaker.signature == signature);
            found.map(|breaker| (group, breaker.near))
        })
    }

    /// The group that goes on in an old one's table.
    fn kept(&mut self, old: &Group, fields: &[FeatureId]) -> &mut Group {
        let found = self.groups.iter().position(|group| Arc::ptr_eq(&group.table, &old.table));
        let at = found.unwrap_or_else(|| {
            let (fields, table) = (fields.to_vec(), old.table.clone());
            let (windows, breakers) = (Vec::new(), Vec::new());
            self.groups.push(Group { fields, table, windows, breakers, approved_kinds: Kinds(0) });
            self.groups.len() - 1
        });
        &mut self.groups[at]
    }
}

/// What of one key no snapshot has had before.
struct Fresh {
    fields: Vec<FeatureId>,
    windows: Vec<Laid>,
    breakers: Vec<Wired>,
}

impl Fresh {
    /// Those of that key with room for a window more, if need be an empty one.
    fn of<'f>(all: &'f mut Vec<Fresh>, fields: &[FeatureId]) -> &'f mut Fresh {
        let has_room = |fresh: &Fresh| fresh.fields == fields && fresh.windows.len() < PARTS_MAX;
        let at = all.iter().position(has_room).unwrap_or_else(|| {
            all.push(Fresh { fields: fields.to_vec(), windows: Vec::new(), breakers: Vec::new() });
            all.len() - 1
        });
        &mut all[at]
    }

    /// Gives everything its place in the slot.
    fn lay(&mut self) -> Shape {
        let mut shape = Shape { renewed: true, ..Shape::default() };
        for (part, window) in self.windows.iter_mut().enumerate() {
            window.place = Place { near: shape.near, far: shape.far, rare: shape.rare, part };
            shape.near += window.room.near;
            shape.far += window.room.far;
            shape.rare += window.room.rare;
        }
        self.windows.iter_mut().for_each(|window| window.place.rare += shape.far);
        for breaker in &mut self.breakers {
            breaker.near = shape.near;
            shape.near += 1;
        }
        shape.zeroed = shape.near;
        shape
    }
}
