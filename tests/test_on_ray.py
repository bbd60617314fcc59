"""Two Ray nodes on this machine's loopback: processes killed on the way, and the bytes of a single process."""

import functools
import io
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from PIL import Image
from tiny import ROOT, TINY

from kidneyct.backbone import devices, features, vgg
from kidneyct.files import arrays, checkpoint, cluster, index, shards
from kidneyct.images import archive, decoding, image_shards
from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError
from kidneyct.series import inference, neighbours

CLASSES = ["Cyst", "Normal", "Stone", "Tumor"]
BROKEN, COLOURED = (20, 149), 130
SHARD = 40  # images; of 150, two of which can't be read, these are shards of 39, 40, 40 and 29


@pytest.fixture(scope="module", autouse=True)
def nodes():
    """A cluster of two nodes with one core each, which RAY_ADDRESS names."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_AUTH_MODE", "token")
        patched.setenv("RAY_AUTH_TOKEN", "t" * 64)
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("RAY_worker_niceness", "0")
        patched.setenv("PYTHONPATH", str(ROOT / "tests"))
        pytest.importorskip("ray", reason="Ray is an extra: pip install .[ray]")  # which reads some of these now
        pytest.importorskip("faiss", reason="faiss is an extra: pip install .[ray]")
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
        started = Cluster(True, head_node_args=node | {"node_ip_address": "127.0.0.2", "include_dashboard": False})
        try:
            started.add_node(node_ip_address="127.0.0.3", **node)
            patched.setenv("RAY_ADDRESS", started.address)
            yield
        finally:
            started.shutdown()


def begin():
    import ray

    def do(number):
        if number == 3:
            raise InputError("the fourth is amiss")
        time.sleep(0.5 * max(0, 3 - number))
        return {"number": number, "node": ray.get_runtime_context().get_node_id()}

    return do


def test_results_come_in_order_from_both_nodes_until_one_is_amiss():
    found = []
    with pytest.raises(InputError, match=r"^the fourth is amiss$"):
        found.extend(cluster.each(begin, range(5), "try"))
    assert [each["number"] for each in found] == [0, 1, 2]
    assert len({each["node"] for each in found}) == 2


def killed_once(begin, marker):
    """`begin`, but the process that has all but made the second shard is killed, once."""
    make = begin()

    def do(item, folder):
        facts = make(item, folder)
        if folder.name.startswith("00001-") and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return facts

    return do


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Where a stage is at work, one of whose processes is killed."""
    made, marker = shards.made, tmp_path / "killed"
    monkeypatch.setattr(shards, "made", lambda begin, *given, **options: made(deadly(begin), *given, **options))

    def deadly(begin):
        return functools.partial(killed_once, begin, marker)

    (tmp_path / "work").mkdir()
    yield checkpoint.Checkpoint(tmp_path / "work", "try")
    assert marker.exists()
    assert len(list((tmp_path / "work").glob("00001-*"))) == 1


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A folder with an archive, and with what one process makes of it: single arrays, and features."""
    folder, generator = tmp_path_factory.mktemp("single"), np.random.default_rng(0)
    scans, members = generator.integers(0, 240, (30, 60, 60), np.uint8), []
    for number in range(150):
        pixels = scans[number // 5] + generator.integers(0, 16, (60, 60), np.uint8)
        if number == COLOURED:
            pixels = np.stack([pixels, pixels, pixels // 2], axis=-1)
        content = b"broken" if number in BROKEN else png(pixels)
        name = f"{CLASSES[number * 4 // 150]}/{number:03d}.png"
        members += [(f"{archive.ROOT}/{name}", content), (f"{archive.MASKS}/{name}", png(pixels))]
    archive.write(folder / "archive.zip", members)
    decoding.preprocess(folder / "archive.zip", archive.images(folder / "archive.zip", CLASSES), 32, 2, folder)
    devices.prepare(seed=0)
    base = vgg.base(32)
    base.save_weights(folder / "initial.weights.h5")
    (folder / "work").mkdir()
    given = (arrays.images(folder / "images.npy"), "unit", 5, folder / "features.npy", folder / "pooled.npy")
    features.compute(base, *given, checkpoint.Checkpoint(folder / "work", "features"))
    return folder


@pytest.fixture(scope="module")
def sharded(single, tmp_path_factory):
    """A folder that `test_pictures` fills."""
    return tmp_path_factory.mktemp("sharded")


def test_pictures(single, sharded, work):
    path = single / "archive.zip"
    entries = archive.images(path, CLASSES)
    assert image_shards.preprocess(path, entries, 32, 2, sharded, "file", decoding._unchanged, SHARD, work) == (148, 2)
    for name in ("index.csv", "rejected.csv"):
        assert (sharded / name).read_bytes() == (single / name).read_bytes()
    for read, name in ((arrays.images, "images.npy"), (arrays.thumbnails, "thumbnails.npy")):
        np.testing.assert_array_equal(read(sharded / name), read(single / name))
    found = arrays.images(sharded / "images.npy")
    assert found.shapes == [(39, 32, 32, 1), (40, 32, 32, 1), (40, 32, 32, 1), (29, 32, 32, 3)]
    assert sorted(path.name for path in sharded.iterdir()) == [
        "images.npy",
        "index.csv",
        "rejected.csv",
        "thumbnails.npy",
    ]


def test_series(single, sharded, work):
    hashes = index.read(single / "index.csv")["sha256"]
    expected = inference.infer(arrays.thumbnails(single / "thumbnails.npy"), hashes, 0.99)
    assert expected.max() == 29
    found = neighbours.over_shards(arrays.thumbnails(sharded / "thumbnails.npy"), hashes, 0.99, work)
    np.testing.assert_array_equal(found, expected)


def test_features(single, sharded, work):
    given = (arrays.images(sharded / "images.npy"), "unit", 5, sharded / "features.npy", sharded / "pooled.npy")
    features.compute_shards(single / "initial.weights.h5", *given, work)
    found = arrays.read(sharded / "features.npy", np.float16, (148, 1, 1, 512))
    assert [shape[0] for shape in found.shapes] == [64, 64, 20]  # whole batches of 32
    np.testing.assert_array_equal(found, np.load(single / "features.npy"))
    pooled = arrays.read(sharded / "pooled.npy", np.float32, (148, 1472))
    np.testing.assert_array_equal(pooled, np.load(single / "pooled.npy"))


def test_a_stage_on_this_machine_alone(single, tmp_path):
    """Without RAY_ADDRESS, and with the same bytes again."""
    (tmp_path / "data").mkdir()
    shutil.copy(single / "archive.zip", tmp_path / "data")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    settings = yaml12.load((ROOT / "params.yaml").read_text())
    settings["preprocess"] |= TINY["preprocess"] | {"allow_corrupt": 2, "shard_images": SHARD}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
    away = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
    environment = {name: value for name, value in os.environ.items() if name not in away}
    environment["PYTHONPATH"] = f"{ROOT}"
    command = [sys.executable, "-m", "stages.preprocess"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    said = "preprocess: 148 images, 2 that can't be read left out: see data/images/rejected.csv\n"
    assert (done.returncode, done.stdout) == (0, said), done.stderr
    assert (tmp_path / "data/images/index.csv").read_bytes() == (single / "index.csv").read_bytes()
    np.testing.assert_array_equal(arrays.images(tmp_path / "data/images/images.npy"), np.load(single / "images.npy"))
    assert [path.name for path in (tmp_path / ".unfinished").iterdir()] == ["lock"]
