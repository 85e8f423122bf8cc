"""Files below a shared directory or any fsspec URL. One of the two modules that import fsspec.

A file appears under its name only when it is complete. Object stores guarantee that; in a plain
directory it takes a rename.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.errors import StoreError, UsageError, in_a_line

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_EXTRA = "install the package for its protocol, such as probec[s3] for s3://"
_AGAIN = (
    "check the URL, the network, and this machine's permissions and credentials, then run the same "
    "command again"
)


class Remote:
    """The files below a URL, by name.

    Every method raises StoreError if the transfer fails, with the URL and a hint.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        with self._translated():
            files: AbstractFileSystem
            try:
                if "://" in self.url and not self.url.startswith("file://"):
                    files, root = fsspec.core.url_to_fs(self.url)
                else:
                    # In a local path, url_to_fs would take `::` for the end of a URL.
                    files = fsspec.filesystem("file")
                    path = os.path.expanduser(self.url.removeprefix("file://"))
                    root = os.path.join(os.getcwd(), path)
            except ValueError as error:
                raise UsageError(
                    f"not a directory or URL that fsspec can open: {error}",
                    where=self.url,
                    hint="name a directory, or a URL such as s3://bucket/folder",
                ) from error
            self._files = files
            self._root = str(root).rstrip("/")

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the files of a folder with their sizes in bytes; empty if there is no folder."""
        with self._translated():
            # A cached listing would miss files that another process has written since.
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
        """Return the bytes of a file, None if it does not exist."""
        with self._translated():
            try:
                data: bytes = self._files.cat_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return None
            return data

    def fetch(self, name: str, path: Path) -> bool:
        """Download a file to a local path in chunks; return False if it does not exist."""
        with self._translated():
            try:
                self._files.get_file(f"{self._root}/{name}", str(path))
            except FileNotFoundError:
                return False
            return True

    def put(self, name: str, data: bytes) -> None:
        """Write bytes to a file atomically."""
        with self._whole(name) as path:
            self._files.pipe_file(path, data)

    def send(self, name: str, path: Path) -> None:
        """Upload a local file in chunks, atomically."""
        with self._whole(name) as target:
            self._files.put_file(str(path), target)

    def discard(self, name: str) -> None:
        """Remove a file, if it exists."""
        with self._translated():
            try:
                self._files.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return

    def remove(self) -> None:
        """Remove everything below the URL."""
        with self._translated():
            self._files.invalidate_cache()
            if self._files.exists(self._root):
                self._files.rm(self._root, recursive=True)

    @contextmanager
    def _whole(self, name: str) -> Iterator[str]:
        """Yield the path to write to; the file takes its name when the block ends."""
        path = f"{self._root}/{name}"
        with self._translated():
            if getattr(self._files, "local_file", False):
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                # The suffix is random because two machines may write the same file at once.
                part = f"{path}.{os.urandom(6).hex()}.part"
                yield part
                self._files.mv(part, path)
            else:
                yield path

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except UsageError:
            raise
        except ImportError as error:
            raise StoreError(str(error), where=self.url, hint=_EXTRA) from error
        except Exception as error:  # every fsspec backend raises its own kinds
            raise StoreError(
                f"the transfer failed: {in_a_line(error)}", where=self.url, hint=_AGAIN
            ) from error
