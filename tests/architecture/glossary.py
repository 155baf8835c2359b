"""Words that no name may have, because the field has a standard term. The term follows the word.

They are banned as domain terms. If such a word is plain English for something
else, `ALLOWED` names the place and the reason.
"""

# A name must not have these words at any place.
WORDS = {
    "attempt": "leased run, or run",
    "attempts": "leased runs, or runs",
    "cause": "idempotency key",
    "causes": "idempotency keys",
    "door": "connection",
    "doors": "connections",
    "elsewhere": "failover",
    "gate": "run access",
    "gates": "run access",
    "heard": "request",
    "held": "awaiting approval",
    "house": "runtime",
    "houses": "runtimes",
    "judge": "admission",
    "judged": "admitted",
    "kept": "retained",
    "late": "staleness, or timed out",
    "leaving": "export",
    "left": "patch, leftovers or remaining",
    "mend": "fix",
    "mouth": "publisher",
    "offence": "violation",
    "offences": "violations",
    "power": "protected paths",
    "purse": "run budget",
    "purses": "run budgets",
    "room": "free space",
    "rooms": "free space",
    "said": "reported, or the noun for it",
    "says": "reports",
    "scale": "disk usage",
    "silent": "unresponsive",
    "spoken": "raw command",
    "spot": "reply target",
    "spots": "reply targets",
    "tells": "reports",
    "told": "reported",
    "wears": "has",
    "words": "text, vocabulary or phrases",
}

# A name must not have these words one after another.
PHRASES = {
    ("gone", "on"): "failover",
    ("in", "line"): "queued",
    ("let", "go"): "released",
    ("past", "keep"): "past retention",
    ("place", "in", "line"): "queue position",
    ("set", "back"): "restored",
}

# A module, class or function must not have these as its whole name. As a part of a name, or as the name of
# an argument, they are plain English ("one_line", "keep_stderr").
NAMES = {
    "keep": "retain, or retention",
    "line": "queue",
}

# Kind and name: the reason for the exception.
ALLOWED = {
    ("module", "store.causes"): "named as its table, which no release renames",
    ("function", "keep"): "the command /keep, in its handler and in the verb behind it",
    ("module", "handlers.keep"): "the command /keep",
    ("module", "runs.removal_attempt"): "a removal may take several attempts, and none of them is a run",
    ("argument", "cause"): "the column of that name",
}
# The files in which a function named `keep` is that command.
KEEP = ("handlers/keep.py", "bot/tasks/verbs.py", "bot/tasks/retention.py")
