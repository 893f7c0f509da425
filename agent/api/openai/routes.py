"""The OpenAI-compatible API: `POST /openai/v1/chat/completions`, `GET /openai/v1/models`.

The response begins after the first event of the run, so that a refused credential or an unreachable model has
its own status.
"""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from agent.api.direct_route import DirectRoute
from agent.api.disconnect import while_connected
from agent.api.event_stream import EventStream
from agent.api.openai.parameters import ChatBody
from agent.api.openai.request import ChatRequest, read_chat_request
from agent.api.openai.response import ChunkEncoder, completion
from agent.api.openai_body import NOT_KEPT, form_not_taken
from agent.api.openapi_document import CHAT_EVENTS
from agent.api.response_models import Completion, ModelEntry, ModelList, documented, documented_body
from agent.api.surface import Surface
from agent.composition.agent import Agent
from agent.errors.error_response import RequestError
from agent.http.authentication import caller_of
from agent.http.page_address import page_address
from agent.runs.chats import FormNotTakenError, NotStoredError
from agent.runs.run import RunReader, whole_run
from identity.access_token.verified_access_token import VerifiedAccessToken

_COMPLETIONS: Final = documented(Completion)
_COMPLETIONS[200]["content"]["text/event-stream"] = CHAT_EVENTS


def openai_routes(agent: Agent) -> APIRouter:
    """The routes. Responses name the configured model, also if a request names another one.

    If the agent stores no conversations, a request that names one is refused.
    """
    settings = agent.settings
    clock = agent.clock
    model = settings.llm_model
    page = page_address(settings)
    router = APIRouter(prefix="/openai/v1", route_class=DirectRoute)

    async def start(chat: ChatRequest, caller: VerifiedAccessToken) -> RunReader:
        try:
            return await agent.chats.begin(
                caller,
                chat.messages,
                chat.thread_id,
                streaming=chat.stream,
                keep=chat.keep,
                instructions=chat.instructions,
                requested=() if chat.form is None else [chat.form],
            )
        except NotStoredError:
            raise RequestError("metadata.thread_id", NOT_KEPT, code="unsupported_value") from None
        except FormNotTakenError:
            raise form_not_taken("response_format") from None

    entry = {"id": model, "object": "model", "created": int(clock()), "owned_by": "idaas-agent"}

    @router.post("/chat/completions", responses=_COMPLETIONS, openapi_extra=documented_body(ChatBody))
    async def chat_completions(request: Request) -> Response:
        """Continues a conversation, as one object or as a stream.

        Errors before the first byte have a status.
        """
        thread_id = request.headers.get("X-Thread-Id")
        most: dict[str, Any] = {"max_messages": settings.max_messages, "most_images": settings.llm_images}
        chat = read_chat_request(await request.body(), thread_header=thread_id, **most)
        run = await start(chat, caller_of(request.scope))
        created = int(clock())
        headers = {"X-Thread-Id": chat.thread_id} if chat.thread_id else {}
        if not chat.stream:
            whole = await while_connected(whole_run(run), request.receive, run.leave)
            body = completion(whole.end, whole.beside, whole.notices, model=model, created=created, page=page)
            return JSONResponse(body, headers=headers)
        await while_connected(run.first(), request.receive, run.leave)
        chunks = ChunkEncoder(model=model, created=created, include_usage=chat.include_usage, page=page)
        stream = EventStream(chunks.texts(run), run.leave)
        stream.headers.update(headers)
        return stream

    @router.get("/models", responses=documented(ModelList))
    async def models() -> JSONResponse:
        """The configured model."""
        return JSONResponse({"object": "list", "data": [entry]})

    @router.get("/models/{name:path}", responses=documented(ModelEntry))
    async def model_by_name(name: str) -> JSONResponse:
        """The configured model; 404 for another name."""
        if name != model:
            raise RequestError("model", f"the only model is {model!r}", code="model_not_found", status=404)
        return JSONResponse(entry)

    return router


OPENAI: Final = Surface(
    name="openai", routes=openai_routes, starts_run=lambda path: path == "/openai/v1/chat/completions"
)
