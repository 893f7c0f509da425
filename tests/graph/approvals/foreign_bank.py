"""A bank whose credential requires the user's consent, until they have given it."""

from graph.approvals.consent_urls import ConsentUrls
from graph.approvals.record import PendingApproval
from graph.credentials.service_credentials import ServiceCredential, ServiceCredentials, ServiceRequirement
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import OAuthTokenRequirement
from identity.error_codes import IdentityCode
from identity.errors import ConsentRequiredError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import Bank
from tests.graph.scripted_model import calls

PROVIDER = "bank_provider"
LOOK = calls(("balance", {}))
URL = "https://idaas.example/consent?state=canary"


def required(url: str = URL) -> ConsentRequiredError:
    return ConsentRequiredError(
        IdentityCode.CONSENT_REQUIRED, "not allowed yet", authorization_url=Secret(url)
    )


class ForeignBank(Bank):
    """The credential of the bank requires consent, until `consent` is called."""

    def __post_init__(self) -> None:
        self.credential = OAuthTokenRequirement(PROVIDER)
        self.urls = ConsentUrls(self.access, lambda: self.now)
        self.options = {"consent_urls": self.urls, **self.options}
        super().__post_init__()
        self.bench.vault.failures[PROVIDER] = required()

    def access(self, service: str, caller: VerifiedAccessToken) -> ServiceCredential:
        required = {service: ServiceRequirement(self.credential, AccessIdentity.HUMAN)}
        return ServiceCredentials(required, self.bench.vault, lambda: self.now).of(caller, service)

    def consent(self) -> None:
        del self.bench.vault.failures[PROVIDER]

    async def shown(self, token: str = "alice-at") -> PendingApproval:
        return await self.urls.shown(await self.waiting(), await self.bench.tokens.verify(Secret(token)))


def saved(bank: Bank) -> str:
    return repr((dict(bank.saver.storage), dict(bank.saver.writes), dict(bank.saver.blobs)))
