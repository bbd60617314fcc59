"""Where workers run: processes on this machine, or jobs of Slurm, which submitit submits."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from kidneyct.experiments import worker
from kidneyct.pipeline.errors import InputError

# For TensorFlow and for JAX, which else take most of a GPU's memory at once.
AS_NEEDED = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
PATIENCE = 15  # seconds that workers have to end once they are asked to
OWN = {"array", "chdir", "error", "job_name", "name", "nodes", "ntasks", "ntasks_per_node", "open_mode", "output"}


class Local:
    """Processes here. Each has its share of the processors, and of the GPUs."""

    pause, grace = 0.2, 0.0  # seconds between two looks; from a worker's end until its files are seen

    def __init__(self, count):
        self._count, self._processes = count, {}

    def start(self, folder, number, token):
        """A worker on the task of a folder, the `number`-th at once, from 0; returns what `running` knows it by."""
        with (folder / "worker.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "kidneyct.experiments.worker", str(folder.absolute()), token],
                env=os.environ | worker.threads(max(1, processors() // self._count)) | self._gpu(number),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C reaches it by `stop` alone, and its children end with it
            )
        self._processes[process.pid] = process
        return process.pid

    def _gpu(self, number):
        """Environment variables that give a worker its GPU; several workers on one take memory as they need it."""
        found = gpus()
        if not found:
            return {}
        own = {"CUDA_VISIBLE_DEVICES": found[number % len(found)]}
        return own | (AS_NEEDED if self._count > len(found) else {})

    def running(self, started):
        """Those of the workers that have not ended."""
        return {each for each in started if self._processes[each].poll() is None}

    def why(self, each, folder):
        """How a worker that came to no end by itself was ended."""
        status = self._processes[each].returncode
        if status < 0:
            return f"signal {-status}"
        said = (folder / "worker.log").read_text(errors="replace").split("\n")
        return ": ".join([f"exit status {status}", *[line for line in said if line.strip()][-1:]])

    def stop(self, started):
        """End workers and all that they have started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for each in started:
                _signal_group(each, number)
            end = time.monotonic() + PATIENCE
            while any(_group_alive(each) for each in started) and time.monotonic() < end:
                self.running(started)  # collects those that ended
                time.sleep(0.05)


def end_stale(folder):
    """End the worker of an earlier call, itself killed, that is still at work in a folder.

    InputError where it may be at work on another machine, which can't be seen from here.
    """
    known = worker.read(folder / worker.WORKER)
    if not known:
        return
    if known["host"] != socket.gethostname():
        hint = "the same call with --cluster slurm ends it; or " if known["slurm"] else ""
        raise InputError(
            f"{folder / worker.WORKER}: a worker of an earlier call may still be at work on {known['host']}; "
            f"{hint}see that it is not, then delete that file"
        )
    worker.end_left(folder)


def _signal_group(leader, number):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _group_alive(leader):
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def processors():
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus():
    """NVIDIA's GPUs that may be used, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    except FileNotFoundError:
        return []
    return [str(number) for number, _ in enumerate(re.findall(r"^GPU \d+:", listed.stdout, re.MULTILINE))]


class Slurm:
    """A job of Slurm for each worker; folders and Python are the same everywhere, by a shared file system."""

    pause, grace = 2.0, 30.0

    def __init__(self, home, options):
        """`home` is the folder of all workers; `options` are words KEY=VALUE, as `sbatch --KEY=VALUE` has them.

        InputError where submitit or Slurm is missing, or an option can't be.
        """
        try:
            import submitit
        except ImportError:
            raise InputError("--cluster: expected the package submitit, found none; pip install '.[cluster]'") from None
        for program in ("sbatch", "srun", "squeue", "scancel"):
            if not shutil.which(program):
                raise InputError(f"--cluster slurm: expected Slurm's {program} on the PATH, found none")
        self._name = f"kidneyct-{hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:10]}"
        self._executor = submitit.SlurmExecutor(home / "slurm")
        self._executor.update_parameters(job_name=self._name, **parameters(options, submitit.SlurmExecutor))
        self._last, self.trouble = set(), None

    def start(self, folder, number, token):
        from submitit.core.utils import FailedJobError, FailedSubmissionError
        from submitit.helpers import CommandFunction

        command = [sys.executable, "-m", "kidneyct.experiments.worker", str(folder.absolute()), token]
        try:
            return self._executor.submit(CommandFunction(command, verbose=False, cwd=Path.cwd())).job_id
        except (FailedJobError, FailedSubmissionError) as error:
            raise InputError(f"sbatch: {' '.join(str(error).split())}; see --cluster-option") from None

    def _listed(self):
        """Our jobs that Slurm has not ended; None where it does not answer."""
        command = ["squeue", "--me", "--noheader", "--name", self._name, "--format=%A"]
        done = subprocess.run(command, capture_output=True, text=True)
        self.trouble = " ".join(done.stderr.split()) or "squeue failed" if done.returncode else None
        return None if done.returncode else set(done.stdout.split())

    def running(self, started):
        listed = self._listed()
        return set(started) if listed is None else listed & set(started)

    def why(self, each, folder):
        done = subprocess.run(["scontrol", "--oneliner", "show", "job", each], capture_output=True, text=True)
        state = re.search(r"JobState=(\S+)", done.stdout)
        return f"Slurm's job {each}{f': {state[1]}' if state else ''}, see {self._executor.folder}"

    def stop(self, started):
        """End all jobs of this project, those of an earlier call too, and wait until they are gone."""
        listed = self._listed()
        if listed == set():
            return
        subprocess.run(["scancel", "--me", "--name", self._name], capture_output=True)
        end = time.monotonic() + 2 * PATIENCE + self.grace
        while self._listed() != set():
            if time.monotonic() > end:
                raise InputError(
                    f"squeue --me --name {self._name}: expected no job once they were cancelled, found "
                    f"{self.trouble or 'some'}; end them with scancel, then call again"
                )
            time.sleep(1)


def parameters(options, executor):
    """Words KEY=VALUE as submitit's parameters; what it does not know goes to sbatch as it stands."""
    known, own, more = executor._valid_parameters(), {}, {}
    for word in options:
        key, equals, value = word.partition("=")
        key = key.strip().lstrip("-").replace("-", "_")
        if not equals or not value or not re.fullmatch(r"[a-z_]+", key):
            raise InputError(f"--cluster-option: expected KEY=VALUE, such as partition=gpu, found {word!r}")
        if key in OWN:
            raise InputError(f"--cluster-option: {key} is set by kidneyct study itself; leave it out")
        if key in ("setup", "teardown"):
            own.setdefault(key, []).append(value)
        elif key == "time":
            own[key] = minutes(value)
        elif key in known - {"additional_parameters", "srun_args", "mem"}:
            own[key] = int(value) if value.isdigit() else value
        else:
            more[key] = value
    if "time" not in own:
        raise InputError("--cluster-option: expected time=…, the longest that one run may take, such as time=4:00:00")
    return own | {"additional_parameters": more}


def minutes(text):
    """A time as Slurm writes it, MINUTES, HOURS:MINUTES:SECONDS or DAYS-HOURS, in whole minutes, rounded up."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if not found:
        raise InputError(f"--cluster-option: expected time=MINUTES, HOURS:MINUTES:SECONDS or DAYS-HOURS, found {text}")
    days, *parts = [int(part) if part else None for part in found.groups()]
    given = [part for part in parts if part is not None]
    units = (3600, 60, 1) if days is not None or len(given) == 3 else (60, 1)
    seconds = (days or 0) * 86400 + sum(part * unit for part, unit in zip(given, units, strict=False))
    if not seconds:
        raise InputError(f"--cluster-option: expected a time above 0, found {text}")
    return -(-seconds // 60)
