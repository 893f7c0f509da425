"""Adding to `sandbox.toml`: comments and order stay, and a wrong file is never written."""

import pytest

from sandbox.configuration.configuration_file import (
    AlreadyThereError,
    SandboxFile,
    SandboxFileEditor,
    with_secrets,
)
from sandbox.state.directory import PAM_PERMISSIONS

MINE = """# mine
[users.carol] # the boss
display_name = "Carol"   # note

[services.shop]
permissions = ["shop.read"]

[users.eve]

# a grant
[[grants]]
scope = "shop|shop.read"
to = ["carol"]
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sandbox.toml"


def test_additions_keep_comments_and_order(path):
    path.write_text(MINE)
    editor = SandboxFileEditor(path)
    editor.add_table("users", "dave", {"display_name": "Dave", "permissions": []})
    editor.add_table("credentials", "shop_key", {"value_env": None})
    editor.add_grant({"scope": "shop|shop.read", "to": ["dave"]})
    editor.add_redirect_uri("http://localhost:3000/")
    saved = editor.save()
    text = path.read_text()
    position = 0
    for line in MINE.splitlines():
        position = text.index(line, position)
    assert [user.name for user in saved.users] == ["carol", "dave", "eve"]
    assert SandboxFile(path).read() == saved
    # Two grants; each of three users may use the agent and has every permission of the credential store.
    assert len(saved.people) == 2 + 3 * (1 + len(PAM_PERMISSIONS))
    assert saved.redirect_uris == ("http://localhost:3000/",)


def test_same_thing_is_not_added_twice(path):
    path.write_text(f'redirect_uris = ["http://localhost:3000/"]\n{MINE}')
    editor = SandboxFileEditor(path)
    with pytest.raises(AlreadyThereError):
        editor.add_table("users", "carol", {})
    with pytest.raises(AlreadyThereError):
        editor.add_grant({"scope": "shop|shop.read", "to": ["carol"]})
    with pytest.raises(AlreadyThereError):
        editor.add_redirect_uri("http://localhost:3000/")


def test_generated_secrets_stay_the_same_and_are_private(path, tmp_path):
    path.write_text("[users.carol]\n[credentials.shop_key]\n")
    first, second = (with_secrets(SandboxFile(path).read(), tmp_path) for _ in range(2))
    assert first.users[0].password
    assert first == second
    assert (tmp_path / "added-secrets.json").stat().st_mode & 0o777 == 0o600
