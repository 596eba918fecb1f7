"""For all tests: what they do sooner, and in which order two workers take their files."""

import os
from collections import Counter

import pytest

# Tests ask whether XLA takes a network, not how fast its code is: this compiles it in a fifth of the time. XLA reads
# the variable once, so it stands before anything imports TensorFlow; processes that tests start inherit it.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of slow tests first, so that no worker is alone with one at the end (with `--no-loadscope-reorder`)."""
    tests = Counter(item.path for item in items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path] / tests[item.path])
