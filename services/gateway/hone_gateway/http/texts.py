"""Texts that people write: plain, and with something in them where that matters."""

from pydantic import AfterValidator


def plain(text: str) -> str:
    for place, character in enumerate(text):
        if (character < " " and character not in "\n\r\t") or character == "\x7f":
            raise ValueError(
                f"a control character ({character!r}) stands at character {place}; send plain text"
            )
    return text


def written(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty; write something, or leave it out")
    return plain(text)


def name(text: str) -> str:
    """One line that identifies somebody: the same name typed with blanks around it is the same."""
    text = text.strip()
    if not text or not text.isprintable():
        raise ValueError("a name is one line of printable characters")
    return text


PLAIN, WRITTEN, NAME = AfterValidator(plain), AfterValidator(written), AfterValidator(name)
