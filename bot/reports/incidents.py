"""Incidents: errors on our side, logged under a number which the thread shows."""

import secrets

import structlog

log = structlog.get_logger()


def incident(event: str, error: Exception, **facts: object) -> str:
    """Log an error with its traceback under a new number, and return the number."""
    number = secrets.token_hex(4)
    log.error(event, incident=number, exc_info=error, **facts)
    return number


def incident_text(number: str) -> str:
    """Return the sentence about an incident for a thread."""
    return (
        f"Something went wrong in the bot. Please give the incident number `{number}` to the bot's operator."
    )
