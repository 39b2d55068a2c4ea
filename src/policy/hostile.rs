//! Whatever a rule file holds, reading it ends in a diagnostic, within a counted bound of work and memory.

use std::path::Path;

use allocation_counter::AllocationInfo;

use crate::diagnostic::Sink;
use crate::source::Sources;
use crate::{Code, Compiled, compile, limits, on_deep_stack};

/// Most allocations that a refusal may take: counted and not timed, so that a busy machine says the same. Nothing that is done
/// to a value of a file goes without one, so this bounds the work as well. Most are for the nearest of 2,000 rules to each
/// of 500 names.
const ALLOCATIONS_MAX: u64 = 16_000_000;
/// Most memory in use at once: the texts, their trees and what is made of them.
const BYTES_MAX: u64 = 256 << 20;

fn measured(sources: impl FnOnce(&mut Sink) -> Sources + Send) -> Compiled {
    let (compiled, taken) = on_deep_stack(|| {
        let mut compiled = None;
        let taken = allocation_counter::measure(|| {
            let mut sink = Sink::default();
            let sources = sources(&mut sink);
            compiled = Some(compile::compile(sources, None, sink));
        });
        (compiled.expect("it was compiled"), taken)
    })
    .unwrap();
    let AllocationInfo { count_total, bytes_max, .. } = taken;
    assert!(count_total <= ALLOCATIONS_MAX && bytes_max <= BYTES_MAX, "{taken:?}");
    compiled
}

fn compile(text: &str) -> Compiled {
    compile_all(&[("hostile.yaml", text)])
}

fn compile_all(texts: &[(&str, &str)]) -> Compiled {
    measured(|sink| Sources::of_texts(texts, sink))
}

fn compile_dir(dir: &Path) -> Compiled {
    measured(|sink| Sources::of_dir(dir, sink))
}

fn refused(text: &str, code: Code, words: &str) {
    let compiled = compile(text);
    assert!(compiled.bundle.is_none());
    let first = &compiled.diagnostics[0];
    assert!(first.code == code && first.message.contains(words), "{first:?}");
}

fn rule(when: &str) -> String {
    format!("rules:\n- id: r\n  tier: deny\n  reason: {{ code: R1, text: t }}\n  when: >-\n    {when}\n")
}

#[test]
fn a_file_of_a_hundred_megabytes_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("big.yaml")).unwrap();
    file.set_len(100 << 20).unwrap();
    let compiled = compile_dir(dir.path());
    assert!(compiled.diagnostics[0].message.contains("longer than"), "{}", compiled.render(false));
}

#[test]
fn bytes_that_are_no_text_are_refused_by_name_and_the_other_files_are_still_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yaml"), b"rules: \xff\xfe").unwrap();
    std::fs::write(dir.path().join("b.yaml"), "rulse: []\n").unwrap();
    let messages: Vec<_> = compile_dir(dir.path()).diagnostics.into_iter().map(|d| d.message).collect();
    assert_eq!(messages, ["a.yaml is not UTF-8 at byte 7", "a rule file has no key `rulse`"]);
}

#[test]
fn no_directory_and_an_empty_one_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(compile_dir(dir.path()).diagnostics[0].message.contains("holds no .yaml file"));
    assert!(compile_dir(&dir.path().join("none")).diagnostics[0].message.contains("cannot be read"));
}

#[test]
fn deep_nesting_is_refused_in_yaml_and_in_expressions() {
    refused(&"[".repeat(10_000), Code::Yaml, "not YAML");
    refused(&rule(&"(".repeat(3_000)), Code::Bound, "operators and brackets");
    refused(&rule(&format!("{}true", "!".repeat(3_000))), Code::Bound, "operators and brackets");
    refused(&rule(&"(".repeat(100_000)), Code::Bound, "bytes");
    refused(&rule(&vec!["1"; 1_100].join(" in ")), Code::Bound, "operators and brackets");
}

#[test]
fn the_deepest_expressions_within_the_bounds_stand_on_the_stack() {
    let brackets = format!("{}kyc == 1{}", "(".repeat(505), ")".repeat(505));
    assert!(compile(&rule(&brackets)).bundle.is_some());
    let negations = format!("{}device.rooted", "!".repeat(1_020));
    assert!(compile(&rule(&negations)).bundle.is_some());
    let choices = format!("{}kyc == 1{}", "kyc == 1 ? (".repeat(120), ") : kyc == 2".repeat(120));
    assert!(compile(&rule(&choices)).bundle.is_some());
    let sums = format!("kyc{} > 1", " + kyc".repeat(1_000));
    assert!(compile(&rule(&sums)).bundle.is_some());
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        text += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "));
    }
    refused(&text, Code::Bound, "aliases expanded");
}

#[test]
fn one_id_in_two_files_names_both_places() {
    let file = rule("kyc == 1");
    let compiled = compile_all(&[("one.yaml", &file), ("two.yaml", &file)]);
    assert_eq!(compiled.diagnostics.len(), 1);
    assert_eq!(compiled.diagnostics[0].label, "the first stands at one.yaml:2:7");
    assert_eq!(compiled.sources.location(compiled.diagnostics[0].place), "two.yaml:2:7");
}

#[test]
fn a_hundred_thousand_rules_are_too_many() {
    let file = |from: usize| {
        let rules = (from..from + 10_000).map(|i| {
            format!(
                "- {{id: r{i}, tier: deny, when: account_events == {i}, reason: {{code: R{i}, text: t}}}}\n"
            )
        });
        format!("rules:\n{}", rules.collect::<String>())
    };
    let files: Vec<(String, String)> = (0..10).map(|i| (format!("{i}.yaml"), file(i * 10_000))).collect();
    let texts: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let compiled = compile_all(&texts);
    assert!(compiled.bundle.is_none());
    assert_eq!(compiled.diagnostics[0].message, "a policy has at most 10000 rules");
}

/// Texts as long as a file may be, of lines that are given their numbers.
fn filled(files: usize, head: &str, line: impl Fn(usize) -> String) -> Vec<(String, String)> {
    let mut lines = (0..).map(line);
    let file = |_| {
        let mut text = head.to_owned();
        while text.len() < limits::FILE_BYTES_MAX - 4_096 {
            text += &lines.next().unwrap();
        }
        text
    };
    (0..files).map(file).enumerate().map(|(at, text)| (format!("{at:02}.yaml"), text)).collect()
}

fn refused_all(files: &[(String, String)]) -> Compiled {
    let texts: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let compiled = compile_all(&texts);
    assert!(compiled.bundle.is_none() && compiled.diagnostics.len() <= limits::DIAGNOSTICS_MAX + 1);
    compiled
}

#[test]
fn megabytes_of_misspelt_names_are_not_each_held_against_every_known_one() {
    let rules: String = (0..2_000)
        .map(|i| {
            format!(
                "- {{id: rule-number-{i:04}, tier: deny, when: kyc == 1, reason: {{code: R, text: t}}}}\n"
            )
        })
        .collect();
    let expected = |at: usize| {
        format!(
            "- {{name: n, given: {{kind: pay}}, expect: {{rules: [{}]}}}}\n",
            vec![format!("rule-numbr-{at:04}"); 250].join(", ")
        )
    };
    let mut files = filled(4, "tests:\n", expected);
    files[0].1 = format!("rules:\n{rules}");
    refused_all(&files);
    refused_all(&filled(1, "features:\n", |i| {
        format!("  f{i}: {{ count: pay, by: acount, window: 10m }}\n")
    }));
    refused_all(&filled(1, "", |i| format!("ruls{i}: 1\n")));
}

#[test]
fn features_that_name_each_other_in_a_circle_are_refused() {
    refused(
        "features:\n  a: { sum: b, by: account, window: 1h }\n  b: { sum: a, by: account, window: 1h }\n",
        Code::UnknownName,
        "`b` cannot be summed",
    );
    refused(
        "features:\n  a: { count: pay, by: b, window: 1h }\n  b: { distinct: a, by: account, window: 1h }\n",
        Code::UnknownName,
        "no field is named `b`",
    );
}

#[test]
fn a_thousand_faults_are_shown_up_to_a_bound() {
    let text: String = (0..1_000).map(|i| format!("unknown{i}: 1\n")).collect();
    let compiled = compile(&text);
    assert_eq!(compiled.diagnostics.len(), limits::DIAGNOSTICS_MAX + 1);
    assert!(compiled.render(false).contains("500 more faults are not shown"));
}

#[test]
fn odd_shapes_are_named_and_never_panic() {
    for text in [
        "",
        "- 1",
        "rules: 7",
        "rules: {a: 1}",
        "rules: [1, [2], null]",
        "lists: [a]",
        "features: {x: 1}",
        "limits: [{}]",
        "tests: [{}]",
        "schema: {a: {}}",
        "bands: 3",
        "settings: []",
        "? [a]\n: b",
        "a: !t b",
        "%YAML 1.2\n---\na: 1",
        "rules:\n- {id: r, tier: deny, when: [1], reason: {code: R, text: t}}",
        "\u{feff}rules: []",
        "rules: [*a]",
        "a: 'x",
    ] {
        let compiled = compile(text);
        let _ = compiled.render(true);
        assert!(compiled.bundle.is_some() || !compiled.diagnostics.is_empty(), "{text:?}");
    }
}

#[test]
fn macros_inside_macros_unfold_up_to_a_bound() {
    let digits = "[0,1,2,3,4,5,6,7,8,9]";
    let condition = (0..6).fold("kyc == 7".to_owned(), |inner, i| format!("{digits}.exists(x{i}, {inner})"));
    refused(&rule(&condition), Code::Bound, "unfold to more than");
    let lists = (0..6).fold("[1]".to_owned(), |inner, i| format!("{digits}.map(x{i}, size({inner}))"));
    refused(&rule(&format!("size({lists}) > kyc")), Code::Bound, "unfold to more than");
}

/// A list that a chain of macros doubles, forty times over.
fn doubled(list: &str, step: &str) -> String {
    format!("size({list}{}) > kyc", format!(".map(a, {step})").repeat(40))
}

#[test]
fn texts_and_lists_that_macros_double_stop_at_a_bound() {
    refused(&rule(&doubled("[\"x\"]", "a + a")), Code::Bound, "a constant text has at most 8192 bytes");
    refused(&rule(&doubled("[b\"x\"]", "a + a")), Code::Bound, "a constant text has at most 8192 bytes");
    refused(&rule(&doubled("[[1]]", "a + a")), Code::Bound, "a list has at most 2048 items");
    refused(&rule(&doubled("[[1]]", "[a, a]")), Code::Bound, "unfold to more than");
    refused(&rule(&doubled("[[1]]", "kyc > 1 ? a : a")), Code::Bound, "a list has at most 2048 items");
    refused(&rule(&doubled("[[1], [1]]", "[a, a][kyc]")), Code::Bound, "a list has at most 2048 items");
    let nested = doubled("[[[1]]]", "kyc > 1 ? a : a.map(b, [b, b])");
    refused(&rule(&nested), Code::Bound, "unfold to more than");
    let value = doubled("[\"x\"]", "a + a").replace("kyc", "1");
    refused(&format!("values:\n  v: {value}\n"), Code::Bound, "a constant text has at most 8192 bytes");
    let long = format!("values: {{ v: \"{}\" }}\n", "x".repeat(limits::CONSTANT_BYTES_MAX + 1));
    refused(&long, Code::Bound, "a constant text has at most");
}

#[test]
fn one_long_text_is_not_repeated_by_aliases() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a,".repeat(170_000));
    refused(&text, Code::Bound, "anchors and aliases of the policy copy more than 16 MiB");
    let anchored = format!("a: {}{}{}\n", "&a [".repeat(14), "x,".repeat(200_000), "]".repeat(14));
    let renamed = (0..14).fold(anchored, |text, i| text.replacen("&a [", &format!("&b{i} ["), 1));
    refused(&renamed, Code::Bound, "aliases expanded");
}

/// Ten thousand rules, each with a condition of its own.
fn rules(when: impl Fn(usize) -> String) -> Vec<(String, String)> {
    let rule =
        |i: usize| format!("- {{id: r{i}, tier: deny, reason: {{code: R, text: t}}, when: '{}'}}\n", when(i));
    let file = |at: usize| {
        let rules: String = (at * 1_000..(at + 1) * 1_000).map(rule).collect();
        (format!("{at}.yaml"), format!("rules:\n{rules}"))
    };
    (0..10).map(file).collect()
}

#[test]
fn patterns_take_what_there_is_for_all_of_them_and_no_more() {
    let told = |files: &[(String, String)], words: &str| {
        let compiled = refused_all(files);
        let count = compiled.diagnostics.iter().filter(|fault| fault.message.contains(words)).count();
        assert!(count > 0, "{:?}", compiled.diagnostics[0]);
        count
    };
    // Half a MiB each, then ones that are given up at the bound.
    told(&rules(|i| format!("account.matches(\"x{i}[01]*1[01]{{13}}\")")), "the patterns of a policy take");
    let large = |i: usize| format!("account.matches(\"x{i}[01]*1[01]{{30}}\")");
    assert_eq!(told(&rules(large), "this pattern unfolds"), 16);
}

#[test]
fn ten_thousand_rules_do_not_each_take_all_that_one_may() {
    let digits = "[0,1,2,3,4,5,6,7,8,9]";
    let told = |sum: &str, words: &str| {
        let compiled = refused_all(&rules(|i| {
            let sum = format!("{sum} > 2{i:05}");
            format!("{digits}.exists(a, {digits}.exists(b, {digits}.exists(c, {sum})))")
        }));
        compiled.diagnostics.iter().filter(|fault| fault.message.contains(words)).count()
    };
    assert_eq!(told("a + b + c", "of this policy unfold"), 1);
    assert_eq!(told("a * 100 + b * 10 + c + account_events", "too many instructions"), 1);
    let refused = refused_all(&rules(|i| format!("unknown{i}")));
    assert_eq!(refused.diagnostics.len(), limits::DIAGNOSTICS_MAX);
}

#[test]
fn zones_are_made_once_and_paid_for() {
    // Zones are found whatever the case of their letters.
    let spelt = |mut bits: usize| {
        let letter = |c: char| {
            let upper = c.is_ascii_alphabetic() && bits & 1 == 1;
            bits >>= usize::from(c.is_ascii_alphabetic());
            if upper { c.to_ascii_uppercase() } else { c }
        };
        "america/new_york".chars().map(letter).collect::<String>()
    };
    let compiled = refused_all(&rules(|i| format!("time.getHours(\"{}\") > {}", spelt(i), i % 7)));
    assert!(
        compiled.diagnostics[0].message.contains("of this policy unfold"),
        "{:?}",
        compiled.diagnostics[0]
    );
    let one = rules(|i| format!("time.getHours(\"America/New_York\") + {i} > 7 + kyc"));
    let texts: Vec<_> = one.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(compile_all(&texts).bundle.is_some());
}

#[test]
fn long_chains_of_fields_are_paid_for() {
    let chain = format!("[{{\"a\": 1}}].all(x, x{} == 1)", ".a".repeat(900));
    refused(&rule(&chain), Code::Bound, "unfold to more than");
}

#[test]
fn declarations_are_read_up_to_a_bound() {
    for (section, line, words) in [
        ("schema", "x: {type: int}", "at most 512 extra fields"),
        ("lists", "x: {on: account}", "at most 64 lists"),
        ("features", "x: {count: pay, by: account, window: 1h}", "at most 256 velocity features"),
        ("values", "x: 1", "at most 256 values"),
        ("tenants", "x: {values: {v: 1}}", "at most 64 tenants"),
    ] {
        let files = filled(1, &format!("{section}:\n"), |i| {
            format!("  {}", line.replacen('x', &format!("x{i}"), 1) + "\n")
        });
        let compiled = refused_all(&files);
        let told = compiled.diagnostics.iter().filter(|fault| fault.message.contains(words)).count();
        assert_eq!(told, 1, "{section}: {:?}", compiled.diagnostics[0]);
    }
    let own = filled(1, "tenants:\n  t:\n    values:\n", |i| format!("      v{i}: 1\n"));
    refused_all(&own);
    // A second declaration of each name, in another file.
    let mut twice = filled(1, "tests: []\nvalues:\n", |i| format!("  v{i}: 1\n"));
    twice.push(("twice.yaml".to_owned(), twice[0].1.clone()));
    refused_all(&twice);
}

#[test]
fn patterns_built_to_explode_are_refused() {
    for pattern in ["(a{1,1000}){1,1000}", "[01]*1[01]{30}", "(x+x+)+y{900}{900}"] {
        let compiled = compile(&rule(&format!("account.matches(\"{pattern}\")")));
        assert!(compiled.bundle.is_none(), "{pattern}");
        assert!(matches!(compiled.diagnostics[0].code, Code::Bound | Code::Expression), "{pattern}");
    }
}

#[test]
fn more_texts_written_than_there_is_room_for_are_refused() {
    let rules = (0..100).map(|i| {
        format!(
            "- {{id: r{i}, tier: deny, when: 'account + \"{i}\" == utm', reason: {{code: R, text: t}}}}\n"
        )
    });
    refused(
        &format!("rules:\n{}", rules.collect::<String>()),
        Code::Bound,
        "too many texts joined or written",
    );
}

/// A feature that counts claims, with those lines instead of its own.
fn feature(name: &str, by: &str, window: &str) -> String {
    format!("  {name}: {{ count: claim, by: {by}, window: {window}, for: model }}\n")
}

#[test]
fn windows_of_nothing_or_a_year_are_refused() {
    for window in ["0s", "0d", "31d", "366d", "721h", "99999999999999999999d", "9223372036854775807s"] {
        let text = format!("features:\n{}", feature("claims", "account", window));
        let compiled = compile(&text);
        let first = &compiled.diagnostics[0];
        assert!(compiled.bundle.is_none() && first.code == Code::OutOfRange, "{first:?}");
        assert!(first.message.contains("window"), "{}", first.message);
    }
    for window in ["-1s", "1y", "365", "1e3s", "1mo", "1h 30m", "\u{ff11}s", "''"] {
        let text = format!("features:\n{}", feature("claims", "account", window));
        refused(&text, Code::OutOfRange, "is not a window");
    }
    for window in ["1s", "30d", "720h", "1.5h", "1w", "1h30m"] {
        let compiled = compile(&format!("features:\n{}", feature("claims", "account", window)));
        assert!(compiled.bundle.is_some(), "{}", compiled.render(false));
    }
}

#[test]
fn features_and_rules_of_no_event_are_refused() {
    let summed = "features:\n  paid: { sum: amount, on: [], by: account, window: 1h, for: model }\n";
    refused(summed, Code::Bound, "no kind of event is named");
    refused(&rule("kyc == 1").replace("when", "on: []\n  when"), Code::Bound, "no kind of event is named");
}

#[test]
fn a_thousand_features_or_too_wide_a_key_or_too_many_keys_are_refused() {
    let features = |count: usize, by: &dyn Fn(usize) -> String| {
        let lines = (0..count).map(|at| feature(&format!("f{at}"), &by(at), "1h"));
        format!("features:\n{}", lines.collect::<String>())
    };
    let tuple = |_| "[account, counterparty, device, ip, channel, packet]".to_owned();
    refused(&features(1, &tuple), Code::Bound, "a key has at most 4 fields");
    refused(&features(1, &|_| "[]".to_owned()), Code::Bound, "a key has at least one field");
    let fields = ["account", "counterparty", "device", "ip", "channel"];
    let pair = |at: usize| format!("[{}, {}]", fields[at / 4 % 5], fields[(at / 4 + 1 + at % 4) % 5]);
    refused(&features(17, &pair), Code::Bound, "at most 16 different keys");
    refused(&features(1_000, &|_| "account".to_owned()), Code::Bound, "at most 256 velocity features");
}
