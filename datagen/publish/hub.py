"""The way to the Hub: what is there, what would change, and one commit that changes it.

Files are told apart by their hashes, so that what is there is not sent again: neither what an earlier try left, nor
what did not change since the last time. The commit names its parent: what somebody else did meanwhile is not undone.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import orjson

from datagen import __version__
from datagen.progress import Report, Step, silent
from datagen.publish.hub_errors import AGAIN, TOKENS, errors, in_one_line, offline, patiently, status_of
from datagen.publish.hub_log import log_waits
from datagen.publish.secrets import keys_in_use
from datagen.publish.shards import Shard
from datagen_schemas.errors import DataError, DatagenError, ServerError

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

T = TypeVar("T")

MAIN_BRANCH = "main"
FILES_AT_ONCE = 4  # sent side by side; progress is told after each such batch
MAX_RACES = 5  # commits of somebody else between our look and our commit
INDEX = "datagen.json"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class RemoteFile(NamedTuple):
    """A file of the repository: large ones are known by their SHA-256, others by git's hash."""

    bytes: int
    sha256: str | None
    blob: str | None


class Remote(NamedTuple):
    """What is on the Hub."""

    exists: bool
    private: bool | None
    has_branch: bool
    head: str | None
    files: Mapping[str, RemoteFile]


class Changes(NamedTuple):
    """What a commit would do, by path."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    same: tuple[str, ...]
    removed: tuple[str, ...]  # that an earlier publishing left, and that is no part of the data set any more

    @property
    def sent(self) -> tuple[str, ...]:
        """Files whose content goes over the network, if the Hub does not have it."""
        return (*self.new, *self.changed)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.new or self.changed or self.removed)


class Pushed(NamedTuple):
    """A commit on the Hub."""

    commit: str | None
    url: str
    changes: Changes


def check_names(repo: str, revision: str | None) -> None:
    """Refuse what can be no repository and no branch before anything is done.

    Raises:
        DataError: says what is needed.
    """
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo or repo.endswith((".git", ".", "-")):
        raise DataError(
            f"--repo {repo}: not OWNER/NAME of letters, digits, '-', '_' and '.'. Write it as you/my-data."
        )
    if revision is not None and _COMMIT.fullmatch(revision):
        raise DataError(f"--revision {revision}: a commit cannot be added to. Name a branch.")


class Hub:
    """A repository of data sets, as one user sees it."""

    def __init__(self, repo: str, *, revision: str | None) -> None:
        """Find the token: HF_TOKEN, or that of `hf auth login`.

        Raises:
            DatagenError: there is none, or the library may not use the network.
        """
        from huggingface_hub import HfApi, constants, get_token
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]  # theirs, not listed

        if constants.HF_HUB_OFFLINE:
            raise offline()
        token = get_token()
        if token is None:
            raise ServerError(
                f"no token of the Hub. Make one with write access at {TOKENS} and set HF_TOKEN to it, or log in with: "
                "hf auth login"
            )
        self.repo = repo
        self.revision = revision or MAIN_BRANCH
        self.user: str | None = None
        self._keys = (token, *keys_in_use())
        self._report: Report = silent
        self._api = HfApi(
            endpoint=os.environ.get("HF_ENDPOINT") or None,
            token=token,
            library_name="datagen",
            library_version=__version__,
        )
        disable_progress_bars()
        log_waits(lambda text: self._report(Step("upload", 0, None, text)))

    @property
    def url(self) -> str:
        """Of the data set's page."""
        tail = "" if self.revision == MAIN_BRANCH else f"/tree/{self.revision}"
        return f"{self._api.endpoint}/datasets/{self.repo}{tail}"

    @contextmanager
    def _clearly(self) -> Iterator[None]:
        """Errors of the library as one line."""
        try:
            yield
        except DatagenError:
            raise
        except errors() as error:
            # "from None": the chain holds addresses with signatures, and headers.
            raise in_one_line(error, repo=self.repo, revision=self.revision, user=self.user, keys=self._keys) from None

    def look(self, report: Report | None = None) -> Remote:
        """Who we are, and what is there.

        Args:
            report: told from now on how far it is, and what is waited for.

        Raises:
            ServerError: the token is not accepted, or the Hub does not answer.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        self._report = report or self._report
        with self._clearly():
            if self.user is None:
                self.user = str(patiently(self._api.whoami, report=self._report, stage="look").get("name"))
            try:
                info = patiently(
                    lambda: self._api.dataset_info(self.repo), report=self._report, stage="look at the repository"
                )
            except RepositoryNotFoundError:
                return Remote(exists=False, private=None, has_branch=False, head=None, files={})
            return self._branch(private=info.private)

    def _branch(self, *, private: bool | None) -> Remote:
        from huggingface_hub.errors import RevisionNotFoundError

        try:
            info = patiently(
                lambda: self._api.dataset_info(self.repo, revision=self.revision),
                report=self._report,
                stage="look at the repository",
            )
        except RevisionNotFoundError:
            if self.revision.startswith("refs/"):
                raise
            return Remote(exists=True, private=private, has_branch=False, head=None, files={})
        return Remote(True, private, True, info.sha, self._files(info.sha or self.revision))

    def _files(self, revision: str) -> dict[str, RemoteFile]:
        from huggingface_hub.hf_api import RepoFile

        tree = patiently(
            lambda: list(self._api.list_repo_tree(self.repo, repo_type="dataset", revision=revision, recursive=True)),
            report=self._report,
            stage="look at the repository",
        )
        return {
            of.path: RemoteFile(of.size, of.lfs.sha256 if of.lfs is not None else None, of.blob_id)
            for of in tree
            if isinstance(of, RepoFile)
        }

    def create(self, *, private: bool) -> None:
        """Make the repository, and see that it is as private as was asked for.

        Raises:
            ServerError: no right to do it, or it would be public.
        """
        with self._clearly():
            patiently(
                lambda: self._api.create_repo(
                    self.repo, repo_type="dataset", private=True if private else None, exist_ok=True
                ),
                report=self._report,
                stage="create the repository",
            )
        made = self.look()
        if not made.exists:
            raise ServerError(f"{self.repo} exists, but is not a data set. Choose another --repo.")
        if private and made.private is False:
            raise ServerError(
                f"{self.repo}: the Hub made it public, so nothing was sent. Make it private there, then run the same "
                "command again."
            )

    def create_branch(self) -> None:
        """Make the branch, from main."""
        with self._clearly():
            patiently(
                lambda: self._api.create_branch(self.repo, branch=self.revision, repo_type="dataset", exist_ok=True),
                report=self._report,
                stage="create the branch",
            )

    def changes(self, remote: Remote, files: Sequence[Shard], folder: Path) -> Changes:
        """What a commit would do to what is there."""
        new, changed, same = [], [], []
        for file in files:
            there = remote.files.get(file.path)
            if there is None:
                new.append(file.path)
            elif _is_same(there, file, folder / file.path):
                same.append(file.path)
            else:
                changed.append(file.path)
        ours = {file.path for file in files}
        stale = sorted(path for path in self._published_before(remote, files) if path not in ours)
        return Changes(tuple(new), tuple(changed), tuple(same), tuple(stale))

    def _published_before(self, remote: Remote, files: Sequence[Shard]) -> set[str]:
        """What an earlier publishing put there: by its own list, and shards beside ours, which would be loaded too."""
        folders = {file.path.rpartition("/")[0] for file in files if "/" in file.path}
        found = {path for path in remote.files if path.endswith(".parquet") and path.rpartition("/")[0] in folders}
        if INDEX in remote.files:
            found |= {path for path in self._listed() if path in remote.files}
        return found

    def _listed(self) -> list[str]:
        from tempfile import TemporaryDirectory

        with self._clearly(), TemporaryDirectory(prefix="datagen-") as folder:
            path = patiently(
                lambda: self._api.hf_hub_download(
                    self.repo, INDEX, repo_type="dataset", revision=self.revision, local_dir=folder
                ),
                report=self._report,
                stage="look at the repository",
            )
            try:
                listed = orjson.loads(Path(path).read_bytes())["files"]
                return [str(of["path"]) for of in listed]
            except (ValueError, KeyError, TypeError):
                return []  # somebody else's file of that name

    def push(self, remote: Remote, files: Sequence[Shard], folder: Path, *, message: str) -> Pushed:
        """Send what is not there, and commit it; then see that it arrived.

        Raises:
            ServerError: a file could not be sent, or somebody else changed the same files meanwhile.
        """
        by_path = {file.path: file for file in files}
        for _ in range(MAX_RACES):
            changes = self.changes(remote, files, folder)
            if not changes:
                return Pushed(remote.head, self.url, changes)
            with self._clearly():
                additions = self._send([by_path[path] for path in changes.sent], folder)
                commit = self._commit(additions, changes.removed, parent=remote.head, message=message)
            if commit is not None:
                self._see(by_path, commit, folder)
                return Pushed(commit, self.url, changes)
            before, remote = remote, self.look()
            self._refuse_conflict(before, remote, changes, by_path, folder)
        raise ServerError(f"{self.repo}: somebody else commits to it all the time. {AGAIN}")

    def _send(self, files: Sequence[Shard], folder: Path) -> "list[CommitOperationAdd]":
        from huggingface_hub import CommitOperationAdd

        additions: list[CommitOperationAdd] = []
        total = sum(file.bytes for file in files)
        sent = 0
        for at in range(0, len(files), FILES_AT_ONCE):
            some = files[at : at + FILES_AT_ONCE]
            self._report(Step("upload", sent, total, some[0].path))
            batch = [CommitOperationAdd(file.path, folder / file.path) for file in some]
            patiently(
                lambda batch=batch: self._api.preupload_lfs_files(  # type: ignore[misc]  # bound now, not later
                    self.repo, batch, repo_type="dataset", revision=self.revision, free_memory=False
                ),
                report=self._report,
                stage="upload",
            )
            additions += batch
            sent += sum(file.bytes for file in some)
        self._report(Step("upload", total, total))
        return additions

    def _commit(
        self, additions: "list[CommitOperationAdd]", removed: Sequence[str], *, parent: str | None, message: str
    ) -> str | None:
        """The new commit; None if the parent is not the last one any more."""
        from huggingface_hub import CommitOperationDelete

        deletions: list[CommitOperationDelete] = [CommitOperationDelete(path) for path in removed]
        try:
            done = patiently(
                lambda: self._api.create_commit(
                    self.repo,
                    [*additions, *deletions],
                    commit_message=message,
                    repo_type="dataset",
                    revision=self.revision,
                    parent_commit=parent,
                ),
                report=self._report,
                stage="commit",
            )
        except errors() as error:
            if status_of(error) == 412:
                return None
            raise
        return done.oid

    def _refuse_conflict(
        self, before: Remote, now: Remote, changes: Changes, by_path: Mapping[str, Shard], folder: Path
    ) -> None:
        for path in (*changes.sent, *changes.removed):
            there = now.files.get(path)
            is_ours = path in by_path and there is not None and _is_same(there, by_path[path], folder / path)
            if there != before.files.get(path) and not is_ours and not (there is None and path in changes.removed):
                raise ServerError(
                    f"{self.repo}: somebody else changed {path} meanwhile, so nothing was committed. Look at it, then "
                    "run the same command again to replace it."
                )

    def _see(self, by_path: Mapping[str, Shard], commit: str, folder: Path) -> None:
        with self._clearly():
            there = self._files(commit)
        for path, file in by_path.items():
            if path not in there or not _is_same(there[path], file, folder / path):
                raise ServerError(f"{self.repo}: {path} did not arrive as it was sent. {AGAIN}")


def _is_same(there: RemoteFile, file: Shard, local: Path) -> bool:
    if there.bytes != file.bytes:
        return False
    if there.sha256 is not None:
        return there.sha256 == file.sha256
    content = local.read_bytes()  # what is not stored as a large file is small
    return there.blob == hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
