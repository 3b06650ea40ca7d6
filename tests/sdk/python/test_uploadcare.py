"""Uploadcare's own package agrees with this server and with its emulator."""

import io
import os
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from pyuploadcare import Uploadcare
from pyuploadcare.api.api import UploadAPI
from pyuploadcare.exceptions import AuthenticationError, InvalidRequestError

from conftest import http

PUBLIC_KEY, SECRET_KEY = "emulator-public-key", "emulator-secret-key"
STRANGE = "52da3bfc-7cd8-4861-8b05-126fef7a6994"


@pytest.fixture(name="client")
def _client(server):
    with client_of(server) as client:
        yield client


@contextmanager
def client_of(server, secret_key=SECRET_KEY):
    """The official client, pointed at the emulator; its connections are closed at the end."""
    client = Uploadcare(
        public_key=PUBLIC_KEY,
        secret_key=secret_key,
        api_base=f"{server.emulator_url}/uploadcare/",
        upload_base=f"{server.emulator_url}/uploadcare/",
        cdn_base=f"{server.emulator_url}/",
        retry_throttled=0,
    )
    with client.rest_client, client.upload_client:
        yield client


def upload(client, data, name="a.txt", **choices):
    """Uploads bytes; the client wants a file with a name and, without a descriptor, its size."""
    file = io.BytesIO(data)
    file.name = name
    return client.upload(file, size=len(data), **choices)


def test_the_server_signs_as_the_package_does(server):
    pair = http("GET", f"{server.url}/api/uploadcare-signature").json()
    assert pair["secureSignature"] == UploadAPI.generate_secure_signature(SECRET_KEY, int(pair["secureExpire"]))


@pytest.mark.parametrize("size", [1_000, 12_000_000])
def test_files_go_up_and_come_back(client, size):
    data = os.urandom(size)
    file = upload(client, data, "noise.bin", metadata={"origin": "test"})
    assert http("GET", file.cdn_url).body == data
    assert file.info["size"] == size
    assert file.info["metadata"] == {"origin": "test"}


def test_an_upload_with_another_secret_is_refused(server):
    with client_of(server, "other") as client, pytest.raises(AuthenticationError, match="Invalid signature"):
        upload(client, b"text")


def test_files_are_deleted_one_by_one_and_in_batches(client):
    files = [upload(client, b"text", f"{number}.txt") for number in range(3)]
    files[0].delete()
    with pytest.raises(InvalidRequestError, match="Not found"):
        client.file(files[0].uuid).update_info()
    client.delete_files([file.uuid for file in files[1:]] + [STRANGE])
    for file in files[1:]:
        with pytest.raises(InvalidRequestError, match="Not found"):
            client.file(file.uuid).update_info()


def test_a_call_with_another_secret_is_refused(server):
    with client_of(server, "other") as client, pytest.raises(AuthenticationError):
        client.file(STRANGE).update_info()


def test_the_server_deletes_by_the_url_that_the_package_gives(server, client):
    file = upload(client, b"text")
    assert urlsplit(file.cdn_url).path == f"/{file.uuid}/"
    data = server.ask("DELETE", "/delete-files", {"urls": [{"type": "file", "url": file.cdn_url}]})
    assert [result["outcome"] for result in data["results"]] == ["deleted"]
    assert http("GET", file.cdn_url).status == 404
