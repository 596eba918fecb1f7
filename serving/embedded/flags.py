"""The stock server's command-line flags, `--flag=value`, as the embedded server's options."""

import logging
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from components.errors import ConfigError
from serving.batching import BatchingOptions, parse_batching, read_batching
from serving.embedded.options import ServerOptions

_log = logging.getLogger(__name__)

# TensorFlow's own parser knows the first two of each.
_TRUE, _FALSE = ("true", "1", "t", "yes"), ("false", "0", "f", "no")
_BATCHING_FLAGS = {"enable_batching": True, "batching_parameters_file": False}

# Flags of the stock server that mean nothing here, and whether each is a switch. A command line made for the stock
# server works; a value that asks for something is answered with a line in the log.
IGNORED_FLAGS = {
    "enable_profiler": True,
    "enable_serialization_as_tensor_content": True,
    "flush_filesystem_caches": True,
    "mixed_precision": False,
    "num_load_threads": False,
    "num_tflite_interpreters_per_pool": False,
    "num_tflite_pools": False,
    "num_unload_threads": False,
    "prefer_tflite_model": True,
    "remove_unused_fields_from_bundle_metagraph": True,
    "skip_initialize_tpu": True,
    "thread_pool_factory_config_file": False,
    "xla_cpu_compilation_enabled": True,
    "xla_gpu_compilation_enabled": True,
}
_TOLD_OF = {
    "enable_serialization_as_tensor_content": "outputs come in typed fields, as from the stock server without it",
    "mixed_precision": "models run in the precision that they were exported in",
    "prefer_tflite_model": "TensorFlow Lite models are not served: saved_model.pb is loaded",
    "thread_pool_factory_config_file": "models run in TensorFlow's own thread pools",
}

# What could not be left out unnoticed.
REFUSED_FLAGS = {
    "platform_config_file": "the flags --enable_batching, --batching_parameters_file and --tensorflow_* instead of it",
    "use_alts_credentials": "--ssl_config_file for encrypted gRPC",
}


def parse_flags(arguments: Sequence[str]) -> ServerOptions:
    """Options from `--flag=value`, `--flag value` for what is not a switch, and `--switch` arguments.

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
                f"unknown argument: {argument}",
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
    for name in values.keys() & IGNORED_FLAGS:
        if name in _TOLD_OF and values[name].lower() not in ("", *_FALSE):
            _log.warning("--%s=%s has no effect here: %s", name, values[name], _TOLD_OF[name])
    for name in values.keys() & REFUSED_FLAGS:
        if values[name].lower() not in ("", *_FALSE):
            raise ConfigError(
                f"--{name}={values[name]} is not supported by the embedded server",
                REFUSED_FLAGS[name],
                "take the flag away, or serve with tensorflow_model_server",
            )
    return _options(values)


def _options(values: dict[str, str]) -> ServerOptions:
    fields: dict[str, Any] = {name: value for name, value in values.items() if name in ServerOptions.model_fields}
    fields["batching"] = _batching(values)
    for name in ("grpc_max_threads", "rest_api_num_threads", "model_config_file_poll_wait_seconds"):
        # The stock server takes what is below zero as "not set".
        if str(fields.get(name, "")).startswith("-"):
            fields[name] = 0
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
    return read_batching(file) if file else parse_batching('thread_pool_name { value: "model_server_batch_threads" }')


def _is_known(name: str) -> bool:
    return any(name in flags for flags in (ServerOptions.model_fields, _BATCHING_FLAGS, IGNORED_FLAGS, REFUSED_FLAGS))


def _is_switch(name: str) -> bool:
    field = ServerOptions.model_fields.get(name)
    if field is not None:
        return field.annotation is bool
    return name == "use_alts_credentials" or _BATCHING_FLAGS.get(name, False) or IGNORED_FLAGS.get(name, False)


def usage() -> str:
    """The text of `--help`."""
    lines = ["usage: eoseg-model-server --flag=value ...", "", "Flags of tensorflow_model_server:"]
    for name, field in ServerOptions.model_fields.items():
        if name != "batching":
            default = str(field.default).lower() if field.annotation is bool else field.default
            lines.append(f"  --{name}={default}")
    lines += ["  --enable_batching=false", "  --batching_parameters_file=", "  --version", ""]
    lines += ["Of these, --bind_address and --drain_seconds are this server's own.", "", "Accepted without effect:"]
    lines += [f"  --{name}" for name in sorted(IGNORED_FLAGS)]
    lines += ["", "Refused:", *(f"  --{name}: use {instead}" for name, instead in sorted(REFUSED_FLAGS.items()))]
    return "\n".join(lines)
