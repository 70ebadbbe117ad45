"""What holds for all tests."""

import os

from compute.cores import usable_threads

if beside := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # two processes on all threads are slower than one
    os.environ["OMP_NUM_THREADS"] = str(usable_threads(int(beside)))
