//! Calls: which functions there are, what they take, and who lowers them.

use cel_core::{Expr, SpannedExpr};
use engine::program::{Calendar, NumberType, Op, Source, TextSource, TextTest};

use super::decimal::Exact;
use super::number::{INT_END, UINT_END};
use super::value::{Constant, Number, Text, Unit, Value};
use super::{Expression, Lowered, Moment, Refused};
use crate::advice;
use crate::diagnostic::{Code, Diagnostic};
use crate::yaml::values;

/// Functions, and how many arguments each takes.
const FUNCTIONS: [(&str, usize); 20] = [
    ("has", 1),
    ("size", 1),
    ("int", 1),
    ("uint", 1),
    ("double", 1),
    ("string", 1),
    ("bytes", 1),
    ("bool", 1),
    ("dyn", 1),
    ("timestamp", 1),
    ("duration", 1),
    ("matches", 2),
    ("km", 4),
    ("in_cidr", 2),
    ("in_list", 2),
    ("luhn", 1),
    ("percentile_of_own", 1),
    ("abs", 1),
    ("min", 2),
    ("max", 2),
];

/// Functions of a value before the dot, and how many arguments each takes at most.
const METHODS: [(&str, usize); 10] = [
    ("size", 0),
    ("startsWith", 1),
    ("endsWith", 1),
    ("contains", 1),
    ("matches", 1),
    ("exists", 2),
    ("all", 2),
    ("exists_one", 2),
    ("filter", 2),
    ("map", 3),
];

/// Parts of moments and durations.
const PARTS: [(&str, Calendar); 10] = [
    ("getFullYear", Calendar::Year),
    ("getMonth", Calendar::Month),
    ("getDate", Calendar::DayOfMonth),
    ("getDayOfMonth", Calendar::DayOfMonth),
    ("getDayOfWeek", Calendar::DayOfWeek),
    ("getDayOfYear", Calendar::DayOfYear),
    ("getHours", Calendar::Hours),
    ("getMinutes", Calendar::Minutes),
    ("getSeconds", Calendar::Seconds),
    ("getMilliseconds", Calendar::Milliseconds),
];

impl Expression<'_, '_> {
    pub(super) fn call(
        &mut self,
        callee: &SpannedExpr,
        args: &[SpannedExpr],
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        match &callee.node {
            Expr::Ident(name) => self.function(name, callee, args, tree),
            Expr::Member { expr, field, optional: false } => self.method(field, expr, args, tree),
            _ => self.refuse(
                Code::Unsupported,
                &callee.span,
                "a call of a computed function is not supported",
                "here",
            ),
        }
    }

    fn function(
        &mut self,
        name: &str,
        callee: &SpannedExpr,
        args: &[SpannedExpr],
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        let Some(&(_, takes)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
            return self.no_function(name, FUNCTIONS.iter().map(|(name, _)| *name), callee);
        };
        let is_extreme = matches!(name, "min" | "max");
        if args.len() < takes || args.len() > takes && !is_extreme {
            return self.miscounted(name, takes, args.len(), tree);
        }
        match (name, args) {
            ("min" | "max", _) => {
                let numbers: Vec<_> = args.iter().map(|arg| self.number(arg)).collect();
                let mut numbers = numbers.into_iter().collect::<Lowered<Vec<_>>>()?.into_iter();
                let first = numbers.next().ok_or(Refused)?;
                let least = |least: Lowered<Number>, next| self.extreme(name, least?, next, tree);
                numbers.fold(Ok(first), least).map(Value::Number)
            }
            ("abs", [arg]) => {
                let number = self.number(arg)?;
                self.absolute(number, tree).map(Value::Number)
            }
            ("has", [arg]) => self.has(arg).map(Value::Truth),
            ("matches", [a, pattern]) => self.text_test("matches", a, pattern).map(Value::Truth),
            ("km", _) => self.kilometres(args).map(Value::Number),
            ("in_cidr", [address, network]) => self.in_cidr(address, network).map(Value::Truth),
            ("in_list", [field, list]) => self.in_list(field, list).map(Value::Truth),
            ("luhn", [arg]) => self.luhn(arg).map(Value::Truth),
            ("percentile_of_own", [arg]) => self.percentile_of_own(arg).map(Value::Number),
            (_, [arg]) => {
                let value = self.lower(arg)?;
                self.convert(name, value, tree)
            }
            // The count of arguments was checked above.
            _ => Err(Refused),
        }
    }

    fn method(
        &mut self,
        name: &str,
        receiver: &SpannedExpr,
        args: &[SpannedExpr],
        tree: &SpannedExpr,
    ) -> Lowered<Value> {
        if let Some(&(_, part)) = PARTS.iter().find(|(known, _)| *known == name) {
            if args.len() > 1 {
                return self.miscounted(name, 1, args.len(), tree);
            }
            return self.part(name, part, receiver, args.first(), tree).map(Value::Number);
        }
        let Some(&(_, takes)) = METHODS.iter().find(|(known, _)| *known == name) else {
            let known = METHODS.iter().map(|(name, _)| *name).chain(PARTS.iter().map(|(name, _)| *name));
            return self.no_function(name, known, tree);
        };
        match (name, args) {
            ("exists" | "all" | "exists_one" | "filter" | "map", _) => {
                self.macro_over(name, receiver, args, tree)
            }
            ("size", []) => {
                let value = self.lower(receiver)?;
                self.convert("size", value, tree)
            }
            (_, [arg]) if takes == 1 => self.text_test(name, receiver, arg).map(Value::Truth),
            _ => self.miscounted(name, takes, args.len(), tree),
        }
    }

    fn miscounted<T>(&mut self, name: &str, takes: usize, found: usize, tree: &SpannedExpr) -> Lowered<T> {
        let noun = if takes == 1 { "argument" } else { "arguments" };
        let message = format!("`{name}` takes {takes} {noun}, found {found}");
        self.refuse(Code::WrongType, &tree.span, message, "here")
    }

    fn no_function<'k, T>(
        &mut self,
        name: &str,
        known: impl Iterator<Item = &'k str>,
        tree: &SpannedExpr,
    ) -> Lowered<T> {
        let place = self.text.place(&tree.span);
        let known: Vec<&str> = known.collect();
        let message = format!("no function is named `{}`", values::shortened(name));
        let fault = Diagnostic::error(Code::UnknownName, place, message)
            .label(format!("expected one of {}", known.join(", ")));
        let fault = match advice::function(name) {
            Some(advice) => fault.help(advice),
            None => fault.nearest(name, known.iter().copied(), self.sink),
        };
        self.sink.push(fault);
        Err(Refused)
    }

    /// `size`, and conversions by the name of a type.
    fn convert(&mut self, name: &str, value: Value, tree: &SpannedExpr) -> Lowered<Value> {
        let number = |number| Ok(Value::Number(number));
        match (name, value) {
            ("dyn", value) => Ok(value),
            ("size", Value::Text(text)) => number(self.size(&text, false)),
            ("size", Value::Bytes(bytes)) => number(self.size(&bytes, true)),
            ("size", Value::List(list)) => number(self.length(&list)),
            ("size", Value::Map(map)) => number(self.length(&map.keys)),
            ("int", Value::Number(a)) => self.int_of(a, tree).map(Value::Number),
            ("uint", Value::Number(a)) => self.uint_of(a, tree).map(Value::Number),
            ("double", Value::Number(a)) if !matches!(a.unit, Unit::Time | Unit::Span) => {
                number(self.widen(a))
            }
            ("int", Value::Text(text)) => self.parse(Unit::Int, &text, tree),
            ("uint", Value::Text(text)) => self.parse(Unit::Uint, &text, tree),
            ("double", Value::Text(text)) => self.parse(Unit::Double, &text, tree),
            ("bool", Value::Truth(truth)) => Ok(Value::Truth(truth)),
            ("bool", Value::Text(text)) => self.truth_of(&text, tree),
            ("string", value) => self.text_from(value, tree),
            ("bytes", Value::Text(text) | Value::Bytes(text)) => Ok(Value::Bytes(text)),
            ("timestamp" | "duration", value) => self.time_of(name, value, tree).map(Value::Number),
            (_, value) => self.unfit(name, &[&value], tree),
        }
    }

    fn int_of(&mut self, a: Number, tree: &SpannedExpr) -> Lowered<Number> {
        match (a.unit, a.constant()) {
            (Unit::Int, _) => Ok(a),
            (Unit::Uint, Some(Constant::Uint(n))) => match i64::try_from(n) {
                Ok(n) => Ok(Number::int(n)),
                Err(_) => self.always_fails(Unit::Int, tree),
            },
            (Unit::Uint, _) => Ok(self.bounded(Unit::Int, a.source, 0, i64::MAX)),
            (Unit::Money(places), Some(Constant::Int(n))) => {
                Ok(Number::int(n / 10_i64.pow(u32::from(places))))
            }
            (Unit::Money(_), _) => Ok(self.whole_major(a)),
            (Unit::Time, _) => self.part_of(Calendar::UnixSeconds, a, None, tree),
            (Unit::Double, Some(Constant::Double(x))) => match x > -INT_END && x < INT_END {
                true => Ok(Number::int(x as i64)),
                false => self.always_fails(Unit::Int, tree),
            },
            (Unit::Double, _) => Ok(self.whole_of(Unit::Int, a.source)),
            (Unit::Span, _) => self.unfit("int", &[&Value::Number(a)], tree),
        }
    }

    fn uint_of(&mut self, a: Number, tree: &SpannedExpr) -> Lowered<Number> {
        match (a.unit, a.constant()) {
            (Unit::Uint, _) => Ok(a),
            (Unit::Int, Some(Constant::Int(n))) => match n >= 0 {
                true => Ok(Number::of(Unit::Uint, Source::Constant(n as u64))),
                false => self.always_fails(Unit::Uint, tree),
            },
            (Unit::Int, _) => Ok(self.bounded(Unit::Uint, a.source, 0, i64::MAX)),
            (Unit::Money(_), _) => {
                let whole = self.int_of(a, tree)?;
                self.uint_of(whole, tree)
            }
            (Unit::Double, Some(Constant::Double(x))) => match x > -1.0 && x < UINT_END {
                true => Ok(Number::of(Unit::Uint, Source::Constant(x as u64))),
                false => self.always_fails(Unit::Uint, tree),
            },
            (Unit::Double, _) => Ok(self.whole_of(Unit::Uint, a.source)),
            _ => self.unfit("uint", &[&Value::Number(a)], tree),
        }
    }

    fn whole_of(&mut self, unit: Unit, a: Source) -> Number {
        let ty = unit.number_type();
        Number::of(unit, Source::Register(self.lowering.builder.number(|to| Op::ToWhole { to, ty, a })))
    }

    fn parse(&mut self, unit: Unit, text: &Text, tree: &SpannedExpr) -> Lowered<Value> {
        if let Text::Constant(text) = text {
            let text = std::str::from_utf8(text).unwrap_or("");
            let number = match unit {
                Unit::Int => text.parse().ok().map(Number::int),
                Unit::Uint => text.parse().ok().map(|n| Number::of(unit, Source::Constant(n))),
                _ => text.parse().ok().map(|x| Number::decimal(x, Exact::parse(text))),
            };
            return match number {
                Some(number) => Ok(Value::Number(number)),
                None => self.always_fails(unit, tree).map(Value::Number),
            };
        }
        let (a, ty) = (self.text_source(text), unit.number_type());
        let to = self.lowering.builder.number(|to| Op::Parse { to, ty, a });
        Ok(Value::Number(Number::of(unit, Source::Register(to))))
    }

    fn truth_of(&mut self, text: &Text, tree: &SpannedExpr) -> Lowered<Value> {
        let mut truth = self.lowering.builder.fault();
        let spellings = [
            (false, ["0", "f", "F", "false", "False", "FALSE"]),
            (true, ["1", "t", "T", "true", "True", "TRUE"]),
        ];
        for (meant, spellings) in spellings {
            let meant = self.lowering.builder.always(meant);
            for spelling in spellings {
                let spelling = Text::Constant(spelling.as_bytes().to_vec());
                let same = self.compare_texts(engine::program::Comparison::Equal, text, &spelling, tree)?;
                truth = self.lowering.builder.choose(same, meant, truth);
            }
        }
        Ok(Value::Truth(truth))
    }

    fn text_from(&mut self, value: Value, tree: &SpannedExpr) -> Lowered<Value> {
        let text = |text: String| Ok(Value::Text(Text::Constant(text.into_bytes())));
        match value {
            Value::Text(text) | Value::Bytes(text @ Text::Feature(_)) => Ok(Value::Text(text)),
            Value::Bytes(Text::Constant(bytes)) if std::str::from_utf8(&bytes).is_ok() => {
                Ok(Value::Text(Text::Constant(bytes)))
            }
            Value::Truth(truth) => {
                let (yes, no) = (Text::Constant(b"true".to_vec()), Text::Constant(b"false".to_vec()));
                Ok(Value::Text(self.choose_text(truth, &yes, &no)))
            }
            Value::Number(number) => match (number.unit, number.constant()) {
                (Unit::Time, Some(Constant::Int(us))) => text(super::shown_time(us)),
                (Unit::Span, Some(Constant::Int(us))) => text(super::shown_span(us)),
                (Unit::Time | Unit::Span, _) => self.unfit("string", &[&value], tree),
                (Unit::Int, Some(Constant::Int(n))) => text(n.to_string()),
                (_, Some(Constant::Uint(n))) => text(n.to_string()),
                (_, Some(Constant::Double(x))) => text(x.to_string()),
                (Unit::Money(_), _) => {
                    let major = self.widen(number);
                    self.text_from(Value::Number(major), tree)
                }
                (unit, _) => {
                    let (a, ty): (Source, NumberType) = (number.source, unit.number_type());
                    let to = self.lowering.builder.words(|to| Op::Write { to, ty, a });
                    Ok(Value::Text(Text::Register(to)))
                }
            },
            other => self.unfit("string", &[&other], tree),
        }
    }

    fn text_test(
        &mut self,
        name: &str,
        receiver: &SpannedExpr,
        arg: &SpannedExpr,
    ) -> Lowered<engine::program::Truth> {
        let (a, b) = (self.text_of(receiver), self.text_of(arg));
        let (a, b) = (a?, b?);
        let test = match name {
            "startsWith" => TextTest::StartsWith,
            "endsWith" => TextTest::EndsWith,
            "contains" => TextTest::Contains,
            _ => return self.matches(&a, &b, arg),
        };
        if let (Text::Constant(a), Text::Constant(b)) = (&a, &b) {
            // The search of `str` stays linear where each place almost fits.
            let within = || String::from_utf8_lossy(a).contains(&*String::from_utf8_lossy(b));
            let truth = match test {
                TextTest::StartsWith => a.starts_with(b),
                TextTest::EndsWith => a.ends_with(b),
                _ => within(),
            };
            return Ok(self.lowering.builder.always(truth));
        }
        if let (Text::Feature(id), Text::Constant(part)) = (&a, &b) {
            self.check_part(test, *id, &String::from_utf8_lossy(part), arg);
        }
        let (a, b): (TextSource, TextSource) = (self.text_source(&a), self.text_source(&b));
        Ok(self.lowering.builder.truth(|to| Op::Text { to, test, a, b }))
    }

    /// A fault of that unit for every event, where a value is asked for; refused in rule files.
    pub(super) fn always_fails(&mut self, unit: Unit, tree: &SpannedExpr) -> Lowered<Number> {
        if self.lowering.moment == Moment::Alone {
            let fault = self.lowering.builder.fault();
            let source = self.lowering.builder.choose_number(fault, Source::Constant(0), Source::Constant(0));
            return Ok(Number::of(unit, source));
        }
        let message = "this always fails: a division by zero, or a number out of range";
        self.refuse(Code::OutOfRange, &tree.span, message, "out of range")
    }
}
