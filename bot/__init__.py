"""Forgehand: from a comment on a forge to a branch pushed by an agent in a container.

The journey of one delivery, package by package (docs/architecture.md has it in full):

1. web       receives the delivery, checks its signature and records it in the ledger (`store`)
2. app       wakes the code that is due: nudges and sweeps
3. commands  reads the delivery through `forges`, authorizes its author and calls one handler
4. handlers  turn the command into verbs of `tasks`, which queue a run
5. runs      executes the run, phase by phase, with an agent (`agents`)
6. sandbox   holds the agent and exports its checked commits; `gateway` is the agent's only way out
7. git       pushes the checked commits to the real remote
8. reports   sends comment, status and change to the thread
"""

__version__ = "0.1.0"
