"""What needs no network: linear models, tuned as a probe is, of a thumbnail and of how it was made; null controls."""

import numpy as np

from kidneyct.files import index
from kidneyct.probe import balance, logistic


def acquisition(thumbnails):
    """Mean grey, its standard deviation and the mean of the outermost pixels: (n, 3) float, without anatomy."""
    border = np.ones(thumbnails.shape[1:], bool)
    border[1:-1, 1:-1] = False
    pixels = np.asarray(thumbnails, float)
    return np.column_stack([pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2)), pixels[:, border].mean(axis=1)])


def features(thumbnails, widths, heights):
    """What each linear baseline sees of n images, name -> (n, d).

    `linear_model` sees the thumbnail's 625 greys, `acquisition` what the function of that name gives, and
    `acquisition_size` the picture's width and height before that.
    """
    made = acquisition(thumbnails)
    sized = np.column_stack([widths, heights, made])
    flat = np.asarray(thumbnails).reshape(len(thumbnails), -1).astype("float32")  # (n, 625)
    return {"linear_model": flat, "acquisition": made, "acquisition_size": sized}


def tuned(training, codes, series, units, slices):
    """The `logistic.Model` of each linear baseline, by name: `training` is what `features` gives of n training images.

    Codes, series and units (n,) are theirs, as in `logistic.tuned`, and so is `slices`.
    """
    classes = int(codes.max()) + 1
    return {name: logistic.tuned(seen, codes, series, units, classes, slices) for name, seen in training.items()}


def refitted(models, training, codes, series, slices):
    """The models of `tuned` fitted to other codes (n,), each with the penalty that it has."""
    rows = logistic.evenly(series, slices)
    codes, weights = codes[rows], balance.weights(codes[rows], series[rows])
    classes = int(codes.max()) + 1
    return {
        name: logistic.fit(training[name][rows], codes, weights, classes, model.strength)
        for name, model in models.items()
    }


def answers(models, asked, codes, nearest):
    """The codes that each of `index.BASELINES` gives m images, name -> (m,): `models` are `tuned`'s or `refitted`'s.

    The images' `features` are `asked`, `codes` (n,) the training images', of which `nearest` (m,) are most similar.
    """
    linear = {name: logistic.probabilities(model, asked[name]).argmax(axis=1) for name, model in models.items()}
    majority = np.full(len(nearest), np.bincount(codes).argmax())
    return {"majority_class": majority, "nearest_thumbnail": codes[nearest]} | linear


def permuted(codes, series, generator):
    """The codes (n,) after the series have swapped their labels at random.

    All images of a series (n,) get one label, its commonest if it has several; how many series have which label stays.
    Whatever a model then gets right of a test image, it got from other slices of the image's own series (Yagis et al.
    2021 permuted labels over subjects so).
    """
    members, counts = index.class_counts(series, codes)
    return generator.permutation(counts.argmax(axis=1))[members]
