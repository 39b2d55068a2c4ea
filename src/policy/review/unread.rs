//! What is declared and read by nobody: features, lists and fields of a site.

use engine::feature::FeatureId;
use engine::policy::Aggregate;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::document::Document;
use crate::lower::Asked;
use crate::symbols::Symbols;
use crate::yaml::Word;

/// Warns of what no rule, limit or breaker reads, given what their conditions ask.
pub(crate) fn unread(document: &Document, symbols: &Symbols, asked: [&Asked; 4], sink: &mut Sink) {
    let is_read = |id: FeatureId| asked.iter().any(|asked| asked.read.contains(&id));
    let is_limited = |name: &str| {
        document.limits.iter().filter_map(|limit| limit.feature.as_ref()).any(|word| word.text == name)
    };
    for declared in document.features.iter().filter(|feature| !feature.for_model) {
        let name = &declared.name;
        let Some(id) = symbols.features.find(&name.text) else { continue };
        if !is_read(id) && !is_limited(&name.text) {
            let help = "a feature that a model reads says `for: model`";
            warn(name, "no rule, limit or breaker does", help, sink);
        }
    }
    let is_asked = |number: u16| asked.iter().any(|asked| asked.lists.contains(&number));
    for declared in document.lists.iter().filter(|list| list.action.is_none()) {
        let name = &declared.name;
        let Some(&number) = symbols.list_numbers.get(&name.text) else { continue };
        if !is_asked(number) {
            let help = "an `action` makes a rule of a list; a condition asks `\"name\" in lists`";
            warn(name, "no condition asks for it, and it has no action", help, sink);
        }
    }
    let used = fields_used(document, symbols);
    for declared in document.schema.iter().filter(|field| !field.for_model) {
        let name = Word { text: format!("ext.{}", declared.name.text), ..declared.name.clone() };
        let Some(id) = symbols.features.find(&name.text) else { continue };
        if !is_read(id) && !used.contains(&id) {
            let help = "a field that a model reads, or that is sent to be recorded, says `for: model`";
            warn(&name, "no condition, feature, list or key does", help, sink);
        }
    }
}

/// Fields that are counted, summed or looked up, or that name the tenant.
fn fields_used(document: &Document, symbols: &Symbols) -> Vec<FeatureId> {
    let measured = |aggregate: &Aggregate| match aggregate {
        Aggregate::Sum(id) | Aggregate::Max(id) | Aggregate::Distinct(id) => Some(*id),
        Aggregate::Count | Aggregate::Last | Aggregate::First => None,
    };
    let windows = symbols
        .windows
        .iter()
        .flat_map(|window| window.key.iter().copied().chain(measured(&window.aggregate)));
    let lists = symbols.lists.iter().map(|list| list.on);
    let look_ups = symbols.look_ups.borrow();
    let tenants = document.settings.iter().filter_map(|settings| settings.tenant.as_ref());
    let keys = document.breakers.iter().flat_map(|breaker| &breaker.key);
    let named = tenants.chain(keys).filter_map(|word| symbols.features.find(&word.text));
    windows.chain(lists).chain(look_ups.iter().map(|&(_, id)| id)).chain(named).collect()
}

fn warn(name: &Word, label: &str, help: &str, sink: &mut Sink) {
    // Whoever misspelt it reads it.
    if !sink.advised(&name.text) {
        let fault = Diagnostic::warning(Code::Unused, name.place, format!("nobody reads `{}`", name.text));
        sink.push(fault.label(label).help(help));
    }
}

#[cfg(test)]
mod tests {
    fn told(text: &str) -> Vec<String> {
        let compiled = crate::compile_sources(&[("r.yaml", text)]);
        assert!(compiled.bundle.is_some(), "{}", compiled.render(false));
        compiled.diagnostics.into_iter().map(|fault| fault.message).collect()
    }

    const ALL: &str = "
schema:
  asked: {type: int}
  counted: {type: text}
  key: {type: text}
  listed: {type: text}
  looked_up: {type: text}
  brand: {type: text}
  unread: {type: text}
  of_model: {type: double, for: model}
settings: {tenant: ext.brand}
lists:
  acts: {on: account, action: deny}
  asked: {on: account}
  looked: {on: ext.listed}
  unread: {on: account}
features:
  people: {distinct: ext.counted, by: ext.key, window: 1h}
  unread: {count: pay, by: account, window: 1h}
rules:
- {id: r, tier: deny, reason: {code: R, text: t}, when: 'ext.asked > 1 && people > 3 && \"asked\" in lists'}
- {id: s, tier: deny, mode: shadow, reason: {code: R, text: t}, when: 'in_list(ext.looked_up, \"looked\")'}
";

    #[test]
    fn lists_fields_and_features_that_nobody_reads_are_told() {
        let fields = ALL.replace("  unread: {count: pay, by: account, window: 1h}\n", "");
        assert_eq!(told(&fields), ["nobody reads `ext.unread`", "nobody reads `unread`"]);
        assert_eq!(told(ALL).len(), 3);
        let all =
            ALL.replace("people > 3", "people > 3 && lists.exists(l, l.contains(\"a\")) && ext.size() > 3");
        assert_eq!(told(&all), ["nobody reads `unread`"]);
    }

    #[test]
    fn a_list_that_only_a_limit_in_shadow_asks_for_is_read() {
        let text = "
lists: {vip: {on: account}}
features: {paid: {sum: amount, on: pay, by: account, window: 1h}}
limits: [{id: l, feature: paid, max: 1.00, mode: shadow, when: '\"vip\" in lists', reason: {code: L, text: t}}]
";
        assert!(told(text).is_empty(), "{:?}", told(text));
    }
}
