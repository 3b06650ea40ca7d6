"""What the signing server makes is what the SDK would have made, and what the SDK makes the server understands."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import cloudinary.uploader
import cloudinary.utils
import pytest
from urllib3 import encode_multipart_formdata

from conftest import LINKS_SECRET, SECRET, http
from files import mp4, note, png

pytestmark = pytest.mark.usefixtures("sdk")


def upload_with(permit, content, name):
    """Uploads as a client without any SDK would: exactly what was signed, the key, the signature and the file."""
    fields = {**permit["payload"], "api_key": permit["apiKey"], "signature": permit["signature"]}
    fields = {field: _as_text(value) for field, value in fields.items()}
    body, content_type = encode_multipart_formdata({**fields, "file": (name, content, "image/png")})
    return http("POST", permit["uploadUrl"], body, content_type)


def _as_text(value):
    return {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(
    ("query", "delivery_type"),
    [("", "upload"), ("?should_secure_asset=false", "upload"), ("?should_secure_asset=true", "private")],
)
def test_a_permit_is_what_the_sdk_signs_and_its_upload_is_accepted(server, query, delivery_type):
    permit = server.ask("GET", f"/upload-signature{query}")
    payload = {name: _as_text(value) for name, value in permit["payload"].items()}
    assert cloudinary.utils.api_sign_request(payload, SECRET) == permit["signature"]
    assert cloudinary.utils.api_sign_request(payload, SECRET, signature_version=1) == permit["manualSignature"]

    answer = upload_with(permit, png(), "picture.png")
    stored = answer.json()
    assert (answer.status, stored["type"], stored["bytes"]) == (200, delivery_type, len(png()))
    assert cloudinary.utils.verify_api_response_signature(stored["public_id"], stored["version"], stored["signature"])


@pytest.mark.parametrize(
    ("resource_type", "file_format", "content"),
    [("image", "png", png()), ("video", "mp4", mp4()), ("raw", "", note())],
)
def test_a_download_link_is_signed_as_the_sdk_signs(server, resource_type, file_format, content):
    public_id = "vault/ä (1)" + (".txt" if resource_type == "raw" else "")
    cloudinary.uploader.upload(content, resource_type=resource_type, type="private", public_id=public_id)
    query = urlencode({"public_id": public_id, "format": file_format, "resource_type": resource_type})
    link = server.ask("GET", f"/download-url?{query}")["downloadUrl"]

    ours = dict(parse_qsl(urlsplit(link).query))
    signed = {name: value for name, value in ours.items() if name not in ("signature", "api_key")}
    assert cloudinary.utils.api_sign_request(signed, LINKS_SECRET) == ours["signature"]
    theirs = cloudinary.utils.private_download_url(
        public_id, file_format, resource_type=resource_type, type="private", expires_at=ours["expires_at"]
    )
    assert urlsplit(theirs).path == urlsplit(link).path
    assert dict(parse_qsl(urlsplit(theirs).query)).keys() == ours.keys()
    answer = http("GET", link)
    assert (answer.status, answer.body) == (200, content)


def test_delete_files_deletes_what_the_sdk_uploaded_of_every_kind(server):
    stored = []
    for delivery_type in ("upload", "private", "authenticated"):
        for resource_type, content, extension in (("image", png(), ""), ("video", mp4(), ""), ("raw", note(), ".txt")):
            public_id = f"python/{delivery_type} ü{extension}"
            options = {"resource_type": resource_type, "type": delivery_type, "public_id": public_id}
            stored.append(cloudinary.uploader.upload(content, **options))
    items = [(asset["resource_type"], asset["secure_url"]) for asset in stored]
    assert [(result["publicId"], result["outcome"]) for result in server.remove(items)] == [
        (asset["public_id"], "deleted") for asset in stored
    ]
    assert {http("GET", url).status for _, url in items} == {404}
    assert {result["outcome"] for result in server.remove(items)} == {"not_found"}


PUBLIC_IDS = [
    "sample", "folder/sample", "a/b/c/d/e", "w_100/logo", "c_fill,w_200/photo", "t_named/photo", "if_end/x", "$x_10/y",
    "my_folder/x_y", "with space", "ünïcödé/fïlé", "日本語/写真", "emoji-🦊/tail", "comma,separated", "quote's", "paren(1)",
    "star*", "tilde~", "at@home", "semi;colon", "equals=sign", "exclaim!", "colon:id", "brackets[1]", "pipe|d",
    "dots.in.the.name", "-leading", "UPPER/Case", "kyc/1/passport_x7Gh2k",
]  # fmt: skip

OPTIONS = {
    "plain": {},
    "cropped": {"width": 100, "height": 150, "crop": "fill", "gravity": "auto", "quality": "auto"},
    "chained": {"transformation": [{"width": 100, "crop": "scale"}, {"effect": "sepia:50", "angle": ["hflip", 90]}]},
    "named": {"transformation": ["thumbnail", "blip"]},
    "text": {"overlay": {"font_family": "Times New Roman", "font_size": 70, "text": "a, b/c é 100% & 🦊"}},
    "layer": {"overlay": "folder:logo", "gravity": "south_east", "x": 5, "y": -5},
    "fetched": {"overlay": "fetch:https://example.com/a/b,c.png?x=1&y=2"},
    "condition": {"transformation": [{"if": "w_lt_200"}, {"crop": "fill", "width": 80}, {"if": "end"}]},
    "variables": {"variables": [["$w", 100], ["$name", "!a:b!"]], "width": "$w * 2", "crop": "scale"},
    "version": {"version": 1719307544},
    "signed": {"sign_url": True, "width": 10, "crop": "scale"},
    "signed, long": {"sign_url": True, "long_url_signature": True, "version": 12},
    "token": {"sign_url": True, "auth_token": {"key": "00112233FF99", "start_time": 1111111111, "duration": 300}},
    "sharded": {"cdn_subdomain": True, "secure_cdn_subdomain": True},
    "private host": {"private_cdn": True},
    "private": {"type": "private"},
    "authenticated": {"type": "authenticated", "sign_url": True},
    "film": {"resource_type": "video", "format": "mp4"},
    "poster": {"resource_type": "video", "start_offset": 3},
    "raw": {"resource_type": "raw", "format": None},
    "raw, private": {"resource_type": "raw", "type": "private", "format": None},
    "suffix": {"private_cdn": True, "url_suffix": "a-name-for-people"},
    "suffix, raw": {"private_cdn": True, "url_suffix": "a-name-for-people", "resource_type": "raw", "format": None},
    "short": {"shorten": True, "version": 9},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_delivery_urls_address_the_public_id_they_were_made_of(server, options):
    options = {"secure": True, "format": "jpg", **options}
    urls = [cloudinary.utils.cloudinary_url(public_id, **options)[0] for public_id in PUBLIC_IDS]
    results = server.remove([(options.get("resource_type", "image"), url) for url in urls])
    assert [(result["url"], result["publicId"], result["outcome"]) for result in results] == [
        (url, public_id, "not_found") for url, public_id in zip(urls, PUBLIC_IDS)
    ]
