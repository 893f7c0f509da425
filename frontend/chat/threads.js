/** The user's conversations at the agent (`/threads`). Every method raises `AgentFailure` if the agent refuses it. */

import { AgentFailure, failureFromBody } from './agent-failure.js';

/** The first question waits for the list no longer than this. */
const LIST_MS = 5000;

export class Threads {
  /**
   * @param {object} agent
   * @param {string} agent.agentUrl
   * @param {() => string} agent.accessToken the current one
   */
  constructor({ agentUrl, accessToken, fetch = globalThis.fetch.bind(globalThis) }) {
    Object.assign(this, { agentUrl, accessToken, fetch });
  }

  /** A page of conversations, the last changed first. `undefined` if the agent keeps no conversations. */
  async list(search = '') {
    try {
      const query = search === '' ? '' : `?search=${encodeURIComponent(search)}`;
      return (await this.#call('GET', query, undefined, AbortSignal.timeout(LIST_MS))).threads;
    } catch (error) {
      if (error.status === 404) return undefined;
      throw error;
    }
  }

  /** A conversation with its messages, its open approvals, and whether a run goes on. */
  read(id) {
    return this.#call('GET', `/${id}`);
  }

  rename(id, title) {
    return this.#call('PATCH', `/${id}`, { title });
  }

  /** It can be restored for some minutes. */
  remove(id) {
    return this.#call('DELETE', `/${id}`);
  }

  restore(id) {
    return this.#call('POST', `/${id}/restore`);
  }

  /** Ends the run that goes on. */
  cancel(id) {
    return this.#call('POST', `/${id}/cancel`);
  }

  /** Completes an answer after a run that failed or was interrupted. */
  goOn(id) {
    return this.#call('POST', `/${id}/continue`);
  }

  /**
   * Answers an approval: the run goes on.
   *
   * @param {{decision: 'approve' | 'edit' | 'reject', arguments?: object, message?: string}} decision
   */
  decide(id, approvalId, decision) {
    return this.#call('POST', `/${id}/approvals/${approvalId}`, decision);
  }

  /** The address of the events of the run that goes on. */
  eventsUrl(id) {
    return `${this.agentUrl}/threads/${id}/events`;
  }

  async #call(method, path, body, signal) {
    let response;
    try {
      response = await this.fetch(`${this.agentUrl}/threads${path}`, {
        method,
        headers: { Authorization: `Bearer ${this.accessToken()}`, ...(body && { 'Content-Type': 'application/json' }) },
        body: body && JSON.stringify(body),
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
  }
}
