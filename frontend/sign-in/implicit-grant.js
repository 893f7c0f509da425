/** The implicit grant (RFC 6749, section 4.2): the access token arrives in the fragment. */

import { idTokenClaims } from './id-token.js';
import { SignInError } from './sign-in-error.js';

/**
 * The token of a response that `checkAuthorizationResponse` has accepted.
 *
 * Not checked: the token itself, which the agent verifies.
 *
 * @returns {{accessToken: string, expiresIn: number | undefined, identity: object | undefined}} `expiresIn` in seconds;
 *   `identity` are the ID token's claims, if one was requested
 * @throws {SignInError}
 */
export function tokenFromFragment({ parameters, inFragment }, pending, configuration) {
  const accessToken = parameters.get('access_token');
  const tokenType = parameters.get('token_type');
  // A token in the query appears in logs: only the fragment is accepted.
  if (!inFragment || !accessToken) throw new SignInError('response_malformed');
  if (tokenType !== null && tokenType.toLowerCase() !== 'bearer') throw new SignInError('response_malformed');
  const expiresIn = Number(parameters.get('expires_in') ?? NaN);
  const identity = pending.nonce === undefined ? undefined : idTokenClaims(parameters.get('id_token'), pending, configuration);
  return { accessToken, expiresIn: Number.isFinite(expiresIn) ? expiresIn : undefined, identity };
}
