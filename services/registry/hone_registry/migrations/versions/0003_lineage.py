"""Versions with their lineage and state, canary shares, the history of champions, evaluations; an audit trail that
the database itself keeps append-only."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from hone_chassis.tables import UtcDateTime

revision = "0003"
down_revision = "0002"

_STARTER = "llamacpp:hone-starter"
_big_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_VERSIONS = sa.table(
    "versions",
    *(sa.column(name) for name in ("model_id", "version", "uri", "sha256", "size_bytes", "origin")),
    sa.column("provenance", sa.JSON),
    sa.column("created_at", UtcDateTime),
)
_ALIASES = sa.table(
    "aliases",
    *(sa.column(name) for name in ("model_id", "artifact_type", "alias", "version")),
    sa.column("moved_at", UtcDateTime),
)


def upgrade() -> None:
    versions, aliases = _rows(_VERSIONS), _rows(_ALIASES)
    models = {
        row.id: row.name
        for row in op.get_bind().execute(sa.select(sa.table("models", sa.column("id"), sa.column("name"))))
    }
    op.add_column("models", sa.Column("reading", sa.String, nullable=False, server_default="whole"))
    op.get_bind().execute(
        sa.text("UPDATE models SET reading = 'passages' WHERE name = :name"), {"name": _STARTER}
    )
    # Made anew, rather than altered: SQLite cannot drop a constraint of a table that another one refers to.
    op.drop_table("aliases")
    op.drop_table("versions")
    champions = {(row["model_id"], row["version"]) for row in aliases if row["alias"] == "champion"}
    _fill(_versions_table(), [_version(row, champions, models) for row in versions])
    _fill(_aliases_table(), aliases)
    _fill(_reigns_table(), [_reign(row) for row in aliases if row["alias"] == "champion"])
    _evaluations_table()
    op.create_index("audit_subject", "audit", ["tenant", "subject"])
    _append_only()


def _rows(table: sa.TableClause) -> list[dict[str, Any]]:
    return [dict(row) for row in op.get_bind().execute(sa.select(table)).mappings()]


def _fill(table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        op.bulk_insert(table, rows)


def _version(row: dict[str, Any], champions: set[tuple[int, int]], models: dict[int, str]) -> dict[str, Any]:
    is_champion = (row["model_id"], row["version"]) in champions
    return row | {
        "name": "",
        "state": "champion" if is_champion else "retired",
        "reason": "it was there before versions had states",
        "reading": "passages" if models[row["model_id"]] == _STARTER else "whole",
        "parameters": {},
        "figures": {},
        "proof": {},
        "code_version": "",
        "evaluations_asked": 0,
    }


def _reign(alias: dict[str, Any]) -> dict[str, Any]:
    return {
        "model_id": alias["model_id"],
        "artifact_type": alias["artifact_type"],
        "version": alias["version"],
        "began_at": alias["moved_at"],
        "why": "it was champion before history was kept",
        "why_ended": "",
    }


def _versions_table() -> sa.Table:
    return op.create_table(
        "versions",
        sa.Column("model_id", sa.BigInteger, sa.ForeignKey("models.id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("reading", sa.String, nullable=False),
        sa.Column("uri", sa.String, nullable=False),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("served_by", sa.String),
        sa.Column("prompt", sa.JSON),
        sa.Column("method", sa.String),
        sa.Column("artifact_type", sa.String),
        sa.Column("base_version", sa.Integer),
        sa.Column("run_id", sa.String, unique=True),
        sa.Column("dataset_digest", sa.String),
        sa.Column("dataset", sa.JSON),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("proof", sa.JSON, nullable=False),
        sa.Column("code_version", sa.String, nullable=False),
        sa.Column("provenance", sa.JSON, nullable=False),
        sa.Column("evaluations_asked", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )


def _aliases_table() -> sa.Table:
    return op.create_table(
        "aliases",
        sa.Column("model_id", sa.BigInteger, primary_key=True),
        sa.Column("artifact_type", sa.String, primary_key=True),
        sa.Column("alias", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("share", sa.Float),
        sa.Column("moved_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["model_id", "version"], ["versions.model_id", "versions.version"]),
    )


def _reigns_table() -> sa.Table:
    table = op.create_table(
        "reigns",
        sa.Column("id", _big_id, primary_key=True),
        sa.Column("model_id", sa.BigInteger, nullable=False),
        sa.Column("artifact_type", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("began_at", UtcDateTime, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("why_ended", sa.String, nullable=False),
        sa.ForeignKeyConstraint(["model_id", "version"], ["versions.model_id", "versions.version"]),
    )
    op.create_index("reigns_of", "reigns", ["model_id", "artifact_type", "id"])
    reigning = sa.text("ended_at IS NULL")
    op.create_index(
        "reigns_open",
        "reigns",
        ["model_id", "artifact_type"],
        unique=True,
        sqlite_where=reigning,
        postgresql_where=reigning,
    )
    return table


def _evaluations_table() -> None:
    op.create_table(
        "evaluations",
        sa.Column("id", _big_id, primary_key=True),
        sa.Column("model_id", sa.BigInteger, nullable=False),
        sa.Column("artifact_type", sa.String, nullable=False),
        sa.Column("champion", sa.Integer, nullable=False),
        sa.Column("challenger", sa.Integer, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("pairs", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["model_id", "champion"], ["versions.model_id", "versions.version"]),
        sa.ForeignKeyConstraint(["model_id", "challenger"], ["versions.model_id", "versions.version"]),
    )
    op.create_index("evaluations_of", "evaluations", ["model_id", "challenger"])


def _append_only() -> None:
    """Whoever has the database can still drop these. Mistakes in the code cannot."""
    refusal = "the audit trail is append-only"
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{what.lower()} BEFORE {what} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        # INSERT OR REPLACE deletes without any trigger.
        op.execute(
            "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "  # noqa: S608 (nothing from outside)
            "WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION refuse_to_change_audit() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit()"
    )
