"""Models of XGBoost: both boosters, JSON and UBJSON, categories as partitions and one against all, forests in a round."""

import numpy as np
import xgboost as xgb

from cases import CATEGORIES, CHAIN, EXPLAINED, TRAIN_ROWS, WIDTH, probes, staircase, table, target, tree_count

OBJECTIVES = [
    "binary:logistic", "reg:squarederror", "binary:logitraw", "reg:logistic", "binary:hinge", "count:poisson",
    "reg:gamma", "reg:tweedie", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror",
    "reg:quantileerror", "survival:cox", "survival:aft", "rank:pairwise", "constant",
]


def matrix(objective, x, y, types, rng):
    """The training data with labels in the range that the objective asks for."""
    label = y
    if objective.startswith("binary") or objective == "reg:logistic":
        label = (y > np.quantile(y, 0.8)).astype(float)
    elif objective in ("count:poisson", "reg:gamma", "reg:tweedie", "reg:squaredlogerror", "survival:cox", "survival:aft"):
        label = np.abs(y) + 0.1
    elif objective == "rank:pairwise":
        label = np.digitize(y, np.quantile(y, [0.5, 0.8, 0.95]))
    elif objective == "constant":
        label = np.full(len(y), 2.5)
    data = xgb.DMatrix(x, label, feature_types=types, enable_categorical=True)
    if objective == "survival:aft":
        data.set_float_info("label_lower_bound", label)
        data.set_float_info("label_upper_bound", label * rng.choice([1.0, 2.0], len(y)))
    if objective == "rank:pairwise":
        data.set_group([20] * (len(y) // 20))
    return data


def thresholds(booster):
    """Thresholds by column."""
    edges = {}
    frame = booster.trees_to_dataframe()
    frame = frame[(frame.Feature != "Leaf") & frame.Split.notna()]
    for feature, split in zip(frame.Feature, frame.Split):
        edges.setdefault(int(feature[1:]), []).append(float(split))
    return edges


def chain(folder, rng, rows):
    """One tree that is a chain."""
    x, y = staircase(rng)
    params = {"objective": "reg:squarederror", "tree_method": "exact", "max_depth": CHAIN, "eta": 1.0, "nthread": 1,
              "min_child_weight": 0.0, "lambda": 0.0, "base_score": 0.0, "verbosity": 0}
    booster = xgb.train(params, xgb.DMatrix(x, y), 1)
    rows_ = probes(rng, x, thresholds(booster), rows, True, False, infinite=False)
    data = xgb.DMatrix(rows_)
    folder.write(
        "xgboost-chain", bytes(booster.save_raw("ubj")), "ubj", rows_, booster.predict(data, output_margin=True),
        booster.predict(data), True, f"a chain of {CHAIN}",
        booster.predict(xgb.DMatrix(rows_[:EXPLAINED]), pred_contribs=True),
    )


def make(folder, rng, number, rows, trees_max):
    """One model; the number runs through what must each be there, the rest is drawn."""
    name = OBJECTIVES[number % len(OBJECTIVES)]
    missing, categorical = bool(rng.random() < 0.7), bool(rng.random() < 0.5)
    method = ["hist", "approx", "hist", "exact"][number % 4]
    categorical &= method != "exact"
    dart, forest = number % 5 == 3, number % 6 == 5
    rounds = tree_count(rng, number, trees_max)
    rounds = max(1, rounds // 4) if forest or dart else rounds
    depth = int(rng.integers(1, 31))
    params = {
        "objective": "reg:squarederror" if name == "constant" else name, "booster": "dart" if dart else "gbtree",
        "tree_method": method, "max_depth": depth, "eta": float(rng.choice([0.02, 0.1, 0.5])), "nthread": 1,
        "min_child_weight": float(rng.choice([0.0, 1.0, 5.0])), "seed": int(rng.integers(1 << 30)),
        "max_cat_to_onehot": int(rng.choice([1, 8, 300])), "verbosity": 0, "rate_drop": 0.2 if dart else 0.0,
    }
    if method != "exact" and rng.random() < 0.5:
        params |= {"grow_policy": "lossguide", "max_leaves": int(rng.integers(2, 256))}
    if forest:
        params |= {"num_parallel_tree": 4, "subsample": 0.7, "colsample_bytree": 0.7}
    if rng.random() < 0.4 and name not in ("survival:cox", "survival:aft", "reg:absoluteerror", "reg:quantileerror"):
        params["base_score"] = float(rng.choice([0.3, 0.5, 0.77]))
    if name == "reg:quantileerror":
        params["quantile_alpha"] = 0.7
    types = ["c" if categorical and column in CATEGORIES else "q" for column in range(WIDTH)]
    x = table(rng, TRAIN_ROWS, missing, categorical)
    booster = xgb.train(params, matrix(name, x, target(rng, x), types, rng), rounds)
    rows_ = probes(rng, x, thresholds(booster), rows, missing, categorical, infinite=False)
    data = xgb.DMatrix(rows_, feature_types=types, enable_categorical=True)
    explained = xgb.DMatrix(rows_[:EXPLAINED], feature_types=types, enable_categorical=True)
    ending = "json" if number % 2 else "ubj"
    folder.write(
        f"xgboost-{name.replace(':', '-')}", bytes(booster.save_raw(ending)), ending, rows_,
        booster.predict(data, output_margin=True), booster.predict(data), True,
        f"{'dart' if dart else method}, {len(booster.get_dump())} trees, depth {depth}",
        booster.predict(explained, pred_contribs=True),
    )
