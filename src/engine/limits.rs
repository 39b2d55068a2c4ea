//! Every bound of the engine, in one place, with its reason; relations between them are checked at compile time.

/// Checks decided side by side: one bit each in a machine word.
pub const LANES: usize = 64;
/// Most features of one snapshot: built-in, ext and velocity together. A column is 512 bytes, so 512 of them stay in the L2 cache.
pub const FEATURES_MAX: usize = 512;
/// Most velocity features of one policy.
pub const WINDOWS_MAX: usize = 256;
/// Most distinct keys (field tuples) that velocity features are kept by.
pub const KEYS_MAX: usize = 16;
/// Most tables that windows and breakers lie in. What a reload changed lies in a table of its own beside what else is kept by
/// its key, each a look-up of every check and as much memory as the others; a start lays all of a key together again.
pub const GROUPS_MAX: usize = 32;
/// Most fields in one key.
pub const KEY_FIELDS_MAX: usize = 4;
/// Most approved velocity features that one kind of event may count in: each is remembered with the decision.
pub const PENDING_MAX: usize = 8;
/// A decision younger than this is live: its eviction is counted as a loss. Sixty seconds is the least retention promised.
pub const RETENTION_MS: i64 = 60_000;
/// Most limits of one policy.
pub const LIMITS_MAX: usize = 64;
/// Most breakers of one policy.
pub const BREAKERS_MAX: usize = 64;
/// Most trials of a half-open breaker.
pub const BREAKER_TRIALS_MAX: u32 = 1_000;
/// Most lists of one policy.
pub const LISTS_MAX: usize = 64;
/// Most rules of one policy.
pub const RULES_MAX: usize = 10_000;
/// Most instructions of one program.
pub const OPS_MAX: usize = 65_536;
/// Longest text that a rule joins or writes, in bytes: the longest field twice over.
pub const JOINED_BYTES_MAX: usize = 1_024;
/// Most instructions of one program that write text: each takes 64 KiB of a worker's memory.
pub const JOINS_MAX: usize = 64;
/// Shortest window, in milliseconds.
pub const WINDOW_MS_MIN: i64 = 1_000;
/// Longest window, in milliseconds: thirty days.
pub const WINDOW_MS_MAX: i64 = 30 * 86_400_000;
/// Events may be so late, in milliseconds, and still find and take their true place.
pub const LATE_MS: i64 = 5_000;
/// Sub-windows of a window: a value beyond the exact range is above the true one by at most one of them.
pub const SUB_WINDOWS: i64 = 16;
/// Counts are laid out for a multiple of so many events, so that a constant may grow with a reload and be exact at once.
pub const EXACT_STEP: usize = 8;
/// Largest constant that a count can be compared with exactly.
pub const EXACT_COUNT_MAX: usize = 64;
/// Most distinct values that `distinct` holds exactly.
pub const EXACT_DISTINCT_MAX: usize = 64;
/// Most matches that a record holds of one decision, of those that act and of those in shadow each, and most that rules may have
/// together; the rest are counted.
pub const HITS_MAX: usize = 16;
/// Longest prefix in a prefix list, in bytes: that of the longest identifier.
pub const LIST_PREFIX_MAX: usize = 64;
/// Most conditions that ended in an error that a record names of one decision; metrics count them all.
pub const ERRORS_MAX: usize = 8;
/// Most threads that decide at once.
pub const WORKERS_MAX: usize = 63;
/// Batches in flight at once: every worker's, and the one outcomes are applied under.
pub const PINS_MAX: usize = WORKERS_MAX + 1;
/// A caller that leaves less than this for the answer, in microseconds, gets it without the model: about ten times what a
/// single check's model takes, so that a deadline kept is one kept with room.
pub const MODEL_BUDGET_US: u32 = 20;
/// A caller that leaves less than this gets its answer without the challengers: as long as all of them take, and the model.
pub const SHADOW_BUDGET_US: u32 = 100;
/// A batch that has waited longer than this, in microseconds, is one of too many: nothing is done for it that only watches.
pub const SHADOW_WAITED_US_MAX: u32 = 10_000;
/// Most challengers of one snapshot.
pub const CHALLENGERS_MAX: usize = 8;
/// Most models of one snapshot: the champion, the one for what is odd, and the challengers.
pub const MODELS_MAX: usize = 2 + CHALLENGERS_MAX;
/// Longest version of a model, in bytes.
pub const MODEL_VERSION_BYTES_MAX: usize = 128;
/// Most trees of a forest.
pub const TREES_MAX: usize = 4_096;
/// Most nodes of a forest over all its trees.
pub const NODES_MAX: usize = 4_000_000;
/// Deepest tree. Forests that grow until each leaf holds one row are 80 deep on skewed data; explanations recurse as deep.
pub const DEPTH_MAX: usize = 128;
/// Most input features of a forest.
pub const FOREST_INPUTS_MAX: usize = 256;
/// Most categories that a split of a tree can tell apart.
pub const CATEGORIES_MAX: usize = 65_536;
/// Most words of 64 categories in a forest's splits together. A single large category takes as many words as a full set, so
/// that without this bound a short file could fill the memory.
pub const CATEGORY_WORDS_MAX: usize = NODES_MAX;
/// Most knots of a forest's calibration: found by six looks.
pub const CALIBRATION_KNOTS_MAX: usize = 64;
/// Most columns that a forest's splits look at: an input as each kind of split reads it, and one for each split by category.
/// All lanes of 64 rows then take 1 MB.
pub const FOREST_COLUMNS_MAX: usize = 2_048;
/// Longest record of one decision, in bytes.
pub const RECORD_BYTES_MAX: usize = 8 * 1024;

const _: () = assert!(LANES == u64::BITS as usize, "a mask is one word");
const _: () = assert!(WINDOWS_MAX < FEATURES_MAX);
const _: () =
    assert!(GROUPS_MAX >= KEYS_MAX + WINDOWS_MAX / crate::table::PARTS_MAX, "what is within bounds has room");
const _: () = assert!(FEATURES_MAX <= u16::MAX as usize && OPS_MAX <= 1 << 16);
const _: () = assert!(BREAKER_TRIALS_MAX <= crate::table::TRIALS_MAX);
const _: () = assert!(HITS_MAX >= wire::limits::REASONS_MAX);
const _: () = assert!(SHADOW_BUDGET_US > MODEL_BUDGET_US, "what only watches is skipped first");
const _: () = assert!(
    RECORD_BYTES_MAX
        >= 1_400 + FEATURES_MAX * 10 + WINDOWS_MAX * 2 + CHALLENGERS_MAX * (9 + MODEL_VERSION_BYTES_MAX),
    "head, versions and matches, features, late ones, challengers"
);
