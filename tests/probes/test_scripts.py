"""Units, sizes and clean offsets in texts of ten languages, written for this test."""

from __future__ import annotations

import pytest
import regex

from compiler.probes import annotate, tokens
from compiler.probes.segment import is_prose, segment
from compiler.spec.model import AtomRules, SplitRules, WrittenScope
from compiler.words import size_between
from tests.conftest import ROOT

TEXTS = {
    "Cyrillic": (
        "Утром рыбаки вышли в море и долго искали про"
        "павшую лодку у старого маяка. К вечеру ветер"
        " стих, и на берегу снова зажглись огни мален"
        "ьких домов."
    ),
    "Arabic": (
        "خرج الصيادون إلى البحر في الصباح وبحثوا طويل"
        "ا عن القارب المفقود قرب المنارة. هل عادوا قب"
        "ل أن يهبط الليل على القرية الصغيرة؟"
    ),
    "Hangul": (
        "어부들은 아침에 바다로 나가 오래된 등대 근처에서 사라진 배를 찾았다. 저녁이 "
        "되자 바람이 멎고 작은 집들에 다시 불이 켜졌다."
    ),
    "Han": (
        "渔民们清晨出海,在古老的灯塔附近寻找失踪的小船。傍晚时分风停了,岸边的小屋又亮起了灯火。"
    ),
    "kana": (
        "漁師たちは朝早く海へ出て、古い灯台の近くで消えた舟を探した。夕方には風がやみ、浜辺の小さ"
        "な家々にまた明かりがともった。"
    ),
    "Thai": (
        "ชาวประมงออกทะเลแต่เช้าเพื่อค้นหาเรือที่หายไป"
        "ใกล้ประภาคารเก่า\nเมื่อถึงเวลาเย็นลมก็สงบและบ"
        "้านหลังเล็กริมฝั่งก็จุดไฟขึ้นอีกครั้ง"
    ),
    "Devanagari": (
        "मछुआरे सुबह समुद्र में गए और पुराने प्रकाशस्"
        "तंभ के पास खोई हुई नाव को देर तक खोजते रहे। "
        "शाम को हवा थम गई और किनारे के छोटे घरों में "
        "फिर से दीप जल उठे।"
    ),
    "Greek": (
        "Οι ψαράδες βγήκαν το πρωί στη θάλασσα και έψ"
        "αχναν τη χαμένη βάρκα κοντά στον παλιό φάρο."
        " Το βράδυ ο άνεμος κόπασε και τα μικρά σπίτι"
        "α άναψαν πάλι τα φώτα τους."
    ),
    "Spanish": (
        "Los pescadores salieron al mar por la mañana"
        " y buscaron la barca perdida cerca del viejo"
        " faro. Al anochecer cesó el viento y las cas"
        "as pequeñas encendieron otra vez sus luces."
    ),
    "German": (
        "Die Fischer fuhren am Morgen aufs Meer und s"
        "uchten lange das verlorene Boot beim alten L"
        "euchtturm. Am Abend legte sich der Wind, und"
        " in den kleinen Häusern brannte wieder Licht"
        "."
    ),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_both_sentences_of_a_text_are_units(text: str) -> None:
    found = tokens.find("specs/data/bpe-8k.json.gz", ROOT, online=False)
    assert found is not None
    rules = AtomRules(min_words=6, min_chars=20, max_chars=600)
    scope = WrittenScope(
        kind="written",
        slots=1,
        split="sentence",
        unit="sentence",
        synergy="any",
        atom=rules,
        order=1,
    )

    shown = annotate.annotate(
        0, "A", segment(text, 0), 0, tokens.load(found).encode(text), SplitRules(), [scope], 1
    )
    assert [unit.kind for unit in shown.units] == ["sentence", "sentence"]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_clean_offset_is_inside_a_grapheme_cluster(text: str) -> None:
    found = tokens.find("specs/data/bpe-8k.json.gz", ROOT, online=False)
    assert found is not None
    edges = {match.end() for match in regex.finditer(r"\X", text)} | {0}

    assert set(tokens.load(found).encode(text).clean) <= edges


def test_conjoining_letters_and_joined_emoji_are_not_cut() -> None:
    found = tokens.find("specs/data/bpe-8k.json.gz", ROOT, online=False)
    assert found is not None
    for text in (
        "\u1112\u1161\u11ab \u1100\u1173\u11af",
        "a \U0001f469\u200d\U0001f52c b",
        "\u0e19\u0e49\u0e33",
    ):
        edges = {match.end() for match in regex.finditer(r"\X", text)} | {0}
        assert set(tokens.load(found).encode(text).clean) <= edges


def test_sizes_count_characters_where_words_are_not_spaced() -> None:
    assert size_between("two words", 0, 9) == 2
    assert size_between("第二句话。", 0, 5) == 4
    assert size_between("Linux 内核 6.1", 0, 12) == 4


@pytest.mark.parametrize(
    "text", ["第二章", "Глава первая", "— — —。", "१२३ ४५६ ७८९।", "• 第二句是句子"]
)
def test_headings_numbers_and_separators_are_no_prose(text: str) -> None:
    assert not is_prose(text)
