"""What was fetched is proved; what is no whole zip steps aside."""

import errno
import io
import os
import zipfile

import numpy as np
import pytest
from loopback import DATASET, DOWNLOAD, METADATA, STORAGE, make_zip

from kidneyct.images.archive import Image
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import kaggle


def fails(folder, expected, dataset=DATASET):
    with pytest.raises(InputError, match=expected) as caught:
        kaggle.download(dataset, folder)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.fixture
def fetched(monkeypatch):
    """The data sets that were asked for, where Kaggle gives a whole zip for each."""
    asked = []
    monkeypatch.setattr(
        kaggle.kaggle_client, "fetch", lambda dataset, path: (asked.append(dataset), path.write_bytes(make_zip()))
    )
    return asked


def test_a_data_set_is_fetched_without_an_account(server, tmp_path):
    path = kaggle.download(DATASET, tmp_path / "downloads")
    assert path == tmp_path / "downloads/kidneys.zip"
    assert path.read_bytes() == server.content
    assert server.asked == [(METADATA, None, None), (DOWNLOAD, None, None), (STORAGE, None, None)]


def test_what_was_fetched_is_proved_and_not_fetched_again(fetched, tmp_path, capsys):
    path = kaggle.download(DATASET, tmp_path)
    assert kaggle.download(DATASET, tmp_path) == path
    assert fetched == [DATASET]
    assert "fetched before and unchanged; delete it to fetch the data set anew" in capsys.readouterr().out


def test_what_has_changed_since_steps_aside_and_is_fetched_again(fetched, tmp_path):
    path = kaggle.download(DATASET, tmp_path)
    path.write_bytes(b"another file")
    assert kaggle.download(DATASET, tmp_path).read_bytes() == make_zip()
    assert (tmp_path / "kidneys.zip.damaged").read_bytes() == b"another file"


def test_a_new_version_leaves_the_archive_that_shares_the_old_ones_bytes(server, tmp_path):
    path = kaggle.download(DATASET, tmp_path / "downloads")
    archive = tmp_path / "archive.zip"
    os.link(path, archive)
    (tmp_path / "downloads/kidneys.zip.sha256").unlink()
    old, server.content = server.content, server.content.replace(b"Tumor/a.jpg", b"Tumor/b.jpg")
    server.modified = "Fri, 03 Jan 2098 10:00:00 GMT"
    assert kaggle.download(DATASET, tmp_path / "downloads").read_bytes() == server.content
    assert archive.read_bytes() == old


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"no sha256 of anything  kidneys.zip\n"])
def test_a_record_that_says_nothing_sends_no_good_zip_away(fetched, tmp_path, text):
    path = kaggle.download(DATASET, tmp_path)
    whole = (tmp_path / "kidneys.zip.sha256").read_bytes()
    (tmp_path / "kidneys.zip.sha256").write_bytes(text)
    kaggle.download(DATASET, tmp_path)
    assert (tmp_path / "kidneys.zip.sha256").read_bytes() == whole
    assert sorted(os.listdir(tmp_path)) == [path.name, "kidneys.zip.sha256"]


def test_a_folder_where_a_file_belongs(fetched, tmp_path):
    kaggle.download(DATASET, tmp_path)
    (tmp_path / "kidneys.zip.sha256").unlink()
    (tmp_path / "kidneys.zip.sha256").mkdir()
    assert fails(tmp_path, "Is a directory") == (
        f"{tmp_path}/kidneys.zip.sha256: expected to keep a download from Kaggle here, found: Is a directory; move it "
        "away, or make sure that you may read and write it, and try again"
    )
    (tmp_path / "other.zip").mkdir()
    fails(tmp_path, r"other\.zip: expected to keep .* found: Is a directory", "someone/other")
    (tmp_path / "kidneys.zip.sha256").rmdir()
    (tmp_path / "kidneys.zip.sha256").write_text("0" * 64)
    (tmp_path / "kidneys.zip.damaged").mkdir()
    (tmp_path / "kidneys.zip.damaged/file").touch()
    fails(tmp_path, "expected to keep .* found: Is a directory")


def test_a_file_where_the_folder_belongs(fetched, tmp_path):
    (tmp_path / "downloads").touch()
    fails(tmp_path / "downloads", "downloads: expected to keep .* found: File exists; move it away")
    fails(tmp_path / "downloads/kidneys", "expected to keep .* found: Not a directory; move it away")
    assert fetched == []


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.EACCES, "move it away, or make sure that you may"), (errno.ENOSPC, "make room there")]
)
def test_a_record_that_cannot_be_written(fetched, tmp_path, monkeypatch, number, advice):
    def refuse(path, text):
        path.touch()
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(kaggle.Path, "write_text", refuse)
    fails(tmp_path, f"sha256.partial: expected to keep .* found: {os.strerror(number)}; {advice}")
    assert os.listdir(tmp_path) == ["kidneys.zip"]  # whole, and no half of a record


def test_a_truncated_archive_steps_aside(server, tmp_path):
    server.content = server.content[:-1000]
    line = fails(tmp_path / "d", "expected a whole zip from Kaggle, found a truncated or altered one")
    assert "try again" in line
    assert os.listdir(tmp_path / "d") == ["kidneys.zip.damaged"]
    assert (tmp_path / "d/kidneys.zip.damaged").read_bytes() == server.content


def test_a_damaged_archive_is_fetched_anew_by_the_next_run(server, tmp_path):
    buffer, whole = io.BytesIO(), server.content
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("Cyst/a.jpg", b"some words that deflate " * 100)
    server.content = buffer.getvalue().replace(buffer.getvalue()[45:50], b"\xff" * 5)
    fails(tmp_path, r"found a truncated or altered one \(.*Error -3 while decompressing data")
    server.content = whole
    assert kaggle.download(DATASET, tmp_path).read_bytes() == whole


def test_a_file_without_a_name_is_damage(tmp_path):
    content = bytearray(make_zip())
    content[content.rindex(b"Stone/a.jpg")] = 0  # in the list of files; zipfile takes its name for an empty one
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="its list of files is damaged"):
        kaggle.check_zip(tmp_path / "a.zip")


def test_a_list_of_files_that_ends_early_is_damage(tmp_path):
    content = bytearray(make_zip())
    content[content.rindex(b"Stone/a.jpg") - 46 + 33] = 255  # a comment so long that it swallows the files after it
    (tmp_path / "a.zip").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip") as container:
        assert "Tumor/a.jpg" not in container.namelist()
        assert container.testzip() is None
    with pytest.raises(InputError, match="its list of files is damaged"):
        kaggle.check_zip(tmp_path / "a.zip")


def damage(content, random):
    """One of a zip's bytes altered, some of them, or its end cut off."""
    content = bytearray(content)
    kind = random.integers(3)
    if kind == 2:
        return content[: random.integers(len(content))]
    for place in random.integers(len(content), size=1 if kind == 0 else 4):
        content[place] = random.integers(256)
    return content


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_whatever_is_damaged_the_archive_is_whole_or_steps_aside(tmp_path, compression):
    random = np.random.default_rng(compression)
    members = [bytes(random.integers(8, size=200, dtype=np.uint8)) for _ in range(3)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as container:
        for number, content in enumerate(members):
            container.writestr(f"Cyst/{number}.jpg", content)
    path, aside = tmp_path / "a.zip", tmp_path / "a.zip.damaged"
    passed = 0
    for _ in range(400):
        content = damage(buffer.getvalue(), random)
        path.write_bytes(content)
        try:
            kaggle.check_zip(path)
        except InputError as error:
            line = str(error)
        else:
            passed += 1
            with zipfile.ZipFile(path) as container:
                assert [container.read(info) for info in container.infolist()] == members
            continue
        assert line.startswith(f"{path}: expected a whole zip from Kaggle, found a truncated or altered one (")
        assert line.isprintable()
        assert not path.exists()
        assert aside.read_bytes() == content
    assert 0 < passed < 100


def test_a_fault_of_the_disk_is_none_of_the_zip(fetched, tmp_path, monkeypatch):
    def fault(container):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(zipfile.ZipFile, "testzip", fault)
    fails(tmp_path, r"kidneys\.zip: expected to keep a download .* found: Input/output error")
    assert (tmp_path / "kidneys.zip").read_bytes() == make_zip()


@pytest.mark.parametrize(
    "name", ["-p/x", "a/-x", "a", "a/b/0", "a/b/x", "a/b/1/2", "a/..", "../b", "a/b\n", "a /b", "ä/b"]
)
def test_what_is_no_name_never_reaches_the_client(fetched, tmp_path, name):
    line = fails(tmp_path, r"data\.kaggle: expected owner/name or owner/name/version", name)
    assert line.endswith(f"found {name!r}")
    assert fetched == []


def test_names(fetched, tmp_path):
    for name in (kaggle.PUBLISHED_DATASET, "a/b", "a_1/b.c-2/30"):
        kaggle.download(name, tmp_path)
    assert fetched[-1] == "a_1/b.c-2/30"


def test_published_counts():
    assert sum(kaggle.PUBLISHED.values()) == 12446
    whole = [Image("", label, "") for label, count in kaggle.PUBLISHED.items() for _ in range(count)]
    kaggle.check_counts(whole, kaggle.PUBLISHED_DATASET, "a.zip")
    kaggle.check_counts(whole[1:], "other/kidneys", "a.zip")
    with pytest.raises(InputError, match=r"a\.zip: expected .*'Cyst': 3709.* found .*'Cyst': 3708"):
        kaggle.check_counts(whole[1:], kaggle.PUBLISHED_DATASET, "a.zip")


def test_no_two_data_sets_share_a_folder():
    names = ["a-b/c", "a/b-c", "a/b", "a/b/3", "a/b-3", "a-b/3"]
    assert len({kaggle.folder(name) for name in names}) == len(names)
    assert kaggle.folder("a/b/3").as_posix() == "downloads/a/b/3"
