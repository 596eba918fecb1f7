"""Keeps the wanted versions of all models loaded: polls their folders, loads, swaps, retries, unloads.

Three kinds of threads: one polls the base paths, one takes the next action of each model every 100 ms, and each load or
unload has its own. All state is behind one condition.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from serving.embedded.loaded_version import LoadedVersion
from serving.embedded.status import Code, StatusError, failed_precondition, invalid_argument, not_found
from serving.embedded.version_policy import VersionView, list_versions, next_action
from serving.served_model import ServedModel

_log = logging.getLogger(__name__)
_TICK_SECONDS = 0.1
_CANCEL_SECONDS = 5.0  # what still runs after a server has drained is cancelled then

State = Literal["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
_PHASES: dict[State, Literal["new", "busy", "ready", "failed"]] = {
    "START": "new",
    "LOADING": "busy",
    "AVAILABLE": "ready",
    "UNLOADING": "busy",
    "END": "failed",
}


@dataclass
class VersionStatus:
    """What is known of one version.

    Attributes:
        version: Its number.
        path: Its directory.
        state: As in `GetModelStatus`.
        error: Why it ended, or None.
        managed: False once it is no longer wanted and gone; it stays listed as END.
    """

    version: int
    path: str
    state: State = "START"
    error: StatusError | None = None
    managed: bool = True
    aspired: bool = True
    loaded: LoadedVersion | None = field(default=None, repr=False)


Load = Callable[[ServedModel, int, str], LoadedVersion]


class VersionManager:
    """The models of a server and their versions.

    Args:
        load: Loads one version from its directory and warms it up; raises `StatusError`.
        poll_seconds: Between two looks at the base paths; 0 looks once, below 0 never.
        max_load_retries: Tries after the first.
        load_retry_seconds: Between tries.
        labels_for_unavailable: Accept labels of versions that are not available yet.
    """

    def __init__(
        self,
        load: Load,
        poll_seconds: float = 1.0,
        max_load_retries: int = 5,
        load_retry_seconds: float = 60.0,
        labels_for_unavailable: bool = False,
    ) -> None:
        self._load = load
        self._poll_seconds = poll_seconds
        self._max_load_retries = max_load_retries
        self._load_retry_seconds = load_retry_seconds
        self._labels_for_unavailable = labels_for_unavailable
        self._changed = threading.Condition()
        self._models: dict[str, ServedModel] = {}
        self._versions: dict[str, dict[int, VersionStatus]] = {}
        self._stopping = False
        self._poll_now = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._poll_for_ever, "version-poll"), (self._act_for_ever, "version-manager"))
        ]

    def start(self, models: Iterable[ServedModel]) -> None:
        """Begins to serve `models`; returns at once.

        Raises:
            StatusError: As `reload`.
        """
        self._adopt(models)
        for thread in self._threads:
            thread.start()

    def reload(self, models: Iterable[ServedModel]) -> None:
        """Serves exactly `models` from now on; waits until the new ones are available.

        Raises:
            StatusError: INVALID_ARGUMENT if two models share a name, FAILED_PRECONDITION if a label's version is not
                available, or the failure of a new model's load.
        """
        models = tuple(models)
        with self._changed:
            known = set(self._models)
        self._adopt(models)
        self._poll_now.set()
        self.wait_until_available([model.name for model in models if model.name not in known])

    def wait_until_available(self, names: Iterable[str], timeout: float | None = None) -> None:
        """Waits until each named model has a version that serves, or a load has failed for good.

        Raises:
            StatusError: UNKNOWN, with the stock server's text, if versions failed; DEADLINE_EXCEEDED after `timeout`
                seconds.
        """
        names = list(names)
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._stopping:
                pending = [name for name in names if not self._serves(name)]
                failed = {name: status for name in pending if (status := self._failure(name)) is not None}
                if len(failed) == len(pending):
                    break
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise StatusError(Code.DEADLINE_EXCEEDED, f"no version of {', '.join(pending)} became available")
                self._changed.wait(left)
            else:
                return
        if failed:
            reasons = "".join(
                f"{{{{name: {name} version: {status.version}}} due to error: {status.error}}}, "
                for name, status in failed.items()
            )
            raise StatusError(Code.UNKNOWN, f"{len(failed)} servable(s) did not become available: {{{reasons}}}")

    def find(self, name: str, version: int | None = None, label: str | None = None) -> LoadedVersion:
        """The version that answers a request: the one named, or the highest that serves.

        Raises:
            StatusError: NOT_FOUND or INVALID_ARGUMENT with the stock server's text.
        """
        with self._changed:
            if label is not None:
                model = self._models.get(name)
                if model is None or label not in model.labels:
                    raise invalid_argument(f"Unrecognized servable version label: {label}")
                version = model.labels[label]
            serving = {
                number: status.loaded
                for number, status in self._versions.get(name, {}).items()
                if status.state == "AVAILABLE" and status.loaded is not None
            }
            if version is None and serving:
                return serving[max(serving)]
            if version in serving:
                return serving[version]
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise not_found(f"Servable not found for request: {wanted}")

    @contextmanager
    def in_use(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[LoadedVersion]:
        """The version of `find`, which stays loaded for the block.

        Found and held in one step: a version that was found a moment ago may be unloading now, and the request, which
        would have been right with its successor, would fail.

        Raises:
            StatusError: As `find`.
        """
        with self._changed:
            loaded = self.find(name, version, label)
            loaded.acquire()
        try:
            yield loaded
        finally:
            loaded.release()

    def knows(self, name: str) -> bool:
        """Whether a model of that name is, or was, served."""
        return name in self._versions

    def statuses(self, name: str) -> list[VersionStatus]:
        """All versions ever known of a model, the highest first."""
        with self._changed:
            known = self._versions.get(name, {})
            return [known[version] for version in sorted(known, reverse=True)]

    def stop(self) -> None:
        """Unloads everything and ends the threads."""
        with self._changed:
            self._stopping = True
            loaded = [status for known in self._versions.values() for status in known.values() if status.loaded]
            self._changed.notify_all()
        self._poll_now.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for status in loaded:
            version = status.loaded  # an unload that runs in its own thread may take it away any moment
            if version is not None:
                version.close(_CANCEL_SECONDS)
                status.loaded = None

    def _adopt(self, models: Iterable[ServedModel]) -> None:
        by_name: dict[str, ServedModel] = {}
        for model in models:
            if model.name in by_name:
                raise invalid_argument(f"Illegal to list model {model.name} multiple times in config list")
            by_name[model.name] = model
        with self._changed:
            for model in by_name.values():
                self._check_labels(model)
            for gone in set(self._models) - set(by_name):
                self._aspire(gone, {})
            self._models = by_name
            self._changed.notify_all()

    def _check_labels(self, model: ServedModel) -> None:
        known = self._models.get(model.name)
        for label, version in model.labels.items():
            status = self._versions.get(model.name, {}).get(version)
            if status is not None and status.state == "AVAILABLE":
                continue
            is_new = known is None or label not in known.labels
            if self._labels_for_unavailable and is_new:
                continue
            raise failed_precondition(
                f"Request to assign label to version {version} of model {model.name}, which is not currently "
                "available for inference"
            )

    def _poll_for_ever(self) -> None:
        while not self._stopping:
            if self._poll_seconds >= 0:
                self._poll()
            pause = self._poll_seconds if self._poll_seconds > 0 else None
            self._poll_now.wait(pause)
            self._poll_now.clear()

    def _poll(self) -> None:
        with self._changed:
            models = list(self._models.values())
        try:
            # One missing base path ends the whole poll: a file system that is away for a moment unloads nothing.
            found = {model.name: list_versions(model) for model in models}
        except StatusError as error:
            _log.error("FileSystemStoragePathSource encountered a filesystem access error: %s", error.message)
            return
        except Exception as error:  # whatever a file system raises: the next poll must still come
            _log.error("the base paths cannot be listed: %s: %s", type(error).__name__, error)
            return
        with self._changed:
            for model in models:
                if self._models.get(model.name) is not model:
                    continue  # the configuration changed meanwhile
                wanted = model.policy.aspired(found[model.name])
                self._aspire(model.name, {version: found[model.name][version] for version in wanted})
            self._changed.notify_all()

    def _aspire(self, name: str, wanted: dict[int, str]) -> None:
        known = self._versions.setdefault(name, {}) if wanted else self._versions.get(name, {})
        for version, status in known.items():
            status.aspired = version in wanted
            if not status.aspired and status.state in ("START", "END"):
                status.state, status.managed = "END", False
        for version, path in wanted.items():
            if version not in known or not known[version].managed:
                known[version] = VersionStatus(version, path)

    def _act_for_ever(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                acted = False
                for name in list(self._versions):
                    try:
                        acted |= self._act(name)
                    except RuntimeError as error:  # no thread to be had just now: the next tick tries again
                        _log.error("%s: %s", name, error)
                if not acted:
                    self._changed.wait(_TICK_SECONDS)

    def _act(self, name: str) -> bool:
        known = self._versions[name]
        views = [VersionView(s.version, _PHASES[s.state], s.aspired) for s in known.values() if s.managed]
        action = next_action(views)
        if action is None:
            return False
        status = known[action.version]
        if action.verb == "load":
            model = self._models.get(name)
            if model is None:
                return False
            work = threading.Thread(target=self._load_version, args=(model, status), daemon=True)
        else:
            work = threading.Thread(target=self._unload_version, args=(name, status), daemon=True)
        before, status.state = status.state, "LOADING" if action.verb == "load" else "UNLOADING"
        try:
            work.start()
        except RuntimeError:
            status.state = before
            raise
        self._changed.notify_all()
        return True

    def _load_version(self, model: ServedModel, status: VersionStatus) -> None:
        loaded, error, tries = None, None, 0
        while loaded is None:
            try:
                started = time.monotonic()
                loaded = self._load(model, status.version, status.path)
                seconds = time.monotonic() - started
                _log.info("Loaded servable {name: %s version: %d} in %.1f s", model.name, status.version, seconds)
            except StatusError as failure:
                error = failure
            except Exception as failure:  # an error of any library: this thread must report it, or it loads for ever
                error = StatusError(Code.INTERNAL, f"{type(failure).__name__}: {failure}")
            if loaded is None:
                tries += 1
                _log.error("Loading {name: %s version: %d} failed: %s", model.name, status.version, error)
                if not self._may_retry(status, tries):
                    break
        with self._changed:
            if loaded is not None and not self._stopping:
                status.loaded, status.state = loaded, "AVAILABLE"
            else:
                status.state, status.error, status.managed = "END", error, status.aspired
            self._changed.notify_all()
            if loaded is not None and self._stopping:
                loaded.close()

    def _may_retry(self, status: VersionStatus, tries: int) -> bool:
        deadline = time.monotonic() + self._load_retry_seconds
        with self._changed:
            while tries <= self._max_load_retries and status.aspired and not self._stopping:
                left = deadline - time.monotonic()
                if left <= 0:
                    return True
                self._changed.wait(left)
        return False

    def _unload_version(self, name: str, status: VersionStatus) -> None:
        if status.loaded is not None:
            status.loaded.close()
        with self._changed:
            status.loaded, status.state, status.managed = None, "END", False
            _log.info("Unloaded servable {name: %s version: %d}", name, status.version)
            if status.aspired:
                # Wanted again meanwhile. Known as such at once, not from the next poll on: in between nothing would be
                # wanted, and the version that serves now would be taken away before this one is back.
                self._versions[name][status.version] = VersionStatus(status.version, status.path)
            self._changed.notify_all()

    def _serves(self, name: str) -> bool:
        return any(status.state == "AVAILABLE" for status in self._versions.get(name, {}).values())

    def _failure(self, name: str) -> VersionStatus | None:
        wanted = [status for status in self._versions.get(name, {}).values() if status.aspired]
        if not wanted or any(status.state != "END" for status in wanted):
            return None
        return wanted[0]
