"""What the suite imports as `test.helper_test`.

The source distribution on PyPI holds the suite's test files, but neither this module nor the files that the tests
upload. This one is written from what the test files ask of it: names, files of its own making (see `files.py`), and
looks at requests that were caught before they went out.
"""

import io
import json
import os
import random
import re
import struct
import sys
import traceback
from contextlib import contextmanager
from datetime import timedelta, tzinfo
from unittest import TestCase, mock
from urllib.parse import parse_qsl, urlsplit

from urllib3 import HTTPResponse

from cloudinary import api

patch = mock.patch

# ---- Names -----------------------------------------------------------------------------------------------------------

SUFFIX = random.randrange(10_000, 100_000)
TEST_TAG = "suite"
UNIQUE_TAG = f"{TEST_TAG}_{SUFFIX}"
UNIQUE_TEST_ID = UNIQUE_TAG
UNIQUE_SUB_ACCOUNT_ID = UNIQUE_TAG
TEST_FOLDER = "test_folder"
UNIQUE_TEST_FOLDER = UNIQUE_TAG + TEST_FOLDER
MOCK_REQUEST_ID = "0123456789abcdef0123456789abcdef"

# ---- Files -----------------------------------------------------------------------------------------------------------

TEST_IMAGE = "test/resources/logo.png"
TEST_IMAGE_SIZE = os.path.getsize(TEST_IMAGE)
TEST_UNICODE_IMAGE = "test/resources/lögö_ünd_mehr.png"
TEST_ICON = "test/resources/favicon.ico"
TEST_DOC = "test/resources/document.docx"

# The picture that the suite uploads by its address; it has to be on this machine.
REMOTE_TEST_IMAGE = os.environ["COUNTERSIGN_REMOTE_IMAGE"]

# ---- Scripts that the service would run ------------------------------------------------------------------------------

EVAL_STR = 'upload_options["context"] = "width=" + resource_info["width"]; upload_options["quality_analysis"] = true'
ON_SUCCESS_STR = 'current_asset.update({tags: ["done"]});'


class UTC(tzinfo):
    """Greenwich, without summer."""

    def utcoffset(self, _):
        return timedelta()

    def dst(self, _):
        return timedelta()

    def tzname(self, _):
        return "UTC"


def populate_large_file(file, size):
    """Writes a bitmap of 1400 by 1400 pixels that is `size` bytes long."""
    offset, side = 138, 1400
    file.write(struct.pack("<2sIHHI", b"BM", size, 0, 0, offset))
    file.write(struct.pack("<IiiHHIIiiII", 124, side, side, 1, 24, 0, size - offset, 0, 0, 0, 0))
    file.write(bytes(offset - file.tell()))
    file.write(b"\xff" * (size - offset))
    file.seek(0, io.SEEK_SET)


# ---- Requests that were caught ---------------------------------------------------------------------------------------

URLLIB3_REQUEST = "urllib3._request_methods.RequestMethods.request"

_INDEX = re.compile(r"\[\d*\]$")


def get_method(mocker):
    return _caught(mocker)["method"]


def get_uri(mocker):
    return urlsplit(_caught(mocker)["url"]).path


def get_headers(mocker):
    return _caught(mocker)["headers"]


def get_json_body(mocker):
    return json.loads(_caught(mocker)["body"])


def get_params(mocker):
    """The parameters by name, wherever the request carries them; those that are written with an index are lists."""
    request = _caught(mocker)
    if request["method"].upper() == "GET":
        pairs = parse_qsl(urlsplit(request["url"]).query, keep_blank_values=True)
    elif request["headers"].get("Content-Type") == "application/json":
        return get_json_body(mocker)
    else:
        fields = request.get("fields") or []
        pairs = fields.items() if hasattr(fields, "items") else fields
    params = {}
    for name, value in pairs:
        base, is_list = _INDEX.subn("", name)
        if is_list:
            params.setdefault(base, []).append(value)
        else:
            params[name] = value
    return params


def get_param(mocker, name):
    return get_params(mocker).get(name)


get_list_param = get_param


def _caught(mocker):
    return mocker.call_args.kwargs


# ---- Answers that never came over a wire -----------------------------------------------------------------------------


def http_response_mock(body="", headers=None, status=200):
    return HTTPResponse(body.encode(), headers or {}, status)


def api_response_mock(body='{"foo":"bar"}'):
    limits = {"limit": "500", "remaining": "499", "reset": "Wed, 24 Oct 2018 08:00:00 GMT"}
    return http_response_mock(body, {f"x-featureratelimit-{name}": text for name, text in limits.items()})


def uploader_response_mock():
    return http_response_mock('{"foo":"bar"}')


# ---- Around the tests ------------------------------------------------------------------------------------------------


class CldTestCase(TestCase):
    """A test case that looks at some members of an object."""

    def assertObjectContainsSubset(self, found, expected):
        for name, value in expected.items():
            self.assertIn(name, found)
            if isinstance(value, dict):
                self.assertObjectContainsSubset(found[name], value)
            else:
                self.assertEqual(found[name], value, name)


def retry_assertion(*_, **__):
    """Nothing to wait for: what the emulator has acknowledged, it shows."""
    return lambda test: test


@contextmanager
def ignore_exception(error_classes=(Exception,), suppress_traceback_classes=()):
    try:
        yield
    except error_classes as problem:
        if not isinstance(problem, suppress_traceback_classes):
            traceback.print_exc(file=sys.stderr)


def cleanup_test_resources_by_tag(selections):
    _each(api.delete_resources_by_tag, selections)


def cleanup_test_resources(selections):
    _each(api.delete_resources, selections)


def cleanup_test_transformation(selections):
    for names, *options in selections:
        _each(api.delete_transformation, [(name, *options) for name in names])


def _each(call, selections):
    """Each selection is what to remove and, at times, options of the call."""
    for selected, *options in selections:
        with ignore_exception():
            call(selected, **(options[0] if options else {}))
