"""Multinomial logistic regression with an L2 penalty that whole series choose, as for linear probes.

Kornblith et al. 2019 (arXiv:1805.08974, appendix A.2) fit L-BFGS on fixed features and choose the penalty by held-out
data. Here a class weighs as much as another, and within a class a series as much as another.
"""

import copy
from typing import Any, NamedTuple

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from kidneyct.files import tables
from kidneyct.files.index import class_counts
from kidneyct.probe import balance

STRENGTHS = np.logspace(-7, 1, 17)  # scikit-learn's C, the inverse of the penalty
UNTUNED = 10  # the position in STRENGTHS, 0.01, that is taken where a class has one unit only
FOLDS = 3
# Two threads of BLAS wait for each other in L-BFGS's small steps: one is five times faster and more.
one_thread = threadpool_limits.wrap(limits=1, user_api="blas")


class Model(NamedTuple):
    """A fitted regression: what standardises, what spans the fitted rows, the regression itself, and its choice."""

    scaler: StandardScaler
    basis: np.ndarray | None  # (d, r); None stands for all d dimensions
    regression: Any
    classes: int
    strength: float
    edge: str = "none"  # of STRENGTHS that was chosen: lowest, highest or none; untuned where nothing chose
    losses: tuple = ()  # weighted log-loss of the held-out rows, for each of STRENGTHS


@one_thread
def tuned(features, codes, series, units, classes, slices, seed=0):
    """Fit features (n, d) with codes (n,) below `classes`, the penalty chosen by inner folds: a Model.

    Of each of the `series` (n,) at most `slices` rows, evenly spaced, are used: more are nearly the same pictures. An
    inner fold holds whole `units` (n,): series where the outer split is by series, images where it is by image. The
    chosen strength has the lowest weighted log-loss over the held-out rows of FOLDS folds, or of as many as the rarest
    class has units.
    """
    rows = evenly(series, slices)
    features, codes = np.asarray(features[rows], float), np.asarray(codes)[rows]
    series, units = np.asarray(series)[rows], np.asarray(units)[rows]
    weights = balance.weights(codes, series)
    folds = dealt(codes, units, FOLDS, seed)
    if folds is None:
        return fit(features, codes, weights, classes, STRENGTHS[UNTUNED])._replace(edge="untuned")
    by_row = np.empty((len(STRENGTHS), len(codes)))  # held-out losses
    for held in (folds == fold for fold in range(folds.max() + 1)):
        models = path(features[~held], codes[~held], weights[~held], classes, STRENGTHS)
        for number, model in enumerate(models):
            if number == 0:  # what the models see of the held-out rows is the same at every strength
                seen = projected(model, features[held])
            by_row[number, held] = log_losses(_probabilities(model, seen), codes[held])
    losses = np.average(by_row, axis=1, weights=weights)
    best = int(losses.argmin())
    model = fit(features, codes, weights, classes, STRENGTHS[best])
    return model._replace(edge=tables.edge(STRENGTHS[best], STRENGTHS), losses=tuple(losses))


@one_thread
def held_out(features, codes, series, units, classes, strength, slices, seed=0):
    """Probabilities (n, classes) of each row from a fit, at this strength, to the folds of `tuned` that lack its unit.

    They stand to the fitted rows as a model's probabilities do to rows that it has not seen, so that another model can
    be fitted on them. Wants a second unit of each class.
    """
    folds, result = dealt(codes, units, FOLDS, seed), np.zeros((len(codes), classes))
    for fold in range(folds.max() + 1):
        rest = np.flatnonzero(folds != fold)
        rest = rest[evenly(series[rest], slices)]
        model = fit(features[rest], codes[rest], balance.weights(codes[rest], series[rest]), classes, strength)
        result[folds == fold] = probabilities(model, features[folds == fold])
    return result


@one_thread
def fit(features, codes, weights, classes, strength):
    """The Model of rows (n, d) with codes (n,) and weights (n,), at one of scikit-learn's C."""
    return next(path(features, codes, weights, classes, [strength]))


def path(features, codes, weights, classes, strengths):
    """Yield the Model at each strength, each fit beginning where the one before ended.

    Fewer rows than dimensions are rotated into their own span first. The penalty and the fitted values are the same
    there, as no part of the coefficients lies outside it, and a step costs n² instead of n d.
    """
    scaler = StandardScaler().fit(features)
    standard = scaler.transform(features)
    basis = np.linalg.qr(standard.T)[0] if len(standard) < standard.shape[1] else None
    standard = standard if basis is None else standard @ basis
    several = len(np.unique(codes)) > 1
    regression = LogisticRegression(warm_start=True, max_iter=2000) if several else DummyClassifier()
    for strength in strengths:
        regression.set_params(**({"C": strength} if several else {})).fit(standard, codes, sample_weight=weights)
        yield Model(scaler, basis, copy.copy(regression), classes, float(strength))


def probabilities(model, features):
    """Probabilities (m, classes) of features (m, d); 0 for a class that was not fitted."""
    return _probabilities(model, projected(model, features))


def projected(model, features):
    """Features (m, d) as the model's regression sees them: standardised, and rotated into the span of its rows."""
    standard = model.scaler.transform(np.asarray(features, float))
    return standard if model.basis is None else standard @ model.basis


def _probabilities(model, seen):
    result = np.zeros((len(seen), model.classes))
    result[:, model.regression.classes_] = model.regression.predict_proba(seen)
    return result


def log_losses(probabilities, codes):
    """Each row's log-loss in nats, (n,); a probability counts as 1e-15 at least, so that none is infinite."""
    return -np.log(np.maximum(probabilities[np.arange(len(codes)), codes], 1e-15))


def evenly(series, most):
    """Row numbers, ascending, of at most `most` rows of each series (n,), evenly spaced, first and last included."""
    order = np.argsort(series, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(np.asarray(series)[order])) + 1)
    places = (np.linspace(0, len(group) - 1, min(len(group), most)).round().astype(int) for group in groups)
    return np.sort(np.concatenate([group[np.unique(chosen)] for group, chosen in zip(groups, places, strict=True)]))


def dealt(codes, units, folds, seed):
    """The fold of each row (n,) int: whole units, those of a class dealt in turn; None where a class has one only.

    There are as many folds as the rarest class has units, if these are fewer.
    """
    members, counts = class_counts(units, codes)
    of_unit = counts.argmax(axis=1)  # a unit's commonest class
    fewest = np.unique(of_unit, return_counts=True)[1].min()
    if fewest < 2:
        return None
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(of_unit[order], kind="stable")]
    fold = np.empty(len(counts), int)
    fold[order] = np.arange(len(counts)) % min(folds, fewest)
    return fold[members]
