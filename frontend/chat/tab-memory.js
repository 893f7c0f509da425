/** What this tab keeps for a user until it is closed, and gives back to the same user only. */

export class TabMemory {
  /** @param {Storage} tab sessionStorage */
  constructor(tab, key) {
    Object.assign(this, { tab, key });
  }

  /** Keeps nothing of an unknown user. */
  keep(person, value) {
    if (person === undefined) return;
    try {
      this.tab.setItem(this.key, JSON.stringify({ person, value }));
    } catch { /* over the browser's quota: what was kept before stays */ }
  }

  /** What was kept for `person`; `undefined` if there is nothing. */
  of(person) {
    const kept = JSON.parse(this.tab.getItem(this.key) ?? 'null');
    return kept?.person === person ? kept?.value : undefined;
  }

  forget() {
    this.tab.removeItem(this.key);
  }
}
