"""Models of LightGBM: every objective of one output, every booster, every kind of missing value."""

import lightgbm as lgb
import numpy as np

from cases import CATEGORIES, CHAIN, EXPLAINED, TRAIN_ROWS, probes, staircase, table, target, tree_count

OBJECTIVES = [
    "binary", "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie",
    "cross_entropy", "cross_entropy_lambda", "sqrt", "sigmoid", "lambdarank", "constant", "none",
]
# Those of regression, which all take `reg_sqrt`, whatever becomes of it.
ROOTED = ["regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"]


def label(objective, y):
    """The target in the range that the objective asks for."""
    if objective in ("binary", "sigmoid"):
        return (y > np.quantile(y, 0.8)).astype(float)
    if objective in ("cross_entropy", "cross_entropy_lambda"):
        return 1 / (1 + np.exp(-(y - y.mean())))
    if objective in ("poisson", "gamma", "tweedie"):
        return np.abs(y) + 0.1
    if objective == "lambdarank":
        return np.digitize(y, np.quantile(y, [0.5, 0.8, 0.95]))
    return np.full(len(y), 2.5) if objective == "constant" else y


def thresholds(model):
    """Thresholds by column."""
    edges = {}
    for line in model.split("\n"):
        key, _, value = line.partition("=")
        if key == "split_feature":
            features = value.split()
        elif key == "threshold":
            for feature, number in zip(features, value.split()):
                edges.setdefault(int(feature), []).append(float(number))
    return edges


def chain(folder, rng, rows):
    """One tree that is a chain."""
    x, y = staircase(rng)
    params = {"objective": "regression", "verbose": -1, "num_threads": 1, "max_depth": CHAIN, "num_leaves": CHAIN + 1,
              "min_data_in_leaf": 1, "min_data_in_bin": 1, "min_sum_hessian_in_leaf": 0.0, "boost_from_average": False,
              "learning_rate": 1.0}
    booster = lgb.train(params, lgb.Dataset(x, y), 1)
    rows_ = probes(rng, x, thresholds(booster.model_to_string()), rows, True, False, infinite=True)
    folder.write(
        "lightgbm-chain", booster.model_to_string().encode(), "txt", rows_, booster.predict(rows_, raw_score=True),
        booster.predict(rows_), True, f"a chain of {CHAIN}", booster.predict(rows_[:EXPLAINED], pred_contrib=True),
    )


def make(folder, rng, number, rows, trees_max):
    """One model; the number runs through what must each be there, the rest is drawn."""
    name = OBJECTIVES[number % len(OBJECTIVES)]
    booster = ["gbdt", "gbdt", "rf", "dart", "goss"][number % 5]
    missing, categorical = bool(rng.random() < 0.7), bool(rng.random() < 0.5)
    trees = tree_count(rng, number, trees_max)
    depth = int(rng.integers(1, 31))
    params = {
        "objective": {"sqrt": "regression", "sigmoid": "binary", "constant": "regression"}.get(name, name),
        "boosting": "gbdt" if booster == "goss" else booster, "verbose": -1, "num_threads": 1,
        "seed": int(rng.integers(1 << 30)), "max_depth": depth, "num_leaves": int(rng.integers(2, 256)),
        "min_data_in_leaf": int(rng.choice([1, 5, 20])), "min_sum_hessian_in_leaf": 0.0,
        "learning_rate": float(rng.choice([0.02, 0.1, 0.5])), "zero_as_missing": bool(rng.random() < 0.3),
        "use_missing": bool(rng.random() < 0.85), "boost_from_average": bool(rng.random() < 0.7),
        "max_cat_to_onehot": int(rng.choice([1, 4, 300])), "cat_smooth": 1.0, "min_data_per_group": 5,
        "reg_sqrt": name == "sqrt" or (name in ROOTED and bool(rng.random() < 0.4)), "sigmoid": 0.7 if name == "sigmoid" else 1.0,
        "max_bin": int(rng.choice([15, 255])),
    }
    if booster == "rf":
        params |= {"bagging_freq": 1, "bagging_fraction": 0.6, "feature_fraction": 0.8}
    if booster == "goss":
        params["data_sample_strategy"] = "goss"
    x = table(rng, TRAIN_ROWS, missing, categorical)
    y = label(name, target(rng, x))
    group = [20] * (TRAIN_ROWS // 20) if name == "lambdarank" else None
    data = lgb.Dataset(x, y, group=group, categorical_feature=CATEGORIES if categorical else [])
    if name == "none":
        params["objective"] = lambda scores, data: (scores - data.get_label(), np.ones_like(scores))
        if booster == "rf":
            return
    try:
        booster_ = lgb.train(params, data, trees)
    except lgb.basic.LightGBMError:
        return  # its own checks fail on some draws
    model = booster_.model_to_string()
    if any("inf" in line for line in model.split("\n") if line.startswith("leaf_value=")):
        return  # training ran off: no model
    rows_ = probes(rng, x, thresholds(model), rows, missing, categorical, infinite=True)
    parts = booster_.predict(rows_[:EXPLAINED], pred_contrib=True)
    if booster == "rf":
        parts /= booster_.num_trees()  # it leaves contributions to a mean as a sum
    folder.write(
        f"lightgbm-{name}", model.encode(), "txt", rows_, booster_.predict(rows_, raw_score=True),
        booster_.predict(rows_), True, f"{booster}, {booster_.num_trees()} trees, depth {depth}",
        parts,
    )
