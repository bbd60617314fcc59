"""Work over many items on Ray: on this machine, or on the cluster that RAY_ADDRESS names. Nothing else needs Ray."""

import contextlib
import functools
import logging
import os
import secrets
import signal
import tempfile
from pathlib import Path

from tqdm import tqdm

from kidneyct.pipeline.errors import InputError, shown

EXTRA = "pip install -c constraints.txt -e '.[ray]'"
STORE = 256 * 2**20  # bytes of Ray's own store on this machine: what passes through it is small
# Of the environment, what may change a result; on this machine all of it is handed on.
HANDED_ON = ("KERAS_BACKEND", "TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS")


def each(begin, items, title, heavy=False):
    """What `begin()(item)` returns for each item, in their order.

    `begin` is called once in each process. It, the items and what they name must be as good elsewhere: modules of this
    package, absolute paths of a folder that all machines share. A `heavy` function computes on all cores, or on a GPU,
    and a machine runs one; of others it runs one a core. An item whose process is killed is begun again. The first
    InputError in the items' order ends it.
    """
    with begun("preprocess.shard_images", "set it to 0") as ray:
        options, places = _places(ray, heavy)
        process = ray.remote(_Process).options(max_restarts=-1, max_task_retries=-1, **options)
        pool = ray.util.ActorPool([process.remote(begin) for _ in range(min(places, len(items)))])
        found = pool.map(lambda process, item: process.do.remote(item), items)
        try:
            yield from tqdm(found, desc=title, total=len(items), unit="shard", disable=None)
        except ray.exceptions.RayTaskError as error:  # a mistake of ours, or the user's
            raise error.cause if isinstance(error.cause, InputError) else error from None
        except ray.exceptions.RayError as error:
            raise InputError(
                f"{title}: Ray gave up ({shown(' '.join(str(error).split()))}); run it again, which goes on from here"
            ) from None


class _Process:
    """A process of the pool; what it is to do is begun with the first item, whose error then is the item's."""

    def __init__(self, begin):
        self.begun = functools.cache(begin)

    def do(self, item):
        return self.begun()(item)


def _places(ray, heavy):
    """What Ray is to reserve for a process, and how many of these fit in."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if heavy and gpus:
        return {"num_gpus": 1}, gpus
    cores = min(int(node["CPU"]) for node in nodes) if heavy else 1
    return {"num_cpus": cores}, sum(int(node["CPU"]) // cores for node in nodes)


@contextlib.contextmanager
def begun(asked, without):
    """Begin Ray, and end it when the block ends; InputError where it is not installed or the cluster not there.

    `asked` is what the user set that needs Ray, and `without` what to do to go without it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its maker
    if not os.environ.get("RAY_ADDRESS"):
        # Ray listens on every network that this machine is on, and runs what it is sent; it reads this when imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
        import ray.util
    except ImportError:
        raise InputError(f"{asked}: expected Ray, found none; {EXTRA}, or {without}") from None
    terminated = signal.getsignal(signal.SIGTERM)
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        try:
            _begin(ray, folder)
            signal.signal(signal.SIGTERM, terminated)  # which Ray took for itself
            yield ray
        finally:
            ray.shutdown()


def _begin(ray, folder):
    variables = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    common = {"runtime_env": {"env_vars": variables}, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address=address, **common)
        else:
            ray.init(address="local", include_dashboard=False, object_store_memory=STORE, _temp_dir=folder, **common)
    except Exception as error:  # Ray fails in many ways
        raise InputError(
            f"RAY_ADDRESS: expected {'the address of a running cluster' if address else 'Ray to start on this machine'}"
            f", found {shown(address or 'none')} ({shown(' '.join(str(error).split()))})"
        ) from None
