// Puts CopilotKit's runtime in front of the agent, as its documentation says, and sends it the requests that its
// browser part sends. Prints the status and the events of each.
import { readFileSync } from 'node:fs';

const { url, token, requests } = JSON.parse(readFileSync(0));
process.env.COPILOTKIT_TELEMETRY_DISABLED = 'true';
process.env.DO_NOT_TRACK = '1';
console.log = console.warn = console.error = console.info = console.debug = () => {};

const { CopilotRuntime, createCopilotRuntimeHandler } = await import('@copilotkit/runtime/v2');
const { HttpAgent } = await import('@ag-ui/client');

const runtime = new CopilotRuntime({ agents: { default: new HttpAgent({ url }) } });
const handle = createCopilotRuntimeHandler({ runtime, basePath: '/api' });

const answers = [];
for (const { path, body, as = token } of requests) {
  const response = await handle(
    new Request(`http://localhost/api${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${as}` },
      body: JSON.stringify(body),
    }),
  );
  const text = await response.text();
  const events = text
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: '))
    .map((frame) => JSON.parse(frame.slice('data: '.length)));
  answers.push({ status: response.status, events, text });
}
process.stdout.write(JSON.stringify(answers));
process.exit(0); // the runtime keeps timers
