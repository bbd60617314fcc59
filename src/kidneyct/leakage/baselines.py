"""What is tuned as a probe is and needs no network: linear models of a thumbnail, and of how a picture was made."""

from kidneyct.leakage import null_controls
from kidneyct.probe import balance, logistic
from kidneyct.series import inference


def features(thumbnails, widths, heights):
    """What each linear baseline sees of n images, name -> (n, d).

    `linear_model` sees the thumbnail's 625 greys. `acquisition` sees three numbers without anatomy: mean grey, its
    deviation and the border's mean; `acquisition_size` the same with the picture's width and height.
    """
    made = null_controls.acquisition(thumbnails, widths, heights)
    return {"linear_model": inference.flat(thumbnails), "acquisition": made[:, 2:], "acquisition_size": made}


def tuned(training, codes, series, units, slices):
    """The `logistic.Model` of each linear baseline, by name; `training` are `features`, and the others n rows' too.

    Codes, series and units (n,), and `slices`, are as in `logistic.tuned`.
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


def predicted(models, asked):
    """Codes that the models of `tuned` give rows whose `features` are `asked`, name -> (m,)."""
    return {name: logistic.probabilities(model, asked[name]).argmax(axis=1) for name, model in models.items()}
