"""What holds for all tests."""

import os

from hypothesis import HealthCheck, settings

from compute.cores import usable_threads

# A busy machine fails no test.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

if beside := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # two processes on all threads are slower than one
    os.environ["OMP_NUM_THREADS"] = str(usable_threads(int(beside)))
