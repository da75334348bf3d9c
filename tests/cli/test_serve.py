"""Goal: `proximadb serve` starts, tells that it is ready, keeps what it acknowledged, and stops as told.

Method: the program itself, with the SDK as its client, stopped by every signal an operator has for it.
"""
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest
from conftest import ENVIRONMENT, PROGRAM, answers, fill, run

LOG_LINE = re.compile(r'time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(error|warning|info|debug) '
                      r'message="(?:[^"\\]|\\.)*"')


def get(server, path):
    with urllib.request.urlopen(f"http://{server.address}{path}", timeout=10) as answer:
        return answer.status, answer.read().decode()


# ---- a life --------------------------------------------------------------------------------------


def test_serve__keeps_everything_across_an_orderly_restart(start, data):
    server = start(data)
    with server.client() as client:
        fill(client)
        before = answers(client)
    assert before[0] == 160 and before[1] > 0
    server.stop()
    server = start(data)
    with server.client() as client:
        assert answers(client) == before
    server.stop()


def test_serve__keeps_everything_across_a_kill(start, data):
    server = start(data)
    with server.client() as client:
        fill(client)
        before = answers(client)
    server.kill()
    server = start(data)
    with server.client() as client:
        assert answers(client) == before
        client.insert("docs", [[0.5] * 8], ids=["after"])
        assert client.count("docs") == before[0] + 1
    server.stop()


def test_serve__answers_probes(start, data):
    server = start(data)
    assert get(server, "/healthz")[0] == 200
    assert get(server, "/readyz")[0] == 200
    assert "proximadb_" in get(server, "/metrics")[1]
    server.stop()


# ---- what it prints ------------------------------------------------------------------------------


def test_serve__prints_one_line_and_logs_in_lines(start, data):
    server = start(data, "--log-level", "debug", "--access-log")
    assert re.fullmatch(r"listening on 127\.0\.0\.1:\d+\n", server.line)
    get(server, "/healthz")
    server.stop()
    assert server.output == ""
    lines = server.log.splitlines()
    assert all(LOG_LINE.fullmatch(line) for line in lines), server.log
    assert any("/healthz" in line for line in lines)
    assert "stopped" in lines[-1]


def test_serve__logs_no_requests_unasked(start, data):
    server = start(data, "--log-level", "debug")
    get(server, "/healthz")
    server.stop()
    assert "/healthz" not in server.log


def test_serve__speaks_json_when_asked(start, data):
    server = start(data, "--json")
    line = json.loads(server.line)
    assert line["kind"] == "listening"
    server.address = line["address"]
    assert get(server, "/healthz")[0] == 200
    server.stop()
    entries = [json.loads(line) for line in server.log.splitlines()]
    assert {entry["kind"] for entry in entries} == {"log"}
    assert entries[-1]["message"] == "stopped" and entries[-1]["level"] == "info"


def test_serve__logs_less_at_a_lower_level(start, data):
    server = start(data, "--log-level=error")
    server.stop()
    assert server.log == ""


# ---- stopping ------------------------------------------------------------------------------------


def begin_request(server):
    """An HTTP request whose body is still to come; gives the connection and the body."""
    body = json.dumps({"name": "late", "dimension": 4}).encode()
    connection = socket.create_connection(("127.0.0.1", int(server.address.rsplit(":", 1)[1])), timeout=20)
    connection.sendall(b"POST /v1/collections HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
    return connection, body[5:]


def wait_for_log(server, text):
    """Reads the log up to a line with `text`."""
    for line in server.process.stderr:
        if text in line:
            return
    pytest.fail(f"'{text}' was never logged")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve__finishes_what_is_under_way(start, data, number):
    server = start(data)
    connection, rest = begin_request(server)
    get(server, "/healthz")                     # the request has arrived, too
    server.signal(number)
    wait_for_log(server, "stopping")
    with pytest.raises(OSError):                # nobody new comes in
        while True:
            get(server, "/healthz")
    connection.sendall(rest)
    answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 201") or answer.startswith(b"HTTP/1.1 200"), answer
    assert server.wait() == 0
    server = start(data)
    with server.client() as client:
        assert [info.name for info in client.list_collections()] == ["late"]
    server.stop()


def test_serve__stops_at_once_at_the_second_signal(start, data):
    server = start(data, "--stop-grace=1h", "--body-timeout=1h")
    connection, _ = begin_request(server)
    get(server, "/healthz")
    server.signal(signal.SIGTERM)
    wait_for_log(server, "stopping")
    assert server.process.poll() is None
    server.signal(signal.SIGTERM)
    assert server.wait() == 0                   # or the hour is waited for, and this fails
    connection.close()


def test_serve__ends_when_told_to_while_it_starts(start, data):
    """By the signal or in order, as it comes; what was acknowledged is there in any case."""
    server = start(data)
    with server.client() as client:
        fill(client)
        before = answers(client)
    server.kill()
    for _ in range(5):
        starting = subprocess.Popen([PROGRAM, "serve", "--data", data, "--listen", "127.0.0.1:0"], text=True,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT)
        assert "opens" in starting.stderr.readline()
        starting.terminate()
        starting.communicate(timeout=30)
        assert starting.returncode in (0, -signal.SIGTERM)
    server = start(data)
    with server.client() as client:
        assert answers(client) == before
    server.stop()


def test_serve__waits_no_longer_than_the_grace_period(start, data):
    server = start(data, "--stop-grace=200ms", "--body-timeout=1h")
    connection, _ = begin_request(server)
    get(server, "/healthz")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    connection.close()


def test_serve__survives_readers_that_go_away(start, data):
    """Of its log, which nobody reads from the start; and of its answers."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    server = start(data, "--access-log", stderr=write_end, restore_signals=True)
    os.close(write_end)
    for _ in range(3):
        connection, _ = begin_request(server)
        connection.close()
    assert get(server, "/healthz")[0] == 200
    server.stop()


# ---- settings ------------------------------------------------------------------------------------


def test_serve__takes_settings_from_everywhere(start, data, tmp_path):
    config = tmp_path / "proximadb.toml"
    config.write_text('# a server\nlisten = [\n  "127.0.0.1:0", # two\n  "127.0.0.1:0",\n]\n'
                      'log-level = "error"\nmemtable-limit = "8MiB"\n')
    server = start(None, listen=None, environment={"PROXIMADB_DATA": str(data), "PROXIMADB_CONFIG": str(config)})
    second = server.process.stdout.readline()
    assert second.startswith("listening on 127.0.0.1:") and second != server.line
    assert get(server, "/healthz")[0] == 200
    server.stop()
    assert server.log == ""
    assert (data / "proximadb.json").exists()
    server = start(data, "--config", config, "--log-level=info")
    server.stop()
    assert "listening" in server.log and server.output == ""    # one address, that of the command line


def test_serve__raises_the_limit_of_open_files(start, data):
    hard = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    server = start(data, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)))
    limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    soft = re.search(r"Max open files +(\d+)", limits)[1]
    assert int(soft) == hard
    server.stop()


# ---- refusals ------------------------------------------------------------------------------------


def test_serve__refuses_a_folder_that_is_held(start, data):
    server = start(data)
    second = run("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert second.returncode == 4
    assert f"pid {server.process.pid}" in second.stderr and str(data) in second.stderr
    assert second.stdout == ""
    with server.client() as client:
        assert client.list_collections() == []
    server.stop()


def test_serve__refuses_a_port_that_is_taken(start, data, tmp_path):
    server = start(data)
    second = run("serve", "--data", tmp_path / "other", "--listen", server.address)
    assert second.returncode == 4
    assert f"cannot listen on {server.address}" in second.stderr
    server.stop()


def test_serve__refuses_a_folder_it_cannot_write():
    """As a user who may not: root may write anywhere."""
    folder = Path(tempfile.mkdtemp(prefix="proximadb-cli-"))
    try:
        folder.chmod(0o755)
        program = shutil.copy(PROGRAM, folder / "proximadb")
        if os.getuid() != 0:
            folder.chmod(0o555)
        settings = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        refused = run("serve", "--data", folder / "data", "--listen", "127.0.0.1:0", executable=program, **settings)
        assert refused.returncode == 1
        assert str(folder / "data") in refused.stderr and "Permission denied" in refused.stderr
        assert not (folder / "data").exists()
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_serve__refuses_paths_that_cannot_be_folders(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file/data", tmp_path / "no/such/data"):
        refused = run("serve", "--data", path, "--listen", "127.0.0.1:0")
        assert refused.returncode in (1, 2, 5), path
        assert str(path) in refused.stderr or str(path.parent) in refused.stderr
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", ":0", "10.1.2.3:5678"])
def test_serve__refuses_other_machines_unless_told(data, address):
    refused = run("serve", "--data", data, "--listen", address)
    assert refused.returncode == 2
    assert "neither TLS nor keys" in refused.stderr and "--allow-remote-clients" in refused.stderr
    assert not data.exists()


def test_serve__warns_when_it_is_told(start, data, tmp_path):
    """On a port that is taken, so that this test opens no port to others."""
    server = start(data)
    port = server.address.rsplit(":", 1)[1]
    refused = run("serve", "--data", tmp_path / "other", "--listen", f"0.0.0.0:{port}", "--allow-remote-clients")
    assert refused.returncode == 4
    assert "level=warning" in refused.stderr and "no TLS yet" in refused.stderr
    server.stop()


@pytest.mark.parametrize("words, message", [
    ([], "say where the data is to be: --data DIR"),
    (["--dta", "x"], "did you mean '--data'?"),
    (["--data"], "--data needs a value"),
    (["--data", "x", "y"], "'y' is one argument too many"),
    (["--data", "x", "--memtable-limit", "lots"], "'lots' is not a size, such as 64MiB"),
    (["--data", "x", "--memtable-limit", "1"], "must be at least 1.0 MiB"),
    (["--data", "x", "--wal-rotate", "30"], "'30' is not a time, such as"),
    (["--data", "x", "--listen", "nonsense"], "'nonsense' is no address to listen on"),
    (["--data", "x", "--log-level", "loud"], "'loud' is none of error, warning, info, debug"),
    (["--data", "x", "--message-limit=512MiB", "--listen=127.0.0.1:0"], "raise the budget or lower the limit"),
])
def test_serve__refuses_flags_that_make_no_sense(tmp_path, words, message):
    refused = run("serve", *words, cwd=tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr and refused.stdout == ""


@pytest.mark.parametrize("text, place", [
    ("data = 'x'\nlisen = 'y'\n", ":2: there is no setting 'lisen'; did you mean 'listen'?"),
    ("data = x\n", ":1: 'x' is no value"),
    ("\n\n[serve]\n", ":3: there are no tables"),
    ("read-threads = true\n", ":1: 'read-threads' must be a whole number"),
    ("wal-idle = '1ms'\n", ":1: wal-idle: '1ms' is too small"),
])
def test_serve__names_the_line_of_a_broken_file(tmp_path, text, place):
    config = tmp_path / "c.toml"
    config.write_text(text)
    refused = run("serve", "--config", config, cwd=tmp_path)
    assert refused.returncode == 2
    assert f"{config}{place}" in refused.stderr


def test_serve__misses_a_file_that_is_named(tmp_path):
    refused = run("serve", "--config", tmp_path / "none.toml")
    assert refused.returncode == 5
    assert "none.toml" in refused.stderr


def test_serve__tells_errors_in_json(data):
    refused = run("serve", "--json", "--dta")
    error = json.loads(refused.stderr)
    assert refused.returncode == error["exit"] == 2
    assert error["kind"] == "error" and error["status"] == "INVALID" and "--data" in error["message"]
