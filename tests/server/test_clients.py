"""Goal: the official clients work with the server as it is, without a file of ours: grpcurl and grpcio find the methods by
reflection and call them, grpc-health-probe and grpcio's health client see it serve.
Method: the clients of clients/go.mod and grpcio against engine_server, the real engine.
"""
import base64
import json
import re
import subprocess

import grpc
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "proximadb.v1.ProximaDB"
SERVICES = {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection"}
DOCS = {"name": "docs", "dimension": 3, "metric": "l2", "index_type": "FLAT",
        "filterable": [{"name": "price", "type": "double"}]}
CLIENT_SECONDS = 60


def run(program, *args):
    """A client's status, standard output and standard error."""
    done = subprocess.run([program, *args], capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def grpcurl(engine_server, clients):
    """Runs grpcurl on the server; gives its output, or with fails=True, which it must then do, what it says of that."""
    def call(*args, data=None, fails=False):
        options = ["-plaintext", "-emit-defaults"] + (["-d", json.dumps(data)] if data is not None else [])
        status, output, errors = run(clients / "grpcurl", *options, engine_server.address, *args)
        assert (status != 0) == fails, f"status {status}: {output}{errors}"
        return errors if fails else output
    return call


# ---- grpcurl -------------------------------------------------------------------------------------------------------------

def test_grpcurl__lists_services_and_methods(grpcurl, proto):
    assert set(grpcurl("list").split()) == SERVICES
    known = proto.messages.DESCRIPTOR.services_by_name["ProximaDB"]
    assert set(grpcurl("list", SERVICE).split()) == {f"{SERVICE}.{method.name}" for method in known.methods}


def test_grpcurl__describes_every_symbol(grpcurl):
    """Each service, and by their methods each message of requests and answers, with all that these are made of."""
    for service in SERVICES:
        assert f"{service} is a service" in grpcurl("describe", service)
    for message, field in (("CreateCollectionRequest", "repeated .proximadb.v1.FilterableField filterable"),
                           ("Collection", "int64 wal_bytes = 13"), ("VectorInsertRequest", "bytes avro_payload = 2"),
                           ("InsertMode", "INSERT_MODE_UPSERT = 1")):
        assert field in grpcurl("describe", f"proximadb.v1.{message}")
    assert "Symbol not found" in grpcurl("describe", "proximadb.v1.Nothing", fails=True)


def test_grpcurl__calls_methods(grpcurl):
    """A collection's life, as the README shows it."""
    made = json.loads(grpcurl(f"{SERVICE}/CreateCollection", data=DOCS))
    assert (made["name"], made["dimension"], made["metric"]) == ("docs", 3, "l2")
    assert made["filterable"] == [{"name": "price", "type": "double"}]
    listed = json.loads(grpcurl(f"{SERVICE}/ListCollections"))
    assert [each["name"] for each in listed["collections"]] == ["docs"]
    assert json.loads(grpcurl(f"{SERVICE}/GetCollection", data={"name": "docs"}))["id"] == made["id"]
    assert json.loads(grpcurl(f"{SERVICE}/VectorCount", data={"collection": "docs"})) == {"count": "0"}
    assert json.loads(grpcurl(f"{SERVICE}/Flush", data={"collection": "docs"})) == {}
    assert "proximadb_" in json.loads(grpcurl(f"{SERVICE}/Metrics"))["text"]
    grpcurl(f"{SERVICE}/DeleteCollection", data={"name": "docs"})
    assert json.loads(grpcurl(f"{SERVICE}/ListCollections")) == {"collections": []}


def test_grpcurl__shows_errors_with_their_details(grpcurl):
    errors = grpcurl(f"{SERVICE}/GetCollection", data={"name": "nothing"}, fails=True)
    assert "Code: NotFound" in errors and "nothing" in errors
    info = error_details_pb2.ErrorInfo.FromString(base64.b64decode(re.search(r'"@value": "([^"]+)"', errors)[1]))
    assert (info.reason, info.domain) == ("COLLECTION_NOT_FOUND", "proximadb")
    errors = grpcurl(f"{SERVICE}/CreateCollection", data={**DOCS, "metric": "taxicab"}, fails=True)
    assert "Code: InvalidArgument" in errors and "taxicab" in errors


def test_grpcurl__sends_deadlines_and_metadata(engine_server, clients):
    for options in (["-max-time", "30"], ["-H", "x-custom: value", "-H", "x-bytes-bin: AAECAw=="], ["-keepalive-time", "1"]):
        status, output, errors = run(clients / "grpcurl", "-plaintext", *options, "-d", "{}", engine_server.address,
                                     f"{SERVICE}/ListCollections")
        assert (status, json.loads(output)) == (0, {}), errors


# ---- health --------------------------------------------------------------------------------------------------------------

def test_health__is_seen_by_the_probe(engine_server, clients):
    probe = clients / "grpc-health-probe"
    for arguments in ([], [f"-service={SERVICE}"], ["-rpc-timeout=5s", "-connect-timeout=5s"]):
        status, _, errors = run(probe, f"-addr={engine_server.address}", *arguments)
        assert status == 0 and "status: SERVING" in errors, errors
    status, _, errors = run(probe, f"-addr={engine_server.address}", "-service=other")
    assert status == 3, errors      # the call failed: NOT_FOUND
    engine_server.stop()
    status, _, errors = run(probe, f"-addr={engine_server.address}", "-connect-timeout=1s")
    assert status == 2, errors      # nobody listens


def test_health__is_seen_by_grpcurl(grpcurl):
    assert json.loads(grpcurl("grpc.health.v1.Health/Check", data={"service": SERVICE})) == {"status": "SERVING"}
    assert "Code: NotFound" in grpcurl("grpc.health.v1.Health/Check", data={"service": "other"}, fails=True)


def test_health__is_seen_by_grpcio(engine_server):
    with grpc.insecure_channel(engine_server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        engine_server.terminate()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING


# ---- reflection by both versions of its protocol -------------------------------------------------------------------------

def method_by_reflection(channel, name):
    """A method as a function from and to dicts, made of nothing but what the server says (v1alpha, as grpcio-reflection speaks)."""
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName(SERVICE).FindMethodByName(name)
    request_class = message_factory.GetMessageClass(method.input_type)
    answer_class = message_factory.GetMessageClass(method.output_type)
    call = channel.unary_unary(f"/{SERVICE}/{name}", request_serializer=request_class.SerializeToString,
                               response_deserializer=answer_class.FromString)
    return lambda request: json_format.MessageToDict(call(json_format.ParseDict(request, request_class())),
                                                     preserving_proto_field_name=True)


def test_reflection_v1alpha__is_enough_to_call_methods(engine_server):
    with grpc.insecure_channel(engine_server.address) as channel:
        assert set(ProtoReflectionDescriptorDatabase(channel).get_services()) == SERVICES
        made = method_by_reflection(channel, "CreateCollection")(DOCS)
        assert (made["name"], made["dimension"]) == ("docs", 3)
        listed = method_by_reflection(channel, "ListCollections")({})
        assert [each["id"] for each in listed["collections"]] == [made["id"]]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection__answers_alike_in_both_versions(engine_server, version):
    questions = [reflection_pb2.ServerReflectionRequest(list_services=""),
                 reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"{SERVICE}.VectorInsert"),
                 reflection_pb2.ServerReflectionRequest(file_by_filename="proximadb/v1/proximadb.proto"),
                 reflection_pb2.ServerReflectionRequest(file_containing_symbol="proximadb.v1.Nothing")]
    with grpc.insecure_channel(engine_server.address) as channel:
        call = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                                     request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                     response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
        services, by_symbol, by_name, missing = call(iter(questions))
    assert {each.name for each in services.list_services_response.service} == SERVICES
    assert by_symbol.file_descriptor_response == by_name.file_descriptor_response
    assert by_name.file_descriptor_response.file_descriptor_proto
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
