"""Personal data: addresses, phone numbers, accounts and cards. What is reserved for examples is nobody's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hone_trainer.datasets.problems import Problem
from hone_trainer.datasets.row_text import RowText
from hone_trainer.datasets.rows import Row

_EMAIL = re.compile(
    r"(?<![\w.+%-])[A-Za-z0-9][\w.+%-]{0,63}+@((?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24})(?![\w@])"
)
# RFC 2606 and 6761.
_RESERVED_DOMAIN = re.compile(
    r"(?:^|\.)(?:example\.(?:com|org|net|edu)|(?:[a-z0-9-]+\.)?(?:example|test|invalid|localhost|local|internal))$"
    r"|^(?:company|domain|acme|yourcompany|mycompany|email|mail|test|foo|bar|users\.noreply\.github)\.(?:com|org|net)$",
    re.IGNORECASE,
)
_FEWEST_DIGITS = 8  # of a phone number, the shortest of them
_EIGHT_DIGITS = re.compile(r"\d(?:[ ()./-]{0,2}\d){7}")  # as all numbers that are looked for have
_INTERNATIONAL = re.compile(
    r"(?<![\w+])\+[1-9]\d{0,2}[ ./-]?(?:\(\d{1,5}\)[ ./-]?)?\d(?:[ ./-]?\d){5,12}(?![\w-])"
)
_NORTH_AMERICAN = re.compile(
    r"(?<![\w.+-])(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4}(?![\w-]|\.\d)"
)
_PHONES = (_INTERNATIONAL, _NORTH_AMERICAN)
# Set aside for films and manuals: NANPA 555-01xx, Ofcom's numbers for drama, Bundesnetzagentur's.
_RESERVED_PHONE = re.compile(
    r"^1?(?:\d{3})?55501\d\d$|^555\d{0,4}$|^\d{3}5550\d{3}$|^1?[2-9]\d{2}5551212$|^44(?:7700900|2079460|1632960|"
    r"8081570|1134960|1144960|1154960|1164960|1174960|1184960|1214960|1314960|1414960|1514960|1614960|1914980)\d{3}$"
    r"|^49(?:30|69|40|221|89)(?:23125|90009|66969|4710|99998)\d{2,4}$|(\d)\1{6}|1234567|2345678"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_IBANS_OF_MANUALS = frozenset({"DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606",
                               "GB82WEST12345698765432", "NL91ABNA0417164300", "ES9121000418450200051332",
                               "CH9300762011623852957", "AT611904300234573201", "BE68539007547034",
                               "GB33BUKB20201555555555"})  # fmt: skip
_CARD = re.compile(
    r"(?<![\w.-])(?<![A-Z]{2}\d\d )(?:[3-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})"
    r"(?![\w-]|\.\d| \d)"
)
# The payment providers' own numbers for tests.
_CARDS_OF_MANUALS = frozenset({"4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556",
                               "5555555555554444", "5105105105105100", "5200828282828210", "378282246310005",
                               "371449635398431", "6011111111111117", "6011000990139424", "3056930009020004",
                               "3566002020360505", "4222222222222", "4000000000000002"})  # fmt: skip
_SUGGESTION = "put an example in its place, such as {example}, or ask whose it is"


def personal_problems(row: Row, text: RowText) -> Iterator[Problem]:
    """Each kind once a row; the value itself is not repeated."""
    numbers = text.digits() >= _FEWEST_DIGITS
    if not numbers and "@" not in text.lower:
        return
    told: set[str] = set()
    for turn in row.turns:
        for what, example in _kinds(turn.content, numbers):
            if what not in told:
                told.add(what)
                yield Problem(
                    "personal_data",
                    f"there is {what} in a turn of the {turn.role[:20]}",
                    _SUGGESTION.format(example=example),
                )


def _kinds(text: str, numbers: bool) -> Iterator[tuple[str, str]]:
    if "@" in text and any(_is_address(text, match) for match in _EMAIL.finditer(text)):
        yield "an e-mail address", "name@example.com"
    if not numbers or not _EIGHT_DIGITS.search(text):
        return
    if any(_is_card(match[0]) for match in _CARD.finditer(text)):
        yield "a card number", "4111 1111 1111 1111"
    if any(_is_iban(match[0]) for match in _IBAN.finditer(text)):
        yield "a bank account (IBAN)", "DE89 3704 0044 0532 0130 00"
    if any(_is_phone(match[0]) for regex in _PHONES for match in regex.finditer(text)):
        yield "a phone number", "+1 202 555 0123"


def _is_address(text: str, match: re.Match[str]) -> bool:
    """``user:password@host`` of a URL is none."""
    before = text[max(0, match.start() - 80) : match.start()].rsplit(None, 1)[-1:]
    return not _RESERVED_DOMAIN.search(match[1]) and not any("://" in word for word in before)


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _is_phone(text: str) -> bool:
    return not _RESERVED_PHONE.search(_digits(text))


def _is_card(text: str) -> bool:
    """Luhn's checksum (ISO/IEC 7812-1)."""
    digits = _digits(text)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0 and digits not in _CARDS_OF_MANUALS and len(set(digits)) > 2


def _is_iban(text: str) -> bool:
    """The remainder of ISO 13616."""
    account = text.replace(" ", "")
    if not 15 <= len(account) <= 34 or account in _IBANS_OF_MANUALS:
        return False
    turned = account[4:] + account[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1
