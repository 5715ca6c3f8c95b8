"""Types that a reader of a class diagram knows without being told: those of common languages and databases."""

_TYPES = frozenset(
    """
    any array bigdecimal bigint biginteger binary bit blob bool boolean byte bytearray bytes callable char
    character clob collection currency date datetime datetimeoffset decimal deque dict dictionary document
    double duration e either email enum error exception file float float32 float64 frozenset func function
    future guid hashmap hashset hashtable id image index inputstream instant int int16 int32 int64 int8
    integer iterable iterator json jsonb k key linkedlist list localdate localdatetime localtime long map
    mapping money month never none null number numeric object offsetdatetime option optional outputstream
    pair path period point predicate promise queue r real record result sequence serial set short smallint
    stack str stream string stringbuilder supplier symbol t text time timedelta timespan timestamp
    timestamptz timezone tuple type u uint uint32 uint64 undefined union unit uri url uuid v varchar vector
    void year zoneddatetime
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)


def is_known_type(word: str) -> bool:
    """Words in small letters are taken for types of some language; a capital promises a class."""
    return not word[:1].isupper() or word.lower() in _TYPES
