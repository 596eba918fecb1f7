"""A Dockerfile's steps without Docker: its copies and its commands, in folders that stand for the stages' file systems.

What is not the image's own work is left out and listed: Debian's packages and users. uv is the one at hand, of the
version that the image installs, with its cache; the tests' Python stands for the base image's.
"""

import fnmatch
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

# Folders that the Dockerfile makes; other absolute paths are the base image's.
_OWN = re.compile(r"(?<![\w.}/-])/(opt|build|dist|code|work)\b")
_OF_DEBIAN = ("apt-get ", "rm -rf /var/lib/apt", "groupadd ", "useradd ")
_NOT_REPLAYED = (*_OF_DEBIAN, "python -m venv /opt/uv", "/opt/uv/bin/pip ")
# What concerns only how fast uv is, and what it keeps.
_OF_THE_CACHE = ("UV_NO_CACHE", "UV_LINK_MODE", "UV_COMPILE_BYTECODE")


@dataclass(frozen=True)
class Step:
    """One instruction: `COPY`, and what follows it."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return self.text.split()


@dataclass
class Stage:
    """What one FROM begins."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)


def parse_dockerfile(text: str, arguments: Mapping[str, str] | None = None) -> list[Stage]:
    """The stages; ARGs before the first FROM are filled in there, from `arguments` or their defaults."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    stages: list[Stage] = []
    before: dict[str, str] = {}
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            base, _, stage = rest.partition(" AS ")
            stages.append(Stage(filled(base, before), stage))
        elif not stages:
            key, _, default = rest.partition("=")
            before[key] = (arguments or {}).get(key, default)
        else:
            stages[-1].steps.append(Step(name, rest.strip()))
    return stages


def filled(text: str, values: Mapping[str, str]) -> str:
    """`${NAME}` replaced."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)


def sent_files(root: Path, ignore: str, folders: Sequence[str]) -> set[str]:
    """What of `root` goes to the builder, relative; only `*`, `!path`, `!folder/*.py` and `**/name` are understood.

    Args:
        root: The build context.
        ignore: The text of `.dockerignore`.
        folders: Where to look, so that large folders that are never sent need not be listed.
    """
    patterns = [line for line in ignore.splitlines() if line and not line.startswith("#")]
    for pattern in patterns:
        if pattern != "*" and not re.fullmatch(r"!?(\*\*/)?[\w./-]+(/\*\.\w+)?", pattern):
            raise ValueError(f"cannot replay the pattern {pattern!r} of .dockerignore")
    found = [path for folder in folders for path in [root / folder, *(root / folder).rglob("*")] if path.is_file()]
    return {name for name in (path.relative_to(root).as_posix() for path in found) if _is_sent(name, patterns)}


def _is_sent(name: str, patterns: Sequence[str]) -> bool:
    sent = True
    for pattern in patterns:  # the last that fits decides
        bare = pattern.removeprefix("!")
        if bare.startswith("**/"):
            fits = any(fnmatch.fnmatch(part, bare[3:]) for part in name.split("/"))
        else:
            above = [name, *map(str, PurePosixPath(name).parents[:-1])]
            # Here, too, a star stops at a slash.
            fits = any(PurePosixPath(one).match(bare) for one in above if one.count("/") == bare.count("/"))
        if fits:
            sent = pattern.startswith("!")
    return sent


class Replay:
    """The stages' file systems, made in turn.

    Args:
        stages: Of `parse_dockerfile`.
        context: The folder with the files that are sent, and no others.
        folder: An empty one. The stage that is worked on is its `root`, so that paths written into files hold.
        uv: Of the version that the Dockerfile names.
        python: The folder of a `python` that stands for the base image's.
    """

    def __init__(self, stages: Sequence[Stage], context: Path, folder: Path, uv: Path, python: Path) -> None:
        self._stages = {stage.name: stage for stage in stages}
        self._context, self._folder, self._uv, self._python = context, folder, uv, python
        self.root = folder / "root"
        self.left_out: list[str] = []
        self.environment: dict[str, str] = {}

    def stage(self, name: str) -> Path:
        """Makes a stage, after those that it needs; its file system is `root` until the next one is made."""
        done = self._folder / f"stage-{name}"
        if done.exists():
            return done
        stage = self._stages[name]
        needed = [step.words[0].removeprefix("--from=") for step in stage.steps if step.text.startswith("--from=")]
        for other in (stage.base, *needed):
            if other in self._stages:
                self.stage(other)
        if stage.base in self._stages:
            _link_tree(self._folder / f"stage-{stage.base}", self.root)
        else:
            self.root.mkdir()
        values = self._all_environment(stage)
        place = "/"
        for step in stage.steps:
            if step.name == "WORKDIR":
                place = step.text
                self._inside(place).mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY":
                self._copy(step.words, place)
            elif step.name == "RUN":
                self._run(filled(step.text, values | {"PATH": "$PATH"}), place, values)
            elif step.name not in ("ARG", "ENV", "SHELL", "LABEL", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
                raise ValueError(f"cannot replay {step.name} {step.text}")
        self.environment = values
        self.root.rename(done)
        return done

    def enter(self, name: str) -> Path:
        """Makes a stage and puts it where its paths hold; returns `root`."""
        self.stage(name).rename(self.root)
        return self.root

    def _all_environment(self, stage: Stage) -> dict[str, str]:
        """ENV and ARG defaults, those of the stages below included."""
        below = self._stages.get(stage.base)
        values = self._all_environment(below) if below else {"PATH": f"{self._python}:/usr/bin:/bin"}
        for step in stage.steps:
            if step.name in ("ENV", "ARG"):
                for key, value in re.findall(r'(\w+)=("[^"]*"|\S+)', step.text):
                    if key not in _OF_THE_CACHE:
                        values[key] = self._here(filled(value.strip('"'), values))
        return values

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _here(self, text: str) -> str:
        return _OWN.sub(lambda match: f"{self.root}/{match[1]}", text)

    def _copy(self, words: Sequence[str], place: str) -> None:
        *sources, target = words
        top = self._context
        if sources[0].startswith("--from="):
            top = self._folder / f"stage-{sources.pop(0).removeprefix('--from=')}"
        into = self._inside(str(Path(place) / target))
        paths = [path for source in sources for path in sorted(top.glob(source.lstrip("/")))]
        if len(paths) < len(sources):
            raise ValueError(f"nothing to copy for one of {', '.join(sources)}: is it in .dockerignore?")
        for path in paths:
            if path.is_dir():
                _link_tree(path, into)
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, into / path.name)

    def _run(self, command: str, place: str, values: Mapping[str, str]) -> None:
        parts = [part.strip() for part in command.split("&&")]
        self.left_out += [part for part in parts if part.startswith(_NOT_REPLAYED)]
        wanted = [self._here(part) for part in parts if not part.startswith(_NOT_REPLAYED)]
        if not wanted:
            return
        environment = {**values, "PATH": f"{self._uv.parent}:{values['PATH']}", "HOME": os.environ.get("HOME", "/")}
        # Where this machine has its packages and certificates from.
        kept = ("UV_", "PIP_", "SSL_", "http", "HTTP", "no_proxy", "NO_PROXY", "XDG_CACHE_HOME")
        environment |= {key: value for key, value in os.environ.items() if key.startswith(kept)}
        result = subprocess.run(
            ["bash", "-o", "pipefail", "-c", " && ".join(wanted)],
            cwd=self._inside(place),
            env=environment,
            capture_output=True,
            text=True,
        )
        if result.returncode:
            raise RuntimeError(f"{' && '.join(wanted)}\n{result.stdout}\n{result.stderr}")


def _link_tree(source: Path, target: Path) -> None:
    """Copies by hard links: nothing is written into a file again, only replaced."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", "--link", "--force", "--no-target-directory", source, target], check=True)
