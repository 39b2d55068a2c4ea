//! Where people live. Twenty cities with their weight; distances on a sphere.

use wire::Geo;

pub(crate) struct City {
    pub name: &'static str,
    pub lat: f32,
    pub lon: f32,
    /// Relative number of customers.
    pub weight: u32,
}

const fn city(name: &'static str, lat: f32, lon: f32, weight: u32) -> City {
    City { name, lat, lon, weight }
}

pub(crate) const CITIES: [City; 20] = [
    city("Shanghai", 31.230, 121.474, 25),
    city("Beijing", 39.904, 116.407, 22),
    city("Shenzhen", 22.543, 114.058, 18),
    city("Guangzhou", 23.129, 113.264, 19),
    city("Chongqing", 29.563, 106.551, 16),
    city("Chengdu", 30.573, 104.066, 21),
    city("Tianjin", 39.343, 117.362, 14),
    city("Wuhan", 30.593, 114.305, 13),
    city("Hangzhou", 30.274, 120.155, 12),
    city("Xi'an", 34.342, 108.940, 13),
    city("Nanjing", 32.060, 118.797, 9),
    city("Zhengzhou", 34.747, 113.625, 13),
    city("Changsha", 28.228, 112.939, 10),
    city("Shenyang", 41.806, 123.432, 9),
    city("Qingdao", 36.067, 120.383, 10),
    city("Harbin", 45.804, 126.535, 9),
    city("Kunming", 25.039, 102.718, 8),
    city("Xiamen", 24.480, 118.089, 5),
    city("Lanzhou", 36.061, 103.834, 4),
    city("Urumqi", 43.826, 87.617, 4),
];

/// A point on the map, small enough to keep one for every customer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spot {
    pub lat: f32,
    pub lon: f32,
}

impl Spot {
    /// A point of the city, `km_north` and `km_east` of its centre.
    pub fn near(city: u8, km_north: f64, km_east: f64) -> Spot {
        let centre = &CITIES[usize::from(city) % CITIES.len()];
        Spot { lat: centre.lat, lon: centre.lon }.moved(km_north, km_east)
    }

    pub fn moved(self, km_north: f64, km_east: f64) -> Spot {
        let lat = f64::from(self.lat) + km_north / KM_PER_DEGREE;
        // Every city lies far from the poles: the cosine is never near zero.
        let lon = f64::from(self.lon) + km_east / (KM_PER_DEGREE * lat.to_radians().cos());
        Spot { lat: lat as f32, lon: lon as f32 }
    }

    /// The point a share of the way to another, straight on the map.
    pub fn towards(self, other: Spot, share: f64) -> Spot {
        let share = share.clamp(0.0, 1.0) as f32;
        Spot {
            lat: self.lat + (other.lat - self.lat) * share,
            lon: self.lon + (other.lon - self.lon) * share,
        }
    }

    pub fn km_to(self, other: Spot) -> f64 {
        // Equirectangular: within a percent at the distances of one country.
        let mean_lat = f64::from(self.lat + other.lat) / 2.0;
        let north = f64::from(self.lat - other.lat) * KM_PER_DEGREE;
        let east = f64::from(self.lon - other.lon) * KM_PER_DEGREE * mean_lat.to_radians().cos();
        north.hypot(east)
    }

    /// The place as a handset reports it: five decimals, about a metre.
    pub fn geo(self) -> Geo {
        let round = |degrees: f32| (f64::from(degrees) * 1e5).round() / 1e5;
        Geo { lat: round(self.lat), lon: round(self.lon) }
    }
}

const KM_PER_DEGREE: f64 = 111.195;

/// A city chosen by its weight; `at` is a fraction.
pub(crate) fn weighted(at: f64) -> u8 {
    let total: u32 = CITIES.iter().map(|city| city.weight).sum();
    let mut left = at * f64::from(total);
    for (index, city) in CITIES.iter().enumerate() {
        left -= f64::from(city.weight);
        if left < 0.0 {
            return index as u8;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shanghai_lies_a_thousand_kilometres_from_beijing() {
        let km = Spot::near(0, 0.0, 0.0).km_to(Spot::near(1, 0.0, 0.0));
        assert!((1050.0..1090.0).contains(&km), "{km}");
    }

    #[test]
    fn a_step_north_and_east_has_its_length() {
        let centre = Spot::near(3, 0.0, 0.0);
        assert!((centre.km_to(centre.moved(3.0, 4.0)) - 5.0).abs() < 0.02);
    }
}
