"""The two sides of a comparison, opened from their names on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from compiler.errors import Problem, SpecError, UsageError, nearest
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.revision import at_revision, overlay
from compiler.project.variant import Variant
from compiler.report import card
from compiler.rounds import locks
from compiler.rounds.locks import Identity
from compiler.spec.load import Draft
from compiler.spec.model import Spec
from compiler.spec.paid import ROLES
from compiler.spec.root import SUFFIXES, project_root
from compiler.templating.prompts import Library

FORMS = "a spec, SPEC@REVISION, a prompt directory such as prompts/judge/terse, or a round's hash"
# Parts of a spec of which a lock has only some keys.
_PARTLY = ("source", "calibration", "models", "publish")
_SPEC_OF_A_LOCK = PurePosixPath("specs/locked.yaml")


@dataclass(frozen=True)
class Side:
    """One side: its name on the command line, its spec as read, and its project.

    `root`: of the project in the working tree; `home`: for a temporary copy, the start of paths in
    messages, shown as `prefix`. `round`: index of the round that it was named by, if any.
    """

    label: str
    draft: Draft
    project: Project
    root: Path
    home: str = ""
    prefix: str = ""
    round: int | None = None

    @property
    def is_copy(self) -> bool:
        """True if it is a temporary copy of a project: a git revision or a round."""
        return bool(self.home)

    def where(self, path: Sequence[str | int]) -> str:
        """Return `file:line` of the value at `path` of its spec."""
        return _shown(self.draft.where(*path), self.home, self.prefix)


def open_side(
    stack: ExitStack,
    name: str,
    shared: Variant,
    overrides: Sequence[str] = (),
    *,
    alone: bool = False,
) -> Side:
    """Open the side that `name` names.

    `shared`: the spec for a prompt directory or a round, with the changes of both sides; `alone`:
    there is no such spec, and only the changes of `shared` apply. `overrides`: of this side only,
    and part of its label. Temporary files live as long as `stack`.

    Raises:
        UsageError: `name` names no side.
        SpecError: its spec has problems.
    """
    shown, spec = label(name, overrides), shared.path
    variant = shared.adding(*overrides)
    folder = _folder(name, None if alone else spec)
    if folder is not None:
        if alone:
            raise UsageError(
                "a prompt directory needs a spec",
                where=name,
                hint="name the spec on the other side, or with --spec",
            )
        prompt = _prompt(folder, project_root(spec))
        return _read(shown, variant.adding(f"models.{prompt.partition('/')[0]}.prompt={prompt}"))
    if Path(name).exists() or name.endswith(SUFFIXES):
        return _read(shown, replace(variant, path=Path(name)))
    path, at, revision = name.rpartition("@")
    if at and path:
        target = Path(stack.enter_context(TemporaryDirectory(prefix="probec-diff-"))).resolve()
        place, short = at_revision(Path(path), revision, target)
        real = project_root(Path(path))
        return _read(shown, replace(variant, path=place), real, f"{target}/", f"{short}:")
    if locks.HASH.fullmatch(name):
        if alone:
            raise UsageError(
                "a round needs a spec, because its lock does not name the source's path",
                where=name,
                hint="name the spec on the other side, or with --spec",
            )
        root = project_root(spec)
        build = shared.build_dir if shared.build_dir is not None else root / "build"
        lock = locks.find(build / "rounds", name)[0].identity
        target = Path(stack.enter_context(TemporaryDirectory(prefix="probec-diff-"))).resolve()
        base = opening.project(replace(shared, overrides=())).spec
        overlay(root, _SPEC_OF_A_LOCK, _words(lock, base, root), target)
        place = target / _SPEC_OF_A_LOCK
        side = _read(shown, replace(variant, path=place), root, f"{target}/", f"{name}:")
        return replace(side, round=lock.round)
    found = [f"prompts/{each}" for each in _variants(project_root(spec))] if not alone else []
    hint = f"{nearest(name, found)}name {FORMS}"
    raise UsageError(f"{name!r} names no side of a comparison", hint=hint)


def label(name: str, overrides: Sequence[str]) -> str:
    """Return the label of a side: its name and its overrides."""
    return " ".join([name, *(f"--set {each}" for each in overrides)])


@dataclass(frozen=True)
class Pair:
    """The names of two sides. `spec`: the one for a prompt directory or a round."""

    a: str
    b: str
    spec: str | None


def pair(a: str, b: str | None, spec: str | None, *, varied: bool) -> Pair:
    """Determine the two sides of a command line; without `b`, a spec is compared with a variant.

    `spec`: the value of --spec; `varied`: either side has overrides of its own.

    Raises:
        UsageError: there is no second side, or both are equal.
    """
    own = spec or spec_of(a) or (spec_of(b) if b is not None else None)
    if b is not None:
        return Pair(a, b, own)
    if (path := spec_of(a)) is not None:
        # A spec, maybe at a revision, against the same spec in the working tree.
        b = path
    elif spec is not None:
        # A prompt directory or a round against the spec as it is.
        a, b = spec, a
    else:
        raise UsageError("no second side to compare with", where=a, hint="name B, or --spec SPEC")
    if a == b and not varied:
        raise UsageError(
            "both sides are the same spec",
            where=a,
            hint="name B, or override a value: --set calibration.level=-1",
        )
    return Pair(a, b, own)


def is_spec(name: str) -> bool:
    """Test if a side is named by a spec's path."""
    return Path(name).is_file() or name.endswith(SUFFIXES)


def is_directory(name: str, spec: str) -> bool:
    """Test if a side is named by a prompt directory."""
    return _folder(name, Path(spec)) is not None


def spec_of(name: str) -> str | None:
    """Return the path of the spec in a side's name, without its revision; None if it has none."""
    if is_spec(name):
        return name
    path = name.rpartition("@")[0]
    return path if path and not Path(name).exists() else None


def _words(lock: Identity, base: Spec, root: Path) -> dict[str, bytes]:
    """Return the spec and templates of a lock, by path from the project root.

    Fields that a lock omits, because no row depends on them, are taken from `base`, and the card's
    template from the project: prices, the source's path, unused calibration levels.
    """
    files = {name: text.encode() for name, text in lock.templates.items()}
    own = f"templates/{card.TEMPLATE}"
    if own not in files and (root / own).is_file():
        files[own] = (root / own).read_bytes()
    spec: dict[str, object] = base.model_dump(mode="json")
    for key, value in lock.spec.items():
        spec[key] = _over(spec.get(key), value) if key in _PARTLY else value
    # JSON is valid YAML, except that numeric keys must not be quoted.
    text = re.sub(r'(?m)^(\s*)"(-?[0-3])": ', r"\1\2: ", json.dumps(spec, indent=1))
    files[str(_SPEC_OF_A_LOCK)] = text.encode()
    return files


def _over(base: object, value: object) -> object:
    if not isinstance(base, dict) or not isinstance(value, dict):
        return value
    return {**base, **{key: _over(base.get(key), each) for key, each in value.items()}}


def _folder(name: str, spec: Path | None) -> Path | None:
    """Find the directory that a side names, from here or from the spec's project."""
    if Path(name).is_dir():
        return Path(name)
    below = project_root(spec) / name if spec is not None else None
    return below if below is not None and below.is_dir() else None


def _variants(root: Path) -> list[str]:
    """Return the names of all prompt variants of a project."""
    library = Library(root / "prompts")
    return [name for role in ROLES for name in library.variants(role)]


def _prompt(folder: Path, root: Path) -> str:
    """Return the name of the prompt in a directory, `<role>/<variant>`."""
    inside = folder.resolve()
    parts = inside.parts[-3:]
    if len(parts) < 3 or parts[0] != "prompts" or parts[1] not in ROLES:
        raise UsageError(
            "not a prompt directory", where=str(folder), hint="name prompts/<role>/<variant>"
        )
    if inside.parents[2] != root:
        raise UsageError(
            f"the prompt directory is not in the spec's project, {root}",
            where=str(folder),
            hint="copy the directory into that project's prompts/",
        )
    return f"{parts[1]}/{parts[2]}"


def _read(
    label: str, variant: Variant, real: Path | None = None, home: str = "", prefix: str = ""
) -> Side:
    """Open the side of a spec. `real`: the project whose replies and builds a copy shares."""
    if variant.build_dir is None and real is not None:
        variant = replace(variant, build_dir=real / "build")
    try:
        project = opening.project(variant, real / ".probec" if real is not None else None)
    except SpecError as error:
        problems = [
            replace(each, where=_shown(each.where, home, prefix)) for each in error.problems
        ]
        raise SpecError([Problem(p.where, p.path, p.message, p.hint) for p in problems]) from None
    draft = opening.draft(variant)
    return Side(label, draft, project, real or draft.root, home, prefix)


def _shown(where: str, home: str, prefix: str) -> str:
    return where.replace(home, prefix, 1) if home else where
