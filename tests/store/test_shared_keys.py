"""The signatures of links."""

from bot.store.shared_keys import patch_url, signature_holds, task_signature, task_url


def test_the_signature_in_a_link_is_valid() -> None:
    url = task_url("https://bot.example/", b"key", "t1")
    patch = patch_url("https://bot.example/", b"key", "t1")

    assert url == f"https://bot.example/tasks/t1?key={task_signature(b'key', 't1')}"
    assert patch == f"https://bot.example/tasks/t1/patch?key={task_signature(b'key', 't1')}"
    assert signature_holds(b"key", "t1", task_signature(b"key", "t1"))


def test_a_signature_of_another_task_or_key_is_invalid() -> None:
    good = task_signature(b"key", "t1")

    assert not signature_holds(b"key", "t2", good)
    assert not signature_holds(b"other", "t1", good)
    assert not signature_holds(b"key", "t1", good[:-1])
    assert not signature_holds(b"key", "t1", "\u00e9\ud800")
