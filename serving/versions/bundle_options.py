"""How large a bundle may be: what is unpacked must not fill the disk."""

from pydantic import Field, PositiveInt

from components.options import Options


class BundleLimits(Options):
    """Refuses archives that unpack to more than a model ever is."""

    most_files: PositiveInt = 10_000
    most_bytes: int = Field(default=20 << 30, gt=0)
    """Of all files together, unpacked."""
    most_ratio: float = Field(default=200.0, gt=1)
    """Of a file's size to its packed size, beyond a megabyte: weights hardly pack, zeros pack a thousandfold."""
