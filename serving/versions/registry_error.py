"""The error of the version registry."""

from components.errors import EosegError


class RegistryError(EosegError, RuntimeError):
    """A change of the served versions that cannot be made, or was undone."""
