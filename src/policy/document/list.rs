//! `lists:` — what a list is kept for, how its keys match, and the rule that its action stands for.

use engine::policy::{Matching, Tier};

use super::reason::{self, Reason};
use crate::diagnostic::Sink;
use crate::yaml::fields::Fields;
use crate::yaml::{Node, Word, values};

/// A declared list.
pub(crate) struct List {
    pub name: Word,
    pub on: Option<Word>,
    pub matching: Option<(Matching, Word)>,
    /// The tier of its rule; none for lists that only expressions read.
    pub action: Option<Tier>,
    pub reason: Option<Reason>,
    pub owner: String,
    /// Largest share of checks in percent that its rule may refuse, if one is declared.
    pub share_max: Option<f64>,
    /// What the whole declaration hashes to.
    pub text: String,
}

const MATCHINGS: [(&str, Matching); 3] =
    [("exact", Matching::Exact), ("network", Matching::Network), ("prefix", Matching::Prefix)];

const ACTIONS: [(&str, Option<Tier>); 5] = [
    ("guard", Some(Tier::Guard)),
    ("deny", Some(Tier::Deny)),
    ("allow", Some(Tier::Allow)),
    ("review", Some(Tier::Review)),
    // A rule of the score that adds nothing to it is reported and never decides.
    ("watch", Some(Tier::Score)),
];

pub(crate) fn read(name: &Word, node: &Node, sink: &mut Sink) -> Option<List> {
    let named = super::check_expression_name(name, "a list", sink);
    let mut fields = Fields::of(node, "a list", sink)?;
    let on = fields.require("on").and_then(|node| values::word(node, "a text field", sink));
    let matching = fields.get("match").and_then(|node| {
        let matching = values::choice(node, "a way to match", &MATCHINGS, sink)?;
        Some((matching, values::word(node, "a way to match", sink)?))
    });
    let action =
        fields.get("action").and_then(|node| values::choice(node, "an action", &ACTIONS, sink)).flatten();
    let reason = fields.get("reason").map(|node| reason::read(node, sink));
    let owner =
        fields.get("owner").and_then(|node| values::words(node, "an owner", sink)).unwrap_or_default();
    // Without an action there is no rule, as there is none in tier score that refuses.
    let share_max = super::rule::read_share_max(&mut fields, Some(action.unwrap_or(Tier::Score)), sink);
    fields.finish(sink);
    let (name, text) = (name.clone(), node.digest());
    named.then_some(List { name, on, matching, action, reason, owner, share_max, text })
}
