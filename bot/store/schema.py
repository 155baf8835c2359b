"""All tables. Alembic's migrations are made from these definitions, which are the same for both databases."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("forge", Text, nullable=False),
    Column("id", Text, nullable=False),  # the forge's own delivery id
    Column("event", Text, nullable=False),
    Column("body", LargeBinary),  # dropped after 14 days; the key stays
    Column("received_at", Double, nullable=False),
    Column("answered_at", Double),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", Double, nullable=False),  # when to try (again)
    Column("error", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("forge", "id"),
)
Index(
    "ix_deliveries_due",
    deliveries.c.due_at,
    sqlite_where=text("answered_at IS NULL"),
    postgresql_where=text("answered_at IS NULL"),
)
Index(
    "ix_deliveries_body",
    deliveries.c.received_at,
    sqlite_where=text("body IS NOT NULL"),
    postgresql_where=text("body IS NOT NULL"),
)

# The unique key makes sure that a command is obeyed once, even if several deliveries carry it.
causes = Table(
    "causes",
    metadata,
    Column("forge", Text, nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("forge", "repository_id", "cause"),
)

threads = Table(
    "threads",
    metadata,
    Column("key", Text, primary_key=True),
    Column("forge", Text, nullable=False),
    Column("repository_id", BigInteger, nullable=False, index=True),
    Column("repository_url", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("confidential", Boolean, nullable=False, server_default=text("false")),
    Column("described_at", Double, nullable=False, server_default="0"),  # the title; 0 = unknown
    Column("located_at", Double, nullable=False, server_default="0"),  # path and URL; 0 = unknown
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("thread_key", Text, ForeignKey("threads.key"), nullable=False),
    Column("state", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("model", Text, nullable=False, server_default=""),
    Column("change", Text, nullable=False),
    Column("base", Text, nullable=False, server_default=""),
    Column("branch", Text, nullable=False),
    Column("base_head", Text, nullable=False, server_default=""),
    Column("pinned", Text, nullable=False, server_default=""),
    Column("fork", Boolean, nullable=False, server_default=text("false")),
    Column("checked_head", Text, nullable=False, server_default=""),
    Column("pushed_head", Text, nullable=False, server_default=""),
    Column("approved_head", Text, nullable=False, server_default=""),
    Column("left_head", Text, nullable=False, server_default=""),
    Column("change_number", BigInteger),
    Column("change_url", Text, nullable=False, server_default=""),
    Column("keep_days", Integer),
    Column("created_at", Double, nullable=False, index=True),
    Index("ix_tasks_thread_key_created_at", "thread_key", "created_at"),
    Index("ix_tasks_state_created_at", "state", "created_at"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("task", Text, ForeignKey("tasks.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("thread_key", Text, nullable=False),
    Column("repository_url", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("first_phase", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("context", Text, nullable=False),  # JSON, a list of parts
    Column("spot", Text, nullable=False, server_default="{}"),  # JSON
    Column("forge", Text, nullable=False),
    Column("repository_id", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("agent", Text, nullable=False, server_default=""),
    Column("asked_by_id", BigInteger, nullable=False),
    Column("asked_by_login", Text, nullable=False),
    Column("host", Text, nullable=False, server_default=""),
    Column("wall_limit", Integer, nullable=False),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("holder", Text, nullable=False, server_default=""),  # worker id
    Column("lease_until", Double),
    # Takeovers from dead holders in the current phase.
    Column("takeovers", Integer, nullable=False, server_default="0"),
    Column("cancel_asked", Boolean, nullable=False, server_default=text("false")),
    Column("outcome", Text),
    Column("agent_started", Boolean, nullable=False, server_default=text("false")),
    Column("agent_outcome", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("summary", Text, nullable=False, server_default=""),
    Column("title", Text, nullable=False, server_default=""),
    Column("unexported", Text, nullable=False, server_default=""),
    Column("moved", Text, nullable=False, server_default=""),
    Column("exit_status", Integer),
    # Bytes of the engine's log read so far.
    Column("log_offset", BigInteger, nullable=False, server_default="0"),
    Column("session", Text, nullable=False, server_default=""),
    Column("session_from", Text, nullable=False, server_default=""),
    Column("session_cost", Double),  # US dollars
    Column("doing", Text, nullable=False, server_default=""),
    Column("limited_until", Double),
    Column("due_at", Double),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    UniqueConstraint("task", "number"),
    UniqueConstraint("forge", "repository_id", "cause"),
)
_RUNNING = text("state = 'running'")
# At most one running task per thread.
Index(
    "uq_runs_running_thread", runs.c.thread_key, unique=True, sqlite_where=_RUNNING, postgresql_where=_RUNNING
)
# Not a partial index: for a query of two states SQLite would not use it, and would read all runs.
Index("ix_runs_state_repository_url_created_at", runs.c.state, runs.c.repository_url, runs.c.created_at)
Index("ix_runs_repository_url_started_at", runs.c.repository_url, runs.c.started_at)

phases = Table(
    "phases",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("phase", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    PrimaryKeyConstraint("run", "phase"),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("task", Text, ForeignKey("tasks.id"), primary_key=True),
    Column("host", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("keep_until", Double),  # NULL while a run of the task is queued or running
    Column("removed_at", Double),
    # True if the task's workspace before this one was on a host that became unresponsive.
    Column("lost", Boolean, nullable=False, server_default=text("false")),
    # The user id of the task's containers; NULL = the first one of the settings, as for all earlier ones.
    Column("uid", Integer),
)
Index(
    "ix_workspaces_present",
    workspaces.c.host,
    workspaces.c.keep_until,
    sqlite_where=text("removed_at IS NULL"),
    postgresql_where=text("removed_at IS NULL"),
)

# Attempts to export or remove the folder of a workspace that are in progress or did not succeed. A folder
# may outlive its workspace's row, and a task that moved may have a folder on each of two hosts.
removals = Table(
    "removals",
    metadata,
    Column("host", Text, nullable=False),
    Column("folder", Text, nullable=False),  # its name below `workspaces` in that host's data folder
    Column("task", Text, nullable=False),  # may be unknown to the ledger
    Column("holder", Text, nullable=False, server_default=""),  # the process at work; "" = none
    Column("deaths", Integer, nullable=False, server_default="0"),  # of a process during an attempt
    Column("overruns", Integer, nullable=False, server_default="0"),  # attempts ended by their time limit
    Column("due_at", Double, nullable=False, server_default="0"),  # no attempt before this time
    PrimaryKeyConstraint("host", "folder"),
)

# Hosts, with the time of their last sign of life.
hosts = Table(
    "hosts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("folder", Text, nullable=False),  # id of the data folder with this name; "" = unknown yet
    Column("seen_at", Double, nullable=False),
)

# Keys that all processes of one bot share.
keys = Table(
    "keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subject", Text, nullable=False),  # a run id or a cause
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),  # comment id, commit id, label, or "" for the thread
    Column("thread_key", Text, ForeignKey("threads.key"), nullable=False),
    Column("content", Text, nullable=False),  # JSON
    # The version of the content: each overwrite raises it.
    Column("version", Integer, nullable=False, server_default="1"),
    Column("sent_version", Integer, nullable=False, server_default="0"),
    Column("remote_id", BigInteger),  # the comment's id once posted
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", Double),  # NULL: nothing to do
    Column("sent_at", Double),
    Column("look_at", Double),  # when to look for twins of the comment; NULL: there can be none
    Column("refused", Text, nullable=False, server_default=""),  # reason for the forge's definite refusal
    Column("created_at", Double, nullable=False),
    UniqueConstraint("subject", "kind", "target", "thread_key"),
)
Index(
    "ix_outbox_due",
    outbox.c.due_at,
    sqlite_where=text("due_at IS NOT NULL"),
    postgresql_where=text("due_at IS NOT NULL"),
)
Index(
    "ix_outbox_look",
    outbox.c.look_at,
    sqlite_where=text("look_at IS NOT NULL"),
    postgresql_where=text("look_at IS NOT NULL"),
)

# At most one sender per thread at a time, across processes.
senders = Table(
    "senders",
    metadata,
    Column("thread_key", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Double, nullable=False),
)

log = Table(
    "log",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("run", "offset"),
)

# Patch of each run: all changes since the commit at which its task began.
patches = Table(
    "patches",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), primary_key=True),
    Column("text", LargeBinary, nullable=False),  # a patch that is too long is cut at the end of a line
    Column("size", BigInteger, nullable=False),  # bytes of the whole patch
    Column("commits", Integer, nullable=False, server_default="0"),
)

# Model usage of each run by day and model, as counted by the gateway.
usage = Table(
    "usage",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("day", Integer, nullable=False, index=True),  # days since the epoch, UTC
    Column("model", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost", Double),  # US dollars; NULL if the price is unknown
    PrimaryKeyConstraint("run", "day", "model"),
)

# Requests that the gateway blocked.
refusals = Table(
    "refusals",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("target", Text, nullable=False),  # host:port, or method and path
    Column("reason", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("run", "target", "reason"),
)

# Package hosts to which the gateway opened tunnels.
tunnels = Table(
    "tunnels",
    metadata,
    Column("run", Text, ForeignKey("runs.id"), nullable=False),
    Column("target", Text, nullable=False),  # host:port
    Column("count", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),  # bytes, to the host
    Column("received", BigInteger, nullable=False),
    PrimaryKeyConstraint("run", "target"),
)
