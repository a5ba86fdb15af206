"""Brings the pinned wheel with the ordinary pip client, which checks its digest."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from invokeai.app.services.ui_bundle.patches import UiBundleError
from invokeai.app.services.ui_bundle.pin import UI_VERSION, WHEEL_SHA256


def download_wheel(folder: Path, *, sha256: str = WHEEL_SHA256) -> Path:
    """The pinned wheel, downloaded into `folder`. pip shows its progress bar on standard error.

    Raises:
        UiBundleError: there is no pip, no network, or the file has another digest.
    """
    if importlib.util.find_spec("pip") is None:
        raise UiBundleError("The web UI is fetched with pip, which this Python lacks; run `python -m ensurepip` first.")
    requirements = folder / "ui-requirements.txt"
    requirements.write_text(f"invokeai=={UI_VERSION} --hash=sha256:{sha256}\n")
    # the wheel is only unpacked, never installed, so its own Python range does not matter
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps", "--no-input"]
    command += ["--ignore-requires-python", "--only-binary", ":all:", "--retries", "2", "--timeout", "20"]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(command, stdout=sys.stderr, stdin=subprocess.DEVNULL, check=False)
    wheels = list(folder.glob("invokeai-*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise UiBundleError(f"pip could not download the web UI (invokeai {UI_VERSION}); see its message above.")
    return wheels[0]
