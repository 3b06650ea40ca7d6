"""The SDK works against the emulator as against the provider."""

import time

import cloudinary
import cloudinary.api
import cloudinary.exceptions
import cloudinary.uploader
import cloudinary.utils
import pytest

from conftest import http
from files import mp4, note, png

pytestmark = pytest.mark.usefixtures("sdk")

KINDS = [
    ("picture.png", png(), {}, {"resource_type": "image", "format": "png", "width": 40, "height": 30}),
    ("film.mp4", mp4(), {"resource_type": "video"}, {"resource_type": "video", "format": "mp4"}),
    ("minutes.txt", note(), {"resource_type": "raw"}, {"resource_type": "raw"}),
    ("anything.txt", note(), {"resource_type": "auto"}, {"resource_type": "raw"}),
]


@pytest.mark.parametrize(("name", "content", "options", "expected"), KINDS, ids=[kind[0] for kind in KINDS])
def test_uploads_and_gets_the_same_bytes_back(tmp_path, name, content, options, expected):
    path = tmp_path / name
    path.write_bytes(content)
    stored = cloudinary.uploader.upload(
        str(path), folder="sdk", tags=["a", "b"], context={"caption": "one=two|three"}, **options
    )
    expected = {**expected, "type": "upload", "bytes": len(content), "tags": ["a", "b"]}
    assert {field: stored[field] for field in expected} == expected
    assert stored["context"] == {"custom": {"caption": "one=two|three"}}
    assert stored["public_id"].startswith("sdk/")
    answer = http("GET", stored["secure_url"])
    assert (answer.status, answer.body) == (200, content)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("version", [1, 2])
def test_signs_its_uploads_in_either_way_and_is_believed(sdk, algorithm, version):
    sdk(signature_algorithm=algorithm, signature_version=version)
    stored = cloudinary.uploader.upload(png(), public_id=f"py-{algorithm}-{version}", context={"note": "this & that"})
    assert stored["context"] == {"custom": {"note": "this & that"}}
    assert cloudinary.utils.verify_api_response_signature(
        stored["public_id"], stored["version"], stored["signature"], algorithm
    )


def test_uploads_a_large_film_in_parts(tmp_path):
    film = mp4(20_000_000)
    path = tmp_path / "large.mp4"
    path.write_bytes(film)
    stored = cloudinary.uploader.upload_large(str(path), resource_type="video", chunk_size=6_000_000, folder="large")
    assert stored["public_id"].startswith("large/")
    assert stored["bytes"] == len(film)
    assert http("GET", stored["secure_url"]).body == film


def test_a_film_in_parts_keeps_the_public_id_that_was_asked_for(tmp_path):
    path = tmp_path / "large.mp4"
    path.write_bytes(mp4(13_000_000))
    stored = cloudinary.uploader.upload_large(
        str(path), resource_type="video", chunk_size=6_000_000, public_id="large/python"
    )
    assert stored["public_id"] == "large/python"


def test_a_data_uri_is_a_file():
    stored = cloudinary.uploader.upload("data:text/plain;base64,aGVsbG8=", resource_type="raw", public_id="hello.txt")
    assert http("GET", stored["secure_url"]).body == b"hello"


def test_a_private_upload_opens_through_private_download_url_only_until_it_expires(server):
    stored = cloudinary.uploader.upload(png(), type="private", public_id="vault/python")
    plain = f"{server.emulator_url}/emulator/image/private/v{stored['version']}/vault/python.png"
    assert http("GET", plain).status == 401

    expires_at = int(time.time()) + 60
    link = cloudinary.utils.private_download_url("vault/python", "png", type="private", expires_at=expires_at)
    answer = http("GET", link)
    assert (answer.status, answer.body) == (200, png())
    without_type = cloudinary.utils.private_download_url("vault/python", "png")
    assert http("GET", without_type).status == 404

    server.advance_clock(61)
    try:
        assert http("GET", link).status >= 400
    finally:
        server.advance_clock(-61)


def test_the_admin_api_answers_ping_and_deletes_by_public_id():
    assert cloudinary.api.ping()["status"] == "ok"
    cloudinary.uploader.upload(png(), public_id="album/one")
    cloudinary.uploader.upload(png(), public_id="album/two", type="private")
    answer = cloudinary.api.delete_resources(["album/one", "album/two"])
    assert answer["deleted"] == {"album/one": "deleted", "album/two": "not_found"}
    assert answer.rate_limit_allowed == 500
    answer = cloudinary.api.delete_resources(["album/two"], type="private")
    assert answer["deleted"] == {"album/two": "deleted"}


def test_destroy_deletes_and_says_so_when_there_is_nothing():
    cloudinary.uploader.upload(note(), public_id="minutes.txt", resource_type="raw")
    assert cloudinary.uploader.destroy("minutes.txt")["result"] == "not found"
    assert cloudinary.uploader.destroy("minutes.txt", resource_type="raw", invalidate=True)["result"] == "ok"
    assert cloudinary.uploader.destroy("minutes.txt", resource_type="raw")["result"] == "not found"


REFUSALS = [
    ({"secret": "wrong"}, r"^Invalid Signature [0-9a-f]{40}\. String to sign - 'public_id=refused&timestamp=\d+'\.$"),
    ({"key": "wrong"}, r"^Unknown API key wrong$"),
    ({"cloud": "wrong"}, r"^Invalid cloud_name wrong$"),
]


@pytest.mark.parametrize(("wrong", "words"), REFUSALS)
def test_a_wrong_secret_key_or_cloud_is_refused_in_the_words_that_the_sdk_passes_on(sdk, wrong, words):
    sdk(**wrong)
    with pytest.raises(cloudinary.exceptions.AuthorizationRequired, match=words):
        cloudinary.uploader.upload(png(), public_id="refused")


def test_a_wrong_secret_is_refused_by_the_admin_api(sdk):
    sdk(secret="wrong")
    with pytest.raises(cloudinary.exceptions.AuthorizationRequired, match="api_secret mismatch"):
        cloudinary.api.ping()


def test_a_file_that_is_no_picture_is_refused():
    with pytest.raises(cloudinary.exceptions.BadRequest, match="Invalid image file"):
        cloudinary.uploader.upload(note(), resource_type="image")
    with pytest.raises(cloudinary.exceptions.BadRequest, match="Raw file format txt not allowed"):
        cloudinary.uploader.upload(note(), filename="a.txt", resource_type="auto", allowed_formats=["png", "pdf"])
