"""A place where rounds are shared: any fsspec URL. One of the two doors to fsspec.

    rounds/<hash>.json      a lock, written last: where it is, everything it needs is
    bundles/<hash>.json     which chunks hold what
    chunks/<sha256>         zstd, named by what they hold, never changed

A chunk is written under its name only when it is whole; on a plain directory that takes a rename,
object stores do it by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import fsspec

from compiler.errors import StoreError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_EXTRA = "install what its protocol needs, such as probec[s3] for s3://"


class Remote:
    """Whole files by name below a URL."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        with self._translated():
            files: AbstractFileSystem
            files, root = fsspec.core.url_to_fs(self.url)
            self._files = files
            self._root = str(root).rstrip("/")

    def sizes(self, folder: str) -> dict[str, int]:
        """The files in a folder with their bytes; none where there is no such folder."""
        with self._translated():
            # What another process wrote since must be seen.
            self._files.invalidate_cache()
            try:
                found = self._files.ls(f"{self._root}/{folder}", detail=True)
            except FileNotFoundError:
                return {}
            return {
                str(each["name"]).rstrip("/").rpartition("/")[2]: int(each["size"] or 0)
                for each in found
                if each["type"] == "file"
            }

    def get(self, name: str) -> bytes | None:
        """The bytes of a file, None if there is none."""
        with self._translated():
            try:
                data: bytes = self._files.cat_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return None
            return data

    def put(self, name: str, data: bytes) -> None:
        """Write a whole file or nothing."""
        path = f"{self._root}/{name}"
        with self._translated():
            if getattr(self._files, "local_file", False):
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._files.pipe_file(f"{path}.part", data)
                self._files.mv(f"{path}.part", path)
            else:
                self._files.pipe_file(path, data)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise StoreError(str(error), where=self.url, hint=_EXTRA) from error
        except Exception as error:  # every fsspec backend raises its own kinds
            what = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise StoreError(
                f"the transfer broke off: {what}",
                where=self.url,
                hint="run the same command again: what is across stays there",
            ) from error
