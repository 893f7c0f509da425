/** What the user has written and not sent, in each conversation, as long as the tab is open. To the same user only. */

const KEY = 'idaas-agent.drafts';

export class Drafts {
  /** @param {Storage} tab sessionStorage */
  constructor(tab) {
    this.tab = tab;
  }

  keep(person, conversation, text) {
    const drafts = this.#of(person);
    if (text === '') delete drafts[conversation];
    else drafts[conversation] = text;
    try {
      this.tab.setItem(KEY, JSON.stringify({ person, drafts }));
    } catch { /* over the browser's quota: the draft is in the field only */ }
  }

  of(person, conversation) {
    return this.#of(person)[conversation] ?? '';
  }

  forget() {
    this.tab.removeItem(KEY);
  }

  #of(person) {
    const kept = JSON.parse(this.tab.getItem(KEY) ?? 'null');
    return kept?.person === person ? kept.drafts : {};
  }
}
