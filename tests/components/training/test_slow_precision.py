"""A person is told where half precision would be slower, and nowhere else."""

import pytest

from components.training.options import TrainingOptions
from components.training.slow_precision import read_cpu_facts, slow_precision

OLD = "processor\t: 0\nflags\t\t: fpu avx2 avx512f\nbugs\t\t: bf16\n"


def facts(flag: str, key: str = "flags\t\t") -> str:
    return f"processor\t: 0\n{key}: fpu {flag} avx2\n"


@pytest.mark.parametrize("known", [facts("avx512_bf16"), facts("amx_bf16"), facts("bf16", "Features\t")])
def test_a_processor_with_bfloat16_is_not_spoken_of(known: str) -> None:
    assert slow_precision(TrainingOptions(precision="mixed_bfloat16"), 0, known) == ""
    assert "float16" in slow_precision(TrainingOptions(precision="mixed_float16"), 0, known)


def test_a_processor_without_it_is_named() -> None:
    said = slow_precision(TrainingOptions(precision="mixed_bfloat16"), 0, OLD)
    assert "bfloat16" in said
    assert "training.precision: float32" in said


@pytest.mark.parametrize(("precision", "gpus", "known"), [("float32", 0, OLD), ("mixed_bfloat16", 1, OLD)])
def test_full_precision_and_gpus_need_no_word(precision: str, gpus: int, known: str) -> None:
    assert slow_precision(TrainingOptions(precision=precision), gpus, known) == ""


def test_of_an_unknown_system_nothing_is_said() -> None:
    assert slow_precision(TrainingOptions(precision="mixed_bfloat16"), 0, None) == ""


def test_this_machine_can_be_asked() -> None:
    known = read_cpu_facts()
    assert known is None or "processor" in known.lower()
