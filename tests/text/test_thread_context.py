"""The limits on the texts of other people in a prompt."""

from bot.domain.thread import DiffExcerpt, Part, PartKind
from bot.text.thread_context import bounded, unseen


def comment_of(text: str) -> Part:
    return Part(kind=PartKind.COMMENT, text=text, author="ben")


THREAD = Part(kind=PartKind.THREAD, text="It is untidy.")


def test_parts_within_the_limits_are_not_changed() -> None:
    assert bounded([THREAD, comment_of("a"), comment_of("b")]) == (THREAD, comment_of("a"), comment_of("b"))


def test_a_long_part_is_cut_and_has_the_number_of_omitted_characters() -> None:
    thread, comment = bounded([Part(kind=PartKind.THREAD, text="x" * 10_000_000), comment_of("y" * 5_001)])

    assert (len(thread.text), thread.left_out) == (20_000, 9_980_000)
    assert (len(comment.text), comment.left_out) == (5_000, 1)


def test_a_long_hunk_is_cut_at_its_beginning_and_leaves_half_of_the_limit_for_the_comment() -> None:
    lines = DiffExcerpt(path="a.py", line=9, hunk="+" + "x" * 10_000 + "\n+the line in question")
    (part,) = bounded([Part(kind=PartKind.LINES_COMMENT, text="y" * 5_000, excerpt=lines)])

    assert part.excerpt is not None
    assert part.excerpt.hunk.endswith("x\n+the line in question")
    assert (len(part.excerpt.hunk), len(part.text), part.left_out) == (2_500, 2_500, 2_500)


def test_the_oldest_comments_are_omitted_with_a_note() -> None:
    parts = bounded([THREAD, *(comment_of(f"{number:03}" + "x" * 4_000) for number in range(100))])

    assert sum(len(part.text) for part in parts) < 81_000
    assert parts[0] == THREAD
    assert parts[1].text == "81 older comments are left out."
    assert [part.text[:3] for part in parts[2:]] == [f"{number:03}" for number in range(81, 100)]


def test_a_part_with_another_text_is_new() -> None:
    assert unseen([THREAD, comment_of("edited"), comment_of("a")], [THREAD, comment_of("a")]) == [
        comment_of("edited")
    ]


def test_a_changed_count_of_omitted_comments_is_not_new() -> None:
    before = bounded([comment_of(f"{number}" + "x" * 5_000) for number in range(20)])
    after = bounded([comment_of(f"{number}" + "x" * 5_000) for number in range(21)])

    assert before[0].text != after[0].text
    assert [part.text[:2] for part in unseen(after, before)] == ["20"]
