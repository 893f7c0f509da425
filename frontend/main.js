/** The entry point of the page: connects the parts. */

import { applyAccent, applyScheme } from './appearance.js';
import { Application } from './application.js';
import { ConfigurationError, readConfiguration } from './configuration.js';
import { preferredLanguage } from './language/language.js';
import { takeAuthorizationResponse } from './sign-in/authorization-response.js';
import { answerInFrame, handToParent } from './sign-in/frame-answer.js';
import { Page } from './view/page.js';
import { showUnconfigured } from './view/unconfigured.js';

// First, so that no token or code stays in the address or the history.
const response = takeAuthorizationResponse(location, history);

// In a frame the page shows nothing: it was loaded to renew a sign-in, or for clickjacking.
if (window.parent === window) await start();
else {
  document.getElementById('page').replaceChildren();
  handToParent(response, window);
}

async function start() {
  applyScheme();
  const root = document.getElementById('page');
  const languageStorage = allowed(() => localStorage);
  const configured = window.APP_CONFIG?.LANGUAGE;
  const language = await preferredLanguage({ configured, storage: languageStorage, browser: navigator.languages });

  try {
    const configuration = readConfiguration(window.APP_CONFIG, location);
    applyAccent(configuration.accentColor, document.documentElement.style);
    const here = new URL(configuration.redirectUri).origin === location.origin;
    const app = new Application({
      configuration,
      language,
      languageStorage,
      tabStorage: sessionStorage,
      indexedDB: allowed(() => indexedDB),
      location,
      history,
      otherTabs: new BroadcastChannel('idaas-agent'),
      answerInFrame: here ? (url) => answerInFrame(url, { document, window }) : undefined,
    });
    new Page(root, app);
    addEventListener('pageshow', ({ persisted }) => { if (persisted) app.comeBack(); });
    addEventListener('popstate', () => app.addressChanged());
    await app.start(response);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    showUnconfigured(root, language, error.faults);
  }
}

/** `undefined` if the browser's settings forbid storage. */
function allowed(storage) {
  try {
    return storage();
  } catch {
    return undefined;
  }
}
