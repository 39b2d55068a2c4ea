"""What every parity case is made of: rows that hit the edges of trees, and the folder a case is written to."""

import json
from pathlib import Path

import numpy as np

WIDTH = 8            # inputs of every model; the last two can be categories
CATEGORIES = [6, 7]
TRAIN_ROWS = 800
EXPLAINED = 40       # rows whose contributions are compared: the libraries take a second for few deep ones


def table(rng, rows, missing, categorical):
    """Inputs on a coarse grid and off it, so that thresholds are met exactly and missed by little."""
    x = rng.normal(size=(rows, WIDTH)) * 10.0 ** rng.integers(-2, 4, WIDTH)
    grid = rng.random(WIDTH) < 0.4
    x[:, grid] = np.round(x[:, grid], 1)
    x[rng.random(x.shape) < 0.1] = 0.0
    if missing:
        x[rng.random(x.shape) < 0.15] = np.nan
    if categorical:
        x[:, CATEGORIES[0]] = rng.integers(0, 6, rows)
        x[:, CATEGORIES[1]] = np.minimum(rng.geometric(0.03, rows), 199)
        if missing:
            x[rng.random(rows) < 0.1, CATEGORIES[1]] = np.nan
    return x


def target(rng, x):
    """A number that hangs on the inputs in jumps and has a long tail, so that trees grow deep on one side."""
    z = np.nan_to_num(x)
    scale = z.std(axis=0) + 1e-9
    z = z / scale
    score = z[:, 0] + (z[:, 1] > 0) * z[:, 2] + np.sin(3 * z[:, 3]) + (z[:, 7] * scale[7] % 5 < 2) + np.isnan(x[:, 4])
    return score + rng.exponential(1.0, len(x)) ** 2


def probes(rng, x, edges, rows, missing, categorical, infinite):
    """Rows to compare on: fresh ones, then values on thresholds, one step beside them, and odd ones."""
    y = table(rng, rows, missing, categorical)
    for column in range(WIDTH):
        if categorical and column in CATEGORIES:
            odd = np.array([0, 1, 5, 31, 32, 198, 199, 200, 1000, -1, -0.5, -0.999, -1e-30, -1.5, 0.999, 2.7, 1e6])
            hit = rng.random(rows) < 0.15
        else:
            at = np.array(edges.get(column, [0.0]), dtype=np.float64)
            single = at.astype(np.float32)
            up, down = np.float32(1e38), np.float32(-1e38)
            odd = np.concatenate([
                at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf),
                np.nextafter(single, up).astype(np.float64), np.nextafter(single, down).astype(np.float64),
                [0.0, -0.0, 1e-36, -1e-36, 1e-35, 2e-35, -2e-35, 1e-45, 1e30, -1e30],
                [np.inf, -np.inf] if infinite else [],
            ])
            hit = rng.random(rows) < 0.3
        y[hit, column] = rng.choice(odd, hit.sum())
    return y


CHAIN = 30           # splits of a tree that is one chain, as deep as models here are


def staircase(rng):
    """Rows whose best split always parts the largest target from the rest, so that a tree grows as a chain: on one side of
    thirty splits stand the few smallest."""
    rows = CHAIN + 6
    x = np.zeros((rows, WIDTH))
    x[:, 0] = np.arange(rows)
    x[:, 1] = rng.integers(0, 2, rows)
    return x, 3.0 ** np.arange(rows)


def tree_count(rng, number, most):
    """One tree, the most, or between them: as many below the square root of the most as above."""
    if number % 7 == 1:
        return 1
    return most if number % 23 == 5 else int(round(float(np.exp(rng.uniform(0.7, np.log(most))))))


class Folder:
    """Where cases are written, numbered from 0."""

    def __init__(self, path):
        self.path, self.count = Path(path), 0

    def write(self, name, model, ending, rows, raw, score, exact, note, parts=None, library=(None, ()), refused=None,
              tolerance=None):
        """`exact`: raw scores must agree to the last bit; else both within the tolerance. `parts`: of the first rows what each
        input contributes, and in the last column the base. `library`: rows of their own and the scores of the library that
        trained the model, where `score` is another program's. `raw` may be left out. `refused`: the import has to refuse the
        model, with that in its reason."""
        at = self.path / f"{self.count:04}-{name}"
        at.mkdir(parents=True)
        self.count += 1
        (at / f"model.{ending}").write_bytes(model)
        explained = 0 if parts is None else len(parts)
        for file, numbers in [("rows", rows), ("raw", raw), ("score", score), ("parts", parts),
                              ("library_rows", library[0]), ("library", library[1] if len(library[1]) else None)]:
            if numbers is None:
                continue
            (at / f"{file}.f64").write_bytes(np.ascontiguousarray(numbers, dtype="<f8").tobytes())
        case = {"file": f"model.{ending}", "width": WIDTH, "rows": len(rows), "exact": exact, "explained": explained,
                "library_rows": len(library[1]), "note": note, "raw": raw is not None, "refused": refused, "tolerance": tolerance}
        (at / "case.json").write_text(json.dumps(case))
