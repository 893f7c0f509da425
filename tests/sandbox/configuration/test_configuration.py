"""`sandbox.toml`: what it adds, and that each fault is reported by its place, all at once."""

import pytest

from sandbox.configuration.configuration import ConfigurationFaultsError, parse_configuration
from sandbox.state.directory import AGENT_AUDIENCE

PAYROLL = "https://payroll.sandbox.example"


def faults(text, environment=None):
    with pytest.raises(ConfigurationFaultsError) as caught:
        parse_configuration(text, environment)
    return list(caught.value.faults)


def test_every_fault_is_reported_by_its_place():
    assert faults("""
        redirect_uris = ["/callback"]
        [users.alice]
        [users.carol]
        permissions = ["payroll", "nonsense|x", "payroll|payroll.write"]
        [services.leave]
        permissions = ["a"]
        [services.payroll]
        permissions = ["payroll.read"]
        [services.copy]
        audience = "https://payroll.sandbox.example"
        permissions = ["a"]
        [services.empty]
        [services.shop]
        api_key = "no_such_key"
        person = true
        [credentials.llm_api_key]
        readers = ["mallory"]
        [[grants]]
        scope = "leave|leave.read"
        to = ["carol", "mallory"]
        access_identity = "Human"
        """) == [
        ('users.alice: "alice" is built in; it may have claims here, and [[grants]] can give it permissions'),
        'services.leave: "leave" is built in; choose another name',
        f'services.payroll.audience: "{PAYROLL}" is the audience of "copy" too',
        f'services.copy.audience: "{PAYROLL}" is the audience of "payroll" too',
        "services.empty: must have permissions, an api_key or a jwt_provider",
        "services.shop: api_key excludes audience, permissions, person and jwt_provider",
        'services.shop.api_key: credential "no_such_key" is unknown',
        'credentials.llm_api_key: "llm_api_key" is built in; choose another identifier',
        'credentials.llm_api_key.readers[0]: "mallory" is unknown; known are agent, alice, bob, carol',
        'users.carol.permissions[0]: must be "service|permission", found "payroll"',
        (
            'users.carol.permissions[1]: service "nonsense" is unknown; '
            "known are agent, enterprise, leave, pam, payroll, copy, empty"
        ),
        'users.carol.permissions[2]: "payroll" has no permission "payroll.write"; it has payroll.read',
        'grants[0].to[1]: "mallory" is unknown; known are agent, alice, bob, carol',
        'grants[0].access_identity: is for the agent; "to" must name it',
        'redirect_uris[0]: must be an http or https URL without "#"',
    ]


def test_unknown_keys_and_wrong_types_are_faults():
    found = faults("""
        user = 1
        [users.carol]
        name = "Carol"
        display_name = 5
        [users."Eve!"]
        [services.shop]
        placement = "cookie:key"
        [[grants]]
        scope = "leave|leave.read"
        access_identity = "Both"
        """)
    assert [fault.partition(":")[0] for fault in found] == [
        "users.carol.display_name",
        "users.carol.name",
        "users.Eve!",
        "services.shop.placement",
        "grants[0].to",
        "grants[0].access_identity",
        "user",
    ]
    assert "user: is unknown" in found


def test_unset_variable_is_a_fault_that_names_it_and_its_value_is_never_shown():
    text = '[users.carol]\npassword_env = "PW"\n[credentials.shop_key]\nvalue_env = "KEY"'
    assert len(faults(text, {})) == 2
    (fault,) = faults(text, {"PW": "a secret with blanks", "KEY": "sk-abc"})
    assert fault.startswith("users.carol.password_env: the variable PW must be set")
    assert "secret" not in fault
    configuration = parse_configuration(text, {"PW": "pw-of-carol", "KEY": "sk-of-the-shop"})
    assert configuration.users[0].password == "pw-of-carol"
    assert configuration.credentials[0].value == "sk-of-the-shop"
    assert "of-carol" not in repr(configuration)
    assert "of-the-shop" not in repr(configuration)


def test_faults_of_shape_and_of_names_are_reported_together_and_none_follows_from_another():
    assert faults("""
        typo = 1
        [agent]
        permissions = "agent.prepare"
        [users.carol]
        nick = "C"
        permissions = ["payroll|payroll.read", "nonsense|x", "agent|agent.prepare"]
        [users.dan.claims]
        sub = "somebody"
        auth_time = 1760000000
        team = { name = "a" }
        [clients.agent]
        [clients.reports]
        port = 1
        permissions = ["leave|leave.red"]
        [services.payroll]
        permissions = [1]
        [[grants]]
        scope = "leave|leave.read"
        [[grants]]
        scope = "leave|leave.read"
        to = ["mallory", "carol"]
        """) == [
        "agent.permissions: input should be a valid list",
        "users.carol.nick: is unknown",
        "clients.reports.port: is unknown",
        "services.payroll.permissions[0]: input should be a valid string",
        "grants[0].to: is missing",
        "typo: is unknown",
        "users.dan.claims.sub: is IDaaS's own; no table can set it",
        (
            "users.dan.claims.auth_time: must be true: the time of the sign-in; "
            "idaas-agent token --auth-time has others"
        ),
        "users.dan.claims.team: must be a text, a number, true, false or a list of texts",
        'clients.agent: "agent" is built in; choose another name',
        (
            'users.carol.permissions[1]: service "nonsense" is unknown; '
            "known are agent, enterprise, leave, pam, payroll"
        ),
        (
            'clients.reports.permissions[0]: "leave" has no permission "leave.red"; '
            "it has leave.read, leave.write"
        ),
        'grants[1].to[0]: "mallory" is unknown; known are agent, alice, bob, carol, dan',
    ]


def test_claims_applications_and_permissions_of_the_agent_are_read():
    configuration = parse_configuration("""
        [agent]
        permissions = ["agent.prepare"]
        [users.alice.claims]
        name = "Alice"
        [users.carol.claims]
        groups = ["finance"]
        auth_time = true
        [clients.payroll]
        permissions = ["agent|agent.prepare"]
        """)
    assert [user.name for user in configuration.users] == ["carol"]
    assert configuration.claims == {
        "alice": {"name": "Alice"},
        "carol": {"groups": ["finance"], "auth_time": True},
    }
    [payroll] = configuration.clients
    assert (payroll.client_id, payroll.grant_types) == ("app_payroll01", {"client_credentials"})
    assert configuration.machine == (("app_payroll01", AGENT_AUDIENCE, "agent.prepare"),)


def test_file_replaces_what_its_base_has_of_the_same_name_and_adds_to_the_rest():
    base = """
        [services.payroll]
        permissions = ["payroll.write"]
        [users.carol]
        permissions = ["payroll|payroll.write"]
        [users.carol.claims]
        groups = ["managers"]
        [users.dan]
        [[grants]]
        scope = "payroll|payroll.write"
        to = ["agent"]
        """
    own = '[services.payroll]\npermissions = ["payroll.read"]\n[users.dan.claims]\ngroups = ["finance"]'
    configuration = parse_configuration(own, base=base)
    assert [service.permissions for service in configuration.services] == [("payroll.read",)]
    assert configuration.claims == {"carol": {"groups": ["managers"]}, "dan": {"groups": ["finance"]}}
    assert configuration.machine == ()
    assert ("user_carol01", PAYROLL, "payroll.write") not in configuration.people
    assert parse_configuration("", base=base).machine == (("app_agent01", PAYROLL, "payroll.write"),)
