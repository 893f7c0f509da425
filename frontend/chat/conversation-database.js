/** The users' last conversations in this browser's IndexedDB, by user. Each stays until its user signs out. */

const NAME = 'idaas-agent';
const STORE = 'conversations';

export class ConversationDatabase {
  #opened;

  /** @param {IDBFactory} indexedDB */
  constructor(indexedDB) {
    this.indexedDB = indexedDB;
  }

  /** The turns of `person`, or `undefined`. Each method is complete when its promise resolves, and rejects on failure. */
  read(person) {
    return this.#transact('readonly', (store) => store.get(person));
  }

  /** Replaces the stored turns of `person`. Calls take effect in order. */
  write(person, turns) {
    return this.#transact('readwrite', (store) => store.put(turns, person));
  }

  remove(person) {
    return this.#transact('readwrite', (store) => store.delete(person));
  }

  async #transact(mode, operate) {
    const database = await (this.#opened ??= this.#open());
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = operate(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  }

  #open() {
    return new Promise((resolve, reject) => {
      const request = this.indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      const forget = () => { this.#opened = undefined; };
      request.onerror = () => { forget(); reject(request.error); };
      request.onsuccess = () => {
        const database = request.result;
        database.onclose = forget;
        database.onversionchange = () => { database.close(); forget(); }; // the browser's data is being cleared
        resolve(database);
      };
    });
  }
}
