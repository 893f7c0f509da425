"""Cloud roles of PAM and the bucket behind them, by the wire and by the vendor's clients unchanged."""

from urllib.parse import urlsplit

import pytest

from sandbox.addresses import INSTANCE
from sandbox.bucket import OBJECTS
from sandbox.ram import REPORT_READER
from sandbox.state.directory import PAM_AUDIENCE

SDK_SESSION = """
import json, sys
from alibabacloud_eiam_developerapi20220225 import client, models
from alibabacloud_tea_openapi.client import Client
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_util.models import RuntimeOptions
endpoint, instance, token, role, bucket, path = sys.argv[1:]
developer = client.Client(Config(endpoint=endpoint))
request = models.ObtainCloudAccountRoleAccessCredentialRequest(
    cloud_account_role_external_id=role, duration_seconds=900
)
headers = models.ObtainCloudAccountRoleAccessCredentialHeaders(authorization=f"Bearer {token}")
obtained = developer.obtain_cloud_account_role_access_credential_with_options(
    instance, request, headers, RuntimeOptions()
).body
sts = obtained.cloud_account_role_access_credential.alibaba_cloud_sts_token
config = Config(
    access_key_id=sts.access_key_id, access_key_secret=sts.access_key_secret,
    security_token=sts.security_token, endpoint=bucket, type="sts",
)
params = Params(
    action="ListObjects", version="2019-05-17", protocol="HTTPS", pathname=path, method="GET",
    auth_type="AK", style="ROA", req_body_type="json", body_type="json",
)
listed = Client(config).call_api(params, OpenApiRequest(query={"prefix": "a b~/"}), RuntimeOptions())
print(json.dumps({
    "role": obtained.cloud_account_role_external_id, "objects": listed["body"]["Objects"],
    "expires": obtained.cloud_account_role_access_credential.access_credential_expires_at,
}))
"""


@pytest.fixture
def pam(machine):
    return machine(scope=f"{PAM_AUDIENCE}|.all").json()["access_token"]


@pytest.fixture
def obtain(sandbox, client, pam):
    def get(token=pam, **query):
        url = sandbox.url(f"/v2/{INSTANCE}/cloudAccountRoles/_/actions/obtainAccessCredential")
        query = {"cloudAccountRoleExternalId": REPORT_READER, "durationSeconds": "900"} | query
        return client.get(url, params=query, headers={"Authorization": f"Bearer {token}"})

    return get


def test_credentials_are_issued_as_the_vendor_describes(sandbox, obtain) -> None:
    body = obtain().json()
    credential = body["cloudAccountRoleAccessCredential"]
    assert body["cloudAccountVendorType"] == "alibaba_cloud"
    assert credential["accessCredentialExpiresAt"] == int(sandbox.clock.now) + 900
    assert credential["alibabaCloudStsToken"]["accessKeyId"].startswith("STS.")


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ({"durationSeconds": "899"}, 400, "invalid_request"),
        ({"durationSeconds": "43201"}, 400, "invalid_request"),
        ({"cloudAccountRoleExternalId": "acs:ram::1:role/x"}, 404, "cloud_account_role_not_found"),
    ],
)
def test_request_outside_the_rules_is_refused(obtain, query, status, error) -> None:
    response = obtain(**query)
    assert (response.status_code, response.json()["error"]) == (status, error)


def test_both_authorizations_are_required(sandbox, obtain, machine) -> None:
    token = machine(scope=f"{PAM_AUDIENCE}|credential:obtain").json()["access_token"]
    assert obtain(token=token).json()["error"] == "insufficient_scope"
    sandbox.cloud.cloud_roles.role(REPORT_READER).readers.clear()
    assert obtain().json()["error"] == "access_denied"


def test_role_limits_the_duration(sandbox, obtain) -> None:
    sandbox.cloud.cloud_roles.role(REPORT_READER).longest = 3600
    credential = obtain(durationSeconds="7200").json()["cloudAccountRoleAccessCredential"]
    assert credential["accessCredentialExpiresAt"] == int(sandbox.clock.now) + 3600


def test_unsigned_request_to_the_bucket_is_refused(sandbox, client) -> None:
    response = client.get(f"{sandbox.cloud.addresses.bucket_url}/2026-10.txt")
    assert (response.status_code, response.json()["Code"]) == (400, "IncompleteSignature")


def test_the_vendors_clients_obtain_credentials_and_sign_a_request_with_them(sandbox, sdk, pam) -> None:
    bucket = urlsplit(sandbox.cloud.addresses.bucket_url)
    addresses = [sandbox.cloud.addresses.developer_api, INSTANCE, pam, REPORT_READER]
    assert sdk(SDK_SESSION, *addresses, bucket.netloc, bucket.path) == {
        "role": REPORT_READER,
        "objects": sorted(OBJECTS),
        "expires": int(sandbox.clock.now) + 900,
    }
