"""Avro as ProximaDB uses it: schemas, their fingerprints and the bytes of single values.

A payload is Avro's single-object encoding: C3 01, the CRC-64-AVRO fingerprint of the writer's
schema (8 bytes), the datum. Schemas are embedded in the package; `schema_text` gives one to any
Avro library, so payloads are readable without this module.

Numbers are zigzag varints, strings and arrays carry their length in front, a union its branch. What
is written here is byte for byte what Avro's libraries write, arrays and maps always in one block.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Callable

import numpy as np

from proximadb.errors import InvalidArgumentError

NAMESPACE = "proximadb.v1"
MARKER = b"\xc3\x01"
HEADER_BYTES = 10  # the marker and a fingerprint

LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1

# ---- schemas ------------------------------------------------------------------------------------

_PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
_CRC64_EMPTY = 0xC15D213AA4D7A795


def schema_text(name: str) -> str:
    """The text of an embedded schema by its short name, such as "VectorBatch"."""
    embedded = resources.files("proximadb") / "_schemas" / f"{NAMESPACE}.{name}.avsc"
    return embedded.read_text(encoding="utf-8")


@cache
def header(name: str) -> bytes:
    """The 10 bytes that a payload of this schema begins with."""
    canonical = canonical_form(json.loads(schema_text(name)))
    return MARKER + crc64(canonical.encode()).to_bytes(8, "little")


def canonical_form(schema: Any, namespace: str = "") -> str:
    """The Parsing Canonical Form of a parsed schema (Avro specification 1.11).

    Full names, no attribute that does not matter for parsing, a fixed order, no white space.
    """
    if isinstance(schema, str):
        is_whole = schema in _PRIMITIVES or "." in schema or not namespace
        return json.dumps(schema if is_whole else f"{namespace}.{schema}")
    if isinstance(schema, list):
        return "[" + ",".join(canonical_form(branch, namespace) for branch in schema) + "]"
    kind = schema["type"]
    if kind in _PRIMITIVES:
        return json.dumps(kind)
    parts = []
    if "name" in schema:
        namespace = schema.get("namespace", namespace)
        parts.append(f'"name":{canonical_form(schema["name"], namespace)}')
    parts.append(f'"type":{json.dumps(kind)}')
    if kind == "record":
        described = (_canonical_field(field, namespace) for field in schema["fields"])
        parts.append(f'"fields":[{",".join(described)}]')
    elif kind == "enum":
        parts.append(f'"symbols":{json.dumps(schema["symbols"], separators=(",", ":"))}')
    elif kind == "fixed":
        parts.append(f'"size":{schema["size"]}')
    else:
        inner = "items" if kind == "array" else "values"
        parts.append(f'"{inner}":{canonical_form(schema[inner], namespace)}')
    return "{" + ",".join(parts) + "}"


def _canonical_field(field: dict[str, Any], namespace: str) -> str:
    kind = canonical_form(field["type"], namespace)
    return f'{{"name":{json.dumps(field["name"])},"type":{kind}}}'


@cache
def _crc64_table() -> list[int]:
    table = []
    for octet in range(256):
        crc = octet
        for _ in range(8):
            crc = (crc >> 1) ^ (_CRC64_EMPTY if crc & 1 else 0)
        table.append(crc)
    return table


def crc64(data: bytes) -> int:
    """CRC-64-AVRO, the Rabin fingerprint of the Avro specification."""
    table = _crc64_table()
    crc = _CRC64_EMPTY
    for octet in data:
        crc = (crc >> 8) ^ table[(crc ^ octet) & 0xFF]
    return crc


# ---- values -------------------------------------------------------------------------------------

FALSE, TRUE = b"\x00", b"\x01"
END = b"\x00"  # of an array or a map; also an empty one

# Branches of the union of metadata values, and of every union that has null first.
NULL, BOOLEAN, LONG, DOUBLE, STRING, STRINGS = (bytes([2 * branch]) for branch in range(6))
PRESENT = b"\x02"


def encode_long(value: int) -> bytes:
    """An int or long: zigzag, then seven bits a byte, the low ones first."""
    if not LONG_MIN <= value <= LONG_MAX:
        raise InvalidArgumentError(f"{value} does not fit a 64-bit integer")
    rest = (value << 1) ^ (value >> 63)
    octets = bytearray()
    while rest > 0x7F:
        octets.append(rest & 0x7F | 0x80)
        rest >>= 7
    octets.append(rest)
    return bytes(octets)


class _Sizes(dict[int, bytes]):
    """Size to its bytes, for `map(SIZES.__getitem__, ...)`; sizes met often are made once."""

    CEILING = 1 << 16

    def __missing__(self, size: int) -> bytes:
        encoded = encode_long(size)
        if size < self.CEILING:
            self[size] = encoded
        return encoded


class _Keys(dict[str, bytes]):
    """String to its bytes, likewise: for the keys of metadata, of which there are few."""

    CEILING = 1 << 12

    def __missing__(self, key: str) -> bytes:
        if not isinstance(key, str):
            raise InvalidArgumentError(f"metadata keys are strings, not {type(key).__name__}")
        encoded = encode_string(key)
        if len(self) < self.CEILING:
            self[key] = encoded
        return encoded


SIZES = _Sizes()
KEYS = _Keys()


def encode_string(text: str) -> bytes:
    """A string: its size in bytes and its UTF-8."""
    try:
        octets = str.encode(text)
    except UnicodeEncodeError as failure:
        raise InvalidArgumentError(f"text is not valid Unicode: {failure.reason}") from None
    return SIZES[len(octets)] + octets


def encode_optional_string(text: str | None) -> bytes:
    """A union of null and string."""
    return NULL if text is None else PRESENT + encode_string(text)


def encode_optional_long(value: int | None) -> bytes:
    """A union of null and int or long."""
    return NULL if value is None else PRESENT + encode_long(value)


def encode_boolean(value: bool) -> bytes:
    """A boolean."""
    return TRUE if value else FALSE


def encode_map(fields: Mapping[str, Any]) -> bytes:
    """A map of metadata values, in the order of `fields`."""
    if not fields:
        return END
    pieces = [SIZES[len(fields)]]
    for key, value in fields.items():
        pieces += (KEYS[key], _VALUE_ENCODERS.get(type(value), _encode_other)(value))
    pieces.append(END)
    return b"".join(pieces)


def encode_value(value: Any) -> bytes:
    """A metadata value: the union's branch and what it holds."""
    return _VALUE_ENCODERS.get(type(value), _encode_other)(value)


def _encode_strings(values: Any) -> bytes:
    for value in values:
        if not isinstance(value, str):
            raise InvalidArgumentError(
                f"a list in metadata holds strings only, not {type(value).__name__}"
            )
    if len(values) == 0:
        return STRINGS + END
    return b"".join((STRINGS, SIZES[len(values)], *map(encode_string, values), END))


def _encode_other(value: Any) -> bytes:
    """A value whose type is none of the plain ones: a subclass, or one of numpy's."""
    if isinstance(value, (bool, np.bool_)):
        return BOOLEAN + encode_boolean(bool(value))
    if isinstance(value, (int, np.integer)):
        return LONG + encode_long(int(value))
    if isinstance(value, (float, np.floating)):
        return DOUBLE + struct.pack("<d", float(value))
    if isinstance(value, str):
        return STRING + encode_string(value)
    if isinstance(value, (list, tuple)):
        return _encode_strings(value)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return _encode_strings(value.tolist())
    raise InvalidArgumentError(
        f"a metadata value is None, bool, int, float, str or a list of str, "
        f"not {type(value).__name__}"
    )


_VALUE_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: NULL,
    bool: lambda value: BOOLEAN + encode_boolean(value),
    int: lambda value: LONG + encode_long(value),
    float: lambda value: DOUBLE + struct.pack("<d", value),
    str: lambda value: STRING + encode_string(value),
    list: _encode_strings,
    tuple: _encode_strings,
}
