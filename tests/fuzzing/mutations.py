"""Seeded damage to bytes, to text and to trees of values, as accidents and attackers make it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

HOSTILE_TEXTS = (
    "",
    " ",
    ".",
    "..",
    "../../outside/escaped",
    "/outside/escaped",
    "~/x",
    "a\x00b",
    "\ud800",
    "\u202egnp.exe",
    "é" * 300,
    "x" * 70_000,
    "%s%n{0}{__class__}",
    "<script>alert(1)</script>",
    "${HOME}",
    "*",
    "[",
    "a=b:c",
    "null",
    "nan",
    "1e999",
    "-1",
    "CON",
    "file:///etc/passwd",
    "memory://x",
    "nowhere://x",
    "own_module:touch",
    "own_module",
    "os:system",
    "os.system",
    "builtins:exec",
)
HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    10**30,
    10**400,
    -(2**63) - 1,
    0.0,
    -0.0,
    0.5,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"b": []}},
)


def damaged_bytes(rng: random.Random, data: bytes) -> bytes:
    """Damage a file's bytes in one to four ways."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_BYTE_DAMAGE)(rng, data)
    return data


def damaged_text(rng: random.Random, text: str) -> bytes:
    """Damage a text file: as bytes, or by putting something hostile in place of a word or a line."""
    if rng.random() < 0.3:
        return damaged_bytes(rng, text.encode())
    lines = text.splitlines(keepends=True) or [""]
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(lines))
        words = lines[at].split(" ")
        words[rng.randrange(len(words))] = rng.choice(HOSTILE_TEXTS)
        lines[at] = rng.choice((" ".join(words), "", lines[at] * 2, lines[at].rstrip("\n"), "\t" + lines[at]))
    return "".join(lines).encode("utf-8", "surrogatepass")


def damaged_tree(rng: random.Random, tree: Any) -> Any:
    """Return a copy of nested lists and dicts with one to three places changed."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = _changed(rng, tree)
    return tree


def hostile(rng: random.Random) -> Any:
    """Return a value that nobody expects."""
    if rng.random() < 0.05:
        return nested(rng.choice((10, 200, 3000)))
    return rng.choice(HOSTILE_TEXTS if rng.random() < 0.5 else HOSTILE_VALUES)


def nested(depth: int) -> list[Any]:
    """Return lists in lists."""
    tree: list[Any] = []
    for _ in range(depth):
        tree = [tree]
    return tree


def _changed(rng: random.Random, tree: Any) -> Any:
    """Change one place, the deeper ones as likely as the upper ones."""
    if isinstance(tree, dict) and tree and rng.random() < 0.85:
        key = rng.choice(list(tree))
        return _changed_entry(rng, tree, key)
    if isinstance(tree, list) and tree and rng.random() < 0.85:
        at = rng.randrange(len(tree))
        how = rng.random()
        if how < 0.1:
            return tree[:at] + tree[at + 1 :]
        if how < 0.2:
            return [*tree, tree[at]]
        return [*tree[:at], _changed(rng, tree[at]), *tree[at + 1 :]]
    return hostile(rng)


def _changed_entry(rng: random.Random, tree: dict[Any, Any], key: Any) -> dict[Any, Any]:
    how = rng.random()
    if how < 0.1:
        return {known: value for known, value in tree.items() if known != key}
    if how < 0.2:
        return {rng.choice((*HOSTILE_TEXTS[:12], 3, None)) if known == key else known: value for known, value in tree.items()}
    if how < 0.25:
        return tree | {rng.choice(HOSTILE_TEXTS): hostile(rng)}
    return tree | {key: _changed(rng, tree[key])}


def _flip_bits(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.choice((0, 1, len(data) // 2, max(0, len(data) - 1), rng.randint(0, len(data))))]


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 4, 100))) + data[at:]


def _zero(rng: random.Random, data: bytes) -> bytes:
    at, length = rng.randint(0, len(data)), rng.choice((1, 8, 512))
    return data[:at] + bytes(min(length, len(data) - at)) + data[at + length :]


def _number(rng: random.Random, data: bytes) -> bytes:
    """Overwrite what may be a length or an offset with an extreme one."""
    at = rng.randint(0, max(0, len(data) - 8))
    value = rng.choice((b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4), b"\x00\x00\x00\x01"))
    return data[:at] + value + data[at + len(value) :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    piece = data[at : at + rng.choice((8, 64, 1024))]
    return data[:at] + piece * rng.choice((2, 50)) + data[at:]


def _splice(rng: random.Random, data: bytes) -> bytes:
    one, other = sorted(rng.randint(0, len(data)) for _ in range(2))
    return data[:one] + data[other:]


def _foreign(rng: random.Random, data: bytes) -> bytes:
    heads = (
        b"PK\x03\x04",
        b"\x89PNG\r\n\x1a\n",
        b"PAR1",
        b"\x80\x02",
        b"%PDF-1.4\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\xff\xd8\xff",
    )
    return rng.choice(heads) + (data if rng.random() < 0.5 else rng.randbytes(200))


_BYTE_DAMAGE: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip_bits,
    _flip_bits,
    _flip_bits,
    _truncate,
    _truncate,
    _insert,
    _zero,
    _number,
    _number,
    _repeat,
    _splice,
    _foreign,
)
