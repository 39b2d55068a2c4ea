//! Quotes of CSV, watched as the bytes go by. A reader that is lenient about them takes a stray quote for the beginning of a
//! field, and all rows up to the next one for its text.

/// Longest field in quotes, in bytes: a quote that opens by mistake must not read on through the whole file.
const QUOTED_BYTES_MAX: usize = 1 << 20;

/// Bytes that a text file may begin with, and which are no part of its first field.
const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Where in a record the bytes are.
#[derive(Clone, Copy, PartialEq)]
enum At {
    /// A field begins.
    Start,
    /// Within a field that has no quotes about it.
    Plain,
    /// Within quotes.
    Quoted,
    /// After a quote that closes a field, or is the first of two that stand for one.
    Closed,
}

/// What has gone by.
pub struct Quotes {
    at: At,
    line: u64,
    /// The line that the quotes opened on, and the bytes since.
    opened: u64,
    quoted: usize,
    /// Bytes of a mark at the beginning of the file.
    mark: usize,
}

impl Quotes {
    /// At the beginning of a file.
    pub fn new() -> Quotes {
        Quotes { at: At::Start, line: 1, opened: 1, quoted: 0, mark: 0 }
    }

    /// Takes what comes next.
    ///
    /// # Errors
    /// The first quote that is not where RFC 4180 has it, with its line.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut bytes = bytes;
        while let Some((first, rest)) = bytes.split_first()
            && MARK.get(self.mark) == Some(first)
        {
            self.mark += 1;
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.mark = MARK.len();
        }
        bytes.iter().try_for_each(|byte| self.byte(*byte))
    }

    fn byte(&mut self, byte: u8) -> Result<(), String> {
        self.at = match (self.at, byte) {
            (At::Start, b'"') => {
                (self.opened, self.quoted) = (self.line, 0);
                At::Quoted
            }
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) => {
                self.quoted += 1;
                if self.quoted > QUOTED_BYTES_MAX {
                    let opened = self.opened;
                    return Err(format!(
                        "line {opened}: a quote opens and is not closed within {QUOTED_BYTES_MAX} bytes"
                    ));
                }
                At::Quoted
            }
            // Two quotes stand for one.
            (At::Closed, b'"') => At::Quoted,
            (_, b',' | b'\n' | b'\r') => At::Start,
            (At::Closed, _) => return Err(self.text_after()),
            (At::Plain, b'"') => {
                return Err(format!(
                    "line {}: a quote within a field: put the whole field in quotes, and double the quotes in it",
                    self.line
                ));
            }
            (At::Start | At::Plain, _) => At::Plain,
        };
        self.line += u64::from(byte == b'\n');
        Ok(())
    }

    fn text_after(&self) -> String {
        let opened = match self.opened {
            line if line == self.line => String::new(),
            line => format!(", which opened on line {line}"),
        };
        format!("line {}: text after a closing quote{opened}: double the quotes within a field", self.line)
    }

    /// The end of the file.
    ///
    /// # Errors
    /// If a quote is still open.
    pub fn end(&self) -> Result<(), String> {
        match self.at {
            At::Quoted => Err(format!("line {}: a quote opens and is not closed", self.opened)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, step: usize) -> Result<(), String> {
        let mut quotes = Quotes::new();
        text.as_bytes().chunks(step).try_for_each(|bytes| quotes.pass(bytes))?;
        quotes.end()
    }

    #[test]
    fn quotes_stand_about_whole_fields() {
        for step in [1, 2, 1000] {
            for good in [
                "",
                "a,b\n1,2\n",
                "\u{feff}\"a\",b\n",
                "a\n\"one\ntwo\"\n",
                "a,b\r\n\"say \"\"no\"\"\",\"\"\r\n",
                "a,b\n\"x\",\"y\"",
            ] {
                assert_eq!(read(good, step), Ok(()), "{good:?}");
            }
            for (bad, why) in [
                ("a\nx\"y\n", "line 2: a quote within a field"),
                ("a\n \"y\"\n", "line 2: a quote within a field"),
                ("a\n\"x\"y\n", "line 2: text after a closing quote: double"),
                ("a\n\"x\" ,y\n", "line 2: text after a closing quote"),
                ("a\n\"x\n1\n\"y\"\n", "line 4: text after a closing quote, which opened on line 2"),
                ("a\n1\n\"x\n", "line 3: a quote opens and is not closed"),
                ("a\n\"x", "line 2: a quote opens"),
                ("\"a\"b\n", "line 1: text after"),
            ] {
                let found = read(bad, step).unwrap_err();
                assert!(found.starts_with(why), "{bad:?}: {found}");
            }
        }
        let long = format!("a\n\"{}\"\n", "x".repeat(QUOTED_BYTES_MAX + 1));
        assert!(read(&long, 4096).unwrap_err().starts_with("line 2: a quote opens and is not closed within"));
    }
}
