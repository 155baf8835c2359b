"""The canonical URL of a repository, by which tasks are found."""

import os
import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import NotUnderstood
from bot.domain.repository_url import canonical

ANVIL = "https://github.com/acme/anvil"

SPELLINGS = [
    ANVIL,
    "https://github.com/acme/anvil.git",
    "https://github.com/acme/anvil/",
    "https://github.com/acme/anvil.git/",
    "https://github.com//acme//anvil",
    "https://GitHub.COM/acme/anvil",
    "HTTPS://github.com/acme/anvil",
    "https://github.com./acme/anvil",
    "https://github.com:443/acme/anvil",
    "https://x-access-token:s3cret@github.com/acme/anvil",
    "https://s3cret@github.com/acme/anvil",
    "git@github.com:acme/anvil.git",
    "github.com:acme/anvil",
    "git@github.com:/acme/anvil",
    "ssh://git@github.com/acme/anvil.git",
    "ssh://git@github.com:22/acme/anvil",
]

OTHERS = {
    "https://github.com:8443/acme/anvil": "https://github.com:8443/acme/anvil",
    "http://github.com/acme/anvil": "http://github.com/acme/anvil",
    "http://github.com:80/acme/anvil": "http://github.com/acme/anvil",
    "http://127.0.0.1:8080/acme/anvil.git": "http://127.0.0.1:8080/acme/anvil",
    "https://git.example.org/group/sub/Anvil": "https://git.example.org/group/sub/Anvil",
    "http://[::1]:3000/acme/anvil": "http://[::1]:3000/acme/anvil",
    "https://[2001:DB8:0:0::1]/acme/anvil": "https://[2001:db8::1]/acme/anvil",
    "git@[2001:db8::1]:acme/anvil": "https://[2001:db8::1]/acme/anvil",
    "ssh://git@[::1]:2222/acme/anvil": "https://[::1]/acme/anvil",
}

NO_REMOTES = [
    "",
    "anvil",
    "no/such/folder",
    "https://github.com",
    "https://github.com/",
    "https://github.com/.git",
    "https://github.com/acme/../anvil",
    "https://github.com/acme/anvil?tab=readme",
    "https://github.com/acme/anvil#readme",
    "https://github.com/acme/an vil",
    "https://github.com\\@evil.example/acme/anvil",
    "https://github.com/acme/anvil\n",
    "https://github.com/acme/anvil\0",
    "https://:443/acme/anvil",
    "https://github.com:port/acme/anvil",
    "https://github.com:99999/acme/anvil",
    "https://[::1/acme/anvil",
    "https://\uff47ithub.com/acme/anvil",
    "https://git hub.com/acme/anvil",
    "git://github.com/acme/anvil",
    "ext::sh -c whoami",
    "ftp://github.com/acme/anvil",
    "file://elsewhere/acme/anvil",
    "-oProxyCommand=touch:acme/anvil",
    "git@github.com:",
    "ann:s3cret@github.com/acme/anvil",
    "x" * 256,
    "x/" * 2048,
    "anvil\ud800",
    "file:///anvil\udcff",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_repository_has_the_same_url(spelling: str) -> None:
    assert canonical(spelling) == ANVIL


@pytest.mark.parametrize(("remote", "url"), OTHERS.items())
def test_the_url_contains_all_parts_that_distinguish_repositories(remote: str, url: str) -> None:
    assert canonical(remote) == url


@pytest.mark.parametrize("remote", NO_REMOTES)
def test_a_text_that_is_not_a_remote_is_refused(remote: str) -> None:
    with pytest.raises(NotUnderstood):
        canonical(remote)


@pytest.mark.parametrize("remote", ["git@10.0.0.5:acme/anvil.git", "ssh://git@10.0.0.5:2222/acme/anvil"])
def test_ssh_takes_scheme_and_port_of_the_configured_forge(remote: str) -> None:
    forges = ["https://api.github.com", "http://10.0.0.5:8080/api/v3"]

    assert canonical(remote, forges=forges) == "http://10.0.0.5:8080/acme/anvil"
    assert canonical("git@github.com:acme/anvil", forges=forges) == ANVIL


def test_an_http_form_keeps_its_own_scheme_and_port() -> None:
    assert canonical("https://10.0.0.5/a/b", forges=["http://10.0.0.5:8080"]) == "https://10.0.0.5/a/b"


def test_a_folder_is_its_real_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "my anvil.git"
    bare.mkdir()
    (tmp_path / "link").symlink_to(bare)
    monkeypatch.chdir(tmp_path)

    for spelling in [str(bare), "my anvil.git", f"{tmp_path}/link/", f"file://{tmp_path}/x/../link"]:
        assert canonical(spelling) == f"file://{os.path.realpath(bare)}"


def test_a_missing_folder_has_a_url(tmp_path: Path) -> None:
    assert canonical(f"file://{tmp_path}/gone.git") == f"file://{os.path.realpath(tmp_path)}/gone.git"


@pytest.mark.parametrize("name", ["x" * 256, "x/" * 2048])
def test_a_url_may_be_longer_than_any_path(name: str) -> None:
    assert canonical(f"file:///{name}") == f"file:///{name.removesuffix('/')}"
    assert canonical(f"https://github.com/{name}") == f"https://github.com/{name.removesuffix('/')}"


def test_no_refusal_quotes_a_password() -> None:
    for place in ["github.com:port/a/b", "[::1/a/b", "github.com/a?b", ""]:
        with pytest.raises(NotUnderstood) as refused:
            canonical(f"https://ann:s3cret@{place}")
        assert "s3cret" not in str(refused.value)
        assert refused.value.__cause__ is None


NAMES = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=12)
REMOTES = st.builds(
    "{}{}{}{}/{}{}".format,
    st.sampled_from(["https://", "http://", "ssh://", "HTTP://", ""]),
    st.sampled_from(["", "git@", "ann:s3cret@", "a%40b:x@"]),
    st.sampled_from(["Example.org", "10.0.0.5", "[::1]", "x_y.example"]),
    st.sampled_from(["", ":443", ":80", ":22", ":8080", ":acme"]),
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "/", ".git", ".git/", ".git.git", "//"]),
)


@given(REMOTES)
def test_a_canonical_url_is_its_own_canonical_url(remote: str) -> None:
    try:
        url = canonical(remote)
    except NotUnderstood:
        return

    assert canonical(url) == url
    assert "@" not in url
    assert not url.endswith((".git", "/"))


@given(st.text())
def test_any_text_has_a_canonical_url_or_is_refused(text: str) -> None:
    with suppress(NotUnderstood):
        assert canonical(text).startswith(("https://", "http://", "file:///"))
