// Puts CopilotKit's runtime in front of the agent, by the file that docs/ag-ui.md names, and sends it the requests that its
// browser part sends. Prints the status and the events of each.
import { readFileSync } from 'node:fs';

const { agent, token, requests } = JSON.parse(readFileSync(0));
process.env.COPILOTKIT_TELEMETRY_DISABLED = 'true';
process.env.DO_NOT_TRACK = '1';
console.log = console.warn = console.error = console.info = console.debug = () => {};

const { copilotHandler } = await import('./agent_threads.js');
const handle = copilotHandler(agent);

const answers = [];
for (const { path, body, as = token } of requests) {
  const request = new Request(`http://localhost/api${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${as}` },
    body: JSON.stringify(body),
  });
  const response = await handle(request);
  const frames = (await response.text()).split('\n\n').filter((frame) => frame.startsWith('data: '));
  answers.push({ status: response.status, events: frames.map((frame) => JSON.parse(frame.slice(6))) });
}
process.stdout.write(JSON.stringify(answers), () => process.exit(0)); // the runtime keeps timers
