"""The days on which tiles were taken, as file names and tables write them."""

import re
from datetime import datetime

_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})Z?)?")
_COARSE = re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?")


def iso_date(text: str) -> str:
    """A date as ISO 8601: `2020-07-31`, `20200731`, `20200731T101559`, `2020-07`, `2020`, or with a time and a zone.

    Raises:
        ValueError: If it is none of these.
    """
    text = text.strip()
    if not text or _COARSE.fullmatch(text):
        return text
    compact = _COMPACT.fullmatch(text)
    if compact is not None:
        parts = [int(part) for part in compact.groups() if part is not None]
        moment = datetime(*parts)  # type: ignore[arg-type]  # three or six of them
        return moment.isoformat() if len(parts) == 6 else moment.date().isoformat()
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"'{text}' is no date; write 2020-07-31, 20200731, 2020-07 or 2020") from None
    return moment.date().isoformat() if len(text) == 10 else moment.isoformat()
