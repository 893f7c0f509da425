/**
 * The signed-in user of this tab, and the access token that the page sends to the agent.
 *
 * The token is kept in memory, and, with `TOKEN_STORAGE: 'session'`, in sessionStorage, so that it survives a reload;
 * never in localStorage, which every tab and every later visit can read. A refresh token, which lives longer, is kept
 * only in memory.
 */

import { SignInError } from './sign-in-error.js';

const KEY = 'idaas-agent.session';

/**
 * @typedef {object} Session
 * @property {string} accessToken
 * @property {string} subject `sub`, for display
 * @property {string | undefined} person issuer and subject, the key of the user's conversation; `undefined` if unknown
 * @property {string} name the name to show
 * @property {number | undefined} expiresAt milliseconds since 1970
 * @property {string | undefined} refreshToken
 */

/**
 * @param {{accessToken: string, expiresIn?: number, identity?: object, refreshToken?: string}} token `identity`: the claims of an ID token
 * @returns {Session}
 * @throws {SignInError} the ID token and the access token have different subjects
 */
export function newSession({ accessToken, expiresIn, identity, refreshToken }, now = Date.now()) {
  const claims = unverifiedClaims(accessToken);
  if (identity && typeof claims.sub === 'string' && claims.sub !== identity.sub) throw new SignInError('id_token_invalid');
  const { sub, iss, name, preferred_username: userName, username } = { ...claims, ...identity };
  const subject = typeof sub === 'string' ? sub : '';
  const named = [name, userName, username].find((candidate) => typeof candidate === 'string' && candidate);
  const expiresAt = typeof claims.exp === 'number' ? claims.exp * 1000 : undefined;
  return {
    accessToken,
    refreshToken,
    subject,
    person: subject === '' ? undefined : JSON.stringify([typeof iss === 'string' ? iss : '', subject]),
    name: named ?? subject,
    expiresAt: expiresIn === undefined ? expiresAt : Math.min(now + expiresIn * 1000, expiresAt ?? Infinity),
  };
}

/** The claims of a JWT **without any check**: for display only. An opaque token has none. */
export function unverifiedClaims(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === 'object' && claims !== null ? claims : {};
  } catch {
    return {};
  }
}

export class SessionStore {
  /** @param {Storage | undefined} storage sessionStorage; `undefined` keeps the session only in memory */
  constructor(storage, now = Date.now) {
    this.storage = storage;
    this.now = now;
    this.session = undefined;
  }

  /** Whether there was a session before a reload, expired or not. */
  kept() {
    return this.storage?.getItem(KEY) != null;
  }

  /** The session from before a reload, unless it has expired. */
  restore() {
    try {
      const kept = JSON.parse(this.storage?.getItem(KEY) ?? 'null');
      if (kept && typeof kept.accessToken === 'string') this.session = kept;
    } catch {
      this.clear();
    }
    if (this.session && this.secondsLeft() <= 0) this.clear();
    return this.session;
  }

  keep(session) {
    this.session = session;
    this.storage?.setItem(KEY, JSON.stringify({ ...session, refreshToken: undefined }));
  }

  clear() {
    this.session = undefined;
    this.storage?.removeItem(KEY);
  }

  /** Whole seconds until the token expires; `Infinity` if unknown. */
  secondsLeft() {
    if (!this.session) return 0;
    const { expiresAt } = this.session;
    return expiresAt === undefined ? Infinity : Math.ceil((expiresAt - this.now()) / 1000);
  }
}
