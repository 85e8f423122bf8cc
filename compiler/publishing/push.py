"""One push: the gate, the comparison with the target, the upload and the receipt."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compiler.engine.lock import building
from compiler.errors import UsageError
from compiler.keys import Json
from compiler.publishing import gate, receipt, staging
from compiler.publishing.dataset import Dataset
from compiler.publishing.directory import Directory
from compiler.publishing.files import Changes, compare
from compiler.publishing.hub import PREFIX, Hub
from compiler.publishing.receipt import Receipt
from compiler.publishing.target import Publication, Sent, State, Target
from compiler.report.numbers import size
from compiler.version import __version__

_LISTED = 12


@dataclass(frozen=True)
class Options:
    """The options of a push. `to`: overrides `publish.to`; `private`: None to accept any."""

    to: str | None = None
    private: bool | None = None
    revision: str | None = None
    pull_request: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Pushed:
    """The result of a push. `sent`: None for a dry run."""

    url: str
    publication: Publication
    changes: Changes
    state: State
    sent: Sent | None
    receipt: Path | None

    def text(self) -> str:
        """Format it for a terminal."""
        changes = self.changes
        verbs = (
            ("add", "replace", "delete") if self.sent is None else ("added", "replaced", "deleted")
        )
        lines = [
            f"would be done: {note}" if self.sent is None else note for note in self.state.notes
        ]
        groups = zip(verbs, (changes.added, changes.replaced, changes.deleted), strict=True)
        for verb, names in groups:
            shown = [f"  {verb:8}  {name}" for name in names[:_LISTED]]
            more = len(names) - len(shown)
            lines += [*shown, *([f"  {verb:8}  {more} more"] if more else [])]
        count = len(changes.added) + len(changes.replaced)
        summary = (
            f"{count} files with {size(changes.bytes)} to send, {len(changes.deleted)} to delete, "
            f"{len(changes.same)} unchanged"
        )
        if self.sent is None:
            lines.append(f"{self.url}: {summary}; nothing was sent (--dry-run)")
        elif changes.any:
            lines.append(f"{self.url}: {summary}; done")
        else:
            lines.append(f"{self.url}: unchanged, {len(changes.same)} files")
        if self.sent is not None:
            lines += [f"commit {commit}" for commit in self.sent.commits]
            lines += [f"tag {tag}" for tag in self.sent.tags]
            if self.sent.pull_request is not None:
                lines.append(f"pull request {self.sent.pull_request}")
        if self.receipt is not None:
            lines.append(f"receipt {os.path.relpath(self.receipt)}")
        return "\n".join(lines)

    def data(self) -> Json:
        """Return it as JSON."""
        changes, sent = self.changes, self.sent
        return {
            "to": self.url,
            "dry_run": sent is None,
            "added": [*changes.added],
            "replaced": [*changes.replaced],
            "deleted": [*changes.deleted],
            "unchanged": [*changes.same],
            "bytes": changes.bytes,
            "notes": [*self.state.notes],
            "head": self.state.head,
            "commits": [*sent.commits] if sent is not None else [],
            "tags": [*sent.tags] if sent is not None else [],
            "pull_request": sent.pull_request if sent is not None else None,
            "rounds": {str(index): hash_ for index, hash_ in self.publication.rounds.items()},
            "receipt": str(self.receipt) if self.receipt is not None else None,
        }


def push(dataset: Dataset, options: Options, notice: Callable[[str], None]) -> Pushed:
    """Push a dataset.

    Raises:
        UsageError: there is no target, or an option does not go with it.
        PublishError: a condition is broken, or the target contradicts the push.
        ProbecError: the target refused, or the transfer failed.
    """
    url = _url(dataset, options)
    receipts = dataset.build / "pushes" / f"{dataset.label}.jsonl"
    target = _target(url, dataset, options, receipts, notice)
    # An upload takes long: builds of other datasets may run beside it.
    with building(dataset.build, dataset.label, "probec push", lambda: None):
        gate.refuse(dataset)
        publication = staging.stage(dataset, url if "://" in url else ".", notice)
        state = target.read()
        changes = compare(publication.files, state.files, publication.globs, url)
        target.refuse(publication, state)
        if options.dry_run:
            return Pushed(url, publication, changes, state, None, None)
        sent = target.send(publication, changes, state)
        path = None
        if changes.any or sent.tags:
            path = receipts
            receipt.append(path, _receipt(target, publication, changes, state, sent))
        return Pushed(url, publication, changes, state, sent, path)


def _url(dataset: Dataset, options: Options) -> str:
    """Return the target: of the option from the working directory, of the spec from its root."""
    if options.to is not None:
        return options.to.rstrip("/")
    if dataset.publish.to is None:
        raise UsageError(
            "no place to push to",
            where=dataset.name,
            hint=f"name one with --to, such as {PREFIX}OWNER/NAME, or set publish.to",
        )
    to = dataset.publish.to.rstrip("/")
    return to if "://" in to else os.path.relpath(dataset.root / to)


def _target(
    url: str,
    dataset: Dataset,
    options: Options,
    receipts: Path,
    notice: Callable[[str], None],
) -> Target:
    if not url.startswith("hf://"):
        given = {
            "--private and --public": options.private is not None,
            "--revision": options.revision is not None,
            "--pr": options.pull_request,
        }
        for option, present in given.items():
            if present:
                raise UsageError(f"{option}: only for the Hub", where=url, hint="leave it out")
        return Directory(url, notice)
    publish = dataset.publish
    number = receipt.pull_request(receipts, url) if options.pull_request else None
    private = publish.private if options.private is None else options.private
    branch = options.revision or publish.revision
    return Hub(url, branch, private, options.private, number, notice)


def _receipt(
    target: Target, publication: Publication, changes: Changes, state: State, sent: Sent
) -> Receipt:
    return Receipt(
        receipt.now(),
        __version__,
        publication.name,
        target.url,
        getattr(target, "branch", None),
        state.head,
        sent.commits,
        sent.tags,
        sent.pull_request,
        dict(publication.rounds),
        changes.added,
        changes.replaced,
        changes.deleted,
        changes.bytes,
        {name: file.sha256 for name, file in sorted(publication.files.items())},
    )
