"""`eoseg`: the command line. Each verb is one module beside this one; heavy imports wait inside the verbs."""

import argparse
import atexit
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from components.errors import EosegError

VERBS = (
    "run",
    "validate",
    "serve",
    "predict",
    "versions",
    "drift",
    "report",
    "kubeflow",
    "convert_labels",
    "sample_scenes",
    "configs",
    "bench",
)

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="eoseg",
        description="Semantic segmentation of Earth-observation imagery: tiles in, a served, versioned model and "
        "land-cover maps out.",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks, and the libraries' own messages")
    subparsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in VERBS:
        import_module(f"tfx_pipeline.cli.{verb}").register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb.

    Returns:
        0 done; 2 bad input (one message on standard error); 3 a model refused by its gates; 4 nothing to do; 5 drift;
        130 interrupted.
    """
    arguments = build_parser().parse_args(argv)
    if not arguments.debug:
        quieten_libraries()
    try:
        code: int = arguments.handler(arguments)
    except EosegError as error:
        if arguments.debug:
            raise
        print(f"eoseg: error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("eoseg: interrupted; run the same command again to go on where it stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def quieten_libraries() -> None:
    """Keeps TensorFlow's and its companions' chatter off the terminal; must come before they are imported."""
    import logging
    import warnings

    # 3, not 2: a CPU-only start logs three errors about CUDA libraries that are not there.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GLOG_minloglevel", "2")  # ML Metadata says where it connects
    # Python's own variable, so that Beam's worker processes are as quiet.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    warnings.simplefilter("ignore")
    # With a handler on the root logger, logging.warning() at import time does not set up one for the terminal.
    logging.getLogger().addHandler(logging.NullHandler())


def command() -> None:
    """The process `eoseg`: runs a verb and ends."""
    code = main()
    if "tensorflow_io" in sys.modules:
        # Its S3 client aborts the process on a regular exit ("pure virtual method called"), after all work is done.
        # What Python itself does at the end still has to be done: Beam's job servers stop, temporary files go.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    command()
