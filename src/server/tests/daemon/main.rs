//! The daemon as its callers see it: started in this process on free ports, asked over real sockets.

mod admin;
mod bad_input;
mod bad_models;
mod breakers;
mod challenges;
mod clock;
mod drift;
mod explained;
mod fields;
mod frames;
mod guard;
mod harness;
mod hostile;
mod http;
mod journal_fails;
mod life;
mod limit_of_ten;
mod limits;
mod lists;
mod models;
mod reload;
mod shadow;
mod watched;
