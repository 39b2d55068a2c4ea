//! What was demoted to shadow, and by whom it was turned on again: a log on disk, read again at the next start.
//!
//! A demotion is of a text: it holds over restarts and reloads for as long as the declaration says the same, and is over when a
//! person turns it on or changes the declaration. Who puts the old text back has it demoted still.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::{AppendError, Folder, Log, Reader, SegmentConfig};
use policy::Guarded;
use serde::{Deserialize, Serialize};

/// Why something was demoted: what was counted within a minute, and the bound that it passed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Checks that it refused.
    pub refused: u64,
    /// Checks of its kinds.
    pub checks: u64,
    /// Largest share, in percent.
    pub share_max_percent: f64,
    /// Whether that was learned from earlier minutes; else it was declared.
    pub learned: bool,
}

/// A rule, limit or breaker that was demoted.
#[derive(Clone, Debug, PartialEq)]
pub struct Demotion {
    /// Its id.
    pub id: String,
    /// What its declaration hashes to.
    pub text: String,
    /// When, in Unix milliseconds.
    pub time_ms: i64,
    /// Why.
    pub cause: Cause,
}

/// A record of the log.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    time_ms: i64,
    id: String,
    text: String,
    event: Event,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Demoted(Cause),
    TurnedOn { by: String },
}

impl Entry {
    /// Reads a record.
    ///
    /// # Errors
    /// What of it is none.
    pub fn read(bytes: &[u8]) -> Result<Entry, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    fn demoted(demotion: &Demotion) -> Entry {
        let Demotion { id, text, time_ms, cause } = demotion.clone();
        Entry { time_ms, id, text, event: Event::Demoted(cause) }
    }
}

/// Why nothing was turned on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnOnError {
    /// Nothing of that id is demoted.
    NotDemoted,
    /// It is not on disk that it was, so it was not.
    Disk(AppendError),
}

impl fmt::Display for TurnOnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TurnOnError::NotDemoted => f.write_str("it is not demoted"),
            TurnOnError::Disk(error) => {
                write!(f, "it stays demoted, since this could not be recorded: {error}")
            }
        }
    }
}

/// Everything that was demoted and not turned on.
pub struct Demotions {
    log: Log,
    state: Mutex<State>,
}

/// By id and text; with each, whether it is on disk.
type State = BTreeMap<(String, String), (Demotion, bool)>;

impl Demotions {
    /// Reads the log of a folder and goes on with it.
    ///
    /// # Errors
    /// What of it cannot be read: what acts and what does not must not be guessed.
    pub fn open(folder: &Path) -> Result<Demotions, String> {
        let config = SegmentConfig { retain_bytes_max: None, ..SegmentConfig::default() };
        let storage = Arc::new(Folder::writable(folder).map_err(|error| error.to_string())?);
        let (log, _) = Log::open(storage, config, "demotions").map_err(|error| error.to_string())?;
        let mut state = State::new();
        let mut reader = Reader::open(folder).map_err(|error| error.to_string())?;
        while let Some(entry) = reader.next_entry() {
            let record = match entry {
                journal::Entry::Record(record) => record,
                journal::Entry::Fault(fault) => {
                    return Err(format!("{fault}; without the folder nothing is demoted"));
                }
            };
            apply(
                &mut state,
                Entry::read(record.bytes).map_err(|error| format!("record {}: {error}", record.number))?,
            );
        }
        Ok(Demotions { log, state: Mutex::new(state) })
    }

    /// What of a policy is demoted, in its order.
    pub fn in_force<'g>(&self, guarded: &'g [Guarded]) -> Vec<(&'g Guarded, Demotion)> {
        let state = self.state();
        let of = |one: &'g Guarded| {
            let (demotion, _) = state.get(&(one.id.clone(), one.text.clone()))?;
            Some((one, demotion.clone()))
        };
        guarded.iter().filter_map(of).collect()
    }

    /// Has them be demoted from now on, on disk or not: what refuses too much must not go on for want of a disk. What could
    /// not be recorded is tried again by [`Demotions::record`].
    pub fn add(&self, demotions: Vec<Demotion>) {
        let mut state = self.state();
        for demotion in demotions {
            state.insert((demotion.id.clone(), demotion.text.clone()), (demotion, false));
        }
    }

    /// Puts on disk what is not there yet.
    ///
    /// # Errors
    /// The first that was refused; the others were tried as well.
    pub fn record(&self) -> Result<(), AppendError> {
        let mut result = Ok(());
        for (demotion, recorded) in self.state().values_mut().filter(|(_, recorded)| !recorded) {
            match self.append(&Entry::demoted(demotion)) {
                Ok(()) => *recorded = true,
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// Has one of a policy act again. It is on disk when this returns.
    ///
    /// # Errors
    /// [`TurnOnError`]; nothing has changed then.
    pub fn turn_on(
        &self,
        guarded: &[Guarded],
        id: &str,
        by: &str,
        time_ms: i64,
    ) -> Result<Demotion, TurnOnError> {
        let mut state = self.state();
        let one = guarded.iter().find(|one| one.id == id).ok_or(TurnOnError::NotDemoted)?;
        let key = (one.id.clone(), one.text.clone());
        let (demotion, _) = state.get(&key).cloned().ok_or(TurnOnError::NotDemoted)?;
        let event = Event::TurnedOn { by: by.to_owned() };
        self.append(&Entry { time_ms, id: key.0.clone(), text: key.1.clone(), event })
            .map_err(TurnOnError::Disk)?;
        state.remove(&key);
        Ok(demotion)
    }

    fn append(&self, entry: &Entry) -> Result<(), AppendError> {
        // Texts and finite numbers: this cannot fail.
        let record = serde_json::to_vec(entry).unwrap_or_default();
        self.log.append(0, &record).map(|_| ())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(state: &mut State, entry: Entry) {
    let Entry { time_ms, id, text, event } = entry;
    let key = (id.clone(), text.clone());
    match event {
        Event::Demoted(cause) => {
            state.insert(key, (Demotion { id, text, time_ms, cause }, true));
        }
        Event::TurnedOn { .. } => {
            state.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::policy::Origin;
    use engine::program::Kinds;
    use proptest::prelude::*;

    fn guarded(id: &str, text: &str) -> Guarded {
        let (id, text) = (id.to_owned(), text.to_owned());
        Guarded { id, text, origin: Origin::Rule(0), kinds: Kinds::ALL, is_guard: false, share_max: None }
    }

    fn demotion(id: &str, text: &str) -> Demotion {
        let cause = Cause { refused: 30, checks: 1_000, share_max_percent: 2.5, learned: false };
        Demotion { id: id.to_owned(), text: text.to_owned(), time_ms: 7, cause }
    }

    fn ids(demotions: &Demotions, policy: &[Guarded]) -> Vec<String> {
        demotions.in_force(policy).into_iter().map(|(one, _)| one.id.clone()).collect()
    }

    #[test]
    fn what_was_demoted_is_so_after_a_restart_until_it_is_turned_on_or_its_text_changes() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Demotions::open(folder.path()).unwrap();
        let policy = [guarded("a", "1"), guarded("b", "1"), guarded("c", "1")];
        let demotions = open();
        demotions.add(vec![demotion("a", "1"), demotion("b", "1")]);
        demotions.record().unwrap();
        drop(demotions);

        let demotions = open();
        assert_eq!(demotions.in_force(&policy)[0], (&policy[0], demotion("a", "1")));
        assert_eq!(ids(&demotions, &policy), ["a", "b"]);
        assert_eq!(demotions.turn_on(&policy, "a", "Li", 8), Ok(demotion("a", "1")));
        assert_eq!(demotions.turn_on(&policy, "a", "Li", 9), Err(TurnOnError::NotDemoted));
        drop(demotions);

        let demotions = open();
        assert_eq!(ids(&demotions, &policy), ["b"]);
        assert_eq!(ids(&demotions, &[guarded("b", "2")]), [""; 0], "another text");
        assert_eq!(ids(&demotions, &policy), ["b"], "and the old one again");
    }

    #[test]
    fn a_log_that_was_changed_is_not_guessed_at() {
        let folder = tempfile::tempdir().unwrap();
        let demotions = Demotions::open(folder.path()).unwrap();
        for id in ["a", "b", "c"] {
            demotions.add(vec![demotion(id, "1")]);
            demotions.record().unwrap();
        }
        drop(demotions);
        let segment = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|extension| extension == "segment"))
            .unwrap();
        let mut bytes = std::fs::read(&segment).unwrap();
        let at = bytes.windows(3).position(|window| window == b"\"b\"").unwrap();
        bytes[at + 1] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        assert!(Demotions::open(folder.path()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_are_more_than_a_record_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entry::read(&bytes);
        }
    }
}
