"""A run's use of models, as text."""

from bot.domain.usage import Known, Spent


def used(spent: Spent) -> str:
    """Report a run's tokens and their cost in dollars; "" if the run used no model."""
    if not spent.used.requests and not spent.usd:
        return ""
    return f"{spent.used.tokens.all:,} tokens, {_cost(spent)}"


def cost(spent: Spent) -> str:
    """Report what a run cost, for a line of facts; "" if it used no model, or if nothing is known."""
    if spent.known is Known.UNKNOWN and not spent.usd:
        return ""
    is_used = spent.used.requests or spent.usd
    return f"{'≥ ' if spent.known is Known.UNKNOWN else ''}{dollars(spent.usd)}" if is_used else ""


def _cost(spent: Spent) -> str:
    if spent.known is not Known.UNKNOWN:
        return dollars(spent.usd) + (" as reported by the agent" if spent.known is Known.AGENT else "")
    return f"at least {dollars(spent.usd)}" if spent.usd else "cost unknown"


def dollars(usd: float) -> str:
    """Format an amount; below half a cent with four decimals, so that it is not shown as zero."""
    return f"${usd:,.2f}" if usd == 0 or usd >= 0.005 else f"${usd:.4f}"
