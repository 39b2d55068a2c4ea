"""Small models of the libraries that are installed, with their own answers, as src/model/import/samples holds them: what unit
tests read whole, and what the fuzz targets start from.

    samples.py FOLDER json|ubj

Made once for each version of XGBoost, in an environment of its own; the other libraries where it finds them.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import xgboost as xgb

FOLDER, ENDING = Path(sys.argv[1]), sys.argv[2]
rng = np.random.default_rng(1)
x = np.column_stack([rng.normal(size=400).round(2), rng.integers(0, 7, 400), rng.normal(size=400)])
x[rng.random(400) < 0.1, 2] = np.nan
y = ((x[:, 0] > 0.3) ^ np.isin(x[:, 1], [2, 5]) | np.isnan(x[:, 2])).astype(float)
rows = np.vstack([x[:12], [[0.31, 2, np.nan], [0.3, 6, 0.0], [np.nan, np.nan, np.nan]]])


def write(folder, name, model, rows, scores):
    (FOLDER / folder).mkdir(parents=True, exist_ok=True)
    (FOLDER / folder / name).write_bytes(model)
    (FOLDER / "answers").mkdir(exist_ok=True)
    with open(FOLDER / "answers" / f"{name}.csv", "w") as file:
        for row, score in zip(rows, scores):
            print(",".join(repr(float(number)) for number in [*row, score]), file=file)


def xgboost():
    types = {"feature_types": ["q", "c", "q"], "feature_names": ["amount", "kind", "age"], "enable_categorical": True}
    params = {"objective": "binary:logistic", "max_depth": 3, "tree_method": "hist", "base_score": 0.3, "max_cat_to_onehot": 3}
    booster = xgb.train(params, xgb.DMatrix(x, y, **types), 3)
    model = bytes(booster.save_raw(ENDING))
    write(f"xgboost_{ENDING}", f"xgboost-{xgb.__version__}.{ENDING}", model, rows, booster.predict(xgb.DMatrix(rows, **types)))


def lightgbm():
    import lightgbm as lgb

    params = {"objective": "binary", "num_leaves": 5, "max_cat_to_onehot": 3, "verbose": -1, "min_data_per_group": 5}
    data = lgb.Dataset(x, y, feature_name=["amount", "kind", "age"], categorical_feature=[1])
    booster = lgb.train(params, data, 3)
    model, _, _ = booster.model_to_string().partition("parameters:")
    write("lightgbm", f"lightgbm-{lgb.__version__}.txt", model.rstrip().encode() + b"\n", rows, booster.predict(rows))


def onnx():
    import onnx_cases
    from skl2onnx import to_onnx
    from sklearn import ensemble

    filled, asked = np.nan_to_num(x).astype(np.float32), np.nan_to_num(rows).astype(np.float32)
    versions = {"": 15, "ai.onnx.ml": 3}
    for name, settings in [
        ("GradientBoostingClassifier", {"n_estimators": 2, "max_depth": 2}),
        ("RandomForestRegressor", {"n_estimators": 2, "max_depth": 2}),
    ]:
        trained = getattr(ensemble, name)(random_state=1, **settings).fit(filled, y)
        model = to_onnx(trained, filled[:1], target_opset=versions)
        write("onnx", f"{name}.onnx", model.SerializeToString(), asked, onnx_cases.scores(model, asked))
    trained = ensemble.IsolationForest(n_estimators=2, max_samples=8, random_state=1).fit(filled)
    model = to_onnx(trained, filled[:1], target_opset=versions)
    write("onnx", "IsolationForest.onnx", model.SerializeToString(), asked, -trained.score_samples(asked))


xgboost()
if importlib.util.find_spec("lightgbm") and importlib.util.find_spec("skl2onnx"):
    lightgbm()
    onnx()
