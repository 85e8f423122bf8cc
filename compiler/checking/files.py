"""Every check on parquet files, and its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from compiler.checking import rollouts, verify
from compiler.checking.rollouts import RolloutReport
from compiler.checking.verify import INDEX_COLUMNS, Report
from compiler.dataset import rollout_columns, rows, stated
from compiler.errors import SourceError
from compiler.keys import Json
from compiler.probes import tokens
from compiler.probes.checks import CHECKS
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table


def check(path: Path, tokenizers: Sequence[str]) -> Report | RolloutReport:
    """Check the rows of a file or dataset directory.

    `tokenizers`: names, of the source model's and of those that lens atoms are counted by.
    """
    loaded = []
    for name in tokenizers:
        found = tokens.find(name, Path.cwd(), online=True)
        assert found is not None
        loaded.append(tokens.load(found))
    if rollout_columns.are_rollouts(path):
        return rollouts.check(path, loaded)
    files = rows.files(path)
    report = Report()
    for file in files:
        inexact = rows.inexact_indices(file, INDEX_COLUMNS)
        if inexact:
            listed = ", ".join(f"{name} ({kind})" for name, kind in inexact.items())
            report.add("V23", file.name, f"not integers: {listed}")
    every = (row for file in files for row in rows.read(file))
    verify.verify(every, loaded, stated.beside(path), report)
    if path.is_dir():
        _counts(path, files, report)
    else:
        report.not_applied.append("V20")
    return report


def text(report: Report, screen: Screen = PLAIN) -> str:
    """Format a report for a terminal.

    Raises:
        SourceError: there were no rows to check.
    """
    if not report.rows:
        raise SourceError("no rows there", hint="is the file empty?")
    found = sorted(report.counts, key=lambda name: (CHECKS[name].severity != "error", name))
    lines = [
        f"{report.rows:,} rows, {report.errors:,} errors, "
        f"{sum(report.counts.values()) - report.errors:,} warnings"
    ]
    if found:
        header = ("check", "severity", "findings", "the rule that is broken")
        entries = [(n, CHECKS[n].severity, report.counts[n], CHECKS[n].meaning) for n in found]
        lines.append(table(header, entries, screen))
        lines.append(
            "\n".join(f"{name}  {each}" for name in found for each in report.examples[name])
        )
    if report.not_applied:
        lines.append(screen.wrapped(f"not applied: {', '.join(report.not_applied)}"))
    return "\n\n".join(lines)


def data(report: Report) -> dict[str, Json]:
    """Format a report as JSON."""
    return {
        "rows": report.rows,
        "errors": report.errors,
        "findings": {
            name: {
                "severity": CHECKS[name].severity,
                "count": count,
                "meaning": CHECKS[name].meaning,
                "examples": [*report.examples[name]],
            }
            for name, count in sorted(report.counts.items())
        },
        "not_applied": [*report.not_applied],
    }


def _counts(folder: Path, files: list[Path], report: Report) -> None:
    claimed = stated.counts(folder)
    if claimed is None:
        report.not_applied.append("V20")
        return
    report.not_applied.append("V20 (rows by scope only: `probec card --check` counts all)")
    have = Counter(row.text("scope") for file in files for row in rows.read(file))
    for scope in sorted(claimed.keys() | have.keys()):
        if claimed.get(scope, 0) != have[scope]:
            detail = f"stats.json says {claimed.get(scope, 0)} rows, the files have {have[scope]}"
            report.add("V20", scope, detail)
