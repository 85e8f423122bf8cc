"""The two sides of a comparison: what their names on the command line stand for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from compiler.errors import Problem, SpecError, UsageError
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.revision import at_revision, overlay
from compiler.project.variant import Variant
from compiler.report import card
from compiler.rounds import locks
from compiler.rounds.locks import Identity
from compiler.spec.load import Draft
from compiler.spec.model import Spec
from compiler.spec.root import SUFFIXES, project_root
from compiler.stages.context import ROLES

FORMS = "a spec, SPEC@REVISION, a prompt directory such as prompts/judge/terse, or a round's hash"
# Parts of a spec of which a lock keeps some keys only.
_PARTLY = ("source", "calibration", "models")
_SPEC_OF_A_LOCK = PurePosixPath("specs/locked.yaml")


@dataclass(frozen=True)
class Side:
    """One side: how the user named it, its spec as read, and its project.

    `root`: of the project as it is here; `home`: what paths in its messages begin with when it was
    laid out elsewhere, and `prefix` what they are shown with instead. `round`: that it was named
    by, if it was.
    """

    label: str
    draft: Draft
    project: Project
    root: Path
    home: str = ""
    prefix: str = ""
    round: int | None = None

    def where(self, path: Sequence[str | int]) -> str:
        """`file:line` of the value at `path` of its spec."""
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

    `shared`: the spec that a prompt directory or a round goes with, varied as both sides are;
    `alone`: there is no such spec, and `shared` has the variation only. `overrides`: of this side
    alone, and part of its label. Temporary files live as long as `stack`.

    Raises:
        UsageError: it names nothing.
        SpecError: its spec is wrong.
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
                "a round needs a spec: its lock does not say where the source lies",
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
    raise UsageError(f"{name!r} is nothing to compare", hint=f"name {FORMS}")


def label(name: str, overrides: Sequence[str]) -> str:
    """Name a side as its command line does."""
    return " ".join([name, *(f"--set {each}" for each in overrides)])


@dataclass(frozen=True)
class Pair:
    """The names of two sides. `spec`: the one that a prompt directory or a round goes with."""

    a: str
    b: str
    spec: str | None


def pair(a: str, b: str | None, spec: str | None, *, varied: bool) -> Pair:
    """Find the sides that a command line names; without `b` a spec is compared with itself, varied.

    `spec`: named apart; `varied`: the two sides differ by overrides of their own.

    Raises:
        UsageError: there is nothing to compare with.
    """
    own = spec or spec_of(a) or (spec_of(b) if b is not None else None)
    if b is not None:
        return Pair(a, b, own)
    if (path := spec_of(a)) is not None:
        # A spec at a revision against the same spec as it is here.
        b = path
    elif spec is not None:
        # A prompt directory or a round against the spec as it is.
        a, b = spec, a
    else:
        raise UsageError("nothing to compare with", where=a, hint="name B, or --spec SPEC")
    if a == b and not varied:
        raise UsageError(
            "a spec against itself has no differences",
            where=a,
            hint="name B, or override a value: --set calibration.level=-1",
        )
    return Pair(a, b, own)


def is_spec(name: str) -> bool:
    """Whether a side is named by a spec's path."""
    return Path(name).is_file() or name.endswith(SUFFIXES)


def is_directory(name: str, spec: str) -> bool:
    """Whether a side is named by a prompt directory."""
    return _folder(name, Path(spec)) is not None


def spec_of(name: str) -> str | None:
    """The path of the spec that a side names, at a revision or not."""
    if is_spec(name):
        return name
    path = name.rpartition("@")[0]
    return path if path and not Path(name).exists() else None


def _words(lock: Identity, base: Spec, root: Path) -> dict[str, bytes]:
    """The files of a lock by path from the project root.

    What a lock does not keep, because no row depends on it, is that of `base` and of the project:
    prices, where the source lies, unused calibration levels, the card.
    """
    files = {name: text.encode() for name, text in lock.templates.items()}
    own = f"templates/{card.TEMPLATE}"
    if own not in files and (root / own).is_file():
        files[own] = (root / own).read_bytes()
    spec: dict[str, object] = base.model_dump(mode="json")
    for key, value in lock.spec.items():
        spec[key] = _over(spec.get(key), value) if key in _PARTLY else value
    # JSON is YAML, but for keys that are numbers.
    text = re.sub(r'(?m)^(\s*)"(-?[0-3])": ', r"\1\2: ", json.dumps(spec, indent=1))
    files[str(_SPEC_OF_A_LOCK)] = text.encode()
    return files


def _over(base: object, value: object) -> object:
    if not isinstance(base, dict) or not isinstance(value, dict):
        return value
    return {**base, **{key: _over(base.get(key), each) for key, each in value.items()}}


def _folder(name: str, spec: Path | None) -> Path | None:
    """The directory that a side names, from here or from the spec's project."""
    if Path(name).is_dir():
        return Path(name)
    below = project_root(spec) / name if spec is not None else None
    return below if below is not None and below.is_dir() else None


def _prompt(folder: Path, root: Path) -> str:
    """Name the prompt in a directory, `<role>/<variant>`."""
    inside = folder.resolve()
    parts = inside.parts[-3:]
    if len(parts) < 3 or parts[0] != "prompts" or parts[1] not in ROLES:
        raise UsageError(
            "not a prompt directory", where=str(folder), hint="it is prompts/<role>/<variant>"
        )
    if inside.parents[2] != root:
        raise UsageError(
            f"of another project than the spec, whose root is {root}",
            where=str(folder),
            hint="copy the directory into that project's prompts/",
        )
    return f"{parts[1]}/{parts[2]}"


def _read(
    label: str, variant: Variant, real: Path | None = None, home: str = "", prefix: str = ""
) -> Side:
    """Open the side of a spec. `real`: the project whose replies and builds it shares, if any."""
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
