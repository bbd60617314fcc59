"""What a run says of the machine before it starts."""

import ctypes

import pytest

from kidneyct.network import devices


def test_a_long_run_on_a_cpu_is_announced(capsys, monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: [])
    clock = iter([0.0, 2.0, 0.0, 2.0])
    monkeypatch.setattr(devices.time, "perf_counter", lambda: next(clock))
    assert devices.warn_if_long("train", lambda: None, steps=900) == 1800
    assert capsys.readouterr().out == ""
    assert devices.warn_if_long("train", lambda: None, steps=3600) == 7200
    assert capsys.readouterr().out.startswith("train: about 2.0 hours on this CPU")


def test_freed_memory_is_used_again():
    if not devices.keep_memory():
        pytest.skip("glibc alone can")
    import resource

    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.memset.argtypes, libc.free.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], [ctypes.c_void_p]
    cleared = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        address = libc.malloc(2**26)
        libc.memset(address, 1, 2**26)
        libc.free(address)
        cleared.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert cleared[1] < 100  # pages; 64 MB are 16,384 of them
