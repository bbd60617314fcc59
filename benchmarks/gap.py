"""When does ImageNet's start lead random weights by the paper's 30 points, and is that a matter of training steps?

    python -m benchmarks.gap ct-full-200.zip --sample ct-kidney-sample.zip

Both archives are laid out as Kaggle's; the first holds many images, the second is the sample that the gap was seen on.
Each cell of the map is one training of the head on frozen features, by image and with the defaults of params.yaml but
for what the cell changes: number of images, their size, the learning rate, normalising, the batch, the start. Training
goes on past the point where patience ends it, and the accuracy on the test images is taken after each epoch: what
early stopping would have kept stands beside it. A cell's seed draws its images, split, head, batches and random
weights. Features and finished cells are kept in --work, so that an interrupted run goes on. Results go to
docs/results/gap.json, the chart to docs/pictures/gap.png.
"""

import argparse
import itertools
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

import keras
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from kidneyct.backbone import devices, features, vgg, weights
from kidneyct.classifier import batches, classifier
from kidneyct.files import arrays, checkpoint, index
from kidneyct.files.atomic import atomic_write
from kidneyct.images import archive, decoding
from kidneyct.pipeline import params
from kidneyct.report import canvas
from kidneyct.series import inference, split

RESULT, CHART = Path("docs/results/gap.json"), Path("docs/pictures/gap.png")
CLASSES = ["Cyst", "Normal", "Stone", "Tumor"]
PAPER = {"candidate": 98.96, "control": 68.94}  # per cent
MARKERS = "osD^vP"
STARTS = {"candidate": "imagenet", "control": "none"}
# params.yaml's defaults, whatever it says now.
TEST, VALIDATION, UNITS, EPOCHS, PATIENCE = 0.2, 0.1, 1024, 30, 5


class Cell(NamedTuple):
    """One training: of `images` images of an archive ("full" or "sample"), squeezed to `size` pixels a side."""

    archive: str
    images: int
    size: int
    rate: float
    normalize: str
    batch: int
    seed: int
    start: str  # a role of STARTS
    epochs: int

    @property
    def name(self):
        return "-".join(map(str, self))


def cells(available):
    """The cells of the map; `available` images are in the archive "full"."""
    counts = [count for count in (300, 591, 1200, 2400) if count < available] + [available]
    # The paper's settings as far as it tells them; then one thing changed; then a tenth of the rate.
    plan = [("sample", 591, 96, 1e-3, "none", 100, seed) for seed in (0, 1, 2)]
    plan += [("sample", 591, 96, 1e-3, "none", 20, 0), ("sample", 591, 96, 1e-3, "features", 100, 0)]
    plan += [("sample", 591, 96, 1e-4, normalize, 100, 0) for normalize in ("none", "features")]
    plan += [("sample", 591, 200, rate, "none", 100, 0) for rate in (1e-3, 1e-4)]
    plan += [("full", count, 96, 1e-3, "none", 100, 0) for count in counts]
    plan += [("full", count, 96, 1e-3, "none", 100, seed) for count in counts[:2] for seed in (1, 2)]
    plan += [("full", available, 96, 1e-4, "none", 100, 0)]
    return [Cell(*each, start, _epochs(start, *each)) for each in plan for start in STARTS]


def _epochs(start, archive, images, size, rate, normalize, batch, seed):
    long = start == "control" and images <= 1200 and size == 96 and rate == 1e-3 and batch == 100
    return 100 if long and normalize == "none" and (archive == "sample" or seed == 0) else EPOCHS


def chosen(count, available, seed):
    """Rows of `count` images drawn from those available, ascending; a larger draw of a seed holds a smaller one's."""
    return np.sort(np.random.default_rng(seed).permutation(available)[:count])


def stopped(losses, patience):
    """The epoch, from 1, after which early stopping ends a training, and the one whose weights it restores.

    `losses` are the validation losses of all epochs; where it would not have stopped, the last is where it ends.
    """
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        elif epoch - best >= patience:
            return epoch + 1, best + 1
    return len(losses), best + 1


def decoded(path, size, folder):
    """The archive's tensors, thumbnails and index at a size; decoded into `folder` unless they are there."""
    if not (folder / "index.csv").exists():
        entries = archive.images(path, CLASSES)
        decoding.preprocess(path, entries, size, 0, folder)
    table = index.read(folder / "index.csv")
    return arrays.images(folder / "images.npy"), arrays.thumbnails(folder / "thumbnails.npy"), table


def work(folder, title):
    """What an interrupted run left of the arrays in a folder: in another, so that these are there only when whole."""
    place = folder / "unfinished"
    place.mkdir(parents=True, exist_ok=True)
    return checkpoint.Checkpoint(place, title)


def computed(pictures, start, seed, folder):
    """Features of the pictures (n, s, s, 3) from a role's start; computed into `folder` unless they are there."""
    path = folder / "features.npy"
    if not path.exists():
        base = vgg.base(pictures.shape[1])
        base.set_weights(weights.initial(STARTS[start], start, seed, "unit").get_weights())
        left = work(folder, f"features of the {start}, seed {seed}")
        features.compute(base, pictures, "unit", params.BLOCKS, path, folder / "pooled.npy", left)
    return arrays.read(path, np.float16, (len(pictures), None, None, None))


def trained(cell, inputs, codes, parts):
    """The history of a head's training: its losses and accuracies and the test_accuracy, a list over the epochs each.

    As `training.fit` trains, but it neither stops nor restores. `inputs` (n, h, w, c) are features, `parts` (n,) the
    split's.
    """
    train, validation, test = (np.flatnonzero(parts == part) for part in index.PARTS)
    devices.prepare(cell.seed)
    network = classifier.network(vgg.base(cell.size), UNITS, len(CLASSES), "unit", cell.normalize, seed=cell.seed)
    model = vgg.part(network, after=vgg.boundary(params.BLOCKS))
    if cell.normalize == "features":
        classifier.adapt(model, inputs, train)
    model.compile(keras.optimizers.Adam(cell.rate), "categorical_crossentropy", metrics=["accuracy"])
    accuracies = []

    def measure(epoch, logs):
        predicted = batches.predict(model, inputs, test, 500).argmax(axis=1)
        accuracies.append(float(np.mean(predicted == codes[test])))

    history = model.fit(
        batches.Batches(inputs, train, cell.batch, codes, len(CLASSES), cell.seed),
        validation_data=batches.Batches(inputs, validation, cell.batch, codes, len(CLASSES)),
        epochs=cell.epochs,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=measure)],
        shuffle=False,
        verbose=0,
    ).history
    return {**history, "test_accuracy": accuracies}


def scale(inputs, rows, normalize):
    """How far features lie apart: the sum over all of an image's features of their deviation over `rows`.

    A step of Adam moves each weight by about the rate, so that a unit's output for two images then differs by about
    rate × this.
    """
    values = np.asarray(inputs[rows], "float32")  # (b, h, w, c)
    deviations = values.std(axis=0)
    if normalize == "features":
        deviations = deviations / np.maximum(values.std(axis=(0, 1, 2)), 1e-12)
    return float(deviations.sum(dtype=float))


def measured(cell, table, thumbnails, inputs, rows):
    """A cell's result; `rows` are its images, `inputs` (n, h, w, c) these images' features."""
    labels = table["label"].iloc[rows]
    codes = index.codes(labels, CLASSES)
    parts = split.by_image(labels, TEST, VALIDATION, cell.seed)
    train, test = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test")
    nearest = inference.nearest(thumbnails[rows[test]], thumbnails[rows[train]])[0]
    history = trained(cell, inputs, codes, parts)
    end, kept = stopped(history["val_loss"][:EPOCHS], PATIENCE)
    return {
        **cell._asdict(),
        "test_images": len(test),
        "steps_per_epoch": -(-len(train) // cell.batch),
        "scale": float(f"{scale(inputs, train, cell.normalize):.4g}"),
        "majority_class": float(np.mean(codes[test] == np.bincount(codes[train]).argmax())),
        "nearest_thumbnail": float(np.mean(codes[train][nearest] == codes[test])),
        "end_epoch": end,
        "kept_epoch": kept,
        "accuracy": history["test_accuracy"][kept - 1],
        "accuracy_by_epoch": [round(value, 4) for value in history["test_accuracy"]],
        "val_loss_by_epoch": [round(value, 4) for value in history["val_loss"]],
    }


def mapped(paths, folder, most):
    """The results of all cells of up to `most` images; what is in `folder` is not computed again.

    `paths`: archive -> its file.
    """
    available = len(archive.images(paths["full"], CLASSES))
    plan = [cell for cell in cells(available) if cell.images <= (most or available)]
    results = []
    for number, cell in enumerate(plan, 1):
        path = folder / f"{cell.name}.json"
        if not path.exists():
            began = time.monotonic(), sum(os.times()[:2])
            place = folder / f"{cell.archive}-{cell.size}"
            pictures, thumbnails, table = decoded(paths[cell.archive], cell.size, place)
            seed = cell.seed if cell.start == "control" else 0  # nothing of ImageNet's weights is drawn
            alike = [
                other
                for other in plan
                if (other.archive, other.size, other.start) == (cell.archive, cell.size, cell.start)
                and (cell.start == "candidate" or other.seed == seed)
            ]
            known = np.unique(np.concatenate([chosen(each.images, len(table), each.seed) for each in alike]))
            inputs = computed(pictures[known], cell.start, seed, place / f"{cell.start}-{seed}-{len(known)}")
            rows = chosen(cell.images, len(table), cell.seed)
            result = measured(cell, table, thumbnails, inputs[np.searchsorted(known, rows)], rows)
            with atomic_write(path) as partial:
                partial.write_text(json.dumps(result))
            wall, cores = time.monotonic() - began[0], sum(os.times()[:2]) - began[1]
            print(
                f"{number} of {len(plan)}: {cell.name}: {result['accuracy']:.1%} at epoch {result['kept_epoch']}, "
                f"nearest thumbnail {result['nearest_thumbnail']:.1%}; {wall:.0f} s, {cores:.0f} of a core",
                flush=True,
            )
        results.append(json.loads(path.read_text()))
    return results


def draw(path, results):
    """Test accuracy by steps of training; and by steps × rate × scale, where the runs on random weights meet."""
    figure = Figure(figsize=(10.6, 6.2), facecolor="white", layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    runs = [result for result in results if result["start"] == "control" and result["seed"] == 0]
    settings = list(dict.fromkeys(map(setting, runs)))
    colours = matplotlib.colormaps["turbo"](np.linspace(0.03, 0.97, len(settings)))
    styles = dict(zip(settings, zip(colours, itertools.cycle(MARKERS), strict=False), strict=True))
    for axes, unit in zip(panels, (lambda result: 1, lambda result: result["rate"] * result["scale"]), strict=True):
        for result in results:
            _line(axes, result, unit(result), styles[setting(result)])
        for accuracy in PAPER.values():
            axes.axhline(accuracy, color="0.35", linewidth=1, linestyle="--", zorder=0)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_ylim(20, 102)
    panels[0].set_ylabel("right test images, %")
    panels[0].set_xlabel("steps of training")
    panels[1].set_xlabel("steps × learning rate × how far the features lie apart")
    note = {"fontsize": 8, "color": "0.35", "va": "top", "bbox": {"fc": "white", "ec": "none", "pad": 0.8}}
    panels[0].text(3, 97.5, "the paper's ImageNet: 98.96", **note)
    panels[0].text(3, 68.2, "the paper's random weights: 68.94", **note)
    panels[0].set_title("Random weights are late …", fontsize=11)
    panels[1].set_title("… in part as their features are small", fontsize=11)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )
    canvas.save(figure, path)


def _line(axes, result, unit, style):
    """A result's accuracy after each epoch, and a marker at the epoch that is kept; `unit` is what a step counts."""
    colour, marker = ("0.6", None) if result["start"] == "candidate" else style
    accuracies = 100 * np.array(result["accuracy_by_epoch"])
    steps = unit * result["steps_per_epoch"] * np.arange(1, len(accuracies) + 1)
    name = "ImageNet's weights, all settings" if result["start"] == "candidate" else f"random: {setting(result)}"
    known = axes.get_legend_handles_labels()[1]
    axes.plot(
        steps,
        accuracies,
        color=colour,
        linewidth=0.8 if result["start"] == "candidate" else 1.5,
        marker=marker,
        markevery=[result["kept_epoch"] - 1],
        markersize=8,
        label=None if name in known else name,
        zorder=1 if result["start"] == "candidate" else 2,
    )


def setting(result):
    """A result's setting in words, its draw and start left out."""
    changes = [f"{result['images']:,} images" + (" of all series" if result["archive"] != "sample" else "")]
    changes += [f"{result['size']} pixels"] if result["size"] != 96 else []
    changes += [f"batches of {result['batch']}"] if result["batch"] != 100 else []
    changes += [f"rate {result['rate']:g}"] if result["rate"] != 1e-3 else []
    changes += ["normalised"] if result["normalize"] != "none" else []
    return ", ".join(changes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("full", type=Path, help="zip of many images")
    parser.add_argument("--sample", type=Path, required=True, help="zip of the 591 images")
    parser.add_argument("--work", type=Path, default=Path(".unfinished/gap"), help="default %(default)s")
    parser.add_argument("--most", type=int, metavar="IMAGES", help="leave out the cells of more images than these")
    given = parser.parse_args()
    results = mapped({"full": given.full, "sample": given.sample}, given.work, given.most)
    with atomic_write(RESULT) as partial:
        partial.write_text(json.dumps(results, indent=1) + "\n")
    draw(CHART, results)


if __name__ == "__main__":
    main()
