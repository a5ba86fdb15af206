"""Rules about imports that a linter of module graphs cannot see, because imports inside functions are allowed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import invokeai

PACKAGE = Path(invokeai.__file__).parent
HEAVY = {"torch", "numpy", "cv2", "boto3", "diffusers", "transformers", "scipy"}
"""May be imported at module level below `invokeai/backend` only."""
SLOW_TO_START = {*HEAVY, "httpx", "dynamicprompts", "jinja2", "invokeai.backend"}
"""Must not be loaded by a server that has just started. (aiohttp, where installed, is loaded by socket.io itself.)"""
LAYOUT = {"utils", "helpers", "manager"}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _imports_at_module_level(tree: ast.Module) -> Iterator[str]:
    """Names of the modules that loading `tree` imports; bodies of functions and of TYPE_CHECKING do not count."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch", ["torch"]),
        ("try:\n    from torch.nn import Module\nexcept ImportError: pass", ["torch.nn"]),
        ("class A:\n    import cv2", ["cv2"]),
        ("def f():\n    import torch", []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", ["typing"]),
    ],
)
def test_the_finder_of_imports(source: str, found: list[str]) -> None:
    assert list(_imports_at_module_level(ast.parse(source))) == found


@pytest.mark.parametrize("path", [path for path in _modules() if "backend" not in path.parts], ids=str)
def test_no_heavy_import_outside_of_backend(path: Path) -> None:
    names = {name.partition(".")[0] for name in _imports_at_module_level(ast.parse(path.read_text()))}
    assert not names & HEAVY


def test_no_import_of_backend_at_module_level_outside_of_it() -> None:
    guilty = [
        str(path.relative_to(PACKAGE))
        for path in _modules()
        if "backend" not in path.relative_to(PACKAGE).parts
        and any(name.startswith("invokeai.backend") for name in _imports_at_module_level(ast.parse(path.read_text())))
    ]
    assert guilty == []


def test_modules_are_short() -> None:
    long = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in _modules()}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(PACKAGE))
        for path in _modules()
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_a_fresh_application_has_loaded_nothing_slow() -> None:
    program = (
        "import sys\n"
        "from invokeai.app.services.config.config import load_config\n"
        "from invokeai.app.api_app import create_app\n"
        "import uvicorn, invokeai.app.run_app\n"
        "create_app(load_config('/tmp/unused'))\n"
        f"print(sorted(name for name in {sorted(SLOW_TO_START)} if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
