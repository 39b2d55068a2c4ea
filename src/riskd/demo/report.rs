//! The closing report: for people at a hundred columns, or the same figures as JSON.

use std::path::PathBuf;

use serde_json::{Map, Value, json};
use server::Shutdown;
use sim::{Attack, Craft};
use wire::money::Major;
use wire::{Degraded, Verdict};

use super::drive::Drove;
use super::machine::Machine;
use super::table::{Table, count, share, thousands, yuan};
use super::tally::Fate;
use super::traffic::FRAME_EVENTS;

/// Rules shown to people.
const RULES_SHOWN: usize = 15;
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
const MS_PER_HOUR: f64 = 3_600_000.0;

/// All that is told at the end.
pub struct Report {
    /// Events asked for.
    pub events: u64,
    /// The seed.
    pub seed: u64,
    /// Directory of the rules.
    pub rules: PathBuf,
    /// Directory of the models.
    pub models: PathBuf,
    /// Threads that scored.
    pub workers: usize,
    /// What happened.
    pub drove: Drove,
    /// What the daemon said at its end.
    pub end: Shutdown,
}

impl Report {
    /// The report for people.
    pub fn to_text(&self) -> String {
        let sections = [
            self.head(),
            self.verdicts(),
            self.attacks(),
            self.customers(),
            self.money(),
            self.rules(),
            self.speed(),
            self.foot(),
        ];
        sections.join("\n")
    }

    fn head(&self) -> String {
        let drove = &self.drove;
        let (policy, model) = &drove.versions;
        let model = if model.is_empty() { "none, rules alone" } else { model };
        let early = if drove.interrupted { " (interrupted)" } else { "" };
        format!(
            "\nriskd demo: {} events over {:.1} simulated hours, seed {}{early}\npolicy {policy}, model {model}\n",
            thousands(drove.tally.answered()),
            (drove.simulated_ms.1 - drove.simulated_ms.0) as f64 / MS_PER_HOUR,
            self.seed,
        )
    }

    fn verdicts(&self) -> String {
        let tally = &self.drove.tally;
        let (honest, attacks) = (tally.honest_events(), tally.all_attacks().events());
        let mut table =
            Table::new(&["verdict", "events", "share", "honest", "of honest", "attack", "of attacks"], &[0]);
        for verdict in Verdict::ALL {
            let at = *verdict as usize;
            let (good, bad) = (tally.honest[at], tally.attack_verdicts[at]);
            table.row([
                verdict.name().to_owned(),
                thousands(good + bad),
                share(good + bad, honest + attacks),
                thousands(good),
                share(good, honest),
                thousands(bad),
                share(bad, attacks),
            ]);
        }
        format!("VERDICTS\n{}", table.into_text())
    }

    fn attacks(&self) -> String {
        let mut table = Table::new(
            &[
                "attack", "events", "denied", "review", "stopped*", "missed", "caught", "crude", "careful",
                "patient",
            ],
            &[0],
        );
        let mut row = |name: &str, crafts: &[Fate; Craft::ALL.len()]| {
            let all = crafts.iter().fold(Fate::default(), |sum, fate| sum.plus(*fate));
            let graded = crafts.map(|fate| share(fate.caught(), fate.events()));
            let [crude, careful, patient] = graded;
            table.row([
                name.to_owned(),
                count(all.events()),
                count(all.denied),
                count(all.reviewed),
                count(all.challenged),
                count(all.missed),
                share(all.caught(), all.events()),
                crude,
                careful,
                patient,
            ]);
        };
        let tally = &self.drove.tally;
        let mut total = [Fate::default(); Craft::ALL.len()];
        for attack in Attack::ALL {
            let crafts = &tally.attacks[*attack as usize];
            total.iter_mut().zip(crafts).for_each(|(sum, fate)| *sum = sum.plus(*fate));
            row(attack.name(), crafts);
        }
        row("all", &total);
        format!(
            "ATTACKS, caught and missed by event; the last three columns are the share caught by craft\n{}  \
             * by a challenge that the attacker did not pass; one that is passed counts as missed\n",
            table.into_text()
        )
    }

    fn customers(&self) -> String {
        let tally = &self.drove.tally;
        let events = tally.honest_events();
        let mut table = Table::new(&["", "events", "of events", "accounts**", "of accounts"], &[0]);
        let mut total = (0, 0);
        let (accounts, _) = tally.accounts(Verdict::Allow);
        for (verdict, name) in [
            (Verdict::Challenge, "challenged"),
            (Verdict::Review, "held for review"),
            (Verdict::Deny, "denied"),
        ] {
            let (met, hit) = (tally.accounts(verdict).1, tally.honest[verdict as usize]);
            total = (total.0 + hit, total.1 + met);
            table.row([
                name.to_owned(),
                thousands(hit),
                share(hit, events),
                thousands(met),
                share(met, accounts),
            ]);
        }
        let (hit, met) = total;
        table.row([
            "in all".to_owned(),
            thousands(hit),
            share(hit, events),
            thousands(met),
            share(met, accounts),
        ]);
        format!(
            "HONEST CUSTOMERS DISTURBED, of {} events of {} accounts\n{}  ** by the severest verdict they met\n",
            thousands(events),
            thousands(accounts),
            table.into_text()
        )
    }

    fn money(&self) -> String {
        let money = &self.drove.tally.money;
        let at_stake = money.attacks_lost + money.attacks_stopped;
        let wanted = money.honest_moved + money.honest_denied + money.honest_held + money.honest_abandoned;
        let part = |minor: i64, of: i64| share(minor.unsigned_abs(), of.unsigned_abs());
        let mut table = Table::new(&["", "yuan", "share"], &[0]);
        for (name, minor, of) in [
            ("at stake in attacks", at_stake, at_stake),
            ("  stopped", money.attacks_stopped, at_stake),
            ("  lost", money.attacks_lost, at_stake),
            ("wanted by honest customers", wanted, wanted),
            ("  wrongly refused", money.honest_denied, wanted),
            ("  held for review", money.honest_held, wanted),
            ("  given up at a challenge", money.honest_abandoned, wanted),
        ] {
            table.row([name.to_owned(), yuan(minor), part(minor, of)]);
        }
        format!("MONEY, of events that would have settled\n{}", table.into_text())
    }

    fn rules(&self) -> String {
        let rules = self.drove.tally.rules();
        let mut table = Table::new(&["code", "rule", "hits", "on attacks", "precision"], &[0, 1]);
        for (code, hits) in rules.iter().take(RULES_SHOWN) {
            table.row([
                (*code).to_owned(),
                hits.rule.chars().take(40).collect(),
                thousands(hits.hits),
                thousands(hits.attacks),
                share(hits.attacks, hits.hits),
            ]);
        }
        format!(
            "RULES, the {} with most hits of {} that matched; many only add to the score\n{}",
            rules.len().min(RULES_SHOWN),
            rules.len(),
            table.into_text()
        )
    }

    fn speed(&self) -> String {
        let drove = &self.drove;
        let millis = |us: u64| format!("{:.2} ms", us as f64 / 1000.0);
        let quantiles: Vec<String> = QUANTILES
            .iter()
            .map(|(name, quantile)| {
                format!("{name} {}", millis(drove.round_trip_us.value_at_quantile(*quantile)))
            })
            .collect();
        let machine = Machine::here();
        let build = if cfg!(debug_assertions) { ", debug build: --release is faster" } else { "" };
        let memory = match machine.memory_peak_mib {
            0 => String::new(),
            mib => format!(", {} MiB at most", thousands(mib)),
        };
        format!(
            "SPEED, closed loop over QUIC on this machine; generator, client and daemon share one process\n  \
             {} checks a second in frames of {FRAME_EVENTS}, few in flight\n  \
             frame round trip: {}, max {}\n  \
             {} outcomes, each on disk before it was acknowledged, took {:.1} s besides\n  \
             {}, {} cores, {} scoring{memory}{build}\n",
            thousands(self.checks_per_second()),
            quantiles.join(", "),
            millis(drove.round_trip_us.max()),
            thousands(drove.outcomes),
            drove.outcomes_took.as_secs_f64(),
            machine.processor,
            machine.cores,
            self.workers,
        )
    }

    fn foot(&self) -> String {
        let tally = &self.drove.tally;
        let mut text = String::new();
        for (flag, count) in Degraded::ALL.iter().zip(tally.degraded).filter(|(_, count)| *count > 0) {
            text += &format!("  warning: {} answers were flagged {flag}\n", thousands(count));
        }
        if tally.refused > 0 {
            text += &format!("  warning: {} checks were refused\n", thousands(tally.refused));
        }
        if self.end.decisions_lost > 0 {
            text += &format!("  warning: {} decisions were not logged\n", thousands(self.end.decisions_lost));
        }
        format!(
            "REPEAT\n  {}\n  Simulated traffic compares versions of rules and model; it is no forecast.\n{text}",
            self.command()
        )
    }

    /// What makes the same report again.
    fn command(&self) -> String {
        format!(
            "riskd demo --events {} --seed {} --rules {} --models {}",
            self.events,
            self.seed,
            self.rules.display(),
            self.models.display()
        )
    }

    fn checks_per_second(&self) -> u64 {
        (self.drove.tally.answered() as f64 / self.drove.checks_took.as_secs_f64().max(1e-9)) as u64
    }

    /// The same for programs. Money is decimal text in yuan.
    pub fn to_json(&self) -> String {
        let (drove, tally) = (&self.drove, &self.drove.tally);
        let verdicts = object(Verdict::ALL, |verdict| {
            let (honest, attack) = (tally.honest[verdict as usize], tally.attack_verdicts[verdict as usize]);
            (verdict.name(), json!({ "events": honest + attack, "honest": honest, "attack": attack }))
        });
        let attacks = object(Attack::ALL, |attack| {
            let crafts = &tally.attacks[attack as usize];
            let all = crafts.iter().fold(Fate::default(), |sum, fate| sum.plus(*fate));
            let mut value = fate_json(&all);
            value["by_craft"] =
                object(Craft::ALL, |craft| (craft.name(), fate_json(&crafts[craft as usize])));
            (attack.name(), value)
        });
        let disturbed = object(&[Verdict::Challenge, Verdict::Review, Verdict::Deny], |verdict| {
            let (events, accounts) = (tally.honest[verdict as usize], tally.accounts(verdict).1);
            (verdict.name(), json!({ "events": events, "accounts": accounts }))
        });
        let rules: Vec<Value> = tally
            .rules()
            .iter()
            .map(|(code, hits)| {
                json!({ "code": code, "rule": hits.rule, "hits": hits.hits, "attacks": hits.attacks })
            })
            .collect();
        let yuan = |minor: i64| Major(minor).to_string();
        let money = &tally.money;
        let latency: Map<String, Value> = QUANTILES
            .iter()
            .map(|(name, quantile)| {
                ((*name).to_owned(), Value::from(drove.round_trip_us.value_at_quantile(*quantile)))
            })
            .chain([("max".to_owned(), Value::from(drove.round_trip_us.max()))])
            .collect();
        let machine = Machine::here();
        let report = json!({
            "events": tally.answered(),
            "seed": self.seed,
            "interrupted": drove.interrupted,
            "simulated_ms": { "first": drove.simulated_ms.0, "last": drove.simulated_ms.1 },
            "policy": drove.versions.0,
            "model": drove.versions.1,
            "verdicts": verdicts,
            "refused": tally.refused,
            "attacks": attacks,
            "honest": {
                "events": tally.honest_events(),
                "accounts": tally.accounts(Verdict::Allow).0,
                "disturbed": disturbed,
            },
            "money": {
                "attacks_stopped": yuan(money.attacks_stopped),
                "attacks_lost": yuan(money.attacks_lost),
                "honest_moved": yuan(money.honest_moved),
                "honest_wrongly_refused": yuan(money.honest_denied),
                "honest_held": yuan(money.honest_held),
                "honest_abandoned": yuan(money.honest_abandoned),
            },
            "rules": rules,
            "degraded": object(Degraded::ALL, |flag| {
                (flag.name(), Value::from(tally.degraded[usize::from(flag.code())]))
            }),
            "speed": {
                "checks_per_second": self.checks_per_second(),
                "frame_events": FRAME_EVENTS,
                "frames": drove.frames,
                "frame_round_trip_us": latency,
                "outcomes": drove.outcomes,
                "outcomes_seconds": drove.outcomes_took.as_secs_f64(),
                "workers": self.workers,
                "processor": machine.processor,
                "cores": machine.cores,
                "memory_peak_mib": machine.memory_peak_mib,
                "release": !cfg!(debug_assertions),
            },
            "decisions_written": self.end.decisions_written,
            "decisions_lost": self.end.decisions_lost,
            "repeat": self.command(),
        });
        format!("{report:#}\n")
    }
}

fn fate_json(fate: &Fate) -> Value {
    json!({
        "events": fate.events(),
        "denied": fate.denied,
        "reviewed": fate.reviewed,
        "challenged": fate.challenged,
        "missed": fate.missed,
    })
}

/// An object with a member for each of `all`.
fn object<T: Copy>(all: &[T], member: impl Fn(T) -> (&'static str, Value)) -> Value {
    let members = all.iter().map(|each| {
        let (name, value) = member(*each);
        (name.to_owned(), value)
    });
    Value::Object(members.collect())
}
