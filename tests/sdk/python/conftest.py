"""The product as a process of its own, and the official SDK pointed at it by CLOUDINARY_URL, as users would do it."""

import json
import os
import re
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from queue import Empty, Queue

import cloudinary
import pytest

CLOUD, KEY, SECRET = "emulator", "emulator-key", "emulator-secret"
# The key that the server signs download links with.
LINKS_KEY, LINKS_SECRET = "links-key", "links-secret"
START_DEADLINE_SECONDS = 20

# What is on this machine only; a proxy in the environment would get in the way.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Answer:
    """What came back over plain HTTP."""

    status: int
    body: bytes

    def json(self):
        return json.loads(self.body)


def http(method, url, body=None, content_type=None):
    """One request without the SDK; refusals are answers too."""
    headers = {"Content-Type": content_type} if content_type else {}
    request = urllib.request.Request(url, method=method, data=body, headers=headers)
    try:
        with _opener.open(request, timeout=30) as response:
            return Answer(response.status, response.read())
    except urllib.error.HTTPError as refusal:
        return Answer(refusal.code, refusal.read())


@dataclass
class Server:
    """A signing server and the emulator beside it."""

    url: str
    emulator_url: str

    def ask(self, method, path, body=None):
        """Calls the signing server and opens its envelope."""
        encoded = None if body is None else json.dumps(body).encode()
        answer = http(method, self.url + path, encoded, "application/json" if encoded else None)
        envelope = answer.json()
        assert envelope["status"] == "success", (answer.status, envelope)
        return envelope["data"]

    def remove(self, items):
        """Deletes by URL: pairs of resource type and URL."""
        urls = [{"type": resource_type, "url": url} for resource_type, url in items]
        return self.ask("DELETE", "/delete-files", {"urls": urls})["results"]

    def advance_clock(self, seconds):
        body = json.dumps({"advance_seconds": seconds}).encode()
        assert http("POST", self.emulator_url + "/_emulator/clock", body, "application/json").status == 200


@pytest.fixture(scope="session")
def server():
    binary = os.environ.get("COUNTERSIGN_BIN")
    assert binary, "COUNTERSIGN_BIN must name the binary to test: start the tests with tests/run"
    command = [binary, "serve", "--emulator", "--port", "0", "--emulator-port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        links = f"cloudinary://{LINKS_KEY}:{LINKS_SECRET}@{CLOUD}"
        environment = {"TMPDIR": folder, "CLOUDINARY_DOWNLOAD_URL": links}
        # An empty folder and hardly any environment: neither a variable nor a .env of this machine plays a part.
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        log = Queue()
        reader = threading.Thread(target=_read, args=(process.stderr, log))
        reader.start()
        try:
            yield Server(*_addresses(log))
        finally:
            process.kill()
            process.wait()
            reader.join()
            process.stderr.close()


def _read(stream, log):
    """Empties the pipe until the end, or a full one would stop the server; None is the end."""
    for line in stream:
        log.put(line)
    log.put(None)


def _addresses(log):
    """Waits until the log has told both addresses."""
    emulator_url, lines = None, []
    while True:
        try:
            line = log.get(timeout=START_DEADLINE_SECONDS)
        except Empty:
            line = None
        assert line is not None, "the server did not start:\n" + "".join(lines)
        lines.append(line)
        if not emulator_url and (found := re.search(r'\burl="?(http:[^"\s]+)', line)):
            emulator_url = found[1]
        if found := re.search(r"countersign listens on (http:\S+)", line):
            return found[1], emulator_url


@pytest.fixture
def sdk(server, monkeypatch):
    """Points the SDK at the emulator; called again, with something else than the account's own key, secret or cloud."""

    def point(cloud=CLOUD, key=KEY, secret=SECRET, **settings):
        url = f"cloudinary://{key}:{secret}@{cloud}?upload_prefix={server.emulator_url}"
        monkeypatch.setenv("CLOUDINARY_URL", url)
        cloudinary.reset_config()
        cloudinary.config(**settings)

    point()
    yield point
    monkeypatch.undo()
    cloudinary.reset_config()
