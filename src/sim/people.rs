//! The population. Little is stored of a person; where they are, what they hold and through which network they come
//! follow from hashes of who and when, so that two events of one person never contradict each other.

use std::net::IpAddr;

use crate::clock;
use crate::draw::{Draw, fraction, hash};
use crate::handset::Handset;
use crate::network;
use crate::places::{self, Spot};

pub(crate) type PersonId = u32;

/// Friends who share a chat group: neighbours in the index.
pub(crate) const CIRCLE: u32 = 48;
/// People of one home, one network address and one shared tablet.
pub(crate) const FAMILY: u32 = 4;
/// Skew of activity between people, and the share of them that its flattened head spans.
const EXPONENT: f64 = 0.99;
const HEAD: f64 = 0.02;
/// A handset is kept this long; everyone has an own day for the change.
const HANDSET_DAYS: i64 = 410;
/// A trip fills a block of this many days.
const TRIP_DAYS: i64 = 4;
const TRIP_SHARE: f64 = 0.05;
/// Trains and planes from door to door.
const TRAVEL_KM_PER_HOUR: f64 = 450.0;

pub(crate) struct Person {
    pub city: u8,
    pub kyc: u8,
    /// Hours by which the day starts later than usual.
    pub late_h: i8,
    /// Generation of the handset at the last session.
    pub handset_seen: u8,
    /// Multiplies every sum; median 1.
    pub wealth: f32,
    habits: u8,
    home: Spot,
    work: Spot,
}

const ROOTED: u8 = 1;
const EMULATED: u8 = 2;
const TUNNELLED: u8 = 4;
const PLACELESS: u8 = 8;

/// Where a person is at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Whereabouts {
    pub spot: Spot,
    pub city: u8,
    stay: Stay,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stay {
    Home,
    Work,
    Road,
    Hotel,
}

pub(crate) struct People {
    seed: u64,
    /// Honest customers come first, attackers' accounts after them.
    pub customers: u32,
    all: Vec<Person>,
    /// Circles of each city.
    circles: Vec<Vec<u32>>,
    /// Spreads ranks of activity over circles; coprime to the number of customers.
    stride: u64,
}

impl People {
    pub fn new(seed: u64, customers: u32) -> People {
        // Whole circles and families on both sides: nobody is without friends, and gangs are no honest person's family.
        let customers = customers.next_multiple_of(CIRCLE);
        let sleepers = (customers / 10 + 200).next_multiple_of(CIRCLE);
        let mut draw = Draw::new(hash(seed, 0xbe09));
        let all = (0..customers + sleepers).map(|who| person(seed, who, customers, &mut draw)).collect();
        let mut circles = vec![Vec::new(); places::CITIES.len()];
        for circle in 0..customers / CIRCLE {
            circles[usize::from(circle_city(seed, circle))].push(circle);
        }
        let stride = (0..).map(|more| 7_368_787 + more).find(|&stride| coprime(stride, u64::from(customers)));
        People {
            seed,
            customers,
            all,
            circles,
            // Consecutive numbers always hold one coprime to a 32-bit number.
            stride: stride.unwrap_or(1),
        }
    }

    pub fn total(&self) -> u32 {
        self.all.len() as u32
    }

    pub fn get(&self, who: PersonId) -> &Person {
        &self.all[who as usize]
    }

    /// A customer, the busiest most often.
    pub fn active(&self, draw: &mut Draw) -> PersonId {
        // Zipf–Mandelbrot by the inverse of its integral. The plain law would give its first rank a tenth of all
        // events, which no thumb can do; with the head flattened the busiest make some hundred events a day.
        let last = f64::from(self.customers);
        let head = last * HEAD;
        let power = |x: f64| x.powf(1.0 - EXPONENT);
        let (low, high) = (power(head), power(head + last));
        let rank = (low + (high - low) * draw.unit()).powf(1.0 / (1.0 - EXPONENT)) - head;
        let rank = (rank as u64).min(u64::from(self.customers) - 1);
        (rank * self.stride % u64::from(self.customers)) as PersonId
    }

    /// Someone who lives in that city, if anybody does.
    pub fn townsman(&self, city: u8, draw: &mut Draw) -> PersonId {
        let circles = &self.circles[usize::from(city) % self.circles.len()];
        if circles.is_empty() {
            return self.anyone(draw);
        }
        draw.pick(circles) * CIRCLE + draw.below(CIRCLE as usize) as u32
    }

    /// Any customer.
    pub fn anyone(&self, draw: &mut Draw) -> PersonId {
        draw.below(self.customers as usize) as PersonId
    }

    /// Someone of the same circle.
    pub fn friend(&self, who: PersonId, draw: &mut Draw) -> PersonId {
        let first = who / CIRCLE * CIRCLE;
        first + (who - first + 1 + draw.below(CIRCLE as usize - 1) as u32) % CIRCLE
    }

    pub fn relative(&self, who: PersonId, draw: &mut Draw) -> PersonId {
        let first = who / FAMILY * FAMILY;
        first + (who - first + 1 + draw.below(FAMILY as usize - 1) as u32) % FAMILY
    }

    /// A run of accounts that belong to one gang.
    pub fn sleepers(&self, n: usize, draw: &mut Draw) -> Vec<PersonId> {
        let own = self.total() - self.customers;
        let first = draw.below(own as usize) as u32;
        (0..n as u32).map(|next| self.customers + (first + next) % own).collect()
    }

    /// Public name. Numbers are scattered, so that an attacker's account does not show by its name.
    pub fn name(&self, who: PersonId) -> String {
        const NAMES: u64 = 1_000_000_000;
        // A power of three shares no factor with a power of ten: no two people get one name.
        let number = (u64::from(who) * 387_420_489 + hash(self.seed, 0xa11) % NAMES) % NAMES;
        numbered("u", number, 9)
    }

    /// Which of their handsets a person holds by now.
    pub fn generation(&self, who: PersonId, at_ms: i64) -> u8 {
        let phase = (hash(self.seed ^ 0x9e4, u64::from(who)) % HANDSET_DAYS as u64) as i64;
        ((clock::day(at_ms) + phase) / HANDSET_DAYS % 256) as u8
    }

    /// Notes the handset in hand; true when it is a new one since the last session.
    pub fn new_handset(&mut self, who: PersonId, at_ms: i64) -> bool {
        let now = self.generation(who, at_ms);
        let person = &mut self.all[who as usize];
        let before = std::mem::replace(&mut person.handset_seen, now);
        before != 0 && before != now
    }

    pub fn handset(&self, who: PersonId, at_ms: i64) -> Handset {
        let person = self.get(who);
        let serial = hash(self.seed ^ 0x5e51a1, u64::from(who) << 8 | u64::from(self.generation(who, at_ms)));
        Handset {
            rooted: person.habits & ROOTED != 0,
            emulator: person.habits & EMULATED != 0,
            ..Handset::phone(serial)
        }
    }

    /// The tablet on the family's table.
    pub fn family_tablet(&self, who: PersonId) -> Handset {
        Handset::phone(hash(self.seed ^ 0x7ab1e7, u64::from(who / FAMILY)))
    }

    pub fn shows_place(&self, who: PersonId) -> bool {
        self.get(who).habits & PLACELESS == 0
    }

    pub fn whereabouts(&self, who: PersonId, at_ms: i64) -> Whereabouts {
        let person = self.get(who);
        if let Some(away) = self.trip(who, person, at_ms) {
            return away;
        }
        let hour = clock::hour(at_ms) - f64::from(person.late_h);
        let at = |spot, stay| Whereabouts { spot, city: person.city, stay };
        if clock::weekend(at_ms) || !(8.0..18.75).contains(&hour) {
            at(person.home, Stay::Home)
        } else if hour < 8.75 {
            at(person.home.towards(person.work, (hour - 8.0) / 0.75), Stay::Road)
        } else if hour < 18.0 {
            at(person.work, Stay::Work)
        } else {
            at(person.work.towards(person.home, (hour - 18.0) / 0.75), Stay::Road)
        }
    }

    fn trip(&self, who: PersonId, person: &Person, at_ms: i64) -> Option<Whereabouts> {
        let phase = hash(self.seed ^ 0x7219, u64::from(who)) % TRIP_DAYS as u64;
        let day = clock::day(at_ms) + phase as i64;
        let plan = hash(hash(self.seed ^ 0x7419, u64::from(who)), day.div_euclid(TRIP_DAYS) as u64);
        if fraction(plan) >= TRIP_SHARE {
            return None;
        }
        let there = places::weighted(fraction(hash(plan, 1)));
        let hotel =
            Spot::near(there, fraction(hash(plan, 2)) * 8.0 - 4.0, fraction(hash(plan, 3)) * 8.0 - 4.0);
        let road_h = (person.home.km_to(hotel) / TRAVEL_KM_PER_HOUR).max(0.5);
        let now_h = day.rem_euclid(TRIP_DAYS) as f64 * 24.0 + clock::hour(at_ms);
        // From home before the usual way to work starts, back in the last afternoon.
        let (leaves_h, returns_h) = (5.0 + f64::from(person.late_h), (TRIP_DAYS - 1) as f64 * 24.0 + 11.0);
        let road = |spot| Whereabouts { spot, city: person.city, stay: Stay::Road };
        if now_h < leaves_h || now_h > returns_h + road_h {
            // At home for the rest of these days, so that no commute cuts a trip.
            Some(Whereabouts { spot: person.home, city: person.city, stay: Stay::Home })
        } else if now_h < leaves_h + road_h {
            Some(road(person.home.towards(hotel, (now_h - leaves_h) / road_h)))
        } else if now_h < returns_h {
            Some(Whereabouts { spot: hotel, city: there, stay: Stay::Hotel })
        } else {
            Some(road(hotel.towards(person.home, (now_h - returns_h) / road_h)))
        }
    }

    /// The network a person comes through: a shared one as often as not.
    pub fn address(&self, who: PersonId, place: &Whereabouts, at_ms: i64, draw: &mut Draw) -> IpAddr {
        let person = self.get(who);
        if person.habits & TUNNELLED != 0 && draw.chance(0.6) {
            return network::datacentre(hash(self.seed ^ 0x7e1, u64::from(who)));
        }
        match place.stay {
            Stay::Home if draw.chance(0.7) => network::home(self.seed, who / FAMILY, who),
            Stay::Work if draw.chance(0.6) => {
                network::office(person.city, hash(self.seed ^ 0x0ff1ce, u64::from(who / 11)))
            }
            Stay::Hotel if draw.chance(0.5) => network::office(place.city, u64::from(who)),
            // A carrier moves a handset to another gateway every few hours.
            _ => network::mobile(place.city, hash(u64::from(who), (at_ms / (3 * clock::HOUR_MS)) as u64)),
        }
    }
}

fn person(seed: u64, who: u32, customers: u32, draw: &mut Draw) -> Person {
    // A circle lives in one city, but for one in twelve who moved away; a family shares its home.
    let family = hash(seed ^ 0xfa3, u64::from(who / FAMILY));
    let city = if family.is_multiple_of(12) {
        places::weighted(fraction(hash(family, 5)))
    } else {
        circle_city(seed, who / CIRCLE)
    };
    let spread = |salt| (fraction(hash(family, salt)) + fraction(hash(family, salt + 1)) - 1.0) * 16.0;
    let home = Spot::near(city, spread(1), spread(3));
    let mut habits = 0;
    for (share, habit) in [(0.015, ROOTED), (0.001, EMULATED), (0.012, TUNNELLED), (0.12, PLACELESS)] {
        habits |= if draw.chance(share) { habit } else { 0 };
    }
    let tier = draw.unit();
    let kyc = if who < customers {
        if tier < 0.04 {
            0
        } else if tier < 0.18 {
            1
        } else if tier < 0.6 {
            2
        } else {
            3
        }
    } else if tier < 0.3 {
        0
    } else if tier < 0.75 {
        1
    } else {
        2
    };
    Person {
        city,
        kyc,
        late_h: draw.between(-1, 2) as i8,
        handset_seen: 0,
        wealth: draw.skewed(1.0, 0.6) as f32,
        habits,
        home,
        work: Spot::near(city, draw.normal() * 4.0, draw.normal() * 4.0),
    }
}

fn circle_city(seed: u64, circle: u32) -> u8 {
    places::weighted(fraction(hash(seed ^ 0xc17, u64::from(circle))))
}

fn coprime(mut a: u64, mut b: u64) -> bool {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

/// A prefix and a number of that many digits.
pub(crate) fn numbered(prefix: &str, number: u64, digits: usize) -> String {
    let mut text = String::with_capacity(prefix.len() + digits);
    text.push_str(prefix);
    let mut divisor = 10_u64.pow(digits as u32 - 1);
    for _ in 0..digits {
        text.push(char::from(b'0' + (number / divisor % 10) as u8));
        divisor = (divisor / 10).max(1);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::START_MS;

    #[test]
    fn no_two_people_share_a_name_and_ranks_reach_everyone() {
        let people = People::new(3, 5000);
        let names: HashSet<String> = (0..people.total()).map(|who| people.name(who)).collect();
        assert_eq!(names.len() as u32, people.total());
        assert!(names.iter().all(|name| name.len() == 10));
        let customers = u64::from(people.customers);
        let reached: HashSet<u64> = (0..customers).map(|rank| rank * people.stride % customers).collect();
        assert_eq!(reached.len() as u64, customers);
    }

    #[test]
    fn nobody_honest_travels_faster_than_a_plane() {
        let people = People::new(4, 400);
        let step_ms = 10 * 60_000;
        let mut travellers = 0;
        for who in 0..400 {
            let home = people.whereabouts(who, START_MS - 8 * clock::HOUR_MS).spot;
            let mut before = people.whereabouts(who, START_MS).spot;
            let mut furthest: f64 = 0.0;
            for step in 1..2000 {
                let here = people.whereabouts(who, START_MS + step * step_ms).spot;
                let km_per_hour = before.km_to(here) * 6.0;
                assert!(km_per_hour < 800.0, "person {who} moved at {km_per_hour} km/h");
                furthest = furthest.max(home.km_to(here));
                before = here;
            }
            travellers += u32::from(furthest > 200.0);
        }
        assert!((20..200).contains(&travellers), "{travellers} of 400 travelled in a fortnight");
    }

    #[test]
    fn friends_and_relatives_are_other_people() {
        let people = People::new(5, 96);
        let mut draw = Draw::new(5);
        for who in 0..people.total() {
            for _ in 0..20 {
                assert_ne!(people.friend(who, &mut draw), who);
                let relative = people.relative(who, &mut draw);
                assert!(relative != who && relative / FAMILY == who / FAMILY);
            }
        }
    }
}
