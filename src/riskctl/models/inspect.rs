//! `riskctl model inspect`: every check a model must pass, then what it is.

use std::path::PathBuf;

use clap::Args;
use engine::forest::{Node, Tree};
use model::manifest::Training;
use serde_json::{Value, json};

use crate::outcome::{Ended, Outcome};
use crate::print::{self, Table, thousands};

/// Shown after the help.
pub const EXAMPLES: &str = "Example:\n  riskctl model inspect models/redpacket";

/// What to look into.
#[derive(Args, Debug)]
pub struct Options {
    /// The model's folder
    model: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints manifest and shape; exit code 1 when the model is refused.
pub fn run(options: &Options) -> Outcome {
    let artefact = match model::read(&options.model) {
        Ok(artefact) => artefact,
        Err(error) => {
            let refused = json!({ "refused": error.to_string() });
            let text = format!("refused: {error}\n");
            print::out(&if options.json { print::pretty(&refused) } else { text });
            return Ok(Ended::Found);
        }
    };
    let (manifest, trees) = (&artefact.manifest, &artefact.forest.trees);
    let nodes: usize = trees.iter().map(|tree| tree.nodes.len()).sum();
    let depth = trees.iter().map(depth).max().unwrap_or(0);
    let mut inputs: Vec<_> = manifest.inputs.iter().collect();
    inputs.sort_by(|a, b| b.splits.total_cmp(&a.splits));
    let mut table = Table::new(&["input", "unit", "share of splits"]);
    for input in inputs {
        table.row([
            Value::from(input.name.as_str()),
            Value::from(input.unit.as_str()),
            print::decimals(Some(input.splits), 3),
        ]);
    }
    if options.json {
        print::out(&print::pretty(&json!({
            "version": artefact.forest.version,
            "format": manifest.format,
            "objective": manifest.objective,
            "calibration": manifest.calibration,
            "trees": trees.len(),
            "nodes": nodes,
            "depth": depth,
            "vectors": manifest.vectors.len(),
            "training": manifest.training,
            "source": manifest.source,
            "inputs": table.to_json(),
        })));
        return Ok(Ended::Clean);
    }
    let mut text = format!(
        "{}   {}\n{} trees, {} nodes, at most {depth} deep; {} test vectors reproduce\n\
         score        {}\ncalibration  {}\n",
        artefact.forest.version,
        manifest.format,
        trees.len(),
        thousands(nodes as u64),
        manifest.vectors.len(),
        manifest.objective,
        manifest.calibration,
    );
    if let Some(training) = &manifest.training {
        text += &trained(training);
    }
    if let Some(source) = &manifest.source {
        text += &format!(
            "read from    {}, {} of {}\nby           {}\n",
            source.file, source.format, source.library, source.command
        );
        text.extend(source.notes.iter().map(|note| format!("note         {note}\n")));
    }
    print::out(&format!("{text}\n{}", table.to_text()));
    Ok(Ended::Clean)
}

/// What it was trained on, and how good it was on later rows.
fn trained(training: &Training) -> String {
    let mut text = format!(
        "trained on   {}, {} to {}: {} rows, {} of them fraud\nwith         {}\nby           {}\n",
        training.data,
        training.from,
        training.to,
        thousands(training.rows as u64),
        thousands(training.frauds as u64),
        training.library,
        training.command,
    );
    if let Some(quality) = &training.held_out {
        text += &format!(
            "held out     {} later rows, {} of them fraud: AUC {:.3}, average precision {:.3}, recall {:.3} at 1 % and {:.3} at 0.1 % false positives\n",
            thousands(quality.rows as u64),
            thousands(quality.frauds as u64),
            quality.roc_auc,
            quality.average_precision,
            quality.recall_at_1_percent,
            quality.recall_at_0_1_percent,
        );
    }
    text
}

/// Most splits from the root to a leaf. Children stand anywhere, so that depths go down with a stack.
fn depth(tree: &Tree) -> usize {
    let mut deepest = 0;
    let mut open = vec![(0_u32, 0_usize)];
    while let Some((at, depth)) = open.pop() {
        match &tree.nodes[at as usize] {
            Node::Leaf(_) => deepest = deepest.max(depth),
            Node::Split(split) => open.extend([(split.left, depth + 1), (split.right, depth + 1)]),
        }
    }
    deepest
}
