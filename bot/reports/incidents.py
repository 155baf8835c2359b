"""Faults of ours: logged under a number, which the thread is told."""

import secrets

import structlog

log = structlog.get_logger()


def incident(event: str, error: Exception, **facts: object) -> str:
    """Log what broke, with its traceback, under a number; return that."""
    number = secrets.token_hex(4)
    log.error(event, incident=number, exc_info=error, **facts)
    return number


def incident_text(number: str) -> str:
    """What a thread is told of an incident."""
    return f"Something broke on our side. Whoever runs the bot finds it in its log as incident `{number}`."
