"""Prefect's server whose SQLite transactions take turns: `python -m pipeline.flow.prefect_server`.

Arguments are those of `prefect server start`. By default many of the server's transactions on
SQLite read first and ask for the right to write later. SQLite refuses that at once, "database is
locked", if another transaction wrote in between, and then a request fails or an event is lost. Here
each transaction asks for it when it begins, and waits for its turn.
"""

import runpy
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.server.utilities.database import get_dialect
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from typing_extensions import override


class SqliteInTurns(AioSqliteConfiguration):
    """SQLite whose transactions begin with `BEGIN IMMEDIATE`."""

    @override
    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def main(arguments: Sequence[str]) -> None:
    """Run the server until it is stopped; a database other than SQLite stays as it is."""
    address = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if get_dialect(address).name == "sqlite":
        set_database_config(SqliteInTurns(connection_url=address))
    sys.argv = ["prefect", "server", "start", *arguments]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
