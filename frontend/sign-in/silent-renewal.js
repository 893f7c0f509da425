/**
 * Renews the sign-in shortly before the access token expires, without the person: with a refresh token where IDaaS gave
 * one (RFC 6749, section 6), else in a hidden frame, where IDaaS still knows the browser.
 *
 * A token that could not be renewed is not tried again: then the person renews by the button.
 */

import { authorizationRequest } from './authorization-request.js';
import { tokenFromRefreshToken } from './code-grant.js';
import { newSession } from './session.js';
import { completeSignIn } from './sign-in.js';

/** Seconds before the end at which renewal begins. */
export const RENEW_SECONDS = 180;
const PAUSE_MS = 60_000;

export class SilentRenewal {
  #failed;
  #began = -Infinity;
  #running = false;

  /**
   * @param {ReturnType<import('../configuration.js').readConfiguration>} configuration
   * @param {object} surroundings
   * @param {((url: string) => Promise<object | undefined>) | undefined} surroundings.answerInFrame
   */
  constructor(configuration, { answerInFrame, fetch = globalThis.fetch, now = Date.now }) {
    Object.assign(this, { configuration, answerInFrame, fetch, now });
  }

  /** Whether `session` is being renewed, or will be once it is near its end. */
  expected(session) {
    const { silentRenewal } = this.configuration;
    const way = session.refreshToken !== undefined || this.#canUseFrame(session);
    return silentRenewal && way && session.expiresAt !== undefined && session.accessToken !== this.#failed;
  }

  /** Whether to call `renew` now. At most once in a minute, however short tokens live. */
  due(session, secondsLeft) {
    return secondsLeft <= RENEW_SECONDS && !this.#running && this.now() - this.#began >= PAUSE_MS && this.expected(session);
  }

  /** The session of the same person with a new access token; `undefined` if there is none. Rejects never. */
  async renew(session) {
    this.#running = true;
    this.#began = this.now();
    const renewed = (await this.#refreshed(session).catch(() => undefined)) ?? (await this.#fromFrame(session).catch(() => undefined));
    this.#running = false;
    if (!renewed) this.#failed = session.accessToken;
    return renewed;
  }

  #canUseFrame({ person }) {
    return this.answerInFrame !== undefined && person !== undefined;
  }

  async #refreshed(session) {
    if (session.refreshToken === undefined) return undefined;
    const token = await tokenFromRefreshToken(session.refreshToken, this.configuration, this.fetch);
    const next = newSession({ refreshToken: session.refreshToken, ...token }, this.now());
    return next.subject === '' || next.subject === session.subject ? carriedOver(next, session) : undefined;
  }

  async #fromFrame(session) {
    if (!this.#canUseFrame(session)) return undefined;
    const { url, pending } = await authorizationRequest(this.configuration, { prompt: 'none' });
    const response = await this.answerInFrame(url);
    if (!response) return undefined;
    const next = await completeSignIn(response, this.configuration, { take: () => pending }, this.fetch);
    return next.person === session.person ? carriedOver(next, session) : undefined; // somebody else may have signed in at IDaaS
  }
}

/** A renewal can come without the ID token that named the person. */
function carriedOver(next, { person, subject, name }) {
  return { ...next, person, subject, name };
}
