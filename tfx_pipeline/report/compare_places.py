"""From what a person names to a version's folder and the run that pushed it."""

from dataclasses import dataclass
from pathlib import Path

from components.errors import MissingFileError
from components.publishing.versions import version_numbers
from tfx_pipeline.report.compare_runs import Metadata, PushingRun, find_latest_push, find_pushing_run

METADATA = "metadata.sqlite"
SERVED = "served"


@dataclass(frozen=True)
class VersionPlaces:
    """Where versions are looked for that are named by their number.

    Attributes:
        served: `MODEL_BASE/<name>`; None where only folders can be named.
        metadata: Where runs are recorded; None looks for a SQLite file above each version's folder.
    """

    served: Path | None = None
    metadata: Metadata | None = None


def find_version(named: str, places: VersionPlaces) -> tuple[Path, PushingRun | None]:
    """The folder of a version, and the run that pushed it where ML Metadata knows.

    Args:
        named: A version's number, its folder, or a run's working directory, which stands for its latest version.
        places: Where numbers are looked up.

    Raises:
        MissingFileError: If there is no such version.
    """
    folder = Path(named).expanduser()
    if named.isdecimal() and not folder.is_dir():
        return _by_number(named, places)
    if (folder / METADATA).is_file():
        return _latest_of(folder)
    if not (folder / "saved_model.pb").is_file():
        raise MissingFileError(
            f"{named} is no pushed version",
            "a version's number, its folder with saved_model.pb in it, or the working directory of a run",
            "look into the served folder (MODEL_BASE/<name>) for its versions",
        )
    folder = folder.absolute()
    return folder, _run_of(folder, places.metadata)


def _by_number(named: str, places: VersionPlaces) -> tuple[Path, PushingRun | None]:
    if places.served is None:
        raise MissingFileError(
            f"{named} is a version's number, and nothing says which model's",
            "CONFIG, whose model base holds it, or the folder of the version",
            f"write eoseg report CONFIG --compare ..., or MODEL_BASE/<name>/{named}",
        )
    folder = places.served / named
    if not folder.is_dir():
        there = ", ".join(map(str, version_numbers(places.served))) or "none"
        raise MissingFileError(
            f"{places.served} holds no version {named}", f"one of its versions: {there}", "correct --compare"
        )
    return folder.absolute(), _run_of(folder, places.metadata)


def _latest_of(workdir: Path) -> tuple[Path, PushingRun | None]:
    run = find_latest_push(workdir / METADATA)
    if run is None:
        raise MissingFileError(
            f"no run in {workdir} pushed a version", "a working directory with a pushed version", "name a version"
        )
    # Where the working directory was moved, the version is where it would be now.
    moved = workdir / SERVED / Path(*run.destination.parts[-2:])
    for folder in (run.destination, moved):
        if folder.is_dir():
            return folder.absolute(), run
    raise MissingFileError(
        f"version {run.destination}, the latest of {workdir}, is gone", "its folder", "name another version"
    )


def _run_of(folder: Path, metadata: Metadata | None) -> PushingRun | None:
    # By default a run's versions are in WORKDIR/served/<name>/<version>.
    beside: list[Metadata] = [parent / METADATA for parent in folder.absolute().parents[:3]]
    for place in beside if metadata is None else [metadata, *beside]:
        run = find_pushing_run(place, folder)
        if run is not None:
            return run
    return None
