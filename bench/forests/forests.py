"""One forest, several programs: `forests.py FOLDER HARNESS ENGINE`, called by `run`.

LightGBM trains it; the others take it over. Outputs are compared before anything is measured. Then the programs take turns,
each in a process of its own, and the least and the median over all turns count. ONNX Runtime has no C header in its package: it is
asked from Python with its inputs and outputs bound beforehand, and what the same call costs for a forest of one leaf is
taken off.
"""

import pathlib
import statistics
import subprocess
import sys
import time

import lightgbm
import lleaves
import numpy
import onnxmltools
import onnxruntime
import tl2cgen
import treelite
from onnxmltools.convert.common.data_types import FloatTensorType

FOLDER, HARNESS, ENGINE = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
SIZES = [(100, 31), (300, 63), (100, 1000)]
# Larger trees are walked, and grow deep on one side. Compilers of trees take hours for them, so that they are left out there.
COMPILED_LEAVES_MAX = 63
DEEP_SPLITS = 30
# lleaves advises one block for single rows. Its compiler takes a quarter of an hour for 300 trees in one.
BLOCK_MAX = 100
WIDTH, COUNT, TURNS, ROUND_ROWS, ROUNDS = 40, 4096, 5, 512, 60


def train(trees, leaves):
    """A forest whose trees are all full."""
    draw = numpy.random.default_rng(trees)
    rows = draw.normal(size=(40_000, WIDTH))
    odds = rows[:, :20] @ draw.normal(size=20) + (rows[:, 20:39] * rows[:, 21:40]) @ draw.normal(size=19)
    odds += draw.normal(size=len(rows))
    large = leaves > COMPILED_LEAVES_MAX
    # What is rare is parted from the rest row by row: such trees are deep.
    labels = odds > (numpy.quantile(odds, 0.97) if large else 2)
    settings = dict(objective="binary", num_leaves=leaves, learning_rate=0.05, min_data_in_leaf=1 if large else 5, seed=1, num_threads=2,
                    deterministic=True, verbose=-1, max_depth=DEEP_SPLITS)
    settings |= dict(min_sum_hessian_in_leaf=0) if large else {}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, labels), trees)
    full = [tree["num_leaves"] for tree in booster.dump_model()["tree_info"]]
    assert full == [leaves] * trees, "a tree is not full"
    return booster, draw.normal(size=(COUNT, WIDTH))


def depth(node):
    """Splits on the longest way to a leaf."""
    if "left_child" not in node:
        return 0
    return 1 + max(depth(node["left_child"]), depth(node["right_child"]))


def compiled(place, trees):
    """Shared libraries of the forest by lleaves, for batches and for single rows, and by tl2cgen."""
    model = place / "model.txt"
    for name, settings in [("batch", {}), ("single", dict(fblocksize=min(trees, BLOCK_MAX)))]:
        lleaves.Model(str(model)).compile(cache=str(place / f"{name}.o"), **settings)
        subprocess.run(["cc", "-shared", "-o", place / f"{name}.so", place / f"{name}.o", "-lm"], check=True)
    forest = treelite.frontend.load_lightgbm_model(str(model))
    tl2cgen.generate_c_code(forest, dirpath=str(place / "c"), params={"parallel_comp": 8})
    sources = sorted((place / "c").glob("*.c"))
    subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", "-w", "-o", place / "tl2cgen.so", *sources, "-lm"], check=True)


def converted(place, booster):
    """The forest for ONNX Runtime, and one of a single leaf."""
    onnx = onnxmltools.convert_lightgbm(booster, initial_types=[("rows", FloatTensorType([None, WIDTH]))], zipmap=False)
    (place / "model.onnx").write_bytes(onnx.SerializeToString())
    one = lightgbm.train(dict(objective="binary", verbose=-1), lightgbm.Dataset(numpy.zeros((10, WIDTH)), [0, 1] * 5), 1)
    onnx = onnxmltools.convert_lightgbm(one, initial_types=[("rows", FloatTensorType([None, WIDTH]))], zipmap=False)
    (place / "one.onnx").write_bytes(onnx.SerializeToString())


def asked(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    found = {}
    for line in done.stdout.splitlines():
        *name, least, median = line.split(" ")
        found[" ".join(name)] = (float(least), float(median))
    return found


class Onnx:
    """A session that runs on one thread, with everything bound."""

    def __init__(self, path, rows):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.rows = rows
        self.session, self.output = session, session.get_outputs()[-1].name

    def bound(self, rows):
        binding = self.session.io_binding()
        binding.bind_cpu_input("rows", numpy.ascontiguousarray(rows))
        binding.bind_output(self.output, "cpu")
        return binding

    def scores(self):
        return self.session.run([self.output], {"rows": self.rows})[0][:, 1]

    def measured(self):
        found = {}
        for name, size in [("alone", 1), ("batch", ROUND_ROWS)]:
            # Few single rows a round: a call takes microseconds.
            bindings = [self.bound(self.rows[at * size:(at + 1) * size]) for at in range(64 if size == 1 else 8)]
            took, run = [], self.session.run_with_iobinding
            for round in range(ROUNDS + 2):
                began = time.thread_time_ns()
                for binding in bindings if size == 1 else [bindings[round % 8]]:
                    run(binding)
                rows = len(bindings) if size == 1 else size
                took.append((time.thread_time_ns() - began) / rows)
            took = sorted(took[2:])
            found[name] = (took[0], took[len(took) // 2])
        return found


def measure(trees, leaves):
    place = FOLDER / f"{trees}x{leaves}"
    place.mkdir(parents=True)
    booster, rows = train(trees, leaves)
    booster.save_model(place / "model.txt")
    expected = booster.predict(rows, num_threads=1)
    rows.astype("<f8").tofile(place / "rows")
    expected.astype("<f8").tofile(place / "scores")
    converted(place, booster)
    library = pathlib.Path(lightgbm.__file__).parent / "lib/lib_lightgbm.so"
    peers = {}
    if leaves <= COMPILED_LEAVES_MAX:
        compiled(place, trees)
        peers = {"lleaves": (place / "batch.so", place / "single.so"), "tl2cgen": (place / "tl2cgen.so", "-")}
    peers["lightgbm"] = (library, place / "model.txt")
    narrow = rows.astype("float32")
    onnx, one = Onnx(place / "model.onnx", narrow), Onnx(place / "one.onnx", narrow)

    def turn():
        found = {f"riskd {name}": times for name, times in asked([ENGINE, place / "model.txt", place / "rows", place / "scores"]).items()}
        for name, files in peers.items():
            out = place / f"{name}.scores"
            words = [HARNESS, name, *files, place / "rows", COUNT, WIDTH, out]
            found |= {f"{name} {size}": times for size, times in asked(words).items()}
            worst = abs(numpy.fromfile(out) - expected).max()
            assert worst < 1e-12, f"{name} is off by {worst}"
        off = one.measured()
        for size, (least, median) in onnx.measured().items():
            found[f"onnxruntime {size}"] = (least - off[size][0], median - off[size][1])
        return found

    # A float takes another turn where a double stood beside a threshold: a few rows of thousands.
    off = numpy.abs(onnx.scores() - expected)
    assert numpy.median(off) < 1e-5 and (off > 1e-4).mean() < 0.01, "ONNX Runtime answers something else"
    turns = [turn() for _ in range(TURNS)]
    best = {name: (min(t[name][0] for t in turns), statistics.median(t[name][1] for t in turns)) for name in turns[0]}
    deep = max(depth(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"])
    print(f"\n{trees} trees of {leaves} leaves, up to {deep} splits deep, {WIDTH} inputs, nanoseconds a row: least (median)\n")
    print("| | alone | beside riskd | in batch | beside riskd |\n|---|--:|--:|--:|--:|")
    programs = list(dict.fromkeys(name.rsplit(" ", 1)[0] for name in best))
    fastest = [name for name in programs if name.startswith("riskd")][-1]
    for program in programs:
        cells = []
        for size in ["alone", "batch"]:
            least, median = best[f"{program} {size}"]
            ratio = median / best[f"{fastest} {size}"][1]
            cells += [f"{least:,.0f} ({median:,.0f})", "" if program.startswith("riskd") else f"{ratio:.1f} ×"]
        print(f"| {program} | {' | '.join(cells)} |", flush=True)


for size in SIZES:
    measure(*size)
