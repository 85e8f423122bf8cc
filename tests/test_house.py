"""The rules of the house, executable."""

from __future__ import annotations

import ast
import graphlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from compiler.commands import COMMANDS
from compiler.dataset.columns import COLUMNS
from compiler.engine.stage import Stage
from compiler.llm.providers import PROVIDERS
from compiler.probes.checks import CHECKS
from compiler.probes.reasons import REASONS, SKIPS, STATUSES
from compiler.probes.scopes import SCOPES
from compiler.probes.scoring import POLICIES
from compiler.spec import base, filters, model, paid, rollouts, scoring
from compiler.spec.declared import KINDS
from compiler.stages import PIPELINE

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "compiler").rglob("*.py"))
PACKAGES = sorted(
    path for path in (ROOT / "compiler").iterdir() if (path / "__init__.py").is_file()
)
BANNED_NAMES = {
    "utils",
    "util",
    "common",
    "helpers",
    "helper",
    "manager",
    "misc",
    "pipeline",
    "core",
}
# Modules that may import a library. "tests read with pyarrow" is not the package's business.
DOORS = {
    "anthropic": {"llm/providers/anthropic/client.py"},
    "httpx2": {"servers/web.py"},
    "transformers": {"probes/tokens.py"},
    "ray": {"engine/executors/cluster.py"},
    "multiprocessing": {"engine/executors/processes.py"},
    "tokenizers": {"probes/tokens.py"},
    "gigatoken": {"probes/bytelevel.py"},
    "jinja2": {
        *(f"templating/{name}.py" for name in ("prompts", "syntax", "determinism")),
        "report/pages.py",
    },
    "json_repair": {"decoding/repair.py"},
    "yaml": {"spec/nodes.py", "spec/edit.py"},
    "fsspec": {"dataset/located.py", "engine/remote.py"},
    "huggingface_hub": {"dataset/located.py", "publishing/hub.py", "probes/tokens.py"},
    "pyarrow": {
        *(f"dataset/{name}.py" for name in ("arrow", "parquet", "rows", "selection", "subsets")),
        *("dataset/rollout_columns.py", "dataset/score_tables.py", "dataset/tables.py"),
        *("dataset/arrays.py", "evaluation/items.py", "evaluation/loading.py"),
        *("statistics/published.py", "report/sample.py", "api.py"),
    },
    "duckdb": {"viewing/table.py"},
    "starlette": {"viewing/server.py"},
    "uvicorn": {"viewing/server.py"},
    "sentencex": {"probes/segment.py"},
    "sqlite3": {
        "llm/failures.py",
        "llm/ledger.py",
        "llm/responses.py",
        "tally.py",
        "llm/batches/journal.py",
        "rehearsal/store.py",
    },
    "zstandard": {
        "engine/artifact.py",
        "llm/responses.py",
        "llm/batches/collect.py",
        "dataset/frames.py",
        "dataset/formats.py",
        "rounds/blobs.py",
    },
    "numpy": {
        "rollouts/detached.py",
        "rollouts/loops.py",
        *(
            path.relative_to(ROOT / "compiler").as_posix()
            for path in (ROOT / "compiler/statistics/measures").glob("*.py")
        ),
        *(
            f"statistics/{name}.py"
            for name in (
                *("stats", "observations", "scores", "reliability", "typicality", "levels"),
                *("context", "packing", "published"),
            )
        ),
        *("characters.py", "words.py", "probes/bytelevel.py"),
        *("dataset/arrays.py", "dataset/score_tables.py"),
        *(
            f"evaluation/{name}.py"
            for name in (
                *("cells", "contrast", "findings", "given", "grid", "items", "labels", "loading"),
                *("page", "scores", "scoring"),
            )
        ),
        *("probes/lexicon.py", "probes/places.py", "probes/runs.py", "probes/siblings.py"),
        *("probes/junctions.py", "probes/alternatives.py", "probes/passages.py"),
        "probes/collocations.py",
        *("probes/stock.py", "probes/shingles.py", "probes/windows.py"),
    },
    "datasets": set(),
    "random": set(),
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "compiler").as_posix()


# The rules are tested over all modules at once: thousands of tests, collected by every worker, took
# longer than what they checked.


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(text(path))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_a_module_is_short_named_by_its_noun_and_documented() -> None:
    for path in MODULES:
        assert len(text(path).splitlines()) <= 400, name_of(path)
        assert not set(path.relative_to(ROOT).with_suffix("").parts) & BANNED_NAMES, name_of(path)
        assert ast.get_docstring(parsed(path)), name_of(path)


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_a_package_has_a_bounded_size(package: Path) -> None:
    files = sorted(package.rglob("*.py"))

    assert len(files) <= 40
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) <= 5500


def test_every_library_is_imported_in_one_place() -> None:
    wrong = {
        f"{name_of(path)} imports {library}"
        for path in MODULES
        for library in (module.partition(".")[0] for module in imports(path))
        if name_of(path) not in DOORS.get(library, {name_of(path)})
    }

    assert not wrong


def imported_modules(path: Path, modules: dict[str, Path]) -> set[str]:
    """List the modules of the package that a module imports anywhere in its code."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in modules else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if modules.get(name, path) != path}


def test_no_two_modules_import_each_other() -> None:
    """Count imports for type checkers and imports inside functions: they can hide a cycle."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in MODULES
    }
    graph = {name: imported_modules(path, modules) for name, path in modules.items()}

    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert sorted(order) == sorted(modules)


def test_no_vendor_is_named_outside_its_place() -> None:
    for path in MODULES:
        if name_of(path).startswith("llm/providers"):
            continue
        # The pinned provider names and the license of prose are values, not knowledge of a vendor.
        allowed = re.sub(r"anthropic(-batch)?|Qwen/Qwen3-8B|Qwen's", "", text(path))
        named = re.search(r"haiku|claude|qwen|openai|gemma", allowed, re.IGNORECASE)
        assert not named, name_of(path)


def test_no_untyped_dict_is_passed() -> None:
    assert not [name_of(path) for path in MODULES if "dict[str, Any]" in text(path)]


def test_names_of_registry_entries_are_compared_only_in_their_package() -> None:
    """Find special cases on top of a registry, as in `if scope == "lens"` outside its package."""
    home = ("probes/scopes/", "llm/providers/", "probes/scoring/", "embedded/")
    # The last two give the embedded model its own name when a user asks for it.
    own = (
        *("project/problems.py", "project/rollouts.py"),
        *("stages/probes.py", "stages/rollouts/kind.py"),
    )
    names = {*SCOPES, *PROVIDERS, *POLICIES} - {"anthropic"}
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if not name_of(path).startswith(home) and name_of(path) not in own
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Constant) and side.value in names
    ]

    assert not found


def test_only_the_command_line_prints_or_exits() -> None:
    calls = {
        f"{name_of(path)} calls {node.func.id}"
        for path in MODULES
        if name_of(path) not in ("cli.py", "__main__.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in ("print", "exit", "quit", "input")
    }

    assert not calls


def test_no_clock_randomness_or_environment_in_a_stage() -> None:
    outside = {"time", "datetime", "random", "os", "uuid", "secrets"}
    stages = [path for path in MODULES if "stages" in path.parts]

    assert not [name_of(path) for path in stages if outside & set(imports(path))]


def test_every_public_class_and_function_has_a_docstring() -> None:
    undocumented = [
        f"{name_of(path)}: {node.name}"
        for path in MODULES
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        if not ast.get_docstring(node)
    ]

    assert not undocumented


def test_every_spec_field_is_described_for_editors() -> None:
    for kind in KINDS.values():
        schema = kind.model_json_schema()
        for name, definition in {kind.__name__: schema, **schema["$defs"]}.items():
            for field, shape in definition.get("properties", {}).items():
                assert shape.get("description"), f"{name}.{field}"


def test_the_pipeline_has_the_stages_of_the_design(stages: list[Stage]) -> None:
    assert len(stages) == len(PIPELINE)
    assert [stage.name for stage in stages] == [
        "ingest",
        "sample",
        "generate",
        "finalize",
        "expand",
        "answer",
        "judge",
        "answer_rest",
        "judge_rest",
        "control",
        "audit",
        "score",
        "publish",
        "release",
    ]


def test_columns_are_unique_and_start_with_the_published_ones() -> None:
    names = [column.name for column in COLUMNS]

    assert len(set(names)) == len(names)
    assert [column.published for column in COLUMNS] == [True] * 35 + [False] * (len(names) - 35)


def documented(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_everything_that_exists_is_documented(stages: list[Stage]) -> None:
    for file, names in {
        "stages.md": [stage.name for stage in stages],
        "checks.md": [*CHECKS, *REASONS, *SKIPS, *STATUSES],
        "columns.md": [column.name for column in COLUMNS],
        "commands.md": list(COMMANDS),
        "providers.md": list(PROVIDERS),
    }.items():
        text = documented(file)
        missing = [name for name in names if f"`{name}`" not in text]
        assert not missing, f"docs/{file} does not say what {missing} are"


def test_every_spec_field_is_in_the_docs() -> None:
    text = documented("spec.md")
    for klass in {
        **vars(model),
        **vars(filters),
        **vars(paid),
        **vars(scoring),
        **vars(rollouts),
    }.values():
        if inspect.isclass(klass) and issubclass(klass, base.Model) and klass is not base.Model:
            for field in klass.model_fields:
                assert f"`{field}`" in text, f"docs/spec.md does not say what {field} is"


@pytest.mark.xdist_group("house")
def test_the_tests_of_a_group_run_in_one_worker(request: pytest.FixtureRequest) -> None:
    """Pytest-xdist reads the group from the id of a test, and reports no error if it has none."""
    several = hasattr(request.config, "workerinput")

    assert request.node.nodeid.endswith("@house") == several


def test_no_index_address_or_machine_path_is_committed() -> None:
    for path in (
        *ROOT.glob("*.lock"),
        *ROOT.glob("tests/interop/*.lock"),
        ROOT / "pyproject.toml",
        ROOT / "Makefile",
    ):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text.replace("https://huggingface.co", ""), path.name
