"""The bootstrap that draws whole series, as slices of one are nearly one picture (Field & Welsh 2007)."""

import numpy as np

RESAMPLES = 5000
LEVEL = 0.95
BLOCK = 250  # resamples held in memory at a time
FEW = 40  # with fewer series the interval is too narrow
# By number of series the share of simulated test sets whose interval holds the truth, as in
# benchmarks/results/intervals-pooled.json.
COVERAGE = {6: 0.823, 20: 0.888}


def resampled(statistic, generator, *counts, resamples=RESAMPLES):
    """Compute a statistic of samples that are drawn with replacement, (resamples, ...).

    Each of `counts` (k,) says how many there are of k kinds, say 1 of each series, and `statistic` is given how often
    each kind was drawn, (b, k).
    """
    blocks = [min(BLOCK, resamples - start) for start in range(0, resamples, BLOCK)]
    shares = [(of.sum(), of / of.sum()) for of in counts]
    drawn = ([generator.multinomial(*of, size=size).astype(float) for of in shares] for size in blocks)
    return np.concatenate([statistic(*times) for times in drawn])


def ends(values):
    """Lower and upper percentile of resamples (b, ...), (2, ...); NaN where no resample has a value."""
    empty = np.isnan(values).all(axis=0)
    shares = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    return np.where(empty, np.nan, np.nanquantile(np.where(empty, 0, values), shares, axis=0))


def coverage():
    """COVERAGE in words."""
    return ", ".join(f"{100 * share:.0f} % with {series} series" for series, share in COVERAGE.items())
