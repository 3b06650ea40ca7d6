"""Archives of many assets, stored and downloaded."""

import io
import time
import zipfile

import cloudinary.uploader as uploader
import pytest
from cloudinary import exceptions, utils

from conftest import http
from files import png

pytestmark = pytest.mark.usefixtures("sdk")


@pytest.fixture(autouse=True)
def assets(sdk):
    uploader.upload(io.BytesIO(png()), public_id="py-zip/a", tags=["py-zip"])
    uploader.upload(io.BytesIO(png()), public_id="py-zip/b", tags=["py-zip"], type="private")
    uploader.upload(io.BytesIO(b"text"), public_id="py-zip/c.txt", tags=["py-zip"], resource_type="raw")


def names(url):
    answer = http("GET", url)
    assert answer.status == 200, answer.body
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_an_archive_is_stored():
    archive = uploader.create_zip(
        tags="py-zip", target_public_id="py-made", target_tags=["x"], resource_type="all", use_original_filename=True
    )
    assert (archive["public_id"], archive["resource_count"], archive["file_count"]) == ("py-made.zip", 3, 3)
    assert archive["tags"] == ["x"]
    assert len(names(archive["secure_url"])) == 3


def test_an_archive_holds_what_is_named_and_nothing_else():
    archive = uploader.create_archive(public_ids=["py-zip/b"], type="private")
    assert names(archive["secure_url"]) == ["py-zip/b.png"]
    archive = uploader.create_archive(prefixes=["py-zip/"], resource_type="raw", flatten_folders=True)
    assert names(archive["secure_url"]) == ["c.txt"]


def test_an_archive_is_downloaded():
    assert names(utils.download_zip_url(tags="py-zip")) == ["py-zip/a.png"]
    qualified = ["image/private/py-zip/b", "raw/upload/py-zip/c.txt"]
    url = utils.download_archive_url(fully_qualified_public_ids=qualified, resource_type="auto")
    assert names(url) == ["py-zip/b.png", "py-zip/c.txt"]
    assert names(utils.download_folder("py-zip/")) == ["py-zip/a.png", "py-zip/b.png", "py-zip/c.txt"]


def test_a_download_expires_when_it_says_so():
    now = int(time.time())
    alive = utils.download_zip_url(tags="py-zip", timestamp=now - 7200, expires_at=now + 60)
    assert len(names(alive)) == 1
    assert http("GET", utils.download_zip_url(tags="py-zip", expires_at=now - 1)).status == 400
    assert http("GET", alive.replace("mode=download", "mode=create")).status == 401


def test_what_is_missing_refuses_an_archive_unless_it_may_be_missing():
    ids = ["py-zip/a", "py-zip/none"]
    with pytest.raises(exceptions.NotFound, match="Resource not found - py-zip/none"):
        uploader.create_zip(public_ids=ids)
    assert uploader.create_zip(public_ids=ids, allow_missing=True)["file_count"] == 1
