"""Client of ProximaDB, a vector database with open files and durable writes.

    from proximadb import ProximaDBClient

    with ProximaDBClient("localhost:5678") as client:
        client.create_collection("docs", dimension=384)
        client.insert("docs", vectors, ids=ids)
        hits = client.search("docs", query, k=5)

`AsyncProximaDBClient` is the same for asyncio. `proximadb.errors` has the exceptions,
`proximadb.types` what calls return, `proximadb.avro` the schemas of what travels.
"""

from proximadb import _grpc_setup  # noqa: F401  before the first import of grpc
from proximadb._version import __version__
from proximadb.async_client import AsyncProximaDBClient
from proximadb.client import ProximaDBClient
from proximadb.errors import (
    AlreadyExistsError,
    AuthenticationError,
    CallCancelledError,
    CollectionExistsError,
    CollectionNotFoundError,
    CorruptionError,
    DeadlineExceededError,
    DimensionError,
    InternalError,
    InvalidArgumentError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ProximaDBError,
    ReadOnlyError,
    ResourceExhaustedError,
    SnapshotExpiredError,
    UnavailableError,
    UnsupportedError,
    VectorNotFoundError,
    VersionMismatchError,
)
from proximadb.types import (
    CLEAR,
    CollectionInfo,
    CompactResult,
    Health,
    Hit,
    InsertResult,
    Record,
)

__all__ = [
    "CLEAR",
    "AlreadyExistsError",
    "AsyncProximaDBClient",
    "AuthenticationError",
    "CallCancelledError",
    "CollectionExistsError",
    "CollectionInfo",
    "CollectionNotFoundError",
    "CompactResult",
    "CorruptionError",
    "DeadlineExceededError",
    "DimensionError",
    "Health",
    "Hit",
    "InsertResult",
    "InternalError",
    "InvalidArgumentError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "ProximaDBClient",
    "ProximaDBError",
    "ReadOnlyError",
    "Record",
    "ResourceExhaustedError",
    "SnapshotExpiredError",
    "UnavailableError",
    "UnsupportedError",
    "VectorNotFoundError",
    "VersionMismatchError",
    "__version__",
]
