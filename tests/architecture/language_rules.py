"""Patterns of unclear English, each with the advice that a finding prints."""

import re
from dataclasses import dataclass

# Openings of a docstring of a class, a module or a property: it should open with its noun.
_OPENINGS = """
as at by does follows for from has how if in is its makes may nobody nothing of on reads serves somebody
something speaks to waits was what whatever when where whether which who whoever whom whose why with without
"""
NOT_A_NOUN = frozenset(_OPENINGS.split())

_CONDITION = (
    r"\bwhere (?:a|an|another|any|both|either|else|it|its|neither|no|nobody|nothing|one|only|others?"
    r"|something|somebody|that|the|there|these|they|this|those|too|we|you)\b"
)
# After these words, "where" means a place or a question: "the folder where the log is", "ask where it runs".
_ASKED = """
anywhere ask asks call check checks column columns copy decide decides directory else exactly field file
find finds folder folders from here host hosts image images installation is know known knows layer level
line machine machines page pages path paths place places point points position process remember remembers
repositories repository say says see shows somewhere state states table tell tells thread threads to tree
workspace
"""
_PLACES = frozenset(_ASKED.split())
_COMPARED = "better|different|earlier|fewer|larger|later|less|longer|matter|more|newer|older|other"


@dataclass(frozen=True)
class Rule:
    """A pattern of unclear English, and the advice for a better text."""

    name: str
    pattern: re.Pattern[str]
    advice: str


def _rule(name: str, pattern: str, advice: str, flags: int = re.IGNORECASE) -> Rule:
    return Rule(name, re.compile(pattern, flags), advice)


RULES = [
    _rule("condition", _CONDITION, '"if" or "when" for a condition; "where" for a place'),
    _rule("noun clause", r"\b(?:is|are|was|were) what\b(?! is\b)", "name the thing"),
    _rule(
        "noun clause",
        r"\bwhat (?:is|isn't|are|was|were|has|had|have|will|would|can|cannot|could|may|might|must|should"
        r"|became|becomes|comes|came|goes|went|lies|lay|stands|stood|belongs|remains|happens|happened)\b",
        "a noun in place of the clause",
    ),
    _rule("noun clause", r"\bwho(?:ever|mever)\b", "name the person: the operator, the author, the user"),
    _rule("is no", rf"(?<!\bthere )\b(?:is|are) no (?!(?:{_COMPARED})\b)\w+", '"is not a ..."'),
    _rule("word", r"\b(?:mouth|purses?|spots?|offences?|mend(?:s|ed|ing)?)\b", "the glossary's term"),
    _rule("word", r"\b(?:the|a|this|our|its|whole) house\b", '"runtime"'),
    _rule("word", r"\b(?:the|a|one|its|each|open|per) (?:doors?|gates?)\b", '"connection" or "run access"'),
    _rule("word", r"\b(?<!line )in line\b(?! with\b)|\bplaces? in line\b", '"queued", "queue position"'),
    _rule("word", r"\bwears?\b|\bworn\b", '"has a label"'),
    _rule("word", r"\bsilent hosts?\b|\bhosts? (?:is|was|are|has been) silent\b", '"unresponsive host"'),
    _rule("word", r"\b(?:set|sets|setting) back\b", '"restored"'),
    _rule("word", r"\b(?:let|lets|letting) go\b", '"released"'),
    _rule("word", r"\b(?:put|puts) off\b", '"postponed", "retry scheduled"'),
    _rule("word", r"\b(?:go|goes|gone|went|going) on with\b", '"continue", "failover"'),
    _rule("word", r"\bpaths? (?:that|which) gives? power\b", '"protected paths"'),
    _rule("word", r"\bheard (?:of|from)\b|\bin (?:so many )?words\b", "the field's term"),
    _rule("word", r"\bis told\b|\bare told\b|\btold of\b", '"receives", "reports", "sends"'),
]


def is_excused(rule: Rule, text: str, found: re.Match[str]) -> bool:
    """Return whether the words around a match make it plain English: a question, or a place."""
    before = re.findall(r"[\w'/`]+", text[: found.start()])
    if rule.name == "condition":
        ends_a_clause = re.search(r"[,;:.] $", text[: found.start()])
        return bool(before) and not ends_a_clause and before[-1].lower().strip("`") in _PLACES
    if rule.name == "noun clause":
        rest = re.search(r"[.?!]", text[found.end() :])
        return rest is not None and rest[0] == "?"
    return False
