"""What an installation weighs: every file under site-packages, less the pip and setuptools the venv came with."""

import subprocess
import sys
from pathlib import Path

from benchmarks import peer
from benchmarks.bench import Bench
from benchmarks.report import Figure
from benchmarks.servers import OURS, PEER

NOTES = (
    "installed: sizes of all files under site-packages of a fresh venv after `pip install .`, without pip and "
    "setuptools, and of the web UI, which the peer has among its packages and ours beside them; the peer has a CPU "
    "build of torch (its default CUDA build is about three times that).",
)
REPOSITORY = Path(__file__).parent.parent
NOT_COUNTED = ("pip", "setuptools", "pkg_resources", "_distutils_hack")


def measure(bench: Bench) -> list[Figure]:
    """Installed size; taken once, it does not vary."""
    size = Figure("installed, with web UI", "MB", budget=190)
    for contestant in bench.contestants:
        if contestant.is_ours:
            venv = _install_ours(bench.folder / "installed")
            size.add(OURS, (site_packages_bytes(venv) + _web_ui_bytes(venv)) / 1e6)
        else:
            size.add(PEER, site_packages_bytes(peer.peer_folder()) / 1e6)
        print(f"  {contestant.name}: {size.runs[contestant.name][-1]:.0f} MB", flush=True)
    return [size]


def _install_ours(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-qq", str(REPOSITORY)], check=True)
    return folder


def _web_ui_bytes(venv: Path) -> int:
    """Size of the prepared web UI, which is fetched when it is not there."""
    command = [str(venv / "bin" / "python"), "-m", "invokeai.app.services.ui_bundle"]
    folder = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1]
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def site_packages_bytes(venv: Path) -> int:
    """Bytes of all files under the venv's site-packages that the venv itself did not bring."""
    (packages,) = venv.glob("lib/python*/site-packages")
    kept = [entry for entry in packages.iterdir() if not entry.name.startswith(NOT_COUNTED)]
    files = [file for entry in kept for file in ([entry] if entry.is_file() else entry.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())
