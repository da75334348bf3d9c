"""What a client may rely on, whatever is behind it.

Goal    The server's meaning of every call as users see it: atomic batches, versions, merging,
        filters, snapshots, limits and errors.
Method  Every test runs through the blocking and the asyncio client, against the fake server, or
        against a real one when PROXIMADB_TEST_TARGET names it. Each has a collection of its own.
        Filters are comparisons joined by AND, which is all the fake knows.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

import proximadb

TARGET = os.environ.get("PROXIMADB_TEST_TARGET")
API_KEY = os.environ.get("PROXIMADB_TEST_API_KEY")
DIMENSION = 4


@pytest.fixture
def connect(make_client, request):
    """Makes clients of the server under test."""
    target = TARGET or request.getfixturevalue("fake").target

    def make(**settings):
        return make_client(target, api_key=API_KEY, **settings)

    return make


@pytest.fixture
def client(connect):
    return connect()


@pytest.fixture
def make_collection(client):
    """Makes collections and deletes them in the end."""
    made = []

    def make(name, dimension=DIMENSION, **settings):
        info = client.create_collection(name, dimension, **settings)
        made.append(name)
        return info

    yield make
    for name in made:
        with contextlib.suppress(proximadb.CollectionNotFoundError):
            client.delete_collection(name)


@pytest.fixture
def docs(make_collection, unique_name):
    """The name of an empty collection of dimension 4 under l2."""
    make_collection(unique_name, metric="l2")
    return unique_name


def vectors(count, first=0, dimension=DIMENSION):
    """Row i is (first + i + 1, 1, 1, ...): all different, none of norm 0."""
    made = np.ones((count, dimension), np.float32)
    made[:, 0] = np.arange(first + 1, first + count + 1)
    return made


def ids_of(rows):
    return [row.id for row in rows]


def content(client, name):
    """All rows of a collection by id."""
    return {row.id: row for row in client.scan(name)}


# ---- collections --------------------------------------------------------------------------------


def test_contract__create_describes_the_collection(make_collection, client, unique_name):
    before = time.time() * 1000 - 60_000
    fields = {"category": "string", "price": "double"}
    info = make_collection(unique_name, 7, metric="dot", index_type="FLAT", filterable=fields)
    assert (info.name, info.dimension, info.metric, info.index_type, info.storage) == (
        unique_name,
        7,
        "dot",
        "FLAT",
        "balanced",
    )
    assert (info.layout, info.mantissa_bits, info.relative_error) == ("compressed", 7, 2**-8)
    assert info.filterable == fields
    assert len(info.id) == 36
    assert before < info.created_at < time.time() * 1000 + 60_000
    assert info.vector_count == 0
    assert info.last_version == 0
    assert info.read_only_reason is None
    found = client.get_collection(unique_name)
    assert (found.id, found.created_at, found.filterable) == (info.id, info.created_at, fields)


def test_contract__metric_and_index_have_defaults(make_collection, unique_name):
    info = make_collection(unique_name)
    assert (info.metric, info.index_type) == ("cosine", "HNSW")


def test_contract__create_of_a_taken_name_fails(make_collection, client, unique_name):
    make_collection(unique_name)
    with pytest.raises(proximadb.CollectionExistsError) as caught:
        client.create_collection(unique_name, DIMENSION)
    assert caught.value.reason == "COLLECTION_EXISTS"


def test_contract__exist_ok_accepts_an_equal_collection_only(make_collection, client, unique_name):
    made = make_collection(unique_name)
    again = client.create_collection(unique_name, DIMENSION, exist_ok=True)
    assert again.id == made.id
    with pytest.raises(proximadb.CollectionExistsError):
        client.create_collection(unique_name, DIMENSION + 1, exist_ok=True)


@pytest.mark.parametrize(
    "name", ["", "-a", "a b", "a/b", "..", "a.b", "ä", "a" * 129, "a\0b", "_a"]
)
def test_contract__bad_names_are_refused(client, name):
    with pytest.raises(proximadb.InvalidArgumentError):
        client.create_collection(name, DIMENSION)


@pytest.mark.parametrize("dimension", [0, 65_537, 2**31 - 1])
def test_contract__bad_dimensions_are_refused(client, unique_name, dimension):
    with pytest.raises(proximadb.InvalidArgumentError):
        client.create_collection(unique_name, dimension)


@pytest.mark.parametrize(
    "settings",
    [
        {"metric": "manhattan"},
        {"index_type": "LSH"},
        {"filterable": {"9lives": "long"}},
        {"filterable": {"price": "decimal"}},
        {"filterable": {"price": "long", "PRICE": "long"}},
    ],
)
def test_contract__bad_settings_are_refused(client, unique_name, settings):
    with pytest.raises(proximadb.InvalidArgumentError):
        client.create_collection(unique_name, DIMENSION, **settings)


def test_contract__list_is_sorted_by_name(make_collection, client, unique_name):
    names = [f"{unique_name}-{letter}" for letter in "cab"]
    for name in names:
        make_collection(name)
    found = [info.name for info in client.list_collections()]
    assert found == sorted(found)
    assert set(names) <= set(found)


def test_contract__update_collection_replaces_the_fields(docs, client):
    info = client.update_collection(docs, {"year": "long"})
    assert info.filterable == {"year": "long"}
    assert client.get_collection(docs).filterable == {"year": "long"}


def test_contract__a_deleted_collection_is_gone(docs, client):
    client.insert(docs, vectors(1))
    client.delete_collection(docs)
    assert docs not in [info.name for info in client.list_collections()]
    with pytest.raises(proximadb.CollectionNotFoundError):
        client.get_collection(docs)


def test_contract__a_collection_made_anew_is_empty(docs, client):
    client.insert(docs, vectors(1), ids=["a"])
    old = client.get_collection(docs).id
    client.delete_collection(docs)
    made = client.create_collection(docs, DIMENSION)
    assert made.id != old
    assert client.get(docs, ["a"]) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.get_collection("missing"),
        lambda c: c.update_collection("missing", {}),
        lambda c: c.delete_collection("missing"),
        lambda c: c.flush("missing"),
        lambda c: c.compact("missing"),
        lambda c: c.insert("missing", vectors(1)),
        lambda c: c.upsert("missing", vectors(1)),
        lambda c: c.update("missing", ["a"], vectors=vectors(1)),
        lambda c: c.delete("missing", ["a"]),
        lambda c: c.delete("missing", filter="a = 1"),
        lambda c: c.get("missing", ["a"]),
        lambda c: c.search("missing", vectors(1)[0]),
        lambda c: list(c.scan("missing")),
        lambda c: c.count("missing"),
    ],
)
def test_contract__an_unknown_collection_is_named_as_such(client, call):
    with pytest.raises(proximadb.CollectionNotFoundError) as caught:
        call(client)
    assert caught.value.reason == "COLLECTION_NOT_FOUND"
    assert "missing" in str(caught.value)


# ---- insert and upsert --------------------------------------------------------------------------


def test_contract__insert_returns_ids_and_consecutive_versions(docs, client):
    first = client.insert(docs, vectors(3), ids=["a", "b", "c"])
    second = client.insert(docs, vectors(2), ids=["d", "e"])
    assert first.ids == ["a", "b", "c"]
    assert first.versions.tolist() == [1, 2, 3]
    assert second.versions.tolist() == [4, 5]
    assert client.get_collection(docs).last_version == 5
    assert client.get_collection(docs).vector_count == 5


def test_contract__missing_ids_are_made_and_stored(docs, client):
    result = client.insert(docs, vectors(20))
    assert len(set(result.ids)) == 20
    assert result.ids == sorted(result.ids)
    assert ids_of(client.get(docs, result.ids)) == result.ids


def test_contract__a_row_comes_back_as_it_was_given(make_collection, client, unique_name):
    make_collection(unique_name, metric="l2", storage="exact")
    metadata = {
        "bool": True,
        "int": 7,
        "big": 2**63 - 1,
        "small": -(2**63),
        "whole": 1.0,
        "float": 0.1,
        "text": "Köln ∞ 🚀",
        "empty": "",
        "list": ["x", "ÿ", ""],
        "none": [],
    }
    given = np.array([[0.1, -2.5, 3e-20, 1e10]], np.float32)
    client.insert(
        unique_name,
        given,
        ids=["rose-🌹"],
        metadata=[metadata],
        documents=["The text, “quoted”.\n\tAnd \x01 more."],
        timestamps=[1_700_000_000_123],
        expires_at=datetime(2099, 1, 1, tzinfo=timezone.utc),
    )
    (row,) = client.get(unique_name, ["rose-🌹"])
    assert row.id == "rose-🌹"
    assert row.vector.dtype == np.float32
    assert row.vector.tobytes() == given.tobytes()
    assert row.metadata == metadata
    assert {key: type(value) for key, value in row.metadata.items()} == {
        key: type(value) for key, value in metadata.items()
    }
    assert row.document == "The text, “quoted”.\n\tAnd \x01 more."
    assert row.timestamp == 1_700_000_000_123
    assert row.expires_at == 4_070_908_800_000
    assert row.version == 1


def test_contract__a_bare_row_has_defaults(docs, client):
    before = int(time.time() * 1000) - 60_000
    client.insert(docs, vectors(1), ids=["a"])
    (row,) = client.get(docs, ["a"])
    assert row.metadata == {}
    assert row.document is None
    assert row.expires_at is None
    assert before < row.timestamp < time.time() * 1000 + 60_000


def test_contract__insert_of_a_taken_id_changes_nothing(docs, client):
    client.insert(docs, vectors(1), ids=["a"], metadata=[{"n": 1}])
    before = content(client, docs)
    with pytest.raises(proximadb.AlreadyExistsError) as caught:
        client.insert(docs, vectors(3, first=5), ids=["x", "a", "y"])
    assert caught.value.row_index == 1
    assert caught.value.reason == "VECTOR_EXISTS"
    assert caught.value.acknowledged_rows == 0
    assert caught.value.first_failed_row == 0
    assert content(client, docs) == before
    assert client.count(docs) == 1


def test_contract__upsert_replaces_the_whole_row(docs, client):
    client.insert(docs, vectors(1), ids=["a"], metadata=[{"n": 1, "m": 2}], documents=["old"])
    result = client.upsert(docs, vectors(2, first=7), ids=["a", "b"], metadata=[{"k": 3}, None])
    rows = content(client, docs)
    assert rows["a"].metadata == {"k": 3}
    assert rows["a"].document is None
    assert rows["a"].vector[0] == 8
    assert [rows["a"].version, rows["b"].version] == result.versions.tolist()
    assert client.count(docs) == 2


def test_contract__a_wrong_dimension_is_refused_with_both_numbers(docs, client):
    with pytest.raises(proximadb.DimensionError) as caught:
        client.insert(docs, vectors(2, dimension=DIMENSION + 1))
    assert (caught.value.expected, caught.value.actual) == (DIMENSION, DIMENSION + 1)
    assert caught.value.row_index == 0
    with pytest.raises(proximadb.DimensionError) as caught:
        client.search(docs, np.ones(DIMENSION - 1))
    assert (caught.value.expected, caught.value.actual) == (DIMENSION, DIMENSION - 1)
    assert client.count(docs) == 0


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_contract__vectors_that_are_not_finite_are_refused(docs, client, poison):
    given = vectors(3)
    given[1, 2] = poison
    with pytest.raises(proximadb.InvalidArgumentError) as caught:
        client.insert(docs, given)
    assert caught.value.row_index == 1
    assert client.count(docs) == 0
    with pytest.raises(proximadb.InvalidArgumentError):
        client.search(docs, given[1])


def test_contract__cosine_refuses_the_zero_vector(make_collection, client, unique_name):
    make_collection(unique_name, metric="cosine")
    with pytest.raises(proximadb.InvalidArgumentError) as caught:
        client.insert(unique_name, np.zeros((1, DIMENSION)))
    assert caught.value.row_index == 0
    with pytest.raises(proximadb.InvalidArgumentError):
        client.search(unique_name, np.zeros(DIMENSION))


@pytest.mark.parametrize("bad", ["", "x" * 513, "a\0b", "ü" * 257])
def test_contract__bad_ids_are_refused(docs, client, bad):
    with pytest.raises(proximadb.InvalidArgumentError) as caught:
        client.insert(docs, vectors(2), ids=["good", bad])
    assert caught.value.row_index == 1
    assert client.count(docs) == 0


def test_contract__the_longest_id_is_accepted(docs, client):
    client.insert(docs, vectors(1), ids=["x" * 512])
    assert ids_of(client.get(docs, ["x" * 512])) == ["x" * 512]


def test_contract__an_expired_row_is_gone(docs, client):
    soon = int(time.time() * 1000) + 400
    client.insert(docs, vectors(2), ids=["stays", "goes"], expires_at=[None, soon])
    time.sleep(1.0)
    assert ids_of(client.get(docs, ["stays", "goes"])) == ["stays"]
    assert client.count(docs) == 1
    assert ids_of(client.search(docs, vectors(1)[0])) == ["stays"]
    client.insert(docs, vectors(1), ids=["goes"])


def test_contract__a_large_call_is_split_and_complete(docs, connect):
    client = connect(message_bytes=8 << 10)
    seen = []
    result = client.insert(
        docs,
        vectors(2000),
        ids=[f"row-{i:05}" for i in range(2000)],
        progress=lambda done, total: seen.append((done, total)),
    )
    assert result.versions.tolist() == list(range(1, 2001))
    assert client.count(docs) == 2000
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert seen[-1] == (2000, 2000)
    assert sorted(content(client, docs)) == result.ids


def test_contract__a_failure_in_the_middle_says_how_far_it_came(docs, connect):
    client = connect(message_bytes=8 << 10)
    names = [f"row-{i:05}" for i in range(2000)]
    client.insert(docs, vectors(1), ids=[names[1500]])
    with pytest.raises(proximadb.AlreadyExistsError) as caught:
        client.insert(docs, vectors(2000), ids=names)
    error = caught.value
    assert 0 < error.acknowledged_rows <= 1500
    assert error.first_failed_row == error.acknowledged_rows
    assert error.row_index == 1500
    assert error.partial_result.ids == names[: error.acknowledged_rows]
    assert client.count(docs) == error.acknowledged_rows + 1
    stored = {row.id: row.version for row in client.get(docs, error.partial_result.ids)}
    assert list(stored.values()) == error.partial_result.versions.tolist()


# ---- update and delete --------------------------------------------------------------------------


def test_contract__update_merges_metadata(docs, client):
    client.insert(docs, vectors(1), ids=["a"], metadata=[{"n": 1, "m": 2}], documents=["text"])
    before = content(client, docs)["a"]
    result = client.update(docs, ["a"], metadata=[{"m": None, "k": "new", "n": 5}])
    after = content(client, docs)["a"]
    assert after.metadata == {"n": 5, "k": "new"}
    assert after.document == "text"
    assert after.vector.tobytes() == before.vector.tobytes()
    assert after.timestamp == before.timestamp
    assert result.ids == ["a"]
    assert after.version == result.versions[0] > before.version


def test_contract__update_changes_only_what_is_given(docs, client):
    client.insert(
        docs, vectors(2), ids=["a", "b"], documents=["one", "two"], metadata=[{"n": 1}, {"n": 2}]
    )
    client.update(docs, ["b", "a"], vectors=vectors(2, first=50), documents=[None, "changed"])
    rows = content(client, docs)
    assert (rows["a"].document, rows["b"].document) == ("changed", "two")
    assert (rows["a"].vector[0], rows["b"].vector[0]) == (52, 51)
    assert (rows["a"].metadata, rows["b"].metadata) == ({"n": 1}, {"n": 2})


def test_contract__clear_removes_document_and_expiry(docs, client):
    later = int(time.time() * 1000) + 3_600_000
    client.insert(docs, vectors(2), ids=["a", "b"], documents=["one", "two"], expires_at=later)
    client.update(
        docs, ["a", "b"], documents=[proximadb.CLEAR, None], expires_at=[None, proximadb.CLEAR]
    )
    rows = content(client, docs)
    assert (rows["a"].document, rows["b"].document) == (None, "two")
    assert (rows["a"].expires_at, rows["b"].expires_at) == (later, None)


def test_contract__update_of_an_unknown_id_changes_nothing(docs, client):
    client.insert(docs, vectors(1), ids=["a"], metadata=[{"n": 1}])
    before = content(client, docs)
    with pytest.raises(proximadb.VectorNotFoundError) as caught:
        client.update(docs, ["a", "missing"], metadata=[{"n": 2}, {"n": 3}])
    assert caught.value.row_index == 1
    assert content(client, docs) == before


def test_contract__expected_versions_are_compared(docs, client):
    made = client.insert(docs, vectors(2), ids=["a", "b"])
    changed = client.update(
        docs, ["a", "b"], metadata=[{"n": 1}, {"n": 1}], expected_versions=made.versions
    )
    with pytest.raises(proximadb.VersionMismatchError) as caught:
        client.update(
            docs,
            ["b", "a"],
            metadata=[{"n": 2}, {"n": 2}],
            expected_versions=[None, made.versions[0]],
        )
    assert caught.value.row_index == 1
    assert caught.value.expected == made.versions[0]
    assert caught.value.actual == changed.versions[0]
    assert {row.metadata["n"] for row in client.scan(docs)} == {1}


def test_contract__delete_counts_and_ignores_unknown_ids(docs, client):
    client.insert(docs, vectors(3), ids=["a", "b", "c"])
    assert client.delete(docs, ["a", "missing", "c"]) == 2
    assert client.delete(docs, ["a", "c"]) == 0
    assert client.delete(docs, []) == 0
    assert list(content(client, docs)) == ["b"]
    client.insert(docs, vectors(1), ids=["a"])
    assert client.count(docs) == 2


def test_contract__delete_by_filter(docs, client):
    kinds = ["net", "web", "net", "db"]
    client.insert(docs, vectors(4), ids=list("abcd"), metadata=[{"kind": kind} for kind in kinds])
    assert client.delete(docs, filter="kind = 'net'") == 2
    assert client.delete(docs, filter="kind = $kind", params={"kind": "db"}) == 1
    assert list(content(client, docs)) == ["b"]


def test_contract__versions_only_grow(docs, client):
    first = client.insert(docs, vectors(1), ids=["a"]).versions[0]
    client.delete(docs, ["a"])
    second = client.insert(docs, vectors(1), ids=["a"]).versions[0]
    third = client.upsert(docs, vectors(1), ids=["a"]).versions[0]
    assert first < second < third
    assert client.get(docs, ["a"])[0].version == third


# ---- reads --------------------------------------------------------------------------------------


def test_contract__get_leaves_out_unknown_ids_and_keeps_order(docs, client):
    client.insert(docs, vectors(3), ids=["a", "b", "c"])
    assert ids_of(client.get(docs, ["c", "missing", "a"])) == ["c", "a"]
    assert ids_of(client.get(docs, ["a", "b", "a"])) == ["a", "b", "a"]
    assert client.get(docs, []) == []


def test_contract__get_leaves_out_vectors_if_asked(docs, client):
    client.insert(docs, vectors(1), ids=["a"], documents=["text"])
    (row,) = client.get(docs, ["a"], include_vectors=False)
    assert row.vector is None
    assert row.document == "text"


def test_contract__get_takes_any_number_of_ids(docs, client):
    names = client.insert(docs, vectors(2500)).ids
    asked = [*names, *(f"missing-{i}" for i in range(9000))]
    assert ids_of(client.get(docs, asked, include_vectors=False)) == names
    assert ids_of(client.get(docs, names)) == names


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_contract__search_scores_by_the_metric(make_collection, client, unique_name, metric, rng):
    make_collection(unique_name, 16, metric=metric, storage="exact")
    stored = rng.standard_normal((50, 16)).astype(np.float32)
    query = rng.standard_normal(16).astype(np.float32)
    names = [f"r{i:02}" for i in range(50)]
    client.insert(unique_name, stored, ids=names)
    x, q = stored.astype(float), query.astype(float)
    if metric == "l2":
        distances = np.sqrt(((x - q) ** 2).sum(1))
        scores = -distances
    else:
        scores = x @ q
        if metric == "cosine":
            scores /= np.linalg.norm(x, axis=1) * np.linalg.norm(q)
        distances = 1 - scores if metric == "cosine" else -scores
    order = np.argsort(distances)[:10]
    hits = client.search(unique_name, query, exact=True)
    assert ids_of(hits) == [names[i] for i in order]
    assert [hit.distance for hit in hits] == pytest.approx(distances[order], abs=1e-5)
    assert [hit.score for hit in hits] == pytest.approx(scores[order], abs=1e-5)


def test_contract__equal_distances_are_ordered_by_id(docs, client):
    names = ["b", "ä", "a", "Z", "aa"]
    client.insert(docs, np.ones((5, DIMENSION)), ids=names)
    found = ids_of(client.search(docs, np.ones(DIMENSION)))
    assert found == sorted(names, key=str.encode)


@pytest.mark.parametrize("index_type", ["HNSW", "IVF", "FLAT"])
@pytest.mark.parametrize(
    "effort", [{}, {"ef": 7}, {"nprobe": 1}, {"nprobe": 65_536}, {"target_recall": 0.5}]
)
def test_contract__no_index_hides_a_row(make_collection, client, unique_name, index_type, effort):
    info = make_collection(unique_name, 8, metric="l2", storage="exact", index_type=index_type)
    assert info.index_type == index_type
    stored = np.eye(8, dtype=np.float32)
    client.insert(unique_name, stored, ids=list("abcdefgh"))
    for row, letter in zip(stored, "abcdefgh"):
        hits = client.search(unique_name, row, k=8, **effort)
        assert len(hits) == 8
        assert (hits[0].id, hits[0].distance) == (letter, 0)
    client.delete(unique_name, ids=["a"])
    assert "a" not in ids_of(client.search(unique_name, stored[0], k=8, **effort))


@pytest.mark.parametrize("effort", [{"nprobe": 0}, {"nprobe": 65_537}, {"ef": 0}, {"ef": 10_001}])
def test_contract__efforts_have_bounds(make_collection, client, unique_name, effort):
    make_collection(unique_name, index_type="IVF")
    with pytest.raises(proximadb.InvalidArgumentError, match=next(iter(effort))):
        client.search(unique_name, np.ones(DIMENSION), **effort)


def test_contract__search_gives_all_when_k_is_larger(docs, client):
    assert client.search(docs, np.ones(DIMENSION)) == []
    client.insert(docs, vectors(3), ids=["a", "b", "c"])
    assert ids_of(client.search(docs, vectors(1)[0], k=10_000)) == ["a", "b", "c"]
    assert ids_of(client.search(docs, vectors(1)[0], k=2)) == ["a", "b"]


def test_contract__a_batch_of_queries_gives_a_list_each(docs, client):
    client.insert(docs, vectors(5), ids=list("abcde"))
    results = client.search(docs, vectors(5)[[4, 0]], k=2)
    assert [ids_of(hits) for hits in results] == [["e", "d"], ["a", "b"]]
    assert client.search(docs, np.empty((0, DIMENSION))) == []


def test_contract__search_leaves_out_what_is_not_asked_for(docs, client):
    client.insert(docs, vectors(1), ids=["a"], metadata=[{"n": 1}], documents=["text"])
    (hit,) = client.search(docs, vectors(1)[0])
    assert (hit.metadata, hit.document, hit.vector) == ({"n": 1}, "text", None)
    (hit,) = client.search(docs, vectors(1)[0], include_vectors=True, include_metadata=False)
    assert (hit.metadata, hit.document) == (None, None)
    assert hit.vector.tolist() == [1, 1, 1, 1]
    assert hit.version == 1


def test_contract__a_filter_is_never_ignored(docs, client):
    kinds = ["net", "web", "net", "db"]
    client.insert(docs, vectors(4), ids=list("abcd"), metadata=[{"kind": kind} for kind in kinds])
    query = vectors(1)[0]
    assert ids_of(client.search(docs, query, filter="kind = 'net'")) == ["a", "c"]
    assert ids_of(client.search(docs, query, k=1, filter="kind = 'db'")) == ["d"]
    assert client.search(docs, query, filter="missing = 1") == []
    hits = client.search(docs, query, filter="kind = $k", params={"k": "web"})
    assert ids_of(hits) == ["b"]
    assert client.count(docs, filter="kind = 'net'") == 2
    assert client.count(docs, filter="kind != 'net'") == 2
    assert client.count(docs, filter="missing != 1") == 0
    assert sorted(ids_of(client.scan(docs, filter="kind = 'net'"))) == ["a", "c"]


def test_contract__comparisons_keep_types_apart(docs, client):
    numbers = [1, 2.0, 2, 3.5, True, "2", None]
    client.insert(
        docs, vectors(7), ids=list("abcdefg"), metadata=[{"n": number} for number in numbers]
    )
    matching = lambda filter: sorted(ids_of(client.scan(docs, filter=filter)))  # noqa: E731
    assert matching("n = 2") == ["b", "c"]
    assert matching("n >= 2.0") == ["b", "c", "d"]
    assert matching("n < 2") == ["a"]
    assert matching("n = '2'") == ["f"]
    assert matching("n != 2") == ["a", "d"]
    assert matching("n = TRUE") == ["e"]
    assert matching("n > 1 AND n < 3") == ["b", "c"]


def test_contract__a_parameter_is_a_value_whatever_is_in_it(docs, client):
    nasty = "' OR 'a' = 'a"
    client.insert(docs, vectors(2), ids=["a", "b"], metadata=[{"kind": nasty}, {"kind": "x"}])
    assert client.count(docs, filter="kind = $k", params={"k": nasty}) == 1
    assert client.count(docs, filter="kind = $k", params={"k": "' OR 1 = 1"}) == 0


@pytest.mark.parametrize("bad", ["kind =", "= 'a'", "kind = 'a' AND", "kind ~ 'a'", "kind = $k"])
def test_contract__a_filter_that_does_not_parse_is_an_error(docs, client, bad):
    client.insert(docs, vectors(1), metadata=[{"kind": "a"}])
    for call in (
        lambda: client.search(docs, vectors(1)[0], filter=bad),
        lambda: list(client.scan(docs, filter=bad)),
        lambda: client.count(docs, filter=bad),
        lambda: client.delete(docs, filter=bad),
    ):
        with pytest.raises(proximadb.InvalidArgumentError):
            call()
    assert client.count(docs) == 1


@pytest.mark.parametrize("k", [0, -1, 10_001])
def test_contract__k_has_limits(docs, client, k):
    with pytest.raises(proximadb.InvalidArgumentError):
        client.search(docs, vectors(1)[0], k=k)


def test_contract__scan_gives_every_row_once(docs, client):
    made = client.insert(docs, vectors(251))  # numbers that rounding leaves as they are
    rows = list(client.scan(docs, batch_size=50))
    assert sorted(ids_of(rows)) == made.ids
    assert {row.id: row.vector[0] for row in rows} == dict(zip(made.ids, vectors(251)[:, 0]))
    assert {row.id: row.version for row in rows} == dict(zip(made.ids, made.versions.tolist()))
    assert all(row.vector is None for row in client.scan(docs, include_vectors=False))
    assert list(client.scan(docs, filter="missing = 1")) == []


def test_contract__scan_sees_one_moment(docs, client):
    made = client.insert(docs, vectors(100), metadata=[{"n": 1}] * 100)
    rows = client.scan(docs, batch_size=10)
    seen = [next(rows)]
    client.delete(docs, made.ids[:50])
    client.insert(docs, vectors(5))
    client.update(docs, made.ids[50:], metadata=[{"n": 2}] * 50)
    seen.extend(rows)
    assert sorted(ids_of(seen)) == made.ids
    assert {row.metadata["n"] for row in seen} == {1}


@pytest.mark.parametrize("batch_size", [0, 10_001])
def test_contract__scan_pages_have_limits(docs, client, batch_size):
    with pytest.raises(proximadb.InvalidArgumentError):
        list(client.scan(docs, batch_size=batch_size))


def test_contract__count_is_exact(docs, client):
    assert client.count(docs) == 0
    client.insert(docs, vectors(10), ids=[str(i) for i in range(10)])
    client.upsert(docs, vectors(10), ids=[str(i) for i in range(10)])
    client.delete(docs, ["3"])
    assert client.count(docs) == 9
    assert client.get_collection(docs).vector_count == 9


def test_contract__the_readme_is_right(connect, unique_name, request, capsys):
    readme = Path(__file__).parent.parent / "README.md"
    code = re.search(r"```python\n(.*?)```", readme.read_text(), re.S)[1]
    target = TARGET or request.getfixturevalue("fake").target
    code = code.replace('"localhost:5678"', f'"{target}", {API_KEY!r}')
    code = code.replace('"docs"', f'"{unique_name}"')
    client = connect()
    try:
        exec(compile(code, str(readme), "exec"), {})
        shown = capsys.readouterr().out.splitlines()
        assert len(shown) == 5 + client.count(unique_name)
        assert client.count(unique_name) == 801  # 200 of before 2005, one of which is updated
    finally:
        client.delete_collection(unique_name)


# ---- upkeep -------------------------------------------------------------------------------------


def test_contract__flush_and_compact_keep_every_row(docs, client):
    made = client.insert(docs, vectors(300), metadata=[{"n": i} for i in range(300)])
    client.flush(docs)
    client.delete(docs, made.ids[:10])
    client.update(docs, made.ids[10:20], metadata=[{"n": -1}] * 10)
    before = content(client, docs)
    client.flush(docs)
    assert content(client, docs) == before
    assert client.compact(docs).row_count == 290
    assert content(client, docs) == before
    assert client.search(docs, vectors(1)[0], k=1)[0].id == made.ids[10]


def test_contract__the_server_answers_about_itself(client):
    health = client.health()
    assert health
    assert health.status == "SERVING"
    text = client.metrics()
    assert "proximadb" in text
    assert text.endswith("\n")


def test_contract__concurrent_batches_get_versions_of_their_own(docs, connect):
    def work(number):
        client = connect()
        return client.insert(docs, vectors(10), ids=[f"{number}-{i}" for i in range(10)])

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(8)))
    versions = np.concatenate([result.versions for result in results])
    assert sorted(versions.tolist()) == list(range(1, 81))
    assert all(np.all(np.diff(result.versions) == 1) for result in results)
