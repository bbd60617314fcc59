"""The study's two models, trained the usual way and this project's.

    python -m benchmarks.usual

The usual way, as tutorials have it: Keras's `image_dataset_from_directory`, a frozen VGG-16 with a head, and `fit`,
which decodes every image and runs it through VGG-16 in every epoch. This project decodes once, runs VGG-16 once for
each model, and trains the head on what comes out. Epochs over some images are measured, and what the paper's 12,446
images and 30 epochs take follows: images and epochs enter as factors.

That both reach the same accuracy is tried on smaller images, with all epochs: the same start, split and head.
"""

import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np

from benchmarks import forward, head, stopwatch
from kidneyct.backbone import devices, features, vgg, weights
from kidneyct.classifier import batches, classifier
from kidneyct.files import arrays, checkpoint, index
from kidneyct.images import archive, decoding
from kidneyct.pipeline.errors import InputError
from kidneyct.series import split
from kidneyct.sources import phantom
from kidneyct.training import training

SIZES = {
    "cpu": {
        "image_size": 200,
        "patients": 8,
        "slices": 3,
        "batch": 100,
        "head_batches": 4,
        "head_epochs": 3,
        "repetitions": 3,
        "equal_size": 64,
        "equal_patients": 8,
        "equal_slices": 6,
        "equal_epochs": 25,
        "equal_batch": 16,
    },
    "tiny": {
        "image_size": 32,
        "patients": 5,
        "slices": 2,
        "batch": 8,
        "head_batches": 2,
        "head_epochs": 2,
        "repetitions": 1,
        "equal_size": 32,
        "equal_patients": 5,
        "equal_slices": 2,
        "equal_epochs": 2,
    },
    "full": {
        "patients": 10,
        "slices": 10,
        "equal_size": 200,
        "equal_batch": 100,
        "equal_patients": 20,
        "equal_epochs": 30,
    },
    "gpu": {"patients": 40, "slices": 8, "repetitions": 3, "equal_size": 200, "equal_batch": 100, "equal_epochs": 30},
}
CLASSES = ["Cyst", "Normal", "Stone", "Tumor"]
STUDY = {"train": 8713, "validation": 1244, "test": 2489}
EPOCHS, MODELS, UNITS, RATE = 30, 2, 1024, 0.001


class Data:
    """Generated images as both ways want them: an archive, and folders of the same files by part and class."""

    def __init__(self, folder, patients, slices):
        self.folder, self.path = folder, folder / "archive.zip"
        archive.write(self.path, phantom.members(CLASSES, patients, slices, 0))
        self.entries = archive.images(self.path, CLASSES)
        decoding.preprocess(self.path, self.entries, 32, 0, folder)
        table = index.read(folder / "index.csv")
        self.table = table.assign(split=split.by_image(table["label"].to_numpy(), 0.2, 0.1, seed=0))
        with zipfile.ZipFile(self.path) as file:
            for entry, part in zip(self.entries, self.table["split"], strict=True):
                place = folder / part / entry.image
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(file.read(entry.member))

    def rows(self, part):
        return np.flatnonzero(self.table["split"] == part)


def usual(data, base, image_size, batch):
    """The model, and a function that trains it for some epochs."""
    read = {"label_mode": "categorical", "image_size": (image_size, image_size), "batch_size": batch, "verbose": False}
    parts = {
        part: keras.utils.image_dataset_from_directory(data.folder / part, class_names=CLASSES, seed=0, **read)
        for part in ("train", "validation", "test")
    }
    base.trainable = False
    model = keras.Sequential(
        [
            keras.Input((image_size, image_size, 3)),
            keras.layers.Rescaling(1 / 255),
            base,
            keras.layers.Flatten(),
            keras.layers.Dense(UNITS, activation="relu"),
            keras.layers.Dense(len(CLASSES), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(RATE), "categorical_crossentropy", metrics=["accuracy"])

    def train(epochs):
        model.fit(parts["train"], validation_data=parts["validation"], epochs=epochs, verbose=0)

    return train, lambda: model.evaluate(parts["test"], verbose=0, return_dict=True)["accuracy"]


class Own:
    """This project's way, stage by stage."""

    def __init__(self, data, base, image_size, batch):
        self.data, self.base, self.image_size, self.batch = data, base, image_size, batch
        self.codes = index.codes(data.table["label"], CLASSES)

    def decode(self):
        decoding.preprocess(self.data.path, self.data.entries, self.image_size, 0, self.data.folder)

    def convolve(self):
        pictures = arrays.images(self.data.folder / "images.npy")
        with tempfile.TemporaryDirectory(dir=self.data.folder) as place:  # a fresh one, with nothing to go on from
            work = checkpoint.Checkpoint(place, "features")
            features.compute(
                self.base,
                pictures,
                "unit",
                5,
                *(self.data.folder / name for name in ("features.npy", "pooled.npy")),
                work,
            )

    def train(self, epochs, count=None):
        """Train the head; over `count` training images, some of them several times, and as many others as the study."""
        network = classifier.network(self.base, UNITS, len(CLASSES), "unit", seed=0)
        self.head = vgg.part(network, after="block5_pool")
        self.features = np.load(self.data.folder / "features.npy", mmap_mode="r")
        rows = self.data.rows("train"), self.data.rows("validation")
        if count:
            rows = np.resize(rows[0], count), np.resize(rows[1], count * STUDY["validation"] // STUDY["train"])
        settings = SimpleNamespace(**head.PLAIN, epochs=epochs, batch_size=self.batch, patience=epochs)
        training.fit(self.head, self.features, self.codes, rows, settings, RATE, seed=0)

    def accuracy(self):
        test = self.data.rows("test")
        probabilities = batches.predict(self.head, self.features, test, 32)
        return float((probabilities.argmax(axis=1) == self.codes[test]).mean())


def start(image_size):
    """A base to start from, and its name: ImageNet's weights where they can be had."""
    for name in ("imagenet", "photographs"):
        try:
            found = weights.initial(name, "candidate", 0, "unit")
        except InputError as error:
            print(f"{error}; so the start is photographs", flush=True)
            continue
        base = vgg.base(image_size)
        base.set_weights(found.get_weights())
        return base, name


def totals(options, folder):
    """Seconds of the parts of both ways on some images, turn by turn; how many images each part and the head have."""
    data = Data(folder, options.patients, options.slices)
    given = (data, forward.base(options.image_size), options.image_size, options.batch)
    fit, _ = usual(data, forward.base(options.image_size), options.image_size, options.batch)
    own, count = Own(*given), options.head_batches * options.batch
    ways = {
        "usual": lambda: fit(1),
        "decode": own.decode,
        "convolve": own.convolve,
        "train 1": lambda: own.train(1, count),
        "train more": lambda: own.train(1 + options.head_epochs, count),
    }
    seconds = stopwatch.interleaved(ways, options.repetitions)
    return seconds, {part: len(data.rows(part)) for part in STUDY} | {"head": count}


def equal(options, folder):
    """Accuracy of both ways with the same start, split and head, and a line about it."""
    data = Data(folder, options.equal_patients, options.equal_slices)
    found = {}
    devices.prepare(seed=0)
    base, name = start(options.equal_size)
    own = Own(data, base, options.equal_size, options.equal_batch)
    own.decode()
    own.convolve()
    own.train(options.equal_epochs)
    found["this project"] = own.accuracy()
    devices.prepare(seed=0)
    fit, accuracy = usual(data, base, options.equal_size, options.equal_batch)
    fit(options.equal_epochs)
    found["usual"] = accuracy()
    note = (
        f"equal accuracy: {len(data.rows('test'))} test images of {options.equal_size} pixels, {options.equal_epochs} "
        f"epochs, start {name}: {found['usual']:.4f} the usual way, {found['this project']:.4f} this project's"
    )
    return found, note


def main():
    options = stopwatch.options(__doc__, SIZES)
    devices.prepare(seed=0)
    print(devices.describe("float32"))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        seconds, count = totals(options, Path(first))
        _, note = equal(options, Path(second))
    fitted, trained = count["train"] + count["validation"], count["head"]
    every, study = fitted + count["test"], STUDY["train"] + STUDY["validation"]
    epoch = [
        (more - one) / options.head_epochs for one, more in zip(seconds["train 1"], seconds["train more"], strict=True)
    ]
    usual_total = [each / fitted * MODELS * (EPOCHS * study + STUDY["test"]) for each in seconds["usual"]]
    parts = {
        "decoding, once": [each / every * sum(STUDY.values()) for each in seconds["decode"]],
        "VGG-16, once a model": [each / every * MODELS * sum(STUDY.values()) for each in seconds["convolve"]],
        "head, 30 epochs a model": [each / trained * MODELS * EPOCHS * STUDY["train"] for each in epoch],
    }
    own_total = [sum(each) for each in zip(*parts.values(), strict=True)]
    hours = {"the usual way": usual_total, "this project": own_total} | {
        f"  {name}": part for name, part in parts.items()
    }
    rows = [
        {
            "way": name,
            "hours for the study": stopwatch.spread(each / 3600 for each in values),
            "times as long in the usual way": stopwatch.ratio(values, usual_total),
        }
        for name, values in hours.items()
    ]
    notes = [
        f"measured: {options.repetitions} epochs of {fitted} images the usual way, {options.head_epochs} of the head "
        f"over {trained} rows of their features in batches of {options.batch}, {every} images through VGG-16; "
        f"the study: {EPOCHS} epochs of {study:,} of {sum(STUDY.values()):,} images, {MODELS} models",
        note,
    ]
    stopwatch.publish("usual", options.size, rows, notes)


if __name__ == "__main__":
    main()
