"""The part of the lock file that the image installs: EOSeg's own packages and all they need, no development tools.

Use (the Dockerfile does):

    python image_requirements.py setup.py requirements-3.11.txt s3 > image.txt

Nothing is resolved anew: the lock's own blocks, with their hashes, are kept or left out by its `# via` comments, which
name who needs a package. Only the standard library is used, so that it runs before anything is installed.
"""

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ROOT = "eoseg"


def normal_name(requirement: str) -> str:
    """A requirement's package, spelt as lock files spell it: `PyYAML>=6` is `pyyaml`.

    Raises:
        ValueError: If it starts with no name.
    """
    match = _NAME.match(requirement)
    if match is None:
        raise ValueError(f"{requirement!r} names no package; expected NAME==VERSION")
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def asked_for(setup: str, extras: Iterable[str]) -> set[str]:
    """Names of the packages that `setup.py` asks for: `RUNTIME` and the extras named.

    Args:
        setup: The text of `setup.py`; it is read, not run.
        extras: Keys of `extras_require`.

    Raises:
        ValueError: If it has no `RUNTIME`, or not such an extra.
    """
    lists: dict[str, ast.expr] = {}
    for node in ast.walk(ast.parse(setup)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            lists[node.targets[0].id] = node.value
        elif isinstance(node, ast.keyword) and node.arg == "extras_require" and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    lists[f"extra {key.value}"] = value
    wanted = ["RUNTIME", *(f"extra {name}" for name in extras)]
    missing = [name for name in wanted if name not in lists]
    if missing:
        raise ValueError(f"setup.py has no {', '.join(missing)}; expected a list of requirements of that name")
    return {normal_name(entry) for name in wanted for entry in ast.literal_eval(lists[name])}


def blocks(lock: str) -> dict[str, str]:
    """A lock file's blocks, name -> text; a block starts at a line that is not indented."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lock.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            current = found.setdefault(normal_name(line), [])
        current.append(line)
    return {name: "\n".join(lines) + "\n" for name, lines in found.items()}


def needed_by(block: str) -> set[str]:
    """Who needs a package, out of its block's `# via` comment."""
    comment = block.partition("# via")[2]
    return {normal_name(line) for line in re.findall(r"[A-Za-z0-9][^\s#(]*", re.sub(r"\([^)]*\)", "", comment))}


def image_requirements(setup: str, lock: str, extras: Iterable[str] = ()) -> str:
    """The lock file's blocks of what the image needs.

    Args:
        setup: The text of `setup.py`.
        lock: The text of `requirements-*.txt`, as `uv pip compile --generate-hashes` writes it.
        extras: Extras of EOSeg that are installed, too.

    Raises:
        ValueError: If the lock file lacks a package that `setup.py` asks for.
    """
    locked = blocks(lock)
    roots = asked_for(setup, extras)
    missing = sorted(roots - locked.keys())
    if missing:
        raise ValueError(f"the lock file lacks {', '.join(missing)}; expected all of setup.py; run `make lock`")
    parents = {name: needed_by(block) - {_ROOT} for name, block in locked.items()}
    chosen: set[str] = set()
    more = roots
    while more:
        chosen |= more
        more = {name for name, needing in parents.items() if needing & more} - chosen
    return "".join(locked[name] for name in locked if name in chosen)


def main(argv: Sequence[str]) -> int:
    """Prints the requirements; 2 on wrong input."""
    if len(argv) < 2:
        print("usage: image_requirements.py SETUP.PY LOCK.TXT [EXTRA ...]", file=sys.stderr)
        return 2
    try:
        print(image_requirements(Path(argv[0]).read_text(), Path(argv[1]).read_text(), argv[2:]), end="")
    except (OSError, ValueError, SyntaxError) as error:
        print(f"image_requirements: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
