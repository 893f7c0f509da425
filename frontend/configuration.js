/**
 * Reads `window.APP_CONFIG` (see config.js) into the values that the page uses, or reports its faults.
 *
 * All faults are reported at once, each with its key. URLs must be https, except to loopback addresses.
 */

import { readAppearance } from './appearance.js';
import { LANGUAGES } from './language/language.js';
import { asksForIdToken } from './sign-in/authorization-request.js';

const REQUIRED = ['API_URL', 'IDAAS_AUTHORIZE_ENDPOINT', 'IDAAS_LOGOUT_ENDPOINT', 'CLIENT_ID', 'SCOPE'];
const CHOICES = {
  RESPONSE_TYPE: ['token', 'code'],
  TOKEN_STORAGE: ['session', 'memory'],
  CONVERSATION_STORAGE: ['session', 'memory', 'indexeddb'],
  SILENT_RENEWAL: ['on', 'off'],
  LANGUAGE: Object.keys(LANGUAGES),
};
const URLS = ['API_URL', 'IDAAS_AUTHORIZE_ENDPOINT', 'IDAAS_LOGOUT_ENDPOINT', 'TOKEN_ENDPOINT', 'ISSUER', 'REDIRECT_URI'];
const CHAT_ROUTE = /\/openai\/v1(\/chat\/completions)?$/;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

export class ConfigurationError extends Error {
  /** @param {{key: string, reason: string}[]} faults `reason` is a message key below `configuration.reason` */
  constructor(faults) {
    super(faults.map(({ key, reason }) => `${key}: ${reason}`).join('; '));
    this.name = 'ConfigurationError';
    this.faults = faults;
  }
}

/**
 * @param {Record<string, unknown> | undefined} appConfig
 * @param {URL | Location} page address of the page, the default redirect URI
 * @throws {ConfigurationError}
 */
export function readConfiguration(appConfig, page) {
  if (typeof appConfig !== 'object' || appConfig === null) {
    throw new ConfigurationError([{ key: 'APP_CONFIG', reason: 'missing' }]);
  }
  const faults = [];
  const text = (key) => (typeof appConfig[key] === 'string' ? appConfig[key].trim() : '');
  const fault = (key, reason) => faults.push({ key, reason });

  for (const key of REQUIRED) {
    if (text(key) === '') fault(key, 'missing');
    else if (/\{host\}|…/.test(text(key))) fault(key, 'placeholder');
  }
  for (const [key, choices] of Object.entries(CHOICES)) {
    if (text(key) !== '' && !choices.includes(text(key))) fault(key, 'choice');
  }
  for (const key of URLS) {
    const named = faults.some((found) => found.key === key);
    const reason = text(key) === '' || named ? undefined : urlFault(text(key));
    if (reason) fault(key, reason);
  }
  const responseType = text('RESPONSE_TYPE') || 'token';
  if (responseType === 'code' && text('TOKEN_ENDPOINT') === '' && text('ISSUER') === '') {
    fault('TOKEN_ENDPOINT', 'missing_for_code');
  } else if (responseType === 'code' && text('ISSUER') === '' && asksForIdToken({ scope: text('SCOPE') })) {
    fault('ISSUER', 'missing_for_openid'); // the ID token's `iss` must equal it
  }
  const appearance = readAppearance(appConfig, page, fault);
  if (faults.length > 0) throw new ConfigurationError(faults);

  return Object.freeze({
    agentUrl: agentUrl(text('API_URL')),
    authorizeEndpoint: text('IDAAS_AUTHORIZE_ENDPOINT'),
    logoutEndpoint: text('IDAAS_LOGOUT_ENDPOINT'),
    clientId: text('CLIENT_ID'),
    scope: text('SCOPE'),
    responseType,
    tokenEndpoint: text('TOKEN_ENDPOINT') || undefined,
    issuer: text('ISSUER') || undefined,
    redirectUri: text('REDIRECT_URI') || pageAddress(page),
    tokenStorage: text('TOKEN_STORAGE') || 'session',
    conversationStorage: text('CONVERSATION_STORAGE') || 'session',
    language: text('LANGUAGE') || undefined,
    silentRenewal: text('SILENT_RENEWAL') !== 'off',
    ...appearance,
  });
}

/** Whether http may be used: RFC 8252, section 8.3. */
export function isLoopback(url) {
  return LOOPBACK.includes(new URL(url).hostname);
}

function urlFault(value) {
  let url;
  try {
    url = new URL(value);
  } catch {
    return 'url';
  }
  if (url.protocol === 'https:') return undefined;
  return url.protocol === 'http:' && isLoopback(value) ? undefined : 'insecure';
}

/** The agent's base URL without a slash at its end; `API_URL` is this URL, or that of its OpenAI route. */
function agentUrl(apiUrl) {
  const url = new URL(apiUrl);
  url.pathname = url.pathname.replace(/\/+$/, '').replace(CHAT_ROUTE, '');
  return url.href.replace(/\/$/, '');
}

/** The page's address as a redirect URI: without query, fragment and the name of the index file. */
function pageAddress(page) {
  return page.origin + page.pathname.replace(/index\.html$/, '');
}
