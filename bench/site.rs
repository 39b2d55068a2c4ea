//! The site under measurement: tables filled, the reference policy, its forest, and snapshots that lack one part each.

use std::sync::LazyLock;

use engine::feature::{FeatureId, Scalar};
use engine::lists::NEVER_MS;
use engine::policy::{Matching, Policy};
use engine::program::Program;
use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};

use crate::forest;
use crate::traffic::{BLOCK, Stream, token_key};

/// Rule files of the reference policy.
const POLICY: [(&str, &str); 2] = [
    ("windows.yaml", include_str!("policy/windows.yaml")),
    ("rules.yaml", include_str!("policy/rules.yaml")),
];

static COMPILED: LazyLock<Result<Policy, String>> = LazyLock::new(|| compile(&POLICY));

/// The reference policy and another file of rules.
///
/// # Errors
/// What is wrong with it, in words.
pub fn policy_with(file: (&'static str, &'static str)) -> Result<Policy, String> {
    compile(&[POLICY[0], POLICY[1], file])
}

fn compile(files: &[(&str, &str)]) -> Result<Policy, String> {
    let compiled = policy::compile_sources(files);
    let rendered = compiled.render(false);
    compiled.bundle.map(|bundle| bundle.policy).ok_or(rendered)
}

/// A part of the check that a snapshot can be made without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Sealed tokens; they are taken off the checks.
    Tokens,
    /// The five list look-ups.
    Lists,
    /// The twelve windows and the limits on them.
    Windows,
    /// The forest.
    Model,
    /// The fifty rules.
    Rules,
}

impl Part {
    /// All of them, in the order of the stages.
    pub const ALL: [Part; 5] = [Part::Tokens, Part::Lists, Part::Windows, Part::Model, Part::Rules];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Part::Tokens => "tokens",
            Part::Lists => "lists",
            Part::Windows => "windows",
            Part::Model => "model",
            Part::Rules => "rules",
        }
    }
}

/// A filled site.
pub struct Site {
    /// Its tables.
    pub tables: Tables,
    /// The whole reference policy.
    pub whole: Snapshot,
    /// Checks that filled the tables.
    pub filled: u64,
    accounts: u64,
    forest: engine::forest::ForestSpec,
}

impl Site {
    /// Makes the tables, fills them with that many accounts, and lets the forest grow on what was seen.
    ///
    /// # Errors
    /// Why the tables or the policy could not be made, in words.
    pub fn fill(accounts: u64) -> Result<Site, String> {
        let policy = COMPILED.clone()?;
        let size = accounts as usize;
        let sizes = Sizes {
            accounts: size,
            devices: size,
            velocity_keys: size,
            busy_keys: size,
            list_entries: 100_000,
            decisions: size.clamp(1 << 14, 1 << 20),
            seed: [9; 16],
        };
        let tables = Tables::new(&sizes).map_err(|error| error.to_string())?;
        let bare = snapshot(policy.clone(), None, &tables, None)?;
        fill_lists(&tables, &policy)?;
        let inputs = forest::inputs(&policy.features);
        let (filled, seen) = fill_accounts(&tables, &bare, accounts, &inputs);
        let forest = forest::grow(&policy.features, &inputs, &seen, 3);
        let whole = snapshot(policy, Some(forest.clone()), &tables, Some(&bare))?;
        Ok(Site { tables, whole, filled, accounts, forest })
    }

    /// Checks to measure with.
    pub fn stream(&self, letter: &'static str) -> Stream {
        Stream::measured(letter, self.accounts, self.filled)
    }

    /// The model's trees.
    pub fn forest(&self) -> &engine::forest::ForestSpec {
        &self.forest
    }

    /// A snapshot of the reference policy compiled anew, to follow `previous`; the window of payees is longer by so many
    /// minutes.
    ///
    /// # Errors
    /// As [`Site::fill`].
    pub fn reloaded(&self, minutes: u64, previous: &Snapshot) -> Result<Snapshot, String> {
        let window = "by: account, window: 1d }";
        let longer =
            POLICY[0].1.replacen(window, &format!("by: account, window: {}m }}", 1_440 + minutes), 1);
        let policy = compile(&[("windows.yaml", &longer), POLICY[1]])?;
        snapshot(policy, Some(self.forest.clone()), &self.tables, Some(previous))
    }

    /// The reference policy without these parts; windows that stay keep their counts.
    ///
    /// # Errors
    /// As [`Site::fill`].
    pub fn without(&self, parts: &[Part]) -> Result<Snapshot, String> {
        let mut policy = self.whole.policy().clone();
        let mut forest = Some(self.forest.clone());
        for part in parts {
            match part {
                Part::Tokens => {}
                Part::Lists => policy.lists.clear(),
                Part::Windows => {
                    policy.limits.clear();
                    policy.windows.clear();
                }
                Part::Model => forest = None,
                Part::Rules => {
                    policy.rules.clear();
                    policy.program = Program::default();
                }
            }
        }
        snapshot(policy, forest, &self.tables, Some(&self.whole))
    }
}

fn snapshot(
    policy: Policy,
    forest: Option<engine::forest::ForestSpec>,
    tables: &Tables,
    previous: Option<&Snapshot>,
) -> Result<Snapshot, String> {
    let parts = Parts { policy, forest, token_keys: vec![token_key()], ..Parts::default() };
    Snapshot::build(parts, tables, previous).map_err(|error| error.to_string())
}

/// Ten thousand entries a list, most of them nobody's, as on real lists.
fn fill_lists(tables: &Tables, policy: &Policy) -> Result<(), String> {
    const ENTRIES: u64 = 10_000;
    for list in &policy.lists {
        let handle =
            tables.lists.handle(&list.name, list.matching, list.on.form()).ok_or("no memory for lists")?;
        for n in 0..ENTRIES {
            let key = match (list.matching, list.name.as_str()) {
                (Matching::Network, _) if n % 8 == 0 => format!("203.{}.{}.0/24", n / 256 % 256, n % 256),
                (Matching::Network, _) => format!("198.{}.{}.7", n / 256 % 256, n % 256),
                (_, "bad_packets") => format!("00000000-0000-4000-8000-{n:012x}"),
                // Every hundredth is an account that acts, from the rare end of the distribution.
                _ if n % 100 == 0 => format!("u{:010x}", 5_000 + n * 90),
                _ => format!("listed-{n}"),
            };
            let full = |error| format!("{}: {error}", list.name);
            let key = tables.lists.key(&handle, &key).map_err(full)?;
            tables.lists.put(&handle, key, NEVER_MS, 0).map_err(full)?;
        }
    }
    Ok(())
}

/// Two checks an account on average; the values its features take towards the end are given back, by input.
fn fill_accounts(
    tables: &Tables,
    bare: &Snapshot,
    accounts: u64,
    inputs: &[FeatureId],
) -> (u64, Vec<Vec<f64>>) {
    let mut stream = Stream::filling(accounts);
    let (mut decisions, mut scratch) = (Vec::new(), Scratch::new(0));
    let blocks = (2 * accounts).div_ceil(BLOCK as u64);
    let mut seen = vec![Vec::new(); inputs.len()];
    for block in 0..blocks {
        let (checks, ms) = stream.block();
        decide(bare, tables, Now { ms, waited_us: 0 }, checks, &mut decisions, &mut scratch);
        if blocks - block <= 16 {
            for lane in 0..engine::limits::LANES {
                for (values, &input) in seen.iter_mut().zip(inputs) {
                    let number = number(scratch.value(input, lane));
                    values.extend(Some(number).filter(|number| number.is_finite()));
                }
            }
        }
    }
    (blocks * BLOCK as u64, seen)
}

pub(crate) fn number(value: Scalar) -> f64 {
    match value {
        Scalar::Bool(flag) => f64::from(u8::from(flag)),
        Scalar::Int(number) | Scalar::Money(number) => number as f64,
        Scalar::Double(number) => number,
        Scalar::NoText => 0.0,
    }
}
