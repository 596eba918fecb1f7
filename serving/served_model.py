"""A model to serve: its name, where its versions lie, and which of them are wanted."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from components.options import Options


class VersionPolicy(Options):
    """Which of the versions found are served; TensorFlow Serving's `model_version_policy`.

    Raises:
        pydantic.ValidationError: If "specific" names no version, or another kind names some.
    """

    kind: Literal["latest", "all", "specific"] = "latest"
    num_versions: PositiveInt = 1
    """For "latest": how many, from the highest down."""
    versions: tuple[NonNegativeInt, ...] = ()
    """For "specific"."""

    @model_validator(mode="after")
    def _versions_only_where_specific(self) -> "VersionPolicy":
        if bool(self.versions) != (self.kind == "specific"):
            raise ValueError(f"policy '{self.kind}' with versions {list(self.versions)}; 'specific' lists its versions")
        return self

    def aspired(self, found: Iterable[int]) -> set[int]:
        """The versions to serve out of those found."""
        if self.kind == "all":
            return set(found)
        if self.kind == "specific":
            return set(found) & set(self.versions)
        return set(sorted(found, reverse=True)[: self.num_versions])


class ServedModel(Options):
    """One model to serve.

    Raises:
        pydantic.ValidationError: If the base path is relative.
    """

    name: str = Field(min_length=1)
    """What requests call it."""
    base_path: str
    """The folder whose numbered children are its versions: absolute, or a URI."""
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = {}
    """Label -> version."""

    @model_validator(mode="after")
    def _absolute(self) -> "ServedModel":
        if "://" not in self.base_path and not self.base_path.startswith("/"):
            raise ValueError(
                f"Expected model {self.name} to have an absolute path or URI; got base_path()={self.base_path}"
            )
        return self
