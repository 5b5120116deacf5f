"""One transaction on a real file; the server itself is in tests/end_to_end."""

import asyncio
import sqlite3
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

pytest.importorskip("prefect")
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

from pipeline.flow import prefect_server
from pipeline.flow.prefect_server import SqliteInTurns


async def read_then_write(kind, file):
    """Read, let another connection try to write, then write; return how the other one fared."""
    configuration = kind(connection_url=f"sqlite+aiosqlite:///{file}")
    engine = await configuration.engine()
    session = await configuration.session(engine)
    try:
        async with session, configuration.begin_transaction(session):
            await session.execute(text("SELECT * FROM numbers"))
            outcome = write_elsewhere(file)
            await session.execute(text("INSERT INTO numbers VALUES (1)"))
    finally:
        await engine.dispose()
    return outcome


def write_elsewhere(file):
    with sqlite3.connect(file, timeout=0) as other:
        try:
            other.execute("INSERT INTO numbers VALUES (2)")
        except sqlite3.OperationalError as error:
            return error.sqlite_errorname
    return "written"


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "some.db"
    with sqlite3.connect(file) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("CREATE TABLE numbers (n INTEGER)")
    return file


def numbers(file):
    with sqlite3.connect(file) as opened:
        return [row[0] for row in opened.execute("SELECT n FROM numbers")]


def test_who_reads_first_may_write_later_and_the_other_waits(file):
    assert asyncio.run(read_then_write(SqliteInTurns, file)) == "SQLITE_BUSY"
    assert numbers(file) == [1]


def test_prefect_alone_would_lose_what_was_read_first(file):
    """When this fails, Prefect does it itself and `SqliteInTurns` can go."""
    with pytest.raises(OperationalError, match="locked"):
        asyncio.run(read_then_write(AioSqliteConfiguration, file))
    assert numbers(file) == [2]


@pytest.mark.parametrize(
    ("address", "kinds"),
    [("sqlite+aiosqlite:///x.db", [SqliteInTurns]), ("postgresql+asyncpg://me@127.0.0.1/x", [])],
)
def test_a_server_on_sqlite_works_in_turns_and_one_on_another_database_as_it_is(
    monkeypatch, address, kinds
):
    configured, started = [], []
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.setattr(prefect_server, "set_database_config", configured.append)
    monkeypatch.setattr("runpy.run_module", lambda *_, **how: started.append((how, sys.argv)))
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: address}):
        prefect_server.main(["--port", "9"])
    assert started == [({"run_name": "__main__"}, ["prefect", "server", "start", "--port", "9"])]
    assert [type(one) for one in configured] == kinds
    assert {one.connection_url for one in configured} <= {address}
