import ctypes

from compute import host_memory
from compute.host_memory import keep_freed_memory


def test_a_c_library_without_the_call_is_left_alone(monkeypatch):
    monkeypatch.setattr(host_memory.ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory.__wrapped__() is False


def test_both_parameters_are_set(monkeypatch):
    told = []

    class Library:
        @staticmethod
        def mallopt(parameter, value):
            told.append((parameter, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    assert keep_freed_memory.__wrapped__() is True
    assert told == [(host_memory.MMAP_MAX, 0), (host_memory.TRIM_THRESHOLD, -1)]
