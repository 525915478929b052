"""`MySQLOutput`: every event a row of its type's table in MySQL or MariaDB, by PyMySQL."""

from __future__ import annotations

from collections.abc import Mapping

from deep_faker.errors import Diagnostic, SettingsError, near
from deep_faker.write.mapping import NamesOf
from deep_faker.write.sql.mysqldb import BULK, MySQL
from deep_faker.write.sql.output import SqlOutput
from deep_faker.write.sql.urls import settings


class MySQLOutput(SqlOutput):
    """Events as rows, each type to its table of ``database``.

    ``table_mapping``: event classes or their names → tables, which are made where they do not exist;
    one of another shape is refused. ``entities`` keeps entities at their final state: True, or
    entity → table. The server is given by these arguments, by ``url``
    (``mysql://user:password@host:3306/database?ssl=true&ssl_ca=ca.pem``) or by ``connection_config``; other
    ``options`` go to ``pymysql.connect``. ``bulk="load"`` uses LOAD DATA LOCAL, which the server must
    allow. Nothing connects before the run.

    Every 50,000 events are one transaction with their place in the stream, in the table
    ``deep_faker_progress``. A lost connection is made again for up to ``timeout`` seconds, and a resumed run
    goes on from that place: every event is there once. A run that fails keeps what was committed before;
    the message says how many rows. NaN and infinities are refused: the columns cannot hold them.

    Tables that hold rows already are refused with `OutputExistsError`, but for those that the same simulation
    wrote by this object, which it replaces. ``overwrite`` replaces any others, too: before the first event
    is written, all rows of the tables are deleted, in one transaction. ``append`` adds to what is there; a
    run that would add ids that are there (the same program, seed and start) is refused.

    >>> MySQLOutput(host="localhost", user="root", database="events", table_mapping={"Login": "logins"},
    ...             password="secret")
    MySQLOutput('root@localhost:3306/events', {'Login': 'logins'})
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
        bulk: str = "insert",
        timeout: float = 60.0,
        overwrite: bool = False,
        append: bool = False,
        **options: object,
    ) -> None:
        if bulk not in BULK:
            raise SettingsError(
                Diagnostic("wrong bulk", None, f"bulk={bulk!r}", near(str(bulk), BULK, "bulk"))
            )
        arguments = {"host": host, "user": user, "database": database, "password": password, "port": port}
        schemes = ("mysql", "mariadb", "mysql+pymysql")
        server = settings(url, connection_config, {**arguments, **options}, schemes)
        super().__init__(
            MySQL(server, bulk), table_mapping, entities, timeout, overwrite=overwrite, append=append
        )
