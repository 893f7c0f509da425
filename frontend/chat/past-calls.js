/** The calls that the agent made for the user over all conversations (`/calls`), page by page, and as a table for other programs. */

/** Pages that an export reads at most. */
const MOST_PAGES = 200;

export class PastCalls {
  /** The calls that were read, the newest first. @type {object[]} */
  calls = [];
  #next;
  #begun = false;

  /** @param {ReturnType<import('./agent-request.js').requester>} request */
  constructor(request) {
    this.request = request;
  }

  /** Whether there are calls that were not read yet. */
  get more() {
    return !this.#begun || this.#next !== null;
  }

  /** Reads a page. Raises `AgentFailure`. */
  async read() {
    const query = this.#next ? `?before=${encodeURIComponent(this.#next)}` : '';
    const { calls, next } = await this.request('GET', `/calls${query}`);
    this.#begun = true;
    this.#next = next;
    const known = new Set(this.calls.map(keyOf));
    this.calls = [...this.calls, ...calls.filter((call) => !known.has(keyOf(call)))].sort((one, other) => Date.parse(other.at) - Date.parse(one.at));
  }

  /** Reads what is left. Raises `AgentFailure`. */
  async readAll() {
    for (let page = 0; this.more && page < MOST_PAGES; page += 1) await this.read();
  }
}

const keyOf = ({ thread_id: thread, call_id: call }) => `${thread} ${call}`;

/** Calls by the day of this computer, in their order. @returns {{day: number, calls: object[]}[]} `day`: a moment of it */
export function byDay(calls) {
  const days = new Map();
  for (const call of calls) {
    const moment = Date.parse(call.at);
    const name = new Date(moment).toDateString();
    if (!days.has(name)) days.set(name, { day: moment, calls: [] });
    days.get(name).calls.push(call);
  }
  return [...days.values()];
}

/**
 * A table as CSV (RFC 4180), which spreadsheets open: a cell that they would take for a formula begins with an apostrophe.
 *
 * @param {string[][]} rows
 */
export function csv(rows) {
  const cell = (text) => `"${text.replace(/(^|[;\t\r\n])(\s*[=+\-@＝＋－＠])/g, "$1'$2").replaceAll('"', '""')}"`;
  return `\u{feff}${rows.map((row) => row.map((text) => cell(String(text ?? ''))).join(',')).join('\r\n')}\r\n`;
}
