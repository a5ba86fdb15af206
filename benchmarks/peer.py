"""The real InvokeAI 6.14.2 in a venv of its own.

Its import name is the same as ours, so the two never share a venv. Installing is safe to repeat: every step looks first
whether it has been done, and a marker file is written last.
"""

import argparse
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

VERSION = "6.14.2"
TORCH = "2.13.0"
# Newer Starlette breaks socket.io polling for clients that accept gzip.
PINS = ("starlette==0.48.0",)
MARKER = "installed.json"


def peer_folder() -> Path:
    """Folder of the peer's venv: `$INVOKEAI_BENCH_PEER`, else `benchmarks/.peer`."""
    return Path(os.environ.get("INVOKEAI_BENCH_PEER") or Path(__file__).parent / ".peer")


def peer_python(folder: Path | None = None) -> Path:
    """The interpreter of the peer's venv."""
    return (folder or peer_folder()) / "bin" / "python"


def is_installed(folder: Path | None = None) -> bool:
    """Whether a finished installation of the pinned version is there."""
    marker = (folder or peer_folder()) / MARKER
    return marker.is_file() and json.loads(marker.read_text()).get("invokeai") == VERSION


def installed_version(python: Path, distribution: str) -> str | None:
    """Version of a distribution in that interpreter's environment, None when it is missing."""
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def pip(python: Path, *arguments: str) -> None:
    """Run pip at low priority.

    Raises:
        subprocess.CalledProcessError: pip failed; its output is on the terminal.
    """
    command = ["nice", "-n", "15", str(python), "-m", "pip", "--disable-pip-version-check", "-qq", *arguments]
    print("+", " ".join(command[3:]), flush=True)
    subprocess.run(command, check=True)


def install(folder: Path | None = None) -> Path:
    """Install the peer unless it is there; returns its interpreter.

    torch goes in first and is then a constraint, so that no later step swaps the CPU build for a CUDA one.
    """
    folder = folder or peer_folder()
    python = peer_python(folder)
    if is_installed(folder):
        return python
    if not python.exists():
        venv.create(folder, with_pip=True)
    if installed_version(python, "torch") is None:
        pip(python, "install", f"torch=={TORCH}")
    torch = installed_version(python, "torch")
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join([f"torch=={torch}", *PINS]) + "\n")
    if installed_version(python, "torchvision") is None:
        pip(python, "install", "--no-deps", "torchvision")
    if installed_version(python, "invokeai") != VERSION:
        pip(python, "install", f"invokeai=={VERSION}", "-c", str(constraints))
    _empty_torchvision_registrations(python)
    versions = {name: installed_version(python, name) for name in ("invokeai", "torch", "torchvision", "starlette")}
    (folder / MARKER).write_text(json.dumps(versions, indent=2) + "\n")
    return python


def _empty_torchvision_registrations(python: Path) -> None:
    """torchvision's wheel is built against another torch; without its operators this module cannot be imported."""
    code = "import importlib.util as u; print(u.find_spec('torchvision').submodule_search_locations[0])"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    (Path(answer.stdout.strip()) / "_meta_registrations.py").write_text("")


def main() -> None:
    """`python -m benchmarks.peer`: install and say where."""
    parser = argparse.ArgumentParser(description=f"Install InvokeAI {VERSION} for comparison")
    parser.add_argument("--folder", type=Path, default=peer_folder())
    folder = parser.parse_args().folder
    install(folder)
    sys.stdout.write((folder / MARKER).read_text())


if __name__ == "__main__":
    main()
