"""Goal: what does not fit one answer (60 MiB) is refused for good, by REST and gRPC alike, and the Python client asks for less.
Method: vectors of the largest dimension, of which 240 fill an answer, from a running server.
"""
import http.client
import json

import numpy as np
import pytest

from proximadb import ResourceExhaustedError

DIMENSION = 65_536
COUNT = 250
IDS = [f"row-{i:03}" for i in range(COUNT)]


@pytest.fixture
def server(start, data):
    server = start(data)
    with server.client() as client:
        client.create_collection("large", DIMENSION, metric="l2")
        client.insert("large", np.arange(COUNT, dtype=np.float32)[:, None] + np.zeros((1, DIMENSION), np.float32), IDS)
    yield server
    server.stop()


def test_too_large__reads_are_split_by_the_client(server):
    with server.client() as client:
        assert [row.id for row in client.get("large", IDS)] == IDS
        found = client.search("large", np.array([[0.0], [249.0]]) + np.zeros((1, DIMENSION)), k=200, include_vectors=True)
        assert [[hits[0].id, len(hits)] for hits in found] == [["row-000", 200], ["row-249", 200]]
        assert sum(1 for _ in client.scan("large", batch_size=COUNT)) == COUNT
        with pytest.raises(ResourceExhaustedError, match="lower k") as caught:
            client.search("large", np.zeros(DIMENSION), k=COUNT, include_vectors=True)
        assert (caught.value.reason, caught.value.row_index) == ("TOO_LARGE", 0)


def test_too_large__rest_does_not_promise_that_later_helps(server):
    connection = http.client.HTTPConnection(server.address)
    body = json.dumps({"ids": IDS})
    connection.request("POST", "/v1/collections/large/vectors/get", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    connection.close()
    assert (answer.status, answer.getheader("retry-after")) == (413, None)
    assert (problem["code"], problem["type"]) == ("TOO_LARGE", "urn:proximadb:error:TOO_LARGE")
