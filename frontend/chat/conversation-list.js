/**
 * The list of the user's conversations, the last changed first: a page, and more on demand. A `change` event follows each
 * change of the list, and `changed` a change that this tab made; `available` is false for an agent that keeps no
 * conversations, and until the first answer.
 */

import { whileVisible } from './while-visible.js';

const PAGE = 50;
/** The agent's limit. */
const LONGEST_PAGE = 200;

export class ConversationList extends EventTarget {
  available = false;
  search = '';
  /** What `undo` restores. @type {{id: string, title: string | null} | undefined} */
  deleted;
  #next;
  #watching = new AbortController();
  #readings = 0;
  #searching = new AbortController();

  /** @param {import('./threads.js').Threads} threads */
  constructor(threads) {
    super();
    this.threads = threads;
    this.shown = [];
  }

  /** Those that wait for the user first. */
  get inOrder() {
    const waits = ({ pending_approvals: count }) => count > 0;
    return [...this.shown.filter(waits), ...this.shown.filter((each) => !waits(each))];
  }

  /** Whether there are conversations after those that are shown. */
  get more() {
    return this.#next !== undefined;
  }

  /** Reads the list now, once a minute while the page is visible, and when it becomes visible. */
  watch(page = globalThis.document) {
    this.#watching.abort();
    this.#watching = new AbortController();
    return whileVisible(() => this.refresh(), this.#watching.signal, page);
  }

  leave() {
    this.#watching.abort();
    Object.assign(this, { available: false, shown: [], search: '', deleted: undefined });
    this.#next = undefined;
    this.#notify('change');
  }

  /**
   * Reads the list again. A failure leaves it as it is: the next question shows what is wrong. A response has no effect if
   * another reading has begun meanwhile, because it may be outdated.
   */
  async refresh() {
    const reading = this.#readings += 1;
    const limit = Math.min(Math.max(this.shown.length, PAGE), LONGEST_PAGE);
    await this.#read({ limit }, () => reading === this.#readings, (found) => this.#replaceFirst(found));
  }

  /** Adds the next page. */
  async showMore() {
    const { search } = this;
    const before = this.#next;
    await this.#read({ limit: PAGE, before }, () => search === this.search && before === this.#next, ({ threads, next }) => {
      const known = new Set(this.shown.map(({ id }) => id));
      this.shown = [...this.shown, ...threads.filter(({ id }) => !known.has(id))];
      this.#next = next ?? undefined;
    });
  }

  /** Searches all conversations, shown or not, by what was written in them. Ends the search before. */
  async find(text) {
    this.search = text;
    this.#searching.abort();
    this.#searching = new AbortController();
    const reading = this.#readings += 1;
    await this.#read({ limit: PAGE, signal: this.#searching.signal }, () => reading === this.#readings, ({ threads, next }) => {
      this.shown = threads;
      this.#next = next ?? undefined;
    });
  }

  /** The new title is shown at once. If it is refused, `refresh` shows the former one. */
  async rename(id, title) {
    this.shown = this.shown.map((each) => (each.id === id ? { ...each, title } : each));
    this.#notify('change');
    await this.threads.rename(id, title);
    await this.#changeMade();
  }

  async remove(id) {
    const { title } = this.shown.find((each) => each.id === id) ?? { title: null };
    await this.threads.remove(id);
    this.deleted = { id, title };
    this.shown = this.shown.filter((each) => each.id !== id);
    await this.#changeMade();
  }

  /** Restores the conversation that was deleted last, and returns its id. */
  async undo() {
    const { id } = this.deleted;
    await this.threads.restore(id);
    this.deleted = undefined;
    await this.#changeMade();
    return id;
  }

  async #read(page, isCurrent, take) {
    const { signal } = this.#watching;
    try {
      const found = await this.threads.list({ search: this.search, ...page });
      if (signal.aborted || !isCurrent()) return;
      this.available = found !== undefined;
      take(found ?? { threads: [], next: null });
      this.#notify('change');
    } catch { /* as `refresh` describes */ }
  }

  /** The first conversations anew. Those after them stay. */
  #replaceFirst({ threads, next }) {
    const found = new Set(threads.map(({ id }) => id));
    const last = threads.at(-1)?.updated_at;
    const after = next === null ? [] : this.shown.filter(({ id, updated_at: changed }) => !found.has(id) && changed < last);
    this.shown = [...threads, ...after];
    if (after.length === 0) this.#next = next ?? undefined;
  }

  #changeMade() {
    this.#notify('changed');
    return this.refresh();
  }

  #notify(type) {
    this.dispatchEvent(new Event(type));
  }
}
