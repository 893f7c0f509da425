"""`http.app` of an Aegra without the agent's guards, which answers at `/ok` as LangGraph Server does."""

from typing import Final

from fastapi import FastAPI

app: Final = FastAPI()


@app.get("/ok")
async def ok() -> dict[str, bool]:
    """Liveness of the process."""
    return {"ok": True}
