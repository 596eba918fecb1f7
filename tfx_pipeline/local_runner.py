"""TFX's local runner, with names of runs that say whose they are."""

from datetime import datetime
from typing import Any

from tfx import v1 as tfx
from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.orchestration.portable import runtime_parameter_utils


class LocalRunner(tfx.orchestration.LocalDagRunner):  # type: ignore[misc]
    """Runs a pipeline in this process.

    Args:
        mark: Ends the run's name, so that a working directory knows its own runs in a shared database; empty where
            there is none to tell apart.
    """

    def __init__(self, mark: str = "") -> None:
        super().__init__()
        self._mark = mark

    def run_with_ir(self, pipeline: Any, run_options: Any = None) -> None:
        """Runs a compiled pipeline; TFX's own runner would name the run by the time alone."""
        name = datetime.now().isoformat() + (f"-{self._mark}" if self._mark else "")
        runtime_parameter_utils.substitute_runtime_parameter(pipeline, {PIPELINE_RUN_ID_PARAMETER_NAME: name})
        super().run_with_ir(pipeline, run_options)
