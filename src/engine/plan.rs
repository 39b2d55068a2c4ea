//! Where each velocity feature and each breaker lies: those of one key side by side in one slot, and unchanged ones where they
//! were before a reload.

use std::sync::Arc;

use wire::limits::{CLOCK_AHEAD_MS_MAX, CLOCK_BEHIND_MS_MAX};

use crate::feature::{FeatureId, FeatureTable, Type};
use crate::limits::{
    BREAKER_TRIALS_MAX, EXACT_COUNT_MAX, EXACT_DISTINCT_MAX, EXACT_STEP, KEY_FIELDS_MAX, KEYS_MAX,
    PENDING_MAX, WINDOW_MS_MAX, WINDOW_MS_MIN,
};
use crate::policy::{Aggregate, Breaker, Mode, Policy, Status, Window};
use crate::program::Kinds;
use crate::snapshot::BuildError;
use crate::table::{
    Circuit, Distinct, Far, Max, PARTS_MAX, Payload, Permits, Recent, Room, Shape, Slots, Span, Sum, Terms,
    Word,
};
use crate::tables::{Bytes, Sizes, Tables};

/// Windows and breakers of one key that lie together.
#[derive(Clone)]
pub(crate) struct Group {
    pub fields: Vec<FeatureId>,
    pub table: Arc<Slots>,
    pub windows: Vec<Laid>,
    pub breakers: Vec<Wired>,
}

impl Group {
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
    pub window_ms: i64,
    pub span: Span,
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
            let soon = soon.collect();
            let table = tables.velocity_table(shape, soon, expiry_ms).map_err(BuildError::Size)?;
            plan.groups.push(Group { fields: fields.to_vec(), table, windows, breakers });
        }
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
    fn sort<'p>(
        policy: &'p Policy,
        previous: Option<&Plan>,
    ) -> Result<(Plan, Vec<(Shape, Fresh<'p>)>), BuildError> {
        check_approved(policy)?;
        let mut plan = Plan::default();
        let mut fresh: Vec<Fresh<'_>> = Vec::new();
        for (place, window) in policy.windows.iter().enumerate() {
            let mut laid = laid(policy, place, window)?;
            if plan.standing(&laid.signature).is_some()
                || fresh.iter().any(|new| new.windows.iter().any(|w| w.signature == laid.signature))
            {
                return Err(BuildError::of(&policy.features, window, "is the same as another one"));
            }
            let standing = previous.and_then(|previous| previous.standing(&laid.signature));
            if let Some((group, standing)) = standing {
                laid.go_on(standing);
                if laid.exact < window.exact {
                    plan.narrowed.push(window.feature);
                }
                plan.kept(group, &window.key).windows.push(laid);
            } else {
                Fresh::of(&mut fresh, &window.key).windows.push(laid);
            }
        }
        let on = policy.breakers.iter().enumerate().filter(|(_, breaker)| breaker.mode != Mode::Off);
        for (place, breaker) in on {
            let mut wired = wired(policy, place, breaker)?;
            let standing = previous.and_then(|previous| previous.standing_breaker(&wired.signature));
            if let Some((group, near)) = standing {
                wired.near = near;
                plan.kept(group, &breaker.key).breakers.push(wired);
            } else {
                Fresh::of(&mut fresh, &breaker.key).breakers.push(wired);
            }
        }
        let groups = plan.groups.len() + fresh.len();
        if groups > KEYS_MAX {
            let what = "keys that windows and breakers are kept by";
            return Err(BuildError::TooMany { what, count: groups, max: KEYS_MAX });
        }
        Ok((plan, fresh.into_iter().map(|mut fresh| (fresh.lay(), fresh)).collect()))
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
            self.groups.push(Group { fields, table, windows: Vec::new(), breakers: Vec::new() });
            self.groups.len() - 1
        });
        &mut self.groups[at]
    }
}

/// What of one key no snapshot has had before.
struct Fresh<'p> {
    fields: &'p [FeatureId],
    windows: Vec<Laid>,
    breakers: Vec<Wired>,
}

impl<'p> Fresh<'p> {
    /// Those of that key with room for a window more, if need be an empty one.
    fn of<'f>(all: &'f mut Vec<Fresh<'p>>, fields: &'p [FeatureId]) -> &'f mut Fresh<'p> {
        let has_room = |fresh: &Fresh<'_>| fresh.fields == fields && fresh.windows.len() < PARTS_MAX;
        let at = all.iter().position(has_room).unwrap_or_else(|| {
            all.push(Fresh { fields, windows: Vec::new(), breakers: Vec::new() });
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

/// Checks a breaker.
fn wired(policy: &Policy, at: usize, breaker: &Breaker) -> Result<Wired, BuildError> {
    let id = &breaker.reason.rule;
    let fault = |why| Err(BuildError::Breaker { id: id.clone(), why });
    let Terms { open_ms, half_open_ms, trials } = breaker.terms;
    let lasts = |ms| (WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(&ms);
    if !lasts(open_ms) || !lasts(half_open_ms) {
        return fault("is open or half open for a time outside 1 s to 30 d");
    }
    if !(1..=BREAKER_TRIALS_MAX).contains(&trials) {
        return fault("has no trials or more than a thousand");
    }
    if breaker.key.is_empty() || breaker.key.len() > KEY_FIELDS_MAX {
        return fault("has a key of none or more than four fields");
    }
    if breaker.key.iter().any(|&field| policy.features.row(field).ty != Type::Text) {
        return fault("has a key that is not text");
    }
    if policy.breakers[..at].iter().any(|other| other.reason.rule == *id) {
        return fault("has the name of another one");
    }
    let key: Vec<&str> = breaker.key.iter().map(|&field| policy.features.row(field).name.as_str()).collect();
    // What it opens on is left out: a better condition does not forget which keys are open.
    let signature = format!("{id} {:x} {} {open_ms} {half_open_ms} {trials}", breaker.kinds.0, key.join(","));
    Ok(Wired { breaker: at, terms: breaker.terms, near: 0, signature })
}

/// Checks a window and measures it.
fn laid(policy: &Policy, place: usize, window: &Window) -> Result<Laid, BuildError> {
    let fault = |what| Err(BuildError::of(&policy.features, window, what));
    let row = |id: FeatureId| policy.features.row(id);
    if !(WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(&window.window_ms) {
        return fault("has a window outside 1 s to 30 d");
    }
    if window.key.is_empty() || window.key.len() > KEY_FIELDS_MAX {
        return fault("has a key of none or more than four fields");
    }
    if window.key.iter().any(|&field| row(field).ty != Type::Text) {
        return fault("has a key that is not text");
    }
    // A little more than is needed, for a constant that grows with a reload.
    let exact = usize::from(window.exact);
    let capacity = match window.aggregate {
        Aggregate::Count => exact.next_multiple_of(EXACT_STEP).min(EXACT_COUNT_MAX + 1),
        _ => exact,
    };
    let limits = policy.limits.iter().enumerate();
    let limits = limits.filter(|(_, limit)| limit.window == place && limit.mode != Mode::Off);
    let limits: Vec<usize> = limits.map(|(at, _)| at).collect();
    let room = match window.aggregate {
        Aggregate::Count if exact > EXACT_COUNT_MAX + 1 => return fault("is exact beyond 64"),
        Aggregate::Count if window.status == Status::Attempt => Recent::room(capacity),
        Aggregate::Count if exact > 0 => Sum::ROOM.with(Permits::room(capacity)),
        Aggregate::Count => Sum::ROOM,
        Aggregate::Sum(field) | Aggregate::Max(field)
            if !matches!(row(field).ty, Type::Int | Type::Money) =>
        {
            return fault("sums what is neither a whole number nor money");
        }
        Aggregate::Sum(_) if exact > 0 => return fault("is a sum, which has no exact range"),
        Aggregate::Sum(_) => Sum::ROOM,
        Aggregate::Distinct(field) if row(field).ty != Type::Text => {
            return fault("tells apart what is not text");
        }
        Aggregate::Distinct(_) if !(1..=EXACT_DISTINCT_MAX).contains(&exact) => {
            return fault("is exact for none or more than 64 values");
        }
        Aggregate::Distinct(_) => Distinct::room(exact),
        Aggregate::Max(_) => Max::ROOM,
        Aggregate::Last | Aggregate::First => Room { near: 1, ..Room::default() },
    };
    let reservable = matches!(window.aggregate, Aggregate::Count | Aggregate::Sum(_));
    if window.status == Status::Approved && !reservable {
        return fault("is approved, which only counts and sums can be");
    }
    if !limits.is_empty() && window.status != Status::Approved {
        return fault("has a limit, which only approved features can have");
    }
    let signature = signature(&policy.features, window);
    Ok(Laid {
        feature: window.feature,
        ty: row(window.feature).ty,
        aggregate: window.aggregate,
        kinds: window.kinds,
        status: window.status,
        window_ms: window.window_ms,
        span: Span::new(window.window_ms),
        exact: window.exact,
        capacity: capacity as u16,
        room,
        place: Place::default(),
        limits,
        tag: 0,
        signature,
    })
}

/// Every approved window of an event is remembered with its decision: there is room for so many.
fn check_approved(policy: &Policy) -> Result<(), BuildError> {
    for kind in wire::Kind::ALL {
        let approved = |window: &&Window| window.status == Status::Approved && window.kinds.has(*kind);
        let count = policy.windows.iter().filter(approved).count();
        if count > PENDING_MAX {
            return Err(BuildError::TooMany {
                what: "approved features of one kind",
                count,
                max: PENDING_MAX,
            });
        }
    }
    Ok(())
}

/// What a window is, by names: the same text means that its counts can be kept over a reload.
fn signature(features: &FeatureTable, window: &Window) -> String {
    let name = |id: FeatureId| features.row(id).name.as_str();
    let aggregate = match window.aggregate {
        Aggregate::Count => "count".to_owned(),
        Aggregate::Sum(field) => format!("sum {}", name(field)),
        Aggregate::Max(field) => format!("max {}", name(field)),
        Aggregate::Distinct(field) => format!("distinct {}", name(field)),
        Aggregate::Last => "last".to_owned(),
        Aggregate::First => "first".to_owned(),
    };
    let key: Vec<&str> = window.key.iter().map(|&field| name(field)).collect();
    format!(
        "{} {aggregate} {:x} {} {} {:?}",
        name(window.feature),
        window.kinds.0,
        key.join(","),
        window.window_ms,
        window.status,
    )
}
