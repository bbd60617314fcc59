"""What an interrupted stage leaves for its next run, in `.unfinished/`, which neither git nor DVC looks at.

A stage works in `.unfinished/<stage>/<key>/`; the key is a digest of all that its results depend on. The folder goes
when the stage is done, and when the same stage starts with another key.
"""

import contextlib
import hashlib
import json
import platform
import shutil
import time
from pathlib import Path

import filelock
import numpy as np

from kidneyct.files import record
from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline import lock, params
from kidneyct.pipeline.errors import InputError

FOLDER = ".unfinished"
SHARE = 0.05  # of the time, at most, goes into saving


class Checkpoint:
    """The folder of one stage at work; what is saved there is whole or not there."""

    def __init__(self, folder, title):
        """`title` begins each line that is printed, such as "features of the candidate"."""
        self.folder, self.title = Path(folder), title
        self._saved, self._cost = time.monotonic(), 0.0
        self._saving, self._found = True, False

    def say(self, text):
        print(f"{self.title}: {text}", flush=True)

    def save(self, name, **arrays):
        """Keep arrays under a name, in the place of what was kept there. Where the disk is full, the stage goes on."""
        if not self._saving:
            return
        try:
            with atomic_write(self.folder / f"{name}.npz") as partial, partial.open("wb") as file:
                np.savez(file, **arrays)
        except InputError as error:
            self._saving = False
            self.say(f"an interrupted run would lose what follows: {error}")

    def load(self, name):
        """The arrays that were kept under a name, name -> array; None where there are none or they are damaged."""
        path = self.folder / f"{name}.npz"
        try:
            with np.load(path) as kept:  # which checks each array's checksum
                return dict(kept)
        except FileNotFoundError:
            return None
        except Exception:  # a damaged file can make a decoder fail in any way
            return self.damaged(name, path)

    def damaged(self, name, path):
        """Forget what was kept under a name, as a file is not what was saved; and say so."""
        self.forget(name)
        self.say(f"{path}: damaged, as an interruption may leave it; what it held is computed again")

    def forget(self, name):
        (self.folder / f"{name}.npz").unlink(missing_ok=True)

    def kept(self, name, compute):
        """The dict of arrays that `compute()` gives; an interrupted run's where it came so far."""
        arrays = self.load(name)
        if arrays is not None:
            self._found = True
            return arrays
        if self._found:
            self._found = False
            self.say(f"goes on at {name}")
        # In the order in which they are read back: sums of floats depend on it.
        arrays = {key: np.asarray(values, order="C") for key, values in compute().items()}
        self.save(name, **arrays)
        return arrays

    def now_and_then(self, save):
        """Call `save()`, but so seldom that it takes no more than SHARE of the time."""
        start = time.monotonic()
        if (start - self._saved) * SHARE >= self._cost:
            save()
            self._saved = time.monotonic()
            self._cost = self._saved - start

    def writing(self, path):
        """A file in the folder that becomes `path` once it is written, as `atomic_write` has it."""
        return atomic_write(path, self.folder)


@contextlib.contextmanager
def opened(stage, title, device):
    """The `Checkpoint` of a stage such as "train@candidate", with what an interrupted run of the same inputs left.

    `device` says what it computes on, and from which file where that is no dependency. The folder is gone after the
    block, but stays where an exception leaves it. InputError where another process is at work on the stage here.
    """
    top, key = Path(FOLDER, stage), _key(stage, device)
    try:
        top.mkdir(parents=True, exist_ok=True)
        held = filelock.FileLock(top / "lock", timeout=0).acquire()
    except filelock.Timeout:
        raise InputError(f"{top}: expected no one at work here, found another process; wait for its end") from None
    except OSError as error:
        raise InputError(f"{top}: expected a folder to write to, found: {error.strerror or error}") from None
    with held:
        for other in {*top.iterdir()} - {top / "lock", top / key}:
            shutil.rmtree(other, ignore_errors=True)
        (top / key).mkdir(exist_ok=True)
        yield Checkpoint(top / key, title)
        shutil.rmtree(top, ignore_errors=True)


def _key(stage, device):
    """A digest of the stage's parameters, the content of its dependencies, and what computes."""
    deps = params.stages()[stage]["deps"]
    what = {
        "parameters": params.load(stage),
        "dependencies": {path: lock.digest(Path(path)) for path in deps if Path(path).exists()},
        "versions": record.versions(),
        "python": platform.python_version(),
        "device": device,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=vars).encode()).hexdigest()[:16]
