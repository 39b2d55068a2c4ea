//! `matches`: patterns compiled once, when the policy is, into automata that read every byte of a text once.
//!
//! The automaton is written out whole, which takes no memory and no lock at decision time. What a pattern would unfold to is
//! bounded on the way, so that one built to explode is refused before it does.

use std::sync::Arc;

use cel_core::SpannedExpr;
use engine::program::{Op, Pattern, Truth};
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;

use super::value::Text;
use super::{Expression, Lowered, Refused};
use crate::diagnostic::{Code, Diagnostic};
use crate::limits::{PATTERN_BYTES_MAX, PATTERNS_BYTES_MAX};

impl Expression<'_, '_> {
    pub(super) fn matches(&mut self, text: &Text, pattern: &Text, tree: &SpannedExpr) -> Lowered<Truth> {
        let Text::Constant(written) = pattern else {
            let message = "a pattern is written out, so that it is compiled when the policy is";
            return self.refuse(Code::Unsupported, &tree.span, message, "expected a pattern in quotes");
        };
        let written = String::from_utf8_lossy(written).into_owned();
        let at = match self.lowering.builder.pattern(&written) {
            Some(at) => at,
            None => self.add_pattern(written, tree)?,
        };
        if let Text::Constant(text) = text {
            let found = self.lowering.builder.pattern_at(at).is_in(text);
            return Ok(self.lowering.builder.always(found));
        }
        let a = self.text_source(text);
        Ok(self.lowering.builder.truth(|to| Op::Matches { to, a, pattern: at }))
    }

    fn add_pattern(&mut self, written: String, tree: &SpannedExpr) -> Lowered<u16> {
        if !self.lowering.budget.has_patterns() {
            let bound = PATTERNS_BYTES_MAX >> 20;
            let message = format!("the patterns of a policy take at most {bound} MiB together");
            return self.refuse(Code::Bound, &tree.span, message, "this one is over it");
        }
        let automaton = automaton(&written);
        let bytes = automaton.as_ref().map_or_else(Why::bytes, dense::DFA::memory_usage);
        self.lowering.budget.take_pattern(bytes);
        match automaton {
            Ok(automaton) => {
                let automaton = Arc::new(automaton);
                Ok(self.lowering.builder.add_pattern(Pattern { text: written, automaton }))
            }
            Err(why) => {
                self.sink.push(why.diagnostic(self.text.place(&tree.span)));
                Err(Refused)
            }
        }
    }
}

/// Why a pattern has no automaton.
enum Why {
    /// It is no pattern: the parser's own last line says why.
    Syntax(String),
    /// `\b` among letters of every script takes more than an automaton.
    Boundary,
    /// It unfolds beyond the bound.
    Large,
}

impl Why {
    /// What finding it out took, in bytes: what is no pattern is not unfolded.
    fn bytes(&self) -> usize {
        match self {
            Why::Syntax(_) => 0,
            Why::Boundary | Why::Large => PATTERN_BYTES_MAX,
        }
    }

    fn diagnostic(self, place: crate::diagnostic::Place) -> Diagnostic {
        match self {
            Why::Syntax(why) => Diagnostic::error(Code::Expression, place, format!("not a pattern: {why}"))
                .label("the pattern breaks here"),
            Why::Boundary => {
                let message = "a boundary between words of every script is not supported";
                Diagnostic::error(Code::Unsupported, place, message)
                    .help("`(?-u:\\b)` is the boundary between ASCII words")
            }
            Why::Large => {
                let message = format!("this pattern unfolds to more than {} KiB", PATTERN_BYTES_MAX >> 10);
                Diagnostic::error(Code::Bound, place, message).label("shorten its repetitions")
            }
        }
    }
}

fn automaton(pattern: &str) -> Result<dense::DFA<Vec<u32>>, Why> {
    let config = dense::Config::new()
        .start_kind(StartKind::Unanchored)
        .dfa_size_limit(Some(PATTERN_BYTES_MAX))
        .determinize_size_limit(Some(4 * PATTERN_BYTES_MAX));
    let nfa =
        thompson::Config::new().which_captures(WhichCaptures::None).nfa_size_limit(Some(PATTERN_BYTES_MAX));
    let built = dense::Builder::new()
        .configure(config)
        .thompson(nfa)
        .syntax(syntax::Config::new().nest_limit(64))
        .build(pattern);
    built.map_err(|error| {
        if error.is_size_limit_exceeded() {
            return Why::Large;
        }
        let source = std::error::Error::source(&error);
        let nfa = source.and_then(|source| source.downcast_ref::<thompson::BuildError>());
        match nfa {
            Some(nfa) if nfa.size_limit().is_some() => Why::Large,
            Some(nfa) => {
                let text =
                    std::error::Error::source(nfa).map_or_else(|| nfa.to_string(), ToString::to_string);
                let last = text.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                Why::Syntax(last)
            }
            None => Why::Boundary,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> Option<bool> {
        let automaton = Arc::new(automaton(pattern).ok()?);
        Some(Pattern { text: pattern.to_owned(), automaton }.is_in(text.as_bytes()))
    }

    #[test]
    fn a_pattern_is_found_anywhere_unless_it_is_anchored() {
        assert_eq!(found("a+b", "xaab"), Some(true));
        assert_eq!(found("^a+b$", "xaab"), Some(false));
        assert_eq!(found("^.名$", "贷名"), Some(true));
        assert_eq!(found("(?i)CASH|现金", "Cash back"), Some(true));
        assert_eq!(found("", ""), Some(true));
        assert_eq!(found(r"(?-u:\b)pay(?-u:\b)", "to pay."), Some(true));
    }

    #[test]
    fn what_has_no_small_automaton_says_why() {
        for large in ["(a{1,1000}){1,1000}", "(?:[01]*1[01]{30})", r"\w{1000}\pL{1000}"] {
            assert!(matches!(automaton(large), Err(Why::Large)), "{large}");
        }
        assert!(matches!(automaton(r"\bpay\b"), Err(Why::Boundary)));
        for wrong in ["(", "a{2,1}", "[z-a]", r"\1", "(?=a)"] {
            assert!(matches!(automaton(wrong), Err(Why::Syntax(why)) if !why.is_empty()), "{wrong}");
        }
    }
}
