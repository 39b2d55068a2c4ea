//! The whole check, measured: the reference policy over a million accounts, by stage, in batches of 1 and 64.
//!
//! A library beside the program, so that tests run the same site and traffic small and count its allocations.
#![forbid(unsafe_code)]

pub mod codec;
pub mod explain;
pub mod forest;
pub mod forests;
pub mod lists;
pub mod machine;
#[cfg(feature = "peers")]
mod peers;
pub mod reload;
pub mod report;
pub mod rules;
pub mod run;
pub mod site;
pub mod traffic;
pub mod velocity;
