//! What tenants of one policy have otherwise: modes of rules, and the values that conditions name.
//!
//! A value is bound like the variable of a macro, so that a condition is compiled with its number written out: thresholds,
//! ranges and exact money come of it as they would of a literal. A condition that names a value which some tenant has
//! otherwise is compiled once more for that tenant.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

use engine::feature::FeatureId;
use engine::policy::Mode;

use crate::budget::Budget;
use crate::cel;
use crate::cel::text::Text;
use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::document::Document;
use crate::document::tenant::Constant;
use crate::limits::CONSTANT_BYTES_MAX;
use crate::lower::literal;
use crate::lower::value::Literal;
use crate::source::Sources;
use crate::symbols::{Names, Symbols};
use crate::yaml::{Data, values};

/// Names and their constants.
pub(crate) type Values = Vec<(String, Literal)>;

/// The tenants of a policy.
#[derive(Default)]
pub(crate) struct Tenants {
    /// The text field that names the tenant of a check.
    pub field: Option<FeatureId>,
    /// The values that a tenant has which says nothing of them.
    pub values: Values,
    declared: HashMap<String, Declared>,
    pub all: Vec<Tenant>,
}

/// What is known of a value's name.
struct Declared {
    place: Place,
    /// Whether some condition names it.
    is_read: Cell<bool>,
    /// Tenants who have a value of their own, by number.
    own: Vec<usize>,
}

/// The values of a policy and of its tenants, for who looks at an expression alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Constants {
    field: Option<FeatureId>,
    all: Values,
    of_tenants: HashMap<String, Values>,
}

impl Constants {
    /// The values of the tenant that those texts name; of none of them, those of the policy.
    pub(crate) fn of(&self, texts: &HashMap<FeatureId, String>) -> &Values {
        let tenant = self.field.and_then(|field| texts.get(&field));
        tenant.and_then(|tenant| self.of_tenants.get(tenant)).unwrap_or(&self.all)
    }
}

/// What one tenant has.
pub(crate) struct Tenant {
    pub name: String,
    /// Modes of rules, by their ids.
    pub modes: HashMap<String, (Mode, Place)>,
    /// Every value, its own in place of the policy's.
    pub values: Values,
}

impl Tenants {
    /// The tenants of those declarations; faults go to the sink.
    pub(crate) fn build(
        document: &Document,
        symbols: &Symbols,
        budget: &Budget,
        sources: &Sources,
        sink: &mut Sink,
    ) -> Tenants {
        let read = |constant: &Constant, sink: &mut Sink| read(constant, budget, sources, sink);
        let mut tenants = Tenants::default();
        let field = document.settings.first().and_then(|settings| settings.tenant.as_ref());
        tenants.field = field.and_then(|word| symbols.text_field(word, sink));
        let mut names = Names::new("value", sources);
        for constant in &document.values {
            let name = &constant.name;
            if !names.declare(name, sink) {
                continue;
            }
            if symbols.features.find(&name.text).is_some() {
                let message = format!("`{}` is a feature", name.text);
                sink.push(
                    Diagnostic::error(Code::Duplicate, name.place, message).label("expected another name"),
                );
            } else if let Some(literal) = read(constant, sink) {
                tenants.values.push((name.text.clone(), literal));
                let declared = Declared { place: name.place, is_read: Cell::new(false), own: Vec::new() };
                tenants.declared.insert(name.text.clone(), declared);
            }
        }
        let mut names = Names::new("tenant", sources);
        for declared in &document.tenants {
            if !names.declare(&declared.name, sink) {
                continue;
            }
            if field.is_none() {
                let message =
                    "tenants need `tenant` under `settings`: the text field that names a check's tenant";
                sink.error(Code::MissingKey, declared.name.place, message);
                break;
            }
            let modes =
                declared.modes.iter().map(|(id, mode)| (id.text.clone(), (*mode, id.place))).collect();
            let mut tenant =
                Tenant { name: declared.name.text.clone(), modes, values: tenants.values.clone() };
            for constant in &declared.values {
                let Some(literal) = read(constant, sink) else { continue };
                if tenant.take(constant, literal, document, sink)
                    && let Some(value) = tenants.declared.get_mut(&constant.name.text)
                {
                    value.own.push(tenants.all.len());
                }
            }
            tenants.all.push(tenant);
        }
        tenants
    }

    /// What is left of them once every condition is compiled.
    pub(crate) fn constants(self) -> Constants {
        let of_tenants = self.all.into_iter().map(|tenant| (tenant.name, tenant.values)).collect();
        Constants { field: self.field, all: self.values, of_tenants }
    }

    /// The modes that tenants have a rule in, where they say.
    pub(crate) fn modes_of<'t>(&'t self, id: &'t str) -> impl Iterator<Item = Mode> + 't {
        self.all.iter().filter_map(move |tenant| tenant.modes.get(id)).map(|(mode, _)| *mode)
    }

    /// Remembers which values the expression names, and gives the tenants for whom it says something else because of them.
    pub(crate) fn named_in(&self, expression: &str) -> BTreeSet<usize> {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named = words.filter_map(|word| self.declared.get(word));
        named.inspect(|value| value.is_read.set(true)).flat_map(|value| value.own.iter().copied()).collect()
    }

    /// Reports values that no condition names, and rules that tenants switch and nobody has.
    pub(crate) fn review<'r>(&self, rules: &(impl Iterator<Item = &'r str> + Clone), sink: &mut Sink) {
        for (name, value) in self.declared.iter().filter(|(_, value)| !value.is_read.get()) {
            let fault = Diagnostic::warning(Code::Unused, value.place, format!("nobody reads `{name}`"));
            sink.push(fault.label("no condition does"));
        }
        let known: std::collections::HashSet<&str> = rules.clone().collect();
        for tenant in &self.all {
            for (id, (_, place)) in tenant.modes.iter().filter(|(id, _)| !known.contains(id.as_str())) {
                let message = format!("no rule is named `{}`", values::shortened(id));
                let fault = Diagnostic::error(Code::UnknownName, *place, message)
                    .label("expected a rule's id; a list's rule is list:NAME")
                    .nearest(id, rules.clone(), sink);
                sink.push(fault);
            }
        }
    }
}

impl Tenant {
    /// Takes its own value in place of the policy's, if that is one of the same type.
    fn take(&mut self, constant: &Constant, literal: Literal, document: &Document, sink: &mut Sink) -> bool {
        let name = &constant.name;
        let Some((_, value)) = self.values.iter_mut().find(|(known, _)| *known == name.text) else {
            // A value whose own declaration is at fault was reported there.
            if !document.values.iter().any(|declared| declared.name.text == name.text) {
                let known = self.values.iter().map(|(known, _)| known.as_str());
                let message = format!("no value is named `{}`", values::shortened(&name.text));
                let fault = Diagnostic::error(Code::UnknownName, name.place, message)
                    .label("expected a name from `values:`")
                    .nearest(&name.text, known, sink);
                sink.push(fault);
            }
            return false;
        };
        let literal = literal.widened(value);
        if value.type_name() != literal.type_name() {
            let (expected, found) = (value.type_name(), literal.type_name());
            let message = format!("`{}` is {expected} in this policy, and this is {found}", name.text);
            let fault = Diagnostic::error(Code::WrongType, constant.node.place, message);
            sink.push(fault.label(format!("expected {expected}")));
            return false;
        }
        *value = literal;
        true
    }
}

/// The constant that is written there: true or false, a number, or a text in quotes.
fn read(constant: &Constant, budget: &Budget, sources: &Sources, sink: &mut Sink) -> Option<Literal> {
    let node = &constant.node;
    if let (Data::Scalar(text, _), true) = (&node.data, constant.is_text()) {
        if text.len() > CONSTANT_BYTES_MAX {
            let message = format!("a constant text has at most {CONSTANT_BYTES_MAX} bytes");
            sink.error(Code::Bound, node.place, message);
            return None;
        }
        return Some(Literal::Text(text.clone()));
    }
    let source = sources.files().get(usize::from(node.place.file)).map_or("", |file| &file.text);
    let errors = sink.errors();
    let found =
        Text::of(node, source).and_then(|text| literal(&cel::parse(&text, sink)?, &text, budget, sink));
    if found.is_none() && sink.errors() == errors {
        let message = "a value is true or false, a number, or a text in quotes";
        sink.push(Diagnostic::error(Code::WrongType, node.place, message).label("expected a constant"));
    }
    found
}
