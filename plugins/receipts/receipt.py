"""A receipt: the lines of the audit log about one call, each with the proof that a signed checkpoint has it.

    {"receipt": 1, "call_id": "call_7c1d",
     "records": [{"line": "{\"time\":…}", "index": 17, "proof": ["base64", …]}, …],
     "checkpoint": "agent.example.com/audit\n42\n…\n\n— agent.example.com/audit …\n"}

`README.md` verifies one with twenty lines of Python.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from identity.audit.chain import record_of
from identity.audit.event import AuditedAction
from plugins.receipts.merkle import inclusion_proof, leaf_hash, root_by_proof
from plugins.receipts.note import Checkpoint, PublicKey, verified_text
from plugins.receipts.signed_log import SignedLog, SignedState

VERSION: Final = 1
Record = Mapping[str, Any]


class ReceiptError(Exception):
    """A receipt that cannot be made, or does not prove what it says. The text says why."""


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """The records that a receipt proves, in the order of their times, and the checkpoint that has them."""

    call_id: str
    records: Sequence[Record]
    checkpoint: Checkpoint


def about_call(
    records: Sequence[Record], call_id: str, user: str | None = None, issuer: str | None = None
) -> list[Record]:
    """The records of a call, and of the questions and decisions about it: those of its approvals, and of the
    grant that covered it. `user` is the `sub` of its user, and `issuer` who issues their tokens, for an id
    that calls of several people have.

    Raises `ReceiptError` if there are none, or several calls have the id.
    """
    named = user, issuer
    calls = [record for record in records if _is_call(record, call_id, named)]
    if not calls:
        raise ReceiptError(f'no record is of a call "{call_id}"')
    users = {_user(record) for record in calls}
    if len(users) > 1:
        people = ", ".join(f"--user {user} --issuer {issuer}" for issuer, user in sorted(users))
        raise ReceiptError(f'calls of {len(users)} people have the id "{call_id}". Name one: {people}')
    if len({_call(record) for record in calls}) > 1:
        raise ReceiptError(f'the id "{call_id}" is not unique: several tools or arguments have it')
    approvals = {record["approval"] for record in calls if record.get("approval")}
    about = [
        record
        for record in records
        if _is_call(record, call_id, named)
        # Another call may have the same approval, if that gave a grant.
        or (record.get("approval") in approvals and record["event"] != AuditedAction.TOOL_CALL)
    ]
    return sorted(about, key=lambda record: str(record["time"]))


def _is_call(record: Record, call_id: str, named: tuple[str | None, str | None]) -> bool:
    issuer, subject = _user(record)
    is_of_user = named[0] in (None, subject) and named[1] in (None, issuer)
    return is_of_user and record["event"] == AuditedAction.TOOL_CALL and record.get("call_id") == call_id


def _user(record: Record) -> tuple[str, str]:
    principal = record.get("principal") or {}
    return str(principal.get("iss")), str(principal.get("sub"))


def _call(record: Record) -> tuple[str, str, str]:
    return str(record.get("service")), str(record.get("tool")), str(record.get("arguments_digest"))


def receipt_of(call_id: str, lines: Sequence[bytes], log: SignedLog, state: SignedState) -> dict[str, Any]:
    """The receipt of a call, whose `lines` are those of the audit log.

    Raises `ReceiptError` if one is not signed, and `ValueError` and `OSError` of the log.
    """
    leaves = log.leaves(state.tree.size)
    places = {leaf: index for index, leaf in enumerate(leaves)}
    records = []
    for line in lines:
        index = places.get(leaf_hash(line))
        if index is None:
            raise ReceiptError(_why_unsigned(line, state))
        proof = [base64.b64encode(sibling).decode() for sibling in inclusion_proof(index, leaves)]
        records.append({"line": line.decode(), "index": index, "proof": proof})
    return {"receipt": VERSION, "call_id": call_id, "records": records, "checkpoint": state.checkpoint}


def _why_unsigned(line: bytes, state: SignedState) -> str:
    record = record_of(line) or {}
    number = f"number {record.get('seq')} of process {record.get('process')}"
    chain = state.chains.get(str(record.get("process")))
    if chain is not None and int(record.get("seq") or 0) <= chain.seq:
        why = "audit sign has refused it, or it was changed since"
        return f"{number} is none of the lines that were signed: {why}"
    return f"{number} is not signed yet: idaas-agent audit sign"


def verified_receipt(text: str, key: PublicKey) -> VerifiedReceipt:
    """The facts that the receipt proves to those who trust `key`. Needs nothing else.

    Guaranteed is that the holder of the key has signed each line, unchanged, as one of a log, and that each
    is about the call. Not checked is whether the log has further lines about it. Raises `ReceiptError`.
    """
    try:
        receipt = json.loads(text)
        call_id = str(receipt["call_id"])
        if receipt["receipt"] != VERSION:
            raise ReceiptError(f"version {VERSION} of a receipt is known, and it is another one")
        checkpoint = Checkpoint.parse(verified_text(receipt["checkpoint"], key))
        records = [_proven(record, checkpoint) for record in receipt["records"]]
    except (KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise ReceiptError("it does not have the form of a receipt") from None
    except ValueError as error:
        raise ReceiptError(str(error)) from None
    if checkpoint.name != key.name:
        raise ReceiptError("the checkpoint is of another log than its key")
    if len({record["index"] for record in receipt["records"]}) != len(records):
        raise ReceiptError("a line is in it twice")
    if len(about_call(records, call_id)) != len(records):
        raise ReceiptError(f'a record is not about the call "{call_id}"')
    return VerifiedReceipt(call_id, records, checkpoint)


def _proven(given: Mapping[str, Any], checkpoint: Checkpoint) -> Record:
    line = given["line"].encode()
    proof = [base64.b64decode(sibling, validate=True) for sibling in given["proof"]]
    if type(given["index"]) is not int:
        raise ReceiptError("it does not have the form of a receipt")
    if root_by_proof(leaf_hash(line), given["index"], checkpoint.size, proof) != checkpoint.root:
        raise ReceiptError("a line is not in the tree that was signed: the line or its proof was changed")
    record = record_of(line)
    if record is None:
        raise ReceiptError("a line is no record of an audit log")
    return record
