"""Types of attributes by their names: what a modeller knows without being told.

A small model guesses types of rare names badly; a dictionary of common words does not. The list was written for
Hone from what data models usually call things.
"""

from hone_contracts.erd_facts import ATTRIBUTE_TYPES, AttributeType
from hone_generator.text.naming import singular, words_of

_WORDS: dict[AttributeType, str] = {
    "string": """name title email mail phone telephone mobile fax address street city town country state region
        postcode zip zipcode iban bic isbn issn sku barcode code number no nr colour color url uri link website
        username login password passphrase token slug nickname surname firstname lastname language currency
        unit brand manufacturer model plate vin locale timezone hash label tag subject headline designation""",
    "text": "description comment note remark text body content message summary biography bio abstract details"
    " instruction reason feedback review caption transcript",
    "int": "quantity count age capacity stock points rank position level seats pages floor year duration minutes"
    " hours days copies version stars attempts size places sequence",
    "float": "latitude longitude weight height width length depth distance temperature speed ratio percentage area"
    " volume score probability humidity pressure mileage radius voltage power",
    "decimal": "price cost amount total subtotal fee salary wage balance tax discount rate payment budget revenue"
    " fine deposit rent premium charge tip vat commission bonus tariff sum",
    "boolean": "active enabled disabled available paid verified approved archived deleted published visible public"
    " confirmed completed cancelled canceled flag mandatory required optional",
    "date": "date birthday dob born deadline expiry birthdate",
    "datetime": "timestamp time datetime moment at",
    "uuid": "uuid guid",
    "enum": "status kind category gender priority severity condition stage grade",
    "json": "metadata settings preferences payload configuration properties json",
    "binary": "photo image picture avatar logo attachment file document blob thumbnail signature scan icon",
}
_TYPE_OF: dict[str, AttributeType] = {
    singular(word): kind for kind, line in _WORDS.items() for word in line.split()
}
# Two words that mean something else than their last one.
_PHRASES: dict[str, AttributeType] = {
    "date of birth": "date", "year of birth": "int", "time zone": "string", "point of sale": "string",
    "opening hours": "string", "file name": "string", "file size": "int", "number of": "int",
    "serial number": "string",
}  # fmt: skip
# What databases, languages and people call them.
_WRITTEN: dict[str, AttributeType] = {
    **{name: name for name in ATTRIBUTE_TYPES},
    **dict.fromkeys(("integer", "bigint", "smallint", "tinyint", "serial", "bigserial", "long", "short"), "int"),
    **dict.fromkeys(("str", "varchar", "char", "nvarchar", "character", "email", "url", "uri"), "string"),
    **dict.fromkeys(("clob", "longtext", "mediumtext"), "text"),
    **dict.fromkeys(("double", "real"), "float"),
    **dict.fromkeys(("numeric", "number", "money", "currency"), "decimal"),
    **dict.fromkeys(("bool", "bit"), "boolean"),
    **dict.fromkeys(("timestamp", "timestamptz", "time"), "datetime"),
    **dict.fromkeys(("guid", "ulid"), "uuid"),
    "enumeration": "enum",
    **dict.fromkeys(("jsonb", "object", "map"), "json"),
    **dict.fromkeys(("blob", "bytea", "bytes", "byte"), "binary"),
}  # fmt: skip
_FLAGS = frozenset({"is", "has", "can", "was", "should"})
_MOMENTS = frozenset({"created", "updated", "modified", "deleted", "sent", "received", "started", "ended"})


def known_type(name: str) -> AttributeType | None:
    """The type that an attribute of this name usually has; None for a name that says nothing."""
    words = words_of(name)
    if not words:
        return None
    phrase = " ".join(words)
    for known, kind in _PHRASES.items():
        if f" {phrase} ".find(f" {known} ") >= 0:
            return kind
    if words[0] in _FLAGS and len(words) > 1:
        return "boolean"
    if words[-1] in {"at", "on"} and len(words) > 1 and (words[-1] == "at" or words[-2] not in _MOMENTS):
        return "datetime" if words[-1] == "at" else "date"
    if words[-1] in _MOMENTS and len(words) == 1:
        return "datetime"
    return _TYPE_OF.get(singular(words[-1])) or (
        _TYPE_OF.get(words[0]) if words[0] in {"date", "time"} else None
    )


def settled_type(name: str, said: list[AttributeType]) -> AttributeType:
    """The type to draw: what was said most often if it says more than `string`, else what the name says."""
    telling = [kind for kind in said if kind != "string"]
    known = known_type(name)
    if not telling:
        return known or "string"
    counts = {kind: telling.count(kind) for kind in telling}
    best = max(counts.values())
    candidates = [kind for kind, count in counts.items() if count == best]
    return known if known in candidates else candidates[0]


def attribute_type(written: str, name: str) -> AttributeType:
    """A type as people write it (varchar(20), INTEGER) as one of ours; an unknown one is what the name says."""
    return _WRITTEN.get(written.lower().split("(")[0].split("[")[0]) or known_type(name) or "string"
