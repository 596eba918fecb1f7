"""What a class's name in the label options stands for."""

from components.classes import VOID_ID, ClassTable
from components.errors import ConfigError
from components.geo.label_options import VOID


def find_id(name: str, table: ClassTable) -> int | None:
    """The id of a class, `VOID_ID` for `void` or the name of a void colour, or None if it is neither."""
    if name in table.names:
        return table.names.index(name)
    return VOID_ID if name == VOID or any(entry.name == name for entry in table.void) else None


def id_of(name: str, table: ClassTable, key: str) -> int:
    """As `find_id`, for a name that the configuration's `key` gives.

    Raises:
        ConfigError: If there is no such class.
    """
    found = find_id(name, table)
    if found is None:
        raise ConfigError(
            f"{key} names '{name}', which is no class",
            f"one of {', '.join(table.names)}, or {VOID}",
            f"correct it, or add '{name}' to `classes`",
        )
    return found
