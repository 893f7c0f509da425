/** Keeps the conversation over a reload and a new sign-in: for this tab, and for the person whose it is. */

import { endAnswer } from './conversation.js';

const KEY = 'idaas-agent.conversation';

export class KeptConversation {
  /** @param {Storage} storage sessionStorage */
  constructor(storage) {
    this.storage = storage;
  }

  keep(subject, turns) {
    try {
      this.storage.setItem(KEY, JSON.stringify({ subject, turns }));
    } catch {
      this.forget(); // over the browser's quota: rather nothing than an old state
    }
  }

  /** The turns of `subject`. Another person's conversation is forgotten, not returned. */
  restore(subject) {
    try {
      const kept = JSON.parse(this.storage.getItem(KEY) ?? 'null');
      if (kept && kept.subject === subject && Array.isArray(kept.turns)) {
        for (const { answer } of kept.turns) {
          if (answer.status === 'streaming') endAnswer(answer, 'stopped');
        }
        return kept.turns;
      }
    } catch { /* unreadable: below */ }
    this.forget();
    return [];
  }

  forget() {
    this.storage.removeItem(KEY);
  }
}
