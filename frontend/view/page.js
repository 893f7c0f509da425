/** The whole page, rendered from the application's state and again after each change. */

import { Attention } from './attention.js';
import { ConversationView } from './conversation-view.js';
import { openDialog } from './dialog.js';
import { element } from './element.js';
import { Header } from './header.js';
import { welcome } from './welcome.js';

const TICK_MS = 1000;
/** The views over the page, whose modules are loaded with the first one that is opened. */
const VIEWS = {
  inbox: async () => (await import('./inbox-view.js')).InboxView,
  done: async () => (await import('./past-calls-view.js')).PastCallsView,
  rights: async () => (await import('./rights-view.js')).RightsView,
};

export class Page {
  #opening = 0;

  /**
   * @param {HTMLElement} root
   * @param {import('../application.js').Application} app
   */
  constructor(root, app) {
    this.root = root;
    this.app = app;
    this.attention = new Attention(app, (count) => this.header?.showWaiting(count));
    app.addEventListener('change', () => this.show());
    app.addEventListener('approval', ({ detail }) => this.#openInbox(detail));
    setInterval(() => this.#tick(), TICK_MS);
  }

  show() {
    const { app } = this;
    const { language, session } = app;
    document.documentElement.lang = language.code;
    this.attention.update();
    this.conversation?.leave();
    this.header = new Header(language, session, app, {
      signOut: () => app.signOut(),
      newConversation: () => this.conversation.begin(),
      chooseLanguage: (code) => app.chooseLanguage(code),
      save: (form) => app.exported(form),
      notify: this.attention,
      openInbox: () => this.#openInbox(),
      openDone: () => this.#open('done'),
      openRights: () => this.#openRights(),
    });
    this.dialog?.close();
    this.#opening += 1;
    this.conversation = session && new ConversationView(app, { openRights: () => this.#openRights() });
    const skip = session && element('a', { class: 'skip', href: '#question' }, language.text('app.skip'));
    this.root.replaceChildren(...[skip, this.header.element, this.conversation?.element ?? this.#signedOut()].filter(Boolean));
    this.conversation?.focus();
    this.header.showWaiting(this.attention.waiting);
    this.#tick();
  }

  /** @param {string} [only] the id of the call that a link names */
  #openInbox(only) {
    this.#open('inbox', { only });
  }

  #openRights() {
    this.#open('rights');
  }

  /** The last view that is asked for opens, in whatever order their modules arrive. */
  async #open(name, options = {}) {
    const { app } = this;
    const opening = this.#opening += 1;
    const View = await VIEWS[name]().catch(() => undefined);
    if (!app.session || opening !== this.#opening) return; // signed out meanwhile, or another was opened
    this.dialog?.close();
    const content = View ? new View(app, { ...options, leave: () => this.dialog.close() }) : notLoaded(app.language);
    this.dialog = openDialog(app.language, `${name}.heading`, content);
  }

  #signedOut() {
    const { app } = this;
    return welcome(app.language, { error: app.signInError, kept: app.expired, signingIn: app.signingIn, checking: app.checking }, {
      signIn: () => app.signIn(),
    });
  }

  #tick() {
    if (!this.app.session) return;
    this.app.renewIfDue();
    const seconds = this.app.secondsLeft();
    this.header.update(seconds, this.app.session.expiresAt);
    this.conversation.tick(seconds);
    this.dialog?.tick();
  }
}

/** What a view shows whose module cannot be loaded. */
function notLoaded(language) {
  return { element: element('p', { class: 'problem', role: 'alert' }, language.text('app.not_loaded')) };
}
