//! A labelled event stream from a file: rows by a mapping, each as the JSON body of a check with its time and truth.

mod clock;
mod mapping;
mod rows;
mod stream;

pub use clock::{parse_instant, show as show_instant};
pub use mapping::Mapping;
pub use rows::{Cell, Rows};
pub use stream::{Event, Stream};
