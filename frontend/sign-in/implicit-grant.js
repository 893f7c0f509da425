/** The implicit grant (RFC 6749, section 4.2): the access token arrives in the fragment. */

import { SignInError } from './sign-in-error.js';

/**
 * The token of an answer that `checkAuthorizationResponse` has accepted.
 *
 * Not checked: the token itself. It is the agent's to verify; the page only carries it.
 *
 * @returns {{accessToken: string, expiresIn: number | undefined}} `expiresIn` in seconds
 * @throws {SignInError}
 */
export function tokenFromFragment({ parameters, inFragment }) {
  const accessToken = parameters.get('access_token');
  const tokenType = parameters.get('token_type');
  // A token in the query has been in logs on its way: only the fragment will do.
  if (!inFragment || !accessToken) throw new SignInError('response_malformed');
  if (tokenType !== null && tokenType.toLowerCase() !== 'bearer') throw new SignInError('response_malformed');
  const expiresIn = Number(parameters.get('expires_in') ?? NaN);
  return { accessToken, expiresIn: Number.isFinite(expiresIn) ? expiresIn : undefined };
}
