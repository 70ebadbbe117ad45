import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from postproc.candidates import COLUMNS, LARGEST, USUAL, disk_space, in_order, make_candidates, write_candidates


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 6), max_size=30))
@settings(max_examples=60)
def test_the_total_order_is_that_of_a_plain_sort(rows):
    table = pd.DataFrame(
        [(f"TS_{e}", "ribosome", x, 0.0, z, s / 2, f"m{m}", f"o{o}") for e, s, z, x, m, o in rows], columns=COLUMNS
    )
    keys = ["experiment", "particle_type", "score", "z", "y", "x", "member", "model"]
    expected = table.sort_values(keys, ascending=[key != "score" for key in keys], kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(in_order(table), expected, check_dtype=False)


def test_room_on_a_disk_for_one_table_and_for_many(tmp_path):
    """A table of 50,000 candidates, the most that was seen, fits; many tables need less each."""
    rng = np.random.default_rng(0)
    table = make_candidates(
        "TS_1", "ribosome", rng.uniform(0, 6000, (50_000, 3)), rng.uniform(size=50_000), member="unet", model="mean"
    )
    write_candidates(tmp_path / "unet.parquet", table)
    assert disk_space(0) == 0 and (tmp_path / "unet.parquet").stat().st_size < disk_space(1) == LARGEST
    assert disk_space(40_000) - disk_space(20_000) == 20_000 * USUAL
