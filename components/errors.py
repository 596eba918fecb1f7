"""The errors a user of EOSeg can meet.

Every one says what was received, what was expected, how to fix it and, where there is one, which file. Each is
also the builtin that a caller would expect, so that `except ValueError` keeps working.
"""


class EosegError(Exception):
    """Base of all errors whose message is meant for the person at the terminal.

    Args:
        problem: What was found, naming the file and the value received.
        expected: What would have been right.
        remedy: What to do about it.
    """

    def __init__(self, problem: str, expected: str = "", remedy: str = "") -> None:
        # All three go to Exception.args, so that the error survives pickling between Beam workers.
        super().__init__(problem, expected, remedy)
        self.problem = problem
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.problem]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.remedy:
            lines.append(f"  to fix:   {self.remedy}")
        return "\n".join(lines)


class ConfigError(EosegError, ValueError):
    """A configuration that cannot be used: unknown key, wrong value, contradiction."""


class MissingFileError(EosegError, FileNotFoundError):
    """A file that the configuration or the command line names is not there."""

    def __str__(self) -> str:  # OSError formats its args as errno and strerror
        return EosegError.__str__(self)


class RasterError(EosegError, ValueError):
    """A raster that cannot be opened, read or used as it is."""


class LabelError(EosegError, ValueError):
    """Labels that cannot be trained on."""


class DataError(EosegError, ValueError):
    """A data set that cannot be trained on: an empty split, anomalous statistics."""


class NetworkError(EosegError, ValueError):
    """A network that cannot be built as asked, for instance for its patch size."""


class TrainingError(EosegError, RuntimeError):
    """Training that cannot go on."""


class ServingError(EosegError, RuntimeError):
    """A model server that cannot be started, reached or believed."""


class PublishingError(EosegError, RuntimeError):
    """A version that cannot be pushed."""
