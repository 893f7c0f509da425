"""A relay of the approval webhook: verifies a message of the agent, and makes that of a chat service."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode


def verified(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether the agent has sent this message within five minutes. Remember the id to notice repetitions."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    recent = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return recent and hmac.compare_digest(expected, headers["webhook-signature"])


def dingtalk(url: str, secret: str, text: str) -> tuple[str, dict[str, Any]]:
    """The URL and JSON for a DingTalk robot with "additional signature"; 20 messages a minute."""
    timestamp = str(round(time.time() * 1000))
    sign = hmac.digest(secret.encode(), f"{timestamp}\n{secret}".encode(), "sha256")
    query = urlencode({"timestamp": timestamp, "sign": base64.b64encode(sign).decode()})
    return f"{url}&{query}", {"msgtype": "text", "text": {"content": text}}


def feishu(url: str, secret: str, text: str) -> tuple[str, dict[str, Any]]:
    """The same for a Feishu bot with signature verification; 100 messages a minute."""
    timestamp = str(int(time.time()))
    sign = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
    signed = {"timestamp": timestamp, "sign": base64.b64encode(sign).decode()}
    return url, signed | {"msg_type": "text", "content": {"text": text}}


def teams(url: str, text: str) -> tuple[str, dict[str, Any]]:
    """The same for a workflow of Teams that receives webhook requests. Its URL is a secret."""
    card = {
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": text, "wrap": True}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return url, {"type": "message", "attachments": [attachment]}
