//! Shops: where they are, what they sell at what price, and the printed code on their counter.

use rand_distr::Zipf;
use wire::Geo;

use crate::draw::{Draw, hash, zipf};
use crate::emv;
use crate::handset::Handset;
use crate::people::numbered;
use crate::places::{self, CITIES, Spot};

pub(crate) type MerchantId = u32;

/// A trade: its ISO 18245 category, the median ticket in yuan and how widely tickets spread.
struct Trade {
    category: &'static str,
    ticket: f64,
    spread: f64,
    /// Share of shops, in percent.
    share: u32,
}

const TRADES: [Trade; 8] = [
    Trade { category: "5814", ticket: 18.0, spread: 0.5, share: 28 }, // snacks
    Trade { category: "5812", ticket: 65.0, spread: 0.6, share: 18 }, // restaurants
    Trade { category: "5411", ticket: 42.0, spread: 0.8, share: 20 }, // groceries
    Trade { category: "4111", ticket: 4.0, spread: 0.4, share: 8 },   // buses and metro
    Trade { category: "5441", ticket: 3.5, spread: 0.4, share: 8 },   // vending machines
    Trade { category: "5651", ticket: 180.0, spread: 0.8, share: 9 }, // clothes
    Trade { category: "5732", ticket: 900.0, spread: 1.0, share: 5 }, // electronics
    Trade { category: "8062", ticket: 260.0, spread: 1.0, share: 4 }, // hospitals
];

pub(crate) struct Merchant {
    pub city: u8,
    pub spot: Spot,
    /// The code on the counter.
    pub code: String,
    pub ticket: f64,
    pub spread: f64,
}

pub(crate) struct Merchants {
    seed: u64,
    all: Vec<Merchant>,
    by_city: Vec<Vec<MerchantId>>,
    /// Honest shops; those after them are fronts that attackers opened.
    pub honest: u32,
    popularity: Zipf<f64>,
}

impl Merchants {
    pub fn new(seed: u64, customers: u32) -> Merchants {
        let honest = (customers / 40).max(CITIES.len() as u32 * 2);
        let fronts = honest / 20 + 8;
        let mut draw = Draw::new(hash(seed, 0x5b0b));
        let mut by_city = vec![Vec::new(); CITIES.len()];
        let mut all = Vec::with_capacity((honest + fronts) as usize);
        for id in 0..honest + fronts {
            // Every city has its first shops, so that nobody is without one.
            let city = if (id as usize) < CITIES.len() { id as u8 } else { places::weighted(draw.unit()) };
            let trade = &TRADES[trade_at(draw.below(100) as u32)];
            let name = format!("Shop {id}");
            let town = CITIES[usize::from(city)].name;
            all.push(Merchant {
                city,
                spot: Spot::near(city, draw.normal() * 5.0, draw.normal() * 5.0),
                code: emv::payload(&merchant_name(id), trade.category, &name, town),
                ticket: draw.skewed(trade.ticket, 0.3),
                spread: trade.spread,
            });
            if id < honest {
                by_city[usize::from(city)].push(id);
            }
        }
        let largest = by_city.iter().map(Vec::len).max().unwrap_or(1);
        Merchants { seed, all, by_city, honest, popularity: zipf(largest, 0.8) }
    }

    pub fn get(&self, id: MerchantId) -> &Merchant {
        &self.all[id as usize]
    }

    /// A shop of that city, the popular ones most often.
    pub fn in_city(&self, city: u8, draw: &mut Draw) -> MerchantId {
        let shops = &self.by_city[usize::from(city) % self.by_city.len()];
        shops[draw.rank(&self.popularity) % shops.len()]
    }

    pub fn anywhere(&self, draw: &mut Draw) -> MerchantId {
        draw.below(self.honest as usize) as MerchantId
    }

    /// A shop that exists to launder or to collect.
    pub fn front(&self, draw: &mut Draw) -> MerchantId {
        self.honest + draw.below(self.all.len() - self.honest as usize) as MerchantId
    }

    pub fn terminal(&self, id: MerchantId) -> Handset {
        Handset::terminal(hash(self.seed ^ 0x905, u64::from(id)))
    }

    pub fn geo(&self, id: MerchantId) -> Geo {
        self.get(id).spot.geo()
    }

    /// What one customer leaves here, in minor units.
    pub fn ticket_minor(&self, id: MerchantId, wealth: f64, draw: &mut Draw) -> i64 {
        let merchant = self.get(id);
        let yuan = draw.skewed(merchant.ticket, merchant.spread) * wealth.powf(0.3);
        price_minor(yuan, draw)
    }
}

pub(crate) fn merchant_name(id: MerchantId) -> String {
    numbered("m", u64::from(id) + 1, 8)
}

/// A sum as people meet it: whole yuan, half ones, ninety-nines, or to the fen.
pub(crate) fn price_minor(yuan: f64, draw: &mut Draw) -> i64 {
    let whole = (yuan.max(0.0) as i64).min(2_000_000) * 100;
    let fraction = draw.pick(&[0, 0, 0, 0, 50, 50, 80, 90, 99, -1]);
    (whole + if fraction < 0 { draw.between(1, 99) } else { fraction }).max(50)
}

fn trade_at(mut percent: u32) -> usize {
    for (index, trade) in TRADES.iter().enumerate() {
        if percent < trade.share {
            return index;
        }
        percent -= trade.share;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trades_fill_the_market() {
        assert_eq!(TRADES.iter().map(|trade| trade.share).sum::<u32>(), 100);
    }

    #[test]
    fn every_city_has_shops_and_prices_are_plausible() {
        let merchants = Merchants::new(1, 96);
        let mut draw = Draw::new(1);
        for city in 0..CITIES.len() as u8 {
            let shop = merchants.in_city(city, &mut draw);
            assert_eq!(merchants.get(shop).city, city);
            assert!((50..10_000_000).contains(&merchants.ticket_minor(shop, 1.0, &mut draw)));
        }
    }
}
