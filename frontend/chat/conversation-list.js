/**
 * The list of the user's conversations. A `change` event follows each change; `available` is false for an agent that keeps
 * no conversations, and until the first answer.
 */

const REFRESH_MS = 10_000;

export class ConversationList extends EventTarget {
  available = false;
  search = '';
  /** What `undo` restores. @type {{id: string, title: string | null} | undefined} */
  deleted;
  #timer;

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

  /** Reads the list now and again while the page is visible. */
  watch() {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => { if (document.visibilityState === 'visible') this.refresh(); }, REFRESH_MS);
    return this.refresh();
  }

  leave() {
    clearInterval(this.#timer);
    Object.assign(this, { available: false, shown: [], search: '', deleted: undefined });
    this.#changed();
  }

  /** Reads the list again. A failure leaves it as it is: the next question shows what is wrong. */
  async refresh() {
    const { search } = this;
    try {
      const found = await this.threads.list(search);
      if (search !== this.search) return;
      this.available = found !== undefined;
      this.shown = found ?? [];
      this.#changed();
    } catch { /* as described */ }
  }

  find(text) {
    this.search = text;
    return this.refresh();
  }

  async rename(id, title) {
    if (title.trim() !== '') await this.threads.rename(id, title.trim());
    await this.refresh();
  }

  async remove(id) {
    const { title } = this.shown.find((each) => each.id === id) ?? { title: null };
    await this.threads.remove(id);
    this.deleted = { id, title };
    await this.refresh();
  }

  /** Restores the conversation that was deleted last, and returns its id. */
  async undo() {
    const { id } = this.deleted;
    await this.threads.restore(id);
    this.deleted = undefined;
    await this.refresh();
    return id;
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
