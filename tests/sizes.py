"""Prints modules over 250 lines and functions over 30: a question to the reviewer, not a verdict."""

import ast
import sys
from pathlib import Path

MODULE, FUNCTION = 250, 30  # lines


def main() -> None:
    root = Path(__file__).parent.parent
    found = []
    for path in sorted(
        path for folder in ("bot", "handlers", "tests") for path in (root / folder).rglob("*.py")
    ):
        source, name = path.read_text(), path.relative_to(root)
        if (lines := source.count("\n")) > MODULE:
            found.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION:
                    found.append(f"{name}:{node.lineno}: {node.name} has {lines} lines")
    sys.stdout.write("".join(f"{line}\n" for line in found))


if __name__ == "__main__":
    main()
