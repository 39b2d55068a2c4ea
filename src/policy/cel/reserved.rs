//! Words that mean something in every expression.

/// Words that cannot name a feature or list: CEL's own, its types, its functions and ours.
const RESERVED: [&str; 48] = [
    "as",
    "biometric",
    "bool",
    "break",
    "bytes",
    "const",
    "contains",
    "continue",
    "device",
    "double",
    "duration",
    "dyn",
    "else",
    "endsWith",
    "ext",
    "false",
    "for",
    "function",
    "geo",
    "has",
    "if",
    "import",
    "in",
    "int",
    "let",
    "list",
    "lists",
    "loop",
    "map",
    "matches",
    "namespace",
    "null",
    "null_type",
    "package",
    "qr",
    "return",
    "size",
    "startsWith",
    "string",
    "time",
    "timestamp",
    "token",
    "true",
    "type",
    "uint",
    "var",
    "void",
    "while",
];
/// Whether expressions already mean something by this word.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_sorted_for_the_search() {
        assert!(RESERVED.is_sorted());
        assert!(is_reserved("in") && is_reserved("while") && is_reserved("as") && is_reserved("time"));
    }
}
