/** Requests to the agent, as JSON. */

import { AgentFailure, failureFromBody } from './agent-failure.js';

/** One request, which is sent to the configured agent alone. Raises `AgentFailure` if it cannot be reached. */
export async function send(fetch, url, options) {
  try {
    return await fetch(url, { ...options, cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' });
  } catch {
    throw new AgentFailure({ code: 'agent_unreachable' });
  }
}

/**
 * @param {object} agent
 * @param {string} agent.agentUrl
 * @param {() => string} agent.accessToken the current one
 * @returns {(method: string, path: string, json?: string, signal?: AbortSignal, read?: (response: Response) => Promise<any>) => Promise<any>}
 *   the body of the response, as JSON or as `read` reads it; `undefined` if it has none, or is cut off. Raises `AgentFailure` if the agent refuses the request, or cannot be reached
 */
export function requester({ agentUrl, accessToken, fetch = globalThis.fetch.bind(globalThis) }) {
  return async (method, path, json, signal, read = (response) => response.json()) => {
    const headers = { Authorization: `Bearer ${accessToken()}`, ...(json && { 'Content-Type': 'application/json' }) };
    const response = await send(fetch, agentUrl + path, { method, headers, body: json, signal });
    const given = await (response.ok ? read(response) : response.json()).catch(() => undefined);
    if (!response.ok) throw failureFromBody(given, response);
    return given;
  };
}
