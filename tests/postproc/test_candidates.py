import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from postproc.candidates import COLUMNS, in_order


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 6), max_size=30))
@settings(deadline=None, max_examples=60)
def test_the_total_order_is_that_of_a_plain_sort(rows):
    table = pd.DataFrame(
        [(f"TS_{e}", "ribosome", x, 0.0, z, s / 2, f"m{m}", f"o{o}") for e, s, z, x, m, o in rows], columns=COLUMNS
    )
    keys = ["experiment", "particle_type", "score", "z", "y", "x", "member", "model"]
    expected = table.sort_values(keys, ascending=[key != "score" for key in keys], kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(in_order(table), expected, check_dtype=False)
