/** Which conversation this tab showed last, and to whom: a reload shows it again, to the same user only. */

const KEY = 'idaas-agent.thread';

export class LastThread {
  /** @param {Storage} tab sessionStorage */
  constructor(tab) {
    this.tab = tab;
  }

  keep(person, thread) {
    this.tab.setItem(KEY, JSON.stringify({ person, thread }));
  }

  /** The conversation of `person`; `undefined` if there is none, or the user is unknown. */
  of(person) {
    const last = JSON.parse(this.tab.getItem(KEY) ?? 'null');
    return last?.person === person && person !== undefined ? last.thread : undefined;
  }

  forget() {
    this.tab.removeItem(KEY);
  }
}
