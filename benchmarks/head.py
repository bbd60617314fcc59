"""An epoch of the head's training: this project's, and the same head in a plain loop of TensorFlow and of PyTorch.

    python -m benchmarks.head
    pip install torch       # in an environment of your own, to compare with it too

Features in memory, 18,432 of each image, through a dense layer of 1,024 units, with Adam; a tenth as many images again
are validated after each epoch. What starting costs, such as compiling, is taken off: an epoch is what one more takes.
"""

from types import SimpleNamespace

import keras
import numpy as np

from benchmarks import stopwatch
from kidneyct.backbone import devices, vgg
from kidneyct.classifier import classifier
from kidneyct.training import training

SIZES = {
    "cpu": {"images": 600, "image_size": 200, "units": 1024, "batch": 100, "epochs": 3, "repetitions": 3},
    "tiny": {"images": 20, "image_size": 32, "units": 8, "batch": 10, "epochs": 1, "repetitions": 1},
    "full": {"images": 8713, "epochs": 5},
    "gpu": {"images": 8713, "epochs": 10},
}
CLASSES, RATE = 4, 0.001
PLAIN = {"optimizer": "adam", "schedule": "constant", "warmup_epochs": 0, "head_epochs": 0, "label_smoothing": 0}


def data(options):
    """Features as `features` keeps them, and codes that have something to do with them."""
    side, draw = options.image_size // 32, np.random.default_rng(0)
    count = options.images + options.images // 10
    codes = np.arange(count) % CLASSES
    features = np.maximum(draw.normal(size=(count, side, side, 512)).astype(np.float16), 0)
    features[..., :CLASSES] += np.eye(CLASSES, dtype=np.float16)[codes][:, None, None]
    return features, codes


def head(options):
    network = classifier.network(vgg.base(options.image_size), options.units, CLASSES, "unit", seed=0)
    return vgg.part(network, after="block5_pool")


def own(options, features, codes):
    rows = np.split(np.arange(len(codes)), [options.images])

    def train(epochs):
        settings = SimpleNamespace(**PLAIN, epochs=epochs, batch_size=options.batch, patience=epochs)
        history = training.fit(head(options), features, codes, rows, settings, RATE, seed=0)
        return history["val_loss"].iloc[-1]

    return train


def tensorflow(options, features, codes):
    import tensorflow as tf

    inputs = tf.constant(features.astype("float32"))
    targets = tf.constant(np.eye(CLASSES, dtype="float32")[codes])
    crossentropy = keras.losses.CategoricalCrossentropy()

    def train(epochs):
        model, optimizer = head(options), keras.optimizers.Adam(RATE)
        optimizer.build(model.trainable_variables)

        @tf.function
        def step(rows):
            with tf.GradientTape() as tape:
                value = crossentropy(tf.gather(targets, rows), model(tf.gather(inputs, rows), training=True))
            gradients = tape.gradient(value, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        @tf.function
        def validate(rows):
            return crossentropy(tf.gather(targets, rows), model(tf.gather(inputs, rows), training=False))

        for epoch in range(epochs):
            order = np.random.default_rng(epoch).permutation(options.images)
            for at in range(0, options.images, options.batch):
                step(tf.constant(order[at : at + options.batch]))
            found = validate(tf.constant(np.arange(options.images, len(codes))))
        return float(found)

    return train


def pytorch(options, features, codes):
    import torch

    # As Keras flattens them, channels last.
    inputs = torch.from_numpy(features.reshape(len(features), -1).astype("float32"))
    targets, crossentropy = torch.from_numpy(codes), torch.nn.CrossEntropyLoss()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    inputs, targets = inputs.to(device), targets.to(device)

    def train(epochs):
        torch.manual_seed(0)
        layers = [
            torch.nn.Linear(inputs.shape[1], options.units),
            torch.nn.ReLU(),
            torch.nn.Linear(options.units, CLASSES),
        ]
        for layer in layers[::2]:
            torch.nn.init.xavier_uniform_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        model = torch.nn.Sequential(*layers).to(device)
        optimizer = torch.optim.Adam(model.parameters(), RATE, eps=1e-7)
        for epoch in range(epochs):
            order = torch.from_numpy(np.random.default_rng(epoch).permutation(options.images)).to(device)
            for at in range(0, options.images, options.batch):
                rows = order[at : at + options.batch]
                optimizer.zero_grad()
                crossentropy(model(inputs[rows]), targets[rows]).backward()
                optimizer.step()
            with torch.inference_mode():
                found = crossentropy(model(inputs[options.images :]), targets[options.images :])
        return float(found)

    return train


def main():
    options = stopwatch.options(__doc__, SIZES)
    devices.prepare(seed=0)
    print(devices.describe("float32"))
    given = (options, *data(options))
    trains = {"this project": own(*given), "TensorFlow, plain loop": tensorflow(*given)}
    if stopwatch.installed("torch"):
        trains["PyTorch, plain loop"] = pytorch(*given)
    ways = {}
    for name, train in trains.items():
        ways[name, 1] = lambda train=train: train(1)
        ways[name, 1 + options.epochs] = lambda train=train: train(1 + options.epochs)
    losses = {name: train(1 + options.epochs) for name, train in trains.items()}
    seconds = stopwatch.interleaved(ways, options.repetitions, warm=False)
    epochs = {
        name: [
            (many - one) / options.epochs
            for one, many in zip(seconds[name, 1], seconds[name, 1 + options.epochs], strict=True)
        ]
        for name in trains
    }
    rows = [
        {
            "way": name,
            "seconds an epoch": stopwatch.spread(epochs[name]),
            "times as long as this project": stopwatch.ratio(epochs["this project"], epochs[name]),
            "validation loss": losses[name],
        }
        for name in trains
    ]
    note = (
        f"{options.images:,} images an epoch in batches of {options.batch}; validation loss after {1 + options.epochs}"
    )
    stopwatch.publish("head", options.size, rows, [note])


if __name__ == "__main__":
    main()
