"""An application on FastAPI that calls a service. The lines marked `# identity` were added to it."""

import os
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, HTTPException

from idaas_agent import Caller, CredentialError, Identity  # identity

LEAVE = os.environ["LEAVE_SERVICE_URL"]

identity = Identity.from_env()  # identity
User = Annotated[Caller, Depends(identity.user)]  # identity
auth = identity.auth(os.environ["LEAVE_SERVICE_SCOPE"], url=LEAVE, access_identity="Human")  # identity


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with httpx.AsyncClient(auth=auth) as app.state.http:  # identity: auth=
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/balance")
async def balance(user: User):  # identity: user
    """The days of leave that remain."""
    try:
        response = await app.state.http.get(LEAVE)
    except CredentialError as error:  # identity
        raise HTTPException(403, error.for_person()) from None  # identity
    return {"name": user.name or user.subject, **response.raise_for_status().json()}
