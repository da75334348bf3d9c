"""Payloads against Avro's own rules.

Goal    What the SDK writes is byte for byte what an Avro library writes for the same rows, and what
        an Avro library writes the SDK reads. Damaged answers raise CorruptionError.
Method  fastavro is the oracle, with the embedded schemas. Rows are random: unicode, nulls, lists,
        numbers at the limits, uniform and mixed metadata, numpy scalars. The seed is printed.
"""

from __future__ import annotations

import io
import json
import math
import random
import string
from importlib import resources

import fastavro
import numpy as np
import pytest
from fake_server import decode, encode, fingerprint

from proximadb import CLEAR, CorruptionError, UnsupportedError, _requests, _results, avro
from proximadb._rows import COLUMNAR_ROWS, DeleteRows, InsertRows, UpdateRows, long_pieces
from proximadb.errors import InvalidArgumentError

SCHEMAS = sorted(
    path.name.split(".")[2] for path in (resources.files("proximadb") / "_schemas").iterdir()
)
LIMITS = [0, 1, -1, 63, 64, -64, -65, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63)]
REQUEST_ID = bytes(range(16))


def text(dice: random.Random, longest: int = 20) -> str:
    alphabet = string.printable + "äß∞漢字🚀\u0000\ud7ff\ue000\U0010ffff"
    return "".join(dice.choices(alphabet, k=dice.randrange(longest)))


def long(dice: random.Random) -> int:
    return dice.choice([dice.choice(LIMITS), dice.randrange(-200, 200), dice.getrandbits(62)])


def double(dice: random.Random) -> float:
    return dice.choice([0.0, -0.0, math.inf, -math.inf, 5e-324, dice.gauss(0, 1e9), 1.0])


def value(dice: random.Random):
    return dice.choice(
        [
            lambda: None,
            lambda: dice.random() < 0.5,
            lambda: long(dice),
            lambda: double(dice),
            lambda: text(dice),
            lambda: [text(dice) for _ in range(dice.randrange(4))],
            lambda: tuple(text(dice) for _ in range(dice.randrange(4))),
        ]
    )()


def mixed_metadata(dice: random.Random):
    if dice.random() < 0.2:
        return None
    return {text(dice) + str(i): value(dice) for i in range(dice.randrange(5))}


MAKERS = [
    lambda dice: None,
    lambda dice: dice.random() < 0.5,
    long,
    lambda dice: dice.randrange(2000),
    double,
    text,
    lambda dice: text(dice, 200),
    lambda dice: [text(dice)],
    value,
]


def uniform_metadata(dice: random.Random, count: int):
    """Rows of the same keys, most of whose columns are of one type."""
    keys = {text(dice) + str(i): dice.choice(MAKERS) for i in range(dice.randrange(6))}
    return [{key: make(dice) for key, make in keys.items()} for _ in range(count)]


def optional(dice: random.Random, make, count: int, others=(None,)):
    """A column that is absent, whole, or has gaps."""
    kind = dice.randrange(3)
    if kind == 0:
        return None
    column = [make(dice) for _ in range(count)]
    return column if kind == 1 else [dice.choice([*others, each]) for each in column]


def at(column, index):
    return column[index] if isinstance(column, (list, np.ndarray)) else column


def plain(metadata):
    """What an Avro library takes for the metadata of a row."""
    return {
        key: list(each) if isinstance(each, tuple) else each
        for key, each in (metadata or {}).items()
    }


def payload_of(rows, count: int) -> bytes:
    """A whole payload of encoded rows."""
    head = avro.header(rows.schema) + REQUEST_ID + avro.encode_long(count)
    return head + rows.encode(0, count) + avro.END + rows.tail


def assert_same(written: bytes, expected: bytes) -> None:
    if written != expected:
        index = next(
            (i for i, pair in enumerate(zip(written, expected)) if pair[0] != pair[1]),
            min(len(written), len(expected)),
        )
        pytest.fail(
            f"differ from byte {index} of {len(written)} and {len(expected)}: "
            f"{written[index - 20 : index + 20]!r} for {expected[index - 20 : index + 20]!r}"
        )


# ---- schemas ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMAS)
def test_avro__fingerprints_are_those_of_an_avro_library(name):
    assert avro.header(name) == b"\xc3\x01" + fingerprint(name)
    oracle = fastavro.schema.to_parsing_canonical_form(json.loads(avro.schema_text(name)))
    assert avro.canonical_form(json.loads(avro.schema_text(name))) == oracle


def test_avro__crc64_of_the_specification():
    # The Avro specification gives the fingerprint of the schema "int".
    assert avro.crc64(b'"int"') == 0x7275D51A3F395C8F


# ---- single values ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", LIMITS)
def test_avro__longs_at_the_limits(number):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, "long", number)
    assert avro.encode_long(number) == buffer.getvalue()
    assert _results.read_long(buffer.getvalue(), 0) == (number, len(buffer.getvalue()))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**200])
def test_avro__numbers_beyond_64_bits_are_refused(number):
    with pytest.raises(InvalidArgumentError):
        avro.encode_long(number)


def test_avro__columns_of_longs_equal_single_ones(dice):
    for _ in range(50):
        bits = dice.randrange(1, 64)
        column = [dice.getrandbits(bits) - (1 << bits >> 1) for _ in range(dice.randrange(1, 40))]
        assert long_pieces(np.array(column, np.int64)) == [avro.encode_long(i) for i in column]
    assert long_pieces(np.array(LIMITS, np.int64)) == [avro.encode_long(i) for i in LIMITS]


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (np.bool_(True), True),
        (np.int8(-5), -5),
        (np.uint64(2**63 - 1), 2**63 - 1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(0.1), 0.1),
        (np.str_("ä"), "ä"),
        (np.array(["a", "b"]), ["a", "b"]),
    ],
)
def test_avro__numpy_scalars_count_as_what_they_hold(given, same):
    assert avro.encode_value(given) == avro.encode_value(same)


@pytest.mark.parametrize("given", [b"x", {"a": 1}, [1], ["a", None], {1}, object(), 1j, 2**63])
def test_avro__values_without_a_type_are_refused(given):
    with pytest.raises(InvalidArgumentError):
        avro.encode_value(given)


# ---- batches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(40))
def test_avro__vector_batches_are_byte_identical(dice, rng, attempt):
    dice.seed(f"{dice.random()}{attempt}")
    count = dice.choice([1, 2, COLUMNAR_ROWS - 1, COLUMNAR_ROWS, 100])
    dimension = dice.choice([1, 3, 64, 384])
    vectors = rng.standard_normal((count, dimension)).astype(np.float32)
    metadata = dice.choice(
        [
            None,
            [mixed_metadata(dice) for _ in range(count)],
            uniform_metadata(dice, count),
            [{}] * count,
        ]
    )
    documents = optional(dice, lambda d: text(d, 200), count)
    timestamps = dice.choice([None, long(dice), np.array([long(dice) for _ in range(count)])])
    expires_at = optional(dice, long, count)
    ids = [text(dice) for _ in range(count)]
    rows = InsertRows(ids, vectors, metadata, documents, timestamps, expires_at)
    records = [
        {
            "id": ids[i],
            "vector": vectors[i].tolist(),
            "metadata": plain(at(metadata, i)),
            "document": at(documents, i),
            "timestamp_ms": None if timestamps is None else int(at(timestamps, i)),
            "expires_at_ms": at(expires_at, i),
        }
        for i in range(count)
    ]
    expected = encode("VectorBatch", {"request_id": REQUEST_ID, "records": records})
    assert_same(payload_of(rows, count), expected)


def cleared(each, name):
    """CLEAR as fastavro takes it: a branch of the union by name."""
    return (name, "CLEAR") if each is CLEAR else each


@pytest.mark.parametrize("attempt", range(40))
def test_avro__update_batches_are_byte_identical(dice, rng, attempt):
    dice.seed(f"{dice.random()}{attempt}")
    count = dice.choice([1, COLUMNAR_ROWS - 1, COLUMNAR_ROWS, 70])
    vectors = dice.choice([None, rng.standard_normal((count, 5)).astype(np.float32)])
    metadata = dice.choice(
        [None, [mixed_metadata(dice) for _ in range(count)], uniform_metadata(dice, count)]
    )
    documents = optional(dice, text, count, (None, CLEAR))
    expires_at = dice.choice([CLEAR, optional(dice, long, count, (None, CLEAR))])
    versions = dice.choice([optional(dice, long, count), np.arange(count)])
    ids = [text(dice) for _ in range(count)]
    rows = UpdateRows(ids, vectors, metadata, documents, expires_at, versions)
    updates = [
        {
            "id": ids[i],
            "vector": None if vectors is None else vectors[i].tolist(),
            "metadata": None if at(metadata, i) is None else plain(metadata[i]),
            "document": cleared(at(documents, i), "proximadb.v1.Clear"),
            "expires_at_ms": cleared(at(expires_at, i), "proximadb.v1.Clear"),
            "expected_version": None if versions is None else at(versions, i),
        }
        for i in range(count)
    ]
    for update in updates:
        if isinstance(update["expected_version"], np.integer):
            update["expected_version"] = int(update["expected_version"])
    expected = encode("UpdateBatch", {"request_id": REQUEST_ID, "updates": updates})
    assert_same(payload_of(rows, count), expected)


def test_avro__delete_batches_are_byte_identical(dice):
    ids = [text(dice) for _ in range(50)]
    datum = {"request_id": REQUEST_ID, "ids": ids, "filter": None, "params": {}}
    assert_same(payload_of(DeleteRows(ids), 50), encode("DeleteBatch", datum))


def test_avro__any_numeric_type_is_sent_as_float32(rng):
    exact = rng.integers(-100, 100, (20, 6)).astype(np.float32)
    ids = [str(i) for i in range(20)]
    expected = InsertRows(ids, exact, None, None, None, None).encode(0, 20)
    strided = np.zeros((40, 12), np.float32)
    strided[::2, ::2] = exact
    for same in (
        exact.astype(np.float64),
        exact.astype(np.float16),
        exact.astype(np.int8),
        exact.astype(">f4"),
        np.asfortranarray(exact),
        strided[::2, ::2],
    ):
        assert InsertRows(ids, same, None, None, None, None).encode(0, 20) == expected


@pytest.mark.parametrize("count", [1, COLUMNAR_ROWS + 10])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows, i: rows.metadata[i].update(k=object()),
        lambda rows, i: rows.metadata[i].update(k=2**63),
        lambda rows, i: rows.metadata[i].update(k="\ud800"),
        lambda rows, i: rows.metadata.__setitem__(i, {3: "x"}),
        lambda rows, i: rows.metadata.__setitem__(i, ["k"]),
        lambda rows, i: rows.documents.__setitem__(i, 5),
        lambda rows, i: rows.documents.__setitem__(i, "\ud800"),
        lambda rows, i: rows.ids.__setitem__(i, "\udfff"),
        lambda rows, i: rows.documents.__setitem__(i, CLEAR),
        lambda rows, i: rows.expires_at.__setitem__(i, 2**63),
        lambda rows, i: rows.expires_at.__setitem__(i, CLEAR),
    ],
)
def test_avro__what_cannot_be_encoded_names_its_row(count, spoil):
    metadata = [{"k": 1} for _ in range(count)]
    rows = InsertRows(
        [str(i) for i in range(count)],
        np.ones((count, 2), np.float32),
        metadata,
        ["text"] * count,
        None,
        [0] * count,
    )
    bad = count - 1
    spoil(rows, bad)
    with pytest.raises(InvalidArgumentError) as caught:
        rows.encode(0, count)
    assert caught.value.row_index == bad
    assert str(caught.value).startswith(f"row {bad}: ")


# ---- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(10))
def test_avro__requests_are_byte_identical(dice, rng, attempt):
    dice.seed(f"{dice.random()}{attempt}")
    filter = dice.choice([None, text(dice)])
    params = {} if filter is None else {"p" + text(dice): value(dice) for _ in range(3)}
    condition = _requests.filter_and_params(filter, params)
    asked = {"filter": filter, "params": plain(params)}

    queries = rng.standard_normal((dice.randrange(1, 20), 7)).astype(np.float32)
    flags = [dice.random() < 0.5 for _ in range(3)]
    ef, nprobe = dice.choice([None, 200]), dice.choice([None, 8])
    recall = dice.choice([None, 0.5, 0.99])
    settings = _requests.SearchSettings(
        10, filter, params, flags[0], flags[1], ef, nprobe, flags[2], recall
    )
    search = {
        "queries": queries.tolist(),
        "k": 10,
        **asked,
        "include_vectors": flags[0],
        "include_metadata": flags[1],
        "ef": ef,
        "nprobe": nprobe,
        "exact": flags[2],
        "target_recall": recall,
    }
    written = b"".join(_requests.search_payload(queries, settings.encode()))
    assert_same(written, encode("SearchRequest", search))

    ids = [text(dice) for _ in range(dice.randrange(1, 50))]
    get = {"ids": ids, "include_vectors": flags[0]}
    assert_same(b"".join(_requests.get_payload(ids, flags[0])), encode("GetRequest", get))

    cursor = dice.choice([None, text(dice)])
    scan = {**asked, "batch_size": 77, "include_vectors": flags[0], "cursor": cursor}
    written = b"".join(_requests.scan_payload(condition, 77, flags[0], cursor))
    assert_same(written, encode("ScanRequest", scan))

    assert_same(b"".join(_requests.count_payload(condition)), encode("CountRequest", asked))

    written = b"".join(_requests.delete_payload(condition))
    delete = {"request_id": written[10:26], "ids": [], **asked}
    assert_same(written, encode("DeleteBatch", delete))


# ---- answers ------------------------------------------------------------------------------------


def stored(dice: random.Random, rng: np.random.Generator) -> dict:
    """A row as answers have it."""
    vector = rng.standard_normal(dice.choice([1, 64, 400])).astype(np.float32)
    return {
        "id": text(dice, dice.choice([20, 600])),
        "version": long(dice),
        "score": double(dice),
        "distance": double(dice),
        "vector": dice.choice([None, vector]),
        "metadata": plain(mixed_metadata(dice)),
        "document": dice.choice([None, text(dice, 300)]),
        "timestamp_ms": long(dice),
        "expires_at_ms": dice.choice([None, long(dice)]),
    }


def as_written(row: dict) -> dict:
    return {**row, "vector": None if row["vector"] is None else row["vector"].tolist()}


def assert_row(found, row: dict) -> None:
    for name in ("id", "version", "metadata", "document"):
        assert getattr(found, name) == row[name], name
    if row["vector"] is None:
        assert found.vector is None
    else:
        assert found.vector.dtype == np.float32
        assert found.vector.flags.owndata and found.vector.flags.aligned
        assert found.vector.tobytes() == row["vector"].tobytes()


@pytest.mark.parametrize("attempt", range(10))
def test_avro__record_batches_are_read(dice, rng, attempt):
    dice.seed(f"{dice.random()}{attempt}")
    rows = [stored(dice, rng) for _ in range(dice.choice([0, 1, 63, 64, 150]))]
    cursor = dice.choice([None, text(dice, 100)])
    payload = encode("RecordBatch", {"records": [*map(as_written, rows)], "cursor": cursor})
    page = _results.decode_record_batch(payload)
    assert page.cursor == cursor
    assert len(page.records) == len(rows)
    for found, row in zip(page.records, rows):
        assert_row(found, row)
        assert (found.timestamp, found.expires_at) == (row["timestamp_ms"], row["expires_at_ms"])


@pytest.mark.parametrize("attempt", range(10))
def test_avro__search_results_are_read(dice, rng, attempt):
    dice.seed(f"{dice.random()}{attempt}")
    queries = [
        [stored(dice, rng) for _ in range(dice.choice([0, 1, 10]))]
        for _ in range(dice.randrange(70))
    ]
    for row in (row for rows in queries for row in rows):
        row["metadata"] = dice.choice([None, row["metadata"]])
    written = {"results": [[*map(as_written, rows)] for rows in queries]}
    results = _results.decode_search_result(encode("SearchResult", written))
    assert [len(hits) for hits in results] == [len(rows) for rows in queries]
    for hits, rows in zip(results, queries):
        for hit, row in zip(hits, rows):
            assert_row(hit, row)
            assert (hit.score, hit.distance) == (row["score"], row["distance"])


def test_avro__write_results_are_read():
    datum = {"row_count": 3, "first_version": 2**40, "affected": 2, "repeated": True}
    result = _results.decode_write_result(encode("WriteResult", datum))
    assert result._asdict() == datum


def test_avro__arrays_in_blocks_with_sizes_are_read():
    # A writer may end a block at any time and put its size in bytes behind a negative count.
    strings = lambda *texts: b"".join(map(avro.encode_string, texts))  # noqa: E731
    metadata = avro.encode_long(-1) + avro.encode_long(9) + strings("a") + avro.STRINGS
    metadata += avro.encode_long(2) + strings("x", "y")
    metadata += avro.encode_long(-1) + avro.encode_long(2) + strings("z") + avro.END
    metadata += avro.encode_long(1) + strings("b") + avro.BOOLEAN + avro.TRUE + avro.END
    row = strings("id") + avro.encode_long(1) + avro.NULL + metadata + avro.NULL
    row += avro.encode_long(5) + avro.NULL
    payload = avro.header("RecordBatch")
    payload += avro.encode_long(-1) + avro.encode_long(len(row)) + row
    payload += avro.encode_long(1) + row + avro.END + avro.NULL
    assert decode("RecordBatch", payload)["records"][0]["metadata"] == {
        "a": ["x", "y", "z"],
        "b": True,
    }
    records = _results.decode_record_batch(payload).records
    assert [record.metadata for record in records] == [{"a": ["x", "y", "z"], "b": True}] * 2


def test_avro__damaged_answers_never_give_rows(dice, rng):
    rows = [as_written(stored(dice, rng)) for _ in range(5)]
    payload = encode("RecordBatch", {"records": rows, "cursor": "more"})
    for size in range(10, len(payload)):
        with pytest.raises(CorruptionError):
            _results.decode_record_batch(payload[:size])
    with pytest.raises(CorruptionError):
        _results.decode_record_batch(payload + b"\0")


def test_avro__altered_answers_are_read_or_refused_but_nothing_else(dice, rng):
    rows = [as_written(stored(dice, rng)) for _ in range(3)]
    payload = encode("RecordBatch", {"records": rows, "cursor": None})
    refused = 0
    for _ in range(3000):
        altered = bytearray(payload)
        for _ in range(dice.randrange(1, 4)):
            altered[dice.randrange(10, len(altered))] = dice.choice([0, 1, 0x7F, 0x80, 0xFF])
        try:
            _results.decode_record_batch(bytes(altered))
        except CorruptionError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize(
    ("datum", "what"),
    [
        (b"\xff" * 1000, "more than 64 bits"),
        (b"\x80" * 10 + b"\x01", "more than 64 bits"),
        (avro.encode_long(2**40), "a block of 1099511627776 items"),
        (avro.encode_long(-(2**40)) + b"\0", "a block of 1099511627776 items"),
        (b"\x02" + avro.encode_long(-1), "a size of -1"),
        (b"\x02" + avro.encode_long(2**40), "a size of 1099511627776"),
        (b"\x02" + b"\0" + b"\0" + b"\x04", "branch of a union"),
        (b"\x02" + b"\0" + b"\0" + b"\0" + b"\x02\0" + b"\x0c", "12"),
    ],
)
def test_avro__hostile_numbers_are_refused_by_name(datum, what):
    with pytest.raises(CorruptionError, match=what):
        _results.decode_record_batch(avro.header("RecordBatch") + datum)


def test_avro__a_vector_is_in_one_block():
    row = avro.encode_string("id") + avro.encode_long(1) + avro.PRESENT
    row += (avro.encode_long(1) + bytes(4)) * 2 + avro.END
    with pytest.raises(CorruptionError, match="several blocks"):
        _results.decode_record_batch(avro.header("RecordBatch") + avro.encode_long(1) + row)


def test_avro__another_schema_is_told_from_damage():
    newer = b"\xc3\x01" + bytes(8) + b"\0"
    with pytest.raises(UnsupportedError):
        _results.decode_search_result(newer)
    with pytest.raises(CorruptionError):
        _results.decode_search_result(b"")
    with pytest.raises(CorruptionError):
        _results.decode_search_result(b"{}")
