//! One line a lowering: the expression, and the program as text.

use engine::program::{Comparison, NumberType, Op, Program, Source, TextSource, TextTest};

use super::{Lowering, Moment};
use crate::cel::Front;
use crate::cel::text::Text;
use crate::diagnostic::{Place, Sink};
use crate::document::Document;
use crate::limits::NODES_MAX;
use crate::source::Sources;
use crate::symbols::Symbols;
use crate::yaml::load::load;
use crate::yaml::{Data, Node, Style};

const NAMES: &str = "
schema: { tier: { type: int }, gold: { type: bool }, zone: { type: text }, rate: { type: double } }
lists: { vip: { on: account }, bad: { on: ip } }
features:
  claims: { count: claim, by: device, window: 10m }
  paid: { sum: amount, on: pay, by: account, window: 1d }
";

fn lower(expression: &str) -> Result<(Program, Option<String>), String> {
    let mut sink = Sink::default();
    let sources = Sources::of_texts(&[("names.yaml", NAMES)], &mut sink);
    let mut document = Document::default();
    document.read(&load(0, NAMES, &mut NODES_MAX.clone(), &mut sink).unwrap(), &mut sink);
    let symbols = Symbols::build(&document, &sources, &mut sink);
    let front = Front::new(&symbols);
    let mut lowering =
        Lowering::new(&symbols.features, &symbols.list_numbers, symbols.velocity_from, Moment::Rules);
    let data = Data::Scalar(expression.to_owned(), Style::Plain);
    let node = Node { place: Place { file: 0, start: 0, end: expression.len() as u32 }, data };
    let text = Text::of(&node, expression).unwrap();
    let witness = front
        .check(&text, &mut sink)
        .and_then(|tree| lowering.condition(&tree, &text, &mut sink))
        .and_then(|(_, witness)| witness);
    let faults = sink.finish();
    if let Some(fault) = faults.first() {
        return Err(fault.message.clone());
    }
    let witness = witness.map(|w| {
        let name = &symbols.features.row(w.feature).name;
        format!("{name} {}", source(&symbols, w.threshold, w.ty))
    });
    Ok((lowering.finish().0.unwrap(), witness))
}

fn symbols() -> Symbols {
    let mut sink = Sink::default();
    let sources = Sources::of_texts(&[("names.yaml", NAMES)], &mut sink);
    let mut document = Document::default();
    document.read(&load(0, NAMES, &mut NODES_MAX.clone(), &mut sink).unwrap(), &mut sink);
    Symbols::build(&document, &sources, &mut sink)
}

fn source(symbols: &Symbols, source: Source, ty: NumberType) -> String {
    match (source, ty) {
        (Source::Feature(id), _) => symbols.features.row(id).name.clone(),
        (Source::Register(number), _) => format!("n{}", number.0),
        (Source::Constant(bits), NumberType::Int) => (bits as i64).to_string(),
        (Source::Constant(bits), NumberType::Double) => format!("{:?}", f64::from_bits(bits)),
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

fn show(program: &Program) -> String {
    let symbols = symbols();
    let name = |id| &symbols.features.row(id).name;
    let text = |text: TextSource| match text {
        TextSource::Feature(id) => name(id).clone(),
        TextSource::Constant(id) => format!("{:?}", program.texts[usize::from(id.0)]),
    };
    let number = |from: Source, ty| source(&symbols, from, ty);
    let lines = program.ops.iter().map(|&op| match op {
        Op::Always { to, truth } => format!("t{}={truth}", to.0),
        Op::Fault { to } => format!("t{}=fault", to.0),
        Op::Flag { to, feature } => format!("t{}={}", to.0, name(feature)),
        Op::Present { to, feature } => format!("t{}=has({})", to.0, name(feature)),
        Op::KindIn { to, kinds } => format!("t{}=kinds({:b})", to.0, kinds.0),
        Op::OnList { to, list } => format!("t{}=list{list}", to.0),
        Op::Compare { to, ty, comparison, a, b } => {
            format!("t{}={}{}{}", to.0, number(a, ty), sign(comparison), number(b, ty))
        }
        Op::Text { to, test: TextTest::Compare(comparison), a, b } => {
            format!("t{}={}{}{}", to.0, text(a), sign(comparison), text(b))
        }
        Op::Text { to, test, a, b } => format!("t{}={test:?}({},{})", to.0, text(a), text(b)),
        Op::Not { to, a } => format!("t{}=!t{}", to.0, a.0),
        Op::And { to, a, b } => format!("t{}=t{}&&t{}", to.0, a.0, b.0),
        Op::Or { to, a, b } => format!("t{}=t{}||t{}", to.0, a.0, b.0),
        Op::ChooseTruth { to, condition, a, b } => format!("t{}=t{}?t{}:t{}", to.0, condition.0, a.0, b.0),
        Op::ChooseNumber { to, condition, a, b } => {
            format!(
                "n{}=t{}?{}:{}",
                to.0,
                condition.0,
                number(a, NumberType::Int),
                number(b, NumberType::Int)
            )
        }
        Op::Calculate { to, ty, operation, a, b } => {
            format!("n{}={operation:?}({},{})", to.0, number(a, ty), number(b, ty))
        }
        Op::ToDouble { to, a, scale } => format!("n{}=double({}/{scale})", to.0, number(a, NumberType::Int)),
        Op::ToInt { to, a } => format!("n{}=int({})", to.0, number(a, NumberType::Double)),
        Op::TextSize { to, a } => format!("n{}=size({})", to.0, text(a)),
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// The program of an expression, its constants' registers left out of view only where nothing reads them.
fn check(expression: &str, expected: &str) {
    match lower(expression) {
        Ok((program, _)) => assert_eq!(show(&program), expected, "{expression}"),
        Err(message) => panic!("{expression}: {message}"),
    }
}

fn quotes(expression: &str, expected: &str) {
    assert_eq!(lower(expression).unwrap().1.as_deref(), Some(expected), "{expression}");
}

fn refused(expression: &str, expected: &str) {
    match lower(expression) {
        Ok((program, _)) => panic!("{expression} lowers to {}", show(&program)),
        Err(message) => assert_eq!(message, expected, "{expression}"),
    }
}

#[test]
fn money_is_compared_in_whole_minor_units() {
    check("amount < 5.00", "t0=amount<500");
    check("amount < 5", "t0=amount<500");
    check("amount == 0.1", "t0=amount==10");
    check("5.25 >= amount", "t0=amount<=525");
    check("amount > -1.50", "t0=amount>-150");
    check("amount >= 2 * 100", "t0=amount>=20000");
    check("amount > paid", "t0=amount>paid");
    check("amount in [5.20, 13.14]", "t0=true; t1=false; t2=amount==520; t3=amount==1314; t4=t2||t3");
    check("paid + amount > 50.00", "n0=Add(paid,amount); t0=n0>5000");
    check("amount * 3 > paid", "n0=Multiply(amount,3); t0=n0>paid");
    check("amount > kyc", "n0=Multiply(kyc,100); t0=amount>n0");
    check("amount == amount_ratio", "n0=double(amount/100); t0=n0==amount_ratio");
    check("amount / 3 > 1.5", "n0=double(amount/100); n1=Divide(n0,3.0); t0=n1>1.5");
    check("amount + 0.5 > 1.5", "n0=double(amount/100); n1=Add(n0,0.5); t0=n1>1.5");
    check("int(amount) == 5", "n0=Divide(amount,100); t0=n0==5");
    check("-amount < 0", "n0=Subtract(0,amount); t0=n0<0");
    refused("amount > 5.125", "money is compared with at most two decimals");
    refused("amount > 1e2", "money is compared with at most two decimals");
    refused("amount > 9223372036854775807", "no amount is so large");
    refused("amount == \"5\"", "money is never compared with text");
}

#[test]
fn whole_numbers_meet_decimals_exactly() {
    check("claims >= 4", "t0=claims>=4");
    check("claims > 3.5", "t0=claims>3");
    check("claims < 3.5", "t0=claims<=3");
    check("claims == 3.5", "t0=false");
    check("claims == 3.0", "t0=claims==3");
    check("claims < 1e300", "t0=true");
    check("speed_kmh > 900", "t0=speed_kmh>900.0");
    check("1 < 1.5", "t0=true");
    refused(
        "kyc > speed_kmh",
        "a whole number and a double are compared exactly only where one is a literal",
    );
    refused("kyc + 0.5 > 1.0", "`+` does not take int and double");
    refused("kyc % 0 == 1", "this always fails: a division by zero, or a number out of range");
}

#[test]
fn the_same_question_is_asked_once() {
    check("claims > 3 && kyc == 1 || kyc == 1 && claims > 3", "t0=claims>3; t1=kyc==1; t2=t0&&t1");
    check("!(!(kyc == 1))", "t0=kyc==1; t1=!t0");
    check("kyc == 1 && 1 < 2", "t0=kyc==1; t1=true");
    check("kyc == 1 || 2 < 1", "t0=kyc==1; t1=false");
    check("true ? kyc == 1 : kyc == 2", "t0=true; t1=kyc==1; t2=kyc==2");
}

#[test]
fn kinds_are_sets() {
    check("kind == \"claim\"", "t0=kinds(100)");
    check("kind != \"claim\"", "t0=kinds(100); t1=!t0");
    check("kind in [\"mint\", \"pay\"]", "t0=kinds(1001)");
    refused("kind == \"clam\"", "`clam` is no kind");
    refused("device.class == \"fone\"", "`fone` is no device.class");
}

#[test]
fn texts_and_truths() {
    check("account == \"a\"", "t0=account==\"a\"");
    check("\"a\" == account", "t0=\"a\"==account");
    check("account != counterparty", "t0=account!=counterparty");
    check(
        "ext.zone in [\"a\", \"b\"]",
        "t0=true; t1=false; t2=ext.zone==\"a\"; t3=ext.zone==\"b\"; t4=t2||t3",
    );
    check("device.os.startsWith(\"ios\")", "t0=StartsWith(device.os,\"ios\")");
    check(
        "text.contains(\"贷款\") || text.endsWith(account)",
        "t0=Contains(text,\"贷款\"); t1=EndsWith(text,account); t2=t0||t1",
    );
    check("size(text) > 10 && text.size() > 10", "n0=size(text); t0=n0>10");
    check("size(\"贷款\") == 2", "t0=true");
    check("device.emulator", "t0=device.emulator");
    check("device.emulator == false", "t0=device.emulator; t1=false; t2=true; t3=!t0");
    check("device.emulator != ext.gold", "t0=device.emulator; t1=ext.gold; t2=!t1; t3=t0?t2:t1");
    check("has(ext.tier) && !has(ip)", "t0=has(ext.tier); t1=has(ip); t2=!t1; t3=t0&&t2");
    check("\"vip\" in lists || !(\"bad\" in lists)", "t0=list0; t1=list1; t2=!t1; t3=t0||t2");
    refused("\"vipp\" in lists", "no list is named `vipp`");
    refused("account in lists", "`lists` is asked by name, as in `\"vip\" in lists`");
    refused("device.emulator < true", "truths have no order here");
}

#[test]
fn choices_and_conversions() {
    check("(device.rooted ? kyc : factors) > 1", "t0=device.rooted; n0=t0?kyc:factors; t1=n0>1");
    check("double(kyc) > speed_kmh", "n0=double(kyc/1); t0=n0>speed_kmh");
    check("int(speed_kmh) == kyc", "n0=int(speed_kmh); t0=n0==kyc");
    check("-speed_kmh < 0.0", "n0=Multiply(speed_kmh,-1.0); t0=n0<0.0");
    check("double(3) / 2.0 == 1.5", "t0=true");
    refused("(device.rooted ? kyc : amount) > 1", "the two sides of `? :` are int and money");
}

#[test]
fn a_reason_quotes_the_comparison_that_tells_most() {
    quotes("device.emulator && kyc < 2 && claims >= 4", "claims 4");
    quotes("device.emulator && kyc < 2", "kyc 2");
    quotes("device.emulator", "device.emulator 1");
    quotes("amount < 5.00 && paid > 100.00", "paid 10000");
    assert!(lower("account == \"a\"").unwrap().1.is_none());
}

#[test]
fn what_the_engine_cannot_run_says_so() {
    refused("account.matches(\"a+\")", "`matches` is not supported yet");
    refused("[1, 2].all(x, x > 0)", "`all` is not supported yet");
    refused(
        "timestamp(\"2026-01-01T00:00:00Z\") < timestamp(\"2027-01-01T00:00:00Z\")",
        "`timestamp` is not supported yet",
    );
    refused("1u < 2u", "an unsigned number is not supported yet");
    refused("{\"a\": 1}[\"a\"] == 1", "an index is not supported yet");
    refused("account + \"x\" == \"y\"", "expected a number, found text");
    refused("sise(text) > 3", "no function is named `sise`");
    refused("size(text, text) > 3", "'size' expects exactly 1 argument, got 2");
}
