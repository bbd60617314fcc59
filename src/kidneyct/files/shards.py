"""Arrays over shards: each shard is made by itself, on Ray, and found again by a run that goes on after another."""

import functools
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from kidneyct.files import arrays, checkpoint, cluster
from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline.errors import InputError

FACTS = "facts.json"  # of a shard: that it is whole
TRIES = 4  # of a shard whose process is killed


def spans(count, size):
    """First row of each shard of `size` rows, and the one behind its last."""
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def made(begin, items, work, title, heavy=False):
    """Make a shard of each item: `begin()(item, folder)` writes its files into the folder and returns a dict of facts.

    Returns these in the items' order, with `shapes` and `sha256` of the files by name. A shard that an earlier run of
    the same `work`, an `checkpoint.Checkpoint`, left whole is not made again. `begin`, `items` and `heavy` as in
    `cluster.each`.
    """
    folder = work.folder.resolve()
    left = [path for path in folder.iterdir() if path.is_dir()]
    for path in left:
        if not (path / FACTS).exists():
            shutil.rmtree(path)
    if found := sum(path.exists() for path in left):
        work.say(f"goes on: {found} of {len(items)} shards are there")
    return list(cluster.each(functools.partial(_begin, begin, folder, title), list(enumerate(items)), title, heavy))


def _begin(begin, folder, title):
    ready = functools.cache(begin)  # not where all is there

    def make(numbered):
        number, item = numbered
        own = place(folder, number)
        facts = _whole(own)
        if facts is None:
            killed = len(list(folder.glob(f"{own.name}-*")))
            if killed == TRIES:
                raise InputError(
                    f"{title}: the process at work on shard {number} was killed {killed} times, as happens with too "
                    "little memory; free some and run it again, which goes on from here"
                )
            aside = Path(tempfile.mkdtemp(prefix=f"{own.name}-", dir=folder))
            facts = _sealed(aside, ready()(item, aside))
            shutil.rmtree(own, ignore_errors=True)  # a damaged one
            os.replace(aside, own)
        return facts

    return make


def _sealed(folder, facts):
    """The facts of what lies in a folder, which are written there last."""
    paths = sorted(folder.iterdir())
    facts |= {"sha256": {path.name: _digest(path) for path in paths}}
    facts |= {"shapes": {path.name: np.load(path, mmap_mode="r").shape for path in paths if path.suffix == ".npy"}}
    for path in paths:
        with path.open("rb") as file:
            checkpoint.to_disk(file)
    with atomic_write(folder / FACTS) as partial, partial.open("w") as file:
        json.dump(facts, file)
        checkpoint.to_disk(file)
    return facts


def _whole(folder):
    """The facts of a shard; None where it is not there as it was made."""
    try:
        facts = json.loads((folder / FACTS).read_bytes())
        return facts if all(_digest(folder / name) == digest for name, digest in facts["sha256"].items()) else None
    except (OSError, ValueError):
        return None


def _digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def gather(made, name, path, row, images, work):
    """Put the files `name` of the shards that `made` tells of in one place, as the array `path`.

    `row` is the shape of a row, `images` how many a shard was made for.
    """
    whole, path = work.folder / Path(path).name, Path(path)
    whole.mkdir()
    for number in range(len(made)):
        os.replace(place(work.folder, number) / name, whole / arrays.shard(number))
    dtype = np.load(whole / arrays.shard(0), mmap_mode="r").dtype.name
    listed = [{"shape": facts["shapes"][name], "sha256": facts["sha256"][name]} for facts in made]
    told = {"dtype": dtype, "row": row, "images": images, "shards": listed}
    (whole / arrays.SHARDS).write_text(json.dumps(told, indent=1) + "\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    shutil.move(whole, path)


def join(made, name, path, work):
    """Write the tables `name` of the shards that `made` tells of one below the other, as the table `path`."""
    with atomic_write(path) as partial, partial.open("wb") as whole:
        for number in range(len(made)):
            with (place(work.folder, number) / name).open("rb") as file:
                titles = file.readline()
                whole.write(titles if number == 0 else b"")
                shutil.copyfileobj(file, whole)


def place(folder, number):
    """Where a shard's files lie until they are gathered."""
    return folder / f"{number:05d}"
