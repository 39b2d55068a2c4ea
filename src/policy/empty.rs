//! Files that declare nothing, and policies that decide nothing. An author who means it opts in; mostly an editor, a full disk or a
//! deployment that was interrupted left an empty file, and limits would be gone without a word.

use engine::policy::{Bands, Policy};

use crate::Options;
use crate::diagnostic::{Code, Diagnostic, Place, Severity, Sink};
use crate::yaml::{Data, Node};

const HOW: &str = "to allow it: `allow_empty = true` under `[policy]` of the configuration, `POST /v1/reload?allow_empty=true`, \
                   or `--allow-empty` of a command";

/// Reports a file whose tree holds no key with a value; `root` is absent where there is no tree.
pub(crate) fn file(number: u16, name: &str, root: Option<&Node>, options: Options, sink: &mut Sink) {
    let declares = |node: &Node| match &node.data {
        Data::Map(entries) => entries.iter().any(|(_, node)| !node.is_null()),
        _ => !node.is_null(),
    };
    if !root.is_some_and(declares) {
        let place = Place { file: number, start: 0, end: 0 };
        let fault = fault(place, format!("{name} declares nothing"), options);
        sink.push(fault.label("expected a key such as `rules:`").help(format!(
            "was the file cut off? what it declared before would be gone; if it is to declare nothing, delete it; {HOW}"
        )));
    }
}

/// Reports a policy without anything that could decide.
pub(crate) fn policy(policy: &Policy, options: Options, sink: &mut Sink) {
    let decides = !(policy.rules.is_empty() && policy.limits.is_empty() && policy.breakers.is_empty());
    if !decides && policy.bands == Bands::default() {
        let message = "the policy decides nothing: every check would be allowed";
        let fault = fault(Place::default(), message.to_owned(), options);
        let label = "expected a rule, a limit, a breaker, a list with an action or bands in one of the files";
        sink.push(fault.label(label).help(HOW));
    }
}

fn fault(place: Place, message: String, options: Options) -> Diagnostic {
    let severity = if options.allow_empty { Severity::Warning } else { Severity::Error };
    Diagnostic { severity, ..Diagnostic::error(Code::Empty, place, message) }
}
