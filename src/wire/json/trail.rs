//! Where a reader stands in the document, so that an error names its field.
//!
//! serde's own errors carry a sentence and a position, no path. Readers share one trail: they note the field
//! they are in (two stores, no allocation) and leave the precise error here before they hand serde an empty one.

use std::cell::{Cell, RefCell};

use serde::de;

use crate::bounds::{self, Refusal};
use crate::error::{DecodeError, ErrorCode};
use crate::near::{nearest, shortened};

/// The reader's place and the error found there.
#[derive(Default)]
pub(crate) struct Trail {
    /// Object within the document, such as `device`; empty at the top.
    pub object: Cell<&'static str>,
    /// Field being read; empty between fields.
    pub field: Cell<&'static str>,
    /// Name from outside within the object, set once something is wrong with it.
    name: RefCell<String>,
    fault: RefCell<Option<DecodeError>>,
}

impl Trail {
    fn path(&self) -> String {
        match (self.object.get(), self.field.get(), self.name.borrow().as_str()) {
            ("", field, _) => field.to_owned(),
            (object, "", "") => object.to_owned(),
            (object, "", name) => format!("{object}.{name}"),
            (object, field, _) => format!("{object}.{field}"),
        }
    }

    /// The fault lies in the field of that name, which the caller chose.
    #[cold]
    pub fn within(&self, name: &str) {
        self.name.replace(shortened(name));
    }

    /// Refuses the value of the current field.
    #[cold]
    pub fn refuse<E: de::Error>(&self, refusal: Refusal) -> E {
        self.fail(refusal.at(self.path()))
    }

    /// Refuses the current field by name.
    #[cold]
    pub fn missing<E: de::Error>(&self, field: &'static str) -> E {
        self.field.set(field);
        self.refuse(bounds::missing(field))
    }

    /// Refuses the document with that error.
    #[cold]
    pub fn fail<E: de::Error>(&self, error: DecodeError) -> E {
        self.fault.replace(Some(error));
        E::custom("")
    }

    /// Refuses a name that no field of this object has, and offers the nearest.
    #[cold]
    pub fn unknown<'n, E: de::Error>(&self, found: &str, known: impl Iterator<Item = &'n str>) -> E {
        let found = shortened(found);
        let mut message = format!("no field is called `{found}`");
        if let Some(near) = nearest(&found, known) {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        let path =
            if self.object.get().is_empty() { found } else { format!("{}.{found}", self.object.get()) };
        self.fail(DecodeError::new(ErrorCode::Unknown, path, message))
    }

    /// The precise error, once serde has returned its own.
    #[cold]
    pub fn explain(&self, error: &serde_json::Error) -> DecodeError {
        if let Some(fault) = self.fault.take() {
            return fault;
        }
        let code = match error.classify() {
            serde_json::error::Category::Data => ErrorCode::WrongType,
            _ => ErrorCode::Malformed,
        };
        DecodeError::new(code, self.path(), error.to_string())
    }
}
