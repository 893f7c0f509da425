import { HttpAgent } from '@ag-ui/client';
import { AgentRunner, CopilotRuntime, createCopilotRuntimeHandler } from '@copilotkit/runtime/v2';
import { catchError, EMPTY, of } from 'rxjs';

/** A refusal of the agent, with its text for the person. */
const refusal = ({ message, payload }) => ({
  type: 'RUN_ERROR',
  message: payload?.error?.message ?? message,
  code: payload?.error?.code,
});

/** Conversations stay in the agent, which checks whose they are. The runtime keeps nothing. */
class AgentThreads extends AgentRunner {
  constructor(url) {
    super();
    this.url = url;
  }

  run({ agent, input }) {
    return agent.run(input).pipe(catchError((error) => of(refusal(error))));
  }

  connect({ threadId, headers }) {
    const nothingNew = { state: {}, messages: [], tools: [], context: [], forwardedProps: {} };
    return new HttpAgent({ url: this.url, headers })
      .run({ threadId, runId: crypto.randomUUID(), ...nothingNew })
      .pipe(catchError((error) => (error.status === 404 ? EMPTY : of(refusal(error))))); // 404: a new one
  }

  async isRunning() {
    return false; // the agent refuses a second run of a conversation
  }

  async stop() {
    return true; // by the hook below
  }
}

export function copilotHandler(agent) {
  const url = `${agent}/ag-ui/agent`;
  const runtime = new CopilotRuntime({
    agents: { default: new HttpAgent({ url }) },
    runner: new AgentThreads(url),
  });
  const onBeforeHandler = async ({ route, request }) => {
    if (route.method === 'agent/stop') {
      const headers = { authorization: request.headers.get('authorization') };
      await fetch(`${agent}/threads/${route.threadId}/cancel`, { method: 'POST', headers });
    }
  };
  return createCopilotRuntimeHandler({ runtime, basePath: '/api', hooks: { onBeforeHandler } });
}
