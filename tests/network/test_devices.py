"""What a run says of the machine before it starts."""

from kidneyct.backbone import devices


def test_a_long_run_on_a_cpu_is_announced(capsys, monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: [])
    clock = iter([0.0, 2.0, 0.0, 3.0, 3.0, 5.0])
    monkeypatch.setattr(devices.time, "perf_counter", lambda: next(clock))
    assert devices.warn_if_long("train", lambda: None, steps=900) == 1800
    assert capsys.readouterr().out == ""
    assert devices.warn_if_long("train", lambda: None, steps=3600) == 7200  # by the second step, the first compiled
    assert capsys.readouterr().out.startswith("train: about 2.0 hours on this CPU")
