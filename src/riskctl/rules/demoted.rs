//! `riskctl rules demoted` and `rules turn-on`: what the daemon's guard has in shadow, and having it act again.

use clap::Args;
use serde_json::Value;

use crate::http::{Actor, AdminAddress, segment};
use crate::outcome::{Ended, Failure, Outcome};
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
    let value = options.admin.call("GET", "/v1/demoted", "application/json", b"")?;
    let rows = value["demoted"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ended = if rows.is_empty() { Ended::Clean } else { Ended::Found };
    if options.json {
        print::out(&print::pretty(&value));
    } else if rows.is_empty() {
        print::out("nothing is demoted\n");
    } else {
        let columns = ["id", "time", "refused", "checks", "share_max_percent", "learned"];
        let mut table = Table::new(&columns);
        for row in rows {
            table.row(columns.iter().map(|column| row[*column].clone()));
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
    if reply.status == 404 {
        print::out(&format!("{id} is not demoted\n"));
        return Ok(Ended::Found);
    }
    let value: Value = reply.json()?;
    let by = value["by"].as_str().ok_or_else(|| Failure("the daemon does not say who".to_owned()))?;
    print::out(&format!("{id} acts again, turned on by {by}\n"));
    Ok(Ended::Clean)
}
