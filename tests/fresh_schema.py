"""Schemas and databases of their own on a PostgreSQL server, for whatever scope a fixture has."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.engine import make_url


@contextmanager
def fresh_schema(server: str) -> Iterator[str]:
    """The URL of a schema of its own on the PostgreSQL *server*, dropped afterwards."""
    schema = f"smt_ws_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    separator = "&" if "?" in server else "?"
    yield f"{server}{separator}options=-csearch_path%3D{schema}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@contextmanager
def fresh_database(server: str, template: str = "template0") -> Iterator[str]:
    """The URL of a database of its own beside *server*'s, a copy of *template* (a name), dropped afterwards.

    Copying a migrated one takes a tenth of the time of migrating anew.
    """
    name = f"smt_ws_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def keep_pristine(url: str) -> None:
    """Note what a migrated database holds before any test, for `emptied`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_KEEP)


def emptied(url: str) -> None:
    """Bring a database back to what `keep_pristine` noted; whoever is still connected to it is thrown out.

    A database of its own for each test would wait for a checkpoint each time: dropping one asks for it.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(_EMPTY)


_KEEP = """
CREATE SCHEMA rows_then;
CREATE SCHEMA tables_then;
CREATE TABLE tables_then.known AS SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace;
DO $$
DECLARE one record; has_rows boolean;
BEGIN
    FOR one IN SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', one.name) INTO has_rows;
        IF has_rows THEN
            EXECUTE format('CREATE TABLE rows_then.%I AS SELECT * FROM public.%I', one.name, one.name);
        END IF;
    END LOOP;
END $$
"""
_EMPTY = """
DO $$
DECLARE one record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN
        SELECT oid::regclass AS name FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
            AND oid NOT IN (SELECT oid FROM tables_then.known)
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', one.name);
    END LOOP;
    FOR one IN SELECT oid::regclass AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('DELETE FROM %s', one.name);
    END LOOP;
    FOR one IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'rows_then' LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM rows_then.%I', one.name, one.name);
    END LOOP;
    FOR one IN SELECT schemaname || '.' || sequencename AS name, start_value AS first FROM pg_sequences
        WHERE schemaname = 'public'
    LOOP
        PERFORM setval(one.name::regclass, one.first, false);
    END LOOP;
END $$
"""
