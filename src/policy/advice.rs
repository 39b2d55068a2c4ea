//! What people new to rule files write, and what they mean by it: advice beside a fault, never a guess in its place.

/// Advice on a syntax error at that byte of an expression, of which `found` is the token.
pub(crate) fn syntax(value: &str, at: usize, found: &str) -> Option<String> {
    let before = value.get(..at).unwrap_or("");
    let signs = || value.get(at..).and_then(|rest| rest.chars().next()).into_iter().chain(found.chars());
    if let Some(advice) = signs().find_map(unseen) {
        return Some(advice);
    }
    let last = before.trim_end();
    let after_digit = last.ends_with(|c: char| c.is_ascii_digit());
    let first_word = value.split_whitespace().next().unwrap_or("");
    let fixed = match found {
        "=" if last.ends_with("==") => "equality is written `==`",
        "=" if value.get(at..).is_some_and(|rest| rest.starts_with("=>")) => "at least is written `>=`",
        "=" => "equality is written `==`",
        "&" | "and" | "AND" => "and is written `&&`",
        "|" | "or" | "OR" => "or is written `||`",
        "not" | "NOT" => "not is written `!`",
        ">" if last.ends_with('<') => "inequality is written `!=`",
        _ if found.chars().any(is_wide) => {
            "this sign is a full-width one or a curly quote: expressions are written in ASCII"
        }
        _ if value.contains("..") => "a range is written as two comparisons: hour >= 8 && hour < 20",
        "," if after_digit => "decimals are written with a point, and thousands without a sign: 1000.50",
        "between" => "a range is written as two comparisons: hour >= 8 && hour < 20",
        "contains" | "startsWith" | "endsWith" | "matches" | "like" => {
            "texts are asked by functions: text.contains(\"word\")"
        }
        _ if matches!(first_word, "not" | "NOT") => "not is written `!`",
        _ if matches!(first_word, "if" | "IF" | "when" | "unless") => {
            "a condition stands alone; what follows from it is the rule's `tier`"
        }
        _ if before.ends_with(|c: char| c.is_ascii_digit()) && joined_name(before) => {
            "a name cannot hold `-`, which subtracts; features are named with `_`"
        }
        _ if found.starts_with(['¥', '￥', '$', '€']) => {
            "amounts are written without their currency: 5.00"
        }
        _ if matches!(found, "yuan" | "CNY" | "RMB" | "元") => {
            "amounts are written without their currency: 5.00"
        }
        _ if before.ends_with(|c: char| c.is_ascii_digit())
            && matches!(found, "s" | "m" | "h" | "d" | "min") =>
        {
            "features that end in _s are numbers of seconds: a day is 86400"
        }
        _ if before.ends_with(|c: char| c.is_ascii_digit())
            && found.starts_with(|c: char| c.is_alphanumeric() || "._".contains(c)) =>
        {
            "numbers are written in digits alone: 1000, 5.00"
        }
        _ => return None,
    };
    Some(fixed.to_owned())
}

/// Advice on a character that looks like an ordinary space, or like nothing.
fn unseen(c: char) -> Option<String> {
    let like = match c {
        c if c.is_ascii() => return None,
        '\u{3000}' => "is the wide space of a keyboard that is set to Chinese",
        c if c.is_whitespace() => "looks like a space and is none",
        c if crate::render::is_invisible(c) || c.is_control() => "is invisible",
        _ => return None,
    };
    Some(format!(
        "the character U+{:04X} {like}: replace it with an ordinary space, or take it out",
        u32::from(c)
    ))
}

/// Whether the end of the text is a name, a dash and digits: `claims-10`.
fn joined_name(before: &str) -> bool {
    let rest = before.trim_end_matches(|c: char| c.is_ascii_digit());
    rest.strip_suffix('-').is_some_and(|name| name.ends_with(|c: char| c.is_ascii_lowercase() || c == '_'))
}

/// Signs of a keyboard that is set to Chinese.
fn is_wide(c: char) -> bool {
    matches!(c, '“' | '”' | '‘' | '’' | '、' | '。' | '《' | '》') || ('\u{ff01}'..='\u{ff5e}').contains(&c)
}

/// Advice on a name that nothing has, and that is near to none: a list, a field inside a group, a field with its unit, a
/// text without quotes.
pub(crate) fn name<'a>(
    name: &str,
    mut known: impl Iterator<Item = &'a str>,
    mut lists: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let last = name.rsplit('.').next().unwrap_or(name);
    if lists.any(|list| list == last) {
        return Some(format!("whether the event is on a list is written `\"{last}\" in lists`"));
    }
    if let Some(field) = name.strip_prefix("ext.") {
        return Some(format!("extra fields are declared: `schema: {{ {field}: {{ type: text }} }}`"));
    }
    if matches!(name, "TRUE" | "True" | "yes" | "YES") {
        return Some("did you mean `true`?".to_owned());
    }
    if matches!(name, "FALSE" | "False" | "no" | "NO") {
        return Some("did you mean `false`?".to_owned());
    }
    let is_part = |known: &&str| {
        let longer = |rest: Option<&str>, mark| {
            rest.is_some_and(|rest| rest.starts_with(mark) || rest.ends_with(mark))
        };
        longer(known.strip_suffix(name), '.') || longer(known.strip_prefix(name), '_')
    };
    if let Some(whole) = known.find(is_part) {
        return Some(format!("did you mean `{whole}`?"));
    }
    (!name.contains('.')).then(|| {
        format!(
            "a text is written in quotes: \"{name}\"; what counts over time is declared under `features:`"
        )
    })
}

/// Advice on a function that does not exist.
pub(crate) fn function(name: &str) -> Option<&'static str> {
    Some(match name {
        "lower" | "upper" | "toLowerCase" | "toUpperCase" | "lowerAscii" | "upperAscii" => {
            "a pattern can leave case aside: text.matches(\"(?i)word\")"
        }
        "len" | "length" | "count" if name != "count" => "the length of a text is `size(text)`",
        "count" | "sum" | "avg" | "distinct" => {
            "what is counted over time is declared under `features:`, and has a name"
        }
        "like" | "indexOf" | "find" | "search" | "regex" => {
            "texts are asked by `contains`, `startsWith`, `endsWith`, `matches`"
        }
        "in_cidr" | "in_list" | "luhn" | "km" => {
            "this function takes all it needs in brackets: in_cidr(ip, \"10.0.0.0/8\")"
        }
        "now" | "today" | "date" => {
            "the moment of the event is `time`, and `hour` and `weekday` in the policy's zone"
        }
        "lists" | "is_in" | "on_list" => "whether the event is on a list is written `\"name\" in lists`",
        _ => return None,
    })
}

/// Advice on an operator that does not take these types, in this piece of an expression.
pub(crate) fn types(operator: &str, types: &[&str], written: &str) -> Option<&'static str> {
    let number = |ty: &&str| matches!(*ty, "int" | "uint" | "double" | "money");
    let has = |wanted: &str| types.contains(&wanted);
    Some(match operator {
        "in" if types == ["text", "text"] => {
            "a list is written [\"a\", \"b\"]; a part of a text is text.contains(\"a\"), a network in_cidr(ip, \"10.0.0.0/8\")"
        }
        "<" | "<=" | ">" | ">=" if has("bool") && types.iter().any(number) => {
            "a range is written as two comparisons: hour >= 8 && hour < 20"
        }
        "==" | "!=" if has("bool") && types.iter().any(number) => {
            "a flag stands alone, or with `!` before it"
        }
        _ if has("timestamp") && has("text") => "a moment is written timestamp(\"2026-03-01T08:00:00Z\")",
        _ if has("text") && types.iter().any(number) && written.contains(['"', '\'']) => {
            "a number is written without quotes"
        }
        _ => return None,
    })
}

/// Advice on a key that a declaration does not have.
pub(crate) fn key(of: &str, key: &str) -> Option<&'static str> {
    Some(match (of, key) {
        ("a rule", "if" | "condition" | "expression" | "expr" | "where") => "the condition is `when`",
        ("a rule", "action" | "type" | "then" | "decision" | "result") => {
            "what follows from a rule is its `tier`"
        }
        ("a rule", "name") => "the name of a rule is its `id`",
        ("a rule", "enabled" | "active" | "disabled" | "status") => {
            "whether a rule acts is its `mode`: live, shadow or off"
        }
        ("a rule", "description" | "message" | "text" | "code" | "customer") => {
            "words stand in `reason: { code: …, text: …, customer: … }`"
        }
        ("a rule", "priority" | "order" | "weight") => "the order is that of the tiers; weight is `score`",
        ("a rule", "kind" | "kinds" | "event" | "events") => {
            "the kinds of event that a rule looks at are `on`"
        }
        ("a feature", "when" | "if" | "where" | "filter") => {
            "a feature takes in kinds of event and its `status`; conditions stand in rules"
        }
        ("a feature", "key" | "group" | "per") => "what a feature is kept by is `by`",
        ("a feature", "avg" | "average" | "mean" | "min") => {
            "an account's own mean is `amount_mean`, and `amount_ratio` holds an amount against it"
        }
        ("an expectation", "deny" | "allow" | "review") => "a verdict is expected by `verdict: deny`",
        _ => return None,
    })
}

/// Advice on a word that is none of a closed set.
pub(crate) fn choice(what: &str, found: &str) -> Option<&'static str> {
    Some(match (what, found) {
        ("a kind of event", "all" | "every" | "*") => "every kind is `any`",
        ("a kind of event", "payment") => "did you mean `pay`?",
        ("a kind of event", found) if found.contains(',') => "several stand in brackets: [claim, pay]",
        ("a mode", "on" | "true" | "enabled" | "active") => "did you mean `live`?",
        ("a mode", "test" | "monitor" | "dry-run" | "dryrun" | "log") => "did you mean `shadow`?",
        ("a tier", "block" | "reject" | "refuse") => "did you mean `deny`?",
        ("a challenge", "otp" | "code" | "text") => "did you mean `sms`?",
        _ => return None,
    })
}

/// Advice on a line that YAML cannot read; `at` is the byte where it gave up, and `fault` why.
pub(crate) fn yaml(fault: &str, text: &str, at: usize) -> Option<String> {
    if fault.contains("unclosed") {
        return None;
    }
    let from = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(from..)?.lines().next().unwrap_or("");
    let value = line.split_once(": ").map_or("", |(_, value)| value.trim());
    let lines = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    let outside_quotes = line.split(['"', '\'', '#']).next().unwrap_or(line);
    if let Some(advice) = outside_quotes.chars().find_map(unseen) {
        return Some(advice);
    }
    let fixed = match () {
        () if text.get(from..)?.lines().take(2).any(lines) => "lines are indented by spaces, not by tabs",
        () if outside_quotes.contains('：') => {
            "a key is followed by an ASCII colon and a space: `tier: deny`"
        }
        () if value.starts_with(['"', '\'']) => {
            "an expression that begins with a quote stands in quotes of the other kind: when: '\"vip\" in lists'"
        }
        () if value.starts_with(['!', '>', '&', '*', '%', '@', '`']) => {
            "a value that begins with this sign stands in quotes: when: '!device.rooted'"
        }
        () if value.contains(": ") => "a value that holds `: ` stands in quotes: when: 'text == \"a: b\"'",
        () if !line.trim().is_empty() && !line.contains(": ") && !line.trim_end().ends_with(':') => {
            "a key is followed by a colon and a space: `tier: deny`"
        }
        () => return None,
    };
    Some(fixed.to_owned())
}
