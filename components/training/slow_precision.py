"""Whether a processor computes in the precision that a training asks for, or has to imitate it."""

from pathlib import Path

from components.training.options import TrainingOptions

CPU_FACTS = Path("/proc/cpuinfo")
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}
"""As Linux names what multiplies bfloat16 on x86 and ARM."""


def slow_precision(options: TrainingOptions, gpus: int, cpu_facts: str | None) -> str:
    """What to tell a person before a training that would be slower in half precision than in full; empty if nothing.

    Args:
        options: Of the training.
        gpus: How many it computes on.
        cpu_facts: The text of Linux' `/proc/cpuinfo`; None where there is none, and nothing is known.
    """
    if options.precision == "float32" or gpus or cpu_facts is None:
        return ""
    flags = {
        flag
        for line in cpu_facts.splitlines()
        if line.partition(":")[0].strip().lower() in ("flags", "features")
        for flag in line.partition(":")[2].split()
    }
    if options.precision == "mixed_bfloat16" and flags & _BFLOAT16_FLAGS:
        return ""
    return (
        f"this processor does not multiply {options.precision.removeprefix('mixed_')} itself: "
        "training.precision: float32 is likely to be faster here"
    )


def read_cpu_facts() -> str | None:
    """`/proc/cpuinfo`; None on other systems."""
    return CPU_FACTS.read_text(encoding="utf-8", errors="replace") if CPU_FACTS.is_file() else None
