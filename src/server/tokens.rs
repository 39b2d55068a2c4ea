//! Keys of sealed QR tokens, from a file that only the daemon's user reads: a line a key, its id (0 to 255) and 64
//! hexadecimal digits, newest first. New tokens are sealed with the first; all of them open. To rotate: add a line on top,
//! reload, and take the old line out once its tokens have ended.

use std::fmt;
use std::path::{Path, PathBuf};

use engine::token::TokenKey;
use ring::rand::{SecureRandom, SystemRandom};

use crate::files;

/// Most keys: ids are one byte.
const KEYS_MAX: usize = 256;

/// Why there are no keys.
#[derive(Debug)]
pub enum KeysError {
    /// The file cannot be read or made.
    File(PathBuf, std::io::Error),
    /// A line is no key.
    Line(PathBuf, usize, String),
    /// The system gives no random bytes.
    Random,
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeysError::File(path, error) => write!(f, "{}: {error}", path.display()),
            KeysError::Line(path, line, why) => write!(f, "{}:{line}: {why}", path.display()),
            KeysError::Random => f.write_str("the system gives no random bytes"),
        }
    }
}

impl std::error::Error for KeysError {}

/// Reads the keys, or makes a first one if the file is not there.
pub fn load_or_make(path: &Path) -> Result<Vec<TokenKey>, KeysError> {
    let file = |error| KeysError::File(path.to_owned(), error);
    if !path.exists() {
        let line = format!("1 {}\n", hex::encode(random::<32>()?));
        files::write_secret(path, line.as_bytes()).map_err(file)?;
    }
    parse(&std::fs::read_to_string(path).map_err(file)?)
        .map_err(|(line, why)| KeysError::Line(path.to_owned(), line, why))
}

/// Reads the keys of a file's text.
///
/// # Errors
/// The first line that is no key, and why. Never shows the line: it may be most of a key.
pub fn parse(text: &str) -> Result<Vec<TokenKey>, (usize, String)> {
    let mut keys: Vec<TokenKey> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |why: &str| (at + 1, why.to_owned());
        let (id, key) =
            line.split_once(char::is_whitespace).ok_or_else(|| fault("expected an id and a key"))?;
        let id: u8 = id.parse().map_err(|_| fault("expected an id from 0 to 255"))?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(key.trim(), &mut bytes)
            .map_err(|_| fault("expected a key of 64 hexadecimal digits"))?;
        if keys.len() == KEYS_MAX || keys.iter().any(|key| key.id() == id) {
            return Err(fault("another key has this id"));
        }
        keys.push(TokenKey::new(id, bytes));
    }
    if keys.is_empty() { Err((1, "there is no key".to_owned())) } else { Ok(keys) }
}

/// Random bytes for keys and nonces.
pub fn random<const N: usize>() -> Result<[u8; N], KeysError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeysError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_key_is_made_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.keys");
        assert_eq!(load_or_make(&path).unwrap().len(), 1);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(load_or_make(&path).unwrap()[0].id(), 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn faulty_lines_are_named_by_number_and_never_shown() {
        let key = "0".repeat(64);
        let many = format!("# newest first\n2 {key}\n\n1 {key}\n");
        assert_eq!(parse(&many).unwrap().iter().map(TokenKey::id).collect::<Vec<_>>(), [2, 1]);
        for (text, line) in [
            ("", 1),
            ("# none", 1),
            ("1 abc", 1),
            (&*format!("1 {key}\n256 {key}"), 2),
            (&*format!("1 {key}\n1 {key}"), 2),
            ("deadbeef", 1),
        ] {
            let (found, why) = parse(text).unwrap_err();
            assert_eq!(found, line);
            assert!(!why.contains("abc") && !why.contains("beef"));
        }
    }
}
