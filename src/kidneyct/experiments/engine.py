"""A study's runs as DVC's experiments: one after the other in this process, or several at once on Ray."""

import contextlib
import fcntl
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from dvc.config import Config
from dvc.repo import Repo

from kidneyct.files import checkpoint
from kidneyct.pipeline import params
from kidneyct.pipeline.errors import InputError, shown

HOME = Path(".study")  # git and DVC leave it alone
PATIENCE = 10  # seconds that a run has to end once it is asked to
PAUSE = 0.5  # seconds from look to look whether a task has ended
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
EXTRA = "pip install -c constraints.txt -e '.[ray]'"
STORE = 256 * 2**20  # bytes of Ray's own store on this machine: what passes through it is small
# Of the environment, what may change a result; on this machine all of it is handed on.
HANDED_ON = ("KERAS_BACKEND", "TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS")
# For TensorFlow and for JAX, which else take most of a GPU's memory at once.
AS_NEEDED = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def execute(runs, done, jobs):
    """Make each run; yield (run, None) as it begins, and as it ends (run, what was amiss), "" where all is well.

    Closing the generator ends the runs at work. Several jobs are tasks on Ray; a run waits there while another
    computes a stage that both need. `done` are the study's finished runs.
    """
    home = HOME.absolute()
    home.mkdir(exist_ok=True)
    for left in home.glob("base-*"):  # by a study that was killed
        if not psutil.pid_exists(int(left.name.split("-")[1])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"base-{os.getpid()}-", dir=home) as base:
        project = base, _copy(base)
        if jobs > 1:
            yield from _on_ray(runs, done, jobs, project, home)
            return
        for run in runs:
            yield run, None
            yield run, experiment(run.name, words(run), project, home)


def _on_ray(runs, done, jobs, project, home):
    waiting, at_work, ready = list(runs), {}, frozenset().union(*(run.needs for run in done))
    with _begun() as ray:
        nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
        cores = max(1, int(min(sum(nodes) // jobs, max(nodes))))  # a task's share
        gpus = min(1, ray.cluster_resources().get("GPU", 0) / jobs)
        task = ray.remote(experiment).options(num_cpus=cores, num_gpus=gpus, max_retries=0)
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
                    error = ray.get(over[0])
                except ray.exceptions.RayError as lost:
                    error = f"lost by Ray ({' '.join(str(lost).split())[:200]}); call again"
                ready |= frozenset() if error else run.needs
                yield run, error
        finally:
            for left in at_work:
                ray.cancel(left)
            if at_work:
                ray.wait(list(at_work), num_returns=len(at_work), timeout=2 * PATIENCE)


@contextlib.contextmanager
def _begun():
    """Begin Ray, on this machine or on the cluster that RAY_ADDRESS names, and end it when the block ends."""
    address = os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its maker
    if not address:
        # Ray listens on every network that this machine is on, and runs what it is sent; it reads this when imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
    except ImportError:
        raise InputError(f"--jobs: expected Ray, found none; {EXTRA}, or leave it out") from None
    terminated = signal.getsignal(signal.SIGTERM)
    paths = filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])
    variables = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    variables["PYTHONPATH"] = os.pathsep.join(paths)
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        here = {"include_dashboard": False, "object_store_memory": STORE, "_temp_dir": folder}
        options = {"runtime_env": {"env_vars": variables}, "logging_level": logging.ERROR} | ({} if address else here)
        try:
            try:
                ray.init(address=address or "local", **options)
            except Exception as error:  # Ray fails in many ways
                found = f"{shown(address or 'none')}, where Ray does not begin ({shown(' '.join(str(error).split()))})"
                raise InputError(f"RAY_ADDRESS: expected a running cluster's address, or none, found {found}") from None
            signal.signal(signal.SIGTERM, terminated)  # which Ray took for itself
            yield ray
        finally:
            ray.shutdown()


def experiment(name, arguments, project, home, cores=None):
    """Run `dvc exp run` with these arguments in a copy of the project; returns what was amiss, "" where all is well.

    `project` is `_copy`'s folder and what it returned. All that is said goes to `home`/`name`.log. It works in
    `home`/`name`/, where an interrupted run is gone on with, and which goes when all is well.
    """
    folder, told = home / name, home / f"{name}.log"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock, told.open("a+", errors="replace") as log:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # handed on to DVC, which may outlive a killed study
        except OSError:
            return f"another call is at work on it, or what one left running in {folder}; see to its end"
        start = log.tell()
        print(f"$ dvc exp run {' '.join(arguments)}", file=log, flush=True)
        try:
            inside = _fresh(project, folder / "clone")
            dvc = [sys.executable, "-m", "dvc", "exp", "run", *arguments]
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
            # The environment: one of several keeps to its cores, and takes of a GPU's memory what it needs.
            own = AS_NEEDED | dict.fromkeys(THREADS, str(cores)) if cores else {}
            process = subprocess.Popen(dvc, cwd=inside, env=own | os.environ, pass_fds=[lock.fileno()], **streams)
            if failed := _ended(process):
                log.seek(start)
                lines = [line.strip() for line in log.readlines() if line.strip()]
                cause = " ".join([line for line in lines if line.lower().startswith("error:")] or lines[-1:])
                return f"{cause or f'dvc exp run: exit status {failed}'}; all that was said is in {told}"
            commit = git("rev-parse", "HEAD", at=inside).strip()
            ref = f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"
            git("push", "--quiet", "origin", f"{ref}:{ref}", at=inside)
        except InputError as mistake:
            return str(mistake)
        shutil.rmtree(folder, ignore_errors=True)
    return ""


def words(run):
    """What of `dvc exp run` is a run's own."""
    changes = [word for key, value in run.changes.items() for word in ("-S", f"{key}={params.override(value)}")]
    return ["-n", run.name, *changes, *run.targets]


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


def _copy(base):
    """Clone the project, with what is not committed, DVC's own settings and its cache; returns its folder in there."""
    top, within = (git("rev-parse", f"--show-{part}").strip() for part in ("toplevel", "prefix"))
    known = dict(line.partition("=")[::2] for line in git("config", "--list").splitlines())
    # DVC's commits want an identity, and the user may have none.
    identity = [f"--config={key}={known.get(key) or 'kidneyct'}" for key in ("user.name", "user.email")]
    git("clone", "--quiet", *identity, top, base)
    subprocess.run(["git", "update-index", "-q", "--refresh"], capture_output=True)
    changes = subprocess.run(["git", "diff-index", "--binary", "--patch", "HEAD"], cwd=top, capture_output=True).stdout
    if changes:
        patch = Path(base, ".git", "changes.patch")
        patch.write_bytes(changes)
        git("apply", "--index", "--whitespace=nowarn", str(patch), at=base)
    settings = Path(top, within, ".dvc", "config.local")
    if settings.exists():
        shutil.copy(settings, Path(base, within, ".dvc"))
    with Repo() as repo, Config(str(Path(base, within, ".dvc"))).edit("local") as edited:
        edited.setdefault("cache", {})["dir"] = repo.cache.local_cache_dir
    return within


def _fresh(project, clone):
    """Copy the project again, but for what an interrupted run left; returns its folder in the copy.

    Again, as a run that was killed may have left locks and half an experiment.
    """
    base, within = project
    left, kept = clone / within / checkpoint.FOLDER, clone.with_name(checkpoint.FOLDER)
    if left.exists():
        shutil.rmtree(kept, ignore_errors=True)
        os.replace(left, kept)
    shutil.rmtree(clone, ignore_errors=True)
    shutil.copytree(base, clone, symlinks=True)
    if kept.exists():
        os.replace(kept, left)
    return clone / within


def _ended(process):
    """A process's exit status; where the wait is interrupted, end it and all that it has started: politely first.

    A stage that is asked to end leaves nothing half done.
    """
    try:
        while True:  # as Ray cannot interrupt a wait without an end
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=60)
    except BaseException:
        itself = psutil.Process(process.pid)
        family = [itself, *itself.children(recursive=True)]
        for end, members in ((psutil.Process.terminate, family), (psutil.Process.kill, None)):
            for member in members or psutil.wait_procs(family, timeout=PATIENCE)[1]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    end(member)
        process.wait()
        raise
