"""Rows to messages.

Goal    A call that fits one message is one; larger ones are split in order, none over the target
        unless it is a single row; every message is the protobuf that protobuf itself would write.
Method  Messages are taken apart by protobuf and fastavro and compared with the rows given.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from fake_server import decode

from proximadb import InvalidArgumentError, _batching
from proximadb._contract import METHODS
from proximadb._rows import DeleteRows, InsertRows

METHOD = METHODS["VectorInsert"]
FRAME = partial(METHOD.encode_with_payload, "docs", mode="INSERT_MODE_UPSERT")


def rows_of(sizes, dimension=8):
    """A row with a document of each of the sizes."""
    count = len(sizes)
    ids = [f"row-{i}" for i in range(count)]
    vectors = np.arange(count * dimension, dtype=np.float32).reshape(count, dimension)
    return InsertRows(ids, vectors, None, ["x" * size for size in sizes], None, None)


def content(message):
    request = METHOD.request_class.FromString(message.request)
    return decode("VectorBatch", request.avro_payload)


@pytest.mark.parametrize("mode", ["INSERT_MODE_INSERT", "INSERT_MODE_UPSERT"])
def test_batching__messages_are_what_protobuf_writes(mode):
    frame = partial(METHOD.encode_with_payload, "docs", mode=mode)
    (message,) = _batching.messages(rows_of([10] * 5), frame)
    parsed = METHOD.request_class.FromString(message.request)
    assert parsed.collection == "docs"
    assert METHOD.request_class.DESCRIPTOR.enum_types_by_name == {}
    assert parsed.mode == ["INSERT_MODE_INSERT", "INSERT_MODE_UPSERT"].index(mode)
    assert parsed.SerializeToString() == message.request


@pytest.mark.parametrize(
    "sizes",
    [
        [0] * 5000,
        [0] * 100 + [30_000] * 20 + [0] * 100,
        [60_000] * 7,
        list(range(0, 3000, 3)),
    ],
)
def test_batching__rows_arrive_once_in_order_within_the_target(sizes):
    target = 64 << 10
    rows = rows_of(sizes)
    stop = 0
    seen = []
    for message in _batching.messages(rows, FRAME, target):
        assert message.first_row == stop
        stop = message.stop_row
        assert len(message.request) <= target
        records = content(message)["records"]
        assert len(records) == message.stop_row - message.first_row
        seen += records
    assert [record["id"] for record in seen] == rows.ids
    assert [len(record["document"]) for record in seen] == sizes
    assert np.array_equal([record["vector"] for record in seen], rows.vectors)


def test_batching__what_fits_is_one_message():
    rows = rows_of([900] * 60)  # 58,000 bytes
    assert len(list(_batching.messages(rows, FRAME, 64 << 10))) == 1
    # Guessed by its vectors a row is 160 bytes: the guess must not decide.
    rows = rows_of([0] * 1200)
    assert len(list(_batching.messages(rows, FRAME, 64 << 10))) == 1


def test_batching__messages_are_filled():
    # A block holds 1,024 of these rows of about 55 bytes; several blocks go into each message.
    sizes = [0] * 40_000
    messages = list(_batching.messages(rows_of(sizes), FRAME, 400 << 10))
    assert min(len(message.request) for message in messages[:-1]) > 300 << 10


def test_batching__no_message_has_more_rows_than_the_server_takes():
    ids = [str(i) for i in range(2 * _batching.MESSAGE_ROWS + 1)]
    messages = list(_batching.messages(DeleteRows(ids), b"".join))
    assert max(m.stop_row - m.first_row for m in messages) <= _batching.MESSAGE_ROWS
    assert [m.first_row for m in messages[1:]] == [m.stop_row for m in messages[:-1]]
    assert messages[-1].stop_row == len(ids)


def test_batching__a_row_over_the_target_goes_alone():
    messages = list(_batching.messages(rows_of([10, 200_000, 10]), FRAME, 64 << 10))
    assert [(m.first_row, m.stop_row) for m in messages] == [(0, 1), (1, 2), (2, 3)]


def test_batching__a_row_over_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(_batching, "MESSAGE_LIMIT_BYTES", 100_000)
    messages = _batching.messages(rows_of([10] * 3 + [200_000]), FRAME, 64 << 10)
    with pytest.raises(InvalidArgumentError, match=r"row 3: it takes 200,\d+ bytes") as caught:
        list(messages)
    assert caught.value.row_index == 3


def test_batching__every_batch_has_an_id_of_its_own():
    messages = _batching.messages(rows_of([900] * 1000), FRAME, 64 << 10)
    seen = [content(message)["request_id"] for message in messages]
    assert len(seen) > 5
    assert len(set(seen)) == len(seen)


def test_batching__no_rows_are_no_message():
    assert list(_batching.messages(rows_of([]), FRAME)) == []
