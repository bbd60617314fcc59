"""Two `dvc repro` in one clone; the first stands still in the midst of a stage while the second comes and goes."""

import os
import signal
import subprocess

from tiny import Project, clone


def test_the_second_ends_in_a_line_and_the_first_is_not_disturbed(tmp_path):
    project = clone(tmp_path / "clone", forked=False)
    other, command = Project(project.folder), ["dvc", "repro", "download"]
    options = {"cwd": project.folder, "env": project.environment, "start_new_session": True, "text": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, **options) as first:
        next(line for line in first.stdout if line.startswith("> python -m stages.download"))
        os.killpg(first.pid, signal.SIGSTOP)
        second = other.run(*command, fails=True)
        os.killpg(first.pid, signal.SIGCONT)
        said, _ = first.communicate()
    assert first.returncode == 0
    assert said.startswith("48 images: ")
    assert "is busy, it is being blocked by" in second or "Unable to acquire lock" in second
    assert "Traceback" not in second
    assert "Data and pipelines are up to date." in other.run(*command)
