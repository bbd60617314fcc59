"""Check params.yaml whenever it changes, also where the change would rerun nothing; and that no data is in DVC's way.

It also links to the file that series.table names, so that DVC sees when its content changes.

DVC removes a stage's outputs before it runs the stage. So `download` depends on what this stage writes: a mistake is
told while the user's file is still there.
"""

from pathlib import Path

import h5py

from stages import atomic_write, run

from kidneyct.pipeline import lock, params, roles
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import source

ARCHIVE = Path("data/archive.zip")


def main():
    checked = params.validate()
    outs = [out for entry in params.stages().values() for out in entry["outs"]]
    for key in ("source", "external", "labels"):
        source.refuse(getattr(checked.data, key), outs, f"data.{key}")
    source.refuse(checked.series.table, outs, "series.table")
    source.refuse(checked.weights, outs, "weights")
    if checked.data.source not in params.SOURCES:
        source.refuse(checked.data.external, [checked.data.source], "data.external", source.TRAINED)
    if checked.weights not in roles.STARTS:
        expected = params.keys()["weights"]
        source.require(checked.weights, "params.yaml: weights", expected, "no HDF5 file", h5py.is_hdf5)
    if checked.data.external != "none":  # else told when all is trained
        source.require(checked.data.external, "params.yaml: data.external", "none or the path of a folder or zip")
    first = ARCHIVE.exists() and not Path("dvc.lock").exists()
    if first and not lock.cached(Path(), lock.digest(ARCHIVE)).exists():  # nor can DVC bring it back
        raise InputError(
            f"{ARCHIVE}: found a file that no run here made, which DVC would remove; move it elsewhere and give its "
            "new path as data.source"
        )
    source.watch(checked.series.table, "data/table")
    with atomic_write("data/checked.txt") as partial:
        partial.write_text("params.yaml is valid, and no path in it is an output of the pipeline.\n")


if __name__ == "__main__":
    run(main)
