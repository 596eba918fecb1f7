r"""Lets ML Metadata's PostgreSQL client take strings with backslashes, which its own escaping breaks.

For such a string libpq's PQescapeLiteral gives ` E'...'`, with a blank and an E before the quote; ml-metadata 1.16
takes off the first and the last character and puts the rest between quotes of its own, so that the text after `'E'` is
read as SQL. Every evaluation has one: a configuration as JSON within JSON. So no backslash reaches the client: in
PostgreSQL it is kept as a character of Unicode's private use area, and turned back where it is read.
"""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from ml_metadata import metadata_store

BACKSLASH = "\\"
STAND_IN = "\ue05c"
"""U+E05C; a backslash is U+005C."""

_CALL = "_pywrap_cc_call"
"""The one method of MetadataStore that all others call the C++ part through, with protocol buffers both ways."""


def allow_backslashes() -> None:
    """Changes ml-metadata's class for this process, once; stores in SQLite and MySQL work as before."""
    original = getattr(metadata_store.MetadataStore, _CALL)
    if getattr(original, "allows_backslashes", False):
        return

    def call(self: Any, method: Any, request: Message, response: Message) -> None:
        if not _in_postgresql(self):
            original(self, method, request, response)
            return
        original(self, method, translated(request, BACKSLASH, STAND_IN), response)
        response.CopyFrom(translated(response, STAND_IN, BACKSLASH))

    call.allows_backslashes = True  # type: ignore[attr-defined]
    setattr(metadata_store.MetadataStore, _CALL, call)


def translated(message: Message, old: str, new: str) -> Message:
    """The message with a character replaced in all its strings; the message itself where it has none."""
    if old.encode() not in message.SerializeToString():
        return message
    copy = type(message)()
    copy.CopyFrom(message)
    _translate(copy, old, new)
    return copy


def _in_postgresql(store: Any) -> bool:
    config = store._config
    return "postgresql" in config.DESCRIPTOR.fields_by_name and config.HasField("postgresql")


def _translate(message: Any, old: str, new: str) -> None:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.label == FieldDescriptor.LABEL_REPEATED:
                value[:] = [text.replace(old, new) for text in value]
            else:
                setattr(message, field.name, value.replace(old, new))
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            if field.message_type.GetOptions().map_entry:
                _translate_map(field, value, old, new)
            elif field.label == FieldDescriptor.LABEL_REPEATED:
                for item in value:
                    _translate(item, old, new)
            else:
                _translate(value, old, new)


def _translate_map(field: Any, entries: Any, old: str, new: str) -> None:
    """Values alone: keys are names of properties, which code chooses."""
    kind = field.message_type.fields_by_name["value"].type
    for key in entries:
        if kind == FieldDescriptor.TYPE_MESSAGE:
            _translate(entries[key], old, new)
        elif kind == FieldDescriptor.TYPE_STRING:
            entries[key] = entries[key].replace(old, new)
