//! The files of a policy: read within bounds, in the order of their names, and hashed to the policy's version.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::limits::{FILE_BYTES_MAX, FILES_MAX, TOTAL_BYTES_MAX};

/// One source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name shown in diagnostics: the file's name within the directory.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Whether the text is absent because it cannot be read, which was told of.
    pub(crate) refused: bool,
}

/// Every source of a compilation, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    pub(crate) files: Vec<Source>,
}

/// Line and column of a byte, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
}

impl Sources {
    /// Texts as they are, each under its name; those beyond the bounds of a policy are left out.
    pub fn new(texts: &[(&str, &str)]) -> Sources {
        Sources::of_texts(texts, &mut Sink::default())
    }

    /// The sources themselves.
    pub fn files(&self) -> &[Source] {
        &self.files
    }

    /// The name of the file of that place.
    pub fn name(&self, place: Place) -> &str {
        self.files.get(usize::from(place.file)).map_or("", |file| &file.name)
    }

    /// The bytes of its file that a place stands for: within the text and between characters, the end not before the start.
    pub(crate) fn span(&self, place: Place) -> Range<usize> {
        let text = self.files.get(usize::from(place.file)).map_or("", |file| &file.text);
        let start = text.floor_char_boundary(place.start as usize);
        start..text.ceil_char_boundary(place.end as usize).max(start)
    }

    /// The text at that place.
    pub fn text(&self, place: Place) -> &str {
        let file = self.files.get(usize::from(place.file));
        file.map_or("", |file| &file.text[self.span(place)])
    }

    /// Where the place begins.
    pub fn position(&self, place: Place) -> Position {
        self.position_of(place.file, self.span(place).start)
    }

    /// One past where it ends.
    pub(crate) fn end_position(&self, place: Place) -> Position {
        self.position_of(place.file, self.span(place).end)
    }

    /// Lines end as they do in YAML: with a line feed, a carriage return, or both.
    fn position_of(&self, file: u16, byte: usize) -> Position {
        let text = self.files.get(usize::from(file)).map_or("", |file| &file.text);
        let bytes = text.as_bytes();
        let ends_line = |at: &usize| match bytes[*at] {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        let ends = || (0..byte).filter(ends_line);
        let line_start = ends().next_back().map_or(0, |at| at + 1);
        Position { line: ends().count() + 1, column: text[line_start..byte].chars().count() + 1 }
    }

    /// `file:line:column` of a place.
    pub fn location(&self, place: Place) -> String {
        let Position { line, column } = self.position(place);
        format!("{}:{line}:{column}", self.name(place))
    }

    /// The version of these sources: the first half of a SHA-256 over names and texts, as 16 hexadecimal digits.
    pub fn version(&self) -> String {
        let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
        for file in &self.files {
            for part in [&file.name, &file.text] {
                hash.update(&(part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        hex::encode(&hash.finish().as_ref()[..8])
    }

    /// Sources given as texts.
    pub(crate) fn of_texts(texts: &[(&str, &str)], sink: &mut Sink) -> Sources {
        let mut sources = Sources::default();
        let mut sorted: Vec<_> = texts.to_vec();
        sorted.sort_by_key(|&(name, _)| name);
        for (name, text) in sorted {
            if !sources.add(name, text.as_bytes(), sink) {
                break;
            }
        }
        sources
    }

    /// The `.yaml` and `.yml` files of a directory. Folders within it are not entered.
    pub(crate) fn of_dir(dir: &Path, sink: &mut Sink) -> Sources {
        let mut sources = Sources::default();
        let mut names = match file_names(dir) {
            Ok(names) => names,
            Err(error) => {
                sources.refuse(&dir.display().to_string(), &format!("cannot be read: {error}"), sink);
                return sources;
            }
        };
        names.sort();
        if names.is_empty() {
            sources.refuse(&dir.display().to_string(), "holds no .yaml file", sink);
        }
        for name in names {
            let more = match read_bounded(&dir.join(&name)) {
                Ok(bytes) => sources.add(&name, &bytes, sink),
                Err(error) => {
                    sources.refuse(&name, &format!("cannot be read: {error}"), sink);
                    true
                }
            };
            if !more {
                break;
            }
        }
        sources
    }

    /// Takes a file in; false when no more may follow.
    fn add(&mut self, name: &str, bytes: &[u8], sink: &mut Sink) -> bool {
        let total: usize = self.files.iter().map(|file| file.text.len()).sum();
        if self.files.len() >= FILES_MAX {
            self.refuse(name, &format!("is one too many: a policy has at most {FILES_MAX} files"), sink);
            return false;
        }
        if bytes.len() > FILE_BYTES_MAX {
            self.refuse(name, &format!("is longer than {FILE_BYTES_MAX} bytes"), sink);
            return true;
        }
        if total + bytes.len() > TOTAL_BYTES_MAX {
            self.refuse(name, &format!("takes the policy over {TOTAL_BYTES_MAX} bytes"), sink);
            return false;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                self.files.push(Source { name: name.to_owned(), text: text.to_owned(), refused: false })
            }
            Err(error) => {
                let message = format!("is not UTF-8 at byte {}", error.valid_up_to());
                self.refuse(name, &message, sink);
            }
        }
        true
    }

    fn refuse(&mut self, name: &str, message: &str, sink: &mut Sink) {
        let place = Place { file: self.files.len() as u16, start: 0, end: 0 };
        self.files.push(Source { name: name.to_owned(), text: String::new(), refused: true });
        sink.push(Diagnostic::error(Code::Source, place, format!("{name} {message}")));
    }
}

fn file_names(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_rules = name.ends_with(".yaml") || name.ends_with(".yml");
        // `metadata` follows links: mounted volumes hold their files as links.
        if is_rules && !name.starts_with('.') && std::fs::metadata(dir.join(&name))?.is_file() {
            names.push(name);
        }
        if names.len() > FILES_MAX {
            break;
        }
    }
    Ok(names)
}

/// At most one byte more than the bound, which is enough to know that it is passed.
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_the_version_follows_the_content() {
        let mut sink = Sink::default();
        let sources = Sources::of_texts(&[("b.yaml", "名: x\ny: 1"), ("a.yaml", "")], &mut sink);
        assert_eq!(sources.files[0].name, "a.yaml");
        assert_eq!(sources.location(Place { file: 1, start: 5, end: 6 }), "b.yaml:1:4");
        assert_eq!(sources.location(Place { file: 1, start: 7, end: 8 }), "b.yaml:2:1");
        assert_eq!(sources.version().len(), 16);
        let other = Sources::of_texts(&[("b.yaml", "名: x\ny: 2"), ("a.yaml", "")], &mut sink);
        assert_ne!(sources.version(), other.version());
    }
}
