"""The service's contract at run time: messages and methods, made from the embedded descriptors.

The descriptors live in a pool of their own, so that the package neither disturbs nor is disturbed
by other generated code in the process. Message classes are made at import and typed as Any: what
is sent and received is named by the functions of `_operations`, where the types are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, Callable, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

LENGTH_DELIMITED = 2  # the wire type of strings, bytes and messages


def _load_pool() -> descriptor_pool.DescriptorPool:
    embedded = resources.files("proximadb") / "_proto" / "contract.binpb"
    try:
        content = embedded.read_bytes()
    except FileNotFoundError:
        raise ImportError(
            "proximadb was not built: `pip install` it, or run build_support/proximadb_build.py"
        ) from None
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _load_pool()


def message_class(full_name: str) -> Any:
    """The class of a message of the contract, such as "proximadb.v1.Collection"."""
    return _class_of(_POOL.FindMessageTypeByName(full_name))


def _class_of(descriptor: Descriptor) -> Any:
    return message_factory.GetMessageClass(descriptor)


class Method(NamedTuple):
    """A unary method: its path, the class of its request and the decoder of its response."""

    path: str
    request_class: Any
    decode_response: Callable[[bytes], Any]

    def encode(self, **fields: Any) -> bytes:
        """The request with these fields, as bytes."""
        encoded: bytes = self.request_class(**fields).SerializeToString()
        return encoded

    def encode_with_payload(
        self, collection: str, payload: Sequence[bytes], **fields: Any
    ) -> bytes:
        """The request with the joined parts of `payload` as its `avro_payload`.

        The bytes are those protobuf would write. Written by hand because a payload is megabytes:
        protobuf copies it into the message and out again, and this joins it once.
        """
        size = _varint(sum(map(len, payload)))
        tail = self.encode(**fields) if fields else b""
        return b"".join((_payload_head(self, collection), size, *payload, tail))


@lru_cache(maxsize=64)
def _payload_head(method: Method, collection: str) -> bytes:
    """What stands in front of the size of `avro_payload`."""
    number = method.request_class.DESCRIPTOR.fields_by_name["avro_payload"].number
    return method.encode(collection=collection) + _varint(number << 3 | LENGTH_DELIMITED)


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _load_methods() -> dict[str, Method]:
    service = _POOL.FindServiceByName("proximadb.v1.ProximaDB")
    return {
        method.name: Method(
            f"/{service.full_name}/{method.name}",
            _class_of(method.input_type),
            _class_of(method.output_type).FromString,
        )
        for method in service.methods
    }


METHODS = _load_methods()
HEALTH_CHECK = Method(
    "/grpc.health.v1.Health/Check",
    message_class("proximadb.sdk.v1.HealthCheckRequest"),
    message_class("proximadb.sdk.v1.HealthCheckResponse").FromString,
)

# The fields by hand stand between those before and those behind them, as protobuf orders them.
for _method in METHODS.values():
    _fields = _method.request_class.DESCRIPTOR.fields_by_name
    if "avro_payload" in _fields:
        _payload: FieldDescriptor = _fields["avro_payload"]
        assert _fields["collection"].number < _payload.number
        assert _payload.type == FieldDescriptor.TYPE_BYTES
