"""The bot without a chat service: what it replies to a message of a person.

Each question goes to the agent with the person's own access token. The bot has no rights of its own, and
decides nothing: what the agent asks is a link to its page.
"""

import hashlib

import httpx
from sign_in import SignIn

SIGN_IN = "Sign in once, and then type the code that you see here. The link is for you alone: {link}"
SIGNED_IN = "You are signed in. What may I do for you?"
FOREIGN = "This sign-in was begun by another person, and is dropped. Open only links that I send you."
SIGNED_OUT = "You are signed out."
AWAY = "I cannot reach the agent, or the sign-in, at the moment. Try again later."
WAITS = "The agent waits for your decision. Look at it, and decide, here: {link}"


class Bot:
    """Replies to messages of people that the chat service has authenticated."""

    def __init__(self, agent: str, page: str, http: httpx.AsyncClient, sign_in: SignIn) -> None:
        """`agent` and `page` are addresses."""
        self._agent = agent
        self._page = page
        self._http = http
        self._sign_in = sign_in

    async def reply(self, person: str, text: str) -> str:
        """The reply to `text` of `person`, an identifier of the chat service. Send it to them alone."""
        proved = self._sign_in.proved(person, text)
        if proved is not None:
            return SIGNED_IN if proved else FOREIGN
        if text.strip().lower() == "sign out":
            self._sign_in.forget(person)
            return SIGNED_OUT
        try:
            token = await self._sign_in.access_token(person)
            if token is not None:
                return await self._ask(person, text, token)
            return SIGN_IN.format(link=self._sign_in.link(person))
        except (httpx.HTTPError, ValueError):
            return AWAY

    async def _ask(self, person: str, text: str, token: str) -> str:
        thread = hashlib.sha256(person.encode()).hexdigest()[:32]
        response = await self._http.post(
            f"{self._agent}/openai/v1/chat/completions",
            json={
                "messages": [{"role": "user", "content": text}],
                "metadata": {"thread_id": f"bot-{thread}"},
            },
            headers={"Authorization": f"Bearer {token}"},
        )
        if response.status_code == 401:  # revoked: a new sign-in is needed
            self._sign_in.forget(person)
            return SIGN_IN.format(link=self._sign_in.link(person))
        answer = response.json()
        if "error" in answer:
            waits = answer["error"]["code"] == "approval_open"
            return WAITS.format(link=self._page) if waits else str(answer["error"]["message"])
        event = answer.get("agent_event") or {}
        if event.get("type") == "approval_required":
            return WAITS.format(link=f"{self._page}#approval={event['approval']['id']}")
        return str(answer["choices"][0]["message"]["content"])
