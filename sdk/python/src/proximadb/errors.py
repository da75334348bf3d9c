"""What can go wrong, as exceptions. All of them are ProximaDBError.

    ProximaDBError
        InvalidArgumentError            the request is wrong as it stands: mend it
            DimensionError              a vector's length is not the collection's
        CollectionNotFoundError
        CollectionExistsError
        VectorNotFoundError             an update names an unknown id
        AlreadyExistsError              an insert names an id that is taken
        VersionMismatchError            a row is no longer at the version expected of it
        SnapshotExpiredError            a scan was not continued in time: start it again
        ReadOnlyError                   damage was found and the collection refuses writes
        AuthenticationError             no API key, or a wrong one
        PermissionDeniedError
        ResourceExhaustedError          disk, memory or a limit: later, or with less
        UnavailableError                the server cannot be reached, or is closing
        DeadlineExceededError           not answered in time; a write may have happened
        OutcomeUnknownError             the device failed while syncing: written or not
        CallCancelledError              the call was cancelled, as by closing the client
        CorruptionError                 damaged bytes, on the server's disk or on the way
        UnsupportedError                a feature or a format that one side does not know
        InternalError                   the server's system refused, or a fault of the server

`from_rpc` makes them of failed gRPC calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from proximadb import _contract

if TYPE_CHECKING:
    from proximadb.types import InsertResult

_DETAILS_TRAILER = "grpc-status-details-bin"
_ERROR_INFO_TYPE = "google.rpc.ErrorInfo"
_DOMAIN = "proximadb"

TOO_LARGE = "TOO_LARGE"  # a reason that splitting what is asked for may help against
_Status = _contract.message_class("proximadb.sdk.v1.Status")
_ErrorInfo = _contract.message_class("proximadb.sdk.v1.ErrorInfo")


class ProximaDBError(Exception):
    """A call failed. The message is a sentence that says what to do about it.

    Attributes:
        code: the gRPC status, such as StatusCode.NOT_FOUND.
        reason: the engine's name for the cause, such as "COLLECTION_NOT_FOUND"; "" if the failure
            is not the engine's, such as a broken connection.
        row_index: the 0-based row of the call's arguments that the error is about, or None.
        acknowledged_rows: of a write with rows: how many, from the first on, were acknowledged
            before the failure. More than 0 only if the call was larger than one message.
        first_failed_row: of a write with rows: the first row of the batch that failed, so that a
            call with the rows from there on continues it. None for other calls.
        partial_result: of an insert, upsert or update: ids and versions of the acknowledged rows.
    """

    default_code = grpc.StatusCode.UNKNOWN
    default_reason = ""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str | None = None,
        row_index: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = self.default_code if code is None else code
        self.reason = self.default_reason if reason is None else reason
        self.row_index = row_index
        self.acknowledged_rows: int | None = None
        self.first_failed_row: int | None = None
        self.partial_result: InsertResult | None = None

    def __str__(self) -> str:
        message = super().__str__()
        if self.acknowledged_rows:
            message += f" (the call's first {self.acknowledged_rows:,} rows are written)"
        return message


class _ComparisonError(ProximaDBError):
    """A number is not the one it has to be.

    Attributes:
        expected: what it has to be, or None if not known.
        actual: what it is, or None if not known.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str | None = None,
        row_index: int | None = None,
        expected: int | None = None,
        actual: int | None = None,
    ) -> None:
        super().__init__(message, code=code, reason=reason, row_index=row_index)
        self.expected = expected
        self.actual = actual


class InvalidArgumentError(ProximaDBError):
    """The request is wrong as it stands; nothing was changed by it."""

    default_code = grpc.StatusCode.INVALID_ARGUMENT
    default_reason = "INVALID"


class DimensionError(_ComparisonError, InvalidArgumentError):
    """A vector has `actual` floats in a collection of dimension `expected`."""

    default_reason = "DIMENSION"


class CollectionNotFoundError(ProximaDBError):
    """There is no collection of that name."""


class CollectionExistsError(ProximaDBError):
    """A collection of that name exists (with `exist_ok`: one that differs)."""


class VectorNotFoundError(ProximaDBError):
    """An update names an unknown id; nothing of its batch was changed."""


class AlreadyExistsError(ProximaDBError):
    """An insert names an id that is taken; nothing of its batch was written."""


class VersionMismatchError(_ComparisonError):
    """A row is at version `actual`, not `expected`; nothing of its batch was changed."""


class SnapshotExpiredError(ProximaDBError):
    """A scan was not continued within the server's limit (10 minutes). Start it again."""


class ReadOnlyError(ProximaDBError):
    """Damage was found in the collection, which is readable and refuses writes."""


class AuthenticationError(ProximaDBError):
    """The API key is missing or wrong."""


class PermissionDeniedError(ProximaDBError):
    """The API key does not allow this."""


class ResourceExhaustedError(ProximaDBError):
    """Disk, memory or a limit is used up. Try later, or with less.

    With the reason "TOO_LARGE", and without one, only less helps: what was asked for does not fit
    one answer or one message.
    """


class UnavailableError(ProximaDBError):
    """The server cannot be reached or is closing; retries did not help."""

    default_code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceededError(ProximaDBError):
    """There was no answer within the timeout. A write may nevertheless have happened."""


class OutcomeUnknownError(ProximaDBError):
    """The server's device failed while syncing: the batch is written or not."""


class CallCancelledError(ProximaDBError):
    """The call was cancelled, as by closing the client while it ran."""


class CorruptionError(ProximaDBError):
    """Bytes on the server's disk, or of its answer, do not follow the format."""

    default_code = grpc.StatusCode.DATA_LOSS
    default_reason = "CORRUPT"


class UnsupportedError(ProximaDBError):
    """One side does not know a feature or a format of the other; upgrade the older one."""

    default_code = grpc.StatusCode.UNIMPLEMENTED
    default_reason = "UNIMPLEMENTED"


class InternalError(ProximaDBError):
    """The server's system refused an operation, or a fault of the server."""


_BY_REASON: dict[str, type[ProximaDBError]] = {
    "INVALID": InvalidArgumentError,
    "NO_MEMORY": ResourceExhaustedError,
    "IO": InternalError,
    "CORRUPT": CorruptionError,
    "COLLECTION_NOT_FOUND": CollectionNotFoundError,
    "COLLECTION_EXISTS": CollectionExistsError,
    "VECTOR_NOT_FOUND": VectorNotFoundError,
    "VECTOR_EXISTS": AlreadyExistsError,
    "DIMENSION": DimensionError,
    "VERSION_MISMATCH": VersionMismatchError,
    "RESOURCE_EXHAUSTED": ResourceExhaustedError,
    "READ_ONLY": ReadOnlyError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "CANCELLED": CallCancelledError,
    "UNIMPLEMENTED": UnsupportedError,
    "OUTCOME_UNKNOWN": OutcomeUnknownError,
    "UNAUTHENTICATED": AuthenticationError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "SNAPSHOT_EXPIRED": SnapshotExpiredError,
    "INTERNAL": InternalError,
    TOO_LARGE: ResourceExhaustedError,
}

# For failures without a reason: those of gRPC itself and of what stands between the two sides.
_BY_CODE: dict[grpc.StatusCode, type[ProximaDBError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.CANCELLED: CallCancelledError,
    grpc.StatusCode.DATA_LOSS: CorruptionError,
    grpc.StatusCode.UNIMPLEMENTED: UnsupportedError,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.INTERNAL: InternalError,
}


def from_rpc(failure: grpc.RpcError) -> ProximaDBError:
    """The exception for a failed gRPC call, by its ErrorInfo if it has one, else by its status."""
    call: Any = failure
    code: grpc.StatusCode = call.code()
    info = _error_info(call.trailing_metadata() or ())
    reason = "" if info is None else str(info.reason)
    numbers = {} if info is None else _numbers(info.metadata)
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code, ProximaDBError)
    message = call.details() or f"the call failed with {code.name} and no message"
    if not issubclass(kind, _ComparisonError):
        numbers.pop("expected", None)
        numbers.pop("actual", None)
    return kind(message, code=code, reason=reason, **numbers)


def _error_info(trailers: Iterable[tuple[str, str | bytes]]) -> Any:
    """The ErrorInfo of the trailers, or None; trailers that do not parse are as good as none."""
    for key, value in trailers:
        if key == _DETAILS_TRAILER and isinstance(value, bytes):
            try:
                return _parse_error_info(value)
            except DecodeError:
                return None
    return None


def _parse_error_info(content: bytes) -> Any:
    for detail in _Status.FromString(content).details:
        if detail.type_url.rpartition("/")[2] == _ERROR_INFO_TYPE:
            info = _ErrorInfo.FromString(detail.value)
            if info.domain == _DOMAIN:
                return info
    return None


def _numbers(metadata: Any) -> dict[str, Any]:
    """The numbers that an ErrorInfo may carry; what is no number is left out."""
    found = {}
    for name in ("row_index", "expected", "actual"):
        try:
            found[name] = int(metadata[name]) if name in metadata else None
        except ValueError:
            found[name] = None
    return found
