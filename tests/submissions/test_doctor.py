import shutil
from collections import namedtuple

import pytest

from submissions import checkup
from submissions.checkup import BAD, GOOD, NOTE
from submissions.doctor import main
from tomograms.errors import InputError


def states(look):
    return [finding.state for finding in checkup.guarded(look)]


def quick(monkeypatch):
    monkeypatch.setattr(checkup, "unmet", lambda requirements: [])
    monkeypatch.setattr(checkup, "IMPORTED", ("numpy",))


def test_a_machine_that_is_fit_gets_0_in_twenty_lines(monkeypatch, capsys):
    quick(monkeypatch)
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 20 and lines[-1].startswith("fit: ")
    assert any("bfloat16" in line or "float32" in line or "GB, computes in" in line for line in lines)


def test_what_will_not_work_is_told_with_what_to_do_and_1(monkeypatch, capsys):
    quick(monkeypatch)
    words = "ultralytics needs torch >=1.8, which is not installed"
    monkeypatch.setattr(checkup, "unmet", lambda requirements: [words])
    assert main([]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if words in line]
    assert line.startswith("BAD") and "pip install" in line


def test_a_library_of_the_system_that_is_missing_is_told(monkeypatch):
    def broken(name):
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(checkup, "IMPORTED", ("cv2",))
    monkeypatch.setattr(checkup, "import_module", broken)
    (finding,) = checkup.imports()
    assert finding.state == BAD and "libgl1" in finding.advice


def test_a_full_disk_is_bad_and_little_memory_a_note(monkeypatch):
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 10**8))
    assert states(checkup.disk) == [BAD] * 3
    memory = namedtuple("Memory", "available total")
    monkeypatch.setattr(checkup.psutil, "virtual_memory", lambda: memory(1e9, 4e9))
    assert states(checkup.memory) == [NOTE]


def test_threads_that_the_user_has_limited_are_a_note(monkeypatch):
    monkeypatch.setattr(checkup, "usable_cores", lambda: 8)
    monkeypatch.setattr(checkup, "usable_threads", lambda: 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (finding,) = checkup.threads()
    assert finding.state == NOTE and "OMP_NUM_THREADS=1" in finding.advice


@pytest.mark.parametrize("version", [None, "0.1.0"])
def test_the_last_line_names_a_command_that_is_there(version, monkeypatch, capsys):
    for name in ("packages", "imports", "devices", "memory", "disk", "weights"):
        monkeypatch.setattr(checkup, name, lambda: iter(()))
    monkeypatch.setattr(checkup, "installed", lambda name: version)
    assert checkup.check_up() == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"fit: {'cryoet-picks pick' if version else 'python -m submissions.pick'} DATA"


def test_a_look_that_breaks_is_a_finding_and_not_the_end():
    def look():
        yield checkup.Finding(GOOD, "first", "fine")
        raise InputError("odd")

    assert states(look) == [GOOD, BAD]


def test_it_takes_no_arguments():
    with pytest.raises(SystemExit) as end:
        main(["--now"])
    assert end.value.code == 2
