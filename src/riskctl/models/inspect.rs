//! `riskctl model inspect`: every check a model must pass, then what it is.

use std::path::PathBuf;

use clap::Args;
use engine::feature::FeatureTable;
use engine::forest::{Node, Tree};
use model::explain::METHOD;
use model::manifest::{Manifest, Training};
use model::{Artefact, Explainer, inputs};
use serde_json::{Value, json};

use crate::outcome::{Ended, Outcome};
use crate::print::{self, Table, decimals, thousands};

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl model inspect models/redpacket\n  \
    riskctl model inspect models/redpacket --rules rules --json";

/// What to look into.
#[derive(Args, Debug)]
pub struct Options {
    /// The model's folder
    model: PathBuf,
    /// Policy that shall use it: its features must be what the inputs were in training
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints manifest and shape; exit code 1 when the model is refused.
pub fn run(options: &Options) -> Outcome {
    let features = match &options.rules {
        Some(rules) => crate::rules::compile(rules)?.features,
        None => FeatureTable::default(),
    };
    let artefact = match sound(options, &features) {
        Ok(artefact) => artefact,
        Err(why) => {
            let (refused, text) = (json!({ "refused": why }), format!("refused: {why}\n"));
            if options.json {
                print::raw(&print::pretty(&refused));
            } else {
                print::out(&text);
            }
            return Ok(Ended::Found);
        }
    };
    let look = Look::of(artefact, &features);
    if options.json {
        print::raw(&print::pretty(&look.json()));
    } else {
        print::out(&look.text());
    }
    Ok(Ended::Clean)
}

/// The model, if it passes; or why not.
fn sound(options: &Options, features: &FeatureTable) -> Result<Artefact, String> {
    let artefact = model::read(&options.model).map_err(|error| error.to_string())?;
    if options.rules.is_some() {
        model::check_inputs(&artefact.manifest, features).map_err(|error| error.to_string())?;
    }
    Ok(artefact)
}

/// All that is shown.
struct Look {
    manifest: Manifest,
    explainer: Explainer,
    nodes: usize,
    leaves: usize,
    depth: usize,
    /// In the model's order.
    inputs: Vec<Seen>,
}

/// An input as it is shown.
struct Seen {
    name: String,
    unit: String,
    /// Its value where an event has none, as far as the manifest or the feature table tells.
    missing: Option<f64>,
    splits: f64,
    gain: Option<f64>,
    cover: Option<f64>,
    /// Mean size of its contributions over the test vectors.
    size: f64,
}

impl Look {
    fn of(artefact: Artefact, features: &FeatureTable) -> Look {
        let Artefact { manifest, forest, covers } = artefact;
        let covered = covers.importances(&forest);
        let explainer = Explainer::new(forest, &covers);
        let sizes = explainer.mean_sizes(manifest.vectors.iter().map(|vector| vector.inputs.as_slice()));
        let sizes = sizes.unwrap_or_default();
        let inputs = manifest.inputs.iter().enumerate().map(|(place, input)| Seen {
            name: input.name.clone(),
            unit: input.unit.clone(),
            missing: input.missing.or_else(|| inputs::of(&input.name, features).missing),
            splits: input.splits,
            gain: input.gain,
            cover: covered.as_ref().map(|covered| covered[place]),
            size: sizes.get(place).copied().unwrap_or(0.0),
        });
        let trees = &explainer.forest().trees;
        let nodes: usize = trees.iter().map(|tree| tree.nodes.len()).sum();
        Look {
            nodes,
            // Every split has two children, and only roots are nobody's.
            leaves: usize::midpoint(nodes, trees.len()),
            depth: trees.iter().map(depth).max().unwrap_or(0),
            inputs: inputs.collect(),
            manifest,
            explainer,
        }
    }

    fn json(&self) -> Value {
        let (manifest, forest) = (&self.manifest, self.explainer.forest());
        let input = |input: &Seen| {
            json!({
                "input": input.name,
                "unit": input.unit,
                "missing": input.missing.filter(|missing| !missing.is_nan()),
                "splits": input.splits,
                "gain": input.gain,
                "cover": decimals(input.cover, 6),
                "contribution": input.size,
            })
        };
        json!({
            "version": forest.version,
            "format": manifest.format,
            "sha256": manifest.sha256,
            "objective": manifest.objective,
            "transform": manifest.transform,
            "mean": manifest.mean,
            "inputs_as": manifest.inputs_as,
            "sums_as": manifest.sums_as,
            "calibration": manifest.calibration,
            "platt": manifest.platt,
            "isotonic": manifest.isotonic,
            "trees": forest.trees.len(),
            "nodes": self.nodes,
            "leaves": self.leaves,
            "depth": self.depth,
            "vectors": manifest.vectors.len(),
            "explanation": { "method": METHOD, "covers": manifest.covers, "base": self.explainer.base() },
            "training": manifest.training,
            "source": manifest.source,
            "inputs": self.inputs.iter().map(input).collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let (manifest, forest) = (&self.manifest, self.explainer.forest());
        let mut text = format!(
            "{}   {}, SHA-256 {}\n{} trees, {} nodes, {} leaves, at most {} deep; {} test vectors reproduce\n\
             score        {}\ncalibration  {}\nexplained    {METHOD} from base {}; covers: {}\n",
            forest.version,
            manifest.format,
            manifest.sha256,
            forest.trees.len(),
            thousands(self.nodes as u64),
            thousands(self.leaves as u64),
            self.depth,
            manifest.vectors.len(),
            manifest.objective,
            manifest.calibration,
            self.explainer.base(),
            manifest.covers.describe(),
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
        format!("{text}\n{}", self.table().to_text())
    }

    /// What did most over the test vectors first; `#` is the place in the model's order.
    fn table(&self) -> Table {
        let names =
            ["#", "input", "unit", "if missing", "mean |contribution|", "of splits", "of gain", "of cover"];
        let mut table = Table::new(&names);
        let mut inputs: Vec<_> = self.inputs.iter().enumerate().collect();
        inputs.sort_by(|(_, a), (_, b)| b.size.total_cmp(&a.size).then(b.splits.total_cmp(&a.splits)));
        for (place, input) in inputs {
            table.row([
                Value::from(place + 1),
                Value::from(input.name.as_str()),
                Value::from(input.unit.as_str()),
                // Whole numbers without decimals; NaN is what the check's own missing number is.
                input.missing.map_or(Value::Null, |missing| Value::from(missing.to_string())),
                decimals(Some(input.size), 4),
                decimals(Some(input.splits), 3),
                decimals(input.gain, 3),
                decimals(input.cover, 3),
            ]);
        }
        table
    }
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
