//! `riskctl list`: entries of the daemon's lists, through its admin address.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::http::{Actor, AdminAddress, segment};
use crate::outcome::{Ended, Failure, Outcome};
use crate::print::{self, Table};

const JSON: &str = "application/json";

/// Commands over lists.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put a key on a list, or change what its entry says
    #[command(
        after_help = "Example:\n  riskctl list add bad_devices d-7731 --reason 'device farm' --expires 2027-03-01"
    )]
    Add(Add),
    /// Take a key off a list
    #[command(after_help = "Example:\n  riskctl list remove bad_devices d-7731")]
    Remove(Key),
    /// Put the entries of a file on a list, all of them or none: CSV (key,reason,source,expires), a key a line, NDJSON, or JSON as
    /// `list export` and `list show --json` give it
    #[command(
        after_help = "Examples:\n  riskctl list import bad_networks tor.csv\n  curl -s https://feed.example/drop.txt | riskctl list import bad_networks -"
    )]
    Import(Import),
    /// Put the entries of a file in the place of all that a list has; checks see the old list until they see the new, whole
    #[command(after_help = "Example:\n  riskctl list replace bad_networks tor.csv")]
    Replace(Import),
    /// Print all entries of a list, as `list import` reads them
    #[command(after_help = "Example:\n  riskctl list export bad_networks > bad_networks.csv")]
    Export(Export),
    /// Show the lists there are, a list, or the entry of a key
    #[command(
        after_help = "Examples:\n  riskctl list show\n  riskctl list show bad_devices --count 20\n  riskctl list show bad_devices d-7731"
    )]
    Show(Show),
}

/// A key of a list.
#[derive(Args, Debug)]
pub struct Key {
    /// The list
    list: String,
    /// The key
    key: String,
    #[command(flatten)]
    admin: AdminAddress,
}

/// An entry.
#[derive(Args, Debug)]
pub struct Add {
    #[command(flatten)]
    key: Key,
    /// Why it is there
    #[arg(long)]
    reason: Option<String>,
    /// Where it comes from
    #[arg(long)]
    source: Option<String>,
    /// When it ends: a day, which is over as it begins where the policy is at home, or an RFC 3339 time
    #[arg(long)]
    expires: Option<String>,
    /// Take a network that holds a large part of all addresses
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    actor: Actor,
}

/// A file of entries.
#[derive(Args, Debug)]
pub struct Import {
    /// The list
    list: String,
    /// The file; `-` is standard input
    file: PathBuf,
    /// Take networks that hold a large part of all addresses, and a replacement that takes most entries away
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    admin: AdminAddress,
}

/// What to export.
#[derive(Args, Debug)]
pub struct Export {
    /// The list
    list: String,
    /// One JSON object a line instead of CSV
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminAddress,
}

/// What to show.
#[derive(Args, Debug)]
pub struct Show {
    /// The list; all of them by default
    list: Option<String>,
    /// The key; a page of the list by default
    key: Option<String>,
    /// Start after this key
    #[arg(long, default_value = "")]
    after: String,
    /// Entries of the page
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminAddress,
}

/// Runs one of them.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Add(options) => add(options),
        Command::Remove(Key { list, key, admin }) => remove(list, key, admin),
        Command::Import(options) => import(options, "POST"),
        Command::Replace(options) => import(options, "PUT"),
        Command::Export(options) => export(options),
        Command::Show(options) => show(options),
    }
}

fn add(options: &Add) -> Outcome {
    let Key { list, key, admin } = &options.key;
    let given = [("reason", &options.reason), ("source", &options.source), ("expires", &options.expires)];
    let given = given.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?))));
    let entry = Value::Object(given.collect::<Map<_, _>>()).to_string();
    let path = format!("/v1/lists/{}/{}{}", segment(list), segment(key), forced(options.force));
    let reply = admin.change("PUT", &path, JSON, entry.as_bytes(), &options.actor)?;
    let entry: Entry = reply.json(200)?;
    // The daemon keeps a key in its canonical form.
    let written = if entry.key == *key { String::new() } else { format!(", which is how {key} is written") };
    print::out(&format!("{} is on {list}{written}\n", print::visible(&entry.key)));
    Ok(Ended::Clean)
}

/// Exit code 1 when the key was not on the list.
fn remove(list: &str, key: &str, admin: &AdminAddress) -> Outcome {
    let path = format!("/v1/lists/{}/{}", segment(list), segment(key));
    let reply = admin.send("DELETE", &path, JSON, b"")?;
    if reply.is_not_found("key") {
        print::out(&format!("{}\n", print::visible(&reply.message().unwrap_or_default())));
        return Ok(Ended::Found);
    }
    reply.empty(204)?;
    print::out(&format!("{key} is off {list}\n"));
    Ok(Ended::Clean)
}

/// Exit code 1 when lines are at fault; they are all shown.
fn import(options: &Import, method: &str) -> Outcome {
    let failed = |error| Failure::of(options.file.display(), error);
    let body = if options.file.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).map_err(failed)?;
        body
    } else {
        std::fs::read(&options.file).map_err(failed)?
    };
    // The daemon sees what else it is.
    let csv = options.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let kind = if csv { "text/csv" } else { "application/octet-stream" };
    let path = format!("/v1/lists/{}{}", segment(&options.list), forced(options.force));
    let reply = options.admin.change(method, &path, kind, &body, &options.actor)?;
    if reply.status == 400
        && let Ok(Faulty { lines }) = reply.shaped()
    {
        for Line { line, message } in lines {
            print::out(&format!("{}:{line}: {}\n", options.file.display(), print::visible(&message)));
        }
        print::out("nothing was changed\n");
        return Ok(Ended::Found);
    }
    let Imported { list, entries } = reply.json(200)?;
    reply.is_of_list(&options.list, &list)?;
    let (entries, list) = (print::thousands(entries), &options.list);
    print::out(&match method {
        "PUT" => format!("{list} was replaced: {entries} entries\n"),
        _ => format!("{entries} entries added to {list}\n"),
    });
    Ok(Ended::Clean)
}

/// Entries of a page of an export.
const EXPORT_PAGE: usize = 10_000;

/// Pages are printed as they come; one that is not whole is an error.
fn export(options: &Export) -> Outcome {
    let (mut after, mut several_lines) = (String::new(), 0);
    let mut head = if options.json { "" } else { "key,reason,source,expires\n" };
    loop {
        let (list, from) = (segment(&options.list), segment(&after));
        let path = format!("/v1/lists/{list}?count={EXPORT_PAGE}&after={from}&in_force=true");
        let reply = options.admin.send("GET", &path, JSON, b"")?;
        let page: ExportPage = reply.json(200)?;
        reply.is_of_list(&options.list, &page.list)?;
        print::raw(std::mem::take(&mut head));
        for Exported { key, reason, source, expires } in page.entries {
            let texts = [Some(key), reason, source, expires];
            if options.json {
                let named = ["key", "reason", "source", "expires"].into_iter().zip(texts);
                let given = named.filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
                print::raw(&format!("{}\n", Value::Object(given.collect::<Map<_, _>>())));
            } else {
                several_lines += usize::from(texts.iter().flatten().any(|text| text.contains('\n')));
                let fields = texts.map(|text| quoted(&text.unwrap_or_default()));
                print::raw(&format!("{}\n", fields.join(",")));
            }
        }
        match page.next {
            None => break,
            Some(next) if next > after => after = next,
            Some(_) => {
                return Err(
                    "the pages of the list are not in order: what was printed is not all of it".into()
                );
            }
        }
    }
    if several_lines > 0 {
        print::note(&format!(
            "texts of {} go over lines, which `list import` takes as JSON alone: see --json",
            print::counted(several_lines, "entry")
        ));
    }
    Ok(Ended::Clean)
}

/// A field of CSV. Control characters are kept, within quotes: tabs and line ends are part of a text.
fn quoted(text: &str) -> String {
    let plain =
        text.trim() == text && !text.contains(|c: char| c.is_control() || matches!(c, ',' | '"' | '#'));
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

fn forced(force: bool) -> &'static str {
    if force { "?force=true" } else { "" }
}

fn show(options: &Show) -> Outcome {
    let path = match (&options.list, &options.key) {
        (None, _) => "/v1/lists".to_owned(),
        (Some(list), Some(key)) => format!("/v1/lists/{}/{}", segment(list), segment(key)),
        (Some(list), None) => {
            format!("/v1/lists/{}?count={}&after={}", segment(list), options.count, segment(&options.after))
        }
    };
    let reply = options.admin.send("GET", &path, JSON, b"")?;
    let value: Value = reply.json(200)?;
    const LISTS: &[&str] = &["list", "matching", "entries"];
    const ENTRIES: &[&str] = &["key", "reason", "source", "expires", "by", "added"];
    let (columns, rows, next) = match (&options.list, &options.key) {
        (None, _) => {
            let Lists { lists } = reply.shaped()?;
            (LISTS, rows(&value["lists"], lists.len())?, None)
        }
        (Some(_), Some(_)) => {
            let Entry { .. } = reply.shaped()?;
            (ENTRIES, vec![value.clone()], None)
        }
        (Some(asked), None) => {
            let Page { list, entries, next } = reply.shaped()?;
            reply.is_of_list(asked, &list)?;
            (ENTRIES, rows(&value["entries"], entries.len())?, next)
        }
    };
    if options.json {
        print::raw(&print::pretty(&value));
        return Ok(Ended::Clean);
    }
    let mut table = Table::new(columns);
    for row in rows {
        table.row(columns.iter().map(|column| row[*column].clone()));
    }
    table.print(false);
    if let Some(next) = next {
        print::out(&format!("more: --after '{}'\n", print::visible(&next)));
    }
    Ok(Ended::Clean)
}

/// The rows of a reply whose shape was read.
fn rows(value: &Value, count: usize) -> Result<Vec<Value>, Failure> {
    value.as_array().filter(|rows| rows.len() == count).cloned().ok_or_else(|| "the reply has no rows".into())
}

/// Shapes of replies: what must be there for them to be believed. More may be.
#[derive(Deserialize)]
struct Entry {
    key: String,
}

#[derive(Deserialize)]
struct Imported {
    list: String,
    entries: u64,
}

#[derive(Deserialize)]
struct Faulty {
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    line: u64,
    message: String,
}

#[derive(Deserialize)]
struct Lists {
    lists: Vec<ListRow>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "named so that a reply without them is refused")]
struct ListRow {
    list: String,
    matching: String,
    entries: u64,
}

#[derive(Deserialize)]
struct ExportPage {
    list: String,
    entries: Vec<Exported>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Exported {
    key: String,
    reason: Option<String>,
    source: Option<String>,
    expires: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    list: String,
    entries: Vec<Entry>,
    next: Option<String>,
}
