//! How good scores are, measured against labels; ties are counted exactly, never by the order rows happen to be in.

use std::collections::{BTreeMap, HashMap, HashSet};

/// A score with its truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The score; higher is more suspicious.
    pub score: f64,
    /// Whether it was fraud.
    pub fraud: bool,
}

/// Counts at every distinct score, from the highest down: what a threshold there would catch and disturb.
#[derive(Clone, Debug)]
pub struct Curve {
    points: Vec<Point>,
}

/// What the threshold `score` catches: every row with at least that score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The threshold.
    pub score: f64,
    /// Frauds at or above it.
    pub caught: usize,
    /// Honest rows at or above it.
    pub disturbed: usize,
}

impl Curve {
    /// Sorts the rows once; rows of one score become one point.
    pub fn new(rows: &[Scored]) -> Curve {
        let mut sorted = rows.to_vec();
        sorted.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        let mut points: Vec<Point> = Vec::new();
        let (mut caught, mut disturbed) = (0, 0);
        for row in sorted {
            caught += usize::from(row.fraud);
            disturbed += usize::from(!row.fraud);
            let point = Point { score: row.score, caught, disturbed };
            match points.last_mut() {
                Some(last) if last.score.total_cmp(&row.score).is_eq() => *last = point,
                _ => points.push(point),
            }
        }
        Curve { points }
    }

    /// Number of frauds.
    pub fn frauds(&self) -> usize {
        self.points.last().map_or(0, |point| point.caught)
    }

    /// Number of honest rows.
    pub fn honest(&self) -> usize {
        self.points.last().map_or(0, |point| point.disturbed)
    }

    /// Area under the ROC curve: the chance that a fraud scores above an honest row, a tie counting half.
    /// `None` without both.
    pub fn roc_auc(&self) -> Option<f64> {
        let pairs = self.frauds() as f64 * self.honest() as f64;
        let mut won = 0.0;
        let mut before = Point { score: f64::INFINITY, caught: 0, disturbed: 0 };
        for point in &self.points {
            // Honest rows of this score lose to the frauds above them and tie with the frauds beside them.
            let beside = (point.caught - before.caught) as f64;
            won += (point.disturbed - before.disturbed) as f64 * (before.caught as f64 + beside / 2.0);
            before = *point;
        }
        (pairs > 0.0).then(|| won / pairs)
    }

    /// Average precision: the precision at each threshold, weighted by the recall it adds (no interpolation).
    /// `None` without a fraud.
    pub fn average_precision(&self) -> Option<f64> {
        let frauds = self.frauds();
        let mut sum = 0.0;
        let mut caught = 0;
        for point in &self.points {
            let precision = point.caught as f64 / (point.caught + point.disturbed) as f64;
            sum += (point.caught - caught) as f64 * precision;
            caught = point.caught;
        }
        (frauds > 0).then(|| sum / frauds as f64)
    }

    /// The lowest threshold that disturbs at most that share of honest rows; `None` if even the highest score disturbs more.
    pub fn at_false_positives(&self, share: f64) -> Option<Point> {
        let disturbed_max = share * self.honest() as f64;
        self.points.iter().take_while(|point| point.disturbed as f64 <= disturbed_max).last().copied()
    }

    /// Share of frauds caught by the best threshold that disturbs at most that share of honest rows.
    /// `None` without a fraud.
    pub fn recall_at_false_positives(&self, share: f64) -> Option<f64> {
        let caught = self.at_false_positives(share).map_or(0, |point| point.caught);
        (self.frauds() > 0).then(|| caught as f64 / self.frauds() as f64)
    }
}

/// Mean of −ln of the probability that was given to what came true; scores are taken a millionth inside 0 and 1 at least.
pub fn log_loss(rows: &[Scored]) -> f64 {
    let loss = |row: &Scored| {
        let p = row.score.clamp(1e-6, 1.0 - 1e-6);
        if row.fraud { -p.ln() } else { -(1.0 - p).ln() }
    };
    rows.iter().map(loss).sum::<f64>() / rows.len().max(1) as f64
}

/// Brier score: mean square of the distance between score and truth.
pub fn brier(rows: &[Scored]) -> f64 {
    let square = |row: &Scored| (row.score - f64::from(u8::from(row.fraud))).powi(2);
    rows.iter().map(square).sum::<f64>() / rows.len().max(1) as f64
}

/// A scored event of a card on a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CardEvent<'a> {
    /// The day, as a number.
    pub day: i64,
    /// The card or account.
    pub card: &'a str,
    /// Score and truth.
    pub scored: Scored,
}

/// Card precision: of the `cards_a_day` most suspicious cards of each day, the share that was defrauded that day, as a
/// mean over days. A card scores as its most suspicious event; one that was rightly found leaves the days that follow.
/// Cards that tie at the last place are taken by name, so that the figure does not depend on the order of the rows.
pub fn card_precision(events: &[CardEvent<'_>], cards_a_day: usize) -> Option<f64> {
    let mut days: BTreeMap<i64, Vec<&CardEvent<'_>>> = BTreeMap::new();
    for event in events {
        days.entry(event.day).or_default().push(event);
    }
    let mut found: HashSet<&str> = HashSet::new();
    let mut sum = 0.0;
    for day in days.values() {
        let mut cards: HashMap<&str, Scored> = HashMap::new();
        for event in day.iter().filter(|event| !found.contains(event.card)) {
            let card = cards.entry(event.card).or_insert(event.scored);
            card.score = card.score.max(event.scored.score);
            card.fraud |= event.scored.fraud;
        }
        let mut ranked: Vec<(&str, Scored)> = cards.into_iter().collect();
        ranked.sort_unstable_by(|a, b| b.1.score.total_cmp(&a.1.score).then(a.0.cmp(b.0)));
        let hits = ranked.iter().take(cards_a_day).filter(|(_, scored)| scored.fraud);
        let hits: Vec<&str> = hits.map(|(card, _)| *card).collect();
        sum += hits.len() as f64 / cards_a_day as f64;
        found.extend(hits);
    }
    (!days.is_empty() && cards_a_day > 0).then(|| sum / days.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(scores: &[(f64, u8)]) -> Vec<Scored> {
        scores.iter().map(|&(score, fraud)| Scored { score, fraud: fraud == 1 }).collect()
    }

    fn curve(scores: &[(f64, u8)]) -> Curve {
        Curve::new(&rows(scores))
    }

    #[test]
    fn a_perfect_ranking_scores_one() {
        let perfect = curve(&[(0.9, 1), (0.8, 1), (0.2, 0), (0.1, 0)]);
        assert_eq!(perfect.roc_auc(), Some(1.0));
        assert_eq!(perfect.average_precision(), Some(1.0));
        assert_eq!(perfect.recall_at_false_positives(0.0), Some(1.0));
    }

    #[test]
    fn the_hand_example_holds() {
        // From the top: fraud, honest, fraud, honest. Pairs won: 2 + 1 of 4. Precision at the frauds: 1/1 and 2/3.
        let hand = curve(&[(0.8, 1), (0.6, 0), (0.4, 1), (0.2, 0)]);
        assert_eq!(hand.roc_auc(), Some(0.75));
        assert_eq!(hand.average_precision(), Some((1.0 + 2.0 / 3.0) / 2.0));
        assert_eq!(hand.recall_at_false_positives(0.0), Some(0.5));
        assert_eq!(hand.recall_at_false_positives(0.5), Some(1.0));
    }

    #[test]
    fn ties_count_half_and_fall_together() {
        let tied = curve(&[(0.5, 1), (0.5, 0), (0.5, 0), (0.5, 1)]);
        assert_eq!(tied.roc_auc(), Some(0.5));
        assert_eq!(tied.average_precision(), Some(0.5));
        // The one threshold there is disturbs everybody.
        assert_eq!(tied.recall_at_false_positives(0.5), Some(0.0));
        assert_eq!(tied.recall_at_false_positives(1.0), Some(1.0));
        assert_eq!(tied.at_false_positives(0.5), None);
    }

    #[test]
    fn without_both_kinds_there_is_no_area() {
        assert_eq!(curve(&[(0.5, 0)]).roc_auc(), None);
        assert_eq!(curve(&[(0.5, 0)]).average_precision(), None);
        assert_eq!(curve(&[(0.5, 1)]).roc_auc(), None);
        assert_eq!(curve(&[]).average_precision(), None);
    }

    #[test]
    fn losses_are_those_of_the_hand_example() {
        let rows = rows(&[(0.8, 1), (0.2, 0), (0.5, 1)]);
        let expected = (-(0.8_f64.ln()) * 2.0 - 0.5_f64.ln()) / 3.0;
        assert!((log_loss(&rows) - expected).abs() < 1e-12);
        assert!((brier(&rows) - (0.04 + 0.04 + 0.25) / 3.0).abs() < 1e-12);
    }

    fn event(day: i64, card: &'static str, score: f64, fraud: u8) -> CardEvent<'static> {
        CardEvent { day, card, scored: Scored { score, fraud: fraud == 1 } }
    }

    #[test]
    fn a_found_card_leaves_the_days_that_follow() {
        let events = [
            event(1, "a", 0.9, 1),
            event(1, "b", 0.8, 0),
            event(1, "c", 0.1, 1),
            // Without `a`, which was found on day 1, the top two are c and d.
            event(2, "a", 0.9, 1),
            event(2, "c", 0.7, 1),
            event(2, "d", 0.6, 1),
        ];
        assert_eq!(card_precision(&events, 2), Some(f64::midpoint(0.5, 1.0)));
    }

    #[test]
    fn a_card_scores_as_its_most_suspicious_event() {
        let events = [event(1, "a", 0.1, 1), event(1, "a", 0.9, 0), event(1, "b", 0.5, 0)];
        assert_eq!(card_precision(&events, 1), Some(1.0));
        assert_eq!(card_precision(&events, 10), Some(0.1));
        assert_eq!(card_precision(&[], 10), None);
    }

    /// The definition itself: every pair of a fraud and an honest row.
    fn auc_by_pairs(rows: &[Scored]) -> Option<f64> {
        let (frauds, honest): (Vec<&Scored>, Vec<&Scored>) = rows.iter().partition(|row| row.fraud);
        let pairs =
            frauds.iter().flat_map(|fraud| honest.iter().map(move |other| (fraud.score, other.score)));
        let won: Vec<f64> =
            pairs.map(|(a, b)| if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 }).collect();
        (!won.is_empty()).then(|| won.iter().sum::<f64>() / won.len() as f64)
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs_won(
            scores in prop::collection::vec((0_u8..6, 0_u8..2), 0..40)
        ) {
            let scored: Vec<(f64, u8)> = scores.iter().map(|&(s, f)| (f64::from(s), f)).collect();
            let rows = rows(&scored);
            match (Curve::new(&rows).roc_auc(), auc_by_pairs(&rows)) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-12),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }
}
