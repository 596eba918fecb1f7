"""`eoseg predict --registry` and `--canary`: which version a tile is given to, and what is kept of how it went."""

import argparse
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.errors import EosegError
    from components.mapping.blended_rows import BlendedRows
    from serving.predict_map import MapResult
    from serving.versions.registry import Registry


def add_traffic_arguments(group: Any, which: Any) -> None:
    """Adds --registry and --canary to what chooses the version, and --observations."""
    which.add_argument(
        "--registry",
        metavar="DIR",
        help="the model's folder (MODEL_BASE/NAME): ask the stable version, and the canary for the share of the tiles "
        "that `eoseg versions canary` has set; keep what was seen for `eoseg versions watch`",
    )
    which.add_argument(
        "--canary", type=float, metavar="PERCENT", help="the same with this share, where the folder cannot be reached"
    )
    group.add_argument(
        "--observations", metavar="DIR", help="keep what was seen there (default: in --registry; without it nowhere)"
    )


class Watched:
    """Looks at the rows of a map as they are made: give it to `predict_map` as `observe`."""

    def __init__(self) -> None:
        from serving.versions.observations import MeanConfidence

        self.confidence = MeanConfidence()

    def __call__(self, rows: "BlendedRows") -> None:
        """Takes a sample of the strips."""
        if self.confidence.wants_next():
            self.confidence.add(rows.confidence())


class Traffic:
    """Which label a tile is asked by, and the observations; made by `of`."""

    def __init__(self, model_name: str, registry: "Registry | None", percent: float, folder: Path | None) -> None:
        self._model_name = model_name
        self._registry = registry
        self._percent = percent
        self._folder = folder

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Traffic | None":
        """As the arguments say; None where they say nothing of it.

        Raises:
            ConfigError: If the share is none, or observations are wanted of what is not split.
            RegistryError: If there is no such folder, or it has no stable version.
        """
        from components.errors import ConfigError
        from serving.versions.observations import observations_folder
        from serving.versions.operations import config_before
        from serving.versions.registry import STABLE, registry_of
        from serving.versions.registry_error import RegistryError

        folder = Path(arguments.observations) if arguments.observations else None
        if arguments.registry is not None:
            registry = registry_of(Path(arguments.registry), arguments.model_name)
            if STABLE not in config_before(registry)[1]:
                raise RegistryError(
                    f"{registry.config_file} gives no version of '{registry.name}' the label {STABLE}",
                    "a stable version",
                    "promote one with `eoseg versions promote`, or correct --registry or --model-name",
                )
            return cls(registry.name, registry, 0.0, folder or observations_folder(registry))
        if arguments.canary is not None:
            if not 0 <= arguments.canary <= 100:
                raise ConfigError(f"--canary {arguments.canary:g}", "a share of 0 to 100 percent", "correct it")
            return cls(arguments.model_name, None, arguments.canary, folder)
        if folder is not None:
            raise ConfigError(
                f"--observations {folder} alone",
                "observations of versions that are compared",
                "add --registry or --canary",
            )
        return None

    def label_of(self, tile: str) -> str:
        """The label whose version predicts a tile; the share is read anew, since it may end at any time.

        Raises:
            RegistryError: If it cannot be read.
        """
        from serving.versions.canary_state import read_canary
        from serving.versions.traffic import label_for

        percent = self._percent
        if self._registry is not None:
            canary = read_canary(self._registry)
            percent = 0.0 if canary is None else canary.percent
        return label_for(PurePosixPath(tile).name, percent)  # folders differ between machines

    def watch(self) -> Watched | None:
        """Looks at a map; None where nothing is kept."""
        return None if self._folder is None else Watched()

    def made(self, tile: str, label: str, result: "MapResult", watched: Watched) -> None:
        """Keeps how a map went; nothing of one that was there already."""
        if result.was_there:
            return
        self._keep(
            tile,
            label,
            version=result.version,
            seconds=result.seconds,
            pixels=round(result.pixels * (1 - result.resumed_rows / result.height)),
            class_pixels=result.class_pixels,
            confidence=watched.confidence.mean,
        )

    def failed(self, tile: str, label: str, error: "EosegError") -> None:
        """Keeps that the canary did not make a map which the stable version made; not where it was withdrawn since."""
        canary = None if self._registry is None else read_canary_of(self._registry)
        if self._registry is None or canary is not None:
            self._keep(tile, label, version=canary, failed=error.problem, seconds=0.0, pixels=0)

    def _keep(self, tile: str, label: str, **seen: Any) -> None:
        from components.errors import ConfigError
        from serving.versions.canary_state import now
        from serving.versions.observations import MapObservation, append_observation

        if self._folder is None:
            return
        observation = MapObservation(time=now(), model=self._model_name, label=label, tile=tile, **seen)
        try:
            append_observation(self._folder, observation)
        except ConfigError as error:  # the map is made: it must not fail for this
            print(f"eoseg: the map's observation is not kept: {error}", file=sys.stderr)
            self._folder = None


def read_canary_of(registry: "Registry") -> int | None:
    """The version on trial."""
    from serving.versions.canary_state import read_canary

    canary = read_canary(registry)
    return None if canary is None else canary.version
