"""Forgehand: from a comment on a forge to a branch pushed by an agent in a container.

The journey of one delivery, file by file:

1. webhook.py    receives it, checks its signature, writes it to the ledger, says 202
2. answer.py     reads it (events, triggers, commands), asks whether this person may, calls one handler
3. actors.py     wakes a worker, which claims the run in one transaction
4. run.py        prepares the workspace, runs the agent, exports what it made: sandbox/
7. push.py       pushes the checked commits to the real remote
8. report.py     tells the thread: comment, status, change
"""

__version__ = "0.1.0"
