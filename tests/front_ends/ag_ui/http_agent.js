// For each line of JSON, drives one HttpAgent of each generation of the official client through the same runs, and
// prints what each run gave. Before a run, `messages` are added; `answer` answers the interrupts that the client
// has, and `legacyAnswer` the last event `on_interrupt`, as CopilotKit does; `reload` forgets everything but the
// thread. `{day}` is a day of its own for each client, of `days`.
import { createInterface } from 'node:readline';

let warnings;
console.warn = (...parts) => warnings.push(parts.join(' '));
console.error = () => {}; // the client logs what it also throws

for await (const line of createInterface({ input: process.stdin })) {
  const { clients, url, token, threadId, days, runs } = JSON.parse(line);
  warnings = [];
  const driven = [];
  for (const [number, client] of clients.entries()) {
    const { HttpAgent } = await import(client === '1.0.0' ? '@ag-ui/client' : `@ag-ui/client-${client}`);
    const thread = { url, threadId: `${threadId}-${client.replaceAll('.', '-')}` };
    const created = () => new HttpAgent({ ...thread, headers: token ? { Authorization: `Bearer ${token}` } : {} });
    let agent = created();
    let interruptEvent;
    const results = [];
    const own = JSON.parse(JSON.stringify(runs).replaceAll('{day}', days[number]));
    for (const { messages = [], answer, legacyAnswer, reload, abortAt, as, ...parameters } of own) {
      if (reload) agent = created();
      if (as) agent.headers = { Authorization: `Bearer ${as}` };
      agent.addMessages(messages);
      if (answer) {
        parameters.resume = agent.pendingInterrupts.map(({ id }) => ({ interruptId: id, ...answer }));
      }
      if (legacyAnswer !== undefined) {
        agent.pendingInterrupts = []; // a client that does not know outcomes has none
        parameters.forwardedProps = { command: { resume: legacyAnswer, interruptEvent } };
      }
      const result = { client, events: [], thrown: null };
      try {
        await agent.runAgent(parameters, {
          onEvent: ({ event }) => {
            result.events.push(event);
            if (event.name === 'on_interrupt') interruptEvent = event.value;
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
}
