"""The pause before a delivery that could not be answered is tried again, and the end of the tries."""

from bot.domain.error_policy import ANSWER, INCIDENT_TRIES, PATIENCE, TRANSIENT
from bot.domain.errors import ForgeUnavailable
from bot.store.deliveries import Delivery


def is_transient(error: Exception) -> bool:
    """Report whether the error may pass without anybody's help."""
    return isinstance(error, TRANSIENT)


def pause(delivery: Delivery, error: Exception) -> float | None:
    """Return the seconds until the next try, or None if the delivery is not tried again.

    A transient error ends the tries only if the delivery is older than PATIENCE. `authorize` refuses the
    command after that time if the forge is away, and a ledger that is away cannot record a try. So an error
    that is still called transient after PATIENCE is caused by the delivery.
    """
    is_last = delivery.attempts + 1 >= INCIDENT_TRIES
    if is_last and (delivery.age >= PATIENCE or not is_transient(error)):
        return None
    requested = error.retry_after if isinstance(error, ForgeUnavailable) else None
    return max(requested or 0.0, ANSWER.pause(delivery.attempts + 1))


def reason(error: Exception, incident: str) -> str:
    """Describe the failed try for the ledger and the log. `incident` "": none was logged."""
    if incident:
        return f"incident {incident}"
    return str(error) if isinstance(error, ForgeUnavailable) else type(error).__name__
