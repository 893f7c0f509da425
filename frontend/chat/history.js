/**
 * The turns of a conversation that the agent keeps: the newest first, and earlier ones when the user asks for them.
 *
 * The agent's pages have a number of messages, so one may begin in the middle of a turn. Only whole turns are shown.
 */

import { turnsOf } from './conversation.js';

export class History {
  #cut;
  #next;
  #reading;

  /**
   * @param {{messages: object[], next: number | null, approvals?: object[]}} page the newest messages
   * @param {(before: number) => Promise<{messages: object[], next: number | null}>} read the page before a cursor
   */
  constructor({ messages, next, approvals }, read) {
    this.read = read;
    this.turns = this.#whole(messages, approvals);
    this.#next = next ?? undefined;
  }

  /** Whether there are turns before those that were read. */
  get more() {
    return this.#next !== undefined;
  }

  /** Reads the turns before: one at least, unless there are no more. Calls meanwhile have the same result. */
  earlier() {
    this.#reading ??= this.#readEarlier().finally(() => { this.#reading = undefined; });
    return this.#reading;
  }

  async #readEarlier() {
    let turns = [];
    while (turns.length === 0 && this.more) {
      const { messages, next } = await this.read(this.#next);
      turns = this.#whole([...messages, ...this.#cut]);
      this.#next = next ?? undefined;
    }
    return turns;
  }

  #whole(messages, approvals) {
    const first = messages.findIndex(({ role }) => role === 'user');
    const begin = first === -1 ? messages.length : first;
    this.#cut = messages.slice(0, begin);
    return turnsOf(messages.slice(begin), approvals);
  }
}
