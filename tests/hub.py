"""A loopback Hub: the endpoints that huggingface_hub calls to create, upload, commit, tag and read.

State is in memory. `log` has every request with the token it carried, and `faults` are served once
each instead of the answer, so that a test can break any call.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_TIME = "2026-01-01T00:00:00.000Z"
_OWNER = "me"
TOKEN = "hf_a_token_of_the_tests"
_API = re.compile(r"/api/datasets/(\w+/[\w.-]+)(?:/([\w-]+)(?:/([^/]+)(?:/(.*))?)?)?")
# Files that a preupload call declares as LFS files.
_LARGE = re.compile(r"\.parquet$")


def blob(data: bytes) -> str:
    """Return the id that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True)
class Stored:
    """A file of a commit: its bytes, and whether git holds a pointer to them."""

    data: bytes
    lfs: bool

    @property
    def oid(self) -> str:
        """The id that a preupload call compares: SHA-256 for LFS files, else git's."""
        return hashlib.sha256(self.data).hexdigest() if self.lfs else blob(self.data)

    def entry(self, path: str) -> dict[str, Any]:
        """Return the file as a tree listing shows it."""
        found: dict[str, Any] = {"type": "file", "path": path, "size": len(self.data)}
        found["oid"] = blob(self.data)
        if self.lfs:
            found["lfs"] = {"oid": self.oid, "size": len(self.data), "pointerSize": 130}
        return found


@dataclass(frozen=True)
class Commit:
    """One commit with all of its files."""

    oid: str
    title: str
    message: str
    files: dict[str, Stored]


@dataclass
class Repository:
    """One dataset repository. `refs`: branches and pull requests; `tags`: beside them."""

    private: bool
    commits: list[Commit]
    refs: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> Commit | None:
        """Find the commit that a branch, tag or id names."""
        oid = self.refs.get(revision) or self.tags.get(revision) or revision
        return next((each for each in self.commits if each.oid == oid), None)

    def head(self, branch: str = "main") -> Commit:
        """Return the head of a branch."""
        found = self.at(self.refs[branch])
        assert found is not None
        return found

    def commit(
        self, parent: Commit, files: dict[str, Stored], title: str, message: str = ""
    ) -> Commit:
        """Add a commit, which no branch names yet."""
        parts = [parent.oid, title, sorted((path, each.oid) for path, each in files.items())]
        oid = hashlib.sha1(json.dumps(parts).encode()).hexdigest()
        self.commits.append(Commit(oid, title, message, files))
        return self.commits[-1]


@dataclass
class Fault:
    """An answer that is served instead of the real one, `times` times.

    `status`: 0 closes the connection. `late`: the request is carried out before the fault is
    served. `seconds`: waited before. `act`: called before.
    """

    method: str
    path: str
    status: int
    times: int = 1
    late: bool = False
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    act: Callable[[], None] | None = None


@dataclass(frozen=True)
class Request:
    """A request as it was received. `body`: of JSON requests."""

    method: str
    path: str
    token: str
    body: object


class LoopbackHub:
    """The state and the routes of the server."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.log: list[Request] = []
        self.faults: list[Fault] = []
        self.closed: set[int] = set()
        self.url = ""
        self.lock = threading.RLock()

    def make(self, name: str, *, private: bool = True) -> Repository:
        """Create a repository with a first commit, as the Hub does."""
        first = Commit(
            hashlib.sha1(name.encode()).hexdigest(),
            "initial commit",
            "",
            {".gitattributes": Stored(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", False)},
        )
        self.repositories[name] = Repository(private, [first], {"main": first.oid})
        return self.repositories[name]

    def calls(self, method: str, pattern: str) -> list[Request]:
        """List the requests whose path matches."""
        return [r for r in self.log if r.method == method and re.search(pattern, r.path)]

    def fail(self, fault: Fault) -> None:
        """Serve a fault to the next requests whose method and path match."""
        self.faults.append(fault)

    def fault(self, method: str, path: str) -> Fault | None:
        """Take the fault of a request, if there is one."""
        for each in self.faults:
            if each.times and each.method == method and re.search(each.path, path):
                each.times -= 1
                return each
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A response goes out in one piece, or an ACK would delay every request.
    wbufsize = 1 << 16
    hub: LoopbackHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, status: int, body: object = None, **headers: str) -> None:
        data = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        shown.setdefault("Content-Length", str(len(data)))
        self.send_response(status)
        for name, value in shown.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refuse(self, status: int, kind: str, **headers: str) -> None:
        self._answer(status, {"error": kind}, X_Error_Code=kind, X_Error_Message=kind, **headers)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        kind = self.headers.get("Content-Type") or ""
        plain = body and "json" in kind and "ndjson" not in kind
        read = json.loads(body) if plain else {}
        with self.hub.lock:
            self.hub.log.append(Request(self.command, self.path, token, read))
            fault = self.hub.fault(self.command, self.path)
            if fault is None:
                self._route(body, read)
                return
        if fault.act is not None:
            fault.act()
        if fault.late:
            answer, self._answer = self._answer, lambda *_, **__: None  # pyrefly: ignore[method-assign]
            with self.hub.lock:
                self._route(body, read)
            self._answer = answer  # pyrefly: ignore[method-assign]
        time.sleep(fault.seconds)
        if fault.status == 0:
            self.close_connection = True
        else:
            self._refuse(fault.status, f"Fault{fault.status}", **fault.headers)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _serve

    def _route(self, body: bytes, read: dict[str, Any]) -> None:
        parts = urlsplit(self.path)
        path, query = parts.path, parse_qs(parts.query)
        if path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(read)
        if found := re.fullmatch(r"/objects/([0-9a-f]{64})", path):
            if hashlib.sha256(body).hexdigest() != found[1]:
                return self._refuse(400, "BadDigest")
            self.hub.objects[found[1]] = body
            return self._answer(200)
        if path == "/verify":
            return self._answer(200 if read["oid"] in self.hub.objects else 404, {})
        if found := re.fullmatch(r"/datasets/(\w+/[\w.-]+)\.git/info/lfs/objects/batch", path):
            return self._batch(read)
        if found := re.fullmatch(r"/datasets/(\w+/[\w.-]+)/resolve/([^/]+)/(.+)", path):
            return self._resolve(*map(unquote, found.groups()))
        found = re.fullmatch(
            r"/api/datasets/(\w+/[\w.-]+)(?:/([\w-]+)(?:/([^/]+)(?:/(.*))?)?)?", path
        )
        if not found:
            return self._refuse(404, "NotFound")
        name, verb, revision, rest = (unquote(each or "") for each in found.groups())
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self._refuse(404, "RepoNotFound")
        return self._repository(repository, name, verb, revision, rest, query, body, read)

    def _repository(
        self,
        repository: Repository,
        name: str,
        verb: str,
        revision: str,
        rest: str,
        query: dict[str, list[str]],
        body: bytes,
        read: dict[str, Any],
    ) -> None:
        if verb in ("refs", "discussions", "branch"):
            return self._around(repository, name, verb, revision, read)
        commit = repository.at(revision or "main")
        if commit is None:
            return self._refuse(404, "RevisionNotFound")
        if verb == "tag":
            if read["tag"] in repository.tags:
                return self._refuse(409, "TagExists")
            repository.tags[read["tag"]] = commit.oid
            return self._answer(201, {})
        if verb in ("", "revision"):
            return self._info(repository, name, commit)
        if verb == "preupload":
            return self._preupload(commit, read)
        if verb == "commit":
            return self._commit(repository, name, commit, revision, body, "create_pr" in query)
        if verb == "tree":
            return self._tree(commit, rest, "true" in query.get("recursive", ["false"])[0].lower())
        if verb == "paths-info":
            paths = read.get("paths") or parse_qs(body.decode())["paths"]
            return self._paths(commit, paths)
        return self._refuse(404, "NotFound")

    def _around(
        self, repository: Repository, name: str, verb: str, revision: str, read: dict[str, Any]
    ) -> None:
        if verb == "refs":
            return self._refs(repository)
        if verb == "discussions":
            opened = f"refs/pr/{revision}" in repository.refs
            status = "closed" if int(revision) in self.hub.closed else "open"
            if not opened:
                return self._refuse(404, "EntryNotFound")
            return self._discussion(name, int(revision), status)
        if revision in repository.refs:
            return self._refuse(409, "BranchExists")
        start = repository.at(read.get("startingPoint") or "main")
        assert start is not None
        repository.refs[revision] = start.oid
        return self._answer(201, {})

    def _create(self, read: dict[str, Any]) -> None:
        name = f"{read.get('organization') or _OWNER}/{read['name']}"
        url = f"{self.hub.url}/datasets/{name}"
        if name in self.hub.repositories:
            return self._answer(409, {"error": "You already created this repo", "url": url})
        self.hub.make(name, private=read.get("visibility") == "private")
        return self._answer(200, {"url": url, "name": name, "id": name})

    def _batch(self, read: dict[str, Any]) -> None:
        objects = []
        for each in read["objects"]:
            entry = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.hub.objects:
                put, check = f"{self.hub.url}/objects/{each['oid']}", f"{self.hub.url}/verify"
                entry["actions"] = {"upload": {"href": put}, "verify": {"href": check}}
            objects.append(entry)
        self._answer(
            200,
            {"transfer": "basic", "objects": objects},
            Content_Type="application/vnd.git-lfs+json",
        )

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self._refuse(404, "RepoNotFound")
        commit = repository.at(revision)
        if commit is None:
            return self._refuse(404, "RevisionNotFound")
        stored = commit.files.get(path)
        if stored is None:
            return self._refuse(404, "EntryNotFound")
        data = stored.data
        headers = {"ETag": f'"{stored.oid}"', "X_Repo_Commit": commit.oid, "Accept_Ranges": "bytes"}
        if stored.lfs:
            headers |= {"X_Linked_Etag": f'"{stored.oid}"', "X_Linked_Size": str(len(data))}
        if self.command == "HEAD":
            return self._answer(200, None, Content_Length=str(len(data)), **headers)
        if wanted := re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first = int(wanted[1])
            last = min(int(wanted[2] or len(data) - 1), len(data) - 1)
            headers["Content_Range"] = f"bytes {first}-{last}/{len(data)}"
            return self._answer(206, data[first : last + 1], **headers)
        return self._answer(200, data, **headers)

    def _refs(self, repository: Repository) -> None:
        def listed(kind: str, refs: dict[str, str]) -> list[dict[str, str]]:
            return [
                {"name": each, "ref": f"refs/{kind}/{each}", "targetCommit": oid}
                for each, oid in refs.items()
                if not each.startswith("refs/pr/")
            ]

        branches, tags = listed("heads", repository.refs), listed("tags", repository.tags)
        self._answer(200, {"branches": branches, "converts": [], "tags": tags})

    def _discussion(self, name: str, number: int, status: str) -> None:
        found: dict[str, Any] = {"num": number, "title": "", "status": status, "events": []}
        found |= {"createdAt": _TIME, "isPullRequest": True, "author": {"name": _OWNER}}
        found |= {"repo": {"name": name, "type": "dataset"}, "filesWithConflicts": []}
        self._answer(200, found | {"changes": {"base": "refs/heads/main"}})

    def _info(self, repository: Repository, name: str, commit: Commit) -> None:
        found: dict[str, Any] = {"_id": "1", "id": name, "sha": commit.oid, "tags": []}
        found |= {"private": repository.private, "disabled": False, "gated": False}
        found |= {"downloads": 0, "likes": 0, "lastModified": _TIME, "createdAt": _TIME}
        found["siblings"] = [{"rfilename": path} for path in sorted(commit.files)]
        self._answer(200, found)

    def _preupload(self, commit: Commit, read: dict[str, Any]) -> None:
        files = []
        for each in read["files"]:
            mode = "lfs" if _LARGE.search(each["path"]) else "regular"
            entry = {"path": each["path"], "uploadMode": mode, "shouldIgnore": False}
            if each["path"] in commit.files:
                entry["oid"] = commit.files[each["path"]].oid
            files.append(entry)
        self._answer(200, {"files": files})

    def _commit(
        self,
        repository: Repository,
        name: str,
        parent: Commit,
        branch: str,
        body: bytes,
        opens: bool,
    ) -> None:
        head, *changes = (json.loads(line) for line in body.splitlines() if line.strip())
        wanted = head["value"].get("parentCommit")
        if wanted and not parent.oid.startswith(wanted):
            return self._refuse(412, "PreconditionFailed")
        files = dict(parent.files)
        for change in changes:
            value = change["value"]
            if change["key"] == "file":
                files[value["path"]] = Stored(base64.b64decode(value["content"]), False)
            elif change["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    return self._refuse(400, "LfsObjectMissing")
                files[value["path"]] = Stored(self.hub.objects[value["oid"]], True)
            elif files.pop(value["path"], None) is None:
                return self._refuse(404, "EntryNotFound")
        title, message = head["value"]["summary"], head["value"].get("description", "")
        made = repository.commit(parent, files, title, message)
        url = f"{self.hub.url}/datasets/{name}"
        answer = {"success": True, "commitOid": made.oid, "commitUrl": f"{url}/commit/{made.oid}"}
        if opens:
            number = 1 + sum(each.startswith("refs/pr/") for each in repository.refs)
            branch = f"refs/pr/{number}"
            answer["pullRequestUrl"] = f"{url}/discussions/{number}"
        repository.refs[branch] = made.oid
        return self._answer(200, answer | {"hookOutput": ""})

    def _paths(self, commit: Commit, paths: list[str]) -> None:
        found = []
        for path in paths:
            if path in commit.files:
                found.append(commit.files[path].entry(path))
            elif any(each.startswith(f"{path.rstrip('/')}/") for each in commit.files):
                found.append(_folder(path))
        self._answer(200, found)

    def _tree(self, commit: Commit, below: str, recursive: bool) -> None:
        start = f"{below.rstrip('/')}/" if below else ""
        found: dict[str, dict[str, Any]] = {}
        for path, stored in sorted(commit.files.items()):
            if not path.startswith(start):
                continue
            steps = path[len(start) :].split("/")
            for depth in range(1, len(steps) if recursive else min(2, len(steps))):
                folder = start + "/".join(steps[:depth])
                found.setdefault(folder, _folder(folder))
            if recursive or len(steps) == 1:
                found[path] = stored.entry(path)
        if found or not start:
            return self._answer(200, [*found.values()])
        return self._refuse(404, "EntryNotFound")


def _folder(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}


@contextmanager
def serving() -> Iterator[LoopbackHub]:
    """Run a loopback Hub in a thread."""
    hub = LoopbackHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
