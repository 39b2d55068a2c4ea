//! The models of a snapshot: the champion, whose score decides; one for what is odd; and challengers, which watch.
//!
//! All of them read one matrix, whose columns are the features that any of them reads: it is filled once for a group of
//! checks. Their trees are renumbered to it here, so that a forest knows nothing of other forests.

mod stage;
mod tally;

use crate::feature::{FeatureId, FeatureTable, Type};
use crate::forest::{Forest, ForestError, ForestSpec, Node};
use crate::limits::{CHALLENGERS_MAX, FOREST_INPUTS_MAX, MODEL_VERSION_BYTES_MAX};
use crate::snapshot::BuildError;

pub(crate) use stage::{Challenged, score, uncount};
pub use tally::{SCORE_BOUNDS, ScoreTally};

/// What a model's score is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Its score is the verdict's: the feature `model_score`.
    Champion,
    /// Its score is read by rules alone: the feature `anomaly_score`.
    Anomaly,
    /// Its score is recorded and never acts.
    Challenger,
}

impl Role {
    /// Name in metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Champion => "champion",
            Role::Anomaly => "anomaly",
            Role::Challenger => "challenger",
        }
    }
}

/// A model that is recorded and never acts.
#[derive(Clone, Debug, PartialEq)]
pub struct Challenger {
    /// The model.
    pub forest: ForestSpec,
    /// Share of accounts whose checks it scores, in percent, chosen by a keyed hash of the account. Smaller shares are parts
    /// of larger ones, so that challengers can be compared with each other, and have nothing to do with samples of rules.
    pub share_percent: u8,
}

/// A model of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded<'a> {
    /// What it is for.
    pub role: Role,
    /// Its version.
    pub version: &'a str,
    /// Share of accounts whose checks it scores.
    pub share_percent: u8,
}

/// The models of a snapshot.
#[derive(Default)]
pub(crate) struct Models {
    champion: Option<Model>,
    anomaly: Option<Model>,
    challengers: Vec<Model>,
    /// Columns of the matrix, with their types: first those of the models that act.
    matrix: Vec<(FeatureId, Type)>,
    /// How many of them those are.
    acting: usize,
}

struct Model {
    version: String,
    forest: Forest,
    /// The columns it reads, each once.
    reads: Vec<usize>,
    share_percent: u8,
}

impl Models {
    /// Checks the models and lays them out.
    pub fn build(
        features: &FeatureTable,
        champion: Option<ForestSpec>,
        anomaly: Option<ForestSpec>,
        challengers: Vec<Challenger>,
    ) -> Result<Models, BuildError> {
        let too_many = |what, count, max| Err(BuildError::TooMany { what, count, max });
        if challengers.len() > CHALLENGERS_MAX {
            return too_many("challengers", challengers.len(), CHALLENGERS_MAX);
        }
        let mut matrix = Vec::new();
        let champion = champion.map(|spec| place(features, spec, 100, &mut matrix)).transpose()?;
        let anomaly = anomaly.map(|spec| place(features, spec, 100, &mut matrix)).transpose()?;
        let acting = matrix.len();
        let challengers = challengers
            .into_iter()
            .map(|one| place(features, one.forest, one.share_percent, &mut matrix))
            .collect::<Result<Vec<_>, _>>()?;
        if matrix.len() > FOREST_INPUTS_MAX {
            return too_many("features that the models read together", matrix.len(), FOREST_INPUTS_MAX);
        }
        let names: Vec<String> = matrix.iter().map(|&(id, _)| features.row(id).name.clone()).collect();
        let lay = |placed: Placed| placed.lay(&names);
        Ok(Models {
            champion: champion.map(lay).transpose()?,
            anomaly: anomaly.map(lay).transpose()?,
            challengers: challengers.into_iter().map(lay).collect::<Result<_, _>>()?,
            matrix,
            acting,
        })
    }

    /// Every model, in the order of [`ScoreTally`].
    pub fn loaded(&self) -> impl Iterator<Item = Loaded<'_>> {
        let champion = self.champion.iter().map(|model| (Role::Champion, model));
        let anomaly = self.anomaly.iter().map(|model| (Role::Anomaly, model));
        let challengers = self.challengers.iter().map(|model| (Role::Challenger, model));
        champion.chain(anomaly).chain(challengers).map(|(role, model)| Loaded {
            role,
            version: &model.version,
            share_percent: model.share_percent,
        })
    }

    /// Version of the model for what is odd; empty without one.
    pub fn anomaly_version(&self) -> &str {
        self.anomaly.as_ref().map_or("", |model| &model.version)
    }

    /// Versions of the challengers, in the order of what the scratch keeps of them.
    pub fn challengers(&self) -> impl Iterator<Item = &str> {
        self.challengers.iter().map(|model| model.version.as_str())
    }

    /// The forests, for the memory that they need.
    pub fn forests(&self) -> impl Iterator<Item = &Forest> {
        self.champion.iter().chain(&self.anomaly).chain(&self.challengers).map(|model| &model.forest)
    }
}

/// A model whose inputs have their places in the matrix.
struct Placed {
    spec: ForestSpec,
    places: Vec<usize>,
    share_percent: u8,
}

fn place(
    features: &FeatureTable,
    spec: ForestSpec,
    share_percent: u8,
    matrix: &mut Vec<(FeatureId, Type)>,
) -> Result<Placed, BuildError> {
    if spec.version.len() > MODEL_VERSION_BYTES_MAX {
        let (what, count) = ("bytes of a model's version", spec.version.len());
        return Err(BuildError::TooMany { what, count, max: MODEL_VERSION_BYTES_MAX });
    }
    // A model that reads a model's score would depend on the order they are asked in.
    let mut place_of = |name: &String| {
        let found = features.find(name).filter(|id| !id.is_score());
        let found = found.map(|id| (id, features.row(id).ty)).filter(|(_, ty)| *ty != Type::Text);
        let column = found.ok_or_else(|| BuildError::UnknownInput(name.clone()))?;
        Ok(matrix.iter().position(|known| *known == column).unwrap_or_else(|| {
            matrix.push(column);
            matrix.len() - 1
        }))
    };
    let places = spec.inputs.iter().map(&mut place_of).collect::<Result<_, _>>()?;
    Ok(Placed { spec, places, share_percent })
}

impl Placed {
    /// Lays the trees out over the matrix, whose columns have these names.
    fn lay(mut self, names: &[String]) -> Result<Model, BuildError> {
        let inputs = self.places.len();
        for node in self.spec.trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
            if let Node::Split(split) = node {
                let Some(&place) = self.places.get(usize::from(split.input)) else {
                    let why = format!("{} reads input {} of {inputs}", self.spec.version, split.input);
                    return Err(BuildError::Forest(ForestError(why)));
                };
                split.input = place as u16;
            }
        }
        self.spec.inputs = names.to_vec();
        let forest = Forest::new(&self.spec).map_err(BuildError::Forest)?;
        let mut reads = self.places;
        reads.sort_unstable();
        reads.dedup();
        Ok(Model { version: self.spec.version, forest, reads, share_percent: self.share_percent })
    }
}
