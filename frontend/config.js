/**
 * Configuration of the page: the one file that you edit. Everything in it is public.
 *
 * `idaas-agent up` serves its own values for the sandbox at /config.js and leaves this file unchanged.
 */
window.APP_CONFIG = {
  // The agent: its base URL, or the whole URL of its OpenAI route (…/openai/v1/chat/completions).
  API_URL: 'http://localhost:9002',

  // The endpoints of your IDaaS instance. {host} is shown in the IDaaS console.
  IDAAS_AUTHORIZE_ENDPOINT: 'https://{host}/login/app/common/oauth2/authorize',
  IDAAS_LOGOUT_ENDPOINT: 'https://{host}/login/app/common/oauth2/logout',

  // The Client node. This page's URL must be among its redirect URIs and its logout callback URLs.
  CLIENT_ID: 'app_…',

  // The agent's audience and permission: audience|permission. With `openid ` in front, IDaaS also issues an ID token: the
  // page shows the user's name, and checks the token's nonce, issuer, audience and expiry. Without it, only `state` is checked.
  SCOPE: 'https://agent.example.com|agent.access',

  // Optional. With the five keys above the page signs in by the implicit grant.
  //
  // RESPONSE_TYPE: 'code',        // authorization code with PKCE. Allow it for the Client node, and give one of:
  // TOKEN_ENDPOINT: 'https://{host}/api/v2/iauths_system/oauth2/token',
  // ISSUER: 'https://{host}/api/v2/iauths_system/oauth2',  // finds the token endpoint; `iss` in answers must equal it
  // REDIRECT_URI: 'https://chat.example.com/',             // default: the address of this page
  // TOKEN_STORAGE: 'memory',      // default 'session': the access token survives a reload, in this tab only
  // CONVERSATION_STORAGE: 'indexeddb', // for an agent that keeps no conversations. Default 'session': for the tab; 'memory': until a reload
  //                               // or a new sign-in; 'indexeddb': in the browser, for its user, until they sign out
  // SILENT_RENEWAL: 'off',        // default 'on': the sign-in is renewed before it expires, where IDaaS allows it
  // LANGUAGE: 'en',               // or 'zh'; default: the browser's
  //
  // Appearance, all optional.
  //
  // PRODUCT_NAME: 'Acme Assistant',
  // LOGO_URL: 'logo.svg',         // a file of this site, or https://…, or data:image/…
  // ACCENT_COLOR: '#0a7d5a',      // darkened or lightened until it has enough contrast
  // SUGGESTIONS: ['Who is on duty this week?', 'Book a meeting room'], // or { en: […], zh: […] }
};
