//! Names to numbers: builds the feature table, the lists and the windows that everything else refers to.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use engine::feature::{Builtin, Feature, FeatureId, FeatureTable, Scalar, Type};
use engine::limits::{FEATURES_MAX, KEYS_MAX, PENDING_MAX};
use engine::policy::{Aggregate, List, Matching, Status, Window};
use engine::program::Kinds;
use wire::{Kind, currency};

use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::document::Document;
use crate::document::feature::{Aggregate as Declared, Feature as DeclaredFeature, Stated};
use crate::document::list::List as DeclaredList;
use crate::source::Sources;
use crate::yaml::{Word, values};

/// Every name of a policy with its number.
#[derive(Default)]
pub(crate) struct Symbols {
    pub features: FeatureTable,
    pub ext: Vec<FeatureId>,
    pub lists: Vec<List>,
    pub list_numbers: HashMap<String, u16>,
    pub windows: Vec<Window>,
    /// Lists that `in_list` looks another field up in: the list's number and the field. The engine keeps each as one more
    /// list of the same name, behind the declared ones.
    pub look_ups: RefCell<Vec<(u16, FeatureId)>>,
    /// Features from here on are velocity features.
    pub velocity_from: usize,
    /// Names whose declaration is at fault: what refers to them is not reported a second time.
    pub faulty: HashSet<String>,
    /// Currencies that events may have amounts in; none where only an expression is looked at.
    pub currencies: Vec<[u8; 3]>,
}

/// Finds names that are declared twice, over all files.
pub(crate) struct Names<'s> {
    what: &'static str,
    sources: &'s Sources,
    places: HashMap<String, Place>,
}

impl<'s> Names<'s> {
    pub(crate) fn new(what: &'static str, sources: &'s Sources) -> Names<'s> {
        Names { what, sources, places: HashMap::new() }
    }

    /// Whether the name is new; a second one is reported with the place of the first.
    pub(crate) fn declare(&mut self, name: &Word, sink: &mut Sink) -> bool {
        match self.places.get(&name.text) {
            None => {
                self.places.insert(name.text.clone(), name.place);
                true
            }
            Some(first) => {
                let message = format!("a second {} is named `{}`", self.what, name.text);
                let fault = Diagnostic::error(Code::Duplicate, name.place, message);
                // To find a line the file is read up to it.
                let first = if sink.is_full() { String::new() } else { self.sources.location(*first) };
                sink.push(fault.label(format!("the first stands at {first}")));
                false
            }
        }
    }
}

impl Symbols {
    /// Decimals of an amount.
    pub(crate) fn money_places(&self) -> u8 {
        self.features.money_places()
    }

    /// Whether events have amounts of more than one currency.
    pub(crate) fn is_of_currencies(&self) -> bool {
        self.currencies.len() > 1
    }

    /// The currencies by their codes.
    pub(crate) fn currency_names(&self) -> Vec<&str> {
        self.currencies.iter().map(currency::text).collect()
    }

    /// The currencies in a sentence: `CNY, JPY and KWD`.
    pub(crate) fn currencies_together(&self) -> String {
        values::listed(&self.currency_names()).replace(" or ", " and ")
    }

    /// Reports a currency that events have no amounts in.
    pub(crate) fn check_currency(&self, (code, place): Stated, sink: &mut Sink) -> bool {
        let Some(code) = code else { return false };
        let known = self.currencies.contains(&code);
        if !known {
            let message = format!("no event of this policy has an amount in {}", currency::text(&code));
            let fault = Diagnostic::error(Code::UnknownName, place, message)
                .label(format!("expected {}", values::listed(&self.currency_names())))
                .help("`settings: { currencies: […] }` names the currencies of a policy");
            sink.push(fault);
        }
        known
    }

    /// The symbols of those declarations; faults go to the sink and their names stay out.
    pub(crate) fn build(document: &Document, sources: &Sources, sink: &mut Sink) -> Symbols {
        let mut symbols = Symbols::default();
        let currencies = document.settings.first().map(|settings| settings.currencies.clone());
        symbols.currencies =
            currencies.filter(|all| !all.is_empty()).unwrap_or_else(|| vec![currency::DEFAULT]);
        let decimals = symbols.currencies.iter().filter_map(|&code| currency::decimals(code)).max();
        symbols.features.set_money_places(decimals.unwrap_or(2) as u8);
        let mut fields = Names::new("extra field", sources);
        for field in &document.schema {
            if !fields.declare(&field.name, sink) {
                continue;
            }
            let row = Feature {
                name: format!("ext.{}", field.name.text),
                ty: field.ty,
                missing: field.missing,
                doc: "a field of this site".to_owned(),
            };
            if let Some(id) = symbols.push(row, &field.name, sink) {
                symbols.ext.push(id);
            }
        }
        symbols.velocity_from = symbols.features.len();
        let mut lists = Names::new("list", sources);
        for list in &document.lists {
            if lists.declare(&list.name, sink) {
                symbols.add_list(list, sink);
            }
        }
        let mut features = Names::new("feature", sources);
        for feature in &document.features {
            if features.declare(&feature.name, sink) {
                symbols.add_window(feature, sink);
            }
        }
        symbols.check_keys(document, sink);
        symbols.check_approved(document, sink);
        let unknown = |name: &&String| {
            symbols.features.find(name).is_none() && !symbols.list_numbers.contains_key(name.as_str())
        };
        symbols.faulty = document.names.iter().filter(unknown).cloned().collect();
        symbols
    }

    /// The declared lists, and behind them one more for each other field that some of them are looked up by.
    pub(crate) fn all_lists(&self) -> Vec<List> {
        let looked_up = self.look_ups.borrow();
        let looked_up = looked_up.iter().filter_map(|&(list, on)| {
            let declared = self.lists.get(usize::from(list))?;
            Some(List { on, ..declared.clone() })
        });
        self.lists.iter().cloned().chain(looked_up).collect()
    }

    /// The declared list of that number.
    pub(crate) fn list(&self, number: u16) -> Option<&List> {
        self.lists.get(usize::from(number))
    }

    /// The number of a list as tests state it: `vip`, or `vip:counterparty` where a rule looks that field up.
    pub(crate) fn stated_list(&self, name: &str) -> Option<u16> {
        let Some((list, field)) = name.split_once(':') else { return self.list_numbers.get(name).copied() };
        let wanted = (*self.list_numbers.get(list)?, self.features.find(field)?);
        let at = self.look_ups.borrow().iter().position(|known| *known == wanted)?;
        Some((self.lists.len() + at) as u16)
    }

    fn push(&mut self, row: Feature, name: &Word, sink: &mut Sink) -> Option<FeatureId> {
        if self.features.find(&row.name).is_some() {
            let message = format!("`{}` is a field that every event has", row.name);
            sink.push(Diagnostic::error(Code::Duplicate, name.place, message).label("expected another name"));
            return None;
        }
        let id = self.features.push(row);
        if id.is_none() {
            let message = format!("a policy has at most {FEATURES_MAX} features, built-in ones included");
            sink.error(Code::Bound, name.place, message);
        }
        id
    }

    /// The text feature that a key, a list or `distinct` names; `device` stands for `device.id`.
    pub(crate) fn text_field(&self, word: &Word, sink: &mut Sink) -> Option<FeatureId> {
        let name = if word.text == "device" { "device.id" } else { &word.text };
        let texts = || self.features.iter().filter(|(_, feature)| feature.ty == Type::Text);
        let id = texts().find(|(_, feature)| feature.name == name).map(|(id, _)| id);
        if id.is_none() {
            let shown = values::shortened(&word.text);
            let fault = match self.features.find(name) {
                Some(_) => {
                    Diagnostic::error(Code::WrongType, word.place, format!("`{shown}` is not a text field"))
                }
                None => {
                    Diagnostic::error(Code::UnknownName, word.place, format!("no field is named `{shown}`"))
                        .nearest(name, texts().map(|(_, f)| f.name.as_str()).chain(["device"]), sink)
                }
            };
            sink.push(fault.label("expected a text field such as account, device or ip"));
        }
        id
    }

    /// The whole-number or money field of the event itself that a sum or maximum takes.
    fn number_field(&self, word: &Word, sink: &mut Sink) -> Option<(FeatureId, Type)> {
        let fits = |id: FeatureId, ty: Type| {
            let of_event = id == Builtin::Amount.id() || self.ext.contains(&id);
            of_event && matches!(ty, Type::Int | Type::Money)
        };
        let fitting = || self.features.iter().filter(|(id, feature)| fits(*id, feature.ty));
        if let Some((id, feature)) = fitting().find(|(_, feature)| feature.name == word.text) {
            return Some((id, feature.ty));
        }
        let names: Vec<&str> = fitting().map(|(_, feature)| feature.name.as_str()).collect();
        let message = format!("`{}` cannot be summed", values::shortened(&word.text));
        let fault = Diagnostic::error(Code::UnknownName, word.place, message)
            .label(format!("expected {}", values::listed(&names)))
            .nearest(&word.text, names.iter().copied(), sink);
        sink.push(fault);
        None
    }

    fn add_list(&mut self, list: &DeclaredList, sink: &mut Sink) {
        let Some(on) = list.on.as_ref().and_then(|on| self.text_field(on, sink)) else { return };
        let is_address = on == Builtin::Ip.id();
        let matching = match &list.matching {
            Some((Matching::Network, word)) if !is_address => {
                sink.error(Code::WrongType, word.place, "networks are matched on `ip` only");
                return;
            }
            Some((matching, _)) => *matching,
            None if is_address => Matching::Network,
            None => Matching::Exact,
        };
        self.list_numbers.insert(list.name.text.clone(), self.lists.len() as u16);
        self.lists.push(List { name: list.name.text.clone(), on, matching });
    }

    fn add_window(&mut self, declared: &DeclaredFeature, sink: &mut Sink) {
        let key: Vec<FeatureId> =
            declared.key.iter().filter_map(|word| self.text_field(word, sink)).collect();
        let Some(measured) = &declared.aggregate else { return };
        let aggregate = match measured {
            Declared::Count => Some((Aggregate::Count, Type::Int)),
            Declared::Last => Some((Aggregate::Last, Type::Int)),
            Declared::First => Some((Aggregate::First, Type::Int)),
            Declared::Sum(word) => self.number_field(word, sink).map(|(id, ty)| (Aggregate::Sum(id), ty)),
            Declared::Max(word) => self.number_field(word, sink).map(|(id, ty)| (Aggregate::Max(id), ty)),
            Declared::Distinct(word) => {
                self.text_field(word, sink).map(|id| (Aggregate::Distinct(id), Type::Int))
            }
        };
        let Some((aggregate, ty)) = aggregate else { return };
        let of_money = matches!(aggregate, Aggregate::Sum(_)) && ty == Type::Money;
        let status = declared.status.unwrap_or(if of_money { Status::Approved } else { Status::Attempt });
        if status == Status::Approved && !matches!(aggregate, Aggregate::Count | Aggregate::Sum(_)) {
            let message = "only counts and sums can be of approved events: the others cannot be given back";
            sink.error(Code::WrongType, declared.name.place, message);
            return;
        }
        let (Some(kinds), Some(window_ms)) = (declared.kinds, declared.window_ms) else { return };
        if key.is_empty() || key.len() != declared.key.len() || kinds == Kinds(0) {
            return;
        }
        let row = Feature {
            name: declared.name.text.clone(),
            ty,
            missing: match (aggregate, ty) {
                (Aggregate::Last, _) => Scalar::Int(-1),
                (_, Type::Money) => Scalar::Money(0),
                _ => Scalar::Int(0),
            },
            doc: describe(declared, measured, kinds, status),
        };
        let is_known = declared.currency.is_none_or(|currency| self.check_currency(currency, sink));
        let by_currency = key.contains(&Builtin::Currency.id());
        let is_one = declared.currency.is_some() || by_currency || !self.is_of_currencies();
        if ty == Type::Money && !is_one {
            let names = self.currencies_together();
            let message =
                format!("`{}` takes amounts of {names} for amounts of one currency", declared.name.text);
            let key: Vec<&str> = declared.key.iter().map(|word| word.text.as_str()).collect();
            let label = format!(
                "expected `currency: {}`, or `by: [{}, currency]`",
                self.currency_names()[0],
                key.join(", ")
            );
            sink.push(Diagnostic::error(Code::MissingKey, declared.name.place, message).label(label));
        }
        if !is_known {
            return;
        }
        let Some(feature) = self.push(row, &declared.name, sink) else { return };
        self.windows.push(Window {
            feature,
            aggregate,
            kinds,
            key,
            window_ms,
            status,
            currency: declared.currency.and_then(|(code, _)| code),
            exact: match (aggregate, declared.exact) {
                // To tell whether a count is over a number takes one more.
                (Aggregate::Count, Some(n)) => n + 1,
                (_, n) => n.unwrap_or(0),
            },
            // Limits say so.
            release_after_ms: None,
        });
    }

    /// Distinct keys are bounded, because each is one look-up of every check.
    fn check_keys(&self, document: &Document, sink: &mut Sink) {
        let mut keys = HashSet::new();
        for (window, declared) in self.windows.iter().filter_map(|window| {
            let name = &self.features.row(window.feature).name;
            document
                .features
                .iter()
                .find(|feature| feature.name.text == *name)
                .map(|feature| (window, feature))
        }) {
            if keys.insert(window.key.as_slice()) && keys.len() > KEYS_MAX {
                let message = format!("a policy keeps windows by at most {KEYS_MAX} different keys");
                sink.error(Code::Bound, declared.name.place, message);
                return;
            }
        }
    }

    /// Approved features of one kind are bounded, because each is remembered with the decision until it settles.
    fn check_approved(&self, document: &Document, sink: &mut Sink) {
        for kind in Kind::ALL {
            let approved = |window: &&Window| window.status == Status::Approved && window.kinds.has(*kind);
            if let Some(window) = self.windows.iter().filter(approved).nth(PENDING_MAX) {
                let name = &self.features.row(window.feature).name;
                let declared = document.features.iter().find(|feature| feature.name.text == *name);
                let place = declared.map_or_else(Place::default, |feature| feature.name.place);
                let message = format!("{kind} counts in more than {PENDING_MAX} approved features");
                sink.error(Code::Bound, place, message);
                return;
            }
        }
    }
}

/// What a velocity feature is, for reports: `count of claim by device in 10m, every attempt`.
fn describe(declared: &DeclaredFeature, measured: &Declared, kinds: Kinds, status: Status) -> String {
    let aggregate = match measured {
        Declared::Count => "count".to_owned(),
        Declared::Last => "seconds since the last".to_owned(),
        Declared::First => "seconds since the first within the window".to_owned(),
        Declared::Sum(word) => format!("sum of {}", word.text),
        Declared::Max(word) => format!("largest {}", word.text),
        Declared::Distinct(word) => format!("distinct {}", word.text),
    };
    let names: Vec<&str> =
        Kind::ALL.iter().filter(|&&kind| kinds.has(kind)).map(|kind| kind.name()).collect();
    let kinds = if kinds == Kinds::ALL { "any event".to_owned() } else { names.join(", ") };
    let key: Vec<&str> = declared.key.iter().map(|word| word.text.as_str()).collect();
    let status = match status {
        Status::Attempt => "every attempt",
        Status::Approved => "approved ones",
    };
    let money = match &declared.currency {
        Some((Some(code), _)) => format!(" in {}", currency::text(code)),
        _ => String::new(),
    };
    format!("{aggregate} over {kinds}{money} by {} in {}, {status}", key.join(" and "), declared.window)
}
