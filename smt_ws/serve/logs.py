"""Structured logs: one event a line, without secrets or full personal data; JSON unless a person is watching."""

from __future__ import annotations

import logging
import sys

import structlog

__all__ = ["start_logging"]


def start_logging(process: str, *, level: int = logging.INFO) -> None:
    """Set up the log of this process on standard error; libraries' records go the same way."""
    person = sys.stderr.isatty()

    def name_process(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        # not a context variable: threads that a server starts have contexts of their own
        event["process"] = process
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_process,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if person else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Spyne logs whole malformed messages at ERROR; the gate says what was wrong, without the message.
    logging.getLogger("spyne").setLevel(logging.CRITICAL)
    for quiet in ("alembic", "pyftpdlib", "apscheduler"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
