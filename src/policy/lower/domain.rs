//! Functions of the domain: distances, networks, other fields on lists, card numbers.

use cel_core::SpannedExpr;
use engine::feature::Builtin;
use engine::limits::LISTS_MAX;
use engine::policy::Matching;
use engine::program::{Arithmetic, Comparison, Network, NumberType, Op, Source, Truth};
use wire::Form;

use super::value::{Number, Text, Unit};
use super::{Expression, Lowered, Refused};
use crate::diagnostic::{Code, Diagnostic};
use crate::yaml::values;

impl Expression<'_, '_> {
    /// `km(lat, lon, lat, lon)`
    pub(super) fn kilometres(&mut self, args: &[SpannedExpr]) -> Lowered<Number> {
        let degrees: Vec<_> = args.iter().map(|arg| (self.number(arg), arg)).collect();
        let mut places = [Source::Constant(0); 4];
        for (place, (number, arg)) in places.iter_mut().zip(degrees) {
            let number = number?;
            if !matches!(number.unit, Unit::Double | Unit::Int) {
                let found = super::Value::Number(number);
                return self.expected("degrees", &found, arg);
            }
            *place = self.widen(number).source;
        }
        let places = self.lowering.builder.places(places);
        let to = self.lowering.builder.number(|to| Op::Kilometres { to, places });
        Ok(Number::of(Unit::Double, Source::Register(to)))
    }

    /// `in_cidr(ip, "10.0.0.0/8")`
    pub(super) fn in_cidr(&mut self, address: &SpannedExpr, network: &SpannedExpr) -> Lowered<Truth> {
        let (address, written) = (self.text_of(address), self.text_of(network));
        let (address, written) = (address?, written?);
        let Text::Constant(written) = written else {
            let message = "a network is written out";
            return self.refuse(Code::Unsupported, &network.span, message, "expected \"10.0.0.0/8\"");
        };
        let written = String::from_utf8_lossy(&written).into_owned();
        let Some(parsed) = network_of(&written) else {
            let message = format!("`{}` is not a network", values::shortened(&written));
            let label = "expected an address and how many bits of it count, such as 10.0.0.0/8";
            return self.refuse(Code::OutOfRange, &network.span, message, label);
        };
        self.check_network(parsed, network);
        let network = self.lowering.builder.network(parsed);
        let a = self.text_source(&address);
        Ok(self.lowering.builder.truth(|to| Op::InNetwork { to, a, network }))
    }

    /// `percentile_of_own(amount)`: a share of the account's own amounts that are certainly no larger than this one.
    ///
    /// A profile keeps a mean and a deviation and no distribution. By Cantelli's inequality (F. P. Cantelli, "Sui confini della
    /// probabilità", 1928) at least z² / (1 + z²) of any distribution lies no farther than z deviations above its mean: that
    /// much can be promised, and an estimate that assumes a shape could be wrong either way.
    pub(super) fn percentile_of_own(&mut self, arg: &SpannedExpr) -> Lowered<Number> {
        let number = self.number(arg)?;
        if number.source != Source::Feature(Builtin::Amount.id()) {
            let message = "`percentile_of_own` takes `amount`: of nothing else an account's history is kept";
            return self.refuse(Code::WrongType, &arg.span, message, "expected `amount`");
        }
        let (zscore, _) = self.feature("amount_zscore", &arg.span)?;
        let [zero, one] = [0.0_f64, 1.0].map(|x| Source::Constant(x.to_bits()));
        let (ty, z) = (NumberType::Double, Source::Feature(zscore));
        let builder = &mut self.lowering.builder;
        let mut calculate = |operation, a, b| {
            Source::Register(builder.number(|to| Op::Calculate { to, ty, operation, a, b }))
        };
        let square = calculate(Arithmetic::Multiply, z, z);
        let beyond = calculate(Arithmetic::Add, square, one);
        let beyond = calculate(Arithmetic::Divide, one, beyond);
        let share = calculate(Arithmetic::Subtract, one, beyond);
        let comparison = Comparison::Greater;
        let above = builder.truth(|to| Op::Compare { to, ty, comparison, a: z, b: zero });
        Ok(Number::of(Unit::Double, builder.choose_number(above, share, zero)))
    }

    /// `luhn(text)`
    pub(super) fn luhn(&mut self, arg: &SpannedExpr) -> Lowered<Truth> {
        let text = self.text_of(arg)?;
        let a = self.text_source(&text);
        Ok(self.lowering.builder.truth(|to| Op::Luhn { to, a }))
    }

    /// `in_list(counterparty, "bad_accounts")`: a field other than the one that the list is declared on.
    pub(super) fn in_list(&mut self, field: &SpannedExpr, list: &SpannedExpr) -> Lowered<Truth> {
        let (looked_up, name) = (self.text_of(field), self.text_of(list));
        let (looked_up, name) = (looked_up?, name?);
        let Text::Constant(name) = name else {
            let message = "a list is named in quotes";
            return self.refuse(Code::WrongType, &list.span, message, "expected the name of a list");
        };
        let number = self.list_number(&String::from_utf8_lossy(&name), &list.span).ok_or(Refused)?;
        let Text::Feature(feature) = looked_up else {
            let message = "`in_list` looks up a field, and this is a computed text";
            return self.refuse(Code::Unsupported, &field.span, message, "expected a text field");
        };
        let symbols = self.lowering.symbols;
        let Some(declared) = symbols.lists.get(usize::from(number)).filter(|list| list.on != feature) else {
            return Ok(self.lowering.on_list(number));
        };
        if declared.matching == Matching::Network {
            let place = self.text.place(&field.span);
            let message = "networks are matched on `ip` only";
            self.sink
                .push(Diagnostic::error(Code::WrongType, place, message).help("`in_cidr` takes any text"));
            return Err(Refused);
        }
        // Names and free texts are looked up by the same bytes.
        let plain = |form: Form| matches!(form, Form::Identifier | Form::Memo);
        let (form, own) = (declared.on.form(), feature.form());
        if form != own && !(plain(form) && plain(own)) {
            let on = &symbols.features.row(declared.on).name;
            let message = format!("the list's keys are of the form of `{on}`, and no value of this field is");
            return self.refuse(Code::WrongType, &field.span, message, "could never be on the list");
        }
        let mut look_ups = symbols.look_ups.borrow_mut();
        let at = look_ups.iter().position(|known| *known == (number, feature)).unwrap_or_else(|| {
            look_ups.push((number, feature));
            look_ups.len() - 1
        });
        drop(look_ups);
        let place = symbols.lists.len() + at;
        if place >= LISTS_MAX {
            let message =
                format!("a policy has at most {LISTS_MAX} lists, and each field looked up counts as one");
            return self.refuse(Code::Bound, &field.span, message, "this one is over it");
        }
        Ok(self.lowering.on_list(place as u16))
    }
}

fn network_of(text: &str) -> Option<Network> {
    let (address, bits) = text.split_once('/')?;
    let network = Network { address: address.parse().ok()?, bits: bits.parse().ok()? };
    let width = if network.address.is_ipv4() { 32 } else { 128 };
    let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
    (network.bits <= width && digits).then_some(network)
}
