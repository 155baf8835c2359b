"""Functions from text to text: made safe to show, without secrets, read as Markdown. No I/O."""
