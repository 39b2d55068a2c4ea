//! `riskctl rules demoted` and `rules turn-on`: what the daemon's guard has in shadow, and having it act again.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{Actor, AdminAddress, segment};
use crate::outcome::{Ended, Outcome};
use crate::print::{self, Table};

pub const SHOW_EXAMPLES: &str = "Example:\n  riskctl rules demoted";
pub const TURN_ON_EXAMPLES: &str = "Example:\n  riskctl rules turn-on large-from-new-device --by 'Li Na'";

/// What to show.
#[derive(Args, Debug)]
pub struct Show {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminAddress,
}

/// What to turn on.
#[derive(Args, Debug)]
pub struct TurnOn {
    /// Id of the rule, limit or breaker
    id: String,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    admin: AdminAddress,
}

/// Exit code 1 when something is demoted.
pub fn show(options: &Show) -> Outcome {
    let reply = options.admin.send("GET", "/v1/demoted", "application/json", b"")?;
    let Demoted { demoted: rows } = reply.json(200)?;
    let ended = if rows.is_empty() { Ended::Clean } else { Ended::Found };
    if options.json {
        print::raw(&print::pretty(&reply.json::<Value>(200)?));
    } else if rows.is_empty() {
        print::out("nothing is demoted\n");
    } else {
        let mut table = Table::new(&["id", "time", "refused", "checks", "share_max_percent", "learned"]);
        for Row { id, time, refused, checks, share_max_percent, learned } in rows {
            table.row([
                json!(id),
                json!(time),
                json!(refused),
                json!(checks),
                json!(share_max_percent),
                json!(learned),
            ]);
        }
        table.print(false);
    }
    Ok(ended)
}

/// Exit code 1 when it was not demoted.
pub fn turn_on(options: &TurnOn) -> Outcome {
    let TurnOn { id, actor, admin } = options;
    let path = format!("/v1/demoted/{}", segment(id));
    let reply = admin.change("DELETE", &path, "application/json", b"", actor)?;
    if reply.is_not_found("id") {
        print::out(&format!("{id} is not demoted\n"));
        return Ok(Ended::Found);
    }
    let TurnedOn { by } = reply.json(200)?;
    print::out(&format!("{id} acts again, turned on by {}\n", print::visible(&by)));
    Ok(Ended::Clean)
}

/// Shapes of replies: what must be there for them to be believed. More may be.
#[derive(Deserialize)]
struct Demoted {
    demoted: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    time: String,
    refused: u64,
    checks: u64,
    share_max_percent: f64,
    learned: bool,
}

#[derive(Deserialize)]
struct TurnedOn {
    by: String,
}
