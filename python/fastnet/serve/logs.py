"""The log of a server on standard error: a line for each event, as text or as JSON.

A line holds text that clients sent, such as addresses. It cannot end early or look like another one: text has its control
characters escaped, JSON everything outside ASCII.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from fastnet.support.text import visible

__all__ = ["FORMATS", "LEVELS", "configure"]

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
_LONGEST_TEXT = 10_000  # characters of a message


def configure(level: str, form: str) -> None:
    """Let the loggers of the server and of uvicorn write to standard error.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}
        The least severe level that is written. The access log has its own switch.
    form : {"text", "json"}
        The format of a line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter({"text": TextFormatter, "json": JsonFormatter}[form]())
    for name in ("fastnet.serve", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
    logging.getLogger("fastnet.serve.access").setLevel("INFO")
    # What uvicorn says about starting and stopping is said otherwise, or is for those who look for a fault.
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel("DEBUG" if level == "debug" else max(logging.WARNING, _number(level)))


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


class TextFormatter(logging.Formatter):
    """A line for people: time, level, message, and its fields in one fixed order."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; lines of a traceback follow it, indented."""
        fields = _fields(record)
        if record.name == "fastnet.serve.access":
            message = '{client} "{method} {path}" {status} {bytes} {ms:.1f}ms {model} {request_id}'.format(
                **{name: _quotable(value) for name, value in fields.items()} | {"model": fields["model"] or "-"}
            )
        else:
            message = " ".join([_message(record), *(f"{name}={value}" for name, value in fields.items())])
        line = visible(f"{_time(record)} {record.levelname.lower()} {message}")
        traceback = _traceback(self, record)
        return "\n".join([line, *(f"    {visible(part)}" for part in traceback.splitlines())])


class JsonFormatter(logging.Formatter):
    """A line for programs: one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": _message(record),
            **_fields(record),
        }
        if traceback := _traceback(self, record):
            entry["traceback"] = traceback
        return json.dumps(entry)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = dict(getattr(record, "fields", {}))
    if (request_id := getattr(record, "request_id", None)) is not None:
        fields["request_id"] = request_id
    return fields


def _message(record: logging.LogRecord) -> str:
    return record.getMessage()[:_LONGEST_TEXT]


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quotable(value: Any) -> Any:
    """Return a value that can stand in quotes, or between spaces."""
    return value.replace("\\", "\\\\").replace('"', '\\"') if isinstance(value, str) else value
