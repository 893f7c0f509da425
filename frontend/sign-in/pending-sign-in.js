/**
 * The values that this tab stores between the request to IDaaS and the response: `state`, `nonce`, the PKCE verifier.
 *
 * They are in sessionStorage, which other tabs cannot read, and can be taken only once, so a response cannot be replayed.
 */

const KEY = 'idaas-agent.pending-sign-in';
const LIFETIME_MS = 10 * 60 * 1000;

export class PendingSignIn {
  constructor(storage, now = Date.now) {
    this.storage = storage;
    this.now = now;
  }

  remember(pending) {
    this.storage.setItem(KEY, JSON.stringify({ ...pending, since: this.now() }));
  }

  /** Removes and returns it; `undefined` if there is none, or it is older than ten minutes. */
  take() {
    const kept = this.storage.getItem(KEY);
    this.storage.removeItem(KEY);
    if (kept === null) return undefined;
    try {
      const pending = JSON.parse(kept);
      const age = this.now() - pending.since;
      return age >= 0 && age < LIFETIME_MS ? pending : undefined;
    } catch {
      return undefined;
    }
  }
}
