"""Words brought to what their forms share, so that borrow, borrows, borrowed, borrower and borrowing meet.

Lighter than Porter's stemmer, which was tried: it conflates "organisation" with "organ" and "university" with
"universe", and the forms that requirements and diagrams mix are few.
"""

from functools import lru_cache

from hone_generator.text.naming import singular

_IRREGULAR = {
    "paid": "pay", "sent": "send", "bought": "buy", "sold": "sell", "chosen": "choos", "chose": "choos",
    "written": "write", "wrote": "write", "taken": "take", "took": "take", "given": "give", "gave": "give",
    "found": "find", "lent": "lend", "lost": "lose", "built": "build", "kept": "keep", "held": "hold",
    "left": "leav", "met": "meet", "made": "make", "ran": "run", "begun": "begin", "began": "begin",
    "withdrawn": "withdraw", "withdrew": "withdraw", "withdrawal": "withdraw", "drawn": "draw", "shown": "show",
    "seen": "see", "told": "tell", "taught": "teach", "brought": "bring", "broken": "break", "broke": "break",
    "driven": "driv", "drove": "driv", "flown": "fly", "flew": "fly", "fed": "feed", "won": "win", "went": "go",
    "registration": "regist", "registry": "regist", "loaned": "loan", "failure": "fail", "refusal": "refus",
    "login": "login", "logged": "log", "logging": "log", "purchase": "purchas", "author": "author",
}  # fmt: skip

# Ending, what it becomes, how much has to stay. The first that fits is taken, once.
_ENDINGS = (
    ("ification", "if", 3), ("ified", "if", 3), ("ifying", "if", 3), ("ifier", "if", 3), ("ify", "if", 3),
    ("ations", "", 4), ("ation", "", 4), ("ition", "", 4), ("ion", "", 4), ("ment", "", 3), ("ing", "", 3),
    ("ied", "y", 2), ("ed", "", 3), ("er", "", 4), ("or", "", 4), ("al", "", 4), ("ence", "", 5), ("ance", "", 5),
    ("ery", "", 4), ("ity", "", 5), ("e", "", 4), ("s", "", 4),
)  # fmt: skip


@lru_cache(maxsize=32768)
def stem(word: str) -> str:
    """What the forms of a lower-case word share."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    base = singular(word)
    if base in _IRREGULAR:
        return _IRREGULAR[base]
    for ending, becomes, stays in _ENDINGS:
        if base.endswith(ending) and len(base) - len(ending) >= stays:
            return _undoubled(base[: -len(ending)] + becomes)
    return base


def _undoubled(word: str) -> str:
    """cancelled, shipped and booking lose their ending: cancell, shipp, book. The first two lose a letter more."""
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiousz":
        return word[:-1]
    return word.removesuffix("e") if len(word) > 4 else word
