/** Sign-in and sign-out at IDaaS, and the resulting session. */

import { authorizationRequest } from './authorization-request.js';
import { checkAuthorizationResponse } from './authorization-response.js';
import { tokenFromCode } from './code-grant.js';
import { tokenFromFragment } from './implicit-grant.js';
import { newSession } from './session.js';
import { SignInError } from './sign-in-error.js';

/** Navigates to IDaaS. The history entry is replaced, so that "back" does not return to a used response. */
export async function beginSignIn(configuration, pendingSignIn, location) {
  if (configuration.responseType === 'code' && !globalThis.crypto?.subtle) throw new SignInError('insecure_context');
  const { url, pending } = await authorizationRequest(configuration);
  pendingSignIn.remember(pending);
  location.replace(url);
}

/**
 * The new session for a response from `takeAuthorizationResponse`.
 *
 * @throws {SignInError} if the response is refused; nothing of it is stored
 */
export async function completeSignIn(response, configuration, pendingSignIn, fetch = globalThis.fetch) {
  const pending = pendingSignIn.take();
  checkAuthorizationResponse(response, pending, configuration);
  const token = configuration.responseType === 'code'
    ? await tokenFromCode(response, pending, configuration, fetch)
    : tokenFromFragment(response, pending, configuration);
  return newSession(token);
}

/** The URL that ends the session at IDaaS and redirects back here. */
export function logoutUrl(configuration) {
  const url = new URL(configuration.logoutEndpoint);
  url.searchParams.set('client_id', configuration.clientId);
  url.searchParams.set('post_logout_redirect_uri', configuration.redirectUri);
  return url.href;
}
