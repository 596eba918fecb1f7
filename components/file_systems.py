"""Paths that are no local files: which they are, what TensorFlow and Beam need for them, and there and back.

Locally, everything here is the plain file operation; nothing is copied that is on the disk already.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from components.errors import ConfigError, DataError

OBJECT_STORES = ("s3://", "az://", "gs://", "hdfs://", "viewfs://")

_OF_TENSORFLOW_IO = ("s3://", "az://", "hdfs://", "viewfs://")
_BLOCK_BYTES = 1 << 22


def is_object_store(path: str) -> bool:
    """Whether a path is one of an object store or a distributed file system."""
    return path.startswith(OBJECT_STORES)


def arguments_for_workers(path: str) -> list[str]:
    """What Beam is told so that `tf.io` knows the file system of a path in worker processes, too."""
    return ["--beam_plugin=tensorflow_io"] if path.startswith(_OF_TENSORFLOW_IO) else []


def load_file_system(path: str) -> None:
    """Makes `tf.io`, and Beam in this process, know the file system of a path.

    tensorflow-io is imported only where a path needs it: once its S3 client was used, the process aborts at exit
    ("pure virtual method called"), which `tfx_pipeline.cli.main` keeps from being seen.
    """
    if path.startswith("s3://"):
        _tell_s3_clients()
    if path.startswith(_OF_TENSORFLOW_IO):
        import tensorflow_io  # noqa: F401 registers the file systems


def open_artifact_store(path: str) -> None:
    """Makes sure that TensorFlow and Beam can write below a path, before anything is computed.

    Raises:
        ConfigError: If it is in an object store and a package is missing, or nothing can be written there.
    """
    if not is_object_store(path):
        return
    if path.startswith("s3://") and find_spec("boto3") is None:
        raise ConfigError(
            f"{path}: Beam reads and writes S3 through the package boto3, which is not installed",
            "boto3 beside EOSeg",
            'install it (pip install "eoseg[s3]" does), or leave artifacts in a local folder',
        )
    load_file_system(path)
    import tensorflow as tf

    probe = f"{path.rstrip('/')}/.eoseg-can-write"
    try:
        write_text(probe, "")
        tf.io.gfile.remove(probe)
    except (tf.errors.OpError, OSError) as error:
        raise ConfigError(
            f"{path} cannot be written to: {_message(error)}",
            "a bucket that exists, and credentials that may read, write and delete below this prefix",
            "correct artifacts, or the environment variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION "
            "and, for a store of your own, AWS_S3_ENDPOINT",
        ) from error


def read_text(path: str) -> str | None:
    """The content of a text file; None where there is none."""
    load_file_system(path)
    import tensorflow as tf

    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        return None
    with tf.io.gfile.GFile(path) as file:
        text: str = file.read()
    return text


def write_text(path: str, text: str) -> None:
    """Writes a text file, and the folder that it lies in."""
    load_file_system(path)
    import tensorflow as tf

    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text)


@contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """A file or a folder as a local one, for what reads local files only.

    Args:
        path: A local path, which is given back as it is, or one of an object store: a copy then, gone with the block.
            What is not there is not there as a copy either.

    Raises:
        DataError: If it cannot be copied.
    """
    if not is_object_store(path):
        yield Path(path)
        return
    load_file_system(path)
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="eoseg_") as folder:
        local = Path(folder) / path.rstrip("/").rpartition("/")[2]
        if tf.io.gfile.isdir(path):
            for parent, _, names in tf.io.gfile.walk(path):
                inside = local / parent.removeprefix(path).strip("/")
                inside.mkdir(parents=True, exist_ok=True)
                for name in names:
                    _copy_bytes(f"{parent.rstrip('/')}/{name}", str(inside / name))
        elif tf.io.gfile.exists(path):
            _copy_bytes(path, str(local))
        yield local


def put_folder(folder: Path, target: str) -> None:
    """Copies a local folder's files to a folder on any file system; files that are there already are overwritten.

    Raises:
        DataError: If a file cannot be copied to an object store.
    """
    if not is_object_store(target):
        shutil.copytree(folder, target, dirs_exist_ok=True)
        return
    load_file_system(target)
    import tensorflow as tf

    for path in sorted(folder.rglob("*")):
        if path.is_file():
            place = f"{target.rstrip('/')}/{path.relative_to(folder).as_posix()}"
            tf.io.gfile.makedirs(place.rpartition("/")[0])
            _copy_bytes(str(path), place)


def _copy_bytes(source: str, target: str) -> None:
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(source, "rb") as read, tf.io.gfile.GFile(target, "wb") as write:
            write.write(b"")  # else an empty file would not be made
            shutil.copyfileobj(read, write, _BLOCK_BYTES)
    except (tf.errors.OpError, OSError) as error:
        raise DataError(
            f"{source} cannot be copied to {target}: {_message(error)}",
            "a store that answers, and room on the disk",
            "check the network, the credentials and the disk's free space, and run again",
        ) from error


def _message(error: Exception) -> str:
    return str(getattr(error, "message", error)).strip().partition("\n")[0]


def _tell_s3_clients() -> None:
    """Gives the S3 clients of tensorflow-io and of Beam (boto3) the endpoint and the region that GDAL was given.

    Each has a variable of its own for the same thing; one that is set is left as it is.
    """
    environment = os.environ
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if region:
        environment.setdefault("AWS_REGION", region)
        environment.setdefault("AWS_DEFAULT_REGION", region)
    named = (environment.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT"))
    url = next(filter(None, named), None) or environment.get("AWS_S3_ENDPOINT")
    if url:
        if "://" not in url:
            plain = environment.get("AWS_HTTPS", "YES").upper() in ("NO", "FALSE", "OFF", "0")
            url = f"{'http' if plain else 'https'}://{url}"
        environment.setdefault("S3_ENDPOINT", url)
        environment.setdefault("AWS_ENDPOINT_URL_S3", url)
