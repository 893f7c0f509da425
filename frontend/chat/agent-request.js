/** Requests to the agent, as JSON. */

import { AgentFailure, failureFromBody } from './agent-failure.js';

/**
 * @param {object} agent
 * @param {string} agent.agentUrl
 * @param {() => string} agent.accessToken the current one
 * @returns {(method: string, path: string, json?: string, signal?: AbortSignal) => Promise<any>} the body of the response,
 *   `undefined` if it has none. Raises `AgentFailure` if the agent refuses the request, or cannot be reached
 */
export function requester({ agentUrl, accessToken, fetch = globalThis.fetch.bind(globalThis) }) {
  return async (method, path, json, signal) => {
    let response;
    try {
      response = await fetch(agentUrl + path, {
        method,
        headers: { Authorization: `Bearer ${accessToken()}`, ...(json && { 'Content-Type': 'application/json' }) },
        body: json,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error', // the token is sent only to the configured agent
        referrerPolicy: 'no-referrer',
        signal,
      });
    } catch {
      throw new AgentFailure({ code: 'agent_unreachable' });
    }
    const given = await response.json().catch(() => undefined);
    if (!response.ok) throw failureFromBody(given, response);
    return given;
  };
}
