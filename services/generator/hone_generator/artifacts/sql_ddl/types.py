"""The types that each database has, and which of them can hold each other's keys."""

from hone_generator.artifacts.sql_ddl.schema import Dialect

_FAMILIES: dict[str, str] = {
    "number": """int integer smallint bigint tinyint mediumint int2 int4 int8 serial bigserial smallserial serial2
        serial4 serial8 numeric decimal dec fixed number real float float4 float8 double year money bit""",
    "text": """varchar char character text citext name bpchar nvarchar nchar tinytext mediumtext longtext clob enum
        set national xml string""",
    "moment": "date time timestamp timestamptz timetz datetime interval",
    "boolean": "boolean bool",
    "uuid": "uuid",
    "binary": "bytea blob tinyblob mediumblob longblob binary varbinary",
    "json": "json jsonb",
    "other": """inet cidr macaddr macaddr8 tsvector tsquery point line lseg box path polygon circle geometry geography
        linestring multipoint multilinestring multipolygon geometrycollection hstore ltree int4range int8range
        numrange tsrange tstzrange daterange int4multirange int8multirange oid regclass pg_lsn vector any""",
}
_FAMILY = {name: family for family, names in _FAMILIES.items() for name in names.split()}
_NOT_IN: dict[Dialect, frozenset[str]] = {
    "postgresql": frozenset(
        """
        tinyint mediumint datetime nvarchar tinytext mediumtext longtext clob enum set blob tinyblob mediumblob
        longblob binary varbinary year fixed number string linestring multipoint multilinestring multipolygon
        geometrycollection any double
        """.split()  # noqa: SIM905 - a list of quoted words is not readable
    ),
    "mysql": frozenset(
        """
        serial2 serial4 serial8 bigserial smallserial money citext name bpchar clob timestamptz timetz interval uuid
        bytea jsonb inet cidr macaddr macaddr8 tsvector tsquery line lseg box path circle geography hstore ltree
        int4range int8range numrange tsrange tstzrange daterange int4multirange int8multirange oid regclass pg_lsn
        any number string xml nvarchar2
        """.split()  # noqa: SIM905 - as above
    ),
    "sqlite": frozenset(),
}
_MULTI_WORD = ("double precision", "character varying", "national varchar", "bit varying")


def base_of(written: str) -> str:
    """``character varying`` of "CHARACTER VARYING", ``integer`` of "integer [ ]"."""
    words = written.lower().replace("[", " ").split()
    if not words:
        return ""
    two = " ".join(words[:2])
    return two if two in _MULTI_WORD else words[0]


def is_known(written: str, dialect: Dialect) -> bool:
    base = base_of(written)
    if base in _MULTI_WORD:
        return True
    return base in _FAMILY and base not in _NOT_IN[dialect]


def family(written: str, dialect: Dialect) -> str:
    """Types of one family can point to each other, more or less; SQLite compares whatever it has."""
    base = base_of(written)
    if base == "double precision":
        return "number"
    if base in _MULTI_WORD:
        return "text"
    found = _FAMILY.get(base, base)
    if dialect == "sqlite" and found in ("uuid", "moment", "json"):
        return "text"
    if dialect in ("sqlite", "mysql") and found == "boolean":
        return "number"
    return found
