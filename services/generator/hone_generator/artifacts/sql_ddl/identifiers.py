"""Names of tables and columns that all three dialects take.

PostgreSQL cuts names at 63 bytes, MySQL refuses more than 64 characters and those beyond the basic plane, and
compares columns without accents; SQLite and PostgreSQL keep prefixes for themselves. A name is quoted where it is not
plain or is a reserved word of any of the three, so that one list serves all.
"""

import re
import unicodedata
from collections.abc import Container

from hone_contracts.normal_form import normal_form
from hone_generator.artifacts.sql_ddl.schema import Dialect
from hone_generator.text.naming import words_of

_MOST_BYTES = 56  # what stands before and behind it in an index's name still fits
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_SYSTEM_PREFIXES = ("pg_", "sqlite_")
# Columns that every table of PostgreSQL or InnoDB has already.
_SYSTEM_COLUMNS = frozenset(
    "tableoid xmin cmin xmax cmax ctid db_row_id db_trx_id db_roll_ptr".split()  # noqa: SIM905 - as below
)
# Reserved in PostgreSQL 18, SQLite 3.45, MySQL 8.4 or MariaDB 10.11, from their manuals.
RESERVED = frozenset(
    """
    abort accessible action add after all alter always analyse analyze and any array as asc asensitive asymmetric
    attach authorization autoincrement before begin between bigint binary blob body both by call cascade case cast
    change char character check collate collation column commit concurrently condition conflict constraint continue
    convert create cross cube cume_dist current current_catalog current_date current_role current_schema current_time
    current_timestamp current_user cursor database databases day_hour day_microsecond day_minute day_second dec
    decimal declare default deferrable deferred delayed delete delete_domain_id dense_rank desc describe detach
    deterministic distinct distinctrow div do do_domain_ids double drop dual each else elseif elsif empty enclosed end
    escape escaped except exclude exclusive exists exit explain fail false fetch filter first first_value float
    float4 float8 following for force foreign freeze from full fulltext function general generated get glob goto
    grant group grouping groups having high_priority hour_microsecond hour_minute hour_second if ignore
    ignore_domain_ids ignore_server_ids ilike immediate in index indexed infile initially inner inout insensitive
    insert instead int int1 int2 int3 int4 int8 integer intersect interval into io_after_gtids io_before_gtids is
    isnull iterate join json_table key keys kill lag last last_value lateral lead leading leave left like limit linear
    lines load localtime localtimestamp lock long longblob longtext loop low_priority manual master_bind
    master_heartbeat_period master_ssl_verify_server_cert match materialized maxvalue mediumblob mediumint
    mediumtext middleint minute_microsecond minute_second mod modifies natural no no_write_to_binlog not nothing
    notnull nth_value ntile null nulls numeric of offset on only open optimize optimizer_costs option optionally or
    order others out outer outfile over overlaps package page_checksum parallel parse_vcol_expr partition
    percent_rank period placing plan portion pragma preceding precision primary procedure purge query qualify raise
    raise_oracle range rank read reads read_write real recursive ref_system_id references regexp reindex release
    rename repeat replace require resignal restrict return returning revoke right rlike rollback row row_number
    rownum rows rowtype savepoint schema schemas second_microsecond select sensitive separator session_user set show
    signal similar slow smallint some spatial specific sql sql_big_result sql_calc_found_rows sql_small_result
    sqlexception sqlstate sqlwarning ssl starting stats_auto_recalc stats_persistent stats_sample_pages stored
    straight_join symmetric system system_user table tablesample tables temp temporary terminated then ties tinyblob
    tinyint tinytext to trailing transaction trigger true unbounded undo union unique unlock unsigned until update
    usage use user using utc_date utc_time utc_timestamp vacuum values varbinary varchar varcharacter variadic
    varying vector verbose view virtual when where while window with within without write xor year_month zerofill
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)

# Of those, what MySQL takes as a name without quotes.
_FREE_IN_MYSQL = frozenset(
    """
    abort action after always analyse any array asymmetric attach authorization autoincrement begin body cast
    collation commit concurrently conflict current current_catalog current_schema database deferrable deferred
    detach do elsif end escape exclude exclusive fail filter first following freeze full general get glob goto
    ignore_server_ids ilike immediate indexed initially instead isnull last master_heartbeat_period materialized
    no nothing notnull nulls only open option others overlaps package period placing plan pragma preceding query
    raise raise_oracle reindex rollback rownum rowtype savepoint schema session_user similar slow some symmetric
    system_user tables temp temporary ties transaction unbounded until user vacuum variadic vector verbose view
    within without
    """.split()  # noqa: SIM905 - as above
)
RESERVED_IN_MYSQL = RESERVED - _FREE_IN_MYSQL


def sql_name(said: str, fallback: str) -> str:
    """A name in snake_case of letters and digits of any script, cut to what all dialects take."""
    words = "_".join(words_of(said[:500])) or fallback
    basic = "".join(char for char in words if char <= "\uffff")
    name = _cut(basic, _MOST_BYTES).strip("_") or fallback
    if name.startswith(_SYSTEM_PREFIXES):
        name = f"t_{name}"
    return f"{name}_" if name in _SYSTEM_COLUMNS else name


def distinct(name: str, taken: Container[str]) -> str:
    """The name, or the name with the first number that makes it new to those compared by ``fold``."""
    candidate, number = _cut(name, _MOST_BYTES), 1
    while fold(candidate) in taken:
        number += 1
        candidate = f"{_cut(name, _MOST_BYTES)}_{number}"
    return candidate


def fold(name: str) -> str:
    """Equal for names that a database may take for one: case and accents aside."""
    decomposed = normal_form("NFKD", name.casefold())
    return "".join(char for char in decomposed if unicodedata.category(char)[0] != "M") or name


def quoted(name: str, dialect: Dialect) -> str:
    """The name as it is written in a statement."""
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    if dialect == "mysql":
        return "`" + name.replace("`", "``") + "`"
    return '"' + name.replace('"', '""') + '"'


def literal(text: str, dialect: Dialect) -> str:
    """A string literal. Controls are left out: NUL ends a statement for more than one client."""
    shown = "".join(char for char in text if char.isprintable())
    if dialect == "mysql":
        shown = shown.replace("\\", "\\\\")
    return "'" + shown.replace("'", "''") + "'"


def _cut(name: str, most_bytes: int) -> str:
    return name.encode("utf-8")[:most_bytes].decode("utf-8", errors="ignore")
