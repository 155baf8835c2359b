"""The end of a rate limit, in each form that providers use."""

import pytest

from bot.gateway.rate_limits import ends_at

_NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


@pytest.mark.parametrize(
    ("headers", "at"),
    [
        ({"Retry-After": "30"}, _NOW + 30),
        ({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, _NOW + 60),
        ({"retry-after": "30", "anthropic-ratelimit-unified-reset": "1800009000"}, _NOW + 30),
        ({"anthropic-ratelimit-unified-reset": "1800009000"}, _NOW + 9000),
        (
            {
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-requests-reset": "2027-01-15T09:00:00Z",
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2027-01-15T08:02:00Z",
            },
            _NOW + 120,
        ),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "99999999"}, None),
    ],
)
def test_the_end_of_a_rate_limit_is_read(headers: dict[str, str], at: float | None) -> None:
    assert ends_at(headers, _NOW) == at
