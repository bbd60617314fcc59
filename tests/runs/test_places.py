"""Where workers run: what Slurm is asked for, and what a machine is shared out into."""

import os
import sys
from pathlib import Path

import pytest
import submitit

from kidneyct.experiments import places, worker
from kidneyct.pipeline.errors import InputError


def script(folder, *options):
    """The lines for sbatch that submitit would send."""
    executor = submitit.SlurmExecutor(folder)
    executor.update_parameters(job_name="x", **places.parameters(options, submitit.SlurmExecutor))
    return executor._make_submission_file_text("true", "x").splitlines()


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Programs that say what they were asked for, as Slurm's are called."""
    for name in ("sbatch", "srun", "squeue", "scancel", "scontrol"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/asked\ncat {tmp_path}/{name}.says\n')
        (tmp_path / name).chmod(0o755)
        (tmp_path / f"{name}.says").write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_options_reach_sbatch_as_they_are_called_there(slurm):
    options = ["partition=gpu", "--gpus-per-node=1", "cpus-per-task=4", "mem=16G", "time=4:00:00", "licenses=a:1"]
    lines = script(slurm / "jobs", *options, "setup=module load cuda", "setup=ulimit -c 0")
    for wanted in ("partition=gpu", "gpus-per-node=1", "cpus-per-task=4", "mem=16G", "time=240", "licenses=a:1"):
        assert f"#SBATCH --{wanted}" in lines
    assert lines.index("module load cuda") + 1 == lines.index("ulimit -c 0")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("4:00:00", 240), ("1:30", 2), ("2-0", 2880), ("1-12:30", 2190), ("0:0:1", 1), ("1-0:0:1", 1441)],
)
def test_times_as_slurm_writes_them(text, minutes):
    assert places.minutes(text) == minutes


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("gpu", "expected KEY=VALUE, such as partition=gpu, found 'gpu'"),
        ("partition=", "expected KEY=VALUE"),
        ("array=0-3", "array is set by kidneyct study itself"),
        ("time=soon", "expected time=MINUTES, HOURS:MINUTES:SECONDS or DAYS-HOURS, found soon"),
        ("time=0", "expected a time above 0, found 0"),
        ("partition=gpu", r"expected time=…, the longest that one run may take"),
    ],
)
def test_an_option_that_can_not_be_is_one_line(option, line):
    with pytest.raises(InputError, match=f"^--cluster-option: {line}"):
        places.parameters([option], submitit.SlurmExecutor)


def test_jobs_are_known_by_the_projects_name_and_gone_when_slurm_lists_them_no_more(slurm):
    place = places.Slurm(Path(".study"), ["time=10"])
    (slurm / "sbatch.says").write_text("Submitted batch job 41\n")
    assert place.start(Path(".study/1"), 0, "token") == "41"
    (slurm / "squeue.says").write_text("41\n77\n")
    assert place.running(["41", "42"]) == {"41"}
    (slurm / "squeue").write_text("#!/bin/sh\necho no contact >&2\nexit 1\n")
    assert place.running(["41", "42"]) == {"41", "42"}  # no answer is no end
    assert place.trouble == "no contact"
    (slurm / "scontrol.says").write_text("JobId=41 JobName=x JobState=OUT_OF_MEMORY Reason=x\n")
    assert place.why("41", None) == f"Slurm's job 41: OUT_OF_MEMORY, see {slurm}/.study/slurm"
    assert f"--name {place._name} " in (slurm / "asked").read_text()


def test_a_refused_job_is_slurms_line(slurm):
    (slurm / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: x' >&2\nexit 1\n")
    with pytest.raises(InputError, match=r"^sbatch: sbatch: error: invalid partition specified: x; see --cluster-opt"):
        places.Slurm(Path(".study"), ["time=10", "partition=x"]).start(Path(".study/1"), 0, "token")


def test_without_submitit_or_slurm_one_line(slurm, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"^--cluster slurm: expected Slurm's sbatch on the PATH, found none"):
        places.Slurm(Path(".study"), ["time=10"])
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=r"^--cluster: .*submitit, found none; pip install '\.\[cluster\]'"):
        places.Slurm(Path(".study"), ["time=10"])


def test_workers_share_out_the_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert [places.Local(2)._gpu(number) for number in range(2)] == [
        {"CUDA_VISIBLE_DEVICES": "2"},
        {"CUDA_VISIBLE_DEVICES": "5"},
    ]
    shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    assert places.Local(3)._gpu(2) == {"CUDA_VISIBLE_DEVICES": "2"} | shared
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert places.Local(3)._gpu(2) == {}


def test_threads_that_the_user_has_set_stay(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    given = worker.threads(3)
    assert given["TF_NUM_INTRAOP_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in given
