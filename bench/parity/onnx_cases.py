"""Models in ONNX: scikit-learn's forests and boosted trees through skl2onnx, and CatBoost's own export. The scores to
meet are those of onnxruntime on one thread: it adds trees up in their order, in the precision of the input. On plain rows
the library's own answers are met too, as near as a conversion to `float` leaves them."""

import tempfile
import warnings
from pathlib import Path

import catboost
import numpy as np
import onnx
import onnxruntime
from skl2onnx import to_onnx
from sklearn import ensemble, tree

from cases import CHAIN, TRAIN_ROWS, probes, staircase, table, target, tree_count

MAKERS = [
    "RandomForestClassifier", "GradientBoostingClassifier", "CatBoostClassifier", "HistGradientBoostingClassifier",
    "ExtraTreesClassifier", "RandomForestRegressor", "GradientBoostingRegressor", "HistGradientBoostingRegressor",
    "CatBoostRegressor", "ExtraTreesRegressor", "DecisionTreeClassifier", "DecisionTreeRegressor",
    "IsolationForest",
]

# Those for which skl2onnx does not write where missing values go, so that its model is another one for them.
SILENT = ("DecisionTree", "RandomForest", "ExtraTrees")

make_attribute = onnx.helper.make_attribute


def plain_attribute(key, value, *rest, **named):
    """skl2onnx hands numpy's integers and truth values over, which this onnx refuses."""
    if isinstance(value, list) and value and not isinstance(value[0], (str, bytes, float)):
        value = [int(v) if isinstance(v, (np.integer, np.bool_, bool)) else v for v in value]
    return make_attribute(key, value, *rest, **named)


onnx.helper.make_attribute = plain_attribute


def estimator(name, rng, trees, depth):
    """An untrained one."""
    seed = int(rng.integers(1 << 30))
    if name.startswith("CatBoost"):
        return getattr(catboost, name)(
            iterations=trees, depth=min(depth, 8), random_seed=seed, verbose=0, thread_count=1, allow_writing_files=False,
            nan_mode=str(rng.choice(["Min", "Max"])), learning_rate=float(rng.choice([0.03, 0.3])),
        )
    if name == "IsolationForest":
        return ensemble.IsolationForest(n_estimators=trees, max_samples=int(rng.integers(2, 257)), random_state=seed)
    common = {"max_depth": depth, "random_state": seed, "min_samples_leaf": int(rng.choice([1, 5]))}
    if name.startswith("Hist"):
        return getattr(ensemble, name)(max_iter=trees, max_leaf_nodes=int(rng.integers(2, 64)), **common)
    if name.startswith("Decision"):
        return getattr(tree, name)(**common)
    return getattr(ensemble, name)(n_estimators=trees, **common)


def ensemble_node(model):
    return next(node for node in model.graph.node if node.op_type.startswith("TreeEnsemble"))


def double_precision(model):
    """Makes its numbers and its input doubles. (skl2onnx can, but some trees make it loop for ever.)"""
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    for domain in model.opset_import:
        domain.version = 3 if domain.domain == "ai.onnx.ml" else domain.version
    for attribute in ensemble_node(model).attribute:
        if attribute.name in ("nodes_values", "base_values", "target_weights", "class_weights"):
            numbers = np.array(onnx.helper.get_attribute_value(attribute), dtype=np.float64)
            numbers *= 1 + 1e-12
            tensor = onnx.numpy_helper.from_array(numbers, attribute.name)
            attribute.CopyFrom(make_attribute(attribute.name + "_as_tensor", tensor))


def scores(model, rows):
    """What onnxruntime answers: the score of the second class, or the only one."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    node, graph = ensemble_node(model), onnx.ModelProto()
    graph.CopyFrom(model)
    wanted = node.output[-1]
    del graph.graph.output[:]
    graph.graph.output.append(onnx.helper.make_tensor_value_info(wanted, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    given = session.get_inputs()[0]
    kind = np.float64 if given.type == "tensor(double)" else np.float32
    with np.errstate(over="ignore"):
        answer = session.run([wanted], {given.name: rows.astype(kind)})[0]
    return answer.reshape(len(rows), -1)[:, -1].astype(np.float64)


def isolation(folder, rng, trees, rows):
    """An isolation forest. Its score here is scikit-learn's own: ONNX answers with an offset less it."""
    x = table(rng, TRAIN_ROWS, False, False).astype(np.float32)
    trained = estimator("IsolationForest", rng, trees, 0).fit(x)
    model = to_onnx(trained, x[:1], target_opset={"": 15, "ai.onnx.ml": 3})
    edges = {}
    for one in trained.estimators_:
        for feature, value in zip(one.tree_.feature, one.tree_.threshold):
            if feature >= 0:
                edges.setdefault(int(feature), []).append(float(np.float32(value)))
    rows_ = probes(rng, x, edges, rows, False, False, infinite=False).astype(np.float32).astype(np.float64)
    score = -trained.score_samples(rows_.astype(np.float32))
    # The sum of path lengths is what the score is the power of two of, up to the mean path.
    counts = trained.max_samples_
    path = 1.0 if counts == 2 else 2 * (np.log(counts - 1) + np.euler_gamma) - 2 * (counts - 1) / counts
    raw = -np.log2(score) * path * trees
    folder.write("onnx-IsolationForest", model.SerializeToString(), "onnx", rows_, raw, score, False, f"{trees} trees")


def own(trained, rows):
    """What the library itself answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(trained, "predict_proba"):
            return trained.predict_proba(rows)[:, 1]
        return trained.predict(rows)


def chain(folder, rng, rows):
    """One tree that is a chain."""
    x, y = staircase(rng)
    trained = tree.DecisionTreeRegressor(max_depth=CHAIN, random_state=1).fit(x, y)
    model = to_onnx(trained, x[:1].astype(np.float32), target_opset={"": 15, "ai.onnx.ml": 3})
    rows_ = probes(rng, x, {0: [float(at) + 0.5 for at in range(len(x))]}, rows, False, False, infinite=True)
    answers = scores(model, rows_)
    folder.write("onnx-chain", model.SerializeToString(), "onnx", rows_, answers, answers, False, f"a chain of {CHAIN}",
                 library=(x, own(trained, x)))


def make(folder, rng, number, rows, trees_max):
    """One model; the number runs through what must each be there, the rest is drawn."""
    name = MAKERS[number % len(MAKERS)]
    missing = bool(rng.random() < 0.6) and not name.startswith("Gradient")
    trees = tree_count(rng, number, trees_max)
    depth = int(rng.integers(1, 31))
    if name == "IsolationForest":
        return isolation(folder, rng, min(trees, 100), rows)
    if name.startswith("Gradient"):
        depth = min(depth, 8)
    double = number % 3 == 2 and not name.startswith("CatBoost")
    x = table(rng, TRAIN_ROWS, missing, False)
    y = target(rng, x)
    if name.endswith("Classifier"):
        y = (y > np.quantile(y, 0.8)).astype(int)
    elif number % 5 == 4 and not name.startswith("CatBoost"):
        y = np.full(len(y), 2.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained = estimator(name, rng, trees, depth).fit(x, y)
        if name.startswith("CatBoost"):
            with tempfile.TemporaryDirectory() as scratch:
                trained.save_model(str(Path(scratch) / "m.onnx"), format="onnx")
                model = onnx.load(Path(scratch) / "m.onnx")
        else:
            versions = {"": 15, "ai.onnx.ml": 3 if double or number % 2 else 1}
            model = to_onnx(trained, x[:1].astype(np.float32), target_opset=versions)
    if double:
        double_precision(model)
    node = ensemble_node(model)
    held = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    values = held.get("nodes_values")
    if values is None:
        values = onnx.numpy_helper.to_array(held["nodes_values_as_tensor"])
    edges = {}
    for feature, value, mode in zip(held["nodes_featureids"], values, held["nodes_modes"]):
        if mode != b"LEAF":
            edges.setdefault(feature, []).append(float(value))
    rows_ = probes(rng, x, edges, rows, missing, False, infinite=True)
    # What both forms of the model can hold.
    plain = table(rng, rows, missing and not name.startswith(SILENT), False).astype(np.float32).astype(np.float64)
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for attribute in ensemble_node(bare).attribute:
        if attribute.name == "post_transform":
            attribute.s = b"NONE"
    folder.write(
        f"onnx-{name}", model.SerializeToString(), "onnx", rows_, scores(bare, rows_), scores(model, rows_), False,
        f"{'double' if double else 'float'}, {len(set(held['nodes_treeids']))} trees, depth {depth}",
        library=(plain, own(trained, plain)),
    )
