"""What every stage computes is what its golden files say."""

import pytest

from tests.golden.stages import STAGES
from tests.golden.store import FILES


@pytest.fixture(scope="module")
def given():
    """Return the names of the files that the stages have given so far, by stage."""
    return {}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_computes_what_it_did(name, given, tmp_path):
    stage = STAGES[name]
    texts = stage.texts(tmp_path)
    given[name] = set(texts)
    differences = [line for file, text in texts.items() for line in stage.differences(file, text)]
    assert not differences, "\n".join([f"{len(differences)} differences", *differences[:20]])


def test_every_file_is_of_one_stage(given):
    if set(given) != set(STAGES):
        pytest.skip("only some stages were computed")
    names = [name for files in given.values() for name in files]
    assert sorted(names) == sorted(path.name for path in FILES.iterdir())


def test_a_tolerance_needs_a_reason():
    assert all(bool(stage.reason) == bool(stage.rtol or stage.atol) for stage in STAGES.values())
