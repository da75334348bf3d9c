"""The gRPC side of the clients: channels, single attempts, and calls that retry.

`GrpcClient` blocks; `AsyncGrpcClient` is its twin on grpc.aio. Both offer the same coroutines, so
all that is above them is written once, as coroutines: those of GrpcClient never suspend, and `run`
drives them to their end without an event loop.

Retries. A read, or a write under a request id (a repeat of which the server answers with the first
outcome), is tried again with exponential back-off and jitter until the call's timeout is used up
(without one, for RETRY_LIMIT_S from the first failure on), when the failure may pass by itself:

    UNAVAILABLE         the connection broke, or the server is starting or closing
    RESOURCE_EXHAUSTED  with the engine's own reason, unless that is TOO_LARGE; without one it is a
                        message limit on the way: these two stay as they are
    DEADLINE_EXCEEDED   from the server, while the call has time left
    OUTCOME_UNKNOWN     the repeat tells

Everything else is raised at once.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Callable, Protocol, TypeVar, Union

import grpc
import grpc.aio

from proximadb._contract import Method
from proximadb._version import __version__
from proximadb.errors import (
    TOO_LARGE,
    AlreadyExistsError,
    CallCancelledError,
    CollectionNotFoundError,
    DeadlineExceededError,
    InvalidArgumentError,
    OutcomeUnknownError,
    ProximaDBError,
    ResourceExhaustedError,
    UnavailableError,
    VectorNotFoundError,
    VersionMismatchError,
    from_rpc,
)

T = TypeVar("T")

DEFAULT_PORT = 5678

#: True: TLS with the system's roots. A path: with the roots of that PEM file. Credentials: as is.
Tls = Union[None, bool, str, Path, grpc.ChannelCredentials]

_MIB = 1 << 20

# Limits of gRPC's own that are lower than the server's, and how soon a dead connection is noticed.
CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_send_message_length", 64 * _MIB),  # the server's limit
    ("grpc.max_receive_message_length", (1 << 31) - 1),  # protobuf's limit
    ("grpc.http2.max_frame_size", _MIB),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),  # a long compaction sends none for minutes
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.service_config_disable_resolution", 1),  # no DNS question for a TXT record
    ("grpc.primary_user_agent", f"proximadb-python/{__version__}"),
)

BACKOFF_FIRST_S = 0.05
BACKOFF_LIMIT_S = 2.0
RETRY_LIMIT_S = 30.0  # of a call without a timeout, from its first failure on

_MAY_PASS = (UnavailableError, ResourceExhaustedError, DeadlineExceededError, OutcomeUnknownError)

# Answers to a repeat that settle what became of the attempts before: the request was not applied.
_SETTLES = (
    AlreadyExistsError,
    CollectionNotFoundError,
    InvalidArgumentError,
    VectorNotFoundError,
    VersionMismatchError,
)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never suspends, as those above GrpcClient do not."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise AssertionError("a blocking coroutine suspended")


def full_target(target: str) -> str:
    """host:port, with the default port if there is none."""
    if "://" in target and not target.startswith(("dns:", "unix:", "ipv4:", "ipv6:")):
        raise InvalidArgumentError(
            f'the target is host:port, such as "localhost:5678", not {target}'
        )
    has_port = ":" in target.rpartition("]")[2]
    return target if has_port else f"{target}:{DEFAULT_PORT}"


def _credentials(tls: Tls) -> grpc.ChannelCredentials | None:
    if tls is None or tls is False:
        return None
    if tls is True:
        return grpc.ssl_channel_credentials()
    if isinstance(tls, (str, Path)):
        return grpc.ssl_channel_credentials(root_certificates=Path(tls).read_bytes())
    return tls


class Attempt(Protocol):
    """One try of a call, under way."""

    async def result(self) -> Any:
        """Waits for the response. Raises grpc.RpcError."""

    def cancel(self) -> None:
        """Gives up; harmless when it is over."""


class Transport(Protocol):
    """What GrpcClient and AsyncGrpcClient have in common."""

    async def attempt(self, method: Method, request: bytes, timeout: float | None) -> Any:
        """Sends and waits. Raises grpc.RpcError."""

    def start(self, method: Method, request: bytes, timeout: float | None) -> Attempt:
        """Sends without waiting."""

    async def compute(self, function: Callable[[], T]) -> T:
        """Runs a function that takes milliseconds."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""

    async def close(self) -> None:
        """Closes the channel; calls under way are cancelled."""


class _Channel:
    """Target, credentials and metadata of either client, and the callables of its channel."""

    def __init__(self, target: str, api_key: str | None, tls: Tls) -> None:
        self.target = full_target(target)
        self._credentials = _credentials(tls)
        self._metadata = (("authorization", f"Bearer {api_key}"),) if api_key else ()
        self._callables: dict[str, Any] = {}

    def _open(self, package: Any) -> Any:
        """A channel of grpc or of grpc.aio."""
        if self._credentials is None:
            return package.insecure_channel(self.target, options=CHANNEL_OPTIONS)
        return package.secure_channel(self.target, self._credentials, options=CHANNEL_OPTIONS)

    def _callable(self, channel: Any, method: Method) -> Any:
        found = self._callables.get(method.path)
        if found is None:
            found = channel.unary_unary(method.path, response_deserializer=method.decode_response)
            self._callables[method.path] = found
        return found


class GrpcClient(_Channel):
    """Blocking attempts over one channel. Any thread."""

    def __init__(self, target: str, api_key: str | None, tls: Tls) -> None:
        super().__init__(target, api_key, tls)
        self._channel = self._open(grpc)

    async def attempt(self, method: Method, request: bytes, timeout: float | None) -> Any:
        """Sends and waits."""
        call = self._callable(self._channel, method)
        with _closing_meanwhile:
            return call(request, timeout=timeout, metadata=self._metadata)

    def start(self, method: Method, request: bytes, timeout: float | None) -> Attempt:
        """Sends without waiting; gRPC's own threads do the work."""
        call = self._callable(self._channel, method)
        with _closing_meanwhile:
            return _BlockingAttempt(call.future(request, timeout=timeout, metadata=self._metadata))

    async def compute(self, function: Callable[[], T]) -> T:
        """Runs the function."""
        return function()

    async def sleep(self, seconds: float) -> None:
        """Blocks the thread."""
        time.sleep(seconds)

    async def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


class _ClosingMeanwhile:
    """A channel that was closed meanwhile refuses calls with a ValueError, one of grpc.aio with a
    UsageError. (A class: contextlib's decorator takes ten times as long.)
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, failure: BaseException | None, trace: Any) -> None:
        if isinstance(failure, (ValueError, grpc.aio.UsageError)) and re.search(
            "closed channel|channel is closed", str(failure), re.IGNORECASE
        ):
            raise closed_error() from None


_closing_meanwhile = _ClosingMeanwhile()


def closed_error() -> UnavailableError:
    """What a call of a closed client ends with."""
    return UnavailableError("this client was closed; make a new one")


class _BlockingAttempt:
    def __init__(self, future: Any) -> None:
        self._future = future

    async def result(self) -> Any:
        return self._future.result()

    def cancel(self) -> None:
        self._future.cancel()


class AsyncGrpcClient(_Channel):
    """Attempts on the running event loop, to which the channel belongs from its first use."""

    def __init__(self, target: str, api_key: str | None, tls: Tls) -> None:
        super().__init__(target, api_key, tls)
        self._channel: Any = None
        self.is_closed = False

    def start(self, method: Method, request: bytes, timeout: float | None) -> Attempt:
        """Sends without waiting, when the loop next runs."""
        if self.is_closed:
            raise closed_error()
        if self._channel is None:
            self._channel = self._open(grpc.aio)
        call = self._callable(self._channel, method)
        with _closing_meanwhile:
            return _AsyncAttempt(self, call(request, timeout=timeout, metadata=self._metadata))

    async def attempt(self, method: Method, request: bytes, timeout: float | None) -> Any:
        """Sends and waits."""
        return await self.start(method, request, timeout).result()

    async def compute(self, function: Callable[[], T]) -> T:
        """Runs the function on a thread, so that the loop goes on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(None, function)

    async def sleep(self, seconds: float) -> None:
        """Lets the loop go on."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Closes the channel."""
        self.is_closed = True
        if self._channel is not None:
            await self._channel.close()


class _AsyncAttempt:
    def __init__(self, client: AsyncGrpcClient, call: Any) -> None:
        self._client = client
        self._call = call

    async def result(self) -> Any:
        try:
            return await self._call
        except asyncio.CancelledError:
            # Closing the channel ends calls with the exception that belongs to cancelled tasks.
            if self._client.is_closed:
                raise CallCancelledError("the client was closed during the call") from None
            raise

    def cancel(self) -> None:
        self._call.cancel()


class Deadline:
    """The moment until which a call may be tried again.

    Args:
        timeout: seconds of the call with all its attempts; None: no limit of an attempt.
        retry_s: seconds from the first failure on in which it is tried again, if that ends before.
            None: to the timeout's end, or, without one, RETRY_LIMIT_S.
    """

    def __init__(self, timeout: float | None, retry_s: float | None = None) -> None:
        self._end = math.inf if timeout is None else time.monotonic() + timeout
        self._retry_s = RETRY_LIMIT_S if retry_s is None and timeout is None else retry_s
        self._retry_end: float | None = None

    def remaining(self) -> float | None:
        """Seconds, not below 0; None: without limit."""
        return None if self._end == math.inf else max(self._end - time.monotonic(), 0.0)

    def allows(self, seconds: float) -> bool:
        """Whether a call that has failed may be tried again after so many seconds."""
        now = time.monotonic()
        if self._retry_end is None:
            self._retry_end = math.inf if self._retry_s is None else now + self._retry_s
        return min(self._end, self._retry_end) - now > seconds


async def call_with_retries(
    transport: Transport,
    method: Method,
    request: bytes,
    deadline: Deadline,
    started: Attempt | None = None,
    may_pass: Callable[[ProximaDBError], bool] | None = None,
) -> Any:
    """The response of a call that may be repeated; `started` is its first attempt, if any.

    `may_pass` says which failures are tried again, instead of the rule at the top of this file.

    Raises:
        ProximaDBError: the failure of the last attempt; but OutcomeUnknownError if an attempt
            ended so and no later one told what became of it.
    """
    unknown: OutcomeUnknownError | None = None
    delay = BACKOFF_FIRST_S
    may_pass = may_pass or _may_pass
    while True:
        try:
            if started is not None:
                return await started.result()
            return await transport.attempt(method, request, deadline.remaining())
        except grpc.RpcError as failure:
            error, is_closed = from_rpc(failure), False
        except ProximaDBError as failure:
            error, is_closed = failure, True
        started = None
        unknown = error if isinstance(error, OutcomeUnknownError) else unknown
        pause = delay * random.uniform(0.5, 1.0)
        if is_closed or not may_pass(error) or not deadline.allows(pause):
            if unknown is None or isinstance(error, _SETTLES):
                raise error
            raise unknown from error
        await transport.sleep(pause)
        delay = min(2 * delay, BACKOFF_LIMIT_S)


async def call_once(
    transport: Transport, method: Method, request: bytes, deadline: Deadline
) -> Any:
    """The response of a call whose repeat would not be harmless.

    Raises:
        ProximaDBError: the attempt failed.
    """
    try:
        return await transport.attempt(method, request, deadline.remaining())
    except grpc.RpcError as failure:
        raise from_rpc(failure) from None


def is_unavailable(error: ProximaDBError) -> bool:
    """Whether the server was not there, or went away."""
    return isinstance(error, UnavailableError)


def _may_pass(error: ProximaDBError) -> bool:
    if isinstance(error, ResourceExhaustedError):
        return error.reason not in ("", TOO_LARGE)
    return isinstance(error, _MAY_PASS)
