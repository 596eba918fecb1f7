"""How a model server groups requests into batches; TensorFlow Serving's `batching_parameters_file` there and back."""

import itertools
import os
from pathlib import Path
from typing import Annotated, Any

import yaml
from google.protobuf import text_format
from pydantic import Field, model_validator

from components.errors import ConfigError
from components.options import Options
from serving.config_text import parse_message, read_config_text, validated
from serving.wire_messages import message_class

_MOST = 2**31 - 1
"""The server keeps the file's 64-bit numbers in 32 bits."""
Count = Annotated[int, Field(ge=1, le=_MOST)]


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
    max_batch_size: Count = 32
    """Patches in the largest batch, and in the largest request: a larger one is refused."""
    batch_timeout_micros: int = Field(default=0, ge=0, le=_MOST)
    """How long the oldest request waits for others, in microseconds."""
    num_batch_threads: Count = 2
    """Batches that run at the same time. Each already uses all cores inside TensorFlow."""
    max_enqueued_batches: Count = 256
    """Batches that wait; when so many do, further requests are answered UNAVAILABLE."""
    allowed_batch_sizes: tuple[Count, ...] = ()
    """Sizes that batches are padded up to, ascending, the last one `max_batch_size`; empty runs any size."""
    enable_large_batch_splitting: bool = False
    """Requests (up to `max_batch_size`) may be split over batches of `max_execution_batch_size`."""
    max_execution_batch_size: Count | None = None
    """Patches in the largest batch when splitting; None is `max_batch_size`."""
    pad_variable_length_inputs: bool = False
    """Pads tensors of one batch to the same inner shape. Patches have one shape: not needed for EOSeg's models."""
    thread_pool_name: str = ""
    """Labels the queue's metrics; empty is the server's own name."""

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

    def check_request(self, patches: int) -> None:
        """Refuses requests of so many patches before the server does.

        Raises:
            ConfigError: If the server batches and the request is larger than its largest batch.
        """
        if self.enabled and patches > self.max_batch_size:
            raise ConfigError(
                f"patches_per_request is {patches} and the server's max_batch_size {self.max_batch_size}",
                "requests of at most max_batch_size patches; the server refuses larger ones",
                "lower patches_per_request, or raise max_batch_size",
            )


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
    empty = message_class("tensorflow.serving.BatchingParameters")()
    message = parse_message(text, empty, source, "max_batch_size { value: 32 }")
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
    return validated(BatchingOptions, source, **values)


def read_batching(path: str | Path) -> BatchingOptions:
    """Reads a `--batching_parameters_file`.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: As `parse_batching`.
    """
    return parse_batching(read_config_text(path, "a batching parameters file"), str(path))


def read_batching_options(path: str | Path) -> BatchingOptions:
    """Reads batching from YAML or JSON under EOSeg's keys (`batching:`, which can also say `enabled: false`), else from
    a `--batching_parameters_file`.

    Raises:
        MissingFileError: If there is no such file.
        ConfigError: As `parse_batching`.
    """
    if Path(path).suffix.lower() not in (".yaml", ".yml", ".json"):
        return read_batching(path)
    text = read_config_text(path, "a file with batching options")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}", "YAML", "correct the line") from error
    if not isinstance(document, dict) or set(document) != {"batching"} or not isinstance(document["batching"], dict):
        raise ConfigError(f"{path} is not a mapping with the one key 'batching'", "batching: {...}", "correct it")
    return validated(BatchingOptions, str(path), **document["batching"])
