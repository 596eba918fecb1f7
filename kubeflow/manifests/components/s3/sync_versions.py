"""Copies model versions between a folder and an object store, each whole or not at all.

    python sync_versions.py push FOLDER s3://bucket/prefix           versions that the store lacks
    python sync_versions.py pull [--once] s3://bucket/prefix FOLDER  every 30 s, what the store has; for a server's disk

Both sides are laid out as `NAME/VERSION/...`, as TensorFlow Serving reads it. In the store a version counts once its
`saved_model.pb` is there, which `push` writes last; on disk, once its folder has its name, which is given last. Keys
and endpoint come from the environment variables of AWS (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, ...).
"""

import argparse
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

_MARKER = "saved_model.pb"
_KEY = re.compile(r"(?P<name>[^/]+)/(?P<version>[0-9]+)/(?P<file>.+)")

Version = tuple[str, str]
"""A model's name and a version's number, as their folders are called."""


class Store:
    """The versions below a bucket's prefix.

    Args:
        client: Of boto3.
        address: `s3://bucket/prefix`.

    Raises:
        ValueError: If the address is none.
    """

    def __init__(self, client: Any, address: str) -> None:
        match = re.fullmatch(r"s3://([^/]+)/?(.*?)/*", address)
        if match is None:
            raise ValueError(f"{address} is no store; expected s3://bucket/prefix")
        self._client, self._bucket = client, match[1]
        self._prefix = f"{match[2]}/" if match[2] else ""

    def versions(self) -> Mapping[Version, Sequence[str]]:
        """The whole versions: version -> names of its files."""
        found: dict[Version, list[str]] = {}
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for page in pages:
            for entry in page.get("Contents", ()):
                match = _KEY.fullmatch(entry["Key"].removeprefix(self._prefix))
                # A key may hold `..`: nothing is ever written beside the version's own folder.
                if match and ".." not in PurePosixPath(match["name"], match["file"]).parts:
                    found.setdefault((match["name"], match["version"]), []).append(match["file"])
        return {version: files for version, files in found.items() if _MARKER in files}

    def get(self, version: Version, file: str, path: Path) -> None:
        """Copies one file to the disk."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._client.download_file(self._bucket, self._key(version, file), str(path))

    def put(self, version: Version, file: str, path: Path) -> None:
        """Copies one file to the store."""
        self._client.upload_file(str(path), self._bucket, self._key(version, file))

    def _key(self, version: Version, file: str) -> str:
        return f"{self._prefix}{'/'.join(version)}/{file}"


def versions_on_disk(folder: Path) -> set[Version]:
    """The whole versions in a folder."""
    return {
        (path.parent.parent.name, path.parent.name)
        for path in folder.glob(f"*/*/{_MARKER}")
        if path.parent.name.isdecimal()
    }


def push(folder: Path, store: Store) -> list[Version]:
    """Copies to the store what it lacks; returns that."""
    missing = sorted(versions_on_disk(folder) - store.versions().keys())
    for version in missing:
        top = folder.joinpath(*version)
        files = sorted(path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file())
        for file in (*(file for file in files if file != _MARKER), _MARKER):
            store.put(version, file, top / file)
    return missing


def pull(store: Store, folder: Path) -> tuple[list[Version], list[Version]]:
    """Makes the folder hold what the store holds: what is new first, then what is gone is removed.

    A model of which the store has nothing left stays: that is a wrong address or an accident, not a wish.

    Returns:
        The versions copied, and those removed.
    """
    wanted, there = store.versions(), versions_on_disk(folder)
    new = sorted(wanted.keys() - there)
    for version in new:
        name, number = version
        part = folder / name / f".{number}.part"
        shutil.rmtree(part, ignore_errors=True)
        for file in wanted[version]:
            store.get(version, file, part / file)
        target = folder / name / number
        shutil.rmtree(target, ignore_errors=True)  # no whole version: it has no saved_model.pb
        part.rename(target)
    names = {name for name, _ in wanted}
    gone = sorted(version for version in there - wanted.keys() if version[0] in names)
    for name, number in gone:
        part = folder / name / f".{number}.gone"
        shutil.rmtree(part, ignore_errors=True)
        (folder / name / number).rename(part)
        shutil.rmtree(part)
    return new, gone


def _said(versions: Iterable[Version]) -> str:
    return ", ".join("/".join(version) for version in versions) or "none"


def main(argv: Sequence[str] | None = None) -> int:
    """Copies; 0 done, 2 if it could not or there is nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("push", "pull"))
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--once", action="store_true", help="pull once, and fail where the store holds no version")
    parser.add_argument("--seconds", type=float, default=30.0, help="between two pulls (default: %(default)s)")
    arguments = parser.parse_args(argv)
    # As the first process of a container, Python would not hear SIGTERM otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    faults = (BotoCoreError, ClientError, boto3.exceptions.Boto3Error, OSError, ValueError)
    try:
        store = Store(boto3.client("s3"), arguments.target if arguments.verb == "push" else arguments.source)
        if arguments.verb == "push":
            print(f"copied: {_said(push(Path(arguments.source), store))}", flush=True)
            return 0
        folder = Path(arguments.target)
        pull(store, folder)
        if arguments.once:
            versions = versions_on_disk(folder)
            if not versions:
                raise ValueError(f"{arguments.source} holds no NAME/VERSION/{_MARKER}; push a version first")
            print(f"there: {_said(sorted(versions))}", flush=True)
            return 0
    except faults as error:
        print(f"sync_versions: error: {error}", file=sys.stderr)
        return 2
    while True:
        time.sleep(arguments.seconds)
        try:
            new, gone = pull(store, folder)
        except faults as error:  # the server goes on with what it has
            print(f"sync_versions: {error}; tried again in {arguments.seconds:g} s", file=sys.stderr, flush=True)
            continue
        if new or gone:
            print(f"copied: {_said(new)}; removed: {_said(gone)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
