//! Strict reading of a line of CSV (RFC 4180, a record a line). A quote that is not closed on its line, or that stands within a
//! field, is an error: whatever reads on to the next quote swallows the lines between.

use std::borrow::Cow;

/// The fields of a line, without the spaces around them.
///
/// # Errors
/// What is wrong with a quote.
pub(super) fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let mut fields = Vec::with_capacity(4);
    let mut rest = line;
    loop {
        let field = rest.trim_start_matches([' ', '\t']);
        let (field, after) = match field.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = field.find(',').unwrap_or(field.len());
                let (field, after) = field.split_at(end);
                if field.contains('"') {
                    return Err(
                        "a quote within a field: put the whole field in quotes, and double the quotes in it"
                            .to_owned(),
                    );
                }
                (Cow::Borrowed(field.trim_end_matches([' ', '\t'])), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

/// A field whose quote was opened just before, and what comes after it: nothing, or a comma and more.
fn quoted_field(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    let mut from = 0;
    let end = loop {
        let at = from + text[from..].find('"').ok_or("a quote is not closed on its line")?;
        if !text[at + 1..].starts_with('"') {
            break at;
        }
        from = at + 2;
    };
    let field = &text[..end];
    let field = if field.contains('"') { Cow::Owned(field.replace("\"\"", "\"")) } else { field.into() };
    let after = text[end + 1..].trim_start_matches([' ', '\t']);
    if after.is_empty() || after.starts_with(',') {
        Ok((field, after))
    } else {
        Err("text after a closing quote: double the quotes within a field".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_read_as_rfc_4180_has_it() {
        for (line, expected) in [
            ("a,b,c", &["a", "b", "c"][..]),
            (" a , b c ,", &["a", "b c", ""]),
            ("\"b,c\", \" kept \" ,x", &["b,c", " kept ", "x"]),
            ("\"say \"\"no\"\"\",\"\",\"\"\"\"", &["say \"no\"", "", "\""]),
            ("", &[""]),
            (",", &["", ""]),
            ("微信,\"红包\"", &["微信", "红包"]),
        ] {
            assert_eq!(fields(line).unwrap(), expected, "{line}");
        }
        for line in ["\"a", "a,\"b", "\"a\"b", "\"a\" b,c", "a\"b", "a,b\"", "\"a\"\"", "\"\"a\""] {
            assert!(fields(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(texts in prop::collection::vec("[ -~é微]{0,8}", 1..5)) {
            let quoted: Vec<String> = texts.iter().map(|text| format!("\"{}\"", text.replace('"', "\"\""))).collect();
            let line = quoted.join(",");
            prop_assert_eq!(fields(&line).unwrap(), texts);
        }

        #[test]
        fn any_line_is_fields_or_an_error(line in "[\", a微]{0,40}") {
            let _ = fields(&line);
        }
    }
}
