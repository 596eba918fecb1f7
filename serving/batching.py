"""How a model server groups requests into batches; TensorFlow Serving's `batching_parameters_file` there and back."""

import itertools
import os
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from components.errors import ConfigError, MissingFileError
from components.options import Options
from serving.wire_messages import message_class


class BatchingOptions(Options):
    """The batching parameters of TensorFlow Serving, under its own names.

    The defaults suit a CPU: a free thread takes what is queued at once (`batch_timeout_micros` 0), so a single client
    waits for nobody, and no sizes are prescribed, since padding only costs there. A GPU wants powers of two in
    `allowed_batch_sizes` and threads = CPU cores.

    Raises:
        pydantic.ValidationError: On parameters that TensorFlow Serving would refuse, or that contradict each other.
    """

    enabled: bool = True
    """False serves every request by itself; the other fields are then without effect."""
    max_batch_size: PositiveInt = 32
    """Patches in the largest batch; a larger request is refused unless `enable_large_batch_splitting`."""
    batch_timeout_micros: NonNegativeInt = 0
    """How long the oldest request waits for others, in microseconds."""
    num_batch_threads: PositiveInt = 2
    """Batches that run at the same time. Each already uses all cores inside TensorFlow."""
    max_enqueued_batches: PositiveInt = 256
    """Batches that wait; when so many do, further requests are answered UNAVAILABLE."""
    allowed_batch_sizes: tuple[PositiveInt, ...] = ()
    """Sizes that batches are padded up to, ascending, the last one `max_batch_size`; empty runs any size."""
    enable_large_batch_splitting: bool = False
    """Requests (up to `max_batch_size`) may be split over batches of `max_execution_batch_size`."""
    max_execution_batch_size: PositiveInt | None = None
    """Patches in the largest batch when splitting; None is `max_batch_size`."""
    pad_variable_length_inputs: bool = False
    """Pads tensors of one batch to the same inner shape. Patches have one shape: not needed for EOSeg's models."""
    thread_pool_name: str = Field(default="", pattern=r"^[\w-]*$")

    @model_validator(mode="after")
    def _as_the_server_wants_them(self) -> "BatchingOptions":
        sizes = self.allowed_batch_sizes
        if any(after <= before for before, after in itertools.pairwise(sizes)):
            raise ValueError(f"allowed_batch_sizes {list(sizes)} must ascend")
        if sizes and sizes[-1] != self.max_batch_size:
            raise ValueError(
                f"the last of allowed_batch_sizes {list(sizes)} must equal max_batch_size, which is "
                f"{self.max_batch_size}"
            )
        if self.max_execution_batch_size is not None:
            if not self.enable_large_batch_splitting:
                raise ValueError("max_execution_batch_size works only with enable_large_batch_splitting: true")
            if self.max_execution_batch_size > self.max_batch_size:
                raise ValueError(
                    f"max_execution_batch_size {self.max_execution_batch_size} must not exceed max_batch_size "
                    f"{self.max_batch_size}"
                )
        return self

    @property
    def execution_batch_size(self) -> int:
        """Patches in the largest batch that is run."""
        return self.max_execution_batch_size or self.max_batch_size

    def padded_size(self, size: int) -> int:
        """The allowed batch size that a batch of `size` patches is padded to."""
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)


def render_batching(options: BatchingOptions) -> str:
    """The text of a `--batching_parameters_file`; `parse_batching` is its inverse."""
    message = message_class("tensorflow.serving.BatchingParameters")()
    for name in ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"):
        getattr(message, name).value = getattr(options, name)
    message.allowed_batch_sizes.extend(options.allowed_batch_sizes)
    message.pad_variable_length_inputs = options.pad_variable_length_inputs
    if options.enable_large_batch_splitting:
        message.enable_large_batch_splitting.value = True
    if options.max_execution_batch_size is not None:
        message.max_execution_batch_size.value = options.max_execution_batch_size
    if options.thread_pool_name:
        message.thread_pool_name.value = options.thread_pool_name
    text: str = text_format.MessageToString(message)
    return text


def parse_batching(text: str, source: str = "the batching parameters") -> BatchingOptions:
    """Reads a batching parameters text; what it leaves out gets TensorFlow Serving's default, not EOSeg's.

    Args:
        text: A text-format `BatchingParameters` message.
        source: What to call the text in an error message, usually the file's path.

    Raises:
        ConfigError: If it is not such a message, or its values contradict each other.
    """
    try:
        message = text_format.Parse(text, message_class("tensorflow.serving.BatchingParameters")())
    except text_format.ParseError as error:
        raise ConfigError(
            f"Invalid protobuf file: '{source}': {error}",
            "a text-format tensorflow.serving.BatchingParameters message",
            "write it as for instance: max_batch_size { value: 32 }",
        ) from error
    # The defaults of 2.16's SharedBatchScheduler.
    values: dict[str, Any] = {
        "max_batch_size": 1000,
        "batch_timeout_micros": 0,
        "max_enqueued_batches": 10,
        "num_batch_threads": os.cpu_count() or 1,
    }
    wrapped = (*values, "enable_large_batch_splitting", "max_execution_batch_size", "thread_pool_name")
    values.update({name: getattr(message, name).value for name in wrapped if message.HasField(name)})
    values["allowed_batch_sizes"] = tuple(message.allowed_batch_sizes)
    values["pad_variable_length_inputs"] = message.pad_variable_length_inputs
    if not values.get("enable_large_batch_splitting"):
        values.pop("max_execution_batch_size", None)  # the server ignores it, too
    try:
        return BatchingOptions(**values)
    except ValidationError as error:
        reasons = "; ".join(str(detail["msg"]).removeprefix("Value error, ") for detail in error.errors())
        raise ConfigError(f"{source}: {reasons}", "parameters that TensorFlow Serving accepts", "correct it") from error


def read_batching(path: str | Path) -> BatchingOptions:
    """Reads a `--batching_parameters_file`.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: As `parse_batching`.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingFileError(f"{path} does not exist", "a batching parameters file", "correct the path") from error
    return parse_batching(text, str(path))
