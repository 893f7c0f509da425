// A small page with useStream of @langchain/react, as an application would write it. Its server, token and
// thread are in `window.PAGE`. Decisions have the form that LangChain documents for HumanInTheLoopMiddleware.

import { useState } from "react";
import { createRoot } from "react-dom/client";
import { useStream } from "@langchain/react";

const text = (content) =>
  typeof content === "string" ? content : content.map((block) => block.text ?? "").join("");

function Message({ message }) {
  return (
    <li data-role={message.getType()}>
      <b>{message.getType()}</b> {text(message.content)}
    </li>
  );
}

function ToolCall({ call }) {
  return (
    <li data-status={call.status}>
      <code>
        {call.name}({JSON.stringify(call.args)})
      </code>{" "}
      {call.status}
    </li>
  );
}

function Approval({ interrupt, respond }) {
  const [action] = interrupt.value.action_requests;
  const [args, setArgs] = useState(JSON.stringify(action.args));
  const [words, setWords] = useState("");
  const decide = (decision) => respond({ decisions: [decision] }, { interruptId: interrupt.id });
  return (
    <section aria-label="Approval">
      <p>{action.description}</p>
      <label>
        Arguments <textarea value={args} onChange={(event) => setArgs(event.target.value)} />
      </label>
      <label>
        Words <input value={words} onChange={(event) => setWords(event.target.value)} />
      </label>
      <button onClick={() => decide({ type: "approve" })}>Approve</button>
      <button
        onClick={() =>
          decide({ type: "edit", editedAction: { name: action.name, args: JSON.parse(args) } })
        }
      >
        Edit
      </button>
      <button onClick={() => decide({ type: "reject", message: words })}>Reject</button>
    </section>
  );
}

function Page({ apiUrl, token, threadId }) {
  const [draft, setDraft] = useState("");
  const [thread, setThread] = useState(threadId ?? null);
  const [refusal, setRefusal] = useState();
  const stream = useStream({
    assistantId: "agent",
    apiUrl,
    apiKey: token,
    threadId: thread,
    onThreadId: setThread,
  });
  const send = (event) => {
    event.preventDefault();
    setDraft("");
    setRefusal(undefined);
    stream.submit({ messages: [{ type: "human", content: draft }] });
  };
  const respond = (...answer) => stream.respond(...answer).catch(setRefusal);
  const error = refusal ?? stream.error;
  return (
    <main data-thread={stream.threadId ?? ""} data-loading={stream.isLoading}>
      <ul aria-label="Messages">
        {stream.messages.map((message, n) => (
          <Message key={message.id ?? n} message={message} />
        ))}
      </ul>
      <ul aria-label="Tool calls">
        {stream.toolCalls.map((call) => (
          <ToolCall key={call.id} call={call} />
        ))}
      </ul>
      {stream.interrupts.map((interrupt) => (
        <Approval key={interrupt.id} interrupt={interrupt} respond={respond} />
      ))}
      {error && <p role="alert">{String(error.message ?? error)}</p>}
      <form onSubmit={send}>
        <input aria-label="Message" value={draft} onChange={(event) => setDraft(event.target.value)} />
        <button>Send</button>
        <button type="button" onClick={() => stream.stop()} disabled={!stream.isLoading}>
          Stop
        </button>
      </form>
    </main>
  );
}

createRoot(document.getElementById("page")).render(<Page {...window.PAGE} />);
