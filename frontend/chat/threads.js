/** The user's conversations at the agent (`/threads`). Every method raises `AgentFailure` if the agent refuses it. */

import { AgentFailure } from './agent-failure.js';

/** The first question waits for the list no longer than this. */
const LIST_MS = 5000;

export class Threads {
  /** @param {ReturnType<import('./agent-request.js').requester>} request */
  constructor(request) {
    this.request = request;
  }

  /**
   * A page of conversations, the last changed first, and the cursor of the next one. `undefined` if the agent keeps no
   * conversations. `signal` ends a search, at the agent too.
   *
   * @param {{search?: string, limit?: number, before?: string, signal?: AbortSignal}} page
   * @returns {Promise<{threads: object[], next: string | null} | undefined>}
   */
  async list({ search = '', limit, before, signal } = {}) {
    const query = new URLSearchParams();
    if (search !== '') query.set('search', search);
    if (limit !== undefined) query.set('limit', limit);
    if (before !== undefined) query.set('before', before);
    try {
      return await this.#call('GET', query.size > 0 ? `?${query}` : '', undefined, AbortSignal.any([AbortSignal.timeout(LIST_MS), signal].filter(Boolean)));
    } catch (error) {
      if (error.status === 404) return undefined;
      throw error;
    }
  }

  /** A conversation with its newest messages (those of the last turn at least), its open approvals, and its run. */
  async read(id) {
    const kept = await this.#call('GET', `/${id}`);
    while (kept.next && !kept.messages.some(({ role }) => role === 'user')) {
      const { messages, next } = await this.messages(id, kept.next);
      Object.assign(kept, { messages: [...messages, ...kept.messages], next });
    }
    return kept;
  }

  /** The page of messages before a cursor, and the cursor of the page before it. */
  messages(id, before) {
    return this.#call('GET', `/${id}/messages?before=${before}`);
  }

  rename(id, title) {
    return this.#call('PATCH', `/${id}`, JSON.stringify({ title }));
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

  /** Asks a question anew, in other words or the same, in place of it and of all that follows it. */
  replace(id, messageId, content) {
    return this.#call('POST', `/${id}/versions`, JSON.stringify({ message_id: messageId, content }));
  }

  /** Shows the version of a question at this position. */
  showVersion(id, version) {
    return this.#call('POST', `/${id}/versions/${version}`);
  }

  /** The whole conversation as it is stored: its JSON, because a number that was parsed and written again may have lost digits. */
  async export(id) {
    const json = await this.#call('GET', `/${id}/export`, undefined, undefined, (response) => response.text());
    if (json === undefined) throw new AgentFailure({ code: 'answer_interrupted' });
    return json;
  }

  /**
   * Answers an approval: the run goes on.
   *
   * @param {{decision: 'approve' | 'edit' | 'reject' | 'cancel', argumentsJson?: string, lastingJson?: string, message?: string}} decision
   *   what ends with `Json` is sent as it is: a number that was parsed and written again may have lost digits
   */
  decide(id, approvalId, { argumentsJson, lastingJson, ...members }) {
    const exact = [argumentsJson && `,"arguments":${argumentsJson}`, lastingJson && `,"lasting":${lastingJson}`].filter(Boolean).join('');
    return this.#call('POST', `/${id}/approvals/${approvalId}`, `${JSON.stringify(members).slice(0, -1)}${exact}}`);
  }

  #call(method, path, json, signal, read) {
    return this.request(method, `/threads${path}`, json, signal, read);
  }
}
