//! Rows of CSV and Parquet files, and labelled event streams made of them by a mapping: each row becomes the JSON body of a
//! check with its time and truth, for the daemon's own decoder to read.
//!
//! A room of its own so that it can be fuzzed, and so that nothing else links Arrow.

#![forbid(unsafe_code)]

mod cell;
mod clock;
mod column;
mod comma;
mod days;
mod error;
mod feedback;
mod maker;
mod mapping;
mod parquet_file;
mod quotes;
mod stream;
mod table;

pub use cell::{Cell, Moment};
pub use clock::{parse_instant, show as show_instant};
pub use days::days;
pub use error::{Place, ReadError};
pub use maker::Truth;
pub use mapping::{JsonType, Mapping};
pub use parquet_file::quiet_damage;
pub use stream::{Event, Labels, Stream};
pub use table::{Format, Row, Rows, Table};
