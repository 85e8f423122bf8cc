"""A dataset repository on the Hub. The only module that writes to it.

Every file is uploaded before the commit that names it, and the commit names the head that was read
as its parent: a push that ends early leaves the head as it was, and the next one sends what is
missing. The token is the one that the library finds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from compiler.errors import ProbecError, PublishError, UsageError
from compiler.publishing import refusals
from compiler.publishing.files import Changes, File, There, of_round
from compiler.publishing.target import Publication, Sent, State

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    _Step: TypeAlias = CommitOperationAdd | CommitOperationDelete

PREFIX = "hf://datasets/"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Files in a commit, as the Hub advises.
_FILES = 100
# Seconds without a byte after which a connection counts as broken.
_SECONDS = 120.0
_KIND = "dataset"
# The directory of the configuration `default`.
_ROWS = "data/"
_MAIN = "main"


@dataclass
class Hub:
    """A dataset repository.

    `url`: `hf://datasets/OWNER/NAME`. `branch`: to commit to. `private`: visibility of a repository
    that is created; `stated`: the visibility that was asked for, None if any will do.
    `pull_request`: None to commit, else the number of an open pull request to continue, 0 for a new
    one.
    """

    url: str
    branch: str
    private: bool
    stated: bool | None
    pull_request: int | None
    notice: Callable[[str], None]
    _commits: list[str] = field(default_factory=list)
    _tags: dict[str, str] = field(default_factory=dict)
    _exists: bool = True
    _branched: bool = True

    @property
    def repo(self) -> str:
        """OWNER/NAME."""
        return self.url.removeprefix(PREFIX)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.repo):
            raise UsageError(
                "not a dataset on the Hub", where=self.url, hint=f"name it as {PREFIX}OWNER/NAME"
            )
        if self.pull_request is not None and self.branch != _MAIN:
            raise UsageError(
                "a pull request goes to the branch main", where=self.branch, hint="leave one out"
            )

    def read(self) -> State:
        """Read the head, its files and the tags.

        Raises:
            ProbecError: the Hub cannot be reached, or refuses.
        """
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        notes: list[str] = []
        with self._translated("while its head was read"):
            api = self._api()
            self._continue(api)
            try:
                info = api.dataset_info(self.repo, revision=self.branch)
            except RepositoryNotFoundError as error:
                if error.response.status_code != 404:
                    raise
                self._exists = False
                kind = "private" if self.private else "public"
                return State({}, None, (f"creates the {kind} repository {self.repo}",))
            except RevisionNotFoundError:
                self._branched = False
                info = api.dataset_info(self.repo)
                notes.append(f"creates the branch {self.branch}")
            if self.stated is not None and info.private is not self.stated:
                have, want = ("private", "--public") if info.private else ("public", "--private")
                raise PublishError(
                    f"the repository is {have}, not as {want} asks",
                    where=self.url,
                    hint="change its visibility in its settings on the Hub, or leave the option "
                    "out",
                )
            self._tags = {
                tag.name: tag.target_commit
                for tag in api.list_repo_refs(self.repo, repo_type=_KIND).tags
            }
            return State(self._files(api, info.sha), info.sha, tuple(notes))

    def refuse(self, publication: Publication, state: State) -> None:
        """Raise if the tag of a round names a commit with other rows.

        Raises:
            PublishError: it does.
        """
        tags: dict[int, str] = {} if self.pull_request is not None else publication.tags()
        commits: dict[str, Mapping[str, There]] = {str(state.head): state.files}
        other = []
        for index, tag in tags.items():
            commit = self._tags.get(tag)
            if commit is not None and commit not in commits:
                with self._translated("while a tag was read"):
                    commits[commit] = self._files(self._api(), commit)
            if commit is not None and not _holds(commits[commit], publication, index):
                other.append(f"{tag} ({commit[:12]})")
        if other:
            raise PublishError(
                f"commits with other rows have the tags of these rounds: {', '.join(other)}; a tag "
                "is never moved",
                where=self.url,
                hint="if these rows replace those, delete the tags on the Hub, and push again",
            )

    def send(self, publication: Publication, changes: Changes, state: State) -> Sent:
        """Upload the files, commit them, and tag the rounds.

        Raises:
            ProbecError: the Hub refused, or the transfer failed; the message says what it left.
        """
        head, address = state.head, None
        with self._translated("before anything was published"):
            api = self._api()
            if not self._exists:
                api.create_repo(self.repo, repo_type=_KIND, private=self.private, exist_ok=True)
                head = api.dataset_info(self.repo).sha
            if not self._branched:
                api.create_branch(self.repo, repo_type=_KIND, branch=self.branch, revision=head)
        if changes.any:
            head, address = self._publish(publication, changes, str(head))
        tags = () if self.pull_request is not None else self._tag(publication, str(head))
        return Sent(tuple(self._commits), tags, address)

    def _continue(self, api: HfApi) -> None:
        """Commit to the pull request of the last push, if it is still open."""
        if self.pull_request:
            from huggingface_hub.errors import RepositoryNotFoundError

            number, self.pull_request = self.pull_request, 0
            try:
                found = api.get_discussion_details(self.repo, number, repo_type=_KIND)
            except RepositoryNotFoundError:
                return
            if found.status in ("open", "draft"):
                self.branch, self.pull_request = f"refs/pr/{number}", number

    def _publish(
        self, publication: Publication, changes: Changes, head: str
    ) -> tuple[str, str | None]:
        """Upload and commit; return the new head, and the address of a pull request."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        opens = self.pull_request == 0
        address: str | None = None
        adds = {
            name: CommitOperationAdd(name, publication.files[name].path) for name in changes.sent
        }
        for place, (name, add) in enumerate(adds.items(), 1):
            file = publication.files[name]
            # Known already: the library would read the file once more.
            add.upload_info.sha256 = bytes.fromhex(file.sha256)
            with self._translated(f"while {name} was uploaded; nothing was published"):
                self._api().preupload_lfs_files(
                    self.repo,
                    [add],
                    repo_type=_KIND,
                    revision=self.branch,
                    create_pr=opens,
                    free_memory=False,
                )
            self.notice(f"{place} of {len(adds)} files uploaded: {name}")
        steps: list[_Step] = [*map(CommitOperationDelete, changes.deleted), *adds.values()]
        parts = [steps[at : at + _FILES] for at in range(0, len(steps), _FILES)]
        for number, part in enumerate(parts, 1):
            title, description = publication.message
            if len(parts) > 1:
                title = f"{title} ({number} of {len(parts)})"
            wanted = {step.path_in_repo: publication.files.get(step.path_in_repo) for step in part}
            made, found = self._commit(part, wanted, (title, description), head, opens=opens)
            address = found or address
            if opens and found:
                # Further commits go to the pull request that the first one opened.
                self.branch, opens = f"refs/pr/{found.rpartition('/')[2]}", False
            self._commits.append(made)
            head = made
        return head, address

    def _commit(
        self,
        steps: list[_Step],
        wanted: Mapping[str, File | None],
        message: tuple[str, str],
        head: str,
        *,
        opens: bool,
    ) -> tuple[str, str | None]:
        """Commit on the head that was read; return the commit and the address of a pull request.

        `wanted`: the files after the commit, None where deleted. A failed server or connection may
        have committed, so the head decides.
        """
        done = len(self._commits)
        left = f"; {done} commits with data were published" if done else "; nothing was published"
        with self._translated(f"while the commit was sent{left}"):
            try:
                made = self._api().create_commit(
                    self.repo,
                    steps,
                    commit_message=message[0],
                    commit_description=message[1],
                    repo_type=_KIND,
                    revision=self.branch,
                    create_pr=opens,
                    parent_commit=head,
                )
            except Exception as error:
                answer = refusals.response(error)
                if isinstance(error, ValueError) or (answer and answer.status_code < 500):
                    raise
                if opens:
                    raise PublishError(
                        f"the Hub failed while the pull request was opened: {refusals.line(error)}",
                        where=self.url,
                        hint="look for it among the pull requests of the repository before you "
                        "run the same command again",
                    ) from error
                landed = self._landed(wanted, head)
                if landed is None:
                    raise
                self.notice("the Hub reported a failure, but has the commit")
                return landed, None
            return made.oid, made.pr_url

    def _landed(self, wanted: Mapping[str, File | None], head: str) -> str | None:
        """Return the new head if it has these files; None if the commit did not arrive.

        Raises:
            PublishError: the head cannot be read.
        """
        try:
            api = self._api()
            found = str(api.dataset_info(self.repo, revision=self.branch).sha)
            there = self._files(api, found) if found != head else {}
        except Exception as error:  # the library and its transports raise many kinds
            raise PublishError(
                f"the connection failed while the commit was sent, which may have arrived: "
                f"{refusals.line(error)}",
                where=self.url,
                hint="run the same command again: it reads the head first",
            ) from error
        for name, file in wanted.items():
            have = there.get(name)
            if (have is None) is not (file is None) or (have and file and not have.same(file)):
                return None
        return found if found != head else None

    def _tag(self, publication: Publication, head: str) -> tuple[str, ...]:
        """Tag the head for every round that has no tag yet."""
        made = []
        for tag in publication.tags().values():
            if tag in self._tags:
                continue
            with self._translated(
                f"while the tag {tag} was made; the commit {head[:12]} is published"
            ):
                self._api().create_tag(self.repo, tag=tag, revision=head, repo_type=_KIND)
            made.append(tag)
        return tuple(made)

    def _files(self, api: HfApi, commit: str) -> dict[str, There]:
        from huggingface_hub.hf_api import RepoFile

        found = api.list_repo_tree(self.repo, recursive=True, revision=commit, repo_type=_KIND)
        return {
            each.path: There(each.size, each.lfs.sha256)
            if each.lfs is not None
            else There(each.size, None, each.blob_id)
            for each in found
            if isinstance(each, RepoFile)
        }

    def _api(self) -> HfApi:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars, get_session, logging

        # Its log lines and bars would mix with the progress lines, and name signed addresses.
        logging.set_verbosity_error()
        disable_progress_bars()
        get_session().timeout = _SECONDS
        return HfApi()

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Raise the library's errors with a remedy. `doing`: the step, and what it left."""
        try:
            yield
        except ProbecError:
            raise
        except Exception as error:  # the library and its transports raise many kinds
            raise refusals.converted(error, self.url, doing) from error


def _holds(there: Mapping[str, There], publication: Publication, index: int) -> bool:
    """Test if a commit has the rows of a round, and no other version of any rows."""
    files = publication.files
    rows = {name for name in there if name.startswith(_ROWS)}
    ours = {name for name in files if name.startswith(_ROWS)}
    return of_round(rows, index) == of_round(ours, index) and all(
        there[name].same(files[name]) for name in rows & ours
    )
