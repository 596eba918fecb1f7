"""Long parameters, packed: a step gets all of its parameters in one command-line argument.

Linux refuses an argument of more than 128 KiB (MAX_ARG_STRLEN), and a list of a few hundred tiles is longer than that.
Paths that begin alike shrink to about a tenth. The alphabet has no braces: Argo, which runs the steps, takes two of
them for a placeholder of its own.
"""

import base64
import zlib

from components.errors import ConfigError

PREFIX = "eoseg+zlib:"
LONG = 8_192
"""Characters from which on a value is packed; what is shorter stays readable in the compiled file."""
MOST = 90_000
"""Characters that the parameters of a step may have together: room is left for its artifacts and their types."""


def packed(text: str) -> str:
    """A long text in fewer characters; a short one as it is."""
    if len(text) < LONG:
        return text
    return PREFIX + base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode()


def unpacked(text: str) -> str:
    """The inverse of `packed`."""
    if not text.startswith(PREFIX):
        return text
    return zlib.decompress(base64.urlsafe_b64decode(text.removeprefix(PREFIX))).decode()


def check_length(step: str, values: list[str]) -> None:
    """Refuses what could not be started in the cluster.

    Raises:
        ConfigError: If a step's parameters are too long, packed as they are.
    """
    length = sum(map(len, values))
    if length > MOST:
        raise ConfigError(
            f"the parameters of step {step} have {length:,} characters, and a cluster starts no step with more than "
            f"{MOST:,}",
            "fewer tiles, or shorter names",
            "cut the data set into several pipelines, or join small tiles into larger files (a VRT counts as one)",
        )
