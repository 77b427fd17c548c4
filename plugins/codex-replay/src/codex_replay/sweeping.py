"""Removes traces of sessions that are gone, and bodies that no trace names any more."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from codex_plugin_sdk import Engine, StoreError, is_uuid

from .blobs import FOLDER, SUFFIX, trace_folder

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, RolloutStore

YOUNG_S = 24 * 60 * 60
"""A younger file may belong to a thread that is just beginning: it stays."""
_NAMES = re.compile(rb'"([0-9a-f]{32})"')


def sweep(invocation: Invocation) -> int:
    """Carry out `codex debug trace --sweep`; 0. Raises `StoreError`."""
    config = invocation.load_config(cwd=None)
    store = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ).rollout_store()
    folder = trace_folder(config.codex_home)
    try:
        traces = remove_orphans(folder, store)
        blobs, freed = remove_unnamed(folder)
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"traces cannot be swept: {why}", path=folder, operation="sweep") from error
    click.echo(f"{traces} traces of deleted sessions and {blobs} bodies removed, {freed:,} bytes of bodies")
    return 0


def remove_orphans(folder: str, store: RolloutStore) -> int:
    """Remove the traces of threads that the store does not have; how many. Raises `OSError`."""
    gone = 0
    for path in _old(_files(folder, ".jsonl")):
        thread_id = os.path.basename(path).removesuffix(".jsonl")
        if is_uuid(thread_id) and store.find(thread_id) is None:
            os.unlink(path)
            gone += 1
    return gone


def remove_unnamed(folder: str) -> tuple[int, int]:
    """Remove the bodies that no trace names; how many, and their bytes. Raises `OSError`."""
    named: set[bytes] = set()
    for path in _files(folder, ".jsonl"):
        with open(path, "rb") as file:
            for line in file:
                named.update(_NAMES.findall(line))
    count = freed = 0
    root = os.path.join(folder, FOLDER)
    for part in sorted(os.listdir(root)) if os.path.isdir(root) else ():
        for path in _old(_files(os.path.join(root, part), "")):
            name = part + os.path.basename(path).removesuffix(SUFFIX)
            if name.encode() not in named:
                freed += os.path.getsize(path)
                os.unlink(path)
                count += 1
    return count, freed


def _files(folder: str, ending: str) -> list[str]:
    if not os.path.isdir(folder):
        return []
    paths = (os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(ending))
    return [path for path in paths if os.path.isfile(path)]


def _old(paths: list[str]) -> Iterator[str]:
    limit = time.time() - YOUNG_S
    return (path for path in paths if os.path.getmtime(path) < limit)
