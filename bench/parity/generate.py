"""Trains models with the libraries themselves and writes each with rows and the library's own scores.

    generate.py FOLDER [--models N] [--rows N] [--trees N] [--seed N]
"""

import argparse
import os
import time

# One thread: a machine that does other work too would make several wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import edges
import lightgbm_cases
import onnx_cases
import onnx_layouts
import xgboost_cases
from cases import Folder

MAKERS = [lightgbm_cases, xgboost_cases, onnx_cases]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--models", type=int, default=240)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder, began, number = Folder(given.folder), time.monotonic(), 0
    for maker in MAKERS:
        maker.chain(folder, np.random.default_rng([given.seed, given.models]), given.rows)
    while folder.count < given.models:
        # Every model has a seed of its own, so that one can be made again alone.
        rng = np.random.default_rng([given.seed, number])
        MAKERS[number % len(MAKERS)].make(folder, rng, number // len(MAKERS), given.rows, given.trees)
        number += 1
    for number, maker in enumerate([onnx_layouts, edges]):
        maker.make_all(folder, np.random.default_rng([given.seed, 1_000_000 + number]))
    print(f"{folder.count} models, seed {given.seed}, made in {time.monotonic() - began:.0f} s")


main()
