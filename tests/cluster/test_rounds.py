"""Two of the rounds that ``python -m tests.cluster`` plays."""

from tests.cluster.rounds import make_data, play, whole


def test_processes_may_be_killed_at_any_time(tmp_path):
    make_data(tmp_path)
    expected, seconds = whole(tmp_path)
    for seed in (0, 1):
        assert play(tmp_path, seed, jobs=3, expected=expected, seconds=seconds) > 0
