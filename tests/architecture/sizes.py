"""A list of modules over 250 lines and functions over 30: a question to the reviewer, not a verdict.

python -m tests.architecture.sizes
"""

import ast
import sys
from collections.abc import Iterator

from tests.architecture.tree import OURS, Tree, python, working_tree

MODULE, FUNCTION = 250, 30  # lines


def long_ones(tree: Tree) -> Iterator[str]:
    """Yield the modules and functions that are over the limits, with their lines."""
    for path, syntax in python(tree, *OURS, "tests"):
        if (lines := tree[path].count("\n")) > MODULE:
            yield f"{path}: {lines} lines"
        for node in ast.walk(syntax):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION:
                    yield f"{path}:{node.lineno}: {node.name} has {lines} lines"


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in long_ones(working_tree())))
