"""The simulation of intervals trains what it says it trains."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks import intervals


def test_fitted_probes_are_scikit_learns():
    generator = np.random.default_rng(0)
    features = np.column_stack([generator.normal(size=(200, 6)), np.ones(200)]).astype(np.float32)
    codes = (features[:, :4] + generator.normal(size=(200, 4))).argmax(axis=1)
    weights = generator.uniform(0.5, 2, (200, 3)) * (generator.random((200, 3)) < 0.8)  # a fifth is left out
    found = intervals.fit(features, codes, weights)
    for number, of_fit in enumerate(weights.T):
        expected = LogisticRegression(C=intervals.STRENGTH, tol=1e-8).fit(features[:, :-1], codes, of_fit)
        np.testing.assert_allclose(found[:-1, :, number].T, expected.coef_, atol=2e-3)
        shown = intervals.probabilities(features, found)[:, :, number]
        np.testing.assert_allclose(shown, expected.predict_proba(features[:, :-1]), atol=2e-3)


def test_a_series_is_answered_by_a_probe_that_has_not_seen_it():
    """One series of class 1 lies where class 0 does; in no cut does its own probe know it as class 1."""
    codes, series = np.repeat([0, 1], 10), np.repeat(np.arange(20), 2)
    features = np.repeat(np.where(codes == 0, -3.0, 3.0), 2)[:, None]
    features[38:] = -30
    folds = np.stack([np.arange(20) % 5, np.arange(20)[::-1] % 5])
    answered = intervals.answers(features, codes, series, folds)
    assert answered.shape == (2, 20, 2)
    np.testing.assert_allclose(answered.sum(axis=2), 1, atol=1e-5)
    assert answered[:, :10, 0].min() > 0.5
    assert answered[:, 19, 0].min() > 0.99
