//! Every bound on rule files, in one place, with its reason.
//!
//! A rule file is written by people, but it also arrives over an API and from mounted volumes: whatever it holds, reading
//! it takes bounded time and memory and ends in a diagnostic. The engine's own bounds stand in [`engine::limits`].

/// Most currencies of one policy: an amount of another than the first is looked for among them.
pub const CURRENCIES_MAX: usize = 16;
/// Largest rule file, in bytes: ten thousand rules of a hundred bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Most rule files in one directory.
pub const FILES_MAX: usize = 256;
/// Largest sum of all files, in bytes.
pub const TOTAL_BYTES_MAX: usize = 16 << 20;
/// Most YAML nodes of one policy after aliases are expanded: a bomb of aliases stops here.
pub const NODES_MAX: usize = 1 << 20;
/// All copies that anchors and aliases make of texts, in bytes: a bomb of one long text stops here.
pub const COPIED_BYTES_MAX: usize = TOTAL_BYTES_MAX;
/// Deepest nesting of YAML collections; the file format itself needs six.
pub const DEPTH_MAX: usize = 16;
/// Longest identifier (rule id, feature or list name), in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest reason or owner text, in bytes.
pub const WORDS_BYTES_MAX: usize = 512;
/// Longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 8 << 10;
/// Most operators, brackets and dots of one expression; the parser underneath recurses on them.
pub const EXPRESSION_MARKS_MAX: usize = 1_024;
/// Stack of the compiling thread, in bytes: the deepest tree the two bounds above admit, in a debug build, twice over.
pub const STACK_BYTES: usize = 64 << 20;
/// Most diagnostics kept of one compilation; the rest are counted.
pub const DIAGNOSTICS_MAX: usize = 500;
/// Most tests in one policy.
pub const TESTS_MAX: usize = 10_000;
/// Most events in one test.
pub const TEST_EVENTS_MAX: usize = 1_000;
/// Most comparisons of one rule that are told of a test that fails.
pub const TRACE_MAX: usize = 24;
/// Most tenants of one policy: a condition that names a value may be compiled for each.
pub const TENANTS_MAX: usize = 64;
/// Most named values of one policy.
pub const VALUES_MAX: usize = 256;
/// Most steps of lowering one expression: macros inside macros multiply what is written by the lengths of their lists.
pub const STEPS_MAX: usize = 20_000;
/// Most steps of lowering all expressions of a policy, those of its tenants included: two hundred for each of ten thousand rules.
pub const POLICY_STEPS_MAX: usize = 2_000_000;
/// Bytes of a constant text that are copied or compared in one step.
pub const STEP_BYTES: usize = 64;
/// Longest constant text that texts put together become, in bytes: as long as an expression could write it out.
pub const CONSTANT_BYTES_MAX: usize = EXPRESSION_BYTES_MAX;
/// Most items of a list that lists put together become.
pub const ITEMS_MAX: usize = 4 * MEMBERS_MAX;
/// Largest automaton of one pattern, in bytes: what a pattern built to explode runs into.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;
/// All patterns of a policy together, in bytes of their automata; one that is refused counts as the largest.
pub const PATTERNS_BYTES_MAX: usize = 16 << 20;
/// Most members of one list literal or one list of names.
pub const MEMBERS_MAX: usize = 512;

const _: () = assert!(STEPS_MAX <= POLICY_STEPS_MAX && PATTERN_BYTES_MAX <= PATTERNS_BYTES_MAX);
const _: () = assert!(FILE_BYTES_MAX <= TOTAL_BYTES_MAX);
const _: () = assert!(TOTAL_BYTES_MAX < u32::MAX as usize, "places are 32-bit");
