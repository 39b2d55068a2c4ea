//! What the files declare, with names still unresolved: one struct per sort of declaration, each read in its own file.
//!
//! A declaration survives its faults: a key that cannot be read leaves a gap or a default, so that the stages after this
//! one find the faults of the other keys in the same run. Nothing of it is ever run, because one error refuses the policy.

pub(crate) mod breaker;
pub(crate) mod feature;
pub(crate) mod limit;
pub(crate) mod list;
pub(crate) mod reason;
pub(crate) mod refusal;
pub(crate) mod rule;
pub(crate) mod schema;
pub(crate) mod settings;
pub(crate) mod tenant;
pub(crate) mod test;

use std::collections::HashSet;

use engine::limits::{BREAKERS_MAX, FEATURES_MAX, LIMITS_MAX, LISTS_MAX, RULES_MAX, WINDOWS_MAX};
use engine::program::Kinds;
use wire::Kind;

use crate::diagnostic::{Code, Place, Sink};
use crate::limits::{TENANTS_MAX, TESTS_MAX, VALUES_MAX};
use crate::source::Sources;
use crate::yaml::fields::Fields;
use crate::yaml::load::{Room, load};
use crate::yaml::{Data, Node, Word, values};
use crate::{Options, empty};

/// Every declaration of every file, in the order of the files.
#[derive(Default)]
pub(crate) struct Document {
    pub schema: Vec<schema::ExtField>,
    pub lists: Vec<list::List>,
    pub features: Vec<feature::Feature>,
    pub limits: Vec<limit::Limit>,
    pub breakers: Vec<breaker::Breaker>,
    pub rules: Vec<rule::Rule>,
    pub bands: Vec<settings::Bands>,
    pub settings: Vec<settings::Settings>,
    pub values: Vec<tenant::Constant>,
    pub tenants: Vec<tenant::Tenant>,
    pub tests: Vec<test::Test>,
    /// Every name under schema, lists, features and values, whether or not its declaration could be read.
    pub names: Vec<String>,
    /// Sections that hold more than they may, which was told.
    over: HashSet<&'static str>,
}

impl Document {
    /// Every file's declarations.
    pub(crate) fn of(sources: &Sources, options: Option<Options>, sink: &mut Sink) -> Document {
        let mut document = Document::default();
        let mut room = Room::default();
        for (file, source) in sources.files().iter().enumerate() {
            let errors = sink.errors();
            let root = load(file as u16, &source.text, &mut room, sink);
            // What cannot be read was told of.
            if let Some(options) = options.filter(|_| sink.errors() == errors && !source.refused) {
                empty::file(file as u16, &source.name, root.as_ref(), options, sink);
            }
            if let Some(root) = root.filter(|root| !root.is_null()) {
                document.read(&root, sink);
            }
        }
        document
    }

    /// Takes in one file's tree.
    pub(crate) fn read(&mut self, root: &Node, sink: &mut Sink) {
        let Some(mut fields) = Fields::of(root, "a rule file", sink) else { return };
        if let Some(node) = fields.get("settings") {
            self.settings.extend(settings::read(node, sink));
        }
        if let Some(node) = fields.get("schema") {
            named(node, "`schema`", sink, |name, node, sink| {
                self.names.push(format!("ext.{}", name.text));
                add(&mut self.schema, EXT_FIELDS, &mut self.over, name.place, sink, |sink| {
                    schema::read(name, node, sink)
                });
            });
        }
        if let Some(node) = fields.get("lists") {
            named(node, "`lists`", sink, |name, node, sink| {
                self.names.push(name.text.clone());
                add(&mut self.lists, LISTS, &mut self.over, name.place, sink, |sink| {
                    list::read(name, node, sink)
                });
            });
        }
        if let Some(node) = fields.get("features") {
            named(node, "`features`", sink, |name, node, sink| {
                self.names.push(name.text.clone());
                add(&mut self.features, FEATURES, &mut self.over, name.place, sink, |sink| {
                    feature::read(name, node, sink)
                });
            });
        }
        if let Some(node) = fields.get("values") {
            named(node, "`values`", sink, |name, node, sink| {
                self.names.push(name.text.clone());
                add(&mut self.values, VALUES, &mut self.over, name.place, sink, |sink| {
                    tenant::read_value(name, node, sink)
                });
            });
        }
        if let Some(node) = fields.get("tenants") {
            named(node, "`tenants`", sink, |name, node, sink| {
                add(&mut self.tenants, TENANTS, &mut self.over, name.place, sink, |sink| {
                    tenant::read(name, node, sink)
                });
            });
        }
        if let Some(node) = fields.get("limits") {
            for node in values::list(node, "a list of limits", sink) {
                add(&mut self.limits, LIMITS, &mut self.over, node.place, sink, |sink| {
                    limit::read(node, sink)
                });
            }
        }
        if let Some(node) = fields.get("breakers") {
            for node in values::list(node, "a list of breakers", sink) {
                add(&mut self.breakers, BREAKERS, &mut self.over, node.place, sink, |sink| {
                    breaker::read(node, sink)
                });
            }
        }
        if let Some(node) = fields.get("rules") {
            for node in values::list(node, "a list of rules", sink) {
                add(&mut self.rules, RULES, &mut self.over, node.place, sink, |sink| rule::read(node, sink));
            }
        }
        if let Some(node) = fields.get("bands") {
            self.bands.extend(settings::read_bands(node, sink));
        }
        if let Some(node) = fields.get("tests") {
            for node in values::list(node, "a list of tests", sink) {
                add(&mut self.tests, TESTS, &mut self.over, node.place, sink, |sink| test::read(node, sink));
            }
        }
        fields.finish(sink);
    }
}

/// What a section holds, and how many of them.
type Bound = (&'static str, usize);

const EXT_FIELDS: Bound = ("extra fields", FEATURES_MAX);
const LISTS: Bound = ("lists", LISTS_MAX);
const FEATURES: Bound = ("velocity features", WINDOWS_MAX);
const VALUES: Bound = ("values", VALUES_MAX);
const TENANTS: Bound = ("tenants", TENANTS_MAX);
const LIMITS: Bound = ("limits", LIMITS_MAX);
const BREAKERS: Bound = ("breakers", BREAKERS_MAX);
const RULES: Bound = ("rules", RULES_MAX);
const TESTS: Bound = ("tests", TESTS_MAX);

/// Reads one more declaration; the first beyond the bound is a fault, and those after it are not looked at.
fn add<T>(
    all: &mut Vec<T>,
    (what, max): Bound,
    over: &mut HashSet<&'static str>,
    place: Place,
    sink: &mut Sink,
    read: impl FnOnce(&mut Sink) -> Option<T>,
) {
    if all.len() < max {
        all.extend(read(sink));
    } else if over.insert(what) {
        sink.error(Code::Bound, place, format!("a policy has at most {max} {what}"));
    }
}

/// Each entry of a map from names to declarations.
fn named<'n>(
    node: &'n Node,
    what: &str,
    sink: &mut Sink,
    mut each: impl FnMut(&'n Word, &'n Node, &mut Sink),
) {
    match &node.data {
        Data::Map(entries) => entries.iter().for_each(|(name, node)| each(name, node, sink)),
        _ => {
            let message = format!("{what} is a map from names to declarations, and this is {}", node.shape());
            sink.error(Code::WrongType, node.place, message);
        }
    }
}

/// A set of kinds: one, a list, or `any`.
///
/// `None` when a member is no kind: what is left of the set says nothing about what was meant.
pub(crate) fn kinds(node: &Node, sink: &mut Sink) -> Option<Kinds> {
    let errors = sink.errors();
    let mut all: Vec<(&str, Kinds)> =
        Kind::ALL.iter().map(|&kind| (kind.name(), Kinds::of(&[kind]))).collect();
    all.push(("any", Kinds::ALL));
    let members = values::one_or_many(node, "a kind of event or a list of them", sink);
    if members.is_empty() && sink.errors() == errors {
        sink.error(Code::Bound, node.place, "no kind of event is named");
    }
    let sets = members.into_iter().filter_map(|member| values::choice(member, "a kind of event", &all, sink));
    let union = Kinds(sets.fold(0, |union, set| union | set.0));
    (sink.errors() == errors).then_some(union)
}

/// Name, value pairs of a closed set of the wire.
pub(crate) fn closed<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> Vec<(&'static str, T)> {
    all.iter().map(|&value| (name(value), value)).collect()
}

/// A name that expressions can say: lower-case letters, digits and `_`.
pub(crate) fn is_expression_name(name: &str) -> bool {
    name.len() <= crate::limits::NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Reports a name that expressions cannot say.
pub(crate) fn check_expression_name(name: &Word, what: &str, sink: &mut Sink) -> bool {
    let good = is_expression_name(&name.text) && !crate::cel::is_reserved(&name.text);
    if !good {
        let message = format!("`{}` cannot name {what}", values::shortened(&name.text));
        let place: Place = name.place;
        let label = "expected lower-case letters, digits and `_`, and no word of the expression language";
        sink.push(crate::Diagnostic::error(Code::OutOfRange, place, message).label(label));
    }
    good
}
