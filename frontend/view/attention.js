/**
 * Says that something waits for the user who looks elsewhere: in the title and the icon of the tab, and, where the user has
 * allowed it, by the browser. What a notification shows is no text of the conversation: others may see the screen.
 */

const ICON = 'icon.svg';
const WAITING_ICON = 'icon-waiting.svg';

/**
 * How many decisions wait for the user: about calls of others and prepared questions, and in their own conversations. What
 * waits for another person is not counted.
 *
 * @param {{chat: object, conversations: object, inbox: object}} app
 */
export function waitingCount({ chat, conversations, inbox }) {
  const here = chat.approvals.filter((approval) => !approval.approvers || inbox.isDecided(approval)).length;
  const listed = conversations.shown.filter(({ id }) => id !== chat.thread && inbox.ofAnother(id) !== 'open');
  const elsewhere = listed.reduce((sum, { pending_approvals: count }) => sum + count, 0);
  const shown = new Set([chat.thread, ...conversations.shown.map(({ id }) => id)]);
  const unlisted = inbox.own.filter(({ thread_id: thread, approvers }) => !approvers && !shown.has(thread)).length;
  return inbox.deciding.length + here + elsewhere + unlisted;
}

export class Attention {
  /** How many decisions wait for the user. */
  waiting = 0;
  #calls = 0;
  #busy = false;
  #running = new Set();

  /**
   * @param {import('../application.js').Application} app
   * @param {(count: number) => void} counted is called with the number of decisions that wait, after each change
   */
  constructor(app, counted) {
    Object.assign(this, { app, counted });
    const observe = () => this.#observe();
    for (const type of ['turns', 'answer']) app.chat.addEventListener(type, observe);
    app.conversations.addEventListener('change', observe);
    app.inbox.addEventListener('change', observe);
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#calls = 0;
      this.update();
    });
  }

  /** Whether the user can be asked for the permission to notify. */
  get canAsk() {
    return globalThis.Notification?.permission === 'default';
  }

  async ask() {
    await Notification.requestPermission();
  }

  /** The title: what waits, the conversation, the product. */
  update() {
    const { app } = this;
    const count = app.session ? this.waiting + this.#calls : 0;
    const title = app.session ? app.title : undefined;
    document.title = `${count > 0 ? `(${count}) ` : ''}${title ? `${title} · ` : ''}${app.name}`;
    document.querySelector('link[rel=icon]').href = count > 0 ? WAITING_ICON : ICON;
  }

  #observe() {
    const { chat, conversations } = this.app;
    const listed = conversations.shown.filter(({ id }) => id !== chat.thread);
    const waiting = waitingCount(this.app);
    const running = new Set(listed.filter(({ status }) => status === 'running').map(({ id }) => id));
    const ended = listed.some(({ id, status }) => this.#running.has(id) && status !== 'running' && status !== 'paused');
    const answered = ended || (this.#busy && !chat.busy && chat.approvals.length === 0);
    if (waiting > this.waiting) this.#call('attention.approval');
    else if (answered) this.#call('attention.answer', 1);
    this.waiting = waiting;
    this.counted(waiting);
    this.#busy = chat.busy;
    this.#running = running;
    this.update();
  }

  #call(text, count = 0) {
    if (document.visibilityState === 'visible') return;
    this.#calls += count;
    if (globalThis.Notification?.permission !== 'granted') return;
    const notification = new Notification(this.app.name, { body: this.app.language.text(text), tag: text, icon: ICON });
    notification.addEventListener('click', () => {
      window.focus();
      notification.close();
    });
  }
}
