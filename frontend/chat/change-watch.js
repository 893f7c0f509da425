/**
 * Notices that another tab or device has changed the conversation that is shown here, by the list of conversations, which
 * is read again and again.
 */

export class ChangeWatch {
  #seen;
  #changedHere = false;

  /**
   * @param {import('./chat.js').Chat} chat
   * @param {import('./conversation-list.js').ConversationList} conversations
   * @param {(id: string) => unknown} open shows a conversation as it is now
   */
  constructor(chat, conversations, open) {
    Object.assign(this, { chat, conversations, open });
    conversations.addEventListener('change', () => this.#compare());
  }

  /** A conversation was read: only what is changed later is news. */
  seen({ id, updated_at: updatedAt }) {
    this.#seen = { id, updated_at: updatedAt };
  }

  /** This tab has changed the conversation: the next state of the list is no news. */
  changedHere() {
    this.#changedHere = true;
  }

  #compare() {
    const { chat, conversations } = this;
    const listed = conversations.shown.find(({ id }) => id === chat.thread);
    const seen = this.#seen?.id === chat.thread ? this.#seen : undefined;
    const hidden = !listed && conversations.search !== ''; // perhaps: the search shows others
    const changedHere = chat.busy || this.#changedHere;
    this.#changedHere = chat.busy;
    this.#seen = listed ?? (hidden ? seen : undefined);
    if (!seen || chat.busy || chat.stopping || chat.editing) return;
    const changed = !listed || (seen.updated_at !== listed.updated_at && !changedHere) || isBehind(chat, listed);
    if (changed) this.open(chat.thread);
  }
}

function isBehind({ approvals }, { status, pending_approvals: waiting }) {
  return status === 'running' || (waiting > 0) !== (approvals.length > 0);
}
