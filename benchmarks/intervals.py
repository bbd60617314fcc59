"""How often do intervals over few series hold the truth? The study's against the percentile bootstrap's, by simulation.

    python -m benchmarks.intervals [trials]

Series are as uneven as the data set's (1 to 222 images, log-uniform), each with a chance of its own to be classified
rightly, by two models whose chances are correlated; the truth is the gap of the two, 10 points. A share of 0.95 would
be as promised.
"""

import sys

import numpy as np

from kidneyct.results import pooled

GROUPS = (6, 12, 20, 40, 87)
TRIALS, RESAMPLES = 400, 400
GAP = 0.1


def trial(generator, groups):
    """Counts by series of two models, one class with two answers."""
    sizes = np.exp(generator.uniform(0, np.log(222), groups)).round().astype(int)
    series = np.repeat(np.arange(groups), sizes)
    common = generator.normal(size=groups)
    chances = [
        1 / (1 + np.exp(-(0.4 + common + 0.7 * generator.normal(size=groups)))) for _ in range(2)
    ]  # of one distribution, so that their mean gap is 0 whatever the sizes
    lifted = generator.random(len(series)) < GAP / (1 - CENTRE)  # brings GAP of all to the first model
    right = [generator.random(len(series)) < chance[series] for chance in chances]
    right[0] = right[0] | (lifted & ~right[0])
    actual = np.zeros(len(series), int)
    return [pooled.counts(actual, (~answers).astype(int), series, 2) for answers in right]


def mean_chance():
    """The mean of the chances, by a large draw."""
    generator = np.random.default_rng(0)
    return float(np.mean(1 / (1 + np.exp(-(0.4 + np.sqrt(1 + 0.7**2) * generator.normal(size=4_000_000))))))


CENTRE = mean_chance()


def main(trials):
    print(f"{'series':>6}  {'study':>6}  {'percentile':>10}  {'width, study':>12}  {'percentile':>10}")
    for groups in GROUPS:
        generator = np.random.default_rng(groups)
        held, widths = np.zeros(2), np.zeros(2)
        for number in range(trials):
            first, second = trial(generator, groups)
            gap = pooled.estimate([first], [second], seed=number, resamples=RESAMPLES)[0]
            ends = [(gap["low"], gap["high"]), (gap["percentile_low"], gap["percentile_high"])]
            held += [low <= GAP <= high for low, high in ends]
            widths += [high - low for low, high in ends]
        held, widths = held / trials, widths / trials
        print(f"{groups:>6}  {held[0]:>6.3f}  {held[1]:>10.3f}  {widths[0]:>12.3f}  {widths[1]:>10.3f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS)
