//! What is believed of a reply: its status must be the expected one, its content JSON, and of the expected shape. Anything else
//! did not come from the daemon, or not whole, and "nothing is demoted" must not be read out of it.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::outcome::Failure;
use crate::print::visible;

/// A reply that arrived whole, as far as its head says.
pub struct Reply {
    /// Whom it comes from, for messages.
    pub from: String,
    /// HTTP status.
    pub status: u16,
    /// Content type.
    pub kind: String,
    /// The body.
    pub body: Vec<u8>,
}

/// The daemon's error object.
#[derive(Deserialize)]
struct Refused {
    error: RefusedError,
}

#[derive(Deserialize)]
struct RefusedError {
    code: String,
    #[serde(default)]
    field: String,
    message: String,
}

/// Longest piece of a strange reply that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 120;

impl Reply {
    /// The reply's JSON, if its status is the expected one.
    ///
    /// # Errors
    /// What the daemon says when it refuses; or what is wrong with the reply.
    pub fn json<T: DeserializeOwned>(&self, expected: u16) -> Result<T, Failure> {
        if self.status == expected { self.shaped() } else { Err(self.refusal()) }
    }

    /// Whether the daemon says that what that field of the request names is not there. A 404 of somebody else, or of an unknown
    /// list, is no such word.
    pub fn is_not_found(&self, field: &str) -> bool {
        let absent = |error: RefusedError| error.code == "not_found" && error.field == field;
        self.status == 404 && self.error().is_some_and(absent)
    }

    /// Checks that the reply tells of the list that was asked about.
    ///
    /// # Errors
    /// It tells of another.
    pub fn is_of_list(&self, asked: &str, told: &str) -> Result<(), Failure> {
        if asked == told {
            Ok(())
        } else {
            Err(self.strange(&format!("tells of another list, `{}`", visible(told))))
        }
    }

    /// Checks that the reply has that status and nothing in it.
    ///
    /// # Errors
    /// As [`Reply::json`].
    pub fn empty(&self, expected: u16) -> Result<(), Failure> {
        if self.status == expected && self.body.is_empty() { Ok(()) } else { Err(self.refusal()) }
    }

    /// The JSON of a reply of that status, which may be a refusal with more than an error in it.
    ///
    /// # Errors
    /// The content is not JSON, or not of that shape.
    pub fn shaped<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if !self.is_json() {
            return Err(self.strange("is not JSON"));
        }
        serde_json::from_slice(&self.body).map_err(|error| self.strange(&format!("cannot be read ({error})")))
    }

    /// Why the daemon refused, or that the reply is none of its own.
    pub fn refusal(&self) -> Failure {
        match self.error() {
            Some(error) if !(200..300).contains(&self.status) => {
                Failure(format!("refused ({}): {}", self.status, visible(&error.message)))
            }
            _ => self.strange("is none that riskd gives to this call"),
        }
    }

    /// The daemon's own words for the refusal.
    pub fn message(&self) -> Option<String> {
        self.error().map(|error| error.message)
    }

    fn error(&self) -> Option<RefusedError> {
        let refused = self.is_json().then(|| serde_json::from_slice::<Refused>(&self.body).ok());
        refused.flatten().map(|refused| refused.error)
    }

    fn is_json(&self) -> bool {
        let kind = self.kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    }

    fn strange(&self, why: &str) -> Failure {
        let text = String::from_utf8_lossy(&self.body);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = text.chars().take(SHOWN_CHARS_MAX).map(plain).collect();
        let shown = visible(&shown);
        let begins =
            if shown.is_empty() { String::new() } else { format!(", which begins `{}`", shown.trim()) };
        let kind = if self.kind.is_empty() { "no content type" } else { &self.kind };
        Failure(format!(
            "the reply of {} {why}: status {}, {kind}, {} bytes{begins}; is it the admin address of riskd, and of this version?",
            self.from,
            self.status,
            self.body.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn reply(status: u16, kind: &str, body: &str) -> Reply {
        Reply { from: "here".to_owned(), status, kind: kind.to_owned(), body: body.into() }
    }

    #[test]
    fn only_json_of_the_expected_status_and_shape_is_believed() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Shape {
            entries: u64,
        }
        let json = "application/json";
        let good = reply(200, "Application/JSON; charset=utf-8", r#"{"entries":3,"more":1}"#);
        assert_eq!(good.json::<Shape>(200).unwrap(), Shape { entries: 3 });
        for (status, kind, body) in [
            (200, json, r#"{"entries":3"#),
            (200, json, r#"{"entries":"3"}"#),
            (200, json, "{}"),
            (200, json, "[]"),
            (200, json, "null"),
            (200, json, ""),
            (200, "text/html", r#"{"entries":3}"#),
            (200, "", r#"{"entries":3}"#),
            (201, json, r#"{"entries":3}"#),
            (302, json, r#"{"entries":3}"#),
            (500, "text/plain", "boom"),
        ] {
            let failure = reply(status, kind, body).json::<Shape>(200).unwrap_err();
            assert!(failure.0.contains("the reply of here"), "{status} {kind} {body}: {}", failure.0);
        }
        let refused = reply(400, json, r#"{"error":{"code":"malformed","field":"","message":"no"}}"#);
        assert_eq!(refused.json::<Value>(200).unwrap_err().0, "refused (400): no");
    }

    #[test]
    fn not_found_is_what_the_daemon_says_and_not_a_page_of_somebody_else() {
        let body = r#"{"error":{"code":"not_found","field":"key","message":"it is not on list x"}}"#;
        assert!(reply(404, "application/json", body).is_not_found("key"));
        assert!(!reply(404, "application/json", body).is_not_found("id"));
        assert!(!reply(404, "text/html", "<html>not found</html>").is_not_found("key"));
        assert!(!reply(404, "application/json", "{}").is_not_found("key"));
        assert!(!reply(200, "application/json", body).is_not_found("key"));
    }
}
