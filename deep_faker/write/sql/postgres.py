"""`PostgresOutput`: every event a row of its type's table in PostgreSQL, by COPY (psycopg)."""

from __future__ import annotations

from collections.abc import Mapping

from deep_faker.write.mapping import NamesOf
from deep_faker.write.sql.output import SqlOutput
from deep_faker.write.sql.postgresdb import Postgres
from deep_faker.write.sql.urls import settings


class PostgresOutput(SqlOutput):
    """Events as rows, each type to its table of ``database``, by COPY.

    The arguments are those of `MySQLOutput`: ``url`` (``postgresql://user:password@host:5432/database``, also
    with ``?sslmode=verify-full``), ``connection_config``, or single ones; other ``options`` go to libpq.
    Tables are made, checked, filled, replaced and resumed in the same way. NaN and infinities are stored as
    such; NUL characters in texts, which PostgreSQL cannot hold, are refused.

    >>> PostgresOutput(host="db", user="me", database="shop", table_mapping={"Login": "logins"}, password="s")
    PostgresOutput('me@db:5432/shop', {'Login': 'logins'})
    """

    def __init__(
        self,
        host: str | None = None,
        user: str | None = None,
        database: str | None = None,
        table_mapping: NamesOf | None = None,
        password: str | None = None,
        port: int | None = None,
        *,
        url: str | None = None,
        connection_config: Mapping[str, object] | None = None,
        entities: bool | NamesOf = False,
        timeout: float = 60.0,
        overwrite: bool = False,
        append: bool = False,
        **options: object,
    ) -> None:
        arguments = {"host": host, "user": user, "database": database, "password": password, "port": port}
        server = settings(url, connection_config, {**arguments, **options}, ("postgresql", "postgres"))
        super().__init__(
            Postgres(server), table_mapping, entities, timeout, overwrite=overwrite, append=append
        )
