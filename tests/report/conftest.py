"""A small run as the stages leave it, and what is asked of every picture."""

import house
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kidneyct.files import index, predictions
from kidneyct.leakage import overlap
from kidneyct.maps.methods import METHODS
from kidneyct.pipeline import params
from kidneyct.report import report
from kidneyct.statistics import comparison, evaluation, external

CLASSES = ["Cyst", "Normal", "Stone", "Tumor"]
ABOVE = {"value": 0.5, "low": 0.3, "high": 0.7, "chance": 0.3, "gain": 0.2, "gain_low": 0.1, "gain_high": 0.3}
BELOW = ABOVE | {"chance": 0.9, "gain": -0.4, "gain_low": -0.5, "gain_high": -0.3}


@pytest.fixture
def size_of(tmp_path):
    """Draws twice, asks for the same bytes, which name no software, and gives the picture's (width, height)."""

    def size(draw):
        paths = [tmp_path / name for name in ("first.png", "second.png")]
        for path in paths:
            draw(path)
        contents = [path.read_bytes() for path in paths]
        assert contents[0] == contents[1]
        assert b"Software" not in contents[0]
        return Image.open(paths[0]).size

    return size


def measured(last):
    """What the explain stage measures, the same for each map; `last` is what randomised weights leave of it."""
    steps = {"scores": {"value": 0.9}, "block1": {"value": last}}
    of_map = {
        "insertion": ABOVE | {"verdict": "better"},
        "deletion": ABOVE | {"verdict": "worse"},
        "road": ABOVE | {"gain_low": -0.1, "verdict": "level"},
        "focus": {"gini": ABOVE, "entropy": ABOVE, "body": ABOVE},
        "randomisation": {"images": 2, "steps": steps, "chance": 0.0, "uninformative": last > 0.5},
        "localisation": {"pointing": ABOVE | {"verdict": "better"}, "energy": BELOW | {"verdict": "worse"}},
    }
    settings = {"curve_points": 5, "road_shares": 2, "smoothgrad_samples": 4, "integrated_gradients_steps": 6}
    settings |= {"randomised_images": 4, "uninformative_above": 0.5, "randomised_smoothgrad_samples": 2}
    settings["randomised_integrated_gradients_steps"] = 3
    return {"images": 2, "settings": settings, "maps": dict.fromkeys(METHODS, of_map)}


def probed(auroc):
    """What a probe stage writes; block 1 is a tenth worse than all blocks."""
    series = {"count": 4, "macro_auroc": auroc, "accuracy": 0.75, "balanced_accuracy": 0.75}
    whole = {"accuracy": 0.625, "strength": 0.001, "edge": "none", "series": series}
    block = whole | {"accuracy": 0.5, "edge": "lowest", "series": series | {"macro_auroc": auroc - 0.1}}
    return {"block 1": block, "all blocks": whole}


@pytest.fixture(scope="session")
def run():
    """A run of 16 images in 8 series, two of each class in test; the candidate errs once, the control four times."""
    generator = np.random.default_rng(0)
    parameters = params.check(house.defaults()).model_dump()
    parameters["data"] |= {"source": "/home/someone/scans.zip", "classes": CLASSES}
    table = pd.DataFrame({"label": np.repeat(CLASSES, 4)})
    table.insert(0, "image", [f"{label}/{row}.jpg" for row, label in enumerate(table["label"])])
    table["split"] = ["train", "validation", "test", "test"] * 4
    images = generator.integers(0, 256, (16, 40, 40, 3), np.uint8)
    rows = np.flatnonzero(table["split"] == "test")
    tables, maps, evaluations, reliability = {}, {}, {}, {}
    for role, wrong in {"candidate": [0], "control": [0, 2, 4, 6]}.items():
        actual, codes = np.arange(8) // 2, np.arange(8) // 2
        codes[wrong] = (codes[wrong] + 3) % 4
        probabilities = np.full((8, 4), 0.1) + 0.6 * np.eye(4)[codes]
        tables[role] = predictions.tabulate(table, rows, CLASSES, probabilities)
        evaluations[role] = evaluation.evaluate(actual, probabilities, CLASSES) | evaluation.learning(0.9, actual)
        evaluations[role] |= evaluation.calibrate(actual, probabilities)
        reliability[role] = evaluation.reliability(actual, probabilities)
        maps[role] = {"rows": rows[[1, 3, 0]], "mistake": np.array([False, False, True])}
        maps[role] |= {method: generator.random((3, 40, 40)).astype("float32") for method in METHODS}
        maps[role]["gradcam"] = generator.random((3, 4, 4)).astype("float32")
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [1, 0.5, 0.4], "accuracy": [0.5, 1.0, 1.0]})
    history = history.assign(val_loss=[2, 1.0, 1.5], val_accuracy=[0.25, 0.75, 0.5], kept=[0, 1, 0])
    rates = {"learning_rate": [0.001], "epochs": [3], "kept_epoch": [2], "val_loss": [1.0], "val_accuracy": [0.75]}
    rates = pd.DataFrame(rates | {"stopped": [1], "edge": ["none"], "kept": [1]})
    probes = {"candidate": probed(0.93), "control": probed(0.865)}
    compared = comparison.compare(evaluations, tables, dict.fromkeys(tables, history), rows // 2, CLASSES)
    compared |= comparison.probes(probes) | {"epochs_to_95_percent": {"candidate": 2}}
    cascade = {"method": "saliency", "step": ["trained", "scores", "block1"], "image": 0, "chance": 0.0}
    cascade = pd.DataFrame(cascade | {"correlation": [1, 0.5, 0.1]})
    return report.Run(
        parameters=parameters,
        table=table,
        hashes=pd.Series([f"{row:064x}" for row in range(16)]),
        series=np.arange(16) // 2,  # rows 0, 1 | 2, 3 | …: the test images of a class are one series
        images=images,
        leakage={
            "rejected_images": 0,
            "test_images": 8,
            "near_duplicates": {"share": 0.25, "median_correlation": 0.9},
            "identical_files": {"share": 0.0, "images": 0},
            "series": {"origin": "inferred", "all": 8, "mixed": 0, "in_test": 4, "crossing": 0}
            | {"share_of_test_images_crossing": 0.0},
            "accuracy": dict(zip(index.BASELINES, (0.25, 0.625, 0.5, 0.45, 0.475), strict=True)),
            "null_controls": {
                "permuted_labels": dict(zip(index.BASELINES, (0.125, 0.375, 0.3, 0.2, 0.22), strict=True))
            },
        },
        comparison=compared,
        external={"images": 0},
        evaluations=evaluations,
        probes=probes,
        measured={"candidate": measured(last=0.1), "control": measured(last=0.7)},
        histories=dict.fromkeys(tables, history),
        rates=dict.fromkeys(tables, rates),
        predictions=tables,
        external_predictions={role: each.iloc[:0] for role, each in tables.items()},
        external_metrics=pd.DataFrame(columns=["metric", "role", "value", "low", "high", "own_test"]),
        pairs=pd.DataFrame({"test": [2, 6], "training": [0, 4], "correlation": [0.99, 0.5]}),
        similarity=pd.DataFrame(
            {"similarity": [0.9, 0.99], "series": [7, 8], "mixed": [1, 0], "nearest_thumbnail": [0.25, 0.5]}
        ),
        reliability=reliability,
        maps=maps,
        cascades=dict.fromkeys(tables, cascade),
    )


@pytest.fixture(scope="session")
def written(run, tmp_path_factory):
    """A function that gives the page of a run, whose pictures are all one."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in [*(name for name, _ in report.figures(run)), "external"]:
        Image.fromarray(run.images[0]).resize((300, 200)).save(folder / f"{name}.png")
    return lambda run: report.page(run, folder)


@pytest.fixture(scope="session")
def tested(run):
    """The run with four external images of three series, no stone; the control takes all for cysts."""
    codes, series, labels = np.array([0, 0, 1, 3]), np.array([0, 0, 1, 2]), ["Cyst", "Cyst", "Normal", "Tumor"]
    predicted = {"candidate": codes, "control": np.zeros(4, int)}
    given = {role: 0.1 + 0.6 * np.eye(4)[values] for role, values in predicted.items()}
    images = pd.DataFrame({"image": [f"{label}/x{row}.png" for row, label in enumerate(labels)], "label": labels})
    found = images.assign(study_label=labels, likeness=0.5, unlike=[1, 0, 0, 0], same_file=[0, 0, 0, 1])
    found = found.assign(near_duplicate=["none", "training"] * 2, nearest_thumbnail=labels, linear_model="Stone")
    found = found.assign(majority_class="Cyst", acquisition="Normal", acquisition_size="Normal")

    def measure(rows):
        chosen = [{role: values[rows] for role, values in each.items()} for each in (predicted, given)]
        return external.measure(codes[rows], *chosen, series[rows], CLASSES, seed=0)

    result = measure(slice(None)) | overlap.summary(found, series) | {"apart": measure(overlap.apart(found, series))}
    tables = {
        role: images.assign(predicted=np.array(CLASSES)[values], **{f"probability of {c}": 0.25 for c in CLASSES})
        for role, values in predicted.items()
    }
    parameters = run.parameters | {"data": run.parameters["data"] | {"external": "/home/someone/theirs.zip"}}
    return run._replace(
        parameters=parameters,
        external=result | {"left_out": {"unreadable": 2, "contradictory": 0}, "series_are": "inferred"},
        external_predictions=tables,
    )
