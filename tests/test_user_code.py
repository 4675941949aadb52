"""A user's module that is edited while the process lives: what is in memory is what its hash says, or an error."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from miqd_builder import user_code
from miqd_builder.errors import ConfigError, MiqdError, StaleCodeError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file of importable code; all files have the same time, as if edited within a second."""
    monkeypatch.syspath_prepend(tmp_path)

    def file(name: str, text: str, *, seconds: float = 1e9) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (seconds, seconds))
        return path

    yield file
    for name in [name for name in sys.modules if name.startswith("uc_")]:
        del sys.modules[name]


def test_the_hash_of_a_module_is_that_of_its_file(write: Write) -> None:
    file = write("uc_plain.py", "value = 1\n")
    assert user_code.source_sha256("uc_plain") == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "uc_plain" not in sys.modules


def test_the_hash_of_a_submodule_imports_no_parent(write: Write) -> None:
    write("uc_parent/__init__.py", "raise RuntimeError('imported')\n")
    file = write("uc_parent/inner/child.py", "value = 1\n")
    assert user_code.source_sha256("uc_parent.inner.child") == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "uc_parent" not in sys.modules


def test_the_hash_of_a_package_follows_all_its_files(write: Write) -> None:
    write("uc_hashed/__init__.py", "")
    hashes = [user_code.source_sha256("uc_hashed")]
    for name, text in (("a.py", "x = 1"), ("a.py", "x = 2"), ("deep/b.py", "x = 1"), ("deep/c.py", "x = 1")):
        write(f"uc_hashed/{name}", text)
        hashes.append(user_code.source_sha256("uc_hashed"))
    assert len(set(hashes)) == len(hashes)
    write("uc_hashed/data.txt", "no code")
    write("uc_hashed/.venv/d.py", "can't be imported")
    assert user_code.source_sha256("uc_hashed") == hashes[-1]


@pytest.mark.parametrize("module", ["uc_absent", "uc_absent.child", "sys", "json.absent", "os.path.absent", "", "..x", "a..b"])
def test_what_has_no_source_has_no_hash(module: str) -> None:
    assert user_code.source_sha256(module) is None


def test_an_edit_of_the_same_second_and_size_is_seen(write: Write) -> None:
    """Python's own bytecode files would bring back the old code."""
    write("uc_edit.py", "value = 1\n")
    assert importlib.import_module("uc_edit").value == 1  # leaves bytecode
    for value in (2, 3, 3, 2):
        write("uc_edit.py", f"value = {value}\n")
        sha256 = user_code.source_sha256("uc_edit")
        module = user_code.load("uc_edit")
        assert module.value == value and module is sys.modules["uc_edit"] is importlib.import_module("uc_edit")
        assert user_code.load("uc_edit", sha256) is module


def test_what_the_new_file_no_longer_has_is_gone(write: Write) -> None:
    write("uc_gone.py", "def old(): pass\n")
    assert hasattr(user_code.load("uc_gone"), "old")
    write("uc_gone.py", "def new(): pass\n")
    assert not hasattr(user_code.load("uc_gone"), "old")


def test_a_module_that_others_imported_stays_if_it_is_older_than_the_process(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("uc_others.py", "value = 1\n")
    first = importlib.import_module("uc_others")
    assert user_code.load("uc_others") is not first  # its file was made after this process started
    del sys.modules["uc_others"]
    monkeypatch.setattr(user_code, "_STARTED", 4e9)
    old = importlib.import_module("uc_others")
    assert user_code.load("uc_others") is old is user_code.load("uc_others", user_code.source_sha256("uc_others"))


def test_a_reload_by_others_is_seen(write: Write) -> None:
    write("uc_reload.py", "value = 1\n")
    module, planned = user_code.load("uc_reload"), user_code.source_sha256("uc_reload")
    write("uc_reload.py", "value = 22\n")
    assert importlib.reload(module).value == 22  # what IPython's autoreload does
    with pytest.raises(StaleCodeError):
        user_code.load("uc_reload", planned)
    assert user_code.load("uc_reload").value == 22


def test_an_edited_submodule_makes_the_package_new(write: Write) -> None:
    write("uc_package/__init__.py", "from uc_package.inner.part import value\n")
    write("uc_package/inner/part.py", "value = 1\n")  # a folder without __init__.py on the way
    assert user_code.load("uc_package").value == 1
    write("uc_package/inner/part.py", "value = 2\n")
    assert user_code.load("uc_package").value == 2
    same = user_code.load("uc_package")
    assert user_code.load("uc_package") is same


def test_a_package_imports_later_what_it_had_when_it_was_loaded(write: Write) -> None:
    write("uc_lazy/__init__.py", "def get():\n    from uc_lazy import part\n    return part.value\n")
    write("uc_lazy/part.py", "value = 1\n")
    planned = user_code.source_sha256("uc_lazy")
    module = user_code.load("uc_lazy")
    write("uc_lazy/part.py", "value = 2\n")
    assert module.get() == 1
    assert user_code.load("uc_lazy", planned) is module
    assert user_code.load("uc_lazy").get() == 2


def test_a_submodule_and_its_package_side_by_side(write: Write) -> None:
    write("uc_both/__init__.py", "from uc_both.part import value\n")
    write("uc_both/part.py", "value = 1\n")
    assert (user_code.load("uc_both").value, user_code.load("uc_both.part").value) == (1, 1)
    write("uc_both/part.py", "value = 2\n")
    assert (user_code.load("uc_both.part").value, user_code.load("uc_both").value) == (2, 2)
    assert user_code.load("uc_both.part") is sys.modules["uc_both"].part


def test_other_code_than_planned_is_refused(write: Write) -> None:
    write("uc_planned.py", "value = 1\n")
    planned = user_code.source_sha256("uc_planned")
    write("uc_planned.py", "value = 2\n")
    with pytest.raises(StaleCodeError, match="Module 'uc_planned': its source here is not the one") as caught:
        user_code.load("uc_planned", planned)
    assert "\n" not in str(caught.value) and isinstance(caught.value, MiqdError)
    for absent in ("uc_absent", "uc_absent.child"):
        with pytest.raises(StaleCodeError, match=f"Module '{absent}'"):
            user_code.checked({absent: str(planned)})


def test_a_plan_holds_until_its_block_ends(write: Write) -> None:
    write("uc_scope.py", "value = 1\n")
    with user_code.planned({"uc_scope": str(user_code.source_sha256("uc_scope"))}):
        write("uc_scope.py", "value = 2\n")
        assert user_code.load("uc_scope").value == 1
    assert user_code.load("uc_scope").value == 2


def test_missing_and_broken_modules(write: Write) -> None:
    with pytest.raises(ModuleNotFoundError):
        user_code.load("uc_absent")
    write("uc_broken.py", "value = 1\n")
    user_code.load("uc_broken")
    write("uc_broken.py", "value =\n")
    for _ in range(2):
        with pytest.raises(SyntaxError):
            user_code.load("uc_broken")
        assert "uc_broken" not in sys.modules
    with pytest.raises(ConfigError, match="Module 'uc_broken' can't be imported: SyntaxError"):
        user_code.checked({"uc_broken": str(user_code.source_sha256("uc_broken"))})
    write("uc_broken.py", "value = 3\n")
    assert user_code.load("uc_broken").value == 3


def test_where_a_second_import_would_do_harm_a_restart_is_asked_for(write: Write) -> None:
    write("uc_once.py", "value = 1\n")
    assert user_code.load("uc_once", anew=False).value == 1
    assert user_code.load("uc_once", anew=False).value == 1
    write("uc_once.py", "value = 2\n")
    with pytest.raises(StaleCodeError, match=r"'uc_once' has changed since .* restart the process"):
        user_code.load("uc_once", anew=False)


def test_a_compiled_module_is_not_loaded_twice(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "_multiprocessing"
    built = importlib.util.find_spec(name)
    if built is None or not built.has_location:
        pytest.skip("Python has it built in")
    target = write(f"uc_compiled/{Path(str(built.origin)).name}", "")
    target.write_bytes(Path(str(built.origin)).read_bytes())
    monkeypatch.syspath_prepend(target.parent)
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = user_code.load(name)
    assert user_code.load(name) is module and module.__file__ == str(target)
    other = target.with_suffix(".other")
    other.write_bytes(target.read_bytes() + b"\0")
    other.replace(target)  # what runs from the old file goes on
    with pytest.raises(StaleCodeError, match="restart the process"):
        user_code.load(name)


def test_a_traceback_and_inspect_show_the_source(write: Write) -> None:
    import inspect

    write("uc_shown.py", "def f():\n    return 1\n")
    assert inspect.getsource(user_code.load("uc_shown").f) == "def f():\n    return 1\n"


def test_threads_share_one_import(write: Write) -> None:
    write("uc_threads.py", "import time\ntime.sleep(0.05)\n")
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(user_code.load("uc_threads"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(map(id, found))) == 1
