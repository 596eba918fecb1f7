"""The body of an HTTP request: of a stated length or in chunks, plain or gzipped, never beyond a limit."""

import zlib
from email.message import Message
from io import BufferedIOBase

from serving.embedded.status import StatusError, invalid_argument

LONGEST_BODY = 2**31 - 1
"""As long as a gRPC message may be, in bytes."""
LONGEST_INFLATED = 1 << 28
"""A gzipped body may be a thousand times as long once inflated; beyond this many bytes it is refused."""
_LONGEST_CHUNK_LINE = 1024
_PIECE = 1 << 20


class BodyError(Exception):
    """A body that cannot be read to its end, so nothing that follows on the connection can be trusted.

    Args:
        failure: What the caller is told; None if the caller is gone.
    """

    def __init__(self, failure: StatusError | None) -> None:
        super().__init__(str(failure))
        self.failure = failure


def read_body(headers: Message, source: BufferedIOBase) -> bytes:
    """The body, uncompressed.

    Args:
        headers: Of the request.
        source: The connection, after the headers.

    Raises:
        BodyError: If the connection is of no use afterwards.
        StatusError: INVALID_ARGUMENT if the body was read, but is no gzip.
    """
    coding = headers.get("Transfer-Encoding", "").strip().lower()
    if coding not in ("", "identity", "chunked"):
        raise BodyError(invalid_argument(f"Malformed request: Transfer-Encoding {coding}"))
    body = _read_chunks(source) if coding == "chunked" else _read_length(headers.get("Content-Length", "0"), source)
    if headers.get("Content-Encoding", "").strip().lower() == "gzip":
        return _inflated(body)
    return body


def _read_length(text: str, source: BufferedIOBase) -> bytes:
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > LONGEST_BODY:
        raise BodyError(invalid_argument(f"Malformed request: Content-Length {text[:100]}"))
    return _read_exactly(int(text), source)


def _read_chunks(source: BufferedIOBase) -> bytes:
    pieces: list[bytes] = []
    total = 0
    while True:
        text = source.readline(_LONGEST_CHUNK_LINE).partition(b";")[0].strip()
        try:
            size = int(text, 16)
        except ValueError:
            size = -1
        if size < 0 or text[:1] in b"+-" or total + size > LONGEST_BODY:
            raise BodyError(invalid_argument("Malformed request: the chunks cannot be told apart") if text else None)
        if size == 0:
            break
        pieces.append(_read_exactly(size, source))
        total += size
        if source.readline(_LONGEST_CHUNK_LINE).strip():
            raise BodyError(invalid_argument("Malformed request: the chunks cannot be told apart"))
    for _ in range(100):  # trailers
        if not source.readline(_LONGEST_CHUNK_LINE).strip():
            return b"".join(pieces)
    raise BodyError(invalid_argument("Malformed request: too many trailers"))


def _read_exactly(size: int, source: BufferedIOBase) -> bytes:
    # Piece by piece: memory goes to what has come, not to what a header promises.
    pieces = []
    while size > 0:
        piece = source.read(min(size, _PIECE))
        if not piece:
            raise BodyError(None)
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _inflated(body: bytes) -> bytes:
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = inflate.decompress(body, LONGEST_INFLATED)
    except zlib.error as error:
        raise invalid_argument("Malformed request: the body is no gzip") from error
    if inflate.unconsumed_tail:
        raise invalid_argument(f"Malformed request: the body is longer than {LONGEST_INFLATED} bytes once inflated")
    if not inflate.eof:
        raise invalid_argument("Malformed request: the body is no gzip")
    return plain
