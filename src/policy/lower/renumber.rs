//! Leaves out of a program what nothing reads, and numbers the registers that are left without gaps.
//!
//! Folding leaves its parts behind: constants that were joined, sides of a choice that is known. At decision time each would
//! be computed for every event.

use std::collections::HashMap;

use engine::program::{Kinds, Number, Op, Output, Program, Source, TextSource, Truth, Words};

/// Which register each one became.
#[derive(Debug, Default)]
pub(crate) struct Renumbered(HashMap<Output, u16>);

impl Renumbered {
    /// What the truth register became; itself where it was left out, which nothing then reads.
    pub(crate) fn truth(&self, truth: Truth) -> Truth {
        Truth(self.0.get(&Output::Truth(truth)).copied().unwrap_or(truth.0))
    }

    fn number(&self, number: Number) -> Number {
        Number(self.0.get(&Output::Number(number)).copied().unwrap_or(number.0))
    }

    fn words(&self, words: Words) -> Words {
        Words(self.0.get(&Output::Words(words)).copied().unwrap_or(words.0))
    }

    fn source(&self, source: Source) -> Source {
        match source {
            Source::Register(number) => Source::Register(self.number(number)),
            Source::Feature(_) | Source::Constant(_) => source,
        }
    }

    fn text(&self, source: TextSource) -> TextSource {
        match source {
            TextSource::Register(words) => TextSource::Register(self.words(words)),
            TextSource::Feature(_) | TextSource::Constant(_) => source,
        }
    }
}

/// The program with what those roots depend on.
pub(crate) fn pruned(mut program: Program, roots: impl IntoIterator<Item = Output>) -> (Program, Renumbered) {
    let writer: HashMap<Output, usize> =
        program.ops.iter().enumerate().map(|(at, op)| (op.output(), at)).collect();
    let mut needed = vec![false; program.ops.len()];
    let mut open: Vec<usize> = roots.into_iter().filter_map(|root| writer.get(&root).copied()).collect();
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut needed[at], true) {
            continue;
        }
        let reads = program.ops[at].reads(&program);
        open.extend(reads.registers().filter_map(|read| writer.get(&read).copied()));
    }
    let mut renumbered = Renumbered::default();
    let (mut truths, mut numbers, mut words) = (0, 0, 0);
    let kept: Vec<Op> =
        program.ops.iter().zip(&needed).filter(|(_, needed)| **needed).map(|(op, _)| *op).collect();
    for op in &kept {
        let next = match op.output() {
            Output::Truth(_) => &mut truths,
            Output::Number(_) => &mut numbers,
            Output::Words(_) => &mut words,
        };
        renumbered.0.insert(op.output(), *next);
        *next += 1;
    }
    for sources in &mut program.places {
        *sources = sources.map(|source| renumbered.source(source));
    }
    program.ops = kept.into_iter().map(|op| rewritten(op, &renumbered)).collect();
    program.kinds = Vec::new();
    (program.truths, program.numbers, program.words) = (truths, numbers, words);
    (program, renumbered)
}

/// Which kinds of event each instruction is needed for, by those that its readers look at.
pub(crate) fn kinds(program: &Program, roots: impl IntoIterator<Item = (Truth, Kinds)>) -> Vec<Kinds> {
    let writer: HashMap<Output, usize> =
        program.ops.iter().enumerate().map(|(at, op)| (op.output(), at)).collect();
    let mut kinds = vec![Kinds(0); program.ops.len()];
    for (root, of_root) in roots {
        if let Some(&at) = writer.get(&Output::Truth(root)) {
            kinds[at].0 |= of_root.0;
        }
    }
    // What an instruction reads stands before it, so one way back comes by every reader before what it reads.
    for at in (0..program.ops.len()).rev() {
        for read in program.ops[at].reads(program).registers() {
            if let Some(&read) = writer.get(&read) {
                kinds[read].0 |= kinds[at].0;
            }
        }
    }
    kinds
}

/// The instruction over the new numbers.
fn rewritten(op: Op, by: &Renumbered) -> Op {
    let (truth, number, words) = (|t| by.truth(t), |n| by.number(n), |w| by.words(w));
    let (source, text) = (|s| by.source(s), |s| by.text(s));
    match op {
        Op::Always { to, truth: known } => Op::Always { to: truth(to), truth: known },
        Op::Fault { to } => Op::Fault { to: truth(to) },
        Op::Flag { to, feature } => Op::Flag { to: truth(to), feature },
        Op::Present { to, feature } => Op::Present { to: truth(to), feature },
        Op::KindIn { to, kinds } => Op::KindIn { to: truth(to), kinds },
        Op::OnList { to, list } => Op::OnList { to: truth(to), list },
        Op::Compare { to, ty, comparison, a, b } => {
            Op::Compare { to: truth(to), ty, comparison, a: source(a), b: source(b) }
        }
        Op::CompareMixed { to, comparison, a, a_ty, b, b_ty } => {
            Op::CompareMixed { to: truth(to), comparison, a: source(a), a_ty, b: source(b), b_ty }
        }
        Op::Text { to, test, a, b } => Op::Text { to: truth(to), test, a: text(a), b: text(b) },
        Op::Matches { to, a, pattern } => Op::Matches { to: truth(to), a: text(a), pattern },
        Op::InNetwork { to, a, network } => Op::InNetwork { to: truth(to), a: text(a), network },
        Op::Luhn { to, a } => Op::Luhn { to: truth(to), a: text(a) },
        Op::Not { to, a } => Op::Not { to: truth(to), a: truth(a) },
        Op::And { to, a, b } => Op::And { to: truth(to), a: truth(a), b: truth(b) },
        Op::Or { to, a, b } => Op::Or { to: truth(to), a: truth(a), b: truth(b) },
        Op::ChooseTruth { to, condition, a, b } => {
            Op::ChooseTruth { to: truth(to), condition: truth(condition), a: truth(a), b: truth(b) }
        }
        Op::ChooseNumber { to, condition, a, b } => {
            Op::ChooseNumber { to: number(to), condition: truth(condition), a: source(a), b: source(b) }
        }
        Op::ChooseText { to, condition, a, b } => {
            Op::ChooseText { to: words(to), condition: truth(condition), a: text(a), b: text(b) }
        }
        Op::Join { to, a, b } => Op::Join { to: words(to), a: text(a), b: text(b) },
        Op::Write { to, ty, a } => Op::Write { to: words(to), ty, a: source(a) },
        Op::Calculate { to, ty, operation, a, b } => {
            Op::Calculate { to: number(to), ty, operation, a: source(a), b: source(b) }
        }
        Op::Bounded { to, a, low, high } => Op::Bounded { to: number(to), a: source(a), low, high },
        Op::ToDouble { to, ty, a, scale } => Op::ToDouble { to: number(to), ty, a: source(a), scale },
        Op::ToWhole { to, ty, a } => Op::ToWhole { to: number(to), ty, a: source(a) },
        Op::Parse { to, ty, a } => Op::Parse { to: number(to), ty, a: text(a) },
        Op::TextSize { to, a, bytes } => Op::TextSize { to: number(to), a: text(a), bytes },
        Op::Kilometres { to, places } => Op::Kilometres { to: number(to), places },
        Op::Time { to } => Op::Time { to: number(to) },
        Op::Calendar { to, part, a, zone } => Op::Calendar { to: number(to), part, a: source(a), zone },
    }
}
