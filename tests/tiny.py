"""A throw-away clone of the project with tiny settings, and commands run in it with the real DVC."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import house
import nursery
import yaml

from kidneyct.backbone import vgg
from kidneyct.pipeline import yaml12

ROOT = Path(__file__).parents[1]
SMALLER = {
    "data": {"source": "phantom"},
    "phantom": {"patients_per_class": 4, "slices_per_patient": 3},
    "preprocess": {"image_size": 32},
    "series": {"similarity": 0.99, "neighbours": "none"},
    "split": {"test": 0.25, "validation": 0.25},
    "model": {"dense_units": 16},
    "train": {"epochs": 3, "batch_size": 8},
    "explain": {"mistakes": 1, "measured_images": 1},
}
TINY = {  # every parameter
    name: value | SMALLER.get(name, {}) if isinstance(value, dict) else value
    for name, value in house.defaults().items()
}


class Project:
    """A clone and the commands run in it; each command's output is kept for the assertions.

    DVC and its stages start as `nursery` has them, where it can; not `forked` they are in the process group of whoever
    starts them, as a SIGSTOP needs.
    """

    def __init__(self, folder, forked=True):
        self.folder = folder
        first = [str(each) for each in (forked and nursery.commands(), Path(sys.executable).parent) if each]
        self.python = f"{first[0]}/python"
        # The clone's own home: no git identity, no DVC or Keras settings of the user's.
        self.environment = nursery.ENVIRONMENT | os.environ
        self.environment |= {
            "PATH": os.pathsep.join([*first, os.environ["PATH"]]),
            "HOME": str(folder.parent / "home"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        (folder.parent / "home").mkdir(exist_ok=True)

    def run(self, *command, fails=False):
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, output
        return output

    def dvc(self, *arguments, **options):
        return self.run("dvc", *arguments, **options)

    def commit(self):
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "tiny")

    def edit(self, changes):
        path = self.folder / "params.yaml"
        values = yaml12.read(path)
        for section, keys in changes.items():
            if isinstance(keys, dict):
                values[section].update(keys)
            else:
                values[section] = keys
        path.write_text(yaml.safe_dump(values))

    def read(self, path):
        return (self.folder / path).read_text()


def clone(folder, forked=True):
    """The project as it lies here, in a repository of its own, with TINY settings; the candidate starts from a file."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    project = Project(folder, forked)
    project.run("git", "init", "-q")
    vgg.base(32).save_weights(folder.parent / "start.weights.h5")
    project.edit(TINY | {"weights": str(folder.parent / "start.weights.h5")})
    project.commit()
    return project
