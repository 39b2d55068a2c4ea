"""Every layout that ONNX has for a forest of one score, in small trees made by hand, beside ONNX Runtime: transforms by classes
and signs of weights and by base values, aggregate functions, the operator of version 5, and what converters write after the
trees. What the import refuses is named here with its reason, so that nothing is refused by accident."""

import itertools

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from cases import WIDTH

ROWS = 48
POSTS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]
# Two trees of three leaves.
SHAPE = {
    "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1, 1, 1], "nodes_nodeids": [0, 1, 2, 3, 4] * 2,
    "nodes_truenodeids": [1, 3, 0, 0, 0, 1, 3, 0, 0, 0], "nodes_falsenodeids": [2, 4, 0, 0, 0, 2, 4, 0, 0, 0],
}
LEAVES = [(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)]
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def rows(rng):
    """Few numbers, which thresholds meet; missing values and fractions among them."""
    return rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 2.7, 40.0, np.nan], (ROWS, WIDTH))


def trees(rng):
    """The nodes, with questions drawn anew."""
    modes = [str(rng.choice(MODES)) for _ in range(4)]
    return SHAPE | {
        "nodes_featureids": [int(f) for f in rng.integers(0, WIDTH, 10)],
        "nodes_values": [float(v) for v in rng.choice([-0.5, 0.0, 0.5, 1.0, 2.0], 10)],
        "nodes_modes": [modes[0], modes[1], "LEAF", "LEAF", "LEAF", modes[2], modes[3], "LEAF", "LEAF", "LEAF"],
        "nodes_missing_value_tracks_true": [int(t) for t in rng.integers(0, 2, 10)],
    }


def model(nodes, double, version, constants=()):
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "layout", [helper.make_tensor_value_info("x", kind, [None, WIDTH])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(value, dtype), name) for name, value, dtype in constants],
    )
    if version == 5 and double:
        graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    opsets = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def answers(made, x, double):
    """The last column of what the runtime answers on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(made.SerializeToString(), options)
    answer = session.run(["score"], {"x": x.astype(np.float64 if double else np.float32)})[0]
    return answer.reshape(len(x), -1)[:, -1].astype(np.float64)


def write(folder, rng, name, nodes, double, refused, note, version=3, constants=()):
    made, x = model(nodes, double, version, constants), rows(rng)
    score = None if refused else answers(made, x, double)
    # Near 0 and 1 the runtime's inverse error function, in float, has few digits.
    folder.write(f"layouts-{name}", made.SerializeToString(), "onnx", x, None, score, False, note, refused=refused,
                 tolerance=1e-4 if "PROBIT" in note else None)


def weights(rng, sign, count):
    """Weights of that sign; two of them, one a tree, sum up to less than 1."""
    drawn = rng.uniform(0.05, 0.45, count)
    if sign == "mixed":
        drawn *= rng.choice([-1.0, 1.0], count)
        drawn[:2] = -abs(drawn[0]), abs(drawn[1])
    if sign == "with zeros":
        drawn[rng.random(count) < 0.5] = 0.0
        drawn[0] = 0.0
    return [float(np.float32(weight)) for weight in (-drawn if sign == "negative" else drawn)]


def classifier_refused(ids, sign, post, bases):
    if bases == 2 and ids == [0]:
        return "two base values"
    if bases and ids != [0]:
        return "runtimes do not agree"
    if post == "PROBIT" and ids == [0]:
        return "leaves the second's score unset"
    if post == "SOFTMAX_ZERO" and (ids == [1] or (ids == [0, 1] and sign in ("mixed", "with zeros"))):
        return "jumps where a sum is 0"
    return None


def classifiers(folder, rng):
    signs = ["positive", "negative", "mixed", "with zeros"]
    for ids, sign, post, bases, double in itertools.product([[0], [1], [0, 1]], signs, POSTS, [0, 1, 2], [False, True]):
        if bases and ids != [0] and (double or sign != "mixed"):
            continue  # refused whatever the weights are
        if post == "PROBIT" and sign != "positive":
            continue  # few scores are numbers
        places = [(leaf, label) for leaf in LEAVES for label in ids]
        given = trees(rng) | {
            "class_treeids": [tree for (tree, _), _ in places], "class_nodeids": [node for (_, node), _ in places],
            "class_ids": [label for _, label in places], "class_weights": weights(rng, sign, len(places)),
            "post_transform": post, "classlabels_int64s": [0, 1],
        }
        if bases:
            given["base_values"] = [0.125, -0.25][:bases]
        if rng.random() < 0.3:
            del given["classlabels_int64s"]
            given["classlabels_strings"] = ["legit", "fraud"]
        node = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "score"], domain="ai.onnx.ml", **given)
        note = f"classes {ids}, {sign} weights, {post}, {bases} base values"
        write(folder, rng, "classifier", [node], double, classifier_refused(ids, sign, post, bases), note, 1)
    # A row that reaches no weight of the second class.
    given = trees(rng) | {
        "class_treeids": [tree for tree, _ in LEAVES] * 2, "class_nodeids": [node for _, node in LEAVES] * 2,
        "class_ids": [0] * 6 + [1] * 6, "class_weights": weights(rng, "mixed", 12), "classlabels_int64s": [0, 1],
    }
    for gone, refused in [([6], None), ([6, 9], "reach no weight of the second class")]:
        kept = {key: [v for at, v in enumerate(value) if at not in gone] if key.startswith("class_") else value
                for key, value in given.items()}
        node = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "score"], domain="ai.onnx.ml", **kept)
        write(folder, rng, "classifier", [node], False, refused, "leaves without a weight of the second class", 1)


def regression(rng, post="NONE", aggregate="SUM", base=None, alone=False, output="score"):
    given, leaves = trees(rng), LEAVES
    if alone:
        given, leaves = {key: value[:5] for key, value in given.items()}, LEAVES[:3]
    given |= {
        "target_treeids": [tree for tree, _ in leaves], "target_nodeids": [node for _, node in leaves],
        "target_ids": [0] * len(leaves), "target_weights": weights(rng, "positive", len(leaves)), "n_targets": 1,
        "post_transform": post, "aggregate_function": aggregate,
    }
    if base:
        given["base_values"] = [base]
    return helper.make_node("TreeEnsembleRegressor", ["x"], [output], domain="ai.onnx.ml", **given)


def regressors(folder, rng):
    for post, double in itertools.product(POSTS, [False, True]):
        refused = None if post in ("NONE", "PROBIT") else "ONNX Runtime leaves it out"
        write(folder, rng, "regressor", [regression(rng, post, base=0.0625)], double, refused, post)
    for aggregate, base, alone, double in itertools.product(
        ["SUM", "AVERAGE", "MIN", "MAX"], [None, 0.125], [False, True], [False, True]
    ):
        refused = f"`{aggregate}` of the trees" if aggregate in ("MIN", "MAX") and not alone else None
        node = regression(rng, "NONE", aggregate, base, alone)
        write(folder, rng, "regressor", [node], double, refused, f"{aggregate}, base {base}, {1 if alone else 2} trees")


def followed(folder, rng):
    """What converters put after the trees."""
    def node(operation, given, made, **settings):
        return helper.make_node(operation, given, [made], **settings)

    one = ("one", [1.0], np.float32)
    for name, after, constants, refused in [
        ("Exp", [node("Exp", ["sum"], "score")], [], None),
        ("Sigmoid", [node("Sigmoid", ["sum"], "score")], [], None),
        ("Exp and base", [node("Exp", ["sum"], "e"), node("Mul", ["e", "half"], "score")], [("half", [0.5], np.float32)], None),
        ("copy", [node("Identity", ["sum"], "copy"), node("Mul", ["copy", "one"], "score")], [one], None),
        ("Mul by 2", [node("Mul", ["sum", "two"], "score")], [("two", [2.0], np.float32)], "`Mul` after the trees"),
        ("Exp beside the sum", [node("Exp", ["sum"], "e"), node("Identity", ["sum"], "score")], [], "before and after"),
        ("Exp twice", [node("Exp", ["sum"], "e"), node("Exp", ["e"], "score")], [], "`Exp` after the trees"),
    ]:
        nodes = [regression(rng, base=0.0625, output="sum"), *after]
        write(folder, rng, "after", nodes, False, refused, f"regressor, {name}", constants=constants)
    columns = [("from", [1], np.int64), ("to", [2], np.int64), ("axis", [1], np.int64), ("zero", [0], np.int64), one]
    for name, after, refused in [
        # zipmap=False of onnxmltools and of skl2onnx.
        ("copy", [node("Identity", ["p"], "copy"), node("Mul", ["copy", "one"], "score")], None),
        ("Identity", [node("Identity", ["p"], "score")], None),
        # zipmap="columns".
        ("columns", [node("Slice", ["p", "zero", "from", "axis"], "first"), node("Slice", ["p", "from", "to", "axis"], "score")],
         None),
        ("Gather", [node("Gather", ["p", "from"], "score", axis=1)], None),
        ("first column", [node("Slice", ["p", "zero", "from", "axis"], "score")], "the first class alone"),
        ("Exp", [node("Exp", ["p"], "score")], "`Exp` after the trees"),
    ]:
        given = trees(rng) | {
            "class_treeids": [tree for tree, _ in LEAVES], "class_nodeids": [node for _, node in LEAVES],
            "class_ids": [0] * 6, "class_weights": weights(rng, "positive", 6), "post_transform": "LOGISTIC",
            "classlabels_int64s": [0, 1],
        }
        ensemble = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml", **given)
        write(folder, rng, "after", [ensemble, *after], False, refused, f"classifier, {name}", constants=columns)


def version_5(rng, double, modes, aggregate=1, post=0, roots=(0, 1, 3), members=(), tracks=True):
    """Three trees: two splits, a split, and a leaf, which is told as a split whose sides are one."""
    def tensor(name, numbers, kind=np.float64 if double else np.float32):
        return numpy_helper.from_array(np.array(numbers, kind), name)

    settings = {
        "nodes_featureids": [int(f) for f in rng.integers(0, WIDTH, 4)],
        "nodes_splits": tensor("splits", rng.choice([0.0, 0.5, 1.0, 2.0], 4)),
        "nodes_modes": tensor("modes", [*modes, 0], np.uint8),
        "nodes_truenodeids": [2, 1, 0, 5], "nodes_trueleafs": [0, 1, 1, 1],
        "nodes_falsenodeids": [2, 3, 4, 5], "nodes_falseleafs": [1, 1, 1, 1],
        "leaf_targetids": [0] * 6, "leaf_weights": tensor("leaves", weights(rng, "positive", 6)),
        "tree_roots": list(roots), "n_targets": 1, "aggregate_function": aggregate, "post_transform": post,
    }
    if tracks:
        settings["nodes_missing_value_tracks_true"] = [int(t) for t in rng.integers(0, 2, 4)]
    if len(members):
        settings["membership_values"] = tensor("members", members)
    return helper.make_node("TreeEnsemble", ["x"], ["score"], domain="ai.onnx.ml", **settings)


def ensembles(folder, rng):
    """`TreeEnsemble` of version 5."""
    end = float("nan")
    for mode, tracks, double in itertools.product(range(7), [False, True], [False, True]):
        members = [0.0, 2.0, 40.0, end, 1.0, end, 2.0, 0.0, end] if mode == 6 else ()
        node = version_5(rng, double, [mode] * 3, members=members, tracks=tracks)
        write(folder, rng, "ensemble", [node], double, None, f"mode {mode}", 5)
    for aggregate, roots in itertools.product(range(4), [[0, 1, 3], [1]]):
        refused = "of the trees: it takes sum and mean" if aggregate > 1 and len(roots) > 1 else None
        node = version_5(rng, False, [0, 1, 3], aggregate, roots=roots)
        write(folder, rng, "ensemble", [node], False, refused, f"aggregate {aggregate} of {len(roots)}", 5)
    for post, name in enumerate(["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]):
        refused = None if post in (0, 4) else "ONNX Runtime leaves it out"
        write(folder, rng, "ensemble", [version_5(rng, False, [0, 1, 3], 0, post)], False, refused, name, 5)


def make_all(folder, rng):
    classifiers(folder, rng)
    regressors(folder, rng)
    followed(folder, rng)
    ensembles(folder, rng)
