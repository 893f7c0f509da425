/**
 * Renews the sign-in shortly before the access token expires, without the user: with a refresh token if IDaaS issued one
 * (RFC 6749, section 6), otherwise in a hidden frame, if IDaaS still has a session for the browser.
 *
 * A failed renewal is not repeated for the same token: the user renews with the button.
 */

import { authorizationRequest } from './authorization-request.js';
import { tokenFromRefreshToken } from './code-grant.js';
import { newSession } from './session.js';
import { completeSignIn } from './sign-in.js';

/** Seconds before the expiry at which renewal begins. */
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

  /** Whether `session` is being renewed, or will be before it expires. */
  expected(session) {
    const { silentRenewal } = this.configuration;
    const way = session.refreshToken !== undefined || this.#canUseFrame(session);
    return silentRenewal && way && session.expiresAt !== undefined && session.accessToken !== this.#failed;
  }

  /** Whether to call `renew` now. At most once a minute, for any token lifetime. */
  due(session, secondsLeft) {
    return secondsLeft <= RENEW_SECONDS && !this.#running && this.now() - this.#began >= PAUSE_MS && this.expected(session);
  }

  /** The session of the same user with a new access token; `undefined` if there is none. Never rejects. */
  async renew(session) {
    this.#running = true;
    this.#began = this.now();
    const renewed = (await this.#refreshed(session).catch(() => undefined)) ?? (await this.#fromFrame(session).catch(() => undefined));
    this.#running = false;
    if (!renewed) this.#failed = session.accessToken;
    return renewed;
  }

  /** A session of the user who has one at IDaaS; `undefined` without one, or if it cannot be asked for. Never rejects. */
  async begin() {
    if (!this.configuration.silentRenewal || this.answerInFrame === undefined) return undefined;
    return this.#inFrame().catch(() => undefined);
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
    const next = await this.#inFrame();
    return next?.person === session.person ? carriedOver(next, session) : undefined; // another user may have signed in at IDaaS
  }

  async #inFrame() {
    const { url, pending } = await authorizationRequest(this.configuration, { prompt: 'none' });
    const response = await this.answerInFrame(url);
    return response && completeSignIn(response, this.configuration, { take: () => pending }, this.fetch);
  }
}

/** A renewal may have no ID token; the name of the session is kept. */
function carriedOver(next, { person, subject, name }) {
  return { ...next, person, subject, name };
}
