"""A study's runs as DVC's experiments: one after the other in this process, or several at once on Ray."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
from dvc.config import Config
from dvc.repo import Repo

from kidneyct.experiments import cluster
from kidneyct.files import checkpoint
from kidneyct.pipeline.errors import InputError

HOME = Path(".study")  # git and DVC leave it alone
PATIENCE = 10  # seconds that a run has to end once it is asked to
PAUSE = 0.5  # seconds from look to look whether a task has ended
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
# For TensorFlow and for JAX, which else take most of a GPU's memory at once.
AS_NEEDED = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


class Project(NamedTuple):
    """The project as it is when the study starts, which each run gets a clone of."""

    top: str  # absolute path of the repository
    within: str  # the project's folder in it
    commit: str
    changes: bytes  # a patch: what is not committed
    identity: dict  # of whom DVC's commits are, as git's settings; DVC wants one, and the user may have none
    cache: str  # absolute path of DVC's cache, one for all


class Outcome(NamedTuple):
    """How a run ended."""

    error: str  # empty where it went well
    said: str  # by it and by the tries before it that were killed


def work(runs, done, jobs):
    """Make each run; yield (run, None) as it begins and (run, Outcome) as it ends. To close it ends what is at work.

    More than one at once are tasks on Ray, where a run waits while another is the first to compute a stage that both
    need. `done` are the study's runs that there is nothing to do for.
    """
    project, home = _project(), HOME.absolute()
    if jobs == 1:
        for run in runs:
            yield run, None
            yield run, experiment(run.name, words(run), project, home)
        return
    waiting, at_work, ready = list(runs), {}, frozenset().union(*(run.needs for run in done))
    with cluster.begun("--jobs", "leave it out") as ray:
        task, cores = _task(ray, jobs)
        try:
            while waiting or at_work:
                for run in list(waiting):
                    taken = frozenset().union(*(other.needs for other in at_work.values())) - ready
                    if len(at_work) < jobs and not run.needs & taken:
                        waiting.remove(run)
                        at_work[task.remote(run.name, words(run), project, home, cores)] = run
                        yield run, None
                while not (over := ray.wait(list(at_work), timeout=0)[0]):
                    time.sleep(PAUSE)  # not Ray, in which SIGTERM would be lost
                run = at_work.pop(over[0])
                try:
                    outcome = ray.get(over[0])
                except ray.exceptions.RayError as error:
                    outcome = Outcome(f"lost by Ray ({' '.join(str(error).split())[:200]}); call again", "")
                ready |= frozenset() if outcome.error else run.needs
                yield run, outcome
        finally:
            for left in at_work:
                ray.cancel(left)
            if at_work:
                ray.wait(list(at_work), num_returns=len(at_work), timeout=2 * PATIENCE)


def _task(ray, jobs):
    """`experiment` as a task that has its share of the processors and GPUs, and how many processors that is."""
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    cores = max(1, int(min(sum(nodes) // jobs, max(nodes))))
    gpus = min(1, ray.cluster_resources().get("GPU", 0) / jobs)
    return ray.remote(experiment).options(num_cpus=cores, num_gpus=gpus, max_retries=0), cores


def experiment(name, arguments, project, home, cores=None):
    """Run `dvc exp run` with these arguments in a clone of the project, and fetch the experiment; returns its Outcome.

    It works in `home`/`name`/, where an interrupted run is gone on with, and which goes when all is well.
    """
    folder = home / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock, (folder / "log").open("a+", errors="replace") as log:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # handed on to DVC, which may outlive a killed study
        except OSError:
            return Outcome(f"another call is at work on it, or what one left running in {folder}; see to its end", "")
        start = log.tell()
        print(f"$ dvc exp run {' '.join(arguments)}", file=log, flush=True)
        error = ""
        try:
            inside = _clone(project, folder / "clone")
            dvc = [sys.executable, "-m", "dvc", "exp", "run", *arguments]
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
            process = subprocess.Popen(dvc, cwd=inside, env=_environment(cores), pass_fds=[lock.fileno()], **streams)
            with _ended(process):
                failed = _wait(process)
            log.seek(start)
            if failed:
                error = cause(log.read()) or f"dvc exp run: exit status {failed}"
            else:
                ref = f"refs/exps/{project.commit[:2]}/{project.commit[2:]}/{name}"
                git("fetch", "--quiet", "--no-write-fetch-head", str(folder / "clone"), f"{ref}:{ref}", at=project.top)
        except InputError as mistake:
            error = str(mistake)
        log.seek(0)
        outcome = Outcome(error, log.read())
        log.truncate(0)
        if not error:
            shutil.rmtree(folder, ignore_errors=True)
    return outcome


def cause(said):
    """The lines that tell why DVC failed, as one, of all that it said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " ".join([line for line in lines if line.lower().startswith("error:")] or lines[-1:])


def words(run):
    """What of `dvc exp run` is a run's own."""
    changes = [word for key, value in run.changes.items() for word in ("-S", f"{key}={override(value)}")]
    return ["-n", run.name, *changes, *run.targets]


def override(value):
    """A value in the grammar of `dvc exp run -S`."""
    if isinstance(value, list):
        return f"[{','.join(map(override, value))}]"
    text = str(value)
    if not isinstance(value, str) or re.fullmatch(r"[\w./-]+", text):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def git(*arguments, at="."):
    """What git prints; InputError where it fails."""
    done = subprocess.run(["git", *arguments], cwd=at, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"git {arguments[0]}: {' '.join(done.stderr.split())}; run in the project's folder")
    return done.stdout


def finished():
    """DVC's experiments of all commits, name -> revision."""
    listed = git("for-each-ref", "refs/exps", "--format=%(refname) %(objectname)")
    pairs = [line.split() for line in listed.splitlines()]
    # refs/exps/<two letters of the commit>/<the rest>/<name>
    return {name.split("/")[4]: revision for name, revision in pairs if name.count("/") == 4}


def _project():
    top = git("rev-parse", "--show-toplevel").strip()
    subprocess.run(["git", "update-index", "-q", "--refresh"], capture_output=True)
    changes = subprocess.run(["git", "diff-index", "--binary", "--patch", "HEAD"], cwd=top, capture_output=True)
    known = dict(line.partition("=")[::2] for line in git("config", "--list").splitlines())
    with Repo() as repo:
        cache = repo.cache.local_cache_dir
    return Project(
        top,
        git("rev-parse", "--show-prefix").strip(),
        git("rev-parse", "HEAD").strip(),
        changes.stdout,
        {key: known.get(key) or "kidneyct" for key in ("user.name", "user.email")},
        cache,
    )


def _clone(project, clone):
    """Make a new clone, with what an interrupted run left; returns the project's folder in it.

    New, as a run that was killed may have left locks and half an experiment.
    """
    inside, kept = clone / project.within, clone.with_name(checkpoint.FOLDER)
    if (inside / checkpoint.FOLDER).exists():
        shutil.rmtree(kept, ignore_errors=True)
        os.replace(inside / checkpoint.FOLDER, kept)
    shutil.rmtree(clone, ignore_errors=True)
    identity = [word for key, value in project.identity.items() for word in ("--config", f"{key}={value}")]
    git("clone", "--quiet", "--no-checkout", *identity, project.top, str(clone), at=project.top)
    git("checkout", "--quiet", "--detach", project.commit, at=clone)
    if project.changes:
        patch = clone.with_name("changes.patch")
        patch.write_bytes(project.changes)
        git("apply", "--index", "--whitespace=nowarn", str(patch), at=clone)
    settings = Path(project.top, project.within, ".dvc", "config.local")
    if settings.exists():
        shutil.copy(settings, inside / ".dvc")
    with Config(str(inside / ".dvc")).edit("local") as edited:
        edited.setdefault("cache", {})["dir"] = project.cache
    if kept.exists():
        os.replace(kept, inside / checkpoint.FOLDER)
    return inside


def _environment(cores):
    """The environment of a run; one of several keeps to its cores, and takes of a GPU's memory what it needs."""
    own = AS_NEEDED | dict.fromkeys(THREADS, str(cores)) if cores else {}
    return own | os.environ


def _wait(process):
    """A process's exit status when it ends; to be interrupted at any time, as a wait without an end is not by Ray."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=60)


@contextlib.contextmanager
def _ended(process):
    """End a process, and all that it has started, where the block is left early: politely first.

    A stage that is asked to end leaves nothing half done.
    """
    try:
        yield process
    except BaseException:
        with contextlib.suppress(psutil.NoSuchProcess):
            itself = psutil.Process(process.pid)
            family = [itself, *itself.children(recursive=True)]
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.terminate()
            for member in psutil.wait_procs(family, timeout=PATIENCE)[1]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
        process.wait()
        raise
