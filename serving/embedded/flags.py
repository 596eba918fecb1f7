"""The stock server's command-line flags, `--flag=value`, as the embedded server's options."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from components.errors import ConfigError
from serving.batching import BatchingOptions, read_batching
from serving.embedded.options import ServerOptions

_TRUE, _FALSE = ("true", "1", "t", "yes"), ("false", "0", "f", "no")
_BATCHING_FLAGS = ("enable_batching", "batching_parameters_file")

# Flags of the stock server that mean nothing here (no such runtime, or always as the flag asks): accepted, so that a
# command line made for the stock server works.
IGNORED_FLAGS = frozenset(
    {
        "enable_profiler",
        "enable_signature_method_name_check",
        "flush_filesystem_caches",
        "mixed_precision",
        "num_load_threads",
        "num_request_iterations_for_warmup",
        "num_unload_threads",
        "platform_config_file",
        "prefer_tflite_model",
        "remove_unused_fields_from_bundle_metagraph",
        "rest_api_num_threads",
        "tensorflow_session_config_file",
        "thread_pool_factory_config_file",
        "xla_cpu_compilation_enabled",
    }
)


def parse_flags(arguments: Sequence[str]) -> ServerOptions:
    """Options from `--flag=value`, `--flag value` for what is not a switch, `--switch` and `--noswitch` arguments.

    Raises:
        ConfigError: On an unknown flag, a wrong value, or nothing to serve.
    """
    values: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or not _is_known(name):
            raise ConfigError(
                f"unknown flag: {argument}",
                "flags of tensorflow_model_server, as --flag=value",
                "see eoseg-model-server --help",
            )
        if not equals:
            if _is_switch(name):
                value = "true"
            elif rest and not rest[0].startswith("--"):
                value = rest.pop(0)
            else:
                raise ConfigError(f"flag --{name} has no value", f"--{name}=VALUE", "add the value")
        values[name] = value
    return _options(values)


def _options(values: dict[str, str]) -> ServerOptions:
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if name in ServerOptions.model_fields:
            fields[name] = value
    fields["batching"] = _batching(values)
    if "grpc_max_threads" in fields and int(fields["grpc_max_threads"]) < 0:
        fields["grpc_max_threads"] = 0
    try:
        return ServerOptions.model_validate(fields)
    except ValidationError as error:
        reasons = "; ".join(
            f"--{'.'.join(map(str, detail['loc']))}: {detail['msg']}".removeprefix("--: Value error, ")
            for detail in error.errors()
        )
        raise ConfigError(reasons, "flags as of tensorflow_model_server", "see eoseg-model-server --help") from error


def _batching(values: dict[str, str]) -> BatchingOptions:
    enabled = values.get("enable_batching", "false").lower()
    if enabled not in (*_TRUE, *_FALSE):
        raise ConfigError(f"--enable_batching={enabled}", "true or false", "correct it")
    file = values.get("batching_parameters_file", "")
    if enabled in _FALSE:
        if file:
            raise ConfigError(
                f"--batching_parameters_file={file} without batching",
                "--enable_batching beside it",
                "add --enable_batching, or take the file away",
            )
        return BatchingOptions(enabled=False)
    if not file:
        from serving.batching import parse_batching

        return parse_batching("")
    return read_batching(file)


def _is_known(name: str) -> bool:
    return name in ServerOptions.model_fields or name in _BATCHING_FLAGS or name in IGNORED_FLAGS


def _is_switch(name: str) -> bool:
    field = ServerOptions.model_fields.get(name)
    return name == "enable_batching" or (field is not None and field.annotation is bool) or name in IGNORED_FLAGS


def usage() -> str:
    """The text of `--help`."""
    lines = ["usage: eoseg-model-server --flag=value ...", "", "Flags of tensorflow_model_server:"]
    for name, field in ServerOptions.model_fields.items():
        if name != "batching":
            lines.append(f"  --{name}={field.default}")
    lines += ["  --enable_batching=False", "  --batching_parameters_file=", "", "Accepted without effect:"]
    lines += [f"  --{name}" for name in sorted(IGNORED_FLAGS)]
    return "\n".join(lines)
