"""Goal: real gRPC clients get what gRPC promises: every method, errors with details, deadlines, cancellation, compression,
limits, health checking, reflection, and an orderly end.
Method: grpcio against fake_server; what lives in the fake engine is read from its metrics.
"""
import gzip
import threading
import time

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
SERVICE = "/proximadb.v1.ProximaDB/"


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.address, options=UNLIMITED) as opened:
        yield opened


@pytest.fixture
def stub(channel, proto):
    return proto.services.ProximaDBStub(channel)


def engine(stub, proto):
    """The fake engine's counters."""
    lines = stub.Metrics(proto.messages.MetricsRequest()).text.splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def wait_for_live(stub, proto, count):
    """Until so many requests live in the engine, besides the one that asks."""
    for _ in range(2000):
        if engine(stub, proto)["fake_live"] == count + 1:
            return
        time.sleep(0.01)
    raise AssertionError(f"not {count} requests, but {engine(stub, proto)}")


def rows(message, name="docs", payload=b"avro bytes", **more):
    return message(collection=name, avro_payload=payload, **more)


# ---- methods -------------------------------------------------------------------------------------------------------------

def test_grpc__calls_every_method(stub, proto):
    m = proto.messages
    assert stub.VectorInsert(rows(m.VectorInsertRequest)).avro_payload == b"avro bytes"
    assert stub.VectorInsert(rows(m.VectorInsertRequest, mode=m.INSERT_MODE_UPSERT)).avro_payload == b"avro bytes"
    for kind in (m.MUTATION_TYPE_UPDATE, m.MUTATION_TYPE_DELETE):
        assert stub.VectorMutation(rows(m.VectorMutationRequest, type=kind)).avro_payload == b"avro bytes"
    assert stub.VectorSearch(rows(m.VectorSearchRequest)).avro_payload == b"avro bytes"
    assert stub.VectorGet(rows(m.VectorGetRequest)).avro_payload == b"avro bytes"
    assert stub.VectorScan(rows(m.VectorScanRequest)).avro_payload == b"avro bytes"
    assert stub.VectorCount(m.VectorCountRequest(collection="docs")).count == 42

    fields = [m.FilterableField(name="price", type="double"), m.FilterableField(name="tags", type="string_array")]
    made = stub.CreateCollection(m.CreateCollectionRequest(name="docs", dimension=384, metric="dot", index_type="ivf",
                                                           index_memory="fast", filterable=fields))
    assert (made.name, made.dimension, made.metric, made.index_type, made.storage) == ("docs", 384, "dot", "IVF", "balanced")
    assert (made.layout, made.mantissa_bits, made.relative_error) == ("compressed", 7, 2**-8)
    assert sorted((each.name, each.type) for each in made.filterable) == [("price", "double"), ("tags", "string_array")]
    assert (made.vector_count, made.part_count, made.disk_bytes, made.memtable_bytes, made.wal_bytes,
            made.last_version, made.created_at_ms) == (7, 2, 3000, 400, 500, 9, 1700000000000)
    assert (made.fresh_part_count, made.dead_row_count, made.bytes_accepted, made.bytes_written,
            made.compaction_rows_done, made.compaction_row_count) == (1, 6, 2000, 5000, 40, 50)
    assert made.compaction_state == "running"
    assert (made.index_memory, made.index_state, made.index_row_count, made.index_lag, made.index_file_bytes,
            made.index_memory_bytes, made.index_rows_done, made.index_rebuild_count, made.index_rebuild_reason) == (
                "fast", "building", 60, 11, 12, 13, 14, 15, "somebody asked for it")
    assert stub.GetCollection(m.GetCollectionRequest(name="docs")) == made
    assert list(stub.ListCollections(m.ListCollectionsRequest()).collections) == [made]
    changed = stub.UpdateCollection(m.UpdateCollectionRequest(name="docs", filterable=fields[:1]))
    assert [each.name for each in changed.filterable] == ["price"]
    stub.DeleteCollection(m.DeleteCollectionRequest(name="docs"))
    assert not stub.ListCollections(m.ListCollectionsRequest()).collections

    stub.Flush(m.FlushRequest(collection="docs"))
    stub.RebuildIndex(m.RebuildIndexRequest(collection="docs", index_memory="lean"))
    stub.PauseCompaction(m.PauseCompactionRequest(collection="docs"))
    stub.ResumeCompaction(m.ResumeCompactionRequest())
    compacted = stub.Compact(m.CompactRequest(collection="docs", cluster_count=11))
    assert (compacted.row_count, compacted.cluster_count, compacted.bytes_read, compacted.bytes_written) == (70, 11, 1000, 900)
    assert "fake_live 1" in stub.Metrics(m.MetricsRequest()).text


def test_grpc__serves_many_calls_at_once(stub, proto):
    calls = [stub.VectorSearch.future(rows(proto.messages.VectorSearchRequest, payload=b"%d" % i)) for i in range(2000)]
    assert [call.result().avro_payload for call in calls] == [b"%d" % i for i in range(2000)]


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 65535, 65536, 1 << 20, 5_000_001, 60 << 20])
def test_grpc__carries_messages_of_any_size(stub, proto, size):
    payload = bytes(i % 251 for i in range(1000)) * (size // 1000 + 1)
    answer = stub.VectorInsert(rows(proto.messages.VectorInsertRequest, payload=payload[:size]))
    assert answer.avro_payload == payload[:size]


def test_grpc__sends_large_answers(stub, proto):
    answer = stub.VectorSearch(rows(proto.messages.VectorSearchRequest, name="big-30000000"))
    assert answer.avro_payload == b"0123456789" * 3_000_000


def test_grpc__survives_many_channels(server, proto):
    for _ in range(30):
        with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = proto.services.ProximaDBStub(channel)
            assert stub.VectorCount(proto.messages.VectorCountRequest(collection="docs")).count == 42


# ---- errors --------------------------------------------------------------------------------------------------------------

STATUSES = [(1, "INVALID_ARGUMENT", "INVALID"), (2, "RESOURCE_EXHAUSTED", "NO_MEMORY"), (3, "INTERNAL", "IO"),
            (4, "DATA_LOSS", "CORRUPT"), (5, "NOT_FOUND", "COLLECTION_NOT_FOUND"),
            (6, "ALREADY_EXISTS", "COLLECTION_EXISTS"), (7, "NOT_FOUND", "VECTOR_NOT_FOUND"),
            (8, "ALREADY_EXISTS", "VECTOR_EXISTS"), (9, "INVALID_ARGUMENT", "DIMENSION"), (10, "ABORTED", "VERSION_MISMATCH"),
            (11, "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"), (12, "FAILED_PRECONDITION", "READ_ONLY"),
            (13, "UNAVAILABLE", "UNAVAILABLE"), (14, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"), (15, "CANCELLED", "CANCELLED"),
            (16, "UNIMPLEMENTED", "UNIMPLEMENTED"), (17, "UNKNOWN", "OUTCOME_UNKNOWN"),
            (18, "UNAUTHENTICATED", "UNAUTHENTICATED"), (19, "PERMISSION_DENIED", "PERMISSION_DENIED"),
            (20, "FAILED_PRECONDITION", "SNAPSHOT_EXPIRED"), (21, "INTERNAL", "INTERNAL"),
            (22, "RESOURCE_EXHAUSTED", "TOO_LARGE")]


@pytest.mark.parametrize("number,code,reason", STATUSES)
def test_grpc__says_what_went_wrong(stub, proto, number, code, reason):
    with pytest.raises(grpc.RpcError) as caught:
        stub.VectorGet(rows(proto.messages.VectorGetRequest, name=f"fail-{number}"))
    error = caught.value
    assert error.code().name == code
    assert error.details() == "row 3: fake failure, 100% café"
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == (reason, "proximadb")
    numbers = {"expected": "384", "actual": "128"} if reason in ("DIMENSION", "VERSION_MISMATCH") else {}
    assert dict(info.metadata) == {"row_index": "3", **numbers}


def test_grpc__refuses_unknown_methods(channel):
    for path in (SERVICE + "Nothing", "/other.Service/Method", "/"):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(path)(b"")
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_grpc__refuses_bytes_that_are_no_message(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(SERVICE + "VectorSearch")(b"\x0a\x7fx")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "VectorSearchRequest" in caught.value.details()


def test_grpc__counts_the_messages_of_a_call(channel, proto):
    message = rows(proto.messages.VectorSearchRequest).SerializeToString()
    for messages in ([], [message, message]):
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.stream_stream(SERVICE + "VectorSearch")(iter(messages)))
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_grpc__takes_metadata_of_any_kind(stub, proto):
    metadata = [("x-text", "value"), ("x-bytes-bin", bytes(range(256))), ("authorization", "Bearer key")]
    answer = stub.VectorSearch(rows(proto.messages.VectorSearchRequest), metadata=metadata)
    assert answer.avro_payload == b"avro bytes"


def test_grpc__refuses_metadata_over_the_limit(stub, proto):
    with pytest.raises(grpc.RpcError):
        stub.VectorSearch(rows(proto.messages.VectorSearchRequest), metadata=[("x-large", "x" * 60000)])


# ---- limits --------------------------------------------------------------------------------------------------------------

def test_grpc__refuses_messages_over_64_mib(stub, proto):
    size = (64 << 20) + 1
    message = rows(proto.messages.VectorInsertRequest, payload=b"x" * size)
    with pytest.raises(grpc.RpcError) as caught:
        stub.VectorInsert(message)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(message.ByteSize()) in caught.value.details() and str(64 << 20) in caught.value.details()
    assert stub.VectorCount(proto.messages.VectorCountRequest(collection="docs")).count == 42


def test_grpc__shares_its_budget_among_all_calls(start_server, proto):
    """Twelve messages of 4 MiB where only 8 MiB may be in flight: they take turns."""
    server = start_server("--budget-bytes", 9 << 20, "--message-limit-bytes", 8 << 20)
    payload = b"x" * (4 << 20)
    with grpc.insecure_channel(server.address, options=UNLIMITED) as channel:
        stub = proto.services.ProximaDBStub(channel)
        calls = [stub.VectorInsert.future(rows(proto.messages.VectorInsertRequest, payload=payload)) for _ in range(12)]
        assert all(call.result().avro_payload == payload for call in calls)


def test_grpc__refuses_when_the_budget_stays_used_up(start_server, proto):
    server = start_server("--budget-bytes", 5 << 20, "--message-limit-bytes", 4 << 20, "--budget-wait-ms", 200)
    message = rows(proto.messages.VectorInsertRequest, name="stuck-1500", payload=b"x" * (3 << 20))
    with grpc.insecure_channel(server.address, options=UNLIMITED) as channel:
        stub = proto.services.ProximaDBStub(channel)
        first = stub.VectorInsert.future(message)
        time.sleep(0.5)
        with pytest.raises(grpc.RpcError) as caught:
            stub.VectorInsert(message)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "no room" in caught.value.details()
        first.result()
        stub.VectorInsert(message)


# ---- compression ---------------------------------------------------------------------------------------------------------

def test_grpc__takes_gzip(server, proto):
    with grpc.insecure_channel(server.address, options=UNLIMITED, compression=grpc.Compression.Gzip) as channel:
        stub = proto.services.ProximaDBStub(channel)
        for payload in (b"", b"x" * 100, b"0123456789" * 300_000):
            assert stub.VectorInsert(rows(proto.messages.VectorInsertRequest, payload=payload)).avro_payload == payload


def test_grpc__refuses_a_gzip_bomb(start_server, proto):
    """A few KiB that say that they are 20 MiB, where 1 MiB is the limit."""
    server = start_server("--message-limit-bytes", 1 << 20)
    payload = b"\0" * (20 << 20)
    assert len(gzip.compress(payload)) < 50_000
    with grpc.insecure_channel(server.address, options=UNLIMITED, compression=grpc.Compression.Gzip) as channel:
        stub = proto.services.ProximaDBStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.VectorInsert(rows(proto.messages.VectorInsertRequest, payload=payload))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_grpc__refuses_other_compression(server, proto):
    with grpc.insecure_channel(server.address, compression=grpc.Compression.Deflate) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            proto.services.ProximaDBStub(channel).VectorInsert(rows(proto.messages.VectorInsertRequest, payload=b"x" * 1000))
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


# ---- time and cancellation -----------------------------------------------------------------------------------------------

def test_grpc__keeps_deadlines(stub, proto):
    before = engine(stub, proto)
    with pytest.raises(grpc.RpcError) as caught:
        stub.VectorSearch(rows(proto.messages.VectorSearchRequest, name="never"), timeout=0.1)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_for_live(stub, proto, 0)
    after = engine(stub, proto)
    ended = after["fake_cancelled_total"] + after["fake_late_total"]
    assert ended == before["fake_cancelled_total"] + before["fake_late_total"] + 1


def test_grpc__answers_within_the_deadline(stub, proto):
    answer = stub.VectorSearch(rows(proto.messages.VectorSearchRequest, name="slow-50"), timeout=30)
    assert answer.avro_payload == b"avro bytes"


def test_grpc__frees_the_work_of_cancelled_calls(stub, proto):
    before = engine(stub, proto)["fake_cancelled_total"]
    calls = [stub.VectorSearch.future(rows(proto.messages.VectorSearchRequest, name="never")) for _ in range(50)]
    wait_for_live(stub, proto, 50)
    for call in calls:
        call.cancel()
    wait_for_live(stub, proto, 0)
    assert engine(stub, proto)["fake_cancelled_total"] == before + 50


def test_grpc__frees_the_work_of_lost_connections(server, stub, proto):
    before = engine(stub, proto)["fake_cancelled_total"]
    channel = grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)])
    other = proto.services.ProximaDBStub(channel)
    calls = [other.VectorSearch.future(rows(proto.messages.VectorSearchRequest, name="never")) for _ in range(20)]
    wait_for_live(stub, proto, len(calls))
    channel.close()
    wait_for_live(stub, proto, 0)
    assert engine(stub, proto)["fake_cancelled_total"] == before + 20


def test_grpc__survives_a_storm_of_timeouts(stub, proto):
    for _ in range(10):
        calls = [stub.VectorSearch.future(rows(proto.messages.VectorSearchRequest, name="slow-30"), timeout=0.03)
                 for _ in range(100)]
        for call in calls:
            assert call.code() in (grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED)
    wait_for_live(stub, proto, 0)


# ---- keepalive, health, reflection ---------------------------------------------------------------------------------------

def test_grpc__answers_keepalive_pings(server, proto):
    options = [("grpc.keepalive_time_ms", 200), ("grpc.keepalive_timeout_ms", 2000),
               ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0),
               ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.address, options=options) as channel:
        stub = proto.services.ProximaDBStub(channel)
        stub.VectorCount(proto.messages.VectorCountRequest(collection="docs"))
        states = []
        channel.subscribe(states.append)
        time.sleep(1.5)
        assert grpc.ChannelConnectivity.TRANSIENT_FAILURE not in states
        stub.VectorCount(proto.messages.VectorCountRequest(collection="docs"))


def test_grpc__checks_health(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "proximadb.v1.ProximaDB"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="other"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_grpc__lets_health_be_watched(start_server):
    server = start_server()
    with grpc.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        unknown = stub.Watch(health_pb2.HealthCheckRequest(service="other"))
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        server.terminate()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError) as caught:
            next(watch)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_grpc__reflects_itself(channel, proto):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == {
        "proximadb.v1.ProximaDB", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection"}
    pool = descriptor_pool.DescriptorPool(database)
    service = pool.FindServiceByName("proximadb.v1.ProximaDB")
    known = proto.messages.DESCRIPTOR.services_by_name["ProximaDB"]
    assert [each.name for each in service.methods] == [each.name for each in known.methods]
    assert pool.FindMessageTypeByName("proximadb.v1.Collection").fields_by_name["wal_bytes"].number == 13
    assert pool.FindFileByName("grpc/health/v1/health.proto").package == "grpc.health.v1"
    with pytest.raises(KeyError):
        pool.FindMessageTypeByName("proximadb.v1.Nothing")


def test_grpc__bounds_what_a_reflection_client_piles_up(channel):
    """A thousand questions before the first answer is read."""
    call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                 request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                 response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol="proximadb.v1.ProximaDB")
    answers = list(call(iter([request] * 1000)))
    assert len(answers) == 1000 and all(each.file_descriptor_response.file_descriptor_proto for each in answers)


# ---- the end -------------------------------------------------------------------------------------------------------------

def test_grpc__finishes_calls_when_it_is_told_to_stop(start_server, proto):
    server = start_server()
    with grpc.insecure_channel(server.address) as channel:
        stub = proto.services.ProximaDBStub(channel)
        calls = [stub.VectorSearch.future(rows(proto.messages.VectorSearchRequest, name="slow-800")) for _ in range(20)]
        wait_for_live(stub, proto, len(calls))
        server.terminate()
        assert all(call.result().avro_payload == b"avro bytes" for call in calls)
    server.stop()


def test_grpc__ends_calls_that_do_not_finish_in_the_grace_period(start_server, proto):
    server = start_server("--grace-ms", 300)
    with grpc.insecure_channel(server.address) as channel:
        stub = proto.services.ProximaDBStub(channel)
        call = stub.VectorSearch.future(rows(proto.messages.VectorSearchRequest, name="never"))
        wait_for_live(stub, proto, 1)
        server.terminate()
        assert call.code() == grpc.StatusCode.UNAVAILABLE
    server.stop()


def test_grpc__moves_clients_on_while_it_stops(start_server, proto):
    """New calls during the drain fail cleanly, or go to whoever serves then; none hangs."""
    server = start_server()
    outcomes = []
    stopping = threading.Event()

    def call_without_end():
        with grpc.insecure_channel(server.address) as channel:
            stub = proto.services.ProximaDBStub(channel)
            while not stopping.is_set():
                try:
                    stub.VectorSearch(rows(proto.messages.VectorSearchRequest), timeout=5)
                    outcomes.append("OK")
                except grpc.RpcError as error:
                    outcomes.append(error.code().name)
                    stopping.wait(0.01)

    threads = [threading.Thread(target=call_without_end) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.stop()
    stopping.set()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {"OK", "UNAVAILABLE"} and "OK" in outcomes
