"""Exceptions made of failed calls.

Goal    The reason decides the class, else the status; numbers arrive; broken details harm nobody.
Method  A stand-in for gRPC's error with hand-made trailers, for every reason of the contract.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import grpc
import pytest
from fake_server import CODES, status_details

import proximadb
from proximadb import _contract, errors

HEADER = Path(__file__).parents[3] / "include/proximadb.h"


class Failure(grpc.RpcError):
    def __init__(self, code, message, details=None):
        self._code, self._message = code, message
        self._trailers = (("x-other", "1"),)
        if details is not None:
            self._trailers += (("grpc-status-details-bin", details),)

    def code(self):
        return self._code

    def details(self):
        return self._message

    def trailing_metadata(self):
        return self._trailers


def made(reason, **numbers):
    code = CODES[reason]
    details = status_details(code, "why", reason, numbers)
    return errors.from_rpc(Failure(code, "why", details))


@pytest.mark.parametrize("reason", CODES)
def test_errors__every_reason_has_a_class_of_its_own(reason):
    error = made(reason, row_index=3)
    assert type(error) is not proximadb.ProximaDBError
    assert isinstance(error, proximadb.ProximaDBError)
    assert (error.code, error.reason, error.row_index) == (CODES[reason], reason, 3)
    assert str(error) == "why"


@pytest.mark.skipif(not HEADER.exists(), reason="no repository around the package")
def test_errors__know_every_status_of_the_engine():
    listed = re.search(r"enum proximadb_status \{(.*?)\};", HEADER.read_text(), re.S)[1]
    names = set(re.findall(r"PROXIMADB_([A-Z_]+) = \d+", listed)) - {"OK", "STATUS_COUNT"}
    assert names == set(CODES)
    assert set(errors._BY_REASON) == set(CODES)


def test_errors__carry_the_numbers():
    error = made("DIMENSION", row_index=2, expected=384, actual=383)
    assert isinstance(error, proximadb.DimensionError)
    assert isinstance(error, proximadb.InvalidArgumentError)
    assert (error.expected, error.actual, error.row_index) == (384, 383, 2)
    error = made("VERSION_MISMATCH", expected=1, actual=2)
    assert (error.expected, error.actual, error.row_index) == (1, 2, None)
    error = made("INVALID", expected=1)
    assert not hasattr(error, "expected")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, proximadb.UnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, proximadb.DeadlineExceededError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, proximadb.ResourceExhaustedError),
        (grpc.StatusCode.UNAUTHENTICATED, proximadb.AuthenticationError),
        (grpc.StatusCode.CANCELLED, proximadb.CallCancelledError),
        (grpc.StatusCode.UNIMPLEMENTED, proximadb.UnsupportedError),
        (grpc.StatusCode.OUT_OF_RANGE, proximadb.ProximaDBError),
    ],
)
def test_errors__without_a_reason_the_status_decides(code, kind):
    error = errors.from_rpc(Failure(code, "why"))
    assert type(error) is kind
    assert error.reason == ""
    assert errors.from_rpc(Failure(code, "")).args[0]


@pytest.mark.parametrize(
    "details",
    [
        b"",
        b"\xff\xff\xff",
        _contract.message_class("proximadb.sdk.v1.Status")(
            details=[{"type_url": "type.googleapis.com/google.rpc.ErrorInfo", "value": b"\xff"}]
        ).SerializeToString(),
        status_details(CODES["INVALID"], "", "INVALID", {}).replace(b"proximadb", b"elsewhere"),
    ],
)
def test_errors__details_that_are_not_ours_are_as_good_as_none(details):
    error = errors.from_rpc(Failure(grpc.StatusCode.NOT_FOUND, "why", details))
    assert type(error) is proximadb.ProximaDBError
    assert error.reason == ""


def test_errors__an_unknown_reason_keeps_its_name():
    details = status_details(CODES["INVALID"], "why", "NEW_REASON", {})
    error = errors.from_rpc(Failure(grpc.StatusCode.INVALID_ARGUMENT, "why", details))
    assert type(error) is proximadb.InvalidArgumentError
    assert error.reason == "NEW_REASON"


def test_errors__numbers_that_are_none_are_left_out():
    details = status_details(CODES["DIMENSION"], "why", "DIMENSION", {"expected": "many"})
    error = errors.from_rpc(Failure(CODES["DIMENSION"], "why", details))
    assert (error.expected, error.actual) == (None, None)


def test_errors__say_how_far_a_write_came():
    error = made("UNAVAILABLE")
    error.acknowledged_rows = 1200
    assert str(error) == "why (the call's first 1,200 rows are written)"


def test_errors__survive_pickle():
    error = made("DIMENSION", row_index=2, expected=384, actual=383)
    error.acknowledged_rows = 5
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert copied.__dict__ == error.__dict__
    assert str(copied) == str(error)
