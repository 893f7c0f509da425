/** The whole page, rendered from the application's state and again after each change. */

import { Attention } from './attention.js';
import { ConversationView } from './conversation-view.js';
import { openDialog } from './dialog.js';
import { element } from './element.js';
import { Header } from './header.js';
import { InboxView } from './inbox-view.js';
import { PastCallsView } from './past-calls-view.js';
import { RightsView } from './rights-view.js';
import { welcome } from './welcome.js';

const TICK_MS = 1000;

export class Page {
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
      openDone: () => this.#open('done.heading', (view) => new PastCallsView(app, view)),
      openRights: () => this.#openRights(),
    });
    this.dialog?.close();
    this.conversation = session && new ConversationView(app, { openRights: () => this.#openRights() });
    const skip = session && element('a', { class: 'skip', href: '#question' }, language.text('app.skip'));
    this.root.replaceChildren(...[skip, this.header.element, this.conversation?.element ?? this.#signedOut()].filter(Boolean));
    this.conversation?.focus();
    this.header.showWaiting(this.attention.waiting);
    this.#tick();
  }

  /** @param {string} [only] the id of the call that a link names */
  #openInbox(only) {
    this.#open('inbox.heading', (view) => new InboxView(this.app, { only, ...view }));
  }

  #openRights() {
    this.#open('rights.heading', (view) => new RightsView(this.app, view));
  }

  #open(title, content) {
    this.dialog?.close();
    this.dialog = openDialog(this.app.language, title, content({ leave: () => this.dialog.close() }));
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
