//! Lists and maps that are known when the policy is compiled, and the macros over them.
//!
//! Nothing of a list is left at decision time: a macro becomes one condition an item, an index a choice among the items.
//! An item may be there for some events only, as after `filter`, so each carries the condition under which it is.

use cel_core::types::{ListElement, MapEntry};
use cel_core::{Expr, SpannedExpr};
use engine::program::{Comparison, NumberType, Op, Source, Truth};

use super::value::{Constant, Item, List, Map, Number, Text, Unit, Value};
use super::{Expression, Lowered, Refused};
use crate::diagnostic::{Code, Diagnostic};
use crate::limits::MEMBERS_MAX;

impl Expression<'_, '_> {
    pub(super) fn list_of(&mut self, elements: &[ListElement]) -> Lowered<Value> {
        if let Some(over) = elements.get(MEMBERS_MAX) {
            let message = format!("a list has at most {MEMBERS_MAX} members");
            return self.refuse(Code::Bound, &over.expr.span, message, "use a declared list");
        }
        let given = self.lowering.builder.always(true);
        let values: Vec<_> = elements.iter().map(|element| self.lower(&element.expr)).collect();
        let values: Vec<Value> = values.into_iter().collect::<Lowered<_>>()?;
        let mut sound = given;
        for value in &values {
            let part = self.sound(value);
            sound = self.lowering.builder.and(sound, part);
        }
        Ok(Value::List(List {
            items: values.into_iter().map(|value| Item { given, value }).collect(),
            sound,
        }))
    }

    pub(super) fn map_of(&mut self, entries: &[MapEntry]) -> Lowered<Value> {
        if let Some(over) = entries.get(MEMBERS_MAX) {
            let message = format!("a map has at most {MEMBERS_MAX} keys");
            return self.refuse(Code::Bound, &over.key.span, message, "use a declared list");
        }
        let given = self.lowering.builder.always(true);
        let (mut keys, mut found, mut sound) = (Vec::new(), Vec::new(), given);
        for entry in entries {
            let (key, value) = (self.lower(&entry.key), self.lower(&entry.value));
            let (key, value) = (key?, value?);
            let known = match &key {
                Value::Truth(truth) => self.lowering.builder.known(*truth).is_some(),
                Value::Number(number) => !matches!(number.constant(), None | Some(Constant::Double(_))),
                Value::Text(Text::Constant(_)) => true,
                _ => false,
            };
            if !known {
                let message = "a key is written out: a text, a whole number or a truth";
                return self.refuse(Code::WrongType, &entry.key.span, message, "expected a literal");
            }
            if keys.iter().any(|item: &Item| item.value == key) {
                return self.refuse(Code::Duplicate, &entry.key.span, "a second value of this key", "here");
            }
            let part = self.sound(&value);
            sound = self.lowering.builder.and(sound, part);
            keys.push(Item { given, value: key });
            found.push(value);
        }
        Ok(Value::Map(Map { keys: List { items: keys, sound }, values: found }))
    }

    /// `lists`: names of declared lists, each there where the event is on it.
    pub(super) fn declared_lists(&mut self) -> List {
        let mut names: Vec<(u16, &String)> =
            self.lowering.symbols.list_numbers.iter().map(|(name, &number)| (number, name)).collect();
        names.sort_unstable();
        let items = names.into_iter().map(|(number, name)| {
            self.lowering.asked().lists.insert(number);
            let given = self.lowering.on_list(number);
            Item { given, value: Value::text(name) }
        });
        let items = items.collect();
        List { items, sound: self.lowering.builder.always(true) }
    }

    /// `ext`: the declared extra fields, each there where the event carries it.
    pub(super) fn ext(&mut self) -> Map {
        let symbols = self.lowering.symbols;
        let (mut items, mut found) = (Vec::new(), Vec::new());
        for &id in &symbols.ext {
            let row = symbols.features.row(id);
            let given = self.lowering.builder.truth(|to| Op::Present { to, feature: id });
            items.push(Item { given, value: Value::text(row.name.trim_start_matches("ext.")) });
            found.push(self.value_of(id, row.ty));
            self.lowering.asked().read.insert(id);
        }
        let sound = self.lowering.builder.always(true);
        Map { keys: List { items, sound }, values: found }
    }

    /// `x in list`, `key in map` and `"name" in lists`.
    pub(super) fn within(
        &mut self,
        left: &SpannedExpr,
        right: &SpannedExpr,
        tree: &SpannedExpr,
    ) -> Lowered<Truth> {
        if self.name_of(right)?.as_deref() == Some("lists") {
            let Expr::String(name) = &left.node else {
                let message = "`lists` is asked by name, as in `\"vip\" in lists`";
                let label = "expected the name of a list in quotes";
                let fault = Diagnostic::error(Code::WrongType, self.text.place(&left.span), message);
                self.sink.push(fault.label(label).help("`in_list(field, \"vip\")` looks another field up"));
                return Err(Refused);
            };
            let list = self.list_number(name, &left.span).ok_or(Refused)?;
            return Ok(self.lowering.on_list(list));
        }
        let value = self.lower(left);
        if let (Ok(value), Expr::List(elements)) = (&value, &right.node)
            && let Some(truth) = self.kind_in(value, elements)?
        {
            return Ok(truth);
        }
        let list = match self.lower(right)? {
            Value::List(list) => list,
            Value::Map(map) => map.keys,
            other => return self.unfit("in", &[&value?, &other], tree),
        };
        let value = value?;
        let own = self.sound(&value);
        let sound = self.lowering.builder.and(own, list.sound);
        let mut any = self.lowering.builder.always(false);
        for item in list.items {
            self.step(value.parts(), &tree.span)?;
            let equal = self.compare(Comparison::Equal, value.clone(), item.value, tree)?;
            let there = self.lowering.builder.and(item.given, equal);
            any = self.lowering.builder.or(any, there);
        }
        Ok(self.guarded(sound, any))
    }

    /// How many items are there.
    pub(super) fn length(&mut self, list: &List) -> Number {
        let mut sure = 0;
        let mut sum = None;
        for item in &list.items {
            match self.lowering.builder.known(item.given) {
                Some(given) => sure += i64::from(given),
                None => sum = Some(self.one_more(sum, item.given)),
            }
        }
        let number = match sum {
            None => Source::Constant(sure as u64),
            Some(sum) => self.add(sum, Source::Constant(sure as u64)),
        };
        self.guarded_number(list.sound, Number::of(Unit::Int, number))
    }

    /// The sum, and one more where the condition holds; a fault where it fails.
    fn one_more(&mut self, sum: Option<Source>, given: Truth) -> Source {
        let one = self.lowering.builder.choose_number(given, Source::Constant(1), Source::Constant(0));
        match sum {
            None => one,
            Some(sum) => self.add(sum, one),
        }
    }

    fn add(&mut self, a: Source, b: Source) -> Source {
        if b == Source::Constant(0) {
            return a;
        }
        let (ty, operation) = (NumberType::Int, engine::program::Arithmetic::Add);
        Source::Register(self.lowering.builder.number(|to| Op::Calculate { to, ty, operation, a, b }))
    }

    fn guarded_number(&mut self, sound: Truth, number: Number) -> Number {
        let (a, b) = (number.source, Source::Constant(0));
        let source = self.lowering.builder.choose_number(sound, a, b);
        if source == a { number } else { Number::of(number.unit, source) }
    }

    /// `list[i]` and `map[key]`.
    pub(super) fn index(
        &mut self,
        expr: &SpannedExpr,
        index: &SpannedExpr,
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        let (whole, at) = (self.lower(expr), self.lower(index));
        let (whole, at) = (whole?, at?);
        match whole {
            Value::Map(map) => self.entry(map, &at, tree),
            Value::List(list) => {
                let Value::Number(number @ Number { unit: Unit::Int, .. }) = at else {
                    return self.expected("a whole number", &at, index);
                };
                self.item(list, number, tree)
            }
            other => self.expected("a list or a map", &other, expr),
        }
    }

    fn item(&mut self, list: List, at: Number, tree: &SpannedExpr) -> Lowered<Value> {
        let mut before = Source::Constant(0);
        let any = list.items.first().map(|item| item.value.clone());
        let mut choices = Vec::new();
        for item in list.items {
            let place = Value::Number(Number::of(Unit::Int, before));
            let here = self.compare(Comparison::Equal, place, Value::Number(at), tree)?;
            let here = self.lowering.builder.and(item.given, here);
            choices.push((here, item.value));
            before = match self.lowering.builder.known(item.given) {
                Some(true) => match before {
                    Source::Constant(n) => Source::Constant(n + 1),
                    other => self.add(other, Source::Constant(1)),
                },
                Some(false) => before,
                None => self.one_more(Some(before), item.given),
            };
        }
        self.first_of(list.sound, choices, any, tree, "no item stands at this place")
    }

    fn entry(&mut self, map: Map, key: &Value, tree: &SpannedExpr) -> Lowered<Value> {
        let mut choices = Vec::new();
        let any = map.values.first().cloned();
        let of_event = map.keys.items.iter().any(|item| self.lowering.builder.known(item.given).is_none());
        for (item, value) in map.keys.items.into_iter().zip(map.values) {
            self.step(key.parts(), &tree.span)?;
            let same = self.compare(Comparison::Equal, item.value, key.clone(), tree)?;
            // Fields of `ext` are values of different types: only the one that is named takes part.
            match self.lowering.builder.known(same) {
                Some(false) => {}
                Some(true) if of_event => return Ok(value),
                _ => choices.push((same, value)),
            }
        }
        if of_event && !choices.is_empty() {
            let message = "`ext` is asked by name, as in `ext[\"store\"]`";
            return self.refuse(Code::WrongType, &tree.span, message, "expected a name in quotes");
        }
        self.first_of(map.keys.sound, choices, any, tree, "the map has no such key")
    }

    /// The value of the first condition that holds; a fault where none does.
    fn first_of(
        &mut self,
        sound: Truth,
        choices: Vec<(Truth, Value)>,
        any: Option<Value>,
        tree: &SpannedExpr,
        none: &str,
    ) -> Lowered<Value> {
        let builder = &self.lowering.builder;
        let possible = choices.into_iter().filter(|(here, _)| builder.known(*here) != Some(false));
        let mut possible: Vec<(Truth, Value)> = possible.collect();
        let Some((_, last)) = possible.last().cloned() else {
            // Where a value is asked for, a failure of that type is one; of an empty list the type is not known.
            let any = any.filter(|_| self.lowering.moment == super::Moment::Alone);
            let Some(any) = any else {
                let message = format!("this always fails: {none}");
                return self.refuse(Code::OutOfRange, &tree.span, message, "here");
            };
            let fault = self.lowering.builder.fault();
            return self.choose(fault, any.clone(), any, tree);
        };
        let otherwise = match possible.iter().position(|(here, _)| builder.known(*here) == Some(true)) {
            Some(sure) => {
                possible.truncate(sure + 1);
                possible.pop().map_or(last, |(_, value)| value)
            }
            None => {
                let fault = self.lowering.builder.fault();
                self.choose(fault, last.clone(), last, tree)?
            }
        };
        let mut value = otherwise;
        for (here, choice) in possible.into_iter().rev() {
            value = self.choose(here, choice, value, tree)?;
        }
        self.choose(sound, value.clone(), value, tree)
    }

    /// `expr.field` of a computed value.
    pub(super) fn member(&mut self, expr: &SpannedExpr, field: &str, tree: &SpannedExpr) -> Lowered<Value> {
        match self.lower(expr)? {
            Value::Map(map) => self.entry(map, &Value::text(field), tree),
            other => {
                let message = format!("{} has no fields", other.type_name());
                self.refuse(Code::WrongType, &tree.span, message, "expected a map before the dot")
            }
        }
    }

    /// `has(map.key)`
    pub(super) fn has_member(
        &mut self,
        expr: &SpannedExpr,
        field: &str,
        tree: &SpannedExpr,
    ) -> Lowered<Truth> {
        match self.lower(expr)? {
            Value::Map(map) => {
                let key = Value::text(field);
                let given = map.keys.items.iter().find(|item| item.value == key).map(|item| item.given);
                let there = given.unwrap_or_else(|| self.lowering.builder.always(false));
                Ok(self.guarded(map.keys.sound, there))
            }
            other => self.expected("a map", &other, tree),
        }
    }

    /// `list.exists(x, condition)` and its kin.
    pub(super) fn macro_over(
        &mut self,
        name: &str,
        range: &SpannedExpr,
        args: &[SpannedExpr],
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        let list = match self.lower(range)? {
            Value::List(list) => list,
            Value::Map(map) => map.keys,
            other => return self.expected("a list or a map", &other, range),
        };
        let (variable, parts) = match (args, name) {
            ([variable, part], _) => (variable, (None, part)),
            ([variable, condition, part], "map") => (variable, (Some(condition), part)),
            _ => {
                let message = format!("`{name}` takes a variable and an expression");
                let label = format!("expected `list.{name}(x, …)`");
                return self.refuse(Code::WrongType, &tree.span, message, &label);
            }
        };
        let Expr::Ident(variable) = &variable.node else {
            return self.refuse(
                Code::WrongType,
                &variable.span,
                "a variable is a plain name",
                "expected a name",
            );
        };
        let (condition, part) = parts;
        let List { items, mut sound } = match condition {
            Some(condition) => self.filter(list, variable, condition)?,
            None => list,
        };
        match name {
            "filter" => Ok(Value::List(self.filter(List { items, sound }, variable, part)?)),
            "map" => {
                let mut mapped = Vec::new();
                for item in items {
                    let value = self.with(variable, item.value, |this| this.lower(part))?;
                    let (own, yes) = (self.sound(&value), self.lowering.builder.always(true));
                    let own = self.lowering.builder.choose(item.given, own, yes);
                    sound = self.lowering.builder.and(sound, own);
                    mapped.push(Item { given: item.given, value });
                }
                Ok(Value::List(List { items: mapped, sound }))
            }
            _ => self.quantify(name, List { items, sound }, variable, part).map(Value::Truth),
        }
    }

    fn quantify(&mut self, name: &str, list: List, variable: &str, part: &SpannedExpr) -> Lowered<Truth> {
        let mut folded = self.lowering.builder.always(name == "all");
        let mut count = None;
        for item in list.items {
            let holds = self.with(variable, item.value, |this| this.truth(part))?;
            let builder = &mut self.lowering.builder;
            match name {
                "all" => {
                    let absent = builder.not(item.given);
                    let holds = builder.or(absent, holds);
                    folded = builder.and(folded, holds);
                }
                "exists" => {
                    let holds = builder.and(item.given, holds);
                    folded = builder.or(folded, holds);
                }
                _ => {
                    let holds = builder.and(item.given, holds);
                    count = Some(self.one_more(count, holds));
                }
            }
        }
        if let Some(count) = count {
            let (ty, comparison, one) = (NumberType::Int, Comparison::Equal, Source::Constant(1));
            folded = match count {
                Source::Constant(n) => self.lowering.builder.always(n == 1),
                a => self.lowering.builder.truth(|to| Op::Compare { to, ty, comparison, a, b: one }),
            };
        }
        Ok(self.guarded(list.sound, folded))
    }

    fn filter(&mut self, list: List, variable: &str, condition: &SpannedExpr) -> Lowered<List> {
        let List { items, mut sound } = list;
        let mut kept = Vec::new();
        for item in items {
            self.step(item.value.parts(), &condition.span)?;
            let holds = self.with(variable, item.value.clone(), |this| this.truth(condition))?;
            let no = self.lowering.builder.always(false);
            let given = self.lowering.builder.choose(item.given, holds, no);
            let own = self.sound(&Value::Truth(given));
            sound = self.lowering.builder.and(sound, own);
            kept.push(Item { given, value: item.value });
        }
        Ok(List { items: kept, sound })
    }

    /// Lowers with one more variable.
    fn with<T>(
        &mut self,
        variable: &str,
        value: Value,
        lower: impl FnOnce(&mut Self) -> Lowered<T>,
    ) -> Lowered<T> {
        self.variables.push((variable.to_owned(), value));
        let lowered = lower(self);
        self.variables.pop();
        lowered
    }

    /// `a == b` of lists and of maps.
    pub(super) fn same_lists(&mut self, mut a: List, mut b: List, tree: &SpannedExpr) -> Lowered<Truth> {
        for list in [&mut a, &mut b] {
            list.items.retain(|item| self.lowering.builder.known(item.given) != Some(false));
        }
        let sure =
            |list: &List| list.items.iter().all(|item| self.lowering.builder.known(item.given) == Some(true));
        if !sure(&a) || !sure(&b) {
            let message = "lists of which not every item is sure to be there are not compared";
            return self.refuse(Code::Unsupported, &tree.span, message, "compare sizes, or ask with `all`");
        }
        let sound = self.lowering.builder.and(a.sound, b.sound);
        let mut same = self.lowering.builder.always(a.items.len() == b.items.len());
        if a.items.len() == b.items.len() {
            for (a, b) in a.items.into_iter().zip(b.items) {
                let equal = self.compare(Comparison::Equal, a.value, b.value, tree)?;
                same = self.lowering.builder.and(same, equal);
            }
        }
        Ok(self.guarded(sound, same))
    }

    /// The kinds that a list names, where the value is the kind; `None` elsewhere.
    fn kind_in(&mut self, value: &Value, elements: &[ListElement]) -> Lowered<Option<Truth>> {
        let Value::Text(Text::Feature(id)) = value else { return Ok(None) };
        let names: Option<Vec<(&str, &SpannedExpr)>> = elements
            .iter()
            .map(|element| match &element.expr.node {
                Expr::String(name) => Some((name.as_str(), &element.expr)),
                _ => None,
            })
            .collect();
        let Some(names) = names else { return Ok(None) };
        let checks: Vec<_> = names.iter().map(|(name, tree)| self.check_closed(*id, name, tree)).collect();
        checks.into_iter().collect::<Lowered<()>>()?;
        let is_kind = *id == engine::feature::Builtin::Kind.id();
        Ok(is_kind.then(|| self.kinds(names.into_iter().map(|(name, _)| name))))
    }
}
