"""How the clients send requests."""

from pydantic import Field, PositiveInt

from components.options import Options
from serving.adaptive_limit import LimitOptions
from serving.channel import ChannelOptions
from serving.circuit_breaker import CircuitOptions
from serving.retry import RetryOptions

DEFAULT_MODEL_NAME = "eoseg"


class ClientOptions(Options):
    """How requests are sent, by the blocking client and by the one for asyncio."""

    concurrency: PositiveInt = 4
    """The most requests at the same time; `limit` lowers it while the server has too much to do."""
    patches_per_request: PositiveInt = 4
    """Patches in one request; at most the server's `max_batch_size`."""
    timeout_seconds: float = Field(default=120.0, gt=0)
    """Deadline of one try of one request."""
    total_seconds: float | None = Field(default=None, gt=0)
    """Deadline of one request with all its tries and pauses, from its first turn on; None leaves it to the retries'
    budget."""
    retry: RetryOptions = RetryOptions()
    circuit: CircuitOptions | None = CircuitOptions()
    """When to stop asking a server that does not answer; None never does."""
    limit: LimitOptions = LimitOptions()
    channel: ChannelOptions = ChannelOptions()
