import pytest

from tomograms.console import INTERVAL, Progress, console, counted, duration


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (0.4, "0 s"), (8.2, "8 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3725, "1 h 02 min")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_plain_lines_come_at_the_start_now_and_then_and_at_the_end(capsys):
    clock = Clock()
    with Progress(clock) as progress:
        task = progress.task("fold TS_5_4 unet", total=300)
        clock.now += INTERVAL - 1
        task.update(50, note="loss 0.90")  # too early for a line
        clock.now += 1
        task.update(60, note="loss 0.80")
        clock.now += 1
        task.update(70, note="loss 0.70")  # too early again
        clock.now += 44
        task.finish(note="loss 0.42")
    assert capsys.readouterr().out.splitlines() == [
        "fold TS_5_4 unet: started",
        "fold TS_5_4 unet: 60/300, loss 0.80, elapsed 15 s, left 1 min 00 s",  # 15 s * 240 / 60
        "fold TS_5_4 unet: done in 1 min 00 s, loss 0.42",
    ]


def test_what_was_done_before_does_not_make_it_look_fast(capsys):
    clock = Clock()
    with Progress(clock) as progress:
        task = progress.task("a", total=100, done=90)
        clock.now += 20
        task.update(92)
    assert capsys.readouterr().out.splitlines()[-1] == "a: 92/100, elapsed 20 s, left 1 min 20 s"  # 20 s * 8 / 2


def test_no_step_done_means_no_estimate(capsys):
    clock = Clock()
    with Progress(clock) as progress:
        task = progress.task("a", total=100)
        clock.now += 20
        task.update(0, 50)
    assert capsys.readouterr().out.splitlines()[-1] == "a: 0/50, elapsed 20 s, left unknown"


def test_names_are_no_markup_and_long_lines_are_not_cut(capsys):
    name = "[red]" + "x" * 300
    with Progress() as progress:
        progress.task(name, total=1)
    assert capsys.readouterr().out == f"{name}: started\n"


def test_on_a_terminal_there_are_bars(monkeypatch, capsys):
    from rich.console import Console

    import tomograms.console as module

    terminal = Console(force_terminal=True, width=140)
    monkeypatch.setattr(module, "console", lambda: terminal)
    with Progress() as progress:
        task = progress.task("[red]fold", total=4)
        task.update(1, note="loss [1]")
        task.update(3, 8)
        task.finish(note="fine")
    output = capsys.readouterr().out
    assert "[red]fold" in output
    assert "8/8" in output
    assert "fine" in output
    assert progress.bars is None


def test_tables_have_room_without_a_terminal():
    assert console().width >= 120
    assert console() is console()


def test_a_notebook_is_no_terminal(monkeypatch, capsys):
    """Jupyter sets FORCE_COLOR, and moving bars would fill the notebook's file."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    console.cache_clear()
    try:
        with Progress() as progress:
            progress.task("fold", total=1).finish()
    finally:
        console.cache_clear()
    assert capsys.readouterr().out.splitlines() == ["fold: started", "fold: done in 0 s"]


def test_a_noun_follows_its_number():
    assert [counted(number, "tomogram") for number in (0, 1, 2)] == ["0 tomograms", "1 tomogram", "2 tomograms"]
