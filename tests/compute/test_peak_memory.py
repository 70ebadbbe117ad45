import sys

import numpy as np
import pytest

from compute.peak_memory import peak_memory


@pytest.mark.skipif(sys.platform == "win32", reason="not measured on Windows")
def test_a_large_array_raises_the_peak():
    before = peak_memory()["host"]
    size = before + 64 * 2**20
    array = np.ones(size, np.uint8)
    assert peak_memory()["host"] >= size
    del array
    assert peak_memory()["host"] >= size  # a peak stays
