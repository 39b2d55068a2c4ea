"""The card stream by its published protocol: train on some days, leave 7 for labels to arrive, test on the next 7.

Every model is measured in the same way: `riskctl replay` with it, so that features, score and report are the daemon's.
The number of boosted trees is chosen on the fold before the first, whose labels are all known when the first test week
begins; all other settings are the defaults, or stand here.
"""

import datetime
import json
import pathlib
import subprocess
import sys
import time

import lightgbm
import numpy
import pyarrow.compute
import pyarrow.parquet
import sklearn.ensemble
import sklearn.metrics

STREAM, PLACE = sys.argv[1], pathlib.Path(sys.argv[2])
RULES = "models/card_stream/rules"
REPLAY = ["replay", STREAM, "--map", "models/maps/card_stream.toml", "--rules", RULES]
# They tell how long the stream has been running.
NOT_FEATURES = ["account_age_s", "account_events"]
BEFORE_WINDOWS = ["amount", "hour", "weekday"]
FOLDS = [datetime.date(2018, 7, 25) + datetime.timedelta(weeks=week) for week in range(4)]
LGBM = dict(objective="binary", num_leaves=31, learning_rate=0.05, bagging_fraction=0.8, bagging_freq=1,
            feature_fraction=0.8, min_child_samples=20, max_bin=1023, num_threads=2, seed=1, deterministic=True, verbose=-1)


def riskctl(*words):
    done = subprocess.run(["target/release/riskctl", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"riskctl {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def day(date):
    return int(datetime.datetime(date.year, date.month, date.day, tzinfo=datetime.timezone.utc).timestamp() * 1000)


def days(number):
    return datetime.timedelta(days=number)


class Features:
    def __init__(self, path):
        table = pyarrow.parquet.read_table(path)
        self.times = table["_time_ms"].to_numpy()
        self.labels = table["_label"].to_numpy(zero_copy_only=False).astype(int)
        names = [name for name in table.column_names if not name.startswith("_") and name not in NOT_FEATURES]
        self.names = [name for name in names if len(pyarrow.compute.unique(table[name])) > 1]
        columns = [table[name].to_numpy(zero_copy_only=False).astype(float) for name in self.names]
        self.rows = numpy.column_stack(columns)

    def span(self, start, end):
        first, last = numpy.searchsorted(self.times, [day(start), day(end)])
        return self.rows[first:last], self.labels[first:last]


def own(kind, start, end, name, more):
    out = PLACE / name
    riskctl("model", "train", "--data", PLACE / "features.parquet", "--rules", RULES, "--kind", kind, "--from", start,
            "--to", end, "--held-out", 0, "--validation", 0, "--calibration", "none", "--out", out, *more)
    return out


def lgbm(features, start, end, name, trees):
    rows, labels = features.span(start, end)
    booster = lightgbm.train(LGBM, lightgbm.Dataset(rows, labels), trees)
    file, out = PLACE / f"{name}.txt", PLACE / name
    booster.save_model(file)
    riskctl("model", "import", file, "--features", ",".join(features.names), "--rules", RULES, "--out", out)
    return out


def measured(model, start):
    report = json.loads(riskctl(*REPLAY, "--from", start + days(14), "--to", start + days(21), "--known-since", start,
                                "--model", model, "--json"))
    kinds = {line["fraud"]: line for line in report["ranking"]}
    found = [kinds["all"]["AUC"], kinds["all"]["average precision"], report["card_precision"],
             kinds["all"]["recall at 1 %"], kinds["all"]["recall at 0.1 %"]]
    return found + [kinds[kind]["recall at 1 %"] for kind in sorted(kinds) if kind != "all"]


def chosen(features):
    """Numbers of trees, by log loss a fold before the first."""
    start = FOLDS[0] - days(14)
    said = json.loads(riskctl(
        "model", "train", "--data", PLACE / "features.parquet", "--kind", "boosted", "--from", start, "--to",
        start + days(21), "--held-out", 0, "--validation", "7d", "--gap-days", 7, "--out", PLACE / "before",
        "--without", ",".join(NOT_FEATURES), "--json"))
    booster = lightgbm.train(LGBM, lightgbm.Dataset(*features.span(start, start + days(7))), 400,
                             [lightgbm.Dataset(*features.span(start + days(14), start + days(21)))],
                             callbacks=[lightgbm.early_stopping(50, verbose=False)])
    return said["training"]["trees"], booster.best_iteration


def odd(features):
    """Isolation forests without labels: AUC of ours and of scikit-learn's, mean over the folds."""
    found = []
    for start in FOLDS:
        model = own("isolation", start, start + days(7), "odd", ["--without", ",".join(NOT_FEATURES)])
        said = riskctl("model", "eval", model, "--data", PLACE / "features.parquet", "--from", start + days(14),
                       "--to", start + days(21), "--json")
        rows, _ = features.span(start, start + days(7))
        test, labels = features.span(start + days(14), start + days(21))
        theirs = sklearn.ensemble.IsolationForest(n_estimators=100, max_samples=256, random_state=1).fit(rows)
        found.append([json.loads(said)[0]["AUC"], sklearn.metrics.roc_auc_score(labels, -theirs.score_samples(test))])
    return numpy.mean(found, axis=0)


def main():
    PLACE.mkdir(parents=True, exist_ok=True)
    riskctl(*REPLAY, "--from", FOLDS[0] - days(77), "--to", FOLDS[-1] + days(21), "--out", PLACE / "features.parquet")
    features = Features(PLACE / "features.parquet")
    all_of_them = ["--without", ",".join(NOT_FEATURES)]
    trees, theirs = chosen(features)
    print(f"chosen on the fold before: {trees} boosted trees, {theirs} of LightGBM\n")
    boosted = ["--trees", trees]
    forest = all_of_them + ["--depth", 12, "--leaf-rows", 20, "--tried", 8]
    plain = ["--features", ",".join(BEFORE_WINDOWS)]

    def own_of(kind, training_days, more):
        return lambda start, name: own(kind, start - days(training_days - 7), start + days(7), name, more)

    def lgbm_of(training_days):
        return lambda start, name: lgbm(features, start - days(training_days - 7), start + days(7), name, theirs)

    cases = [
        ("boosted, no windows", 7, own_of("boosted", 7, plain + boosted)),
        ("forest", 7, own_of("forest", 7, forest)),
        ("extra trees", 7, own_of("extra-trees", 7, forest)),
        ("boosted", 7, own_of("boosted", 7, all_of_them + boosted)),
        ("LightGBM, imported", 7, lgbm_of(7)),
        ("boosted", 28, own_of("boosted", 28, all_of_them + boosted)),
        ("LightGBM, imported", 28, lgbm_of(28)),
        ("boosted", 84, own_of("boosted", 84, all_of_them + boosted)),
        ("LightGBM, imported", 84, lgbm_of(84)),
    ]
    print("| model | training days | AUC | average precision | CP@100 | recall at 1 % | at 0.1 % "
          "| 1 amount | 2 terminal | 3 card | seconds to train |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    by_fold = []
    for name, training_days, train in cases:
        found, spent = [], 0.0
        for number, start in enumerate(FOLDS):
            begun = time.monotonic()
            model = train(start, "model")
            spent += time.monotonic() - begun
            found.append(measured(model, start))
        by_fold.append((name, training_days, found))
        mean = " | ".join(f"{number:.3f}" for number in numpy.mean(found, axis=0))
        print(f"| {name} | {training_days} | {mean} | {spent / len(FOLDS):.1f} |", flush=True)
    print("\nAverage precision and CP@100 by fold")
    for name, training_days, found in by_fold:
        print(f"{name}, {training_days} days:", ", ".join(f"{fold[1]:.3f} / {fold[2]:.3f}" for fold in found))
    ours, sklearns = odd(features)
    print(f"\nIsolation forest, 100 trees of 256 rows, mean AUC: riskd {ours:.3f}, scikit-learn {sklearns:.3f}")


main()
