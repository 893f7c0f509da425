/**
 * Stores the conversation of a user across a reload and a new sign-in: in this tab (sessionStorage) and, with a database,
 * in this browser. The tab's copy has priority, so that two tabs do not mix.
 *
 * Storage is best effort: a failure to store never fails the chat.
 */

import { endAnswer } from './conversation.js';

const KEY = 'idaas-agent.api.messages';
const FORGET_MS = 1000;

export class KeptConversation {
  /**
   * @param {Storage | undefined} tab sessionStorage; `undefined`: nothing is stored in the tab
   * @param {import('./conversation-database.js').ConversationDatabase} [database]
   */
  constructor(tab, database) {
    this.tab = tab;
    this.database = database;
  }

  /** @param {string | undefined} person `Session.person`; without it nothing is stored */
  async keep(person, turns) {
    if (person === undefined) return;
    try {
      this.tab?.setItem(KEY, JSON.stringify({ person, turns }));
    } catch {
      this.tab.removeItem(KEY); // over the browser's quota: no copy is better than an outdated one
    }
    await this.database?.write(person, turns).catch(() => this.database.remove(person)).catch(() => {});
  }

  /** The turns of `person`. Another user's turns in the tab are removed, not returned. */
  async restore(person) {
    if (person !== undefined) {
      const turns = ended(this.#inTab(person)) ?? ended(await this.database?.read(person).catch(() => undefined));
      if (turns) return turns;
    }
    this.tab?.removeItem(KEY);
    return [];
  }

  /** Removes the tab's turns, and the browser's turns of `person`. Waits for the latter for at most a second. */
  async forget(person) {
    this.tab?.removeItem(KEY);
    if (person === undefined || !this.database) return;
    const late = new Promise((resolve) => { setTimeout(resolve, FORGET_MS); });
    await Promise.race([this.database.remove(person).catch(() => {}), late]);
  }

  #inTab(person) {
    try {
      const kept = JSON.parse(this.tab?.getItem(KEY) ?? 'null');
      return kept?.person === person ? kept.turns : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Stored turns, with an interrupted answer marked as stopped. `undefined` if they cannot be read. */
function ended(turns) {
  try {
    for (const { answer } of turns) {
      if (answer.status === 'streaming') endAnswer(answer, 'stopped');
    }
    return turns;
  } catch {
    return undefined;
  }
}
