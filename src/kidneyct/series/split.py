"""Which rows train, validate and test."""

import numpy as np

from kidneyct.files.index import DROPPED, PARTS, UNUSED, class_counts, rows
from kidneyct.pipeline.errors import InputError
from kidneyct.series import inference

TRIES = 50


def plan(index, series, classes, settings, fraction, seed):
    """The split file of an index: image, label and split, which is a part of PARTS, DROPPED or UNUSED.

    `series` (n,) are the images', `settings` those of params.yaml's section split; `fraction` of the training rows
    are used, drawn from `seed`. InputError where a part would lack one of the classes.
    """
    kept = usable(index, settings.contradictory)
    labels = index["label"].to_numpy()
    if lost := sorted(set(classes) - set(labels[kept])):
        raise InputError(
            f"split.contradictory: drop leaves no image of class {', '.join(lost)}, each is filed under another class "
            "too; remove the wrong ones"
        )
    table = index[["image", "label"]].assign(split=DROPPED)
    table.loc[kept, "split"] = divide(labels[kept], series[kept], index["image"].to_numpy()[kept], settings)
    training = rows(table, "train")
    used = share_of(labels, None if settings.by == "image" else series, training, fraction, seed)
    table.loc[np.setdiff1d(training, used), "split"] = UNUSED
    return table


def divide(labels, series, images, settings):
    """Part of each image, (n,) strings of PARTS, as `settings` ask: by, test, validation, folds, fold and seed.

    `images` (n,) are names; `test` and `validation` are shares of all n images. Of `folds`, the one numbered `fold`,
    from 0, is the test part instead: together they test each image once. InputError where a part would lack a class.
    """
    labels, series, folds = np.asarray(labels), np.asarray(series), settings.folds
    test, validation, fold, seed = settings.test, settings.validation, settings.fold, settings.seed
    if settings.by != "image" and folds > 1 and validation >= 1 - 1 / folds:
        raise InputError(f"split.validation: expected less than {1 - 1 / folds:g} beside a fold, found {validation}")
    if settings.by == "image":
        parts = by_image(labels, test, validation, seed, folds, fold)
    elif settings.by == "series":
        parts = _by_series(labels, series, test, validation, seed, folds, fold)
    else:
        runs = [1 / folds] * folds if folds > 1 else [test, validation, 1 - test - validation]
        parts = by_block(labels, series, images, runs, fold, validation, seed)
    for label in np.unique(labels):
        missing = [part for part in PARTS if not np.any((labels == label) & (parts == part))]
        if missing:
            raise InputError(
                f"split: no image of class {label} ({np.sum(labels == label)} images) falls into "
                f"{' and '.join(missing)}; add images or raise split.test and split.validation"
            )
    return parts


def by_image(labels, test, validation, seed, folds=1, fold=0):
    """The paper's way: images drawn at random, in the classes' proportions; shares are rounded to whole images.

    Returns (n,) strings of PARTS; `folds` and `fold` as in `divide`.
    """
    from sklearn.model_selection import StratifiedKFold, train_test_split

    parts, rest = np.full(len(labels), "train", dtype=object), np.arange(len(labels))
    shares = {"test": test, "validation": validation}
    smallest = np.unique(labels, return_counts=True)[1].min()
    if smallest < folds:
        raise InputError(f"split.folds: expected at most {smallest}, the images of the smallest class; found {folds}")
    if folds > 1:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        rest, tested = list(splitter.split(labels, labels))[fold]
        parts[tested] = "test"
        del shares["test"]
    try:
        for part, share in shares.items():
            size = round(share * len(labels))
            rest, chosen = train_test_split(rest, test_size=size, stratify=labels[rest], random_state=seed)
            parts[chosen] = part
    except ValueError as error:
        raise InputError(
            f"split.{part}: {size} of {len(labels)} images can't be drawn in the classes' proportions ({error}); add "
            f"images or change split.{part}"
        ) from None
    return parts


def _by_series(labels, series, test, validation, seed, folds, fold):
    """Whole series drawn at random, each on one side, the classes' proportions as near as whole series allow."""
    if folds == 1:
        shares = {"train": 1 - test - validation, "validation": validation, "test": test}
        return np.array(list(shares), object)[_assign(labels, series, list(shares.values()), seed)]
    parts = np.full(len(labels), "test", dtype=object)
    rest = np.flatnonzero(_assign(labels, series, [1 / folds] * folds, seed) != fold)
    share = validation * len(labels) / len(rest)
    chosen = _assign(labels[rest], series[rest], [1 - share, share], seed)
    parts[rest] = np.array(["train", "validation"], object)[chosen]
    return parts


def by_block(labels, series, images, runs, fold, validation, seed):
    """Neighbouring series together: of each class these lie in the natural order of their first image, on a circle.

    The seed draws where the circle begins. It is cut into runs of whole series that hold about the shares `runs` of the
    class's images. The run `fold` is the test part, the series behind it are validation, of about that share of all the
    class's images, and the others train. A series of several classes counts in its commonest. Returns (n,) strings of
    PARTS. InputError where a class has too few series.
    """
    labels, generator = np.asarray(labels), np.random.default_rng(seed)
    parts = np.full(len(labels), "train", dtype=object)
    rows = inference.order(images)
    series, (classes, codes) = np.asarray(series)[rows], np.unique(labels[rows], return_inverse=True)
    _, first, sizes = np.unique(series, return_index=True, return_counts=True)
    members, counts = class_counts(series, codes)
    for code, label in enumerate(classes):
        own = np.flatnonzero(counts.argmax(axis=1) == code)
        needed = max(len(runs), len(PARTS))
        if len(own) < needed:
            raise _too_few(needed, len(own), label)
        own = own[np.argsort(first[own])]
        own = np.roll(own, -generator.integers(len(own)))
        begin, end = [0, *_cuts(sizes[own], runs), len(own)][fold : fold + 2]
        tested, rest = np.split(np.roll(own, -begin), [end - begin])
        if len(rest) < 2:
            raise _too_few(len(own) + 1, len(own), label)
        share = min(1, validation * sizes[own].sum() / sizes[rest].sum())
        validated = rest[: _cuts(sizes[rest], [share, 1 - share])[0]]
        parts[rows[np.isin(members, tested)]] = "test"
        parts[rows[np.isin(members, validated)]] = "validation"
    return parts


def _cuts(sizes, shares):
    """The series before each cut of a row of series of sizes (m,) into runs of about these shares, none empty."""
    ends, cuts = np.cumsum(sizes), [0]
    for at, target in enumerate(np.cumsum(shares)[:-1] * ends[-1]):
        within = slice(cuts[-1], len(sizes) - (len(shares) - 1 - at))
        cuts.append(cuts[-1] + 1 + int(np.abs(ends[within] - target).argmin()))
    return cuts[1:]


def _too_few(parts, found, label):
    return InputError(
        f"split.by: this needs {parts} series or more of each class here, one for each part; found {found} "
        f"of class {label}; add scans, lower split.folds, raise series.similarity, or set split.by: image"
    )


def _assign(labels, series, shares, seed):
    """Which of several parts each image goes to, (n,) int: whole series, `shares` of every class's images.

    Series come in a random order, the larger ones rather first; each goes to the part that lacks most of its
    classes. Of a few such draws the one nearest to the shares is kept. Every part gets a series of each class.
    """
    names, codes = np.unique(labels, return_inverse=True)
    members, counts = class_counts(series, codes)
    held_by = (counts > 0).sum(axis=0)
    if held_by.min() < len(shares):
        raise _too_few(len(shares), held_by.min(), names[held_by.argmin()])
    targets = np.outer(shares, counts.sum(axis=0))  # (parts, classes)
    generator = np.random.default_rng(seed)
    best, best_distance = None, np.inf
    for _ in range(TRIES):
        order = np.argsort(-counts.sum(axis=1) * generator.uniform(0.5, 1.5, len(counts)), kind="stable")
        chosen, held = _fill(counts, targets, order)
        distance = np.abs(held - targets).sum() + (len(labels) if (held == 0).any() else 0)
        if distance < best_distance:
            best, best_distance = chosen, distance
    return best[members]


def _fill(counts, targets, order):
    """Part of each series, (series,) int, and how many images each part then holds, (parts, classes)."""
    chosen, held = np.zeros(len(counts), int), np.zeros_like(targets)
    left = (counts > 0).sum(axis=0)  # series still to come, by class
    for number in order:
        of = counts[number] > 0
        lacking = held[:, of] == 0  # (parts, its classes)
        needed = (lacking & (left[of] <= lacking.sum(axis=0))).any(axis=1)
        room = (targets - held) @ counts[number]
        if needed.any():
            room[~needed] = -np.inf
        chosen[number] = room.argmax()
        held[chosen[number]] += counts[number]
        left -= of
    return chosen, held


def usable(index, rule, path="data/images/index.csv"):
    """Rows that the rule split.contradictory leaves, (n,) bool, of an index, which lies at `path`.

    One file under two labels, byte for byte, is an error that names it, dropped wherever it is, or kept.
    """
    doubled = (index.groupby("sha256")["label"].transform("nunique") > 1).to_numpy()
    if rule == "error" and doubled.any():
        groups = [" = ".join(group) for _, group in index[doubled].groupby("sha256", sort=False)["image"]]
        raise InputError(
            f"{path}: the same file under two classes: {', '.join(groups[:5])}; remove the wrong ones, or set "
            "split.contradictory: drop to use none of them, keep to use all"
        )
    return ~doubled if rule == "drop" else np.ones(len(index), bool)


def external(index, rule, path):
    """The split of an external test set, whose index lies at `path`: image, label and split, "test" or DROPPED."""
    kept = usable(index, rule, path)
    if len(index) and not kept.any():
        raise InputError(
            f"{path}: split.contradictory: drop leaves no image, each is filed under another class too; remove the "
            "wrong ones"
        )
    return index[["image", "label"]].assign(split=np.where(kept, "test", DROPPED))


def share_of(labels, series, training, share, seed):
    """Some of the training rows, in the classes' proportions: images, or whole series where `series` (n,) is not None.

    `labels` (n,) are all images'. A larger share holds a smaller one's rows. InputError where a class would have none.
    """
    if share == 1:
        return training
    labels, chosen = np.asarray(labels), []
    groups = np.arange(len(labels)) if series is None else np.asarray(series)
    for label in np.unique(labels[training]):
        of_class = training[labels[training] == label]
        names, counts = np.unique(groups[of_class], return_counts=True)
        order = np.random.default_rng(seed).permutation(len(names))
        sizes = counts[order].cumsum() / len(of_class)
        ends = np.concatenate([[0], sizes])  # the share that the first 0, 1, 2, … groups make
        taken = len(ends) - 1 - np.abs(ends - share)[::-1].argmin()  # the nearest, the larger of equals
        if taken == 0:
            unit = "images" if series is None else "series"
            raise InputError(
                f"train.fraction: {share:g} of the {len(order)} training {unit} of class {label} leaves none; "
                f"expected {sizes[0] / 2:.2g} or more"
            )
        chosen.append(of_class[np.isin(groups[of_class], names[order[:taken]])])
    return np.sort(np.concatenate(chosen))
