"""Which code, and which packages, made a version."""

import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import components

PACKAGES = ("tensorflow", "keras", "tfx", "apache-beam", "rasterio")
"""Those that decide the result."""

_PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class CodeRevision:
    """`git` with a commit (and whether files differed from it), or `eoseg` with the installed package's version."""

    kind: str
    revision: str
    modified: bool


def code_revision() -> CodeRevision:
    """The revision of the checkout that this package lies in, or the installed package's version."""
    package = Path(components.__file__).parent
    # An environment may lie inside somebody else's repository: only a checkout with this package at its top counts.
    if _git(package, "rev-parse", "--show-toplevel") == str(package.parent.resolve()):
        revision = _git(package, "rev-parse", "HEAD")
        if revision:
            return CodeRevision("git", revision, bool(_git(package.parent, "status", "--porcelain")))
    return CodeRevision("eoseg", _version("eoseg"), False)


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide the result."""
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _git(folder: Path, *words: str) -> str:
    """What git says, stripped; empty where there is no git or no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
