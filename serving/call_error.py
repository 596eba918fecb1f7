"""gRPC's failures as EOSeg's own, with cause and remedy."""

from typing import Any

from components.errors import ServingError

_REMEDIES = {
    "UNAVAILABLE": (
        "a model server that answers there",
        "start one with `eoseg serve`, or correct the address; while a server restarts, try again in a moment",
    ),
    "NOT_FOUND": (
        "a model and a version that the server has",
        "correct --model-name or --version; GetModelStatus lists what is there",
    ),
    "DEADLINE_EXCEEDED": (
        "an answer in time",
        "give it more time, send fewer patches a request, or lower the concurrency",
    ),
    "RESOURCE_EXHAUSTED": ("a server with room for the request", "lower the concurrency, or raise the server's limits"),
    "FAILED_PRECONDITION": (
        "a model with EOSeg's signatures",
        "serve a version that `eoseg run` has pushed, or correct --model-name",
    ),
    "INVALID_ARGUMENT": (
        "a request that fits the model's signature",
        "the served model has probably another contract than the client expects: ask it again",
    ),
    "UNIMPLEMENTED": (
        "a model server of TensorFlow Serving's protocol",
        "correct the address: another gRPC service answers there",
    ),
    "CANCELLED": ("a server that answers what it has begun", "while a server restarts, try again in a moment"),
    "UNAUTHENTICATED": ("a call that says who calls", "give a token that is valid"),
    "PERMISSION_DENIED": ("a caller who may ask this model", "give a token that has the right to"),
}
_CANCELLED_HERE = ("Channel closed",)
_TOO_LARGE = (
    "messages within both sides' limits",
    "send fewer patches a request, or raise max_message_bytes here and grpc.max_receive_message_length there",
)
_LARGER_THAN_BATCHES = (
    "at most as many patches a request as the server's max_batch_size",
    "send fewer: --patches-per-request of `eoseg predict`, patches_per_request of the client's options; or raise "
    "max_batch_size there",
)
_TLS = (
    "a server and a client that trust each other's certificates",
    "give the authority that signed the server's certificate (ca_file), an address or server_name that stands in it, "
    "and a client certificate where the server verifies its clients",
)
_NO_TLS_THERE = (
    "a server that encrypts, as this client does",
    "leave the client's TLS options out, or start the server with `eoseg serve --tls-cert ... --tls-key ...`",
)
_HUNG_UP = (
    "a model server that keeps the connection",
    "where the server encrypts, name its authority (--ca-file, ca_file), and give a client certificate if it verifies "
    "its clients; else look at its log",
)
# What gRPC's UNAVAILABLE says where waiting does not help: the handshake would fail the same way again.
_TLS_SIGNS = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "Hostname Verification", "Peer name")


class CallError(ServingError):
    """A call that the server refused or did not answer.

    Attributes:
        code: The name of gRPC's status code, for instance `UNAVAILABLE`.
    """

    def __init__(self, problem: str, expected: str = "", remedy: str = "", code: str = "UNKNOWN") -> None:
        super().__init__(problem, expected, remedy)
        self.code = code
        self.args = (problem, expected, remedy, code)  # survives pickling

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed later: the server is away, ends, or is full."""
        if self.code == "UNAVAILABLE":
            return not _is_about_tls(self.problem)
        if self.code == "CANCELLED":
            # A gRPC server that stops cancels the calls that it has received and not begun (grpc/grpc issue 41785).
            return True
        return self.code == "RESOURCE_EXHAUSTED" and "larger than max" not in self.problem

    @property
    def is_overload(self) -> bool:
        """Whether the server is there and has too much to do."""
        return self.is_temporary and (self.code == "RESOURCE_EXHAUSTED" or "queue" in self.problem)

    @property
    def is_silence(self) -> bool:
        """Whether nothing says that there is a server that works."""
        return self.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED") and not self.is_overload


class ClosedError(CallError):
    """A call on a client that is closed, or was closed while it ran."""

    @property
    def is_temporary(self) -> bool:
        """It stays closed."""
        return False


def call_error(address: str, error: Any) -> CallError:
    """The `CallError` of a `grpc.RpcError` from the server at `address`."""
    code, details = error.code().name, error.details()
    if code == "CANCELLED" and str(details).startswith(_CANCELLED_HERE):
        return closed_error(address)
    expected, remedy = _REMEDIES.get(code, ("an answer", "look at the server's log"))
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in str(details):
        expected, remedy = _TOO_LARGE
    if code == "INVALID_ARGUMENT" and "larger than maximum input batch size" in str(details):
        expected, remedy = _LARGER_THAN_BATCHES
    if code == "UNAVAILABLE" and _is_about_tls(str(details)):
        expected, remedy = _NO_TLS_THERE if "WRONG_VERSION_NUMBER" in str(details) else _TLS
    elif code == "UNAVAILABLE" and "failed to connect" in str(details) and "Socket closed" in str(details):
        # Something listens there and hangs up during the handshake. It may be a server that is just going, too.
        expected, remedy = _HUNG_UP
    return CallError(f"the model server at {address} answered {code}: {details}", expected, remedy, code)


def closed_error(address: str) -> CallError:
    """A call on a client that is closed."""
    return ClosedError(f"the connection to {address} is closed", "an open client", "", "CANCELLED")


def _is_about_tls(text: str) -> bool:
    return any(sign in text for sign in _TLS_SIGNS)
