"""Goal: what a server stores of a vector under each storage profile is, bit by bit, what the numpy text of docs/format/rounding.md
makes of it: in memory, in a part, and after a crash.
Method: that very text is taken out of the page and run, on vectors like embeddings, on bytes, on such as lie at the edge of a base,
and on the smallest and largest that are accepted; the server is asked for all of them after each of the three.

    cmake --build BUILD --target engine_server && PX_BUILD=BUILD pytest tests/interop/test_rounding.py
"""
import numpy
import pytest
from engine import Engine
from rounding import BITS, stored

DIMS = [1, 3, 8, 67, 256, 384]


def vectors(dims):
    """Adversarial rows of a dimension; all have norms that a collection under l2 accepts."""
    random = numpy.random.default_rng(dims)
    usual = random.standard_normal((60, dims))
    sizes = 1.0625 * numpy.sqrt((usual ** 2).mean(axis=1, keepdims=True))
    edges = usual / sizes * (1 + random.standard_normal((60, 1)) * 2.0 ** -random.integers(4, 30, (60, 1)))
    rows = [usual, usual / numpy.linalg.norm(usual, axis=1, keepdims=True), edges, edges * 2.0 ** -20,
            random.integers(-255, 256, (20, dims)), random.integers(-300, 300, (20, dims)),
            random.integers(0, 256, (20, dims)) + 0.5, usual * 1e-40, usual * 2.0 ** -100, usual * 1e15,
            random.standard_cauchy((40, dims)), numpy.zeros((1, dims)), -numpy.zeros((1, dims)),
            numpy.where(random.random((20, dims)) < 0.1, random.standard_normal((20, dims)), 0.0),
            # halfway between two points of the grid
            numpy.ldexp(random.integers(-1000, 1000, (40, dims)) * 2 + 1.0, random.integers(-14, -8, (40, 1)))]
    return numpy.concatenate(rows).astype(numpy.float32)


def scanned(client, count):
    """By id, as bytes."""
    records = {record.id: record for record in client.scan("rounding", batch_size=500)}
    assert len(records) == count
    return numpy.stack([records[f"v{i}"].vector for i in range(count)])


def assert_equal_bits(found, expected):
    differing = (found.view(numpy.uint32) != expected.view(numpy.uint32)).any(axis=1)
    assert not differing.any(), (numpy.flatnonzero(differing)[:5], found[differing][0], expected[differing][0])


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("storage", [*BITS, "exact"])
def test_rounding__the_server_stores_what_the_page_says(tmp_path, storage, dims):
    given = vectors(dims)
    expected = stored(given, storage)
    assert_equal_bits(stored(expected, storage), expected)
    assert numpy.array_equal(expected, given) == (storage == "exact")
    ids = [f"v{i}" for i in range(len(given))]
    with Engine(tmp_path / "data") as engine:
        engine.client.create_collection("rounding", dims, metric="l2", storage=storage)
        engine.client.insert("rounding", given, ids)
        assert_equal_bits(scanned(engine.client, len(ids)), expected)
        engine.kill()
    with Engine(tmp_path / "data") as engine:
        assert_equal_bits(scanned(engine.client, len(ids)), expected)
        engine.client.flush("rounding")
        assert_equal_bits(scanned(engine.client, len(ids)), expected)
        engine.client.insert("rounding", expected, [f"again{i}" for i in range(len(ids))])
        again = {record.id: record.vector for record in engine.client.scan("rounding")}
        assert_equal_bits(numpy.stack([again[f"again{i}"] for i in range(len(ids))]), expected)
        info = engine.client.get_collection("rounding")
        assert (info.storage, info.layout) == (storage, "compressed")
        assert info.mantissa_bits == BITS.get(storage, 23)
        assert info.relative_error == (2.0 ** -(BITS[storage] + 1) if storage in BITS else 0)
