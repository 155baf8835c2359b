"""The files that name the user of a sandbox."""

from pathlib import Path

from bot.sandbox.user_files import user_files


def test_the_files_name_the_user_and_everybody_may_read_them(tmp_path: Path) -> None:
    passwd, group = user_files(tmp_path / "users", 10003)

    assert (passwd.target, group.target) == ("/etc/passwd", "/etc/group")
    assert "agent:x:10003:10003:agent:/home/agent:/bin/sh\n" in passwd.source.read_text()
    assert group.source.read_text() == "root:x:0:\nagent:x:10003:\n"
    assert (passwd.source.stat().st_mode & 0o777, passwd.writable) == (0o644, False)


def test_only_an_empty_file_is_written_again(tmp_path: Path) -> None:
    """A power failure may have left it empty; otherwise, a running sandbox may be reading it."""
    passwd, group = (mount.source for mount in user_files(tmp_path, 10003))
    before = passwd.read_text()
    passwd.write_text("")
    group.write_text("as it is")

    user_files(tmp_path, 10003)

    assert (passwd.read_text(), group.read_text()) == (before, "as it is")
