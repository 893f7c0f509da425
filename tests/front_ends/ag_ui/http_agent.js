// Drives one HttpAgent of each generation of the official client through the same runs, and prints what each
// run gave.
import { readFileSync } from 'node:fs';

const { clients, url, token, threadId, runs } = JSON.parse(readFileSync(0));
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const warnings = [];
console.warn = (...parts) => warnings.push(parts.join(' '));
console.error = () => {}; // the client logs what it also throws

const driven = [];
for (const client of clients) {
  const { HttpAgent } = await import(client === '1.0.0' ? '@ag-ui/client' : `@ag-ui/client-${client}`);
  const agent = new HttpAgent({ url, headers, threadId: `${threadId}-${client.replaceAll('.', '-')}` });
  const results = [];
  for (const { messages = [], abortAt, ...parameters } of runs) {
    agent.addMessages(messages);
    const result = { client, events: [], thrown: null };
    try {
      await agent.runAgent(parameters, {
        onEvent: ({ event }) => {
          result.events.push(event);
          if (event.type === abortAt) agent.abortRun();
        },
      });
    } catch (error) {
      result.thrown = { message: error.message, status: error.status, payload: error.payload };
    }
    const { state, pendingInterrupts } = agent;
    results.push({ ...result, messages: structuredClone(agent.messages), state, pendingInterrupts });
  }
  driven.push(results);
}
console.log(JSON.stringify({ driven, warnings }));
