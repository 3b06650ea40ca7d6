"""What pytest has to know beyond the suite: which tests are left out, and which of the others reach the emulator.

The list of tests that are left out reads:

    Why, in one or more lines at the margin.
        test_file.py::ClassName::test_name
        test_file.py

A name on it that no longer exists fails the run, and so does a test that skips itself without being on it: a suite
that silently does nothing would prove nothing.
"""

import http.client
import json
import socket
import urllib.request
from urllib.parse import urlsplit

import pytest

# What is on this machine only; a proxy in the environment would get in the way.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

DELIVERY_HOST = "res.cloudinary.com"

# Tests that wait in vain for an answer, with a time limit that a service far away cannot keep. The emulator could.
SLOW = {"test_uploader.py::UploaderTest::test_upload_timeout"}
DELAY = [{"path": "/upload", "delay_ms": 100}]


def pytest_addoption(parser):
    group = parser.getgroup("suite")
    group.addoption("--left-out", help="the list of tests that are left out")
    group.addoption("--emulator", help="the address of the emulator")
    group.addoption("--only-left-out", action="store_true", help="runs those instead, to see whether one would pass")


def pytest_configure(config):
    config.pluginmanager.register(Suite(config))
    answer_for_delivery_host(urlsplit(config.getoption("--emulator")))


def answer_for_delivery_host(emulator):
    """Lets the emulator answer for the provider's delivery host, which the SDK builds into its URLs.

    On loopback it answers to no such name, so the requests ask for the emulator's own.
    """
    look_up = socket.getaddrinfo
    put_header = http.client.HTTPConnection.putheader

    def look_up_here(host, port, *arguments, **named):
        if host == DELIVERY_HOST:
            host, port = emulator.hostname, emulator.port
        return look_up(host, port, *arguments, **named)

    def put_header_here(connection, name, *values):
        if name == "Host" and values[0] in (DELIVERY_HOST, DELIVERY_HOST.encode()):
            values = (emulator.netloc,)
        put_header(connection, name, *values)

    socket.getaddrinfo = look_up_here
    http.client.HTTPConnection.putheader = put_header_here


class Suite:
    """One run of the suite."""

    def __init__(self, config):
        self.reasons = read_list(config.getoption("--left-out"))
        control = config.getoption("--emulator") + "/_emulator"
        self.journal, self.faults = control + "/requests", control + "/faults"
        self.runs_left_out = config.getoption("--only-left-out")
        self.requests, self.left_out, self.skipped = {}, 0, []

    def pytest_collection_modifyitems(self, config, items):
        names = {name for item in items for name in names_of(item)}
        unknown = [name for name in self.reasons if name not in names]
        if unknown:
            raise pytest.UsageError("no such test, yet it is left out: " + ", ".join(unknown))
        is_left_out = {item: any(name in self.reasons for name in names_of(item)) for item in items}
        dropped = [item for item in items if is_left_out[item] != self.runs_left_out]
        self.left_out = sum(is_left_out.values())
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        """Asks the emulator's own journal what the test has asked of it; preparation and cleaning up do not count."""
        is_slow = not SLOW.isdisjoint(names_of(item))
        ask("DELETE", self.journal)
        if is_slow:
            ask("POST", self.faults, DELAY)
        try:
            return (yield)
        finally:
            self.requests[item.nodeid] = len(ask("GET", self.journal)["requests"])
            if is_slow:
                ask("POST", self.faults, [])

    def pytest_runtest_logreport(self, report):
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session):
        if self.skipped and not self.runs_left_out and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        reached = [count for count in self.requests.values() if count]
        terminalreporter.write_line(
            f"{len(self.requests)} tests run; {len(reached)} reach the emulator, with {sum(reached)} requests;"
            f" {self.left_out} left out"
        )
        for name in self.skipped:
            terminalreporter.write_line(f"skipped itself, and is not on the list: {name}", red=True)


def names_of(item):
    """How the list may name a test: by itself, or by its file."""
    path, _, name = item.nodeid.partition("::")
    file = path.rpartition("/")[2]
    return f"{file}::{name}", file


def read_list(path):
    """Why each test is left out, by its name."""
    reasons, reason, fresh = {}, "", True
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if line[0].isspace():
                assert reason and text not in reasons, f"{path}: {text} has no reason, or two"
                reasons[text], fresh = reason, True
            else:
                reason, fresh = (text if fresh else f"{reason} {text}"), False
    return reasons


def ask(method, url, body=None):
    """Calls the emulator's control API."""
    request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
    if body is not None:
        request.add_header("Content-Type", "application/json")
    with _opener.open(request, timeout=30) as response:
        answer = response.read()
    return json.loads(answer) if answer else None
