"""Known series: a table that says which patient or scan each image is of, and how well inference would have done."""

import unicodedata

import numpy as np
import pandas as pd

from kidneyct.files import tables
from kidneyct.images import container
from kidneyct.pipeline.errors import InputError

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
    series = [unicodedata.normalize("NFC", name.strip()) for name in series]
    return pd.DataFrame({"image": np.array(image, object), "series": np.array(series, object)})


def numbers(table, images, where, listed="data/images/index.csv", otherwise="set series.table: none"):
    """Series number of each image of the index, (n,) int, counted from 0 in order of first appearance.

    `table` is `parse`'s and `images` are names. Lines of other images are named and not used. InputError, a line for
    each kind of fault, unless each image of the index, the file `listed`, is there once and each series has a name.
    """
    known, nameless = set(table["image"]), table["image"] == ""
    faults = {
        "line(s) without the name of an image": [f"series {name}" for name in table["series"][nameless]],
        "image(s) with an empty name of the series": table["image"][(table["series"] == "") & ~nameless].tolist(),
        "image(s) twice or more": table["image"][table["image"].duplicated() & ~nameless].unique().tolist(),
        f"image(s) of {listed} missing": [image for image in images if image not in known],
        f"image(s) not used, as {listed} does not have them": sorted(known.difference(images, [""])),
    }
    *lines, unused = (
        f"{where}: {len(found):,} {kind}: {container.listed(found)}" if found else "" for kind, found in faults.items()
    )
    if any(lines):
        advice = f"correct the table, whose names are those of {listed}, letter by letter, or {otherwise}"
        raise InputError("\n".join(filter(None, [*lines, unused])) + f"; {advice}")
    if unused:
        print(unused, flush=True)
    by_image = dict(zip(table["image"], table["series"], strict=True))
    if alike := tables.look_alike(map(by_image.get, images)):
        print(f"{where}: taken as different series: {container.listed(alike)}", flush=True)
    return pd.factorize(np.array([by_image[image] for image in images], object))[0]


def agreement(known, inferred):
    """How well inferred series (n,) find the known ones (n,): numbers of both, adjusted Rand index, purity.

    The index (Hubert and Arabie 1985) is 1 for the same grouping and 0, on average, for a random one. Purity is the
    share of images whose known series is the commonest of their inferred one: below 1, inference joins what is apart.
    """
    from sklearn.metrics import adjusted_rand_score

    table = pd.DataFrame({"known": np.asarray(known), "inferred": np.asarray(inferred)})
    commonest = table.groupby(["inferred", "known"]).size().groupby("inferred").max()
    return {
        "known": table["known"].nunique(),
        "inferred": len(commonest),
        "adjusted_rand_index": float(adjusted_rand_score(known, inferred)),
        "purity": int(commonest.sum()) / len(table),
    }
