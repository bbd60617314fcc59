"""How benchmarks are summed up; nothing is timed here."""

import json
import sys

from benchmarks import stopwatch


def test_ways_take_turns_and_ratios_go_turn_by_turn(monkeypatch):
    now, calls = [0.0], []

    def way(name, seconds):
        def run():
            calls.append(name)
            now[0] += seconds.pop(0)

        return run

    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    found = stopwatch.interleaved({"a": way("a", [9, 1, 2, 4]), "b": way("b", [9, 3, 4, 20])}, 3)
    assert calls == ["a", "b"] * 4  # the first of each compiles and does not count
    assert found == {"a": [1, 2, 4], "b": [3, 4, 20]}
    assert stopwatch.ratio(found["a"], found["b"]) == {"median": 3, "low": 2, "high": 5}
    assert stopwatch.rate(8, found["a"]) == {"median": 4, "low": 2, "high": 8}


def test_a_table_and_its_json(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(stopwatch, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["/a/clone/benchmarks/some.py", "--size", "gpu", "--images", "96"])
    rows = [{"way": "ours", "seconds": {"median": 1.23456, "low": 1, "high": 1234.5}}]
    rows.append({"way": "theirs", "seconds": 0.5})
    stopwatch.publish("some", "tiny", rows)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.splitlines()[1:] == [
        "some",
        "way     seconds",
        "------  -----------------",
        "ours    1.23 (1 to 1,234)",
        "theirs  0.5",
        "",
    ]
    stopwatch.publish("some", "gpu", rows, ["a note"])
    written = json.loads((tmp_path / "some-gpu.json").read_text())
    assert written["rows"][0] == {"way": "ours", "seconds": {"median": 1.235, "low": 1, "high": 1234}}
    assert written["notes"] == ["a note"]
    assert written["command"] == "python -m benchmarks.some --size gpu --images 96"


def test_sizes_change_what_they_name(monkeypatch):
    sizes = {"cpu": {"images": 64, "image_size": 200}, "tiny": {"image_size": 32}}
    for words, expected in (
        ([], (64, 200)),
        (["--size", "tiny"], (64, 32)),
        (["--size", "gpu"], (64, 200)),
        (["--size", "tiny", "--image-size", "48"], (64, 48)),
    ):
        monkeypatch.setattr(sys, "argv", ["some", *words])
        given = stopwatch.options("", sizes)
        assert (given.images, given.image_size) == expected
