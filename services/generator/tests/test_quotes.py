"""Evidence points to what really stands in the requirements."""

from hone_generator.text.quotes import find_quote


def test_quotes_are_found_where_they_stand() -> None:
    lines = ["members borrow many books .", "a book has a title and an author ."]
    assert find_quote("Members borrow", lines) == 0
    assert find_quote("a book has … a title, author", lines) == 1
    assert find_quote("wears shoes", lines) is None
    assert find_quote("", lines) is None
