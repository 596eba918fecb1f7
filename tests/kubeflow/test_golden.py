"""The compiled pipeline of a fixed configuration, as it is kept beside this file: a change of it shows in a review.

Where the change is meant, one line writes it anew:

    EOSEG_RENEW_GOLDEN=1 .venv/bin/python -m pytest tests/kubeflow/test_golden.py
"""

import os
from pathlib import Path
from typing import Any

from eoseg_kubeflow.compile_pipeline import as_yaml

GOLDEN = Path(__file__).parent / "golden" / "tiny.yaml"


def test_the_compiled_pipeline_is_the_one_that_was_reviewed(compiled_documents: list[dict[str, Any]]) -> None:
    text = as_yaml(compiled_documents)
    if os.environ.get("EOSEG_RENEW_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
    ours, theirs = text.splitlines(), GOLDEN.read_text(encoding="utf-8").splitlines()
    first = next((number for number, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
    where = "" if first is None else f"first at line {first + 1}: {ours[first][:200]}"
    assert ours == theirs, f"see this test's first lines for how to renew the file; {where}"


def test_nothing_of_this_machine_is_in_it() -> None:
    text = GOLDEN.read_text(encoding="utf-8")
    assert str(Path(__file__).resolve().parents[2]) not in text
    assert "/tmp" not in text
