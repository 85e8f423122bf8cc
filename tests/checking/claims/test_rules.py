"""Every rule finds the card that breaks it and passes the card that keeps it."""

from __future__ import annotations

import pytest

from compiler.checking.claims.checked import RULES, Checked, check

BUILT = "| scope | n | scoring path |\n|---|---|---|\n| word | 9 | local |\n| whole | 7 | judge |\n"
BINS = "[0.0, 0.4) 30 ({}%)\n[0.4, 0.8) 50\n[0.8, 1.0] 20\n\nprobes scored: {}\n"
HISTOGRAM = BINS.format("30.0", 100)
USAGE = "10M input + 2M output (judge); $0.50/M input, $2.50/M output; total cost: {}"

# Rule, card, text that keeps the rule, text that breaks it, the expected value in the message.
CASES = [
    ("C01", BUILT + "\nTotal probes: {}", "16", "17", "16"),
    ("C02", "{} probes over 4 documents, 3 slots per document", "12", "13", "at most 12"),
    (
        "C03",
        "11 probes over 4 documents, 3 slots per document\n\n{}",
        "| scope | reason | count |\n|---|---|---|\n| word | leak | 1 |",
        "",
        "12",
    ),
    ("C04", BUILT + "\nprobes scored: {}", "7", "8", "at most 7"),
    (
        "C04",
        "| scope | built | scored |\n|---|---|---|\n| whole | 7 | 5 |\n\n"
        "**Not scored:**\n\n- whole: {} judge_failed",
        "2",
        "1",
        "6",
    ),
    ("C05", BUILT + "\nprobes scored: 5\n\n{}", "Not scored:\n- whole: 2 judge_failed", "", "7"),
    ("C06", BINS.format("30.0", "{}"), "100", "99", "100"),
    ("C07", BINS.format("{}", 100), "30.0", "30.2", "30"),
    ("C08", HISTOGRAM + "HARD (max < 0.4) {}", "30.0%", "31.0%", "30"),
    ("C08", HISTOGRAM + "EASY (max >= 0.6) {}", "45.0%", "19.0%", "20 to 70"),
    ("C09", HISTOGRAM + "mean {}, std 0.25", "0.50", "0.77", "0.360 to 0.720"),
    ("C09", HISTOGRAM + "mean 0.50, std {}", "0.25", "0.40", "0.151 to 0.389"),
    ("C10", "answerer calls: 5 x 20 = {}", "100", "101", "100"),
    ("C10", "answerer calls: {} x 20 = 100\n\nThe maximum of 5 rollouts", "5", "4", "5"),
    ("C10", "answerer calls: 5 x {} = 100\n\nprobes scored: 20", "20", "21", "20"),
    ("C12", USAGE, "~$10", "$12.00", "10"),
    (
        "C12",
        "| role | tokens in | tokens out | US$ |\n|---|---|---|---|\n"
        "| judge | 1,000,000 | 0 | {} |\n\n$0.50/M input and $2.50/M output",
        "$0.50",
        "$0.60",
        "0.5",
    ),
    ("C13", "judge calls: 250; {} judge chunks ≤ 100 requests", "3", "2", "at least 3"),
    (
        "C13",
        "judge calls: 250; {} judge chunks ≤ 256 MB, with a cap of 100 requests",
        "3",
        "2",
        "at least 3",
    ),
    ("C15", "in at least {} other siblings, of up to four siblings", "three", "4", "at most 3"),
    ("C28", "Total probes: 12\n\n12 probes over 4 documents; {} distinct docs", "4", "5", "4"),
    ("C28", "---\nnum_examples: 12\n---\nTotal probes: {}", "12", "13", "12"),
    ("C28", "Total probes: {}\n\n| scope | n |\n|---|---|\n| **all** | 7 |", "7", "8", "7"),
    ("C32", "4 word + 2 whole = {} slots", "6", "7", "6"),
    (
        "C32",
        "| scope | built |\n|---|---|\n| word | {} |\n\n"
        "| round | scope | built |\n|---|---|---|\n| 0 | word | 5 |\n| 1 | word | 4 |",
        "9",
        "8",
        "9",
    ),
]


def of(checked: Checked, rule: str) -> list[str]:
    return [each.trial.expected for each in checked.contradictions if each.name == rule]


@pytest.mark.parametrize(
    ("rule", "card", "kept", "broken", "expected"), CASES, ids=[case[0] for case in CASES]
)
def test_a_rule_finds_the_card_that_breaks_it(
    rule: str, card: str, kept: str, broken: str, expected: str
) -> None:
    good, bad = check(card.replace("{}", kept)), check(card.replace("{}", broken))

    assert good.applied[rule]
    assert of(good, rule) == []
    assert [each for each in of(bad, rule) if expected in each]


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} == RULES.keys()
