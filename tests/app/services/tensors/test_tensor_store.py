import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from invokeai.app.services.shared.errors import InvalidInput, NotFound
from invokeai.app.services.shared.invocation_scope import InvocationScope, ItemFacts
from invokeai.app.services.tensors.tensor_access import AsyncTensors, Tensors
from invokeai.app.services.tensors.tensor_store import TensorStore


def scope(store: TensorStore, node_id: str = "node") -> InvocationScope:
    services: Any = SimpleNamespace(tensors=store)
    item = ItemFacts(queue_id="default", item_id=1, batch_id="b", session_id="s")
    return InvocationScope(services=services, item=item, invocation=SimpleNamespace(id=node_id), source_id=node_id)


def test_an_array_comes_back_as_it_was_after_a_restart(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((1, 30, 20)) > 0.5
    TensorStore(tmp_path / "tensors").save("m", mask)
    loaded = TensorStore(tmp_path / "tensors").load("m")
    assert loaded.dtype == np.bool_ and (loaded == mask).all()
    assert [path.name for path in (tmp_path / "tensors").iterdir()] == ["m.npz"]


@pytest.mark.parametrize("name", ["", "../m", "a/b", "..", "a\0b", "x" * 200, "m.npz"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    store = TensorStore(tmp_path / "tensors")
    with pytest.raises(InvalidInput):
        store.save(name, np.zeros(1))
    with pytest.raises(InvalidInput):
        store.load(name)
    assert not list(tmp_path.rglob("*.npz"))


def test_missing_and_damaged_files_are_not_found(tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\3\4 but no more")
    for name in ("cut", "none"):
        with pytest.raises(NotFound, match=name):
            TensorStore(tmp_path).load(name)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", array=np.array([object()], dtype=object))
    with pytest.raises(NotFound):
        TensorStore(tmp_path).load("evil")


def test_sweep_takes_only_the_old_ones(tmp_path: Path) -> None:
    store = TensorStore(tmp_path / "tensors")
    assert store.sweep() == 0
    store.save("old", np.zeros(3))
    store.save("new", np.zeros(3))
    os.utime(tmp_path / "tensors" / "old.npz", (0, 0))
    assert store.sweep() == 1
    assert store.load("new").shape == (3,)


def test_a_repeated_run_replaces_its_own_tensors(tmp_path: Path) -> None:
    store = TensorStore(tmp_path)
    names = []
    for value in (1, 2):
        tensors = Tensors(scope(store))
        names.append([tensors.save(np.full(1, value)), tensors.save(np.full(1, -value))])
    assert names[0] == names[1] and len(set(names[0])) == 2
    assert [int(store.load(name)[0]) for name in names[0]] == [2, -2]
    assert Tensors(scope(store, "other")).save(np.zeros(1)) not in names[0]


async def test_coroutines_get_the_same_names(tmp_path: Path) -> None:
    store = TensorStore(tmp_path)
    name = await AsyncTensors(scope(store)).save(np.ones(2))
    assert name == Tensors(scope(store)).save(np.ones(2))
    assert (await AsyncTensors(scope(store)).load(name)).sum() == 2
