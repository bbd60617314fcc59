"""The tuned logistic regression, against scikit-learn called by hand."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from kidneyct.probe import balance, logistic


@pytest.fixture(scope="module")
def rows():
    """60 rows of 20 series and three classes, in 90 dimensions, more than rows."""
    generator = np.random.default_rng(0)
    series = np.repeat(np.arange(20), 3)
    codes = (series % 5 > 1).astype(int) + (series % 5 > 3)  # 8, 8 and 4 series
    features = generator.normal(size=(60, 90)) * generator.uniform(0.1, 3, 90)
    features[:, :3] += np.eye(3)[codes] * 6
    features += np.repeat(generator.normal(size=(20, 90)), 3, axis=0)
    return features, codes, series


def test_a_fit_is_scikit_learns(rows):
    features, codes, series = rows
    weights = balance.weights(codes, series)
    for strength in (1e-4, 0.1):
        model = logistic.fit(features, codes, weights, 3, strength)
        scaler = StandardScaler().fit(features)
        plain = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000)
        plain.fit(scaler.transform(features), codes, sample_weight=weights)
        unseen = features[::-1] * 1.1
        expected = plain.predict_proba(scaler.transform(unseen))
        np.testing.assert_allclose(logistic.probabilities(model, unseen), expected, atol=1e-3)


def test_the_penalty_is_the_one_of_the_lowest_weighted_loss_over_whole_series(rows):
    features, codes, series = rows
    model = logistic.tuned(features, codes, series, series, 3, 8, seed=1)
    folds = logistic.dealt(codes, series, 3, 1)
    losses = []
    for strength in logistic.STRENGTHS:
        total = 0
        for fold in range(3):
            held = folds == fold
            scaler = StandardScaler().fit(features[~held])
            weights = balance.weights(codes, series)
            plain = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000)
            plain.fit(scaler.transform(features[~held]), codes[~held], sample_weight=weights[~held])
            found = plain.predict_proba(scaler.transform(features[held]))
            total += log_loss(codes[held], found, sample_weight=weights[held], normalize=False)
        losses.append(total / 60)
    np.testing.assert_allclose(model.losses, losses, rtol=0.01)
    assert model.strength == logistic.STRENGTHS[np.argmin(losses)]
    assert model.edge == "none"


def test_held_out_rows_are_seen_by_no_fit_of_their_unit(rows):
    features, codes, series = rows
    found = logistic.held_out(features, codes, series, series, 3, 0.01, slices=3, seed=2)
    rest = logistic.dealt(codes, series, 3, 2) != 1
    weights = balance.weights(codes[rest], series[rest])
    expected = logistic.probabilities(logistic.fit(features[rest], codes[rest], weights, 3, 0.01), features[~rest])
    np.testing.assert_array_equal(found[~rest], expected)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_features_of_any_scale_and_constant_ones(rows):
    """A random start's features are about 5e-4, some channels are dead."""
    features, codes, series = rows
    weights = balance.weights(codes, series)
    usual = logistic.probabilities(logistic.fit(features, codes, weights, 3, 0.01), features)
    tiny = np.column_stack([features * 1e-6, np.zeros(60)]).astype("float32")
    found = logistic.probabilities(logistic.fit(tiny, codes, weights, 3, 0.01), tiny)
    np.testing.assert_allclose(found, usual, atol=1e-3)


def test_weights_slices_and_folds_by_hand():
    codes, series = np.array([0, 0, 0, 0, 1, 1]), np.array([5, 5, 5, 7, 8, 8])
    # 6 / 2 classes = 3 a class; 1.5 a series of class 0, over 3 rows and over 1; 3 over the 2 rows of series 8.
    np.testing.assert_allclose(balance.weights(codes, series), [0.5, 0.5, 0.5, 1.5, 1.5, 1.5])
    series = np.array([1] * 7 + [0] * 2 + [1] * 2)
    assert logistic.evenly(series, 3).tolist() == [0, 4, 7, 8, 10]  # of rows 0-6, 9, 10 the first, fifth and ninth
    assert logistic.evenly(series, 20).tolist() == list(range(11))
    codes, series = np.repeat([0, 0, 0, 1, 1, 1, 1], 2), np.repeat(np.arange(7), 2)
    fold = logistic.dealt(codes, series, 3, seed=0)
    assert all(len(set(fold[series == number])) == 1 for number in range(7))
    assert all(set(codes[fold == number]) == {0, 1} for number in range(3))
    assert set(logistic.dealt(codes[2:], series[2:], 3, seed=0)) == {0, 1}  # class 0 has two series left
    assert logistic.dealt(codes[4:], series[4:], 3, seed=0) is None


def test_classes_of_which_there_is_little_or_nothing(rows):
    features, codes, series = rows

    def tuned(chosen):
        return logistic.tuned(features[chosen], codes[chosen], series[chosen], series[chosen], 3, 8)

    model = tuned(series < 5)  # class 2 has series 4 alone
    assert (model.strength, model.edge) == (pytest.approx(0.01), "untuned")
    found = logistic.probabilities(tuned(codes < 2), features)
    assert np.all(found[:, 2] == 0)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert logistic.probabilities(tuned(codes == 1), features).tolist() == [[0, 1, 0]] * 60
