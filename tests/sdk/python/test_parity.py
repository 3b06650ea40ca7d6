"""Ten thousand generated parameter sets, signed by the official SDK and by `countersign sign --batch`: not one difference.

What the SDKs do not agree on among themselves is in docs/differences.md and left out here: this SDK drops 0 and false,
spells some numbers in its own way, and cannot join a list of anything but texts.
"""

import json
import os
import random
import subprocess

import pytest
from cloudinary import utils

SETS = 10_000
SECRET = "a secret/with+all=kinds&of%signs é"

NAMES = """
    timestamp public_id folder tags context metadata eager transformation type notification_url use_filename
    unique_filename overwrite allowed_formats moderation upload_preset callback source custom_coordinates
    face_coordinates headers access_control public_ids display_name asset_folder invalidate phash file cloud_name
    resource_type api_key signature version format attachment expires_at responsive_breakpoints backup eval
""".split()

PIECES = [
    "a", "B", "7", " ", "&", "=", "%26", "%", "%2F", "+", "?", "/", "\\", '"', "'", "\n", "\r\n", "\t", ",", "|", "\\=",
    "\\|", ";", ":", "#", "<", "{", "[", "é", "ß", "ñ", "中文", "العربية", "🦊", "👩‍👩‍👧", "e\u0301", "\u00a0", "\u202e",
    "\u2028", "\u0000", "\u007f", "\ufeff", "&amp;", "k=v", "k=v|k2=v2", "true", "null", "None", "tags=x", "&type=upload",
]  # fmt: skip

chance = random.Random(20_240_703)


def text():
    return "".join(chance.choices(PIECES, k=chance.randrange(7)))


def texts(most, least=0):
    return [text() for _ in range(chance.randrange(least, most + 1))]


VALUES = [
    text, text, text, text,
    lambda: texts(1) and ["x", *texts(3)],
    lambda: True,
    lambda: None,
    lambda: "",
    list,
    lambda: chance.randrange(1, 2_000_000_000),
    lambda: -chance.randrange(1, 1000),
    lambda: chance.randrange(1, 10**6) * 2 + 1 + 0.5,
    lambda: json.dumps([{"access_type": "token", "text": text()}]),
]  # fmt: skip


def plain_set():
    names = chance.choices(NAMES, k=chance.randrange(10))
    return {name: chance.choice(VALUES)() for name in names}


def upload_set():
    """What the SDK's upload call would sign: its own spelling of nested context, metadata and transformations."""
    options = {
        "timestamp": chance.randrange(1_720_000_000, 1_721_000_000),
        "public_id": text(),
        "tags": texts(3),
        "context": {"caption": text(), "alt": text(), "list": texts(2)},
        "metadata": {"field": text(), "set": texts(3)},
        "eager": [{"width": chance.randrange(1, 500), "crop": "fill", "effect": "sepia"} for _ in texts(2)],
        "face_coordinates": [[1, 2, 3, chance.randrange(9)] for _ in texts(2)],
        "use_filename": chance.choice([True, None]),
        "notification_url": f"https://example.com/hook?a={chance.randrange(9)}&b={chance.randrange(9)}",
        "access_control": [{"access_type": "anonymous", "start": "2024-07-03T00:00:00Z"}],
    }
    return {name: value for name, value in utils.build_upload_params(**options).items() if value}


@pytest.fixture(scope="module")
def sets():
    return [upload_set() if index % 4 == 3 else plain_set() for index in range(SETS)]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_every_set_is_signed_as_the_sdk_signs_it(sets, tmp_path, algorithm, version):
    secret = tmp_path / "secret"
    secret.write_text(SECRET, encoding="utf-8")
    binary = os.environ.get("COUNTERSIGN_BIN")
    assert binary, "COUNTERSIGN_BIN must name the binary to test: start the tests with tests/run"
    command = [binary, "sign", "--batch", "--algorithm", algorithm, "--signature-version", str(version)]
    lines = "".join(json.dumps(one) + "\n" for one in sets)
    ran = subprocess.run(
        [*command, "--secret-file", secret], cwd=tmp_path, env={}, input=lines, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr or [line for line in ran.stdout.splitlines() if "error" in line][:3]
    answers = [json.loads(line) for line in ran.stdout.split("\n") if line]
    assert len(answers) == SETS
    for one, answer in zip(sets, answers):
        assert answer["string_to_sign"] == utils.api_string_to_sign(one, version)
        assert answer["signature"] == utils.api_sign_request(one, SECRET, algorithm, version)
