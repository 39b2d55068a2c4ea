"""What random models seldom meet: base scores at the ends of what each objective of XGBoost takes, and every way in which LightGBM
and XGBoost tell missing values and categories, asked for categories that are fractions, negative or not known."""

import itertools
import json

import lightgbm as lgb
import numpy as np
import xgboost as xgb

import lightgbm_cases
import xgboost_cases
from cases import CATEGORIES, TRAIN_ROWS, WIDTH, probes, table, target

ROWS = 64
BASES = [-0.5, 0.0, 1e-30, 1e-16, 1e-7, 1e-6, 2e-6, 0.3, 0.999999, 0.9999999, 1.0, 1.5, 1e30]


def bases(folder, rng):
    x = table(rng, 60, False, False)
    y, types = target(rng, x), ["q"] * WIDTH
    objectives = [objective for objective in xgboost_cases.OBJECTIVES if objective != "constant"]
    for objective, base in itertools.product(objectives, BASES):
        params = {"objective": objective, "base_score": base, "max_depth": 2, "nthread": 1, "verbosity": 0}
        if objective == "reg:quantileerror":
            params["quantile_alpha"] = 0.7
        try:
            booster = xgb.train(params, xgboost_cases.matrix(objective, x, y, types, rng), 2)
            model = bytes(booster.save_raw("json"))
            rows = probes(rng, x, xgboost_cases.thresholds(booster), ROWS, True, False, infinite=False)
            data = xgb.DMatrix(rows)
            raw, score = booster.predict(data, output_margin=True), booster.predict(data)
        except (xgb.core.XGBoostError, ValueError):
            continue  # the library takes no such base, or its trees are all one leaf
        kept = json.loads(model)["learner"]["learner_model_param"]["base_score"]
        refused = None if np.isfinite(raw).all() else "cannot start"
        folder.write("edges-base", model, "json", rows, raw, score, True, f"{objective}, base_score {base} kept as {kept}",
                     refused=refused)


def lightgbm_categories(folder, rng):
    for use_missing, zero_as_missing, one_hot, missing in itertools.product([True, False], repeat=4):
        params = {
            "objective": "regression", "verbose": -1, "num_threads": 1, "num_leaves": 12, "min_data_in_leaf": 3,
            "use_missing": use_missing, "zero_as_missing": zero_as_missing, "max_cat_to_onehot": 300 if one_hot else 1,
            "cat_smooth": 1.0, "min_data_per_group": 5,
        }
        x = table(rng, TRAIN_ROWS, missing, True)
        booster = lgb.train(params, lgb.Dataset(x, target(rng, x), categorical_feature=CATEGORIES), 4)
        model = booster.model_to_string()
        rows = probes(rng, x, lightgbm_cases.thresholds(model), ROWS * 4, missing, True, infinite=True)
        folder.write("edges-lightgbm", model.encode(), "txt", rows, booster.predict(rows, raw_score=True),
                     booster.predict(rows), True, f"missing {use_missing} {zero_as_missing} {missing}, one hot {one_hot}")


def xgboost_categories(folder, rng):
    types = ["c" if column in CATEGORIES else "q" for column in range(WIDTH)]
    for method, one_hot, missing in itertools.product(["hist", "approx"], [True, False], [True, False]):
        params = {"objective": "reg:squarederror", "tree_method": method, "max_depth": 4, "nthread": 1, "verbosity": 0,
                  "max_cat_to_onehot": 300 if one_hot else 1}
        x = table(rng, TRAIN_ROWS, missing, True)
        booster = xgb.train(params, xgboost_cases.matrix("reg:squarederror", x, target(rng, x), types, rng), 4)
        rows = probes(rng, x, xgboost_cases.thresholds(booster), ROWS * 4, missing, True, infinite=False)
        data = xgb.DMatrix(rows, feature_types=types, enable_categorical=True)
        folder.write("edges-xgboost", bytes(booster.save_raw("ubj")), "ubj", rows, booster.predict(data, output_margin=True),
                     booster.predict(data), True, f"{method}, missing {missing}, one hot {one_hot}")


def make_all(folder, rng):
    bases(folder, rng)
    lightgbm_categories(folder, rng)
    xgboost_categories(folder, rng)
