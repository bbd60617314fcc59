"""What do 16 bits a value cost? The control's features at 16 and at 32 bits, and the same head trained on both.

    python -m benchmarks.precision     # in a workspace where `dvc repro` has run

A random start's features are the hard case: about 5e-4, near the end of float16's range.
"""

import numpy as np

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import batches, classifier
from kidneyct.files import index
from kidneyct.pipeline import params
from kidneyct.training import training

ROLE = "control"


def main():
    p = params.validate()
    classes = p.data.classes
    images = np.load("data/images/images.npy", mmap_mode="r")
    sixteen = np.load(f"data/features/{ROLE}/features.npy", mmap_mode="r")
    table = index.read("data/split.csv")
    devices.prepare(p.seed)
    base = vgg.initialised(f"data/features/{ROLE}/initial.weights.h5", images.shape[1])
    frozen = vgg.frozen_part(base, p.model.pixel_scaling, p.model.frozen_blocks)
    thirty_two = batches.predict(frozen, images, np.arange(len(images)), 32)  # float32

    difference = thirty_two - sixteen.astype("float32")
    print(f"features: mean {thirty_two.mean():.3g}, standard deviation {thirty_two.std():.3g}")
    print(f"rms of what 16 bits lose: {np.sqrt(np.mean(difference**2)) / thirty_two.std():.2g} standard deviations")

    codes, test = index.codes(table["label"], classes), index.rows(table, "test")
    predicted = {}
    for bits, features in ((16, sixteen), (32, thirty_two)):
        devices.prepare(p.seed)
        head = (p.model.dense_units, len(classes), p.model.pixel_scaling)
        network = classifier.network(vgg.base(images.shape[1]), *head, seed=p.seed)
        head = vgg.part(network, after=vgg.boundary(p.model.frozen_blocks))
        rows = [index.rows(table, part) for part in ("train", "validation")]
        history = training.fit(head, features, codes, rows, p.train, p.train.learning_rate, p.seed)
        probabilities = batches.predict(head, features, test, 32)
        predicted[bits] = probabilities
        accuracy = (probabilities.argmax(axis=1) == codes[test]).mean()
        print(f"{bits} bits: {len(history)} epochs, lowest validation loss {history['val_loss'].min():.4f}, ", end="")
        print(f"test accuracy {accuracy:.4f}")
    same = (predicted[16].argmax(axis=1) == predicted[32].argmax(axis=1)).mean()
    print(f"test images classified the same: {same:.4f} of {len(test)}; ", end="")
    print(f"largest difference of a probability: {np.abs(predicted[16] - predicted[32]).max():.2g}")


if __name__ == "__main__":
    main()
