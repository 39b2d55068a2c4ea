//! `values:` and `tenants:` — constants that conditions name, and what single tenants have otherwise.

use std::collections::HashSet;

use engine::policy::Mode;

use super::rule::MODES;
use crate::diagnostic::Sink;
use crate::limits::NAME_BYTES_MAX;
use crate::yaml::fields::Fields;
use crate::yaml::{Data, Node, Word, values};

/// A named constant.
pub(crate) struct Constant {
    pub name: Word,
    pub node: Node,
}

/// What one tenant has otherwise.
pub(crate) struct Tenant {
    pub name: Word,
    /// Modes of rules, by their ids.
    pub modes: Vec<(Word, Mode)>,
    pub values: Vec<Constant>,
}

pub(crate) fn read_value(name: &Word, node: &Node, sink: &mut Sink) -> Option<Constant> {
    let named = super::check_expression_name(name, "a value", sink);
    named.then(|| Constant { name: name.clone(), node: node.clone() })
}

pub(crate) fn read(name: &Word, node: &Node, sink: &mut Sink) -> Option<Tenant> {
    if name.text.is_empty() || name.text.len() > NAME_BYTES_MAX {
        let message = format!("a tenant's name has 1 to {NAME_BYTES_MAX} bytes");
        sink.error(crate::Code::OutOfRange, name.place, message);
        return None;
    }
    let mut fields = Fields::of(node, "a tenant", sink)?;
    let mut tenant = Tenant { name: name.clone(), modes: Vec::new(), values: Vec::new() };
    if let Some(node) = fields.get("rules") {
        super::named(node, "`rules` of a tenant", sink, |id, node, sink| {
            tenant.modes.extend(values::choice(node, "a mode", &MODES, sink).map(|mode| (id.clone(), mode)));
        });
    }
    if let Some(node) = fields.get("values") {
        let mut over = HashSet::new();
        super::named(node, "`values` of a tenant", sink, |name, node, sink| {
            let value = || Constant { name: name.clone(), node: node.clone() };
            super::add(&mut tenant.values, super::VALUES, &mut over, name.place, sink, |_| Some(value()));
        });
    }
    fields.finish(sink);
    Some(tenant)
}

impl Constant {
    /// The expression that the value is: a text in quotes, else a literal as it stands.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.node.data, Data::Scalar(_, crate::yaml::Style::Quoted | crate::yaml::Style::Block))
    }
}
