"""Where an agent works: containers, images, workspaces, and the way out of them.

Only this package speaks to the container engine.
"""
