/**
 * Keeps the conversation over a reload and a new sign-in, for the person whose it is: in this tab (sessionStorage) and,
 * if a database is given, in this browser. The tab's copy comes first, so that two tabs do not mix.
 *
 * What cannot be kept is not kept: a chat never fails for that.
 */

import { endAnswer } from './conversation.js';

const KEY = 'idaas-agent.api.messages';
const FORGET_MS = 1000;

export class KeptConversation {
  /**
   * @param {Storage | undefined} tab sessionStorage; `undefined` keeps nothing in the tab
   * @param {import('./conversation-database.js').ConversationDatabase} [database]
   */
  constructor(tab, database) {
    this.tab = tab;
    this.database = database;
  }

  /** @param {string | undefined} person `Session.person`; nothing is kept of somebody who is not known */
  async keep(person, turns) {
    if (person === undefined) return;
    try {
      this.tab?.setItem(KEY, JSON.stringify({ person, turns }));
    } catch {
      this.tab.removeItem(KEY); // over the browser's quota: rather nothing than an old state
    }
    await this.database?.write(person, turns).catch(() => this.database.remove(person)).catch(() => {});
  }

  /** The turns of `person`. What the tab has of another person is forgotten, not returned. */
  async restore(person) {
    if (person !== undefined) {
      const turns = ended(this.#inTab(person)) ?? ended(await this.database?.read(person).catch(() => undefined));
      if (turns) return turns;
    }
    this.tab?.removeItem(KEY);
    return [];
  }

  /** Forgets what the tab has, and what the browser has of `person`. Does not wait longer than a second for the latter. */
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

/** Turns as they were kept: an answer that streamed then has stopped since. `undefined` if they cannot be read. */
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
