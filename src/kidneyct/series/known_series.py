"""Known series: a table that says which patient or scan each image is of, and how well inference would have done."""

import unicodedata
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from kidneyct.files import tables
from kidneyct.images import container
from kidneyct.pipeline.errors import InputError, shown

PUBLISHED = "benchmark/series.csv"  # of Kaggle's data set


def parse(content, where):
    """A table in bytes as image and series, both text, a row for each line that is not empty.

    Other columns are ignored; spaces around a series' name don't count. InputError, naming `where`, if it is none.
    """
    header, lines = tables.user_lines(content, where)
    if header.count("image") != 1 or header.count("series") != 1:
        raise InputError(
            f"{where}: expected the columns image and series once each in its first line, found "
            f"{container.listed(header, 10) or 'none'}; save it as CSV, with commas, and so name them"
        )
    image, series = ([row[header.index(name)] for row in lines.values()] for name in ("image", "series"))
    series = [_composed(name.strip()) for name in series]
    return pd.DataFrame({"image": np.array(image, object), "series": np.array(series, object)})


def numbers(table, images, rejected, where, listed="data/images/index.csv", otherwise="set series.table: none"):
    """Series number of each image of the index, (n,) int, counted from 0 in order of first appearance.

    `table` is `parse`'s, `images` and `rejected` are names; of rejected images, and of images in folders that are no
    class of the index, the table may speak. `listed` is the index's file and `otherwise` what to do without the table,
    for the complaints. InputError, a line for each kind of fault, unless it has each image of the
    index once, no others, and a name for each series.
    """
    known, named = {*images, *rejected}, set(table["image"])
    labels = {_label(image) for image in images}
    foreign = [name for name in dict.fromkeys(table["image"]) if name and name not in known]
    elsewhere = [name for name in foreign if name.count("/") == 1 and _label(name) not in labels]
    unknown = [name for name in foreign if name.count("/") != 1 or _label(name) in labels]
    missing = [image for image in images if image not in named]
    nameless = table["image"] == ""
    faults = {
        "line{} without the name of an image": [f"series {name}" for name in table["series"][nameless]],
        "image{} with an empty name of the series": table["image"][(table["series"] == "") & ~nameless].tolist(),
        "image{} twice or more": table["image"][table["image"].duplicated() & ~nameless].unique().tolist(),
        f"image{{}} that {listed} does not have": unknown,
        f"image{{}} of {listed} missing": missing,
    }
    lines = [
        f"{where}: {len(found):,} {kind.format('' if len(found) == 1 else 's')}: {container.listed(found)}"
        for kind, found in faults.items()
        if found
    ]
    if lines:
        lines[-1] += _advice(foreign, missing, listed, otherwise)
        raise InputError("\n".join(lines))
    if elsewhere:
        print(
            f"{where}: {len(elsewhere):,} images in folders that are no class here, not used: "
            f"{container.listed(elsewhere)}",
            flush=True,
        )
    by_image = dict(zip(table["image"], table["series"], strict=True))
    return pd.factorize(np.array([by_image[image] for image in images], object))[0]


def of_published(table, images, where):
    """Rows of the published data set's table, `parse`'s, that are of these images, which may be a part of it.

    InputError where it does not know an image.
    """
    unknown = images[~images.isin(table["image"])].tolist()
    if unknown:
        raise InputError(
            f"{where}: knows the images of Kaggle's data set alone, not {len(unknown):,} of the {len(images):,} here: "
            f"{container.listed(unknown)}; set series.table: archive, none or the path of a table of your own"
        )
    return table[table["image"].isin(images)]


def _label(name):
    return name.partition("/")[0]


def _advice(foreign, missing, listed, otherwise):
    """What to do; where a name is nearly one of the index, how that one is written."""
    for part in (str, lambda name: PurePosixPath(name).name, lambda name: PurePosixPath(name).stem):
        meant = {part(_folded(name)): name for name in reversed(missing)}
        for name in foreign:
            if found := meant.get(part(_folded(name))):
                looks_alike = _composed(name).strip() == _composed(found)
                pair = map(ascii if looks_alike else shown, (found, name))
                return f"; names are those of {listed}, letter by letter: {', not '.join(pair)}"
    return f"; correct the table, or {otherwise}"


def _composed(name):
    return unicodedata.normalize("NFC", name)


def _folded(name):
    return _composed(name).strip().replace("\\", "/").casefold()


def agreement(known, inferred):
    """How well inferred series (n,) find the known ones (n,): numbers of both, adjusted Rand index, purity.

    The adjusted Rand index (Hubert and Arabie 1985) is 1 for the same grouping and 0, on average, for a random one.
    Purity is the share of images whose known series is the commonest of their inferred one: below 1, inference joins
    what is apart; an index below 1 beside a purity of 1 says that it cuts what belongs together.
    """
    table = pd.DataFrame({"known": np.asarray(known), "inferred": np.asarray(inferred)})
    commonest = table.groupby(["inferred", "known"]).size().groupby("inferred").max()
    return {
        "known": table["known"].nunique(),
        "inferred": len(commonest),
        "adjusted_rand_index": float(adjusted_rand_score(known, inferred)),
        "purity": int(commonest.sum()) / len(table),
    }
