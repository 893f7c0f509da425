/**
 * What waits for the user (`/approvals`): calls of others that they may decide, limits that others have reached, runs
 * that a client has prepared for them, and the open approvals of their own conversations. A `change` event follows each reading. Nothing is decided by reading.
 */

import { whileVisible } from './while-visible.js';

export class Inbox extends EventTarget {
  /** Calls of others. @type {object[]} */
  asked = [];
  /** Runs that a client has prepared for the user. @type {object[]} */
  prepared = [];
  /** Limits that others have reached, to be raised or not. @type {object[]} */
  raises = [];
  /** The approvals of the user's own conversations. @type {object[]} */
  own = [];
  /** Why the last reading failed. @type {import('./agent-failure.js').AgentFailure | undefined} */
  failure;
  #watching = new AbortController();
  #readings = 0;
  #latest;
  #followed = new Map();
  /** The calls of the user that another person has decided about, with their conversations. */
  #decided = new Map();

  /** @param {ReturnType<import('./agent-request.js').requester>} request */
  constructor(request) {
    super();
    this.request = request;
  }

  /** Reads now, once a minute while the page is visible, and when it becomes visible. */
  watch(page = globalThis.document) {
    this.#watching.abort();
    this.#watching = new AbortController();
    return whileVisible(() => this.refresh(), this.#watching.signal, page);
  }

  leave() {
    this.#watching.abort();
    Object.assign(this, { asked: [], prepared: [], raises: [], own: [], failure: undefined });
    this.#followed.clear();
    this.#decided.clear();
    this.#notify();
  }

  /** What the user decides here. */
  get deciding() {
    return [...this.asked, ...this.raises, ...this.prepared];
  }

  /** Reads again. A response has no effect if another reading has begun meanwhile, whose end is waited for instead. */
  refresh() {
    this.#latest = this.#read(this.#readings += 1);
    return this.#latest;
  }

  async #read(reading) {
    const { signal } = this.#watching;
    const known = [...this.own.filter(({ expires_at: end }) => Date.parse(end) > Date.now()), ...this.#followed.values()];
    let read;
    try {
      read = { failure: undefined, ...(await this.request('GET', '/approvals')) };
    } catch (failure) {
      read = failure.status === 404 ? { asked: [], own: [], failure: undefined } : { failure }; // an agent that keeps nothing asks nothing
    }
    if (signal.aborted) return undefined;
    if (reading !== this.#readings) return this.#latest;
    Object.assign(this, read);
    const open = new Set(this.own.map(({ id }) => id));
    for (const { id, approvers, thread_id: thread } of read.failure ? [] : known) if (approvers && !open.has(id)) this.#decided.set(id, thread);
    this.#notify();
    return undefined;
  }

  /**
   * Decides about a call of another person, as it was asked, a limit, or a prepared run. Raises `AgentFailure`.
   *
   * @param {{decision: 'approve' | 'reject'}} decision
   */
  async decide({ id }, { decision }) {
    await this.request('POST', `/approvals/${id}`, JSON.stringify({ decision }));
    await this.refresh();
  }

  /** Whether another person has decided about a call of the user, which is shown: it was open before, and is not now. */
  isDecided(approval) {
    const { id, approvers } = approval;
    if (approvers && !this.#followed.has(id)) {
      this.#followed.set(id, approval);
      this.refresh();
    }
    return this.#decided.has(id);
  }

  /** Whether a conversation waits for another person (`open`), or went on waiting after they have `decided`. */
  ofAnother(thread) {
    if (this.own.some(({ thread_id: id, approvers }) => id === thread && approvers)) return 'open';
    return [...this.#decided.values()].includes(thread) ? 'decided' : undefined;
  }

  #notify() {
    this.dispatchEvent(new Event('change'));
  }
}
