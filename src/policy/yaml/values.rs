//! Typed reading of single values. Each function reports what it found and what it expected, and gives `None`.

use engine::limits::{WINDOW_MS_MAX, WINDOW_MS_MIN};
use wire::money::Decimal;

use super::{Data, Node, Style, Word};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::limits::{MEMBERS_MAX, NAME_BYTES_MAX, WORDS_BYTES_MAX};

fn wrong(node: &Node, found: &str, expected: &str, sink: &mut Sink) {
    let message = format!("expected {expected}, found {found}");
    sink.push(Diagnostic::error(Code::WrongType, node.place, message).label(format!("expected {expected}")));
}

/// A single value as it was written.
pub(crate) fn scalar<'n>(node: &'n Node, expected: &str, sink: &mut Sink) -> Option<&'n str> {
    match &node.data {
        Data::Scalar(text, _) if !node.is_null() => Some(text),
        _ => {
            wrong(node, node.shape(), expected, sink);
            None
        }
    }
}

/// A single value with its place.
pub(crate) fn word(node: &Node, expected: &str, sink: &mut Sink) -> Option<Word> {
    scalar(node, expected, sink).map(|text| Word { text: text.to_owned(), place: node.place })
}

/// Words for people, within [`WORDS_BYTES_MAX`].
pub(crate) fn words(node: &Node, expected: &str, sink: &mut Sink) -> Option<String> {
    let text = scalar(node, expected, sink)?;
    if text.len() > WORDS_BYTES_MAX {
        sink.error(Code::Bound, node.place, format!("text longer than {WORDS_BYTES_MAX} bytes"));
        return None;
    }
    Some(text.to_owned())
}

/// An identifier: letters, digits, `_`, `-`, `.` and `:`, beginning with a letter.
pub(crate) fn identifier(node: &Node, expected: &str, sink: &mut Sink) -> Option<Word> {
    let word = word(node, expected, sink)?;
    let good = word.text.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b))
        && word.text.len() <= NAME_BYTES_MAX;
    if !good {
        let message = format!("`{}` is not {expected}", shortened(&word.text));
        let label = format!("expected letters, digits, `_` and `-`, at most {NAME_BYTES_MAX}");
        sink.push(Diagnostic::error(Code::OutOfRange, word.place, message).label(label));
        return None;
    }
    Some(word)
}

/// One of a closed set of names.
pub(crate) fn choice<T: Copy>(node: &Node, what: &str, all: &[(&str, T)], sink: &mut Sink) -> Option<T> {
    let text = scalar(node, what, sink)?;
    if let Some(&(_, value)) = all.iter().find(|(name, _)| *name == text) {
        return Some(value);
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let message = format!("`{}` is not {what}", shortened(text));
    let fault = Diagnostic::error(Code::OutOfRange, node.place, message)
        .label(format!("expected {}", listed(&names)));
    sink.push(match crate::advice::choice(what, text) {
        Some(advice) => fault.help(advice),
        None => fault.nearest(text, names.iter().copied(), sink),
    });
    None
}

/// One value or a list of them.
pub(crate) fn one_or_many<'n>(node: &'n Node, what: &str, sink: &mut Sink) -> Vec<&'n Node> {
    match &node.data {
        Data::Scalar(..) if !node.is_null() => vec![node],
        Data::List(nodes) if nodes.len() <= MEMBERS_MAX => nodes.iter().collect(),
        Data::List(_) => {
            sink.error(Code::Bound, node.place, format!("more than {MEMBERS_MAX} members"));
            Vec::new()
        }
        _ => {
            wrong(node, node.shape(), what, sink);
            Vec::new()
        }
    }
}

/// A list, which may be absent.
pub(crate) fn list<'n>(node: &'n Node, what: &str, sink: &mut Sink) -> &'n [Node] {
    match &node.data {
        Data::List(nodes) => nodes,
        _ if node.is_null() => &[],
        _ => {
            wrong(node, node.shape(), what, sink);
            &[]
        }
    }
}

/// `true` or `false`.
pub(crate) fn boolean(node: &Node, sink: &mut Sink) -> Option<bool> {
    match &node.data {
        Data::Scalar(text, Style::Plain) if text == "true" => Some(true),
        Data::Scalar(text, Style::Plain) if text == "false" => Some(false),
        Data::Scalar(text, _) => {
            wrong(node, &format!("`{}`", shortened(text)), "true or false", sink);
            None
        }
        _ => {
            wrong(node, node.shape(), "true or false", sink);
            None
        }
    }
}

/// A whole number in that range.
pub(crate) fn integer(node: &Node, range: std::ops::RangeInclusive<i64>, sink: &mut Sink) -> Option<i64> {
    let expected = match (*range.start(), *range.end()) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        (0, i64::MAX) => "a whole number, 0 or more".to_owned(),
        (low, high) => format!("a whole number from {low} to {high}"),
    };
    let text = scalar(node, &expected, sink)?;
    match text.parse::<i64>() {
        Ok(number) if range.contains(&number) => Some(number),
        Ok(_) => {
            let message = format!("{text} is out of range");
            sink.push(
                Diagnostic::error(Code::OutOfRange, node.place, message)
                    .label(format!("expected {expected}")),
            );
            None
        }
        Err(_) => {
            wrong(node, &format!("`{}`", shortened(text)), &expected, sink);
            None
        }
    }
}

/// A decimal number in that range.
pub(crate) fn decimal(node: &Node, range: std::ops::RangeInclusive<f64>, sink: &mut Sink) -> Option<f64> {
    let expected = if range.start().is_finite() && range.end().is_finite() {
        format!("a number from {} to {}", range.start(), range.end())
    } else {
        "a number".to_owned()
    };
    let text = scalar(node, &expected, sink)?;
    match text.parse::<f64>() {
        Ok(number) if range.contains(&number) && number.is_finite() => Some(number),
        Ok(_) => {
            let message = format!("{} is out of range", shortened(text));
            sink.push(
                Diagnostic::error(Code::OutOfRange, node.place, message)
                    .label(format!("expected {expected}")),
            );
            None
        }
        Err(_) => {
            wrong(node, &format!("`{}`", shortened(text)), &expected, sink);
            None
        }
    }
}

/// A score in that range: scores add in millionths, so that more decimals would be lost.
pub(crate) fn score(node: &Node, range: std::ops::RangeInclusive<f64>, sink: &mut Sink) -> Option<f64> {
    let number = decimal(node, range, sink)?;
    let millionths = engine::score::millionths(number);
    if engine::score::of_millionths(millionths) != number {
        let message = format!("{number} has more than six decimals");
        let label = format!("expected a score such as {}", engine::score::of_millionths(millionths));
        sink.push(Diagnostic::error(Code::OutOfRange, node.place, message).label(label));
        return None;
    }
    Some(number)
}

/// A share with its sign, in percent: above 0 and at most 100.
pub(crate) fn share(node: &Node, sink: &mut Sink) -> Option<f64> {
    let text = scalar(node, "a share such as 2%", sink)?;
    let number = text.strip_suffix('%').map(str::trim_end);
    let digits = number.filter(|number| number.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    match digits.and_then(|digits| digits.parse::<f64>().ok()) {
        Some(percent) if percent > 0.0 && percent <= 100.0 => Some(percent),
        found => {
            let message = match found {
                Some(_) => format!("a share of {} is out of range", shortened(text)),
                None => format!("`{}` is not a share", shortened(text)),
            };
            let label = "expected a number with its sign, such as 2%, above 0% and at most 100%";
            sink.push(Diagnostic::error(Code::OutOfRange, node.place, message).label(label));
            None
        }
    }
}

/// Money in major units with at most that many decimals, as whole units of the last of them.
pub(crate) fn money(node: &Node, places: u8, sink: &mut Sink) -> Option<i64> {
    let text = scalar(node, "an amount such as 8.88", sink)?;
    match money_units(text, places) {
        Ok(units) => Some(units),
        Err(reason) => {
            let message = format!("`{}` is not an amount: {reason}", shortened(text));
            sink.push(
                Diagnostic::error(Code::OutOfRange, node.place, message)
                    .label("expected an amount such as 8.88"),
            );
            None
        }
    }
}

/// As [`money`], of a text.
pub(crate) fn money_units(text: &str, places: u8) -> Result<i64, wire::Refusal> {
    Decimal::plain(text)?.minor(u32::from(places))
}

/// A currency's code of ISO 4217.
pub(crate) fn currency(node: &Node, sink: &mut Sink) -> Option<[u8; 3]> {
    let text = scalar(node, "a currency such as CNY", sink)?;
    let read = wire::currency::read(text);
    read.map_err(|refusal| {
        let fault = Diagnostic::error(Code::OutOfRange, node.place, refusal.message);
        sink.push(fault.label("expected a code of three letters, such as CNY"));
    })
    .ok()
}

/// The length of a window, 1 s to 30 d.
pub(crate) fn window(node: &Node, sink: &mut Sink) -> Option<i64> {
    let text = scalar(node, "a window such as 10m", sink)?;
    let label = "expected a length of time such as 10m, 1h30m or 1w, from 1s to 30d";
    match wire::duration::parse_ms(text) {
        Ok(ms) if (WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(&ms) => return Some(ms),
        Ok(_) => {
            let message = format!("a window of {} is out of range", shortened(text));
            sink.push(Diagnostic::error(Code::OutOfRange, node.place, message).label(label));
        }
        Err(error) => {
            let message = format!("`{}` is not a window", shortened(text));
            let fault = Diagnostic::error(Code::OutOfRange, node.place, message);
            sink.push(fault.label(label).help(error.to_string()));
        }
    }
    None
}

/// A moment of a test, from its start.
pub(crate) fn moment(node: &Node, sink: &mut Sink) -> Option<i64> {
    let text = scalar(node, "a time such as 90s", sink)?;
    match wire::duration::parse_ms(text) {
        Ok(ms) => Some(ms),
        Err(error) => {
            let message = format!("`{}` is not a time", shortened(text));
            let label = "expected a length of time from the start, such as 90s, 1h30m or 1w";
            let fault = Diagnostic::error(Code::OutOfRange, node.place, message);
            sink.push(fault.label(label).help(error.to_string()));
            None
        }
    }
}

/// A text cut to what fits a message.
pub(crate) fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(40).chain(['…']).collect()
}

/// Names in a sentence: `a, b or c`.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
