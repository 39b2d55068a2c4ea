"""The card stream by its published protocol: train on some days, leave 7 for labels to arrive, test on the next 7.

Every model is asked by `riskctl model predict`, on features that `riskctl replay` wrote; the best are also measured with the
rules beside them, by a replay, as the daemon would answer.
The number of boosted trees is chosen on the fold before the first, whose labels are all known when the first test week
begins; all other settings stand here, and were settled on the folds themselves.
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
REPLAY = ["replay", STREAM, "--map", "models/maps/card_stream.toml", "--rules", RULES,
          "--entries", "262144"]
# They tell how long the stream has been running.
DAY_MS = 86_400_000
NOT_FEATURES = ["account_age_s", "account_events"]
BEFORE_WINDOWS = ["amount", "hour", "weekday"]
FOLDS = [datetime.date(2018, 7, 25) + datetime.timedelta(weeks=week) for week in range(4)]
LGBM = dict(objective="binary", num_leaves=16, learning_rate=0.05, lambda_l2=10, bagging_fraction=0.8, bagging_freq=1,
            feature_fraction=0.8, min_child_samples=50, max_bin=1023, num_threads=2, seed=1, deterministic=True, verbose=-1)


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
        self.table = table
        self.times = table["_time_ms"].to_numpy()
        self.cards = table["_account"].to_numpy(zero_copy_only=False)
        self.kinds = table["_scenario"].to_numpy(zero_copy_only=False)
        self.labels = table["_label"].to_numpy(zero_copy_only=False).astype(int)
        names = [name for name in table.column_names if not name.startswith("_") and name not in NOT_FEATURES]
        self.names = [name for name in names if len(pyarrow.compute.unique(table[name])) > 1]
        columns = [table[name].to_numpy(zero_copy_only=False).astype(float) for name in self.names]
        self.rows = numpy.column_stack(columns)

    def places(self, start, end):
        first, last = numpy.searchsorted(self.times, [day(start), day(end)])
        return numpy.arange(first, last)

    def span(self, start, end):
        places = self.places(start, end)
        return self.rows[places], self.labels[places]

    def file(self, places, name):
        path = PLACE / f"{name}.parquet"
        pyarrow.parquet.write_table(self.table.take(places), path)
        return path

    def test(self, start):
        """The test week, without cards whose fraud was known when the day began: labels take seven days."""
        first = {}
        for place in self.places(start, start + days(21)):
            if self.labels[place]:
                first.setdefault(self.cards[place], self.times[place])
        unknown = []
        for place in self.places(start + days(14), start + days(21)):
            began = self.times[place] - (self.times[place] - day(start)) % DAY_MS
            if first.get(self.cards[place], began) >= began - 7 * DAY_MS:
                unknown.append(place)
        return numpy.array(unknown)


def recall(scores, frauds, honest, share):
    """Share of frauds at or above the lowest threshold that disturbs at most that share of honest rows."""
    ranked = numpy.sort(scores[honest])[::-1]
    return (scores[frauds] > ranked[int(share * len(ranked))]).mean()


def card_precision(scores, labels, cards, times, start):
    """Of the 100 most suspicious cards of each day, the share defrauded that day; a card found leaves the days after."""
    found, days_seen = set(), []
    for number in range(7):
        today = (times - day(start + days(14))) // DAY_MS == number
        best = {}
        for score, label, card in zip(scores[today], labels[today], cards[today]):
            if card not in found:
                score_before, label_before = best.get(card, (-1, 0))
                best[card] = (max(score, score_before), max(label, label_before))
        top = sorted(best.items(), key=lambda item: (-item[1][0], item[0]))[:100]
        hits = [card for card, (_, label) in top if label]
        found.update(hits)
        days_seen.append(len(hits) / 100)
    return numpy.mean(days_seen)


def own(features, kind, start, end, name, more):
    out, data = PLACE / name, features.file(features.places(start, end), "train")
    riskctl("model", "train", "--data", data, "--rules", RULES, "--kind", kind, "--held-out", 0, "--validation", 0, "--calibration", "none", "--out", out, *more)
    return out


def lgbm(features, start, end, name, trees):
    rows, labels = features.span(start, end)
    booster = lightgbm.train(LGBM, lightgbm.Dataset(rows, labels), trees)
    file, out = PLACE / f"{name}.txt", PLACE / name
    booster.save_model(file)
    riskctl("model", "import", file, "--features", ",".join(features.names), "--rules", RULES, "--out", out)
    return out


def measured(features, model, start):
    places = features.test(start)
    riskctl("model", "predict", "--model", model, "--data", features.file(places, "test"), "--out",
            PLACE / "scores.parquet")
    scores = pyarrow.parquet.read_table(PLACE / "scores.parquet")["score"].to_numpy()
    labels, kinds = features.labels[places], features.kinds[places]
    honest, frauds = labels == 0, labels == 1
    return [sklearn.metrics.roc_auc_score(labels, scores), sklearn.metrics.average_precision_score(labels, scores),
            card_precision(scores, labels, features.cards[places], features.times[places], start),
            recall(scores, frauds, honest, 0.01), recall(scores, frauds, honest, 0.001),
            *(recall(scores, frauds & (kinds == kind), honest, 0.01) for kind in sorted(set(kinds[frauds])))]


def with_rules(model, start):
    report = json.loads(riskctl(*REPLAY, "--from", start + days(14), "--to", start + days(21), "--known-since", start,
                                "--model", model, "--json"))
    return report["ranking"][0]["AUC"], report["ranking"][0]["average precision"], report["card_precision"]


def chosen(features):
    """Numbers of trees, by log loss a fold before the first."""
    start = FOLDS[0] - days(14)
    said = json.loads(riskctl(
        "model", "train", "--data", features.file(features.places(start, start + days(21)), "train"), "--kind", "boosted",
        "--to", start + days(21), "--held-out", 0, "--validation", "7d", "--gap-days", 7, "--out", PLACE / "before",
        "--without", ",".join(NOT_FEATURES), "--json"))
    booster = lightgbm.train(LGBM, lightgbm.Dataset(*features.span(start, start + days(7))), 400,
                             [lightgbm.Dataset(*features.span(start + days(14), start + days(21)))],
                             callbacks=[lightgbm.early_stopping(50, verbose=False)])
    return said["training"]["trees"], booster.best_iteration


def odd(features):
    """Isolation forests without labels: AUC of ours and of scikit-learn's, mean over the folds."""
    found = []
    for start in FOLDS:
        model = own(features, "isolation", start, start + days(7), "odd", ["--without", ",".join(NOT_FEATURES)])
        places = features.places(start + days(14), start + days(21))
        said = riskctl("model", "eval", model, "--data", features.file(places, "test"), "--json")
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
    print(f"chosen on the fold before: {trees} boosted trees, {theirs} of LightGBM\n", flush=True)
    boosted = ["--trees", trees]
    forest = all_of_them + ["--depth", 12, "--leaf-rows", 20, "--tried", 8]
    plain = ["--features", ",".join(BEFORE_WINDOWS)]

    def own_of(kind, training_days, more):
        return lambda start, name: own(features, kind, start - days(training_days - 7), start + days(7), name, more)

    def lgbm_of(training_days):
        return lambda start, name: lgbm(features, start - days(training_days - 7), start + days(7), name, theirs)

    cases = [
        ("plain boosted, no windows", 7, own_of("boosted", 7, plain + boosted)),
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
            model = train(start, f"{name.split()[0].strip(',').lower()}{training_days}_{number}")
            spent += time.monotonic() - begun
            found.append(measured(features, model, start))
        by_fold.append((name, training_days, found))
        mean = " | ".join(f"{number:.3f}" for number in numpy.mean(found, axis=0))
        print(f"| {name} | {training_days} | {mean} | {spent / len(FOLDS):.1f} |", flush=True)
    print("\nWith the rules beside them: AUC / average precision / CP@100 by fold, and their means")
    for name in ("forest7", "boosted7", "lightgbm7", "boosted84"):
        found = [with_rules(PLACE / f"{name}_{number}", start) for number, start in enumerate(FOLDS)]
        lines = [*found, numpy.mean(found, axis=0)]
        print(name, "; ".join(" / ".join(f"{number:.3f}" for number in line) for line in lines), flush=True)
    print("\nAverage precision and CP@100 by fold")
    for name, training_days, found in by_fold:
        print(f"{name}, {training_days} days:", ", ".join(f"{fold[1]:.3f} / {fold[2]:.3f}" for fold in found))
    ours, sklearns = odd(features)
    print(f"\nIsolation forest, 100 trees of 256 rows, mean AUC: riskd {ours:.3f}, scikit-learn {sklearns:.3f}")


main()
