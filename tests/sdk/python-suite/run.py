"""Runs the test suite of the official Python SDK against the emulator.

    run.py SDIST FOLDER [ARGUMENT OF PYTEST…]

The suite is unpacked into FOLDER from the SDK's source distribution, and none of its files is changed. What the
distribution leaves out, a module of helpers and the files to upload, is put beside them; see `stand-in/`. What is not
run, and why, is in `left_out.txt`; `--only-left-out` runs just that, to see whether something of it would pass by now.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import files

HERE = Path(__file__).resolve().parent
CREDENTIALS = "emulator-key:emulator-secret@emulator"


def main(sdist, folder, *arguments):
    suite = unpack(Path(sdist), Path(folder))
    with tempfile.TemporaryDirectory() as scratch:
        seed = Path(scratch, "seed")
        files.write_all(seed / "remote")
        with Emulator(scratch, seed) as address:
            return run_pytest(suite, address, arguments)


def unpack(sdist, folder):
    """The folder of the unpacked suite, with the stand-ins in their places."""
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (suite,) = folder.iterdir()
    stand_ins = [path for path in (HERE / "stand-in").rglob("*.py")]
    for path in stand_ins:
        place = suite / path.relative_to(HERE / "stand-in")
        assert not place.exists(), f"{place} comes with the suite: its stand-in has to go"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    files.write_all(suite / "test" / "resources")
    return suite


class Emulator:
    """The emulator as a process of its own, on a port of its own, with a folder that goes away with it.

    It may fetch remote files from this machine, because the suite uploads one by its address: its own delivery of a
    seeded file stands in for the web server that the suite would go to.
    """

    def __init__(self, scratch, seed):
        binary = os.environ.get("COUNTERSIGN_BIN")
        assert binary, "COUNTERSIGN_BIN must name the binary to test: start the tests with tests/run"
        self.command = [binary, "emulator", "--emulator-port", "0", "--seed", str(seed)]
        self.command += ["--allow", "remote-files,private-addresses"]
        # An empty folder and hardly any environment: neither a variable nor a .env of this machine plays a part.
        self.surroundings = {"cwd": scratch, "env": {"TMPDIR": scratch}}

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        pipes = {"stdout": subprocess.PIPE, "stderr": self.log, "text": True}
        self.process = subprocess.Popen(self.command, **self.surroundings, **pipes)
        for line in self.process.stdout:
            if found := re.search(r"upload_prefix=(http:\S+)", line):
                return found[1]
        self.log.seek(0)
        raise AssertionError("the emulator did not start:\n" + self.log.read().decode())

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


def run_pytest(suite, address, arguments):
    command = [sys.executable, "-m", "pytest", "-p", "suite_plugin", "--quiet", "--color=no"]
    command += ["--left-out", str(HERE / "left_out.txt"), "--emulator", address]
    settings = {
        "CLOUDINARY_URL": f"cloudinary://{CREDENTIALS}?upload_prefix={address}",
        "COUNTERSIGN_REMOTE_IMAGE": f"{address}/emulator/image/upload/remote/logo.png",
        # The suite skips the tests of the search unless it is told that there is one.
        "RUN_SEARCH_TESTS": "1",
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run([*command, "test", *arguments], cwd=suite, env={**os.environ, **settings}).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
