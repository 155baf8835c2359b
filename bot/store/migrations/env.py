"""Run the steps inside the connection and the transaction `migrate` gives. No logging is set up here."""

from alembic import context

from bot.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
